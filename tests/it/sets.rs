//! What sets are made of, guards that own their lock, and guards of a part.

use std::fmt::Debug;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Weak};

use proptest::prelude::*;
use raddle::{
    AnyMut, AnyRequest, Guard, LockClass, LockError, LockTable, Locked, MappedGuard, OrderedMutex,
    OrderedMutexArcGuard, OrderedReadArcGuard, OrderedReadGuard, OrderedRwLock, OrderedWriteArcGuard,
    OrderedWriteGuard, ReadRequest, Stopped, lock_all, try_lock_all,
};

use crate::lock::holds_nothing;
use crate::properties::cases;
use crate::stress::watched;
use crate::thread;

static KEY: LockClass = LockClass::new(74, "key");

/// Fails if `Arc`s or boxes of locks cannot stand in a set, or another lock is acquired than the one that they name.
#[test]
fn arcs_and_boxes() {
    let (a, b) = (Arc::new(OrderedMutex::from(1)), Arc::new(OrderedMutex::from(2)));
    let (c, rates) = (OrderedMutex::from("c"), Arc::new(OrderedRwLock::from(vec![3])));
    let twice = lock_all((&a, b.clone(), &c, rates.as_read(), rates.as_write_arc()));
    assert_eq!(twice.err(), Some(LockError::Duplicate { id: rates.id() }));
    {
        let other = Arc::new(OrderedRwLock::from(vec![4]));
        let mut set = lock_all((&a, b.clone(), &c, rates.as_read(), other.as_write_arc())).unwrap();
        assert!(a.is_locked() && b.is_locked() && c.is_locked() && rates.is_locked() && other.is_locked());
        let (a, b, c, rates, other): (&mut i32, &mut i32, &mut &str, &Vec<i32>, &mut Vec<i32>) = set.split_mut();
        (*a, *b, *c) = (10, 20, "d");
        other.extend(rates);
    }
    assert!(!a.is_locked() && !b.is_locked() && !rates.is_locked());
    let arcs = vec![b.clone(), a.clone()];
    assert_eq!(lock_all(&arcs[..]).unwrap().split(), [&20, &10]);
    assert_eq!(lock_all(&arcs).unwrap()[1], 10);
    let pair = [a.clone(), b.clone()];
    let mut held = lock_all(&pair).unwrap();
    let [x, y] = held.split_mut();
    std::mem::swap(x, y);
    drop(held);
    assert_eq!(lock_all(pair.clone()).unwrap().split(), [&20, &10]);
    lock_all(pair.each_ref()).unwrap()[0] += 1;
    lock_all(pair.iter().collect::<Vec<_>>()).unwrap().iter_mut().for_each(|value| *value += 1);
    for value in &mut lock_all(arcs).unwrap() {
        *value += 1;
    }
    assert_eq!((a.try_lock().map(|v| *v), b.try_lock().map(|v| *v)), (Ok(23), Ok(12)));
    let boxes: Vec<Box<OrderedMutex<dyn Debug>>> =
        vec![Box::new(OrderedMutex::from(1)), Box::new(OrderedMutex::from("x"))];
    assert_eq!(format!("{:?}", lock_all(boxes.iter().collect::<Vec<_>>()).unwrap().split()), "[1, \"x\"]");
    let any: Arc<OrderedMutex<dyn Debug + Send>> = Arc::new(OrderedMutex::from(5));
    assert_eq!(format!("{:?}", lock_all((&any, &a)).unwrap().split().0), "5");
    holds_nothing();
}

