//! Models of the condition variable.

use std::time::Duration;

use super::explore::{Judge, Shared, explore, explore_bounded, spawn};
use crate::sync::model::execution::pretend_panicking;
use crate::{CancelToken, Condvar, Limit, LockError, OrderedMutex, Stopped};

const SECOND: Duration = Duration::from_secs(1);

/// A number under a lock, and its changes.
struct Changing {
    lock: OrderedMutex<u32>,
    changed: Condvar,
}

impl Changing {
    fn new() -> Shared<Self> {
        Shared::new(Changing { lock: OrderedMutex::new(1, 0), changed: Condvar::new() })
    }

    fn add(&self) {
        *self.lock.lock().unwrap() += 1;
    }

    /// Waits for the number to be above zero, and takes one.
    fn take(&self) -> u32 {
        let mut number = self.changed.wait_while(self.lock.lock().unwrap(), |number| *number == 0).unwrap();
        *number -= 1;
        *number
    }
}

/// Fails if a notification falls between a waiter's look at the condition and its sleep, or if it does not see the change. Two
/// threads.
#[test]
fn notified_after_the_release() {
    explore([10, 12], &["wait.woken"], || {
        let shared = Changing::new();
        spawn({
            let shared = shared.clone();
            move || {
                shared.add();
                shared.changed.notify_one();
            }
        });
        assert_eq!(shared.take(), 0);
        assert!(!shared.changed.someone_waits(), "a mark is left");
    });
}

/// Fails if a notification under the lock, for which the woken thread then has to wait, falls between that one's look and its sleep. Two
/// threads.
#[test]
fn notified_under_the_lock() {
    explore([31, 20], &["wait.woken", "raw.unlock-parked"], || {
        let shared = Changing::new();
        spawn({
            let shared = shared.clone();
            move || {
                let mut number = shared.lock.lock().unwrap();
                *number += 1;
                shared.changed.notify_all();
            }
        });
        assert_eq!(shared.take(), 0);
    });
}

/// Fails if a wait without a condition returns before it is notified, or not at all. Two threads.
#[test]
fn waits_for_the_notification() {
    explore([4, 8], &["wait.woken"], || {
        let shared = Changing::new();
        let guard = shared.lock.lock().unwrap();
        spawn({
            let shared = shared.clone();
            move || {
                shared.add();
                assert!(shared.changed.notify_one(), "who has the lock after a waiter finds it asleep");
            }
        });
        let guard = shared.changed.wait(guard).unwrap();
        assert_eq!(*guard, 1);
    });
}

/// Fails if a variable or its lock does not work again after a wait. Two threads.
#[test]
fn used_again() {
    explore([40, 124], &["wait.woken"], || {
        let shared = Changing::new();
        let mut guard = shared.lock.lock().unwrap();
        spawn({
            let shared = shared.clone();
            move || {
                for _ in 0..2 {
                    shared.add();
                    shared.changed.notify_one();
                }
            }
        });
        guard = shared.changed.wait_while(guard, |number| *number == 0).unwrap();
        guard = shared.changed.wait_while(guard, |number| *number == 1).unwrap();
        assert_eq!(*guard, 2);
    });
}

/// Fails if a waiter that is notified just when its limit passes says that it was not, or the other way round. Two threads.
#[test]
fn limit_against_notification() {
    explore([1_064, 89], &["wait.timed-out", "wait.woken"], || {
        let shared = Changing::new();
        let used = Judge::new(|notes: Vec<bool>| assert_eq!(notes[0], notes[1]));
        spawn({
            let (shared, used) = (shared.clone(), used.clone());
            move || {
                shared.add();
                used.note(shared.changed.notify_one());
            }
        });
        let (guard, end) = shared.changed.wait_within(shared.lock.lock().unwrap(), Duration::ZERO).unwrap();
        used.note(end.is_ok());
        assert!(end.is_err() || *guard == 1);
        drop(guard);
        assert!(!shared.changed.someone_waits(), "a mark is left");
    });
}

/// Fails if a wait whose limit passes as the condition becomes false does not say so, or loses the lock. Two threads.
#[test]
fn limit_against_the_condition() {
    explore([59, 16], &["wait.timed-out", "wait.woken"], || {
        let shared = Changing::new();
        spawn({
            let shared = shared.clone();
            move || {
                shared.add();
                crate::model::advance(SECOND);
                shared.changed.notify_one();
            }
        });
        let guard = shared.lock.lock().unwrap();
        let (guard, end) = shared.changed.wait_while_within(guard, |number| *number == 0, SECOND).unwrap();
        assert_eq!((*guard, end), (1, Ok(())));
    });
}

