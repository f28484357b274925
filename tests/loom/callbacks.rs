//! Models of what tokens call: callbacks, interrupts and wakers; and of tokens below several others.

use std::cell::Cell;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use super::explore::{Judge, Shared, explore, spawn};
use crate::sync::UnsafeCell;
use crate::sync::model::clock;
use crate::{CancelToken, Limit, Stopped};

const SECOND: Duration = Duration::from_secs(1);

/// Has `note` noted once the token ends.
fn notes(token: &CancelToken, notes: &Judge<&'static str>, note: &'static str) {
    token.on_cancel(noting(notes, note)).detach();
}

fn noting(notes: &Judge<&'static str>, note: &'static str) -> impl FnOnce() + Send + 'static {
    let notes = SendIt(notes.clone());
    move || {
        let notes = notes;
        notes.0.note(note);
    }
}

/// All threads of a model are one.
struct SendIt<T>(T);

// SAFETY: as it says.
unsafe impl<T> Send for SendIt<T> {}
// SAFETY: as above.
unsafe impl<T> Sync for SendIt<T> {}

/// A waker that counts.
#[derive(Default)]
struct Woken(SendIt<Cell<u32>>);

impl Default for SendIt<Cell<u32>> {
    fn default() -> Self {
        SendIt(Cell::new(0))
    }
}

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.0.set(self.0.0.get() + 1);
    }
}

fn poll(future: Pin<&mut impl Future<Output = Stopped>>, woken: &Arc<Woken>) -> Poll<Stopped> {
    future.poll(&mut Context::from_waker(&Waker::from(woken.clone())))
}

/// Fails if a callback that is registered while its token is cancelled is never called, or called twice, or does not see what was done before
/// the cancel. Two threads.
#[test]
fn registered_while_cancelled() {
    explore([1_185, 258], &["node.enlist-late"], || {
        let shared = Shared::new((CancelToken::new(), UnsafeCell::new(0)));
        let called = Judge::expect(vec!["called"]);
        spawn({
            let (shared, called) = (shared.clone(), called.clone());
            move || {
                let seen = SendIt((shared.clone(), called));
                let callback = move || {
                    let seen = seen;
                    // SAFETY: written before the cancel, which loom checks.
                    assert_eq!(unsafe { *seen.0.0.1.shared() }, 7);
                    seen.0.1.note("called");
                };
                shared.0.on_cancel(callback).detach();
            }
        });
        // SAFETY: read after the cancel, which loom checks.
        *unsafe { shared.1.exclusive() } = 7;
        shared.0.cancel();
    });
}

/// Fails if a callback of a child that is registered while the parent is cancelled is never called, or called twice. Two threads.
#[test]
fn registered_below_while_cancelled() {
    explore([10_561, 589], &["tree.down", "node.enlist-late"], || {
        let parent = CancelToken::new();
        let child = parent.child();
        let called = Judge::expect(vec!["called"]);
        spawn(move || {
            notes(&child, &called, "called");
            // Its callback would go with it.
            std::mem::forget(child);
        });
        parent.cancel();
    });
}

/// Fails if a callback that was taken back is called, or one that was not is lost; or if its entry is used after its end. Two threads.
#[test]
fn taken_back_while_cancelled() {
    explore([162, 98], &[], || {
        let token = CancelToken::new();
        let called =
            Judge::new(|notes: Vec<&str>| assert!(matches!(notes[..], ["called"] | ["taken back"]), "{notes:?}"));
        let registered = token.on_cancel(noting(&called, "called"));
        spawn(move || token.cancel());
        if registered.take_back() {
            called.note("taken back");
        }
    });
}

/// Fails if a callback that is left to its token as that is cancelled is lost or called twice, or what it has captured leaks. Two threads.
#[test]
fn detached_while_cancelled() {
    explore([162, 98], &[], || {
        let token = CancelToken::new();
        let leaks = loom::alloc::Track::new(());
        let called = Judge::expect(vec!["called"]);
        let note = noting(&called, "called");
        let registered = token.on_cancel(move || {
            drop(leaks);
            note();
        });
        spawn(move || token.cancel());
        registered.detach();
    });
}

/// Fails if two callbacks, of which the first registers a third, are not each called once, by one of two cancels. Two threads.
#[test]
fn registered_by_a_callback() {
    explore([150, 40], &["node.enlist-late"], || {
        let token = CancelToken::new();
        let called = Judge::expect(vec!["first", "second", "third"]);
        let within = SendIt((token.clone(), called.clone()));
        let first = token.on_cancel(move || {
            let within = within;
            let (token, called) = within.0;
            called.note("first");
            notes(&token, &called, "third");
        });
        first.detach();
        notes(&token, &called, "second");
        spawn({
            let token = token.clone();
            move || token.cancel()
        });
        token.cancel();
    });
}

