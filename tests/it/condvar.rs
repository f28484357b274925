//! Condition variables: who is woken, what a wait gives back, and what it holds meanwhile.

use std::cell::RefCell;
use std::sync::{Arc, Barrier, mpsc};
use std::time::{Duration, Instant};

use raddle::{
    CancelToken, Condvar, InitError, Limit, LockClass, LockError, LockId, LockTable, OnceCell, OrderedMutex,
    OrderedMutexGuard, OrderedRwLock, Stopped, What, waits,
};

use crate::asleep::Bed;
use crate::lock::{holds_nothing, panic_quietly, panics};
use crate::stress::watched;
use crate::{out_of_order, thread};

const NOW: Duration = Duration::ZERO;
const LONG: Duration = Duration::from_secs(3600);

/// A value under a lock, and its changes.
type Changing<T> = (OrderedMutex<T>, Condvar);

fn changing<T>(value: T) -> Changing<T> {
    (OrderedMutex::new(5, value), Condvar::new())
}

/// Wakes one, as soon as somebody sleeps.
fn wake_one(changed: &Condvar) {
    while !changed.notify_one() {
        thread::yield_now();
    }
}

/// Returns when a thread that says so by `count`, under the lock, has released that again in its wait.
fn until_waiting(count: &OrderedMutex<usize>, number: usize) {
    while *count.lock().unwrap() < number {
        thread::yield_now();
    }
}

#[test]
fn nobody_to_notify() {
    watched(|_| {
        let (lock, changed) = changing(0);
        assert_eq!((changed.notify_one(), changed.notify_all()), (false, 0));
        // It is not remembered.
        let (guard, end) = changed.wait_within(lock.lock().unwrap(), NOW).unwrap();
        assert_eq!((*guard, end), (0, Err(Stopped::TimedOut)));
        assert_eq!((changed.notify_one(), changed.notify_all()), (false, 0));
        assert_eq!(format!("{:?} {changed:?}", Condvar::default()), "Condvar { .. } Condvar { .. }");
    });
}

#[test]
fn one_is_notified() {
    watched(|roll| {
        let (lock, changed) = changing(0);
        thread::scope(|threads| {
            let guard = lock.lock().unwrap();
            roll.spawn(threads, "notifier", || {
                *lock.lock().unwrap() += 1;
                assert!(changed.notify_one(), "who acquires the lock after a waiter finds it waiting");
            });
            let guard = changed.wait(guard).unwrap();
            assert_eq!(*guard, 1);
        });
        holds_nothing();
    });
}

#[test]
fn all_are_notified() {
    const WAITERS: usize = 64;
    watched(|roll| {
        let (lock, changed) = changing(0);
        thread::scope(|threads| {
            for round in 1..=2 {
                let waiters: Vec<_> = (0..WAITERS)
                    .map(|_| {
                        roll.spawn(threads, "waiter", || {
                            let mut guard = lock.lock().unwrap();
                            *guard += 1;
                            *changed.wait(guard).unwrap()
                        })
                    })
                    .collect();
                until_waiting(&lock, WAITERS);
                assert_eq!(changed.notify_all(), WAITERS, "round {round}");
                assert_eq!(changed.notify_all(), 0);
                for waiter in waiters {
                    assert_eq!(waiter.join().unwrap(), WAITERS);
                }
                *lock.lock().unwrap() = 0;
            }
        });
    });
}

/// Fails if others than the one that waits longest are woken, or more than one.
#[test]
fn in_the_order_of_their_waits() {
    watched(|roll| {
        let (lock, changed) = changing(0);
        let woken = OrderedMutex::new(6, Vec::new());
        thread::scope(|threads| {
            for at in 0..5 {
                let (lock, changed, woken) = (&lock, &changed, &woken);
                roll.spawn(threads, format!("waiter {at}"), move || {
                    let mut guard = lock.lock().unwrap();
                    *guard += 1;
                    let guard = changed.wait(guard).unwrap();
                    woken.lock().unwrap().push(at);
                    drop(guard);
                });
                until_waiting(lock, at + 1);
            }
            for number in 1..=5 {
                assert!(changed.notify_one());
                while woken.lock().unwrap().len() < number {
                    thread::yield_now();
                }
                assert_eq!(*woken.lock().unwrap(), (0..number).collect::<Vec<_>>());
            }
            assert!(!changed.notify_one());
        });
    });
}

