//! Threads that wait for each other through locks and cells.

use std::panic::catch_unwind;
use std::sync::Barrier;
use std::thread::Builder;
use std::time::Duration;

use raddle::{
    CancelToken, InitError, Lazy, LockError, OnceCell, OrderedMutex, OrderedRwLock, Stopped, What, lock_all, waits,
};

use crate::stress::watched;
use crate::thread;

const LONG: Duration = Duration::from_secs(60);

/// Fails if a thread that holds a lock and waits for a cell hangs with the one that initialises it and waits for the lock.
#[test]
fn a_lock_against_a_cell() {
    watched(|_| {
        let (lock, cell, met) = (OrderedMutex::new(1, ()), OnceCell::new(), Barrier::new(2));
        thread::scope(|threads| {
            let (lock, cell, met) = (&lock, &cell, &met);
            let maker = threads.spawn(move || {
                cell.get_or_try_init(|| {
                    met.wait();
                    lock.lock().map(|_| 5)
                })
            });
            let guard = lock.lock().unwrap();
            met.wait();
            let got = cell.get_or_init_within(|| 6, LONG);
            drop(guard);
            let made = maker.join().unwrap();
            match (&got, &made) {
                (Err(InitError::Deadlock { cycle, .. }), Ok(5)) => assert_eq!(*cycle[0].what(), What::Cell),
                (Ok(5 | 6), Err(LockError::Deadlock { id, cycle, .. })) => {
                    assert_eq!((*id, cycle[0].what()), (lock.id(), &What::Lock(lock.id())));
                }
                other => panic!("{other:?}"),
            }
        });
    });
}

/// Until so many threads whose names begin so wait.
fn until_wait(name: &str, number: usize) {
    while waits().iter().filter(|wait| wait.thread_name().is_some_and(|other| other.starts_with(name))).count() < number
    {
        thread::yield_now();
    }
}

/// A thread with a name, in a scope.
fn named<'s, R: Send + 's>(
    threads: &'s std::thread::Scope<'s, '_>,
    name: &str,
    work: impl FnOnce() -> R + Send + 's,
) -> std::thread::ScopedJoinHandle<'s, R> {
    Builder::new().name(name.to_owned()).spawn_scoped(threads, work).unwrap()
}

/// Fails if a ring of three is not found, or not named: through a reader, a set of which the lower lock is wanted, and a cell.
#[test]
fn a_ring_of_three() {
    watched(|_| {
        let (shared, low, high) = (OrderedRwLock::new(3, ()), OrderedMutex::new(1, ()), OrderedMutex::new(2, ()));
        let (cell, started) = (OnceCell::new(), Barrier::new(3));
        let (shared, low, high, cell, started) = (&shared, &low, &high, &cell, &started);
        std::thread::scope(|threads| {
            // Reads, and waits for the cell.
            let reader = named(threads, "ring: reader", move || {
                let _held = shared.read().unwrap();
                started.wait();
                cell.get_or_init_within(|| 1, LONG).copied()
            });
            // Holds a set, and waits to write.
            let writer = named(threads, "ring: writer", move || {
                let _held = lock_all((high, low)).unwrap();
                started.wait();
                until_wait("ring: reader", 1);
                shared.write_within(LONG).map(drop)
            });
            let made = cell.get_or_try_init(|| {
                started.wait();
                until_wait("ring: ", 2);
                low.lock().map(|_| 5)
            });
            let Err(LockError::Deadlock { id, cycle, .. }) = &made else { panic!("{made:?}") };
            let whats: Vec<_> = cycle.iter().map(|wait| wait.what().clone()).collect();
            assert_eq!(*id, low.id());
            assert_eq!(whats, [What::Lock(low.id()), What::Write(shared.id()), What::Cell]);
            let text = made.as_ref().unwrap_err().to_string();
            for says in [
                "held by thread 'ring: writer' since ",
                "held by thread 'ring: reader' since ",
                "waits for lock 3, to write",
            ] {
                assert!(text.contains(says), "{says} in {text}");
            }
            // The others go on: the reader makes the value itself.
            assert_eq!((reader.join().unwrap(), writer.join().unwrap()), (Ok(1), Ok(())));
        });
    });
}