/// Fails if a waiter that is notified just when it is cancelled says that it was not, or the other way round; or if one that is
/// cancelled before it has joined the queue loses the lock. Three threads.
#[test]
fn cancel_against_notification() {
    explore([18_769, 246], &["node.cancel-woke", "wait.woken", "condvar.never-joined"], || {
        let shared = Shared::new((OrderedMutex::new(1, ()), Condvar::new(), CancelToken::new()));
        let used = Judge::new(|notes: Vec<bool>| assert_eq!(notes[0], notes[1]));
        spawn({
            let shared = shared.clone();
            move || shared.2.cancel()
        });
        spawn({
            let (shared, used) = (shared.clone(), used.clone());
            move || used.note(shared.1.notify_one())
        });
        let (guard, end) = shared.1.wait_within(shared.0.lock().unwrap(), &shared.2).unwrap();
        used.note(end.is_ok());
        assert_eq!(shared.0.state(), 1);
        drop(guard);
    });
}

/// Fails if the notification that a waiter was meant to get goes with another that is stopped in the same moment. The lock is left
/// out. Three threads.
#[test]
fn notification_beside_one_who_gives_up() {
    explore([5_604, 177], &["wait.timed-out", "wait.woken"], || {
        beside_two_who_give_up(|changed| usize::from(changed.notify_one()));
    });
}

/// Two wait, whose limit has passed, while `f` notifies.
fn beside_two_who_give_up(f: impl FnOnce(&Condvar) -> usize) {
    let (changed, used) = (Shared::new(Condvar::new()), used());
    for _ in 0..2 {
        let (changed, used) = (changed.clone(), used.clone());
        spawn(move || used.note((false, usize::from(changed.wait_bare(&Duration::ZERO.into()).is_ok()))));
    }
    used.note((true, f(&changed)));
}

/// Fails if a notification is swallowed by a waiter that is cancelled after it, while another sleeps. Three threads.
#[test]
fn notification_beside_one_who_is_cancelled() {
    explore_bounded(3, [1_695, 1_399], &["node.cancel-woke", "wait.woken"], || {
        beside_one_under_a_token(|changed, token| {
            let woke = changed.notify_one();
            token.cancel();
            woke
        });
    });
}

/// Fails if a notification is swallowed by a waiter that is cancelled before it, while another sleeps. Three threads.
#[test]
fn notification_behind_a_cancel() {
    explore_bounded(3, [3_244, 2_187], &["node.cancel-woke", "wait.woken"], || {
        beside_one_under_a_token(|changed, token| {
            token.cancel();
            changed.notify_one()
        });
    });
}

/// One waits under a token and one gives up, while `f` notifies one.
fn beside_one_under_a_token(f: impl FnOnce(&Condvar, &CancelToken) -> bool) {
    let shared = Shared::new((Condvar::new(), CancelToken::new()));
    let used = used();
    spawn({
        let (shared, used) = (shared.clone(), used.clone());
        move || used.note((false, usize::from(shared.0.wait_bare(&Limit::from(&shared.1)).is_ok())))
    });
    spawn({
        let (shared, used) = (shared.clone(), used.clone());
        move || used.note((false, usize::from(shared.0.wait_bare(&Duration::ZERO.into()).is_ok())))
    });
    used.note((true, usize::from(f(&shared.0, &shared.1))));
}

/// As many waits were notified as the notifier, whose note is `true`, has woken.
fn used() -> Judge<(bool, usize)> {
    Judge::new(|notes: Vec<(bool, usize)>| {
        let sum =
            |of: bool| notes.iter().filter(|(notifies, _)| *notifies == of).map(|(_, number)| number).sum::<usize>();
        assert_eq!(sum(false), sum(true));
    })
}

/// Fails if `notify_all` counts one that it does not wake, or wakes one that comes later, as another comes and goes. The lock is left
/// out. Three threads.
#[test]
fn all_against_a_newcomer() {
    explore([5_604, 177], &["wait.timed-out", "wait.woken"], || beside_two_who_give_up(Condvar::notify_all));
}

/// Fails if one of two waiters is left asleep by `notify_all`. Each thread is started under the lock by the one that releases it next.
/// Three threads.
#[test]
fn all_of_two_waiters() {
    explore([160, 6_504], &["wait.woken"], || {
        two_wait(|changed| assert_eq!(changed.notify_all(), 2));
    });
}

