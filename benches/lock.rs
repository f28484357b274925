//! Several locks at once, uncontended: `lock_all`, the same locks taken by hand in the right order, and happylock.
//!
//! One pinned, gated worker does the work. Every operation takes its locks from the next row of a table, through
//! `black_box`, and adds one to each value: the same work for all, which the compiler can neither foresee nor drop.
//! By hand a row is always in order; that is what "by hand" means. Ours appears twice: `raddle` is given the same
//! rows in order, and `raddle-mixed` rows in an order that changes from call to call, which is what `lock_all` is for.
//! `bare` takes no lock at all: the share of every figure that is the rows and the additions.
//!
//! happylock sorts by address, and its rows are in that order too. `happylock-built` has one collection ready;
//! `happylock-call` makes one per call, as code must that learns its locks at run time. Each is the fastest of the
//! kinds and calls that happylock 0.5.2 offers for the purpose (built: a `LockCollection`, `scoped_lock`; per call: a
//! `RefLockCollection`; owned and retrying ones took longer). It stands on parking_lot 0.12.
//!
//! # That the work is real
//! Checked with `objdump -d --demangle=rust` on this program, x86-64, Rust 1.95: each loop in `lock::add::{{closure}}`
//! takes the row's address from `black_box`, loads the pointers, and holds per lock one `incq` between a `lock cmpxchg`
//! and a `lock xadd` (parking_lot) or `xchg` (std); `bare` is the same loop with the `incq`s alone.

#[path = "lock/arcs.rs"]
mod arcs;
#[path = "lock/sites.rs"]
mod sites;
mod support;

use std::hint::black_box;
use std::sync::atomic::{AtomicU64, Ordering};

use happylock::collection::RefLockCollection;
use happylock::{LockCollection, ThreadKey};
use raddle::{OrderedMutex, lock_all};
use support::{Group, Op, Role, Shape};

/// Pointers in a table of rows: 16 KiB, which stays in the first-level cache but is a long mixed order for a branch
/// predictor to learn by heart.
const POINTERS: usize = 2_048;

fn main() {
    support::run(&[one(), pair(), sites::pair(), arcs::pair(), eight(), arcs::eight(), sixty_four()]);
}

