//! `lock/pair-arcs` and `lock/eight-arcs`: locks that have several owners, in sets by reference, and in sets that own them.
//!
//! `raddle` is given references, as in `lock/pair`; `raddle-ref` references to the `Arc`s; `raddle-arc` the `Arc`s themselves, which
//! are cloned for each call, since the set keeps them. Each set is a tuple. Beside the first two stand guards taken by hand, in order;
//! beside the last one `parking_lot-arc`, whose guards own their `Arc`s (`lock_arc`). `clones` clones and drops the `Arc`s, and takes no
//! lock. All rows are in order.

use std::sync::atomic::AtomicU64;
use std::sync::{Arc, atomic};

use super::support::{Group, Role};
use super::{Order, ParkingLot, Row, Std, add};
use raddle::{OrderedMutex, lock_all};

/// Of a type that the other groups do not use: with one place more in which its pairs are locked, those of `lock/pair` took 10.3
/// nanoseconds instead of 8.5, as the guard's drop was inlined no more.
fn signed(id: u64) -> OrderedMutex<i64> {
    OrderedMutex::new(id, 0)
}

const PEERS: &[&str] = &["parking_lot", "std", "parking_lot-arc"];

/// Adds everything, by hand with a guard in a variable for each lock as in the other groups.
macro_rules! add_all {
    ($group:expr, $($lock:ident)+) => {{
        add($group, (Role::Ours, "raddle"), Order::Right, signed, |[$($lock),+]| {
            let mut locked = lock_all(($($lock,)+)).expect("nothing is held");
            let ($($lock,)+) = locked.split_mut();
            $(*$lock += 1;)+
        });
        add($group, (Role::Ours, "raddle-ref"), Order::Right, |id| Arc::new(signed(id)), |[$($lock),+]: Row<Arc<_>, _>| {
            let mut locked = lock_all(($($lock,)+)).expect("nothing is held");
            let ($($lock,)+) = locked.split_mut();
            $(*$lock += 1;)+
        });
        add($group, (Role::Ours, "raddle-arc"), Order::Right, |id| Arc::new(signed(id)), |[$($lock),+]: Row<Arc<_>, _>| {
            let mut locked = lock_all(($(Arc::clone($lock),)+)).expect("nothing is held");
            let ($($lock,)+) = locked.split_mut();
            $(*$lock += 1;)+
        });
        add($group, (Role::Peer, "parking_lot"), Order::Right, |value| Arc::new(ParkingLot::new(value)), |[$($lock),+]| {
            $(let mut $lock = $lock.lock();)+
            $(*$lock += 1;)+
        });
        add($group, (Role::Peer, "std"), Order::Right, |value| Arc::new(Std::new(value)), |[$($lock),+]| {
            $(let mut $lock = $lock.lock().expect("no holder panics");)+
            $(*$lock += 1;)+
        });
        add($group, (Role::Peer, "parking_lot-arc"), Order::Right, |value| Arc::new(ParkingLot::new(value)), |[$($lock),+]| {
            $(let mut $lock = $lock.lock_arc();)+
            $(*$lock += 1;)+
        });
        add($group, (Role::Limit, "clones"), Order::Right, |value| Arc::new(AtomicU64::new(value)), |[$($lock),+]| {
            $(let $lock = Arc::clone($lock);)+
            $($lock.store($lock.load(atomic::Ordering::Relaxed).wrapping_add(1), atomic::Ordering::Relaxed);)+
        });
    }};
}

pub(super) fn pair() -> Group {
    let mut group = Group::new("lock/pair-arcs", PEERS).in_turn();
    add_all!(&mut group, a b);
    set_goals(&mut group, 1.05);
    group
}

pub(super) fn eight() -> Group {
    let mut group = Group::new("lock/eight-arcs", PEERS).in_turn();
    add_all!(&mut group, a b c d e f g h);
    set_goals(&mut group, 1.2);
    group
}

fn set_goals(group: &mut Group, at_most: f64) {
    for ours in ["raddle", "raddle-ref"] {
        group.goal((ours, "1"), &[("parking_lot", "1"), ("std", "1")], at_most);
    }
    group.goal(("raddle-arc", "1"), &[("parking_lot-arc", "1")], at_most);
}