#[test]
fn the_condition_decides() {
    watched(|roll| {
        let (lock, changed) = changing(0);
        let mut asked = 0;
        // Not true at the beginning: nobody needs to notify.
        drop(changed.wait_while(lock.lock().unwrap(), |_| false).unwrap());
        thread::scope(|threads| {
            let guard = lock.lock().unwrap();
            roll.spawn(threads, "notifier", || {
                // For every time that it is asked in vain.
                for _ in 0..4 {
                    wake_one(&changed);
                }
            });
            let condition = |value: &mut u32| {
                asked += 1;
                *value += 1;
                *value <= 4
            };
            let guard = changed.wait_while(guard, condition).unwrap();
            assert_eq!(*guard, 5);
        });
        assert_eq!(asked, 5);
        let guard = lock.lock().unwrap();
        let (guard, end) = changed.wait_while_within(guard, |value| *value == 5, NOW).unwrap();
        assert_eq!((*guard, end), (5, Err(Stopped::TimedOut)));
        let (_guard, end) = changed.wait_while_within(guard, |value| *value == 6, NOW).unwrap();
        assert_eq!(end, Ok(()), "a limit that has passed lets ask once");
    });
}

/// Fails if a condition that became false without a notification is not asked for when the limit has passed.
#[test]
fn the_condition_is_asked_once_more() {
    watched(|_| {
        let (lock, changed) = changing(0);
        let mut answers = [true, false].into_iter();
        let guard = lock.lock().unwrap();
        let (_guard, end) = changed.wait_while_within(guard, |_| answers.next().unwrap(), NOW).unwrap();
        assert_eq!(end, Ok(()));
    });
}

/// Fails if a duration begins anew with each sleep.
#[test]
fn a_duration_is_for_the_whole_call() {
    watched(|roll| {
        let (lock, changed) = changing(());
        let over = CancelToken::new();
        let start = Instant::now();
        thread::scope(|threads| {
            roll.spawn(threads, "notifier", || {
                while !over.is_cancelled() {
                    changed.notify_all();
                    thread::yield_now();
                }
            });
            let limit = Duration::from_millis(50);
            let (_guard, end) = changed.wait_while_within(lock.lock().unwrap(), |()| true, limit).unwrap();
            over.cancel();
            assert_eq!(end, Err(Stopped::TimedOut));
        });
        assert!(start.elapsed() >= Duration::from_millis(50));
    });
}

#[test]
fn limits_of_all_kinds() {
    watched(|roll| {
        let (lock, changed) = changing(0);
        let token = CancelToken::new();
        token.cancel();
        let wait = |limit: Limit<'_>| {
            let (guard, end) = changed.wait_within(lock.lock().unwrap(), limit).unwrap();
            drop(guard);
            end
        };
        assert_eq!(wait(Duration::from_millis(1).into()), Err(Stopped::TimedOut));
        assert_eq!(wait(Instant::now().into()), Err(Stopped::TimedOut));
        assert_eq!(wait(Limit::from(&token)), Err(Stopped::Cancelled));
        assert_eq!(wait(Limit::from(&token).or(NOW)), Err(Stopped::Cancelled));
        // In its sleep.
        let (token, bed) = (CancelToken::new(), Bed::default());
        thread::scope(|threads| {
            let sleeper = roll.spawn(threads, "sleeper", || {
                bed.enter();
                wait(Limit::from(&token).or(LONG))
            });
            bed.until_asleep();
            token.cancel();
            assert_eq!(sleeper.join().unwrap(), Err(Stopped::Cancelled));
        });
        assert_eq!(changed.notify_all(), 0, "who was stopped waits no more");
    });
}

/// Fails if the limit keeps a waiter from getting its lock back.
#[test]
fn the_lock_is_taken_back_without_a_limit() {
    watched(|roll| {
        let (lock, changed) = changing(0);
        let bed = Bed::default();
        thread::scope(|threads| {
            let (entered, enter) = mpsc::channel();
            let guard = lock.lock().unwrap();
            roll.spawn(threads, "holder", || {
                let (entered, mut guard) = (entered, lock.lock().unwrap());
                entered.send(()).unwrap();
                bed.until_asleep();
                *guard = 1;
            });
            bed.enter();
            let (guard, end) = changed.wait_within(guard, NOW).unwrap();
            assert_eq!(end, Err(Stopped::TimedOut));
            drop(guard);
            enter.recv().unwrap();
            assert_eq!(*lock.lock().unwrap(), 1);
        });
    });
}

