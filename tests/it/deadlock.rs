//! Threads that wait for each other through locks and cells.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Barrier, mpsc};
use std::thread::Builder;
use std::time::Duration;

use raddle::{
    CancelToken, Cycle, InitError, Lazy, LockError, OnceCell, OrderedMutex, OrderedRwLock, What, lock_all, waits,
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

/// Until so many threads whose names begin so wait. They may not be asleep yet, so any of them may be the last to look.
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

/// The cycle, if the call has ended by one.
trait Closed {
    fn cycle(&self) -> Option<&Cycle>;
}

impl<T> Closed for Result<T, LockError> {
    fn cycle(&self) -> Option<&Cycle> {
        match self {
            Err(LockError::Deadlock { cycle, .. }) => Some(cycle),
            _ => None,
        }
    }
}

impl<T> Closed for Result<T, InitError> {
    fn cycle(&self) -> Option<&Cycle> {
        match self {
            Err(InitError::Deadlock { cycle, .. }) => Some(cycle),
            _ => None,
        }
    }
}

/// The one cycle that these calls have closed.
fn only<'c>(calls: &[&'c dyn Closed]) -> &'c Cycle {
    let cycles: Vec<_> = calls.iter().filter_map(|call| call.cycle()).collect();
    let [cycle] = cycles[..] else { panic!("{} calls have ended so", cycles.len()) };
    cycle
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
            let (reader, writer) = (reader.join().unwrap(), writer.join().unwrap());
            let cycle = only(&[&made, &reader, &writer]);
            let mut whats: Vec<_> = cycle.iter().map(|wait| wait.what().to_string()).collect();
            let own = whats.iter().position(|what| what == "lock 1").unwrap();
            whats.rotate_left(own);
            assert_eq!(whats, ["lock 1", "lock 3, to write", "the value of a cell"]);
            let text = cycle.to_string();
            for says in
                ["held by thread 'ring: writer' since ", "held by thread 'ring: reader' since ", "initialised by "]
            {
                assert!(text.contains(says), "{says} in {text}");
            }
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
            // Waits for nothing that anybody here holds.
            let before = named(threads, "second: sleeps", || {
                let _held = shared.read().unwrap();
                end.wait(LONG).unwrap();
            });
            until_wait("second: ", 1);
            let (enter, entered) = mpsc::channel();
            let made = named(threads, "second: makes", move || {
                let make = || {
                    enter.send(()).unwrap();
                    until_wait("second: reads", 1);
                    shared.write_within(LONG).map(|_| 5)
                };
                let made = cell.get_or_try_init(make).copied();
                if made.is_err() {
                    end.cancel();
                }
                made
            });
            entered.recv().unwrap();
            let among = named(threads, "second: reads", || {
                let held = shared.read().unwrap();
                let got = cell.get_or_init_within(|| 6, LONG).copied();
                drop(held);
                end.cancel();
                got
            });
            let (made, among) = (made.join().unwrap(), among.join().unwrap());
            assert_eq!(only(&[&made, &among]).len(), 2);
            before.join().unwrap();
        });
    });
}

/// Fails if a `Lazy` whose initialiser is in a deadlock does not say so where it was asked for, or hangs the next time.
#[test]
fn a_lazy_value_says_so_and_is_poisoned() {
    watched(|_| {
        let (lock, inner) = (OrderedMutex::new(1, ()), OnceCell::new());
        let (lock, inner) = (&lock, &inner);
        let outer = Lazy::new(|| *inner.get_or_init(|| 6) + 1);
        let held = lock.lock().unwrap();
        std::thread::scope(|threads| {
            let maker = named(threads, "lazy: inner", || inner.get_or_try_init(|| lock.lock().map(|_| 5)).copied());
            until_wait("lazy: inner", 1);
            let got = catch_unwind(AssertUnwindSafe(|| *outer));
            drop(held);
            match (got, maker.join().unwrap()) {
                (Err(panic), Ok(5)) => {
                    let text = panic.downcast_ref::<String>().unwrap();
                    assert!(
                        text.starts_with("deadlock: ") && text.contains("'lazy: inner' waits for lock 1"),
                        "{text}"
                    );
                    let again = catch_unwind(AssertUnwindSafe(|| *outer)).unwrap_err();
                    assert!(again.downcast_ref::<String>().is_some_and(|text| text.contains("poisoned")));
                }
                // The other was the last to look, and has an error.
                (Ok(7), Err(LockError::Deadlock { .. })) => {}
                other => panic!("{other:?}"),
            }
        });
    });
}

/// Fails if a panicking call reports a cycle that another's limit will end, or if it is not ended so.
#[test]
fn a_limit_ends_what_would_panic() {
    watched(|_| {
        let (lock, cell) = (OrderedMutex::new(1, ()), OnceCell::new());
        let (lock, cell) = (&lock, &cell);
        std::thread::scope(|threads| {
            let (enter, entered) = mpsc::channel();
            let makes = named(threads, "limit: makes", move || {
                let make = || {
                    enter.send(()).unwrap();
                    until_wait("limit: waits", 1);
                    lock.lock_within(Duration::from_millis(50)).map(|_| 5)
                };
                cell.get_or_try_init(make).copied()
            });
            entered.recv().unwrap();
            let waits = named(threads, "limit: waits", || {
                let _held = lock.lock().unwrap();
                *cell.get_or_init(|| 6)
            });
            // By the limit or, as it has an error and the other has none, by the deadlock.
            assert!(makes.join().unwrap().is_err());
            assert_eq!(waits.join().unwrap(), 6);
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
                    let (enter, entered) = mpsc::channel();
                    let name = format!("many {sets} {number} {wanted}");
                    let made = threads.spawn({
                        let name = name.clone();
                        move || {
                            let make = || {
                                enter.send(()).unwrap();
                                until_wait(&name, 1);
                                locks[wanted as usize].lock().map(|_| 1)
                            };
                            cell.get_or_try_init(make).copied()
                        }
                    });
                    entered.recv().unwrap();
                    let holder = named(threads, &name, move || {
                        let all = sets.then(|| lock_all(locks.iter().collect::<Vec<_>>()).unwrap());
                        let each = locks.iter().filter(|_| !sets).map(|lock| lock.lock().unwrap()).collect::<Vec<_>>();
                        let got = cell.get_or_init_within(|| 2, LONG).copied();
                        drop((all, each));
                        got
                    });
                    let (made, got) = (made.join().unwrap(), holder.join().unwrap());
                    assert_eq!(only(&[&made, &got]).len(), 2, "{name}");
                });
            }
        }
    });
}
