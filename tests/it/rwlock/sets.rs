//! Read-write locks in sets, beside mutexes.

use std::sync::Barrier;
use std::time::Duration;

use raddle::{
    CancelToken, LockError, Locked, OrderedMutex, OrderedRwLock, Stopped, lock_all, lock_all_within, try_lock_all,
};

use super::{NOW, free, id, poison, timed_out};
use crate::lock::{holds_nothing, panic_quietly, panics, while_held};
use crate::out_of_order;
use crate::stress::watched;
use crate::thread;

#[test]
fn each_lock_lends_what_it_was_named_for() {
    let (count, names) = (OrderedMutex::new(9, 1), OrderedRwLock::new(1, vec!["Li"]));
    let rates = OrderedRwLock::new(5, [2.5]);
    let mut all = lock_all((&count, names.as_read(), rates.as_write())).unwrap();
    {
        let (count, names, rates): (&mut i32, &Vec<&str>, &mut [f64; 1]) = all.split_mut();
        *count += 1;
        rates[0] *= 2.0;
        assert_eq!(names, &["Li"]);
    }
    let shared: (&i32, &Vec<&str>, &[f64; 1]) = all.split();
    assert_eq!(shared, (&2, &vec!["Li"], &[5.0]));
    assert_eq!(format!("{all:?}"), "Locked {LockId(9), LockId(1), LockId(5)}");
    drop(all);

    // Of one type: the same in every shape, and for change only if all are written.
    let locks: Vec<_> = (0..20).map(|at| OrderedRwLock::new(40 - at, at)).collect();
    let expected: Vec<_> = (0..20).collect();
    let reads: Vec<_> = locks.iter().map(OrderedRwLock::as_read).collect();
    let mut read = lock_all(&reads[..]).unwrap();
    let values: Vec<&u64> = read.split_mut();
    assert_eq!(values, expected.iter().collect::<Vec<_>>());
    assert!(read.iter().eq(&expected) && (0..20).all(|at| read[at] == expected[at]));
    drop(read);
    let mut written = lock_all(locks.iter().map(OrderedRwLock::as_write).collect::<Vec<_>>()).unwrap();
    written[3] += 100;
    written.iter_mut().for_each(|value| *value += 1);
    written.split_mut().into_iter().for_each(|value: &mut u64| *value += 1);
    assert_eq!((written[3], written[4]), (105, 6));
    drop(written);
    let mut array = lock_all([locks[3].as_read(), locks[1].as_read()]).unwrap();
    assert_eq!(array.split_mut(), [&105, &3]);
    assert_eq!(array[1], 3);
    drop(array);
    locks.iter().for_each(free);
}

/// Fails if a set may name one lock twice, and be it to read: whoever writes would come in between.
#[test]
fn one_lock_twice_in_a_set() {
    watched(|_| {
        let lock = OrderedRwLock::new(4, ());
        let (same, other) = (OrderedMutex::new(4, ()), OrderedMutex::new(3, ()));
        let twice = Some(LockError::Duplicate { id: id(4) });
        let all = || {
            assert_eq!(lock_all((lock.as_read(), lock.as_read())).err(), twice);
            assert_eq!(lock_all([lock.as_read(), lock.as_read()]).err(), twice);
            assert_eq!(lock_all((lock.as_read(), &other, lock.as_write())).err(), twice);
            assert_eq!(lock_all(vec![lock.as_write(), lock.as_write()]).err(), twice);
            assert_eq!(lock_all((&same, lock.as_read())).err(), twice);
            assert_eq!(try_lock_all((lock.as_write(), &same)).err(), twice);
            assert_eq!(try_lock_all((lock.as_read(), lock.as_read())).err(), twice);
            assert_eq!(lock_all_within((lock.as_read(), lock.as_read()), NOW).err(), twice);
        };
        all();
        while_held(|| lock.write().unwrap(), all);
        free(&lock);
        assert!(same.try_lock().is_ok() && other.try_lock().is_ok());
    });
}

#[test]
fn sets_that_read_share_and_sets_that_write_do_not() {
    watched(|roll| {
        let shared = OrderedRwLock::new(3, 7);
        let [a, b] = [1, 5].map(|id| OrderedMutex::new(id, 0));
        let both = Barrier::new(2);
        thread::scope(|threads| {
            let (shared, both) = (&shared, &both);
            for own in [&a, &b] {
                roll.spawn(threads, format!("with {own:?}"), move || {
                    let mut set = lock_all((own, shared.as_read())).unwrap();
                    // Nobody passes before both hold it.
                    both.wait();
                    let (own, shared) = set.split_mut();
                    *own += shared;
                });
            }
        });
        assert_eq!([a, b].map(OrderedMutex::into_inner), [7, 7]);
        let busy = Some(LockError::WouldBlock { id: id(3) });
        while_held(
            || lock_all((shared.as_read(),)).unwrap(),
            || {
                assert!(try_lock_all((shared.as_read(),)).is_ok());
                assert_eq!(try_lock_all((shared.as_write(),)).err(), busy);
            },
        );
        while_held(
            || lock_all((shared.as_write(),)).unwrap(),
            || {
                assert_eq!(try_lock_all((shared.as_read(),)).err(), busy);
                assert_eq!(lock_all_within((shared.as_read(),), NOW).err(), timed_out());
            },
        );
        free(&shared);
    });
}