/// The guards that a wait is tried with: none that it leaves is below or above.
fn in_all_forms<T>(f: impl Fn(&dyn Fn(&Condvar, OrderedMutexGuard<'_, T>) -> Option<LockError>)) {
    f(&|changed, guard| changed.wait(guard).err());
    f(&|changed, guard| changed.wait_within(guard, NOW).err());
    f(&|changed, guard| changed.wait_while(guard, |_| true).err());
    f(&|changed, guard| changed.wait_while_within(guard, |_| true, NOW).err());
}

/// Fails if a thread may sleep while it holds a lock above, or if it keeps the lock then.
#[test]
fn out_of_order_before_it_sleeps() {
    watched(|_| {
        let (lock, changed) = changing(0);
        let [low, same, high] = [4, 5, 6].map(|id| OrderedMutex::new(id, ()));
        let shared = OrderedRwLock::new(7, ());
        in_all_forms(|wait| {
            let held = high.lock().unwrap();
            let end = wait(&changed, lock.try_lock().unwrap());
            assert_eq!(end, Some(out_of_order(lock.id(), high.id())));
            drop(lock.try_lock().unwrap());
            drop(held);
            // Acquired after the lock itself.
            let guard = lock.lock().unwrap();
            let held = shared.read().unwrap();
            assert_eq!(wait(&changed, guard), Some(out_of_order(lock.id(), shared.id())));
            drop(lock.try_lock().unwrap());
            drop(held);
            // Another with the same id.
            let guard = lock.lock().unwrap();
            let held = same.try_lock().unwrap();
            assert_eq!(wait(&changed, guard), Some(out_of_order(lock.id(), same.id())));
            drop(held);
            holds_nothing();
        });
        // Also where it need not sleep. What is below does not matter.
        let (below, above) = (low.lock().unwrap(), shared.write().unwrap());
        let refused = Some(out_of_order(lock.id(), shared.id()));
        assert_eq!(changed.wait_while(lock.try_lock().unwrap(), |_| false).err(), refused);
        assert_eq!(changed.wait_while_within(lock.try_lock().unwrap(), |_| false, NOW).err(), refused);
        drop(above);
        let guard = changed.wait_while(lock.lock().unwrap(), |_| false).unwrap();
        let (guard, end) = changed.wait_within(guard, NOW).unwrap();
        assert_eq!(end, Err(Stopped::TimedOut));
        drop((guard, below));
        holds_nothing();
    });
}

/// Fails if the order is looked at before the first sleep only.
#[test]
fn out_of_order_before_it_sleeps_again() {
    watched(|roll| {
        let (lock, changed) = changing(0);
        let high = OrderedMutex::new(6, ());
        let held = RefCell::new(None);
        thread::scope(|threads| {
            let guard = lock.lock().unwrap();
            roll.spawn(threads, "notifier", || wake_one(&changed));
            let mut asked = 0;
            let condition = |_: &mut i32| {
                asked += 1;
                if asked == 2 {
                    *held.borrow_mut() = Some(high.lock().unwrap());
                }
                true
            };
            let end = changed.wait_while(guard, condition);
            assert_eq!(end.err(), Some(out_of_order(lock.id(), high.id())));
            assert_eq!(asked, 2);
        });
        drop(held);
        holds_nothing();
        drop(lock.try_lock().unwrap());
    });
}

/// Fails if the thread still counts as the holder while it sleeps, or does not afterwards, or not since the line of its wait.
#[test]
fn what_is_held_meanwhile() {
    watched(|_| {
        let (lock, changed) = changing(0);
        let low = OrderedMutex::new(1, ());
        std::thread::scope(|threads| {
            let line = line!() + 6;
            let sleeper = std::thread::Builder::new()
                .name("what_is_held: sleeper".into())
                .spawn_scoped(threads, || {
                    let _below = low.lock().unwrap();
                    let guard = lock.lock().unwrap();
                    let guard = changed.wait(guard).unwrap();
                    assert_eq!(low.lock().err(), Some(out_of_order(low.id(), lock.id())));
                    let Err(LockError::OutOfOrder { place, .. }) = low.lock() else { panic!("it is held") };
                    drop(guard);
                    place.line()
                })
                .unwrap();
            let wait = loop {
                let all = waits();
                if let Some(wait) = all.iter().find(|wait| wait.thread_name() == Some("what_is_held: sleeper")) {
                    if *wait.what() == What::Condition {
                        break wait.clone();
                    }
                }
                thread::yield_now();
            };
            assert_eq!((wait.place().line(), wait.holders().len(), wait.is_limited()), (line, 0, false));
            let guard = lock.lock().unwrap();
            let below = low.lock_within(NOW);
            assert!(matches!(below, Err(LockError::OutOfOrder { .. })));
            assert!(matches!(low.try_lock(), Err(LockError::WouldBlock { .. })), "what is below stays held");
            assert!(changed.notify_one());
            // Taking it back is a wait for the lock.
            loop {
                let all = waits();
                let wait = all.iter().find(|wait| wait.thread_name() == Some("what_is_held: sleeper"));
                if let Some(wait) = wait.filter(|wait| *wait.what() == What::Lock(lock.id())) {
                    assert_eq!((wait.place().line(), wait.holders().len()), (line, 1));
                    break;
                }
                thread::yield_now();
            }
            drop(guard);
            assert_eq!(sleeper.join().unwrap(), line);
        });
    });
}

#[test]
fn poisoned_meanwhile() {
    watched(|roll| {
        let (lock, changed) = changing(0);
        thread::scope(|threads| {
            let guard = lock.lock().unwrap();
            roll.spawn(threads, "poisoner", || {
                panics(|| {
                    let _guard = lock.lock().unwrap();
                    assert!(changed.notify_one());
                    panic_quietly();
                });
            });
            assert_eq!(changed.wait(guard).err(), Some(LockError::Poisoned { id: lock.id() }));
            holds_nothing();
        });
        assert!(lock.is_poisoned());
    });
}

/// Fails if a condition that panics leaves its lock as it is, or held.
#[test]
fn a_condition_that_panics() {
    watched(|roll| {
        let (lock, changed) = changing(0);
        panics(|| drop(changed.wait_while(lock.lock().unwrap(), |_| panic_quietly())));
        holds_nothing();
        assert!(lock.clear_poison_with(|value| *value = 1).is_some());
        // When it is asked again, under a new guard.
        thread::scope(|threads| {
            let guard = lock.lock().unwrap();
            roll.spawn(threads, "notifier", || wake_one(&changed));
            let mut first = true;
            panics(|| {
                drop(changed.wait_while(guard, |_| if std::mem::take(&mut first) { true } else { panic_quietly() }));
            });
        });
        holds_nothing();
        assert!(lock.is_poisoned());
    });
}

/// Fails if the guard that is returned counts a panic that was under way before it was made, or does not count a later one.
#[test]
fn a_wait_in_a_destructor() {
    /// Waits with a guard of its own.
    struct Waits<'a>(&'a Changing<i32>);
    impl Drop for Waits<'_> {
        fn drop(&mut self) {
            let (guard, end) = self.0.1.wait_within(self.0.0.lock().unwrap(), NOW).unwrap();
            assert_eq!(end, Err(Stopped::TimedOut));
            drop(guard);
        }
    }
    /// Waits with the guard that the panic would have dropped.
    struct Goes<'a>(Option<OrderedMutexGuard<'a, i32>>, &'a Changing<i32>);
    impl Drop for Goes<'_> {
        fn drop(&mut self) {
            let end = self.1.1.wait_within(self.0.take().unwrap(), LONG);
            assert_eq!(end.err(), Some(LockError::Poisoned { id: self.1.0.id() }));
        }
    }
    watched(|_| {
        let pair = changing(0);
        panics(|| {
            let _waits = Waits(&pair);
            panic_quietly();
        });
        assert!(!pair.0.is_poisoned());
        panics(|| {
            let _goes = Goes(Some(pair.0.lock().unwrap()), &pair);
            panic_quietly();
        });
        assert!(pair.0.is_poisoned());
        holds_nothing();
        pair.0.clear_poison();
        panics(|| {
            let (_guard, _) = pair.1.wait_within(pair.0.lock().unwrap(), NOW).unwrap();
            panic_quietly();
        });
        assert!(pair.0.is_poisoned());
    });
}

