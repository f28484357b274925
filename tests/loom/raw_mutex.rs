//! Models of the raw lock.

use std::time::Duration;

use super::explore::{Judge, Shared, explore, spawn};
use crate::sync::UnsafeCell;
use crate::wait::{RawMutex, Refused, Timer};
use crate::{Limit, Stopped};

/// A raw lock and a value that loom checks for races.
struct Guarded {
    lock: RawMutex,
    value: UnsafeCell<u32>,
}

impl Guarded {
    fn new() -> Shared<Self> {
        Shared::new(Guarded { lock: RawMutex::new(), value: UnsafeCell::new(0) })
    }

    fn lock(&self, limit: impl Into<Limit<'static>>) -> Result<(), Refused> {
        self.lock.lock(&mut Timer::bare(&limit.into()))
    }

    /// What is done under the lock.
    fn touch(&self) -> u32 {
        // SAFETY: under the lock, unless that is broken, which loom would report here.
        let value = unsafe { self.value.exclusive() };
        *value += 1;
        *value
    }

    /// A whole turn without a limit.
    fn turn(&self) -> u32 {
        self.lock(Limit::NEVER).unwrap();
        let value = self.touch();
        self.lock.unlock();
        value
    }
}

const SECOND: Duration = Duration::from_secs(1);

/// Fails if two threads are in the critical section at once, or if one does not see what the other did there, or if a
/// waiter is left asleep. Two threads.
#[test]
fn two_lockers() {
    explore([10, 8], &["wait.woken", "wait.invalid", "raw.unlock-parked"], || {
        let (guarded, turns) = (Guarded::new(), Judge::expect(vec![1, 2]));
        spawn({
            let (guarded, turns) = (guarded.clone(), turns.clone());
            move || turns.note(guarded.turn())
        });
        turns.note(guarded.turn());
    });
}

/// Fails if a waiter is left asleep while another is woken. Three threads.
#[test]
fn three_lockers() {
    explore([19_930, 1_105], &["wait.woken", "raw.unlock-parked"], || {
        let (guarded, turns) = (Guarded::new(), Judge::expect(vec![1, 2, 3]));
        for _ in 0..2 {
            let (guarded, turns) = (guarded.clone(), turns.clone());
            spawn(move || turns.note(guarded.turn()));
        }
        turns.note(guarded.turn());
    });
}

/// A lock that main has taken twice while another thread wanted it.
fn contended() -> Shared<Guarded> {
    let guarded = Guarded::new();
    spawn({
        let guarded = guarded.clone();
        move || {
            guarded.turn();
        }
    });
    for _ in 0..2 {
        guarded.turn();
    }
    guarded
}

/// Fails if barging threads can overtake a waiter more often than the bound, or if a thread does not see what was done
/// under a lock that is handed off to it. Two threads.
#[test]
fn hand_over() {
    explore([107, 49], &["raw.handed"], || drop(contended()));
}

/// Fails if another thread can barge in between the hand-off of a lock and its receiver's run. Two threads.
#[test]
fn handed_over_is_taken() {
    explore([1_121, 257], &["raw.handed"], || {
        let guarded = contended();
        // Here it may just have been handed over.
        if guarded.lock.try_lock().is_ok() {
            guarded.touch();
            guarded.lock.unlock();
        }
    });
}

/// Fails if `try_lock` acquires a lock that is held, or leaves one held. Two threads.
#[test]
fn try_against_lock() {
    explore([9, 6], &[], || {
        let guarded = Guarded::new();
        spawn({
            let guarded = guarded.clone();
            move || {
                guarded.turn();
            }
        });
        if guarded.lock.try_lock().is_ok() {
            guarded.touch();
            guarded.lock.unlock();
        }
    });
}

/// Fails if a waiter whose limit passes as the lock is released neither acquires it nor leaves it free. Two threads.
#[test]
fn limit_against_unlock() {
    explore([957, 141], &["wait.timed-out", "wait.woken", "raw.leave-last"], || {
        let guarded = Guarded::new();
        guarded.lock(Limit::NEVER).unwrap();
        spawn({
            let guarded = guarded.clone();
            move || match guarded.lock(SECOND) {
                Ok(()) => {
                    guarded.touch();
                    guarded.lock.unlock();
                }
                Err(why) => assert_eq!(why, Refused::Stopped(Stopped::TimedOut)),
            }
        });
        crate::model::advance(SECOND);
        guarded.touch();
        guarded.lock.unlock();
        guarded.turn();
    });
}

/// Fails if the last sleeper to leave keeps its mark: every later unlock would look for sleepers. One thread.
#[test]
fn leaver_takes_its_mark() {
    explore([1, 1], &["raw.leave-last"], || {
        let guarded = Guarded::new();
        guarded.lock(Limit::NEVER).unwrap();
        assert_eq!(guarded.lock(Duration::ZERO), Err(Refused::Stopped(Stopped::TimedOut)));
        assert_eq!(guarded.lock.state(), 1, "held, and nobody's mark left");
    });
}

/// Fails if a waiter that leaves at its limit keeps the wake-up that another waiter needs. Three threads.
#[test]
fn leaver_passes_on() {
    explore([115_659, 1_949], &["wait.timed-out", "wait.woken"], || {
        let guarded = Guarded::new();
        guarded.lock(Limit::NEVER).unwrap();
        spawn({
            let guarded = guarded.clone();
            move || {
                guarded.turn();
            }
        });
        spawn({
            let guarded = guarded.clone();
            move || {
                if guarded.lock(SECOND).is_ok() {
                    guarded.lock.unlock();
                }
            }
        });
        crate::model::advance(SECOND);
        guarded.lock.unlock();
    });
}

/// Fails if a poisoner leaves a waiter asleep, or if a thread acquires a poisoned lock. Three threads.
#[test]
fn poison_wakes_all() {
    explore([337, 60], &["raw.poison-parked", "wait.woken"], || {
        let guarded = Guarded::new();
        guarded.lock(Limit::NEVER).unwrap();
        for _ in 0..2 {
            let guarded = guarded.clone();
            spawn(move || assert_eq!(guarded.lock(Limit::NEVER), Err(Refused::Poisoned)));
        }
        guarded.lock.poison();
    });
}

/// Fails if two threads can recover a poisoned lock, or if the one that does does not see what the poisoner did. Two
/// threads.
#[test]
fn recovered_poison() {
    explore([12, 6], &[], || {
        let guarded = Guarded::new();
        guarded.lock(Limit::NEVER).unwrap();
        spawn({
            let guarded = guarded.clone();
            move || {
                if guarded.lock.lock_poisoned() {
                    guarded.touch();
                    guarded.lock.unlock();
                }
            }
        });
        guarded.touch();
        guarded.lock.poison();
        if guarded.lock.lock_poisoned() {
            guarded.touch();
            guarded.lock.unlock();
        }
    });
}

/// Fails if the first thread to acquire a lock whose poison a third has cleared does not see what was done before the
/// poisoning. Three threads.
#[test]
fn cleared_poison() {
    explore([73, 22], &[], || {
        let guarded = Guarded::new();
        guarded.lock(Limit::NEVER).unwrap();
        spawn({
            let guarded = guarded.clone();
            move || guarded.lock.clear_poison()
        });
        spawn({
            let guarded = guarded.clone();
            move || {
                if guarded.lock(Limit::NEVER).is_ok() {
                    guarded.touch();
                    guarded.lock.unlock();
                }
            }
        });
        guarded.touch();
        guarded.lock.poison();
    });
}