/// Fails if a collection of locks cannot be named as it is, or its values are lent in another order.
#[test]
fn collections_of_locks() {
    let locks: Vec<_> = [3, 1, 2].into_iter().map(|id| OrderedMutex::new(id, id)).collect();
    assert_eq!(lock_all(&locks).unwrap().split(), [&3, &1, &2]);
    let mut held = lock_all(&locks[1..]).unwrap();
    assert_eq!(held.get(1), Some(&2));
    assert!(held.get(2).is_none() && held.get_mut(2).is_none());
    held[0] = 7;
    assert!(locks[1].is_locked() && !locks[0].is_locked());
    drop(held);
    let [one, other] = &mut [OrderedMutex::new(9, 'a'), OrderedMutex::new(8, 'b')];
    std::mem::swap(one.get_mut(), other.get_mut());
    let pair = [OrderedMutex::new(9, 'b'), OrderedMutex::new(8, 'a')];
    let mut held = lock_all(&pair).unwrap();
    let [b, a] = held.split_mut();
    assert_eq!((&*a, &*b), (&'a', &'b'));
    drop(held);
    assert_eq!(lock_all(&vec![&locks[0]]).unwrap()[0], 3);
    let none: [&OrderedMutex<u8>; 0] = [];
    assert!(lock_all(&none).unwrap().get(0).is_none());
    holds_nothing();
}

/// Fails if a set or a guard does not keep what it owns alive, or keeps it longer; or if it is still locked when its value is dropped.
#[test]
fn what_guards_own() {
    struct Free(Weak<OrderedMutex<Option<Free>>>);
    impl Drop for Free {
        fn drop(&mut self) {
            assert!(self.0.upgrade().is_none());
            holds_nothing();
        }
    }
    let new = || Arc::new_cyclic(|weak: &Weak<_>| OrderedMutex::from(Some(Free(weak.clone()))));
    let lock = new();
    let weak = Arc::downgrade(&lock);
    let guard: OrderedMutexArcGuard<_> = lock.lock_arc().unwrap();
    drop(lock);
    assert!(guard.is_some() && weak.upgrade().is_some_and(|lock| lock.is_locked()));
    drop(guard);
    assert!(weak.upgrade().is_none());
    let locks = vec![new(), new()];
    let weak: Vec<_> = locks.iter().map(Arc::downgrade).collect();
    let set: Locked<Vec<Arc<_>>> = lock_all(locks).unwrap();
    assert!(weak.iter().all(|weak| weak.upgrade().is_some_and(|lock| lock.is_locked())));
    drop(set);
    assert!(weak.iter().all(|weak| weak.upgrade().is_none()));
    // A refused set gives up what it owned.
    let lock = new();
    assert!(matches!(try_lock_all([lock.clone(), lock.clone()]), Err(LockError::Duplicate { .. })));
    assert_eq!(Arc::strong_count(&lock), 1);
}

/// Fails if an owned guard locks otherwise than a borrowed one: order, limit, poison.
#[test]
fn owned_guards() {
    watched(|_| {
        let (lock, shared) = (Arc::new(OrderedMutex::new(1, 5)), Arc::new(OrderedRwLock::new(2, 6)));
        let read: OrderedReadArcGuard<i32> = shared.read_arc().unwrap();
        assert!(matches!(lock.lock_arc(), Err(LockError::OutOfOrder { .. })));
        assert!(shared.try_read_arc().is_ok());
        assert_eq!(shared.try_write_arc().err(), Some(LockError::WouldBlock { id: shared.id() }));
        thread::scope(|threads| {
            threads.spawn(|| {
                let stopped = Some(LockError::from(Stopped::TimedOut));
                assert_eq!(shared.write_arc_within(std::time::Duration::ZERO).err(), stopped);
                drop(shared.read_arc_within(std::time::Duration::ZERO).unwrap());
                drop(lock.lock_arc_within(std::time::Duration::ZERO).unwrap());
            });
        });
        drop(read);
        let mut write: OrderedWriteArcGuard<i32> = shared.write_arc().unwrap();
        *write += 1;
        let read = OrderedWriteArcGuard::downgrade(write);
        assert_eq!((*read, shared.try_read().map(|value| *value)), (7, Ok(7)));
        drop(read);
        let panicked = catch_unwind(AssertUnwindSafe(|| {
            let _guards = (lock.lock_arc().unwrap(), shared.write_arc().unwrap());
            panic!("on purpose");
        }));
        assert!(panicked.is_err() && lock.is_poisoned() && shared.is_poisoned());
        assert!(matches!(lock.try_lock_arc(), Err(LockError::Poisoned { .. })));
        holds_nothing();
    });
}