type Std = std::sync::Mutex<u64>;
type ParkingLot = parking_lot::Mutex<u64>;
type Happy = happylock::Mutex<u64>;
type Row<M, const N: usize> = [&'static M; N];

#[derive(Clone, Copy)]
enum Order {
    Right,
    Mixed,
}

/// Which locks each operation takes. The locks live as long as the program.
struct Rows<M: 'static, const N: usize>(Vec<Row<M, N>>);

impl<M, const N: usize> Rows<M, N> {
    fn new(order: Order, lock: impl Fn(u64) -> M) -> Self {
        let locks: &'static [M] = (0..N as u64).map(lock).collect::<Vec<_>>().leak();
        let mut random = 0x9E37_79B9_7F4A_7C15_u64;
        let mut row: Row<M, N> = std::array::from_fn(|i| &locks[i]);
        let rows = (0..POINTERS / N).map(|_| {
            if matches!(order, Order::Mixed) {
                for i in (1..N).rev() {
                    // xorshift: the same order in every run.
                    random ^= random << 13;
                    random ^= random >> 7;
                    random ^= random << 17;
                    row.swap(i, (random >> 33) as usize % (i + 1));
                }
            }
            row
        });
        Self(rows.collect())
    }

    /// Runs `operation` on `iters` rows, as slices.
    #[inline]
    fn each_slice(&self, iters: u64, mut operation: impl FnMut(&[&'static M])) {
        let mut next = 0;
        for _ in 0..iters {
            operation(black_box(&self.0[next][..]));
            next = (next + 1) % (POINTERS / N);
        }
    }

    /// Runs `operation` on `iters` rows.
    #[inline]
    fn each(&self, iters: u64, mut operation: impl FnMut(Row<M, N>)) {
        let mut next = 0;
        for _ in 0..iters {
            operation(*black_box(&self.0[next]));
            next = (next + 1) % (POINTERS / N);
        }
    }
}

/// Adds a benchmark that runs `operation` on row after row.
fn add<M: Send + Sync + 'static, const N: usize>(
    group: &mut Group,
    (role, name): (Role, &'static str),
    order: Order,
    lock: impl Fn(u64) -> M + 'static,
    operation: impl Fn(Row<M, N>) + Copy + Send + Sync + 'static,
) {
    group.add(role, name, Shape::all(1), move || {
        let rows = Rows::new(order, &lock);
        Box::new(move |_, iters| rows.each(iters, operation))
    });
}

/// Adds the locks taken by hand, and the bare additions. A guard in a variable for each lock, as a person writes it: a
/// `map` over the row came out up to 15 % slower.
macro_rules! add_by_hand {
    ($group:expr, $($lock:ident)+) => {
        add($group, (Role::Peer, "parking_lot"), Order::Right, ParkingLot::new, |[$($lock),+]| {
            $(let mut $lock = $lock.lock();)+
            $(*$lock += 1;)+
        });
        add($group, (Role::Peer, "std"), Order::Right, Std::new, |[$($lock),+]| {
            $(let mut $lock = $lock.lock().expect("no holder panics");)+
            $(*$lock += 1;)+
        });
        add($group, (Role::Limit, "bare"), Order::Right, AtomicU64::new, |[$($lock),+]| {
            $($lock.store($lock.load(Ordering::Relaxed).wrapping_add(1), Ordering::Relaxed);)+
        });
    };
}

/// `lock/one`: one lock and no set, to see what keeping order adds to a lock.
fn one() -> Group {
    let mut group = Group::new("lock/one", &["parking_lot", "std", "happylock"]);
    add(&mut group, (Role::Ours, "raddle"), Order::Right, ordered, |[lock]| {
        *lock.lock().expect("nothing is held") += 1;
    });
    add_by_hand!(&mut group, lock);
    group.add(Role::Peer, "happylock", Shape::all(1), || {
        let rows = Rows::<Happy, 1>::new(Order::Right, Happy::new);
        Box::new(move |_, iters| {
            let mut key = key();
            rows.each(iters, |[lock]| lock.scoped_lock(&mut key, |value| *value += 1));
        })
    });
    group.goal(("raddle", "1"), &[("parking_lot", "1"), ("std", "1")], 1.05);
    group
}

/// `lock/pair`: two locks, as a tuple.
fn pair() -> Group {
    let mut group = Group::new("lock/pair", SETS);
    for (name, order) in OURS {
        add(&mut group, (Role::Ours, name), order, ordered, |[a, b]| {
            let mut locked = lock_all((a, b)).expect("nothing is held");
            let (a, b) = locked.split_mut();
            *a += 1;
            *b += 1;
        });
    }
    add_by_hand!(&mut group, a b);
    add_happylock::<2>(&mut group);
    set_goals(&mut group, 1.05);
    group
}

/// `lock/eight`: eight locks, as an array.
fn eight() -> Group {
    let mut group = Group::new("lock/eight", SETS);
    for (name, order) in OURS {
        add(&mut group, (Role::Ours, name), order, ordered, |row: Row<_, 8>| {
            let mut locked = lock_all(row).expect("nothing is held");
            add_one(locked.split_mut());
        });
    }
    add_by_hand!(&mut group, a b c d e f g h);
    add_happylock::<8>(&mut group);
    set_goals(&mut group, 1.2);
    group
}

const MANY: usize = 64;

/// `lock/64`: as many as that, chosen at run time, as a slice. By hand the guards go into a `Vec`; `parking_lot` and `std`
/// are given the locks in order, `parking_lot-sorted` as `raddle-mixed` is, and sorts them by their addresses first.
fn sixty_four() -> Group {
    fn add<M: Send + Sync + 'static>(
        group: &mut Group,
        (role, name): (Role, &'static str),
        order: Order,
        lock: impl Fn(u64) -> M + 'static,
        operation: impl Fn(&[&'static M]) + Copy + Send + Sync + 'static,
    ) {
        group.add(role, name, Shape::all(1), move || {
            let rows = Rows::<M, MANY>::new(order, &lock);
            Box::new(move |_, iters| rows.each_slice(iters, operation))
        });
    }

    fn by_hand(locks: &[&ParkingLot]) {
        let mut guards: Vec<_> = locks.iter().map(|lock| lock.lock()).collect();
        guards.iter_mut().for_each(|value| **value += 1);
    }

    let mut group = Group::new("lock/64", SETS_OF_MANY);
    for (name, order) in OURS {
        add(&mut group, (Role::Ours, name), order, ordered, |locks| {
            let mut locked = lock_all(locks).expect("nothing is held");
            locked.iter_mut().for_each(|value| *value += 1);
        });
    }
    add(&mut group, (Role::Peer, "parking_lot"), Order::Right, ParkingLot::new, by_hand);
    add(&mut group, (Role::Peer, "parking_lot-sorted"), Order::Mixed, ParkingLot::new, |locks| {
        let mut locks = locks.to_vec();
        locks.sort_unstable_by_key(|lock| std::ptr::from_ref(*lock));
        by_hand(&locks);
    });
    add(&mut group, (Role::Peer, "std"), Order::Right, Std::new, |locks| {
        let mut guards: Vec<_> = locks.iter().map(|lock| lock.lock().expect("no holder panics")).collect();
        guards.iter_mut().for_each(|value| **value += 1);
    });
    add(&mut group, (Role::Limit, "bare"), Order::Right, AtomicU64::new, |values| {
        values.iter().for_each(|value| value.store(value.load(Ordering::Relaxed).wrapping_add(1), Ordering::Relaxed));
    });
    group.add(Role::Peer, "happylock-built", Shape::all(1), || {
        let rows = Rows::<Happy, MANY>::new(Order::Right, Happy::new);
        let built = LockCollection::try_new(rows.0[0].to_vec()).expect("no lock twice");
        Box::new(move |_, iters| {
            let mut key = key();
            rows.each_slice(iters, |_| {
                black_box(&built).scoped_lock(&mut key, |values| values.into_iter().for_each(|value| *value += 1));
            });
        })
    });
    group.add(Role::Peer, "happylock-call", Shape::all(1), || {
        let rows = Rows::<Happy, MANY>::new(Order::Mixed, Happy::new);
        Box::new(move |_, iters| {
            let mut key = key();
            rows.each_slice(iters, |locks| {
                let locks = locks.to_vec();
                let locks = RefLockCollection::try_new(&locks).expect("no lock twice");
                locks.scoped_lock(&mut key, |values| values.into_iter().for_each(|value| *value += 1));
            });
        })
    });
    set_goals(&mut group, 1.6);
    group.goal(("raddle-mixed", "1"), &[("parking_lot-sorted", "1")], 1.2);
    group
}

const OURS: [(&str, Order); 2] = [("raddle", Order::Right), ("raddle-mixed", Order::Mixed)];
const SETS_OF_MANY: &[&str] = &["parking_lot", "parking_lot-sorted", "std", "happylock-built", "happylock-call"];
const SETS: &[&str] = &["parking_lot", "std", "happylock-built", "happylock-call"];

fn add_happylock<const N: usize>(group: &mut Group) {
    group.add(Role::Peer, "happylock-built", Shape::all(1), happylock_built::<N>);
    group.add(Role::Peer, "happylock-call", Shape::all(1), happylock_call::<N>);
}

fn happylock_built<const N: usize>() -> Op {
    let rows = Rows::<Happy, N>::new(Order::Right, Happy::new);
    let built = LockCollection::try_new(rows.0[0]).expect("no lock twice");
    Box::new(move |_, iters| {
        let mut key = key();
        rows.each(iters, |_| black_box(&built).scoped_lock(&mut key, add_one));
    })
}

fn happylock_call<const N: usize>() -> Op {
    let rows = Rows::<Happy, N>::new(Order::Right, Happy::new);
    Box::new(move |_, iters| {
        let mut key = key();
        rows.each(iters, |row| {
            RefLockCollection::try_new(&row).expect("no lock twice").scoped_lock(&mut key, add_one);
        });
    })
}

fn add_one<const N: usize>(values: [&mut u64; N]) {
    for value in values {
        *value += 1;
    }
}

fn set_goals(group: &mut Group, by_hand: f64) {
    for (ours, _) in OURS {
        group.goal((ours, "1"), &[("parking_lot", "1"), ("std", "1")], by_hand);
        group.goal((ours, "1"), &[("happylock-built", "1"), ("happylock-call", "1")], 1.0);
    }
}

fn ordered(id: u64) -> OrderedMutex<u64> {
    OrderedMutex::new(id, 0)
}

/// happylock's proof that this thread holds nothing; had once per chunk, so its cost does not show.
fn key() -> ThreadKey {
    ThreadKey::get().expect("one key per thread")
}