/// Fails if a variable is bound to a lock.
#[test]
fn two_locks() {
    watched(|roll| {
        let changed = Condvar::new();
        let locks = [5, 6].map(|id| OrderedMutex::new(id, false));
        let all = Barrier::new(3);
        thread::scope(|threads| {
            let woken = locks.each_ref().map(|lock| {
                let (changed, all) = (&changed, &all);
                roll.spawn(threads, format!("waiter for {}", lock.id()), move || {
                    let mut guard = lock.lock().unwrap();
                    all.wait();
                    *guard = true;
                    drop(changed.wait(guard).unwrap());
                })
            });
            all.wait();
            for lock in &locks {
                while !*lock.lock().unwrap() {
                    thread::yield_now();
                }
            }
            // Both wait, also at the same time for different locks.
            assert_eq!(changed.notify_all(), 2);
            woken.into_iter().for_each(|waiter| waiter.join().unwrap());
        });
        // With both locks at once only the upper one is let go of.
        let [low, high] = &locks;
        let (below, above) = (low.lock().unwrap(), high.lock().unwrap());
        let (above, _) = changed.wait_within(above, NOW).unwrap();
        assert_eq!(changed.wait_within(below, NOW).err(), Some(out_of_order(low.id(), high.id())));
        drop(above);
    });
}