/// A mutex, a lock to read and a lock to write, of which one cannot be had, whichever comes first.
#[test]
fn nothing_is_held_after_a_set_is_refused() {
    watched(|_| {
        for ids in [[1, 2, 3], [3, 1, 2], [2, 3, 1], [3, 2, 1]] {
            let mutex = OrderedMutex::new(ids[0], ());
            let [read, write] = [ids[1], ids[2]].map(|id| OrderedRwLock::new(id, ()));
            let set = || (&mutex, read.as_read(), write.as_write());
            let cancelled = CancelToken::new();
            cancelled.cancel();
            let refused = |why| {
                assert_eq!(lock_all_within(set(), NOW).err(), timed_out());
                assert_eq!(lock_all_within(set(), Duration::from_millis(1)).err(), timed_out());
                assert_eq!(lock_all_within(set(), &cancelled).err(), Some(LockError::from(Stopped::Cancelled)));
                assert_eq!(try_lock_all(set()).err(), Some(why));
                holds_nothing();
            };
            let busy = |number| LockError::WouldBlock { id: id(number) };
            while_held(
                || mutex.lock().unwrap(),
                || {
                    refused(busy(ids[0]));
                    [&read, &write].into_iter().for_each(free);
                },
            );
            while_held(
                || read.write().unwrap(),
                || {
                    refused(busy(ids[1]));
                    free(&write);
                    assert!(mutex.try_lock().is_ok());
                },
            );
            while_held(
                || write.read().unwrap(),
                || {
                    refused(busy(ids[2]));
                    free(&read);
                    assert!(mutex.try_lock().is_ok() && write.try_read().is_ok());
                },
            );
            for lock in [&read, &write] {
                poison(lock);
                assert_eq!(lock_all(set()).err(), Some(LockError::Poisoned { id: lock.id() }));
                assert_eq!(try_lock_all(set()).err(), Some(LockError::Poisoned { id: lock.id() }));
                lock.clear_poison();
                assert!(lock_all(set()).is_ok());
            }
            [&read, &write].into_iter().for_each(free);
            assert!(!mutex.is_poisoned() && mutex.try_lock().is_ok());
        }
    });
}

/// Fails if a panic poisons what a set only read, which could not change, or spares what it might have changed.
#[test]
fn a_panic_poisons_what_the_set_may_have_changed() {
    watched(|_| {
        for ids in [[1, 2, 3], [3, 1, 2], [2, 3, 1]] {
            let mutex = OrderedMutex::new(ids[0], ());
            let [read, write] = [ids[1], ids[2]].map(|id| OrderedRwLock::new(id, ()));
            let others = while_held(
                || read.read().unwrap(),
                || {
                    panics(|| {
                        let _set = lock_all((read.as_read(), &mutex, write.as_write())).unwrap();
                        panic_quietly();
                    });
                    read.try_write().err()
                },
            );
            assert_eq!(others, Some(LockError::WouldBlock { id: read.id() }), "the other reader has it still");
            assert_eq!((mutex.is_poisoned(), read.is_poisoned(), write.is_poisoned()), (true, false, true));
            free(&read);
            mutex.clear_poison();
            write.clear_poison();
            assert!(try_lock_all((&mutex, write.as_write())).is_ok());
            // Reading only, nothing.
            panics(|| {
                let _set = lock_all([read.as_read(), write.as_read()]).unwrap();
                panic_quietly();
            });
            [&read, &write].into_iter().for_each(free);
        }
    });
}

#[test]
fn a_set_counts_as_its_highest() {
    let [low, middle, high] = [1, 2, 3].map(|id| OrderedRwLock::new(id, ()));
    let refused = |wanted, held| Some(out_of_order(id(wanted), id(held)));
    let set: Locked<_> = lock_all((high.as_read(), low.as_write())).unwrap();
    assert_eq!((middle.read().err(), high.read().err()), (refused(2, 3), refused(3, 3)));
    assert_eq!(lock_all((middle.as_read(), OrderedRwLock::new(9, ()).as_write())).err(), refused(2, 3));
    let late = try_lock_all((middle.as_read(), high.as_read())).unwrap();
    drop(set);
    assert_eq!(low.read().err(), refused(1, 3));
    drop(late);
    [&low, &middle, &high].into_iter().for_each(free);
}