/// Fails if a call is left while its interrupt is running, or the interrupt runs after it, twice, or without its call's seeing what it did.
/// Two threads.
#[test]
fn interrupted_at_any_time() {
    explore([12_090, 1_130], &["interrupting.woke", "node.enlist-late"], || {
        let token = CancelToken::new();
        spawn({
            let token = token.clone();
            move || {
                let interrupts = UnsafeCell::new(0);
                let lent = SendIt(&interrupts);
                let interrupt = || {
                    let lent = &lent;
                    // SAFETY: used by nobody else meanwhile, which loom checks.
                    *unsafe { lent.0.exclusive() } += 1;
                };
                token.interrupting(interrupt, || ());
                // SAFETY: as above.
                let interrupts = unsafe { *interrupts.shared() };
                assert!(interrupts <= 1);
            }
        });
        token.cancel();
    });
}

/// Fails if a call that only its interrupt ends is not interrupted. Two threads.
#[test]
fn interrupted_while_it_waits() {
    explore([1_794, 208], &[], || {
        let (token, stopped) = (CancelToken::new(), CancelToken::new());
        spawn({
            let token = token.clone();
            move || {
                let waits = || stopped.wait(Limit::NEVER);
                assert_eq!(token.interrupting(|| stopped.cancel(), waits), Ok(()));
            }
        });
        token.cancel();
    });
}

/// Fails if a future whose waker was changed misses the cancel, wakes the old waker after the change, or the new one without need. Two threads.
#[test]
fn polled_while_cancelled() {
    explore([4_117, 725], &[], || {
        let token = CancelToken::new();
        let (old, new) = (Arc::new(Woken::default()), Arc::new(Woken::default()));
        let judge = Judge::new({
            let (old, new) = (old.clone(), new.clone());
            move |polled: Vec<bool>| {
                let woken = [&old, &new].map(|woken| woken.0.0.get());
                match polled[..] {
                    [false] => assert_eq!(woken, [0, 1], "pending"),
                    // The one that stood there may have been taken just before.
                    [true] => assert!(woken.iter().sum::<u32>() <= 1, "ready, and woken {woken:?}"),
                    _ => unreachable!("noted once"),
                }
            }
        });
        let mut future = Box::pin(token.clone().cancelled_owned());
        assert!(poll(future.as_mut(), &old).is_pending());
        spawn({
            let judge = judge.clone();
            move || {
                let second = poll(future.as_mut(), &new);
                judge.note(second.is_ready());
                // Whoever is pending stays registered.
                if second.is_pending() {
                    std::mem::forget(future);
                }
            }
        });
        token.cancel();
        drop(judge);
    });
}

/// Fails if a future that is dropped as its token is cancelled is used after its end, or its waker leaks. Two threads.
#[test]
fn future_dropped_while_cancelled() {
    explore([3_555, 438], &[], || {
        let (token, woken) = (CancelToken::new(), Arc::new(Woken::default()));
        let judge = Judge::new({
            let woken = woken.clone();
            move |ready: Vec<bool>| {
                assert!(ready == [false] || woken.0.0.get() == 0);
                assert_eq!(Arc::strong_count(&woken), 1, "a waker is left");
            }
        });
        spawn({
            let (token, judge) = (token.clone(), judge.clone());
            move || {
                let mut future = Box::pin(token.cancelled());
                judge.note(poll(future.as_mut(), &woken).is_ready());
                drop(future);
                drop((token, woken));
                drop(judge);
            }
        });
        token.cancel();
        drop(judge);
    });
}

/// Fails if a deadline and a cancel that come together call a callback twice or never, or leave no cause, or one that changes more than once.
/// Two threads.
#[test]
fn deadline_against_cancel() {
    explore([14_185, 511], &[], || {
        let token = CancelToken::new().child_within_because(SECOND, "deadline");
        let called = Judge::expect(vec!["called"]);
        notes(&token, &called, "called");
        spawn({
            let token = token.clone();
            move || {
                clock::advance(SECOND);
                let why = || token.cause().unwrap().to_string();
                assert!(token.is_cancelled());
                let (first, second) = (why(), why());
                assert!(first == second || (&*first, &*second) == ("deadline", "cancel"));
            }
        });
        token.cancel_with("cancel");
        assert!(token.cause().is_some());
    });
}

/// Fails if the cause of a deadline that has passed is lost to a later cancel. Two threads.
#[test]
fn cancelled_after_the_deadline() {
    explore([1, 1], &[], || {
        let token = CancelToken::new().child_within_because(SECOND, "deadline");
        let passed = loom::thread::spawn(|| clock::advance(SECOND));
        passed.join().unwrap();
        token.cancel_with("cancel");
        assert_eq!(token.check(), Err(Stopped::Cancelled));
        assert_eq!(token.cause().unwrap().to_string(), "deadline");
    });
}

/// Fails if a callback that is registered at the deadline is not called. Two threads.
#[test]
fn registered_at_the_deadline() {
    explore([38_407, 842], &["node.enlist-late"], || {
        let token = CancelToken::new().child_within(SECOND);
        let called = Judge::expect(vec!["called"]);
        spawn(|| clock::advance(SECOND));
        notes(&token, &called, "called");
        // It is gone, and with it a callback that was not called, unless the alarm keeps it.
        std::mem::forget(token);
    });
}