/// Fails if a mixed set lends for change what it only reads, or the other way round.
#[test]
fn mixed_at_run_time() {
    let (lock, shared, arc) = (OrderedMutex::from(1), OrderedRwLock::from(2), Arc::new(OrderedMutex::from(3)));
    let shared_arc = Arc::new(OrderedRwLock::from(4));
    for writes in [true, false] {
        let set: Vec<AnyRequest<'_, i32>> = vec![
            (&lock).into(),
            if writes { shared.as_write().into() } else { shared.as_read().into() },
            if writes { arc.clone().into() } else { (&arc).into() },
            if writes { shared_arc.as_write_arc().into() } else { shared_arc.as_read_arc().into() },
        ];
        let ids: Vec<_> = [lock.id(), shared.id(), arc.id(), shared_arc.id()].into();
        assert_eq!(format!("{:?}", set[1]), format!("AnyRequest({:?})", ids[1]));
        let mut held = lock_all(set.clone()).unwrap();
        assert_eq!(shared.try_read().is_ok(), !writes);
        let may = held.iter_mut().map(|mut value| value.get_mut().is_some()).collect::<Vec<_>>();
        assert_eq!(may, [true, writes, true, writes]);
        let mut lent = held.split_mut();
        if let Some(value) = lent[1].get_mut() {
            *value += 1;
        }
        assert_eq!(matches!(lent[1], AnyMut::Shared(_)), !writes);
        assert_eq!((*lent[1], held[1]), (3, 3));
        *held.get_mut(0).unwrap().get_mut().unwrap() += 1;
    }
    assert_eq!(*lock.lock().unwrap(), 3);
    let text = OrderedMutex::from("text");
    let set =
        [AnyRequest::from(&lock as &OrderedMutex<dyn Debug>), AnyRequest::from(&text as &OrderedMutex<dyn Debug>)];
    assert_eq!(format!("{:?}", lock_all(set).unwrap().split()), "[3, \"text\"]");
    holds_nothing();
}

// What reads is covariant.
fn shorter<'a, 's>(guard: OrderedReadGuard<'a, &'static str>) -> OrderedReadGuard<'a, &'s str> {
    guard
}

fn shorter_set<'a, 's>(set: Locked<[ReadRequest<'a, &'static str>; 2]>) -> Locked<[ReadRequest<'a, &'s str>; 2]> {
    set
}