/// Fails if only one of the readers for which a writer waits is looked at.
#[test]
fn through_the_second_reader() {
    watched(|_| {
        let (shared, cell, end) = (OrderedRwLock::new(3, ()), OnceCell::new(), CancelToken::new());
        let (shared, cell, end) = (&shared, &cell, &end);
        std::thread::scope(|threads| {
            // Wait for nothing that anybody here holds.
            let before = named(threads, "second: sleeps", || {
                let _held = shared.read().unwrap();
                end.wait(LONG).unwrap();
            });
            until_wait("second: ", 1);
            let among = named(threads, "second: reads", || {
                let _held = shared.read().unwrap();
                cell.wait_within(end).copied()
            });
            until_wait("second: ", 2);
            let made = cell.get_or_try_init(|| shared.write_within(LONG).map(|_| 5));
            let Err(LockError::Deadlock { cycle, .. }) = &made else { panic!("{made:?}") };
            assert_eq!(cycle.len(), 2, "{cycle}");
            end.cancel();
            before.join().unwrap();
            assert_eq!(among.join().unwrap(), Err(Stopped::Cancelled));
        });
    });
}

/// Fails if a `Lazy` whose initialiser is in a deadlock does not say so where it was asked for, or hangs the next time.
#[test]
fn a_lazy_value_says_so_and_is_poisoned() {
    static LOCK: OrderedMutex<()> = OrderedMutex::new(1, ());
    static OUTER: Lazy<u8> = Lazy::new(|| *INNER + 1);
    static INNER: Lazy<u8> = Lazy::new(|| LOCK.lock().map_or(0, |_| 1));

    watched(|_| {
        let held = LOCK.lock().unwrap();
        std::thread::scope(|threads| {
            let inner = named(threads, "lazy: inner", || *INNER);
            until_wait("lazy: inner", 1);
            let panic = catch_unwind(|| *OUTER).unwrap_err();
            let text = panic.downcast_ref::<String>().unwrap();
            assert!(text.starts_with("deadlock: ") && text.contains("'lazy: inner' waits for lock 1"), "{text}");
            drop(held);
            assert_eq!(inner.join().unwrap(), 1);
        });
        let again = catch_unwind(|| *OUTER).unwrap_err();
        assert!(again.downcast_ref::<String>().is_some_and(|text| text.contains("poisoned")));
    });
}

/// Fails if a panicking call reports a cycle that another's limit will end, or if it is not ended so.
#[test]
fn a_limit_ends_what_would_panic() {
    watched(|_| {
        let (lock, cell) = (OrderedMutex::new(1, ()), OnceCell::new());
        let (lock, cell) = (&lock, &cell);
        std::thread::scope(|threads| {
            let made = named(threads, "limit: makes", || {
                cell.get_or_try_init(|| {
                    until_wait("limit: waits", 1);
                    lock.lock_within(Duration::from_millis(50)).map(|_| 5)
                })
                .copied()
            });
            let waits = named(threads, "limit: waits", || {
                let _held = lock.lock().unwrap();
                while !cell
                    .get_or_init_within(|| 7, Duration::ZERO)
                    .is_err_and(|error| matches!(error, InitError::Stopped(_)))
                {}
                *cell.get_or_init(|| 6)
            });
            let made = made.join().unwrap();
            assert!(made.is_err(), "{made:?}");
            assert!([6, 7].contains(&waits.join().unwrap()));
        });
    });
}

/// Fails if a member of a large set, or a lock beyond the first twenty, is not known to be held.
#[test]
fn of_many_locks_the_last() {
    watched(|_| {
        for (sets, number) in [(true, 3), (true, 40), (false, 40)] {
            let locks: Vec<_> = (0..number).map(|id| OrderedMutex::new(id, ())).collect();
            for wanted in [0, number / 2, number - 1] {
                let cell = OnceCell::new();
                let (cell, locks) = (&cell, &locks);
                std::thread::scope(|threads| {
                    let name = format!("many {sets} {number} {wanted}");
                    let holder = named(threads, &name, move || {
                        let all = sets.then(|| lock_all(locks.iter().collect::<Vec<_>>()).unwrap());
                        let each: Vec<_> =
                            if sets { vec![] } else { locks.iter().map(|lock| lock.lock().unwrap()).collect() };
                        let end = cell.wait_within(LONG).copied();
                        drop((all, each));
                        end
                    });
                    until_wait(&name, 1);
                    let made = cell.get_or_try_init(|| locks[wanted as usize].lock().map(|_| 1));
                    assert!(matches!(made, Err(LockError::Deadlock { .. })), "{name}: {made:?}");
                    cell.set(1).unwrap();
                    assert_eq!(holder.join().unwrap(), Ok(1));
                });
            }
        }
    });
}