/// Fails if a future misses the deadline. Two threads.
#[test]
fn polled_at_the_deadline() {
    explore([551, 56], &[], || {
        let token = CancelToken::new().child_within(SECOND);
        let woken = Arc::new(Woken::default());
        let judge = Judge::new({
            let woken = woken.clone();
            move |ready: Vec<bool>| assert_eq!(woken.0.0.get(), u32::from(ready == [false]), "{ready:?}")
        });
        let passes = judge.clone();
        spawn(move || {
            clock::advance(SECOND);
            drop(passes);
        });
        let mut future = Box::pin(token.cancelled_owned());
        let polled = poll(future.as_mut(), &woken);
        assert!(polled.is_pending() || polled == Poll::Ready(Stopped::TimedOut));
        judge.note(polled.is_ready());
        // Whoever is pending stays registered.
        std::mem::forget(future);
    });
}

/// Fails if a call is left while an interrupt runs that the deadline calls, or does not see what that did. Two threads.
#[test]
fn interrupted_at_the_deadline() {
    explore([9_976, 293], &["node.enlist-late", "interrupting.woke"], || {
        let token = CancelToken::new().child_within(SECOND);
        spawn(|| clock::advance(SECOND));
        let interrupts = UnsafeCell::new(0);
        let lent = SendIt(&interrupts);
        let interrupt = || {
            let lent = &lent;
            // SAFETY: used by nobody else meanwhile, which loom checks.
            *unsafe { lent.0.exclusive() } += 1;
        };
        token.interrupting(interrupt, || ());
        // SAFETY: as above.
        assert!(unsafe { *interrupts.shared() } <= 1);
    });
}

/// Fails if two tokens that have a deadline in common tell different things of what came first, it or a cancel of both. Two threads.
#[test]
fn one_moment_for_all() {
    explore([3, 2], &["tree.down"], || {
        let parent = CancelToken::new().child_within_because(SECOND, "deadline");
        let child = parent.child();
        spawn(|| clock::advance(SECOND));
        parent.cancel_with("cancel");
        let [first, second] = [&parent, &child].map(|token| token.cause().unwrap().to_string());
        assert_eq!(first, second);
    });
}

/// Fails if a token that goes at its deadline is used after its end, or its callback is called and dropped. Two threads.
#[test]
fn dropped_at_the_deadline() {
    explore([22, 6], &["tree.end"], || {
        let token = CancelToken::new().child_within(SECOND);
        let ended = Judge::new(|notes: Vec<&str>| assert!(notes.len() <= 1));
        let leaks = loom::alloc::Track::new(());
        let note = noting(&ended, "called");
        let callback = token.on_cancel(move || {
            drop(leaks);
            note();
        });
        callback.detach();
        spawn(|| clock::advance(SECOND));
        drop(token);
    });
}

/// Fails if a token below two others, both of which are cancelled, is flagged twice, calls its callback twice or never, or is not cancelled
/// when one of those calls returns. Three threads.
#[test]
fn any_of_two() {
    explore([120, 36], &["tree.down"], || {
        let (one, other) = (CancelToken::new(), CancelToken::new());
        let any = CancelToken::any([&one, &other]);
        let called = Judge::expect(vec!["called"]);
        notes(&any, &called, "called");
        spawn({
            let any = any.clone();
            move || {
                one.cancel_with("one");
                assert!(any.is_cancelled());
            }
        });
        other.cancel_with("other");
        assert!(any.is_cancelled());
        let cause = any.cause().unwrap().to_string();
        assert!(cause == "one" || cause == "other");
    });
}

/// Fails if a token that is made below two others, while both are cancelled, escapes, or is flagged twice. Two threads.
#[test]
fn any_born_while_cancelled() {
    explore([142, 64], &[], || {
        let (one, other) = (CancelToken::new(), CancelToken::new());
        let maker = loom::thread::spawn({
            let (one, other) = (one.clone(), other.clone());
            move || CancelToken::any([&one, &other])
        });
        one.cancel();
        other.cancel();
        assert!(maker.join().unwrap().is_cancelled());
    });
}

/// Fails if a token below two others that goes while one of them is cancelled is used after its end. Two threads.
#[test]
fn any_dropped_while_cancelled() {
    explore([2_307, 109], &["tree.down", "tree.end"], || {
        let (one, other) = (CancelToken::new(), CancelToken::new());
        let any = CancelToken::any([&one, &other]);
        let ended = Judge::new(|notes: Vec<&str>| assert!(notes.len() <= 1));
        notes(&any, &ended, "called");
        spawn(move || drop(any));
        other.cancel();
        one.cancel();
    });
}

/// Fails if a token that is cancelled by itself while one of its two parents is stays without a cause of either. Two threads.
#[test]
fn any_cancelled_by_itself() {
    explore([2_232, 245], &[], || {
        let (one, other) = (CancelToken::new(), CancelToken::new());
        let any = CancelToken::any([&one, &other]);
        let below = any.child();
        spawn({
            let any = any.clone();
            move || any.cancel_with("itself")
        });
        other.cancel_with("other");
        let cause = below.cause().unwrap().to_string();
        assert!(cause == "itself" || cause == "other");
    });
}
