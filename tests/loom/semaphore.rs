//! Models of the semaphore.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::time::Duration;

use super::explore::{Judge, Shared, explore, explore_bounded, spawn};
use crate::sync::UnsafeCell;
use crate::{CancelToken, Semaphore, Stopped};

const SECOND: Duration = Duration::from_secs(1);

/// A semaphore, and two values for those who have its permits.
struct Guarded {
    semaphore: Semaphore,
    values: [UnsafeCell<u32>; 2],
    token: CancelToken,
}

impl Guarded {
    fn new(permits: usize) -> Shared<Self> {
        let values = [(); 2].map(|()| UnsafeCell::new(0));
        Shared::new(Guarded { semaphore: Semaphore::new(permits), values, token: CancelToken::new() })
    }

    /// What is done with a permit.
    fn touch(&self, at: usize) -> u32 {
        // SAFETY: as far as permits exclude each other, which loom checks.
        let value = unsafe { self.values[at].exclusive() };
        *value += 1;
        *value
    }

    /// Acquires so many, does that and gives them back.
    fn turn(&self, permits: usize, values: &[usize]) -> u32 {
        let permit = self.semaphore.acquire(permits);
        let turn = values.iter().map(|&at| self.touch(at)).sum();
        drop(permit);
        turn
    }
}

/// Judges, once all threads are done, that so many permits are there, and nobody's mark.
fn there_at_last(guarded: &Shared<Guarded>, permits: usize) -> Judge<()> {
    let guarded = guarded.clone();
    Judge::new(move |_| {
        assert!(!guarded.semaphore.someone_sleeps(), "a mark is left");
        assert_eq!(guarded.semaphore.available(), permits);
    })
}

/// Fails if two threads have the one permit at once, or if one does not see what the other did with it, or if a waiter is
/// left asleep. Two threads.
#[test]
fn one_permit() {
    explore([40, 58], &["wait.woken", "wait.invalid", "semaphore.handed"], || {
        let (guarded, turns) = (Guarded::new(1), Judge::expect(vec![1, 2]));
        let there = there_at_last(&guarded, 1);
        spawn({
            let (guarded, turns, there) = (guarded.clone(), turns.clone(), there.clone());
            move || {
                turns.note(guarded.turn(1, &[0]));
                drop(there);
            }
        });
        turns.note(guarded.turn(1, &[0]));
    });
}

/// Fails if a waiter is left asleep while another is handed the permit, or does not see what was done with it before that. Three
/// threads.
#[test]
fn two_in_turn() {
    explore([22_323, 919], &["semaphore.handed"], || {
        let (guarded, turns) = (Guarded::new(1), Judge::expect(vec![2, 3]));
        let there = there_at_last(&guarded, 1);
        let permit = guarded.semaphore.acquire(1);
        for _ in 0..2 {
            let (guarded, turns, there) = (guarded.clone(), turns.clone(), there.clone());
            spawn(move || {
                turns.note(guarded.turn(1, &[0]));
                drop(there);
            });
        }
        guarded.touch(0);
        drop(permit);
    });
}

/// Fails if `try_acquire` takes a permit that is given out or on its way to a sleeper, or keeps one. Two threads.
#[test]
fn try_against_acquire() {
    explore([397, 213], &["semaphore.handed"], || {
        let guarded = Guarded::new(1);
        let there = there_at_last(&guarded, 1);
        let permit = guarded.semaphore.acquire(1);
        spawn({
            let (guarded, there) = (guarded.clone(), there.clone());
            move || {
                guarded.turn(1, &[0]);
                drop(there);
            }
        });
        guarded.touch(0);
        drop(permit);
        // Here it may just have been handed over.
        if let Some(permit) = guarded.semaphore.try_acquire(1) {
            guarded.touch(0);
            drop(permit);
        }
    });
}

/// Fails if one who has both permits meets one who has one of them, or does not see what that one did. Two threads.
#[test]
fn one_and_both() {
    explore([40, 58], &["semaphore.handed"], || {
        let guarded = Guarded::new(2);
        let there = there_at_last(&guarded, 2);
        spawn({
            let (guarded, there) = (guarded.clone(), there.clone());
            move || {
                guarded.turn(1, &[0]);
                drop(there);
            }
        });
        guarded.turn(2, &[0, 1]);
    });
}

/// Fails if permits that come back together serve only one of two waiters, or if one of them does not see what was done with them.
/// Three threads.
#[test]
fn both_and_two() {
    explore([33_059, 1_479], &["semaphore.handed"], || {
        let guarded = Guarded::new(2);
        let there = there_at_last(&guarded, 2);
        let permit = guarded.semaphore.acquire(2);
        for at in 0..2 {
            let (guarded, there) = (guarded.clone(), there.clone());
            spawn(move || {
                guarded.turn(1, &[at]);
                drop(there);
            });
        }
        for at in 0..2 {
            guarded.touch(at);
        }
        drop(permit);
    });
}

