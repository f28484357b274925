//! Models of cancel tokens, by themselves and in the calls that wait under them.

use std::time::Duration;

use super::explore::{Judge, Shared, explore, explore_bounded, explore_bounded_on_both, spawn};
use crate::sync::UnsafeCell;
use crate::{CancelToken, InitError, Limit, LockError, OnceCell, OrderedMutex, Stopped, WaitError, WaitGroup};

const SECOND: Duration = Duration::from_secs(1);

/// Locks under a limit and lets go again. Whether the lock was had.
fn turn<'l>(lock: &OrderedMutex<u32>, limit: impl Into<Limit<'l>>) -> bool {
    match lock.lock_within(limit) {
        Ok(mut value) => {
            *value += 1;
            true
        }
        Err(why) => {
            assert_eq!(why, LockError::from(Stopped::Cancelled));
            false
        }
    }
}

/// A lock that main holds from the start, and a token. Neither is ever dropped.
struct Held {
    lock: OrderedMutex<u32>,
    token: CancelToken,
}

impl Held {
    fn new() -> (Shared<Self>, crate::OrderedMutexGuard<'static, u32>) {
        let held = Shared::new(Held { lock: OrderedMutex::new(1, 0), token: CancelToken::new() });
        // SAFETY: what is shared so is never dropped.
        let lock: &'static OrderedMutex<u32> = unsafe { &*std::ptr::from_ref(&held.lock) };
        (held, lock.lock().unwrap())
    }
}

/// Judges, once all threads are done, that the lock is free and nobody's mark is left on it.
fn free_at_last(held: &Shared<Held>) -> Judge<()> {
    let held = held.clone();
    Judge::new(move |_| assert_eq!(held.lock.state(), 0))
}

/// Fails if a cancel misses a thread that is about to sleep, or if that thread keeps its registration or the mark that it
/// set. Two threads.
#[test]
fn cancel_against_registration() {
    explore([1_217, 89], &["node.cancel-woke", "wait.cancelled-asleep", "wait.cancelled-awake"], || {
        let (held, guard) = Held::new();
        let waiter = loom::thread::spawn({
            let held = held.clone();
            move || assert!(!turn(&held.lock, &held.token))
        });
        held.token.cancel();
        waiter.join().unwrap();
        assert!(held.token.nobody_registered());
        assert_eq!(held.lock.state(), 1, "held, and nobody's mark left");
        drop(guard);
    });
}

/// Fails if a waiter that is cancelled as the lock is released neither acquires it nor leaves it free. Two threads.
#[test]
fn cancel_against_unlock() {
    explore([7_731, 164], &["wait.woken", "node.cancel-woke"], || {
        let (held, guard) = Held::new();
        let free = free_at_last(&held);
        spawn({
            let (held, free) = (held.clone(), free.clone());
            move || {
                turn(&held.lock, &held.token);
                drop(free);
            }
        });
        held.token.cancel();
        drop(guard);
    });
}

/// Fails if a waiter that was woken in vain, because another thread barged in, sleeps on after it is cancelled. Two
/// threads.
#[test]
fn unlock_against_cancel() {
    explore([31_135, 824], &["wait.woken", "wait.cancelled-awake"], || {
        let (held, guard) = Held::new();
        let free = free_at_last(&held);
        spawn({
            let (held, free) = (held.clone(), free.clone());
            move || {
                turn(&held.lock, &held.token);
                drop(free);
            }
        });
        drop(guard);
        held.token.cancel();
        turn(&held.lock, Limit::NEVER);
    });
}

/// Fails if a waiter that is cancelled at the hand-off of the lock to it loses the lock. Two threads.
#[test]
fn cancel_against_hand_over() {
    explore([52_541, 730], &["raw.handed", "node.cancel-woke"], || {
        let (held, guard) = Held::new();
        let free = free_at_last(&held);
        spawn({
            let (held, free) = (held.clone(), free.clone());
            move || {
                turn(&held.lock, &held.token);
                drop(free);
            }
        });
        drop(guard);
        let guard = held.lock.lock().unwrap();
        held.token.cancel();
        drop(guard);
    });
}

/// Fails if cancelling one waiter wakes another that waits for the same lock under another token, or swallows its wake-up.
/// Three threads.
#[test]
fn two_tokens() {
    explore_bounded(4, [36_346, 12_069], &["node.cancel-woke"], || {
        let (held, guard) = Held::new();
        let other = Shared::new(CancelToken::new());
        spawn({
            let held = held.clone();
            move || {
                turn(&held.lock, &held.token);
            }
        });
        spawn({
            let held = held.clone();
            move || assert!(turn(&held.lock, &*other))
        });
        held.token.cancel();
        drop(guard);
    });
}