static BEDS: OrderedMutex<Vec<&str>> = OrderedMutex::with_id(LockId::in_class(40, 1), Vec::new());
static FREED: Condvar = Condvar::new();

#[test]
fn statics() {
    watched(|roll| {
        thread::scope(|threads| {
            let patient = roll.spawn(threads, "patient", || {
                let mut beds = FREED.wait_while(BEDS.lock().unwrap(), |beds| beds.is_empty()).unwrap();
                beds.pop()
            });
            BEDS.lock().unwrap().push("12b");
            FREED.notify_one();
            assert_eq!(patient.join().unwrap(), Some("12b"));
        });
    });
}

/// Fails if a value that is not sized cannot be waited with.
#[test]
fn values_without_a_size() {
    let lock: &OrderedMutex<[i32]> = &OrderedMutex::new(1, [0, 1]);
    let changed = Condvar::new();
    let (guard, end) = changed.wait_while_within(lock.lock().unwrap(), |value| value[1] == 1, NOW).unwrap();
    assert_eq!((guard.len(), end), (2, Err(Stopped::TimedOut)));
}

/// Fails if a chain of threads, each of which passes the notification on after a wait with a limit, is broken.
#[test]
fn passed_on() {
    const WAITERS: usize = 4;
    watched(|roll| {
        let (lock, changed) = changing(0);
        thread::scope(|threads| {
            let waiters: Vec<_> = (0..WAITERS)
                .map(|_| {
                    roll.spawn(threads, "waiter", || {
                        let mut guard = lock.lock().unwrap();
                        *guard += 1;
                        let guard = changed.wait(guard).unwrap();
                        // It may be the one that another passes on: then this one does.
                        drop(changed.wait_within(guard, Duration::from_millis(1)).unwrap());
                        changed.notify_one();
                    })
                })
                .collect();
            until_waiting(&lock, WAITERS);
            assert!(changed.notify_one());
            waiters.into_iter().for_each(|waiter| waiter.join().unwrap());
        });
    });
}

/// Fails if a notification under the lock, as the only one for it, is lost when the waiter has to wait for the lock.
#[test]
fn notified_under_the_lock() {
    watched(|roll| {
        let (lock, changed) = changing(0);
        thread::scope(|threads| {
            let waiter = roll.spawn(threads, "waiter", || {
                let mut guard = lock.lock().unwrap();
                *guard = 1;
                *changed.wait(guard).unwrap()
            });
            loop {
                let mut guard = lock.lock().unwrap();
                if *guard == 1 {
                    assert!(changed.notify_one());
                    *guard = 2;
                    break;
                }
                drop(guard);
                thread::yield_now();
            }
            assert_eq!(waiter.join().unwrap(), 2);
        });
    });
}

