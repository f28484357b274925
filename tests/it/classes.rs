//! Fresh ids, and classes with names.

use std::collections::HashSet;

use raddle::{Lazy, LockClass, LockError, LockId, OrderedMutex, OrderedRwLock, lock_all, try_lock_all, waits};

use crate::lock::holds_nothing;
use crate::stress::watched;
use crate::thread;

static SITE: LockClass = LockClass::new(71, "site");
static WARD: LockClass = LockClass::new(72, "ward");
const BED: LockClass = LockClass::new(73, "bed");
static ENTRANCE: OrderedMutex<u32> = OrderedMutex::with_id(SITE.id(1), 0);
const SECOND: LockId = SITE.id(2);

#[derive(Debug, Default)]
struct Ward {
    beds: OrderedMutex<u32>,
    rates: OrderedRwLock<Vec<i32>>,
}

#[derive(Default)]
struct Generic<T> {
    value: OrderedMutex<T>,
}

/// Whether the thread, while it holds one, may wait for the other.
fn nests(one: &OrderedMutex<u8>, other: &OrderedMutex<u8>) -> bool {
    let guard = one.lock().unwrap();
    let nested = other.lock().map(drop);
    drop(guard);
    if let Err(error) = &nested {
        assert!(matches!(error, LockError::OutOfOrder { .. }), "{error:?}");
    }
    nested.is_ok()
}

/// Fails if a struct of locks cannot be made by `Default`, or if what it is made of is not what was asked for.
#[test]
fn structs_of_locks() {
    let ward = Ward::default();
    *ward.beds.lock().unwrap() += 40;
    ward.rates.write().unwrap().push(3);
    assert_eq!(lock_all((ward.rates.as_read(), &ward.beds)).unwrap().split(), (&vec![3], &40));
    assert_eq!(*Generic::<u8>::default().value.lock().unwrap(), 0);
    let text: OrderedMutex<String> = "Li".to_owned().into();
    assert_eq!(text.into_inner(), "Li");
    assert_eq!(OrderedRwLock::from(5).into_inner(), 5);
    let many: Vec<OrderedMutex<i32>> = (0..3).map(OrderedMutex::from).collect();
    assert_eq!(lock_all(&many).unwrap().iter().sum::<i32>(), 3);
}

/// Fails if two fresh ids are equal, whichever threads make them and of whatever class.
#[test]
fn fresh_ids_differ() {
    let each = if cfg!(miri) { 20 } else { 2000 };
    let make = || (0..each).flat_map(|_| [OrderedMutex::from(()).id(), BED.mutex(()).id(), BED.rwlock(()).id()]);
    let all: Vec<_> = thread::scope(|threads| {
        let work: Vec<_> = (0..4).map(|_| threads.spawn(move || make().collect::<Vec<_>>())).collect();
        work.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    });
    assert_eq!(all.iter().collect::<HashSet<_>>().len(), all.len());
}

/// Fails if a fresh id equals one that was written, or does not come after all written ones of its class and before those of the next.
#[test]
fn fresh_ids_among_written_ones() {
    let ward = WARD.mutex(()).id();
    for number in [0, 1, u64::MAX / 2, u64::MAX] {
        assert!(WARD.id(number) < ward && ward < BED.id(number));
        assert!(LockId::in_class(72, number) < ward && ward < LockId::in_class(73, number));
        let fresh = OrderedMutex::from(()).id();
        assert!(LockId::in_class(u32::MAX, number) < fresh && fresh < LockId::from(u128::MAX - u128::from(number)));
    }
    let newer = WARD.mutex(()).id();
    assert!(ward < newer && newer < BED.mutex(()).id() && BED.mutex(()).id() < OrderedMutex::from(()).id());
}

/// Fails if ids that are made of a `u128` collide with others, at any border between what is written, fresh and neither.
#[test]
fn whole_ids_are_all_different() {
    let borders = [0, 1, u64::from(u32::MAX), 1 << 32, (1 << 33) - 1, 1 << 33, (1 << 33) + 1, (1 << 33) + 2, u64::MAX];
    let near = |border: u64| [border.saturating_sub(1), border, border.saturating_add(1)];
    let uppers: HashSet<u64> = borders.into_iter().flat_map(near).collect();
    let ids: HashSet<_> = uppers.iter().map(|&upper| LockId::from(u128::from(upper) << 64 | 7)).collect();
    assert_eq!(ids.len(), uppers.len());
    for class in [0, 1, u32::MAX] {
        assert_eq!(LockId::from(u128::from(class) << 64 | 7), LockId::in_class(class, 7));
        assert!(ids.contains(&LockId::in_class(class, 7)));
    }
    // What looks like a fresh id of class 0 but for its number is none.
    let [low, high] = [1, 2]
        .map(|last| OrderedMutex::with_id(LockId::from(0x0000_0001_0000_4000_8000_0000_0000_0000_u128 | last), 0));
    assert_eq!(low.id().to_string(), "4294983680:9223372036854775809");
    assert!(nests(&low, &high) && !nests(&high, &low));
    // As version 7 and version 4 have them.
    let uuids = [0x0190_163d_8694_739b_aea5_966c_26f8_ad91_u128, 0xffff_ffff_ffff_4fff_bfff_ffff_ffff_ffff];
    assert!(LockId::from(uuids[0]) < LockId::from(uuids[1]));
}

