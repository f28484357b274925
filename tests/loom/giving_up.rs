//! Waiters that give up among others: who stays must not lose a wake-up, nor a mark stay behind.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::time::Duration;

use super::explore::{Judge, Shared, explore, explore_bounded, spawn};
use crate::sync::model::execution::pretend_panicking;
use crate::wait::{RawMutex, Refused, Timer};
use crate::{CancelToken, Limit, OnceCell, OrderedRwLock, WaitGroup};

fn rw() -> Shared<OrderedRwLock<u32>> {
    Shared::new(OrderedRwLock::new(1, 0))
}

/// Fails if a waiter of the next generation, which a late wake-up of the last worker took out of the queue, leaves its mark
/// behind when it is cancelled. Two threads.
#[test]
fn late_wake_of_a_group() {
    explore([15_436, 3_102], &["wait.cancelled-awake"], || {
        let shared = Shared::new((WaitGroup::new(), CancelToken::new()));
        std::mem::forget(shared.0.worker());
        spawn({
            let shared = shared.clone();
            move || {
                if shared.0.wait_within(Duration::ZERO).is_ok() {
                    std::mem::forget(shared.0.worker());
                    assert!(shared.0.wait_within(&shared.1).is_err());
                    assert!(!shared.0.someone_waits(), "a mark is left");
                }
            }
        });
        shared.0.end(false);
        shared.1.cancel();
    });
}

/// Fails if a sleeper that a late wake-up of a poisoner took out of the queue leaves its mark behind when it is cancelled.
/// Two threads.
#[test]
fn late_wake_of_a_poisoner() {
    explore([6_944, 471], &["wait.cancelled-awake"], || {
        let shared = Shared::new((RawMutex::new(), CancelToken::new()));
        shared.0.lock(&mut Timer::bare(&Limit::NEVER)).unwrap();
        spawn({
            let shared = shared.clone();
            move || {
                if shared.0.lock(&mut Timer::bare(&Limit::from(Duration::ZERO))) == Err(Refused::Poisoned)
                    && shared.0.lock_poisoned()
                {
                    let again = shared.0.lock(&mut Timer::bare(&Limit::from(&shared.1)));
                    assert!(matches!(again, Err(Refused::Stopped(_))));
                    assert_eq!(shared.0.state(), 1, "held, and nobody's mark left");
                }
            }
        });
        shared.0.poison();
        shared.1.cancel();
    });
}

/// Fails if a waiter that gives up takes along the mark of another that sleeps, or leaves its own. Three threads.
#[test]
fn one_of_two_waiters_for_a_group() {
    explore([24_366, 2_532], &["wait.timed-out", "wait.woken"], || {
        let shared = Shared::new(WaitGroup::new());
        let quiet = {
            let shared = shared.clone();
            Judge::new(move |_: Vec<()>| assert!(!shared.someone_waits(), "a mark is left"))
        };
        std::mem::forget(shared.worker());
        spawn({
            let (shared, quiet) = (shared.clone(), quiet.clone());
            move || {
                assert_eq!(shared.wait(), Ok(()));
                drop(quiet);
            }
        });
        spawn({
            let (shared, quiet) = (shared.clone(), quiet.clone());
            move || {
                let _ = shared.wait_within(Duration::ZERO);
                drop(quiet);
            }
        });
        shared.end(false);
    });
}

/// Fails if a waiter for a token that gives up takes along the mark of another that sleeps. Three threads.
#[test]
fn one_of_two_waiters_for_a_token() {
    explore([2_937, 253], &["wait.timed-out"], || {
        let token = Shared::new(CancelToken::new());
        spawn({
            let token = token.clone();
            move || assert_eq!(token.wait(Limit::NEVER), Ok(()))
        });
        spawn({
            let token = token.clone();
            move || {
                let _ = token.wait(Duration::ZERO);
            }
        });
        token.cancel();
    });
}

/// Fails if the only sleeper gives up as the initialiser fails, and a mark is left. Two threads.
#[test]
fn watcher_of_an_initialiser_that_fails() {
    explore([129, 45], &["once.failed", "wait.timed-out"], || {
        let cell = Shared::new(OnceCell::<u8>::new());
        let quiet = {
            let cell = cell.clone();
            Judge::new(move |_: Vec<()>| assert!(!cell.someone_sleeps(), "a mark is left"))
        };
        spawn({
            let (cell, quiet) = (cell.clone(), quiet.clone());
            move || {
                assert!(cell.wait_within(Duration::ZERO).is_err());
                drop(quiet);
            }
        });
        let _ = cell.get_or_try_init(|| Err(()));
    });
}