/// Fails if a cancel misses one of two waiters in one queue, of which it takes out all that it finds at once. The lock is never
/// released. Three threads.
#[test]
fn two_in_one_queue() {
    explore_bounded_on_both(2, [891, 203_280], &["node.cancel-woke"], || {
        let (held, guard) = Held::new();
        for _ in 0..2 {
            let held = held.clone();
            spawn(move || assert!(!turn(&held.lock, &held.token)));
        }
        held.token.cancel();
        std::mem::forget(guard);
    });
}

/// Fails if a cancel wakes only the first thread that has registered. Two threads.
#[test]
fn behind_another() {
    explore([1_217, 89], &["node.cancel-woke"], || {
        let (held, guard) = Held::new();
        held.token.behind_another(|| {
            let waiter = loom::thread::spawn({
                let held = held.clone();
                move || assert!(!turn(&held.lock, &held.token))
            });
            held.token.cancel();
            waiter.join().unwrap();
        });
        drop(guard);
    });
}

/// Fails if a waiter under two tokens listens to one only. Two threads.
#[test]
fn either_of_two() {
    explore([911, 89], &["node.cancel-woke"], || {
        let (held, guard) = Held::new();
        let second = Shared::new(CancelToken::new());
        spawn({
            let (held, second) = (held.clone(), second.clone());
            move || assert!(!turn(&held.lock, Limit::from(&held.token).or(&*second)))
        });
        second.cancel();
        std::mem::forget(guard);
    });
}

/// Fails if a waiter whose token expires as the lock is released neither acquires it nor leaves it free. Two threads.
#[test]
fn deadline_against_unlock() {
    explore([1_233, 107], &["wait.timed-out", "wait.woken"], || {
        let (held, guard) = Held::new();
        let timed = Shared::new(held.token.child_within(SECOND));
        spawn({
            let held = held.clone();
            move || match held.lock.lock_within(&*timed) {
                Ok(mut value) => *value += 1,
                Err(why) => {
                    assert_eq!(why, LockError::from(Stopped::TimedOut));
                    assert_eq!(timed.check(), Err(Stopped::TimedOut));
                }
            }
        });
        crate::model::advance(SECOND);
        drop(guard);
        turn(&held.lock, Limit::NEVER);
    });
}

/// Fails if a token is freed while a thread that has a handle of it waits under it. Two threads.
#[test]
fn dropped_while_waited_under() {
    explore([4, 4], &["wait.woken", "tree.end"], || {
        let (held, guard) = Held::new();
        let parent = CancelToken::new();
        let child = parent.child();
        spawn({
            let (held, child) = (held.clone(), child.clone());
            move || assert!(turn(&held.lock, &child))
        });
        drop(child);
        drop(parent);
        drop(guard);
    });
}

/// Fails if a waiter for the token itself sleeps on after the cancel, or does not see what happened before it. Three
/// threads.
#[test]
fn waiters_for_the_token() {
    explore([699, 114], &["wait.woken", "wait.invalid", "node.cancel-parked"], || {
        let shared = Shared::new((CancelToken::new(), UnsafeCell::new(0)));
        for _ in 0..2 {
            let shared = shared.clone();
            spawn(move || {
                assert_eq!(shared.0.wait(Limit::NEVER), Ok(()));
                // SAFETY: written before the cancel, which loom checks.
                assert_eq!(unsafe { *shared.1.shared() }, 7);
            });
        }
        // SAFETY: read after the cancel, which loom checks.
        *unsafe { shared.1.exclusive() } = 7;
        shared.0.cancel();
    });
}

/// Fails if a waiter for the token that gives up keeps its mark, or wins over the token's own end. Two threads.
#[test]
fn waiter_for_the_token_gives_up() {
    explore([249, 33], &["node.leave-last", "wait.timed-out"], || {
        let token = Shared::new(CancelToken::new());
        let waiter = loom::thread::spawn({
            let token = token.clone();
            move || {
                let ended = token.wait(SECOND);
                if !token.is_cancelled() {
                    assert_eq!(ended, Err(Stopped::TimedOut));
                    assert!(!token.someone_waits() || token.is_cancelled());
                }
            }
        });
        crate::model::advance(SECOND);
        token.cancel();
        waiter.join().unwrap();
    });
}

/// Fails if a thread that finds the token cancelled does not see what happened before the cancel, or its cause. Two
/// threads.
#[test]
fn check_against_cancel() {
    explore([28, 12], &[], || {
        let shared = Shared::new((CancelToken::new(), UnsafeCell::new(0)));
        let child = shared.0.child();
        spawn({
            let shared = shared.clone();
            move || {
                if child.is_cancelled() {
                    assert_eq!(child.cause().unwrap().to_string(), "why");
                    // SAFETY: written before the cancel, which loom checks.
                    assert_eq!(unsafe { *shared.1.shared() }, 7);
                }
                // It was the last handle.
                drop(child);
            }
        });
        // SAFETY: read after the cancel, which loom checks.
        *unsafe { shared.1.exclusive() } = 7;
        shared.0.cancel_with("why");
    });
}

