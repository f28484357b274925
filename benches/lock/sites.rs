//! `lock/pair-sites`: pairs that are locked in five places of the program, in turns.
//!
//! What is called in one place only is inlined there, whatever its size. Programs have more places than one.

use super::support::{Group, Role, Shape};
use super::{OURS, Order, ParkingLot, Row, Rows, Std, ordered, set_goals};
use raddle::{OrderedMutex, lock_all};

/// How many places.
const SITES: usize = 5;

type Pair<M> = Row<M, 2>;

/// The same function once for each place: it adds another number, or all would be merged into one.
macro_rules! sites {
    ($name:ident) => {
        [$name::<1>, $name::<2>, $name::<3>, $name::<4>, $name::<5>]
    };
}

#[inline(never)]
fn ours<const SITE: u64>([a, b]: Pair<OrderedMutex<u64>>) {
    let mut locked = lock_all((a, b)).expect("nothing is held");
    let (a, b) = locked.split_mut();
    *a += SITE;
    *b += SITE;
}

#[inline(never)]
fn on_parking_lot<const SITE: u64>([a, b]: Pair<ParkingLot>) {
    let (mut a, mut b) = (a.lock(), b.lock());
    *a += SITE;
    *b += SITE;
}

#[inline(never)]
fn on_std<const SITE: u64>([a, b]: Pair<Std>) {
    let mut a = a.lock().expect("no holder panics");
    let mut b = b.lock().expect("no holder panics");
    *a += SITE;
    *b += SITE;
}

fn add<M: Send + Sync + 'static>(
    group: &mut Group,
    (role, name): (Role, &'static str),
    order: Order,
    lock: impl Fn(u64) -> M + 'static,
    sites: [fn(Pair<M>); SITES],
) {
    group.add(role, name, Shape::all(1), move || {
        let rows = Rows::new(order, &lock);
        Box::new(move |_, iters| {
            let mut next = 0;
            rows.each(iters, |row| {
                sites[next](row);
                next = (next + 1) % SITES;
            });
        })
    });
}

pub(super) fn pair() -> Group {
    let mut group = Group::new("lock/pair-sites", &["parking_lot", "std"]);
    for (name, order) in OURS {
        add(&mut group, (Role::Ours, name), order, ordered, sites!(ours));
    }
    add(&mut group, (Role::Peer, "parking_lot"), Order::Right, ParkingLot::new, sites!(on_parking_lot));
    add(&mut group, (Role::Peer, "std"), Order::Right, Std::new, sites!(on_std));
    set_goals(&mut group, 1.05);
    group
}