/// Fails if a deadlock that taking the lock back closes is not found: the holder waits for the cell that the waiter makes.
#[test]
fn a_deadlock_on_the_way_back() {
    watched(|roll| {
        let (lock, changed) = changing(false);
        let cell = OnceCell::new();
        thread::scope(|threads| {
            let maker = roll.spawn(threads, "maker", || {
                cell.get_or_try_init(|| {
                    let mut guard = lock.lock()?;
                    *guard = true;
                    changed.wait(guard).map(|_| 1)
                })
            });
            loop {
                let guard = lock.lock().unwrap();
                if *guard {
                    assert!(changed.notify_one());
                    let got = cell.get_or_init_within(|| 2, LONG);
                    drop(guard);
                    let made = maker.join().unwrap();
                    match (&got, &made) {
                        (Err(InitError::Deadlock { .. }), Ok(1)) => {}
                        (Ok(2), Err(LockError::Deadlock { id, .. })) => assert_eq!(*id, lock.id()),
                        other => panic!("{other:?}"),
                    }
                    break;
                }
                drop(guard);
                thread::yield_now();
            }
        });
        drop(lock.try_lock().unwrap());
    });
}

/// Fails if a conversion that panics leaves the lock held, or free without poison.
#[test]
fn a_conversion_that_panics() {
    struct Panics;
    impl From<Panics> for Limit<'_> {
        fn from(_: Panics) -> Self {
            panic_quietly()
        }
    }
    let (lock, changed) = changing(0);
    panics(|| drop(changed.wait_within(lock.lock().unwrap(), Panics)));
    assert!(lock.is_poisoned());
    holds_nothing();
}

/// Fails if a late notification or release of one variable and its lock reaches the next, which mostly stands in the same place.
#[test]
fn one_after_the_other_in_one_place() {
    const ROUNDS: usize = if cfg!(miri) { 10 } else { 2_000 };
    watched(|roll| {
        for round in 0..ROUNDS {
            let pair = Arc::new(changing(false));
            thread::scope(|threads| {
                roll.spawn(threads, format!("round {round}"), {
                    let pair = Arc::clone(&pair);
                    move || assert!(*pair.1.wait_while(pair.0.lock().unwrap(), |set| !*set).unwrap())
                });
                *pair.0.lock().unwrap() = true;
                pair.1.notify_all();
                drop(pair);
            });
        }
    });
}

/// Fails if the notification of one who is cancelled in the same moment is lost to both: the other, who came later, sleeps on.
#[test]
fn a_cancel_and_a_notification_at_once() {
    const ROUNDS: usize = if cfg!(miri) { 5 } else { 1_000 };
    watched(|roll| {
        for _ in 0..ROUNDS {
            let ((lock, changed), token, both) = (changing(0), CancelToken::new(), Barrier::new(2));
            let wait = |limit: Limit<'_>| {
                let mut guard = lock.lock().unwrap();
                *guard += 1;
                changed.wait_within(guard, limit).unwrap().1
            };
            thread::scope(|threads| {
                let first = roll.spawn(threads, "cancelled", || wait(Limit::from(&token)));
                until_waiting(&lock, 1);
                let second = roll.spawn(threads, "later", || wait(Limit::NEVER));
                until_waiting(&lock, 2);
                roll.spawn(threads, "canceller", || {
                    both.wait();
                    token.cancel();
                });
                both.wait();
                assert!(changed.notify_one());
                if first.join().unwrap().is_ok() {
                    assert!(changed.notify_one(), "it was not for both");
                }
                assert_eq!(second.join().unwrap(), Ok(()));
            });
        }
    });
}

/// Fails if a wait with the lock of a key is allowed while the thread holds a lock of the same class, whichever id that has.
#[test]
fn keys_of_one_class() {
    static KEY: LockClass = LockClass::new(76, "key");
    watched(|_| {
        let (table, changed): (LockTable<u8, u8>, _) = (LockTable::new(&KEY), Condvar::new());
        for held in [OrderedMutex::with_id(KEY.id(0), ()), KEY.mutex(())] {
            let guard = table.lock(&1).unwrap();
            let held = held.try_lock().unwrap();
            let end = changed.wait_within(guard, NOW).map(drop);
            assert!(matches!(end, Err(LockError::OutOfOrder { .. })), "{end:?}");
            assert!(table.is_empty());
            drop(held);
        }
        let (mut guard, end) = changed.wait_within(table.lock(&1).unwrap(), NOW).unwrap();
        assert_eq!((guard.replace(5), end), (None, Err(Stopped::TimedOut)));
        drop(guard);
        assert_eq!(changed.wait_while(table.lock(&1).unwrap(), |value| value.take() != Some(5)).map(drop), Ok(()));
        holds_nothing();
    });
}