/// Fails if a call to cancel returns before a descendant is flagged, as another thread has yet to flag it; or if cancels of
/// a parent and of its child deadlock. Three threads.
#[test]
fn concurrent_cancels() {
    explore([366_663, 1_694], &["tree.down"], || {
        let parent = CancelToken::new();
        let child = parent.child();
        let grandchild = child.child();
        let causes = Judge::new(|causes: Vec<Option<String>>| assert_eq!(causes.len(), 3));
        spawn({
            let (parent, grandchild, causes) = (parent.clone(), grandchild.clone(), causes.clone());
            move || {
                parent.cancel();
                assert!(grandchild.is_cancelled());
                causes.note(grandchild.cause().map(ToString::to_string));
            }
        });
        spawn({
            let (child, grandchild, causes) = (child.clone(), grandchild.clone(), causes.clone());
            move || {
                child.cancel_with("child");
                assert!(grandchild.is_cancelled());
                causes.note(grandchild.cause().map(ToString::to_string));
            }
        });
        parent.cancel();
        assert!(child.is_cancelled() && grandchild.is_cancelled());
        causes.note(grandchild.cause().map(ToString::to_string));
    });
}

/// Fails if a child that is made while its parent is being cancelled escapes. Two threads.
#[test]
fn born_while_cancelled() {
    explore([13, 8], &[], || {
        let parent = CancelToken::new();
        let maker = loom::thread::spawn({
            let parent = parent.clone();
            move || parent.child()
        });
        parent.cancel();
        assert!(maker.join().unwrap().is_cancelled());
    });
}

/// Fails if a token is freed before all that was done through its handles: here, reading its cause. Two threads.
#[test]
fn last_handle() {
    explore([3, 2], &["tree.end"], || {
        let token = CancelToken::new();
        token.cancel_with("why");
        spawn({
            let token = token.clone();
            move || assert_eq!(token.cause().unwrap().to_string(), "why")
        });
        drop(token);
    });
}

/// Fails if a cancel uses a child that was freed, or if a cause or a branch is not dropped. Two threads.
#[test]
fn dropped_while_cancelled() {
    explore([594, 147], &["tree.down", "tree.end"], || {
        let parent = CancelToken::new();
        let (one, other) = (parent.child(), parent.child());
        spawn(move || drop(one));
        let cause = loom::alloc::Track::new(());
        parent.cancel_with(Tracked(cause));
        assert!(other.is_cancelled());
    });
}

/// A cause whose leak loom reports.
#[derive(Debug)]
struct Tracked(#[expect(dead_code, reason = "dropped")] loom::alloc::Track<()>);

impl std::fmt::Display for Tracked {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("tracked")
    }
}

impl std::error::Error for Tracked {}

/// Fails if a candidate that is cancelled keeps the wake-up that another candidate needs. Three threads.
#[test]
fn cancelled_candidate() {
    explore_bounded(4, [43_337, 11_557], &["once.failed", "node.cancel-woke"], || {
        let shared = Shared::new((OnceCell::new(), CancelToken::new()));
        let _ = shared.0.get_or_try_init(|| {
            spawn({
                let shared = shared.clone();
                move || match shared.0.get_or_init_within(|| 7, &shared.1) {
                    Ok(value) => assert_eq!(*value, 7),
                    Err(why) => assert_eq!(why, InitError::Stopped(Stopped::Cancelled)),
                }
            });
            spawn({
                let shared = shared.clone();
                move || assert_eq!(*shared.0.get_or_init(|| 7), 7)
            });
            shared.1.cancel();
            Err(())
        });
    });
}

/// Fails if a waiter for a group that is cancelled as the last worker ends sleeps on, or leaves its mark. Two threads.
#[test]
fn cancelled_waiter_for_a_group() {
    explore([4_046, 368], &["node.cancel-woke", "wait.woken"], || {
        let shared = Shared::new((WaitGroup::new(), CancelToken::new()));
        std::mem::forget(shared.0.worker());
        spawn({
            let shared = shared.clone();
            move || match shared.0.wait_within(&shared.1) {
                Ok(()) => {}
                Err(why) => assert_eq!(why, WaitError::Stopped(Stopped::Cancelled)),
            }
        });
        shared.1.cancel();
        shared.0.end(false);
    });
}

/// Fails if a wait for a token with a deadline does not sleep, or sleeps on when that is cancelled. Two threads.
#[test]
fn wait_with_deadline() {
    explore([6, 6], &["wait.woken"], || {
        let token = Shared::new(CancelToken::new().child_within(SECOND));
        spawn({
            let token = token.clone();
            move || assert_eq!(token.wait(Limit::NEVER), Ok(()))
        });
        token.cancel();
    });
}