/// Fails if a writer that gives up lets readers in, or clears the mark, although another writer sleeps. Three threads.
#[test]
fn one_writer_of_two() {
    explore_bounded(4, [10_320, 5_540], &["wait.timed-out"], || {
        let lock = rw();
        let free = {
            let lock = lock.clone();
            Judge::new(move |_: Vec<()>| assert_eq!(lock.state(), 0))
        };
        let guard = lock.read().unwrap();
        spawn({
            let (lock, free) = (lock.clone(), free.clone());
            move || {
                *lock.write().unwrap() += 1;
                drop(free);
            }
        });
        spawn({
            let (lock, free) = (lock.clone(), free.clone());
            move || {
                drop(lock.write_within(Duration::ZERO));
                drop(free);
            }
        });
        drop(guard);
    });
}

/// Fails if the mark of a writer that gave up while another held the lock outlives the hand-off to the readers, or if it
/// gets in beside that writer as a reader. Three threads.
#[test]
fn writer_behind_a_writer() {
    explore([153_703, 1_168], &["wait.timed-out", "rw.readers-let-in"], || {
        let lock = rw();
        let gone = Arc::new(AtomicBool::new(false));
        let mut guard = lock.write().unwrap();
        spawn({
            let (lock, gone) = (lock.clone(), gone.clone());
            move || {
                drop(lock.write_within(Duration::ZERO));
                gone.store(true, SeqCst);
            }
        });
        spawn({
            let (lock, gone) = (lock.clone(), gone.clone());
            move || {
                let value = lock.read().unwrap();
                if gone.load(SeqCst) {
                    assert_eq!(lock.state(), 16, "one reader, and nobody's mark left");
                }
                drop(value);
            }
        });
        *guard += 1;
        drop(guard);
    });
}

/// Fails if a writer that gives up changes a word that was poisoned meanwhile. Three threads.
#[test]
fn writer_behind_a_poisoner() {
    explore([2_493, 259], &["wait.timed-out", "rw.poison-parked"], || {
        let lock = rw();
        let poisoned = {
            let lock = lock.clone();
            Judge::new(move |_: Vec<()>| assert_eq!(lock.state(), 8))
        };
        let guard = lock.write().unwrap();
        spawn({
            let (lock, poisoned) = (lock.clone(), poisoned.clone());
            move || {
                assert!(lock.write_within(Duration::ZERO).is_err());
                drop(poisoned);
            }
        });
        spawn({
            let (lock, poisoned) = (lock.clone(), poisoned.clone());
            move || {
                assert!(lock.read().is_err());
                drop(poisoned);
            }
        });
        pretend_panicking(|| drop(guard));
    });
}

/// Fails if the mark of a reader that gave up keeps the unlocking writer looking for it. Three threads.
#[test]
fn reader_beside_a_writer() {
    explore([38_421, 1_630], &["wait.timed-out", "rw.writer-woken"], || {
        let lock = rw();
        let guard = lock.write().unwrap();
        spawn({
            let lock = lock.clone();
            move || *lock.write().unwrap() += 1
        });
        spawn({
            let lock = lock.clone();
            move || drop(lock.read_within(Duration::ZERO))
        });
        drop(guard);
    });
}

/// Fails if a writer that gives up just as the last reader leaves keeps others out, or leaves a mark. Three threads.
#[test]
fn writer_as_the_reader_leaves() {
    explore_bounded(4, [3_509, 3_840], &["wait.timed-out", "rw.last-reader"], || {
        let lock = rw();
        let free = {
            let lock = lock.clone();
            Judge::new(move |_: Vec<()>| assert_eq!(lock.state(), 0))
        };
        let guard = lock.read().unwrap();
        spawn({
            let (lock, free) = (lock.clone(), free.clone());
            move || {
                if let Ok(mut value) = lock.write_within(Duration::ZERO) {
                    *value += 1;
                }
                drop(free);
            }
        });
        spawn({
            let (lock, free) = (lock.clone(), free.clone());
            move || {
                assert!(*lock.read().unwrap() <= 1);
                drop(free);
            }
        });
        drop(guard);
    });
}

/// Fails if there is no happens-before edge from a release, while a cancelled sleeper has yet to take back its mark, to the
/// next acquire. Three threads.
#[test]
fn cancelled_beside_one_who_tries() {
    explore_bounded(3, [1_693, 1_077], &["node.cancel-woke"], || {
        let shared = Shared::new((OrderedRwLock::new(1, 0), CancelToken::new()));
        let mut guard = shared.0.write().unwrap();
        spawn({
            let shared = shared.clone();
            move || drop(shared.0.write_within(&shared.1))
        });
        spawn({
            let shared = shared.clone();
            move || {
                if let Ok(value) = shared.0.try_read() {
                    assert_eq!(*value, 1);
                }
            }
        });
        shared.1.cancel();
        *guard += 1;
        drop(guard);
    });
}