/// Fails if a guard that reads a value of a long life cannot stand for one of a short life.
#[test]
fn what_reads_is_covariant() {
    let locks = ["longest", "long"].map(OrderedRwLock::<&'static str>::from);
    let local = String::from("local");
    let both = |read: &[&str; 2]| [read[0].len(), read[1].len()];
    let guard = shorter(locks[0].read().unwrap());
    assert_eq!(both(&[*guard, &local]), [7, 5]);
    drop(guard);
    let set = shorter_set(lock_all(locks.each_ref().map(OrderedRwLock::as_read)).unwrap());
    assert_eq!(both(&[set[1], &local]), [4, 5]);
    let dynamic: &OrderedRwLock<dyn Debug> = &locks[0];
    assert_eq!(format!("{:?}", dynamic.try_read().unwrap()), "\"longest\"");
    assert_eq!(size_of::<ReadRequest<'_, [u8; 100]>>(), size_of::<usize>());
    assert_eq!(size_of::<Option<ReadRequest<'_, [u8; 100]>>>(), size_of::<usize>());
}

/// Fails if a guard of a part gives another part, releases the lock early or late, or does not poison it.
#[test]
fn guards_of_a_part() {
    let lock = OrderedMutex::new(1, (String::from("ward"), vec![1, 2, 3]));
    let mut part = Guard::map(lock.lock().unwrap(), |(_, numbers)| &mut numbers[..]);
    part[0] = 7;
    assert!(lock.is_locked());
    assert_eq!(format!("{part:?}"), "[7, 2, 3]");
    let mut part = MappedGuard::map(part, |numbers| &mut numbers[1]);
    *part += 1;
    assert_eq!(format!("{part}"), "3");
    drop(part);
    assert!(!lock.is_locked());
    assert_eq!(*lock.lock().unwrap(), ("ward".into(), vec![7, 3, 3]));
    let shared = Arc::new(OrderedRwLock::new(2, vec![5, 6]));
    let first = Guard::map_ref(shared.read_arc().unwrap(), |numbers| &numbers[0]);
    assert_eq!((*first, shared.try_read().is_ok(), shared.try_write().is_ok()), (5, true, false));
    drop(first);
    // What owns the lock lives on in it, whichever way there was to the part.
    let weak = Arc::downgrade(&shared);
    let last = Guard::try_map(shared.write_arc().unwrap(), |numbers| numbers.last_mut()).unwrap();
    drop(shared);
    assert_eq!((*last, weak.upgrade().is_some_and(|lock| lock.is_locked())), (6, true));
    drop(last);
    assert!(weak.upgrade().is_none());
    let whole = Guard::try_map(lock.lock().unwrap(), |(_, numbers)| numbers.get_mut(7)).unwrap_err();
    assert!(lock.is_locked() && whole.1.len() == 3);
    let name = Guard::try_map_ref(whole, |(name, _)| name.strip_prefix("wa")).unwrap();
    assert_eq!(&*name, "rd");
    drop(name);
    assert!(!lock.is_locked());
    // One type, whatever the lock is.
    let other = OrderedRwLock::new(3, [1, 2]);
    let table: LockTable<u8, [i32; 2]> = LockTable::new(&KEY);
    let mut parts: Vec<MappedGuard<'_, i32>> = vec![
        Guard::map(lock.lock().unwrap(), |(_, numbers)| &mut numbers[2]),
        Guard::map(other.write().unwrap(), |numbers| &mut numbers[0]),
        Guard::map(table.try_lock(&1).unwrap(), |value| &mut value.get_or_insert_default()[1]),
    ];
    parts.iter_mut().for_each(|part| **part += 1);
    assert_eq!((lock.is_locked(), other.is_locked(), table.len()), (true, true, 1));
    drop(parts);
    assert_eq!((lock.try_lock().unwrap().1[2], other.try_read().unwrap()[0]), (4, 2));
    assert_eq!(table.lock(&1).unwrap().take(), Some([0, 1]));
    assert!(table.is_empty());
    let in_part = catch_unwind(AssertUnwindSafe(|| {
        let _part = Guard::map(lock.lock().unwrap(), |(name, _)| name);
        panic!("on purpose");
    }));
    assert!(in_part.is_err() && lock.is_poisoned());
    lock.clear_poison();
    let in_map = catch_unwind(AssertUnwindSafe(|| {
        drop(Guard::map(lock.lock().unwrap(), |_| -> &mut u8 { panic!("on purpose") }));
    }));
    assert!(in_map.is_err() && lock.is_poisoned());
    holds_nothing();
}

/// Fails if a writer that becomes a reader lets another writer in, keeps readers out, or is taken for a writer still.
#[test]
fn downgrades() {
    watched(|_| {
        let lock = OrderedRwLock::new(2, 0);
        let low = OrderedMutex::new(1, ());
        let mut write = lock.write().unwrap();
        *write = 1;
        thread::scope(|threads| {
            let reads: Vec<_> = (0..3).map(|_| threads.spawn(|| *lock.read().unwrap())).collect();
            let writes = threads.spawn(|| {
                let mut write = lock.write().unwrap();
                *write += 10;
                *write
            });
            while waits_for(&lock) < 4 {
                thread::yield_now();
            }
            let read = OrderedWriteGuard::downgrade(write);
            // All readers that sleep, while this one holds.
            assert!(reads.into_iter().all(|thread| thread.join().unwrap() == 1));
            assert!(matches!(low.lock(), Err(LockError::OutOfOrder { .. })));
            assert_eq!((*read, lock.try_write().is_ok()), (1, false));
            // The writer waits still, so new readers do.
            assert!(lock.try_read().is_err());
            drop(read);
            assert_eq!(writes.join().unwrap(), 11);
        });
        // A panic while it reads poisons nothing.
        let panicked = catch_unwind(AssertUnwindSafe(|| {
            let _read = Guard::downgrade(lock.write().unwrap());
            panic!("on purpose");
        }));
        assert!(panicked.is_err() && !lock.is_poisoned() && lock.try_write().is_ok());
        holds_nothing();
    });
}

/// How many threads wait for the lock.
fn waits_for(lock: &OrderedRwLock<i32>) -> usize {
    use raddle::What;
    let wanted = [What::Read(lock.id()), What::Write(lock.id())];
    let mine = |wait: &&raddle::Wait| wanted.contains(wait.what()) && wait.place().file() == file!();
    raddle::waits().iter().filter(mine).count()
}

proptest! {
    #![proptest_config(cases(200))]

    /// Fails if a mixed set acquires another lock than it names, in another way, or lends its values in another order.
    #[test]
    fn mixed_sets_go_as_the_model_says(
        locks in prop::collection::vec((any::<bool>(), any::<bool>()), 1..24),
        named in prop::collection::vec((0_usize..24, any::<bool>()), 0..12),
    ) {
        let mutexes: Vec<_> = locks.iter().map(|&(_, owned)| (Arc::new(OrderedMutex::from(0)), owned)).collect();
        let shared: Vec<_> = locks.iter().map(|_| Arc::new(OrderedRwLock::from(0))).collect();
        let named: Vec<_> = named.into_iter().map(|(at, writes)| (at % locks.len(), writes)).collect();
        let set: Vec<AnyRequest<'_, i32>> = named.iter().map(|&(at, writes)| match (locks[at], writes) {
            ((true, true), _) => mutexes[at].0.clone().into(),
            ((true, false), _) => (&mutexes[at].0).into(),
            ((false, true), true) => shared[at].as_write_arc().into(),
            ((false, true), false) => shared[at].as_read_arc().into(),
            ((false, false), true) => shared[at].as_write().into(),
            ((false, false), false) => shared[at].as_read().into(),
        }).collect();
        let mut seen = std::collections::HashSet::new();
        let distinct = named.iter().all(|(at, _)| seen.insert(*at));
        match lock_all(set) {
            Err(error) => prop_assert!(!distinct && matches!(error, LockError::Duplicate { .. }), "{error}"),
            Ok(mut held) => {
                prop_assert!(distinct);
                for (place, (&(at, writes), mut value)) in named.iter().zip(&mut held).enumerate() {
                    let exclusive = locks[at].0 || writes;
                    prop_assert_eq!(value.get_mut().map(|value| *value = place as i32).is_some(), exclusive);
                    prop_assert_eq!(*value, if exclusive { place as i32 } else { 0 });
                }
                for at in 0..locks.len() {
                    let how = named.iter().find(|(named, _)| *named == at);
                    prop_assert_eq!(mutexes[at].0.is_locked(), locks[at].0 && how.is_some());
                    prop_assert_eq!(shared[at].try_read().is_ok(), locks[at].0 || how.is_none_or(|(_, writes)| !writes));
                    prop_assert_eq!(shared[at].is_locked(), !locks[at].0 && how.is_some());
                }
            }
        }
        prop_assert!(shared.iter().all(|lock| !lock.is_locked()) && mutexes.iter().all(|(lock, _)| !lock.is_locked()));
        holds_nothing();
    }
}
