//! A waiter that is woken in vain again and again.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use raddle::{CancelToken, LockError, OrderedMutex, OrderedRwLock, Stopped};

use crate::asleep::Bed;
use crate::stress::watched;
use crate::thread;

/// More than any count of losses could hold.
const ROUNDS: usize = 70;

/// Poisons the lock by a panic under the guard.
fn poison<G>(guard: G) {
    let panicked = catch_unwind(AssertUnwindSafe(|| {
        let _guard = guard;
        resume_unwind(Box::new(()));
    }));
    assert!(panicked.is_err());
}

/// Holds a lock, poisons it and takes it again before the sleeper that this wakes has looked. Whether that went well all
/// the time; else the sleeper saw the poison or was quicker.
fn torment<G>(bed: &Bed, mut guard: G, again: impl Fn() -> Option<G>) -> Option<G> {
    for _ in 0..ROUNDS {
        bed.until_asleep();
        poison(guard);
        guard = again()?;
    }
    bed.until_asleep();
    Some(guard)
}

/// Fails if a writer's losses grow until it passes for a reader: it would be let in beside readers, or never be found by an
/// unlock that looks for it.
#[test]
#[cfg_attr(miri, ignore = "hangs on who is quicker")]
fn a_writer_that_was_woken_often_is_still_a_writer() {
    watched(|roll| {
        for _ in 0..200 {
            let (lock, beds) = (OrderedRwLock::new(1, 0), <[Bed; 2]>::default());
            let done = thread::scope(|threads| {
                let guard = lock.write().unwrap();
                let writer = roll.spawn(threads, "writer", || {
                    beds[0].enter();
                    if let Ok(mut value) = lock.write() {
                        (0..1000).for_each(|_| *value += 1);
                    }
                });
                let again = || {
                    lock.clear_poison();
                    lock.try_write().ok()
                };
                let Some(guard) = torment(&beds[0], guard, again).filter(|_| !writer.is_finished()) else {
                    lock.clear_poison();
                    return false;
                };
                roll.spawn(threads, "reader", || {
                    beds[1].enter();
                    assert_eq!(*lock.read().unwrap() % 1000, 0);
                });
                beds[1].until_asleep();
                drop(guard);
                true
            });
            if done {
                return;
            }
        }
    });
}

/// Fails if the losses of a waiter grow into its mark, so that its canceller does not find it.
#[test]
#[cfg_attr(miri, ignore = "hangs on who is quicker")]
fn a_waiter_that_was_woken_often_is_still_found() {
    watched(|roll| {
        for _ in 0..200 {
            let (lock, bed, token) = (OrderedMutex::new(1, ()), Bed::default(), CancelToken::new());
            let done = thread::scope(|threads| {
                let guard = lock.lock().unwrap();
                let waiter = roll.spawn(threads, "waiter", || {
                    bed.enter();
                    lock.lock_within(&token).map(drop)
                });
                let again = || {
                    lock.clear_poison();
                    lock.try_lock().ok()
                };
                let Some(_guard) = torment(&bed, guard, again).filter(|_| !waiter.is_finished()) else {
                    lock.clear_poison();
                    return false;
                };
                token.cancel();
                assert_eq!(waiter.join().unwrap(), Err(LockError::from(Stopped::Cancelled)));
                true
            });
            if done {
                return;
            }
        }
    });
}