/// Fails if which of two fresh locks was made first decides whether they nest.
#[test]
fn fresh_locks_of_a_class_never_nest() {
    watched(|_| {
        for first in [true, false] {
            let (a, b): (Lazy<OrderedMutex<u8>>, Lazy<OrderedMutex<u8>>) =
                (Lazy::new(Default::default), Lazy::new(Default::default));
            drop(if first { a.lock() } else { b.lock() });
            assert!(!nests(&a, &b) && !nests(&b, &a));
        }
        let (bed, other, ward) = (BED.mutex(1), BED.mutex(2), WARD.mutex(3));
        assert!(!nests(&bed, &other) && !nests(&other, &bed) && !nests(&bed, &ward));
        // In the order of the classes; those without one come last.
        assert!(nests(&ward, &bed) && nests(&bed, &OrderedMutex::from(1)) && nests(&OrderedMutex::new(1, 1), &ward));
        // Also above and below what is written.
        let written = OrderedMutex::with_id(BED.id(u64::MAX), 1);
        assert!(nests(&written, &bed) && !nests(&bed, &written));
        holds_nothing();
    });
}

/// Fails if what a `try_` form acquired, or a set, does not count as the whole class, or if sets of fresh locks are refused.
#[test]
fn fresh_locks_in_sets() {
    watched(|_| {
        let locks = [BED.mutex(1), BED.mutex(2), BED.mutex(3)];
        let [a, b, c] = &locks;
        for set in [[a, b, c], [c, a, b], [c, b, a]] {
            let values = lock_all(set).unwrap().split().map(|value| *value);
            assert_eq!(values, set.map(|lock| *lock.lock().unwrap()));
        }
        for [held, wanted] in [[a, c], [c, a]] {
            let guard = held.try_lock().unwrap();
            assert!(matches!(wanted.lock(), Err(LockError::OutOfOrder { .. })));
            assert!(matches!(lock_all((wanted, b)), Err(LockError::OutOfOrder { .. })));
            drop((wanted.try_lock().unwrap(), try_lock_all((wanted, b)).err()));
            drop(guard);
        }
        let set = lock_all((a, b)).unwrap();
        assert!(matches!(c.lock(), Err(LockError::OutOfOrder { .. })));
        drop(set);
        assert_eq!(lock_all((a, a)).err(), Some(LockError::Duplicate { id: a.id() }));
        holds_nothing();
    });
}

/// Fails if two threads that name a class at once do not agree on its name from then on.
#[test]
fn a_class_has_one_name() {
    let rounds = if cfg!(miri) { 10 } else { 3000 };
    let barrier = std::sync::Barrier::new(2);
    let name_it = |name: &'static str| {
        let (barrier, names) = (&barrier, |class| LockId::in_class(class, 1).to_string());
        move || {
            let name_one = |class| {
                barrier.wait();
                LockClass::new(class, name).register();
                (names(class), barrier.wait(), names(class))
            };
            (0..rounds).map(|round| name_one(1_000_000 + round)).map(|(own, _, last)| (own, last)).collect::<Vec<_>>()
        }
    };
    let [one, other] = thread::scope(|threads| {
        ["one", "other"].map(|name| threads.spawn(name_it(name))).map(|thread| thread.join().unwrap())
    });
    assert_eq!(one, other);
    assert!(one.iter().all(|(own, last)| own == last));
}

/// Fails if the name of a class does not stand in errors, `Debug` and `waits`, or another class has it.
#[test]
fn names() {
    watched(|_| {
        SITE.register();
        assert_eq!(
            (SITE.name(), SITE.id(7).to_string(), SECOND.to_string()),
            ("site", "site:7".into(), "site:2".into())
        );
        assert_eq!(LockId::in_class(71, 7), SITE.id(7));
        assert_eq!(LockId::in_class(79, 7).to_string(), "79:7");
        assert_eq!((SITE, SITE == WARD), (LockClass::new(71, "place"), false));
        // The first name counts.
        LockClass::new(71, "place").register();
        assert_eq!(format!("{:?}", ENTRANCE.id()), "LockId(site:1)");
        let bed = BED.mutex(40);
        let id = bed.id().to_string();
        assert!(id.strip_prefix("bed#").is_some_and(|number| number.parse::<u64>().is_ok()), "{id}");
        assert_eq!(format!("{bed:?}"), format!("OrderedMutex {{ id: LockId({id}), value: 40 }}"));
        let plain = OrderedMutex::from(0);
        assert!(plain.id().to_string().strip_prefix('#').is_some_and(|number| number.parse::<u64>().is_ok()));

        let guard = bed.lock().unwrap();
        let error = BED.mutex(1).lock().unwrap_err().to_string();
        assert!(error.contains(&format!("while lock {id} is held")) && error.contains("together only"), "{error}");
        thread::scope(|threads| {
            threads.spawn(|| drop(bed.lock()));
            while !waits().iter().any(|wait| wait.what().to_string() == format!("lock {id}")) {
                thread::yield_now();
            }
            drop(guard);
        });
    });
}