/// Fails if a call that does not wait overtakes a sleeper for whom there is not enough. Two threads.
#[test]
fn trying_does_not_overtake() {
    explore([50, 26], &["semaphore.handed"], || {
        let guarded = Guarded::new(2);
        let there = there_at_last(&guarded, 2);
        let permit = guarded.semaphore.acquire(1);
        spawn({
            let (guarded, there) = (guarded.clone(), there.clone());
            move || {
                guarded.turn(2, &[0]);
                drop(there);
            }
        });
        if guarded.semaphore.someone_sleeps() {
            assert!(guarded.semaphore.try_acquire(1).is_none());
        }
        drop(permit);
    });
}

/// Fails if a small request overtakes a large one that sleeps, or if either of them is left asleep. Three threads.
#[test]
fn a_large_request_before_a_small_one() {
    explore_bounded(4, [30_964, 7_738], &["semaphore.handed", "semaphore.not-enough"], || {
        let guarded = Guarded::new(3);
        let there = there_at_last(&guarded, 0);
        let served = Arc::new(AtomicBool::new(false));
        std::mem::forget(guarded.semaphore.acquire(3));
        spawn({
            let (guarded, there, served) = (guarded.clone(), there.clone(), served.clone());
            move || {
                std::mem::forget(guarded.semaphore.acquire(2));
                served.store(true, SeqCst);
                drop(there);
            }
        });
        spawn({
            let (guarded, there) = (guarded.clone(), there.clone());
            move || {
                let is_behind = guarded.semaphore.someone_sleeps();
                std::mem::forget(guarded.semaphore.acquire(1));
                // What is handed to both at once has no order among them.
                assert!(!is_behind || served.load(SeqCst) || guarded.semaphore.available() == 0, "overtaken");
                drop(there);
            }
        });
        guarded.semaphore.give(1);
        guarded.semaphore.give(2);
    });
}

/// Fails if permits that two threads add at once are handed out by neither, or if who gets them does not see what either did
/// before. Three threads.
#[test]
fn two_who_add() {
    explore([14_316, 798], &["semaphore.handed", "semaphore.not-enough"], || {
        let guarded = Guarded::new(0);
        let there = there_at_last(&guarded, 2);
        for at in 0..2 {
            let (guarded, there) = (guarded.clone(), there.clone());
            spawn(move || {
                guarded.touch(at);
                guarded.semaphore.add_permits(1);
                drop(there);
            });
        }
        guarded.turn(2, &[0, 1]);
    });
}

/// Fails if a waiter that is cancelled as the permit comes back neither acquires it nor leaves it there. Two threads.
#[test]
fn cancel_against_give() {
    explore([15_702, 449], &["node.cancel-woke", "semaphore.leave-last"], || {
        let guarded = Guarded::new(1);
        let there = there_at_last(&guarded, 1);
        let permit = guarded.semaphore.acquire(1);
        spawn({
            let (guarded, there) = (guarded.clone(), there.clone());
            move || {
                match guarded.semaphore.acquire_within(1, &guarded.token) {
                    Ok(permit) => {
                        guarded.touch(0);
                        drop(permit);
                    }
                    Err(why) => assert_eq!(why, Stopped::Cancelled),
                }
                drop(there);
            }
        });
        guarded.token.cancel();
        guarded.touch(0);
        drop(permit);
    });
}

/// Fails if a waiter that is cancelled in the same moment as it is handed its permit loses it. Two threads.
#[test]
fn give_against_cancel() {
    explore([5_546, 591], &["semaphore.handed", "wait.cancelled-awake"], || {
        let guarded = Guarded::new(1);
        let there = there_at_last(&guarded, 1);
        let permit = guarded.semaphore.acquire(1);
        spawn({
            let (guarded, there) = (guarded.clone(), there.clone());
            move || {
                drop(guarded.semaphore.acquire_within(1, &guarded.token).expect("it was there first"));
                drop(there);
            }
        });
        drop(permit);
        guarded.token.cancel();
    });
}

/// Fails if a waiter whose limit passes as the permit comes back neither acquires it nor leaves it there. Two threads.
#[test]
fn limit_against_give() {
    explore([3_368, 1_088], &["wait.timed-out", "semaphore.handed", "semaphore.leave-last"], || {
        let guarded = Guarded::new(1);
        let there = there_at_last(&guarded, 1);
        let permit = guarded.semaphore.acquire(1);
        spawn({
            let (guarded, there) = (guarded.clone(), there.clone());
            move || {
                match guarded.semaphore.acquire_within(1, SECOND) {
                    Ok(permit) => {
                        guarded.touch(0);
                        drop(permit);
                    }
                    Err(why) => assert_eq!(why, Stopped::TimedOut),
                }
                drop(there);
            }
        });
        crate::model::advance(SECOND);
        guarded.touch(0);
        drop(permit);
        guarded.turn(1, &[0]);
    });
}