/// Fails if of two waiters and two notifications one is left over. Three threads.
#[test]
fn one_for_each_of_two_waiters() {
    explore([160, 6_504], &["wait.woken"], || {
        two_wait(|changed| assert!(changed.notify_one() && changed.notify_one()));
    });
}

/// Two threads wait, and a third notifies them. Both see what it wrote.
fn two_wait(notify: impl FnOnce(&Condvar) + 'static) {
    let shared = Changing::new();
    let guard = shared.lock.lock().unwrap();
    spawn({
        let shared = shared.clone();
        move || {
            let guard = shared.lock.lock().unwrap();
            spawn({
                let shared = shared.clone();
                move || {
                    shared.add();
                    notify(&shared.changed);
                }
            });
            assert_eq!(*shared.changed.wait(guard).unwrap(), 1);
        }
    });
    assert_eq!(*shared.changed.wait(guard).unwrap(), 1);
}

/// Fails if a third thread that wants the lock gets it beside the waiter, or is left asleep. Three threads.
#[test]
fn lock_wanted_by_a_third() {
    explore([40, 92], &["wait.woken", "raw.unlock-parked"], || {
        let shared = Changing::new();
        let guard = shared.lock.lock().unwrap();
        spawn({
            let shared = shared.clone();
            move || {
                shared.add();
                spawn({
                    let shared = shared.clone();
                    move || shared.add()
                });
                shared.changed.notify_one();
            }
        });
        let guard = shared.changed.wait(guard).unwrap();
        assert!((1..=2).contains(&*guard));
    });
}

/// Fails if a waiter acquires a lock that was poisoned while it slept, or sleeps on. Two threads.
#[test]
fn poisoned_meanwhile() {
    explore([16, 28], &["wait.woken"], || {
        let shared = Changing::new();
        let guard = shared.lock.lock().unwrap();
        spawn({
            let shared = shared.clone();
            move || {
                let guard = shared.lock.lock().unwrap();
                shared.changed.notify_one();
                pretend_panicking(|| drop(guard));
            }
        });
        let end = shared.changed.wait(guard);
        assert_eq!(end.err(), Some(LockError::Poisoned { id: shared.lock.id() }));
    });
}

/// Fails if a notification is lost with a waiter that cannot acquire its lock again, while another waits with another lock. Three
/// threads.
#[test]
fn passed_on_by_an_error() {
    explore([11_585, 1_480], &["wait.woken"], || {
        let shared = Changing::new();
        let poisoned = Shared::new(OrderedMutex::new(2, ()));
        let guard = shared.lock.lock().unwrap();
        spawn({
            let (shared, poisoned) = (shared.clone(), poisoned.clone());
            move || {
                if let Ok(guard) = poisoned.lock() {
                    let end = shared.changed.wait(guard);
                    assert_eq!(end.err(), Some(LockError::Poisoned { id: poisoned.id() }));
                }
            }
        });
        spawn({
            let shared = shared.clone();
            move || {
                let mut guard = shared.lock.lock().unwrap();
                let other = poisoned.lock().unwrap();
                *guard += 1;
                shared.changed.notify_one();
                pretend_panicking(|| drop(other));
            }
        });
        drop(shared.changed.wait_while(guard, |changes| *changes == 0).unwrap());
        // The other may have joined the queue after this thread.
        shared.changed.notify_all();
    });
}

/// Fails if a late waker of what was at the variable's address before takes a waiter along: it would return, or miss what notifies
/// it. Two threads.
#[test]
fn late_wake() {
    explore([14, 16], &["wait.woken"], || {
        let shared = Changing::new();
        let guard = shared.lock.lock().unwrap();
        spawn({
            let shared = shared.clone();
            move || {
                shared.changed.wake_late();
                shared.add();
                shared.changed.notify_one();
            }
        });
        let guard = shared.changed.wait(guard).unwrap();
        assert_eq!(*guard, 1);
    });
}

/// Fails if the last waiter to give up keeps its mark: every notifier would look for waiters. One thread.
#[test]
fn leaver_takes_its_mark() {
    explore([1, 1], &["condvar.leave-last"], || {
        let shared = Changing::new();
        let (guard, end) = shared.changed.wait_within(shared.lock.lock().unwrap(), Duration::ZERO).unwrap();
        assert_eq!(end, Err(Stopped::TimedOut));
        assert!(!shared.changed.someone_waits());
        assert_eq!(shared.lock.state(), 1);
        drop(guard);
        assert_eq!(shared.lock.state(), 0);
    });
}