/// Fails if the last sleeper to leave keeps its mark: nobody would get a permit without a sleep. One thread.
#[test]
fn leaver_takes_its_mark() {
    explore([1, 2], &["semaphore.leave-last"], || {
        let guarded = Guarded::new(1);
        assert_eq!(guarded.semaphore.acquire_within(2, Duration::ZERO).err(), Some(Stopped::TimedOut));
        assert!(!guarded.semaphore.someone_sleeps());
        drop(guarded.semaphore.try_acquire(1).unwrap());
    });
}

/// Fails if one for whom there is enough sleeps on behind a large request that has given up. Two threads.
#[test]
fn the_first_gives_up() {
    explore([162, 148], &["wait.timed-out", "semaphore.left-others", "semaphore.handed"], || {
        let guarded = Guarded::new(1);
        let there = there_at_last(&guarded, 1);
        spawn({
            let (guarded, there) = (guarded.clone(), there.clone());
            move || {
                guarded.turn(1, &[0]);
                drop(there);
            }
        });
        assert_eq!(guarded.semaphore.acquire_within(2, Duration::ZERO).err(), Some(Stopped::TimedOut));
    });
}

/// Fails if one for whom there is enough sleeps on behind a large request that was cancelled, or behind its mark. Two threads.
#[test]
fn the_first_is_cancelled() {
    explore([7_876, 1_496], &["node.cancel-woke", "semaphore.left-others", "semaphore.handed"], || {
        let guarded = Guarded::new(1);
        let there = there_at_last(&guarded, 1);
        spawn({
            let (guarded, there) = (guarded.clone(), there.clone());
            move || {
                let end = guarded.semaphore.acquire_within(2, &guarded.token);
                assert_eq!(end.err(), Some(Stopped::Cancelled));
                drop(there);
            }
        });
        guarded.token.cancel();
        guarded.turn(1, &[0]);
    });
}

/// Fails if a waiter that gives up takes along the mark of another, or the permit that is meant for it. Three threads.
#[test]
fn one_of_two_gives_up() {
    explore_bounded(4, [30_840, 6_956], &["wait.timed-out", "semaphore.handed"], || {
        let guarded = Guarded::new(1);
        let there = there_at_last(&guarded, 1);
        let permit = guarded.semaphore.acquire(1);
        spawn({
            let (guarded, there) = (guarded.clone(), there.clone());
            move || {
                guarded.turn(1, &[0]);
                drop(there);
            }
        });
        spawn({
            let (guarded, there) = (guarded.clone(), there.clone());
            move || {
                drop(guarded.semaphore.acquire_within(1, Duration::ZERO));
                drop(there);
            }
        });
        drop(permit);
    });
}

/// Fails if a wake-up that was meant for something else at this address takes the first sleeper away from before another, for
/// whom there is enough, and that one sleeps on. Three threads.
#[test]
fn woken_by_a_stranger() {
    explore_bounded(4, [39_081, 20_134], &["semaphore.left-others", "semaphore.handed"], || {
        let guarded = Guarded::new(5);
        std::mem::forget(guarded.semaphore.acquire(4));
        let large = {
            let guarded = guarded.clone();
            move || std::mem::forget(guarded.semaphore.acquire(2))
        };
        let small = {
            let guarded = guarded.clone();
            move || {
                std::mem::forget(guarded.semaphore.acquire(1));
                guarded.semaphore.give(2);
            }
        };
        spawn(large);
        spawn(small);
        if !guarded.semaphore.wake_first_of_several() {
            // The small one may sleep behind the large one, for whom there is not enough.
            guarded.semaphore.give(2);
        }
    });
}

/// Fails if the semaphore is dropped while a permit is out or somebody waits, or not at all. Two threads, joined, with loom's own
/// `Arc` around what the permit is for.
#[test]
fn owned_permits() {
    explore([28, 11], &["semaphore.handed"], || {
        let semaphore = Arc::new(Semaphore::new(1));
        let work = loom::sync::Arc::new(UnsafeCell::new(false));
        let permit = semaphore.acquire_owned(1);
        let thread = loom::thread::spawn({
            let work = work.clone();
            move || {
                // SAFETY: read after the permit's end, which loom checks.
                *unsafe { work.exclusive() } = true;
                drop(work);
                drop(permit);
            }
        });
        let permit = semaphore.acquire_owned(1);
        // SAFETY: the permit of the other thread is gone, which loom checks.
        assert!(unsafe { *work.shared() });
        permit.forget();
        thread.join().unwrap();
        assert_eq!((Arc::strong_count(&semaphore), semaphore.available()), (1, 0));
    });
}
