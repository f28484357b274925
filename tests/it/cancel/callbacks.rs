//! Callbacks: when and by whom they are called, in which order, and what takes them back. [`deadlines`](super::deadlines) has those that
//! a deadline calls, [`uses`](super::uses) what they may do.

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::mpsc::{self, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use raddle::{CancelToken, Limit, LockError, OnCancel, OrderedMutex, Stopped};

use super::{CANCELLED, LIVE, cause, state};
use crate::asleep::Bed;
use crate::lock::panics;
use crate::stress::watched;
use crate::thread;

/// What was called, in order.
#[derive(Clone, Default)]
pub(super) struct Calls(Arc<Mutex<Vec<&'static str>>>);

impl Calls {
    /// A callback that notes its call.
    pub(super) fn note(&self, name: &'static str) -> impl FnOnce() + Send + use<> {
        let calls = self.clone();
        move || calls.add(name)
    }

    pub(super) fn add(&self, name: &'static str) {
        self.0.lock().unwrap().push(name);
    }

    /// What was called since this was asked last.
    pub(super) fn take(&self) -> Vec<&'static str> {
        std::mem::take(&mut self.0.lock().unwrap())
    }

    /// How many notes there are that may still add something, besides this one.
    pub(super) fn notes(&self) -> usize {
        Arc::strong_count(&self.0) - 1
    }
}

/// Panics as `panics` expects it.
pub(super) fn expected() {
    std::panic::resume_unwind(Box::new("expected"));
}

const NONE: [&str; 0] = [];

/// Fails if a callback is called before the cancel, more than once, on another thread, or after the cancel has returned.
#[test]
fn a_cancel_calls_once_on_its_thread() {
    watched(|roll| {
        let (token, calls) = (CancelToken::new(), Calls::default());
        let (by, thread_id) = channel();
        let first = token.on_cancel(calls.note("first"));
        let second = token.on_cancel(move || by.send(thread::current().id()).unwrap());
        assert_eq!(calls.take(), NONE);
        thread::scope(|threads| {
            let canceller = roll.spawn(threads, "canceller", || {
                token.cancel();
                assert_eq!(calls.take(), ["first"]);
                thread::current().id()
            });
            assert_eq!(canceller.join().unwrap(), thread_id.recv().unwrap());
        });
        token.cancel();
        assert_eq!((calls.take(), thread_id.try_recv()), (NONE.into(), Err(mpsc::TryRecvError::Disconnected)));
        assert!(!first.take_back() && !second.take_back());
    });
}

/// Fails if a callback of a token that has ended is not called at once, by the call that registers it.
#[test]
fn a_token_that_has_ended_calls_at_once() {
    let (root, calls) = (CancelToken::new(), Calls::default());
    let (cancelled, expired) = (root.child(), root.child_within(Duration::ZERO));
    cancelled.cancel();
    for token in [&cancelled, &cancelled.child(), &expired, &expired.child(), &CancelToken::any([&root, &cancelled])] {
        let (by, thread_id) = channel();
        let at_once = token.on_cancel(move || by.send(thread::current().id()).unwrap());
        assert_eq!(thread_id.try_recv(), Ok(thread::current().id()));
        assert!(!at_once.take_back());
        token.on_cancel(calls.note("detached")).detach();
        assert_eq!(calls.take(), ["detached"]);
        panics(|| drop(token.on_cancel(expected)));
        token.cancel();
        assert_eq!((calls.take(), calls.notes()), (NONE.into(), 0));
    }
    assert_eq!(state(&root), LIVE);
}

/// Fails if the order is another than that of registration, or those of a token come after those below it.
#[test]
fn the_order_is_that_of_registration_and_goes_down() {
    let (root, calls) = (CancelToken::new(), Calls::default());
    let [left, right] = [root.child(), root.child()];
    let below = left.child();
    let tokens = [(&below, "below"), (&right, "right"), (&root, "root"), (&left, "left"), (&root, "root again")];
    let kept = tokens.map(|(token, name)| token.on_cancel(calls.note(name)));
    root.on_cancel(calls.note("root, detached")).detach();
    let _last = root.on_cancel(calls.note("root, last"));
    root.cancel();
    let order = calls.take();
    assert_eq!(order[..4], ["root", "root again", "root, detached", "root, last"]);
    let place = |name| order.iter().position(|call| *call == name).unwrap();
    assert!(place("left") < place("below") && place("right") >= 4 && order.len() == 7, "{order:?}");
    drop(kept);
    assert_eq!((calls.take(), calls.notes()), (NONE.into(), 0));
}

/// Fails if a cancel calls what belongs to a token above, beside, or below that was cancelled before.
#[test]
fn a_cancel_calls_what_is_below_and_nothing_else() {
    let (root, calls) = (CancelToken::new(), Calls::default());
    let [middle, beside] = [root.child(), root.child()];
    let below = middle.child();
    let all = [(&root, "root"), (&middle, "middle"), (&beside, "beside"), (&below, "below")];
    let _kept = all.map(|(token, name)| token.on_cancel(calls.note(name)));
    below.cancel();
    assert_eq!(calls.take(), ["below"]);
    middle.cancel();
    assert_eq!(calls.take(), ["middle"]);
    root.cancel();
    assert_eq!(calls.take(), ["root", "beside"]);
}

/// Fails if a callback that was taken back is called, or keeps what it has captured; or if others go with it.
#[test]
fn what_was_taken_back_is_not_called() {
    let (token, calls) = (CancelToken::new(), Calls::default());
    let [first, second, third, fourth] =
        ["first", "second", "third", "fourth"].map(|name| token.on_cancel(calls.note(name)));
    assert_eq!(calls.notes(), 4);
    assert!(second.take_back());
    drop(fourth);
    assert_eq!(calls.notes(), 2, "dropped by whoever takes it back");
    token.cancel();
    assert_eq!(calls.take(), ["first", "third"]);
    assert_eq!(calls.notes(), 0, "dropped when it was called");
    assert!(!third.take_back() && !first.take_back());
    // One that is not kept is taken back at once.
    let token = CancelToken::new();
    let _ = token.on_cancel(calls.note("not kept"));
    token.cancel();
    assert_eq!((calls.take(), calls.notes()), (NONE.into(), 0));
}

/// Fails if a detached callback is forgotten, stays when its token is gone, or keeps that alive.
#[test]
fn a_detached_callback_is_the_tokens() {
    let (root, calls) = (CancelToken::new(), Calls::default());
    let token = root.child();
    token.on_cancel(calls.note("called")).detach();
    root.cancel();
    assert_eq!((calls.take(), calls.notes()), (vec!["called"], 0));

    let root = CancelToken::new();
    let token = root.child();
    token.on_cancel(calls.note("dropped")).detach();
    let (clone, child) = (token.clone(), token.child());
    drop(token);
    drop(clone);
    assert_eq!(calls.notes(), 1, "the child has a handle of its parent");
    drop(child);
    assert_eq!(calls.notes(), 0);
    root.cancel();
    assert_eq!(calls.take(), NONE);

    // Detached when it has been called.
    let token = CancelToken::new();
    let late = token.on_cancel(calls.note("called"));
    token.cancel();
    late.detach();
    assert_eq!((calls.take(), calls.notes()), (vec!["called"], 0));
}

/// Fails if a callback of a token of which nobody else has a handle is lost.
#[test]
fn a_callback_keeps_its_token() {
    let (root, calls) = (CancelToken::new(), Calls::default());
    let kept = root.child().child().on_cancel(calls.note("kept"));
    root.cancel_with("root");
    assert_eq!(calls.take(), ["kept"]);
    assert_eq!(format!("{kept:?}"), "OnCancel { token: CancelToken { cancelled: true, .. }, .. }");
    // Nor does it keep it when it is gone.
    let value = Arc::new(());
    let token = CancelToken::new();
    let kept = token.on_cancel(|| ());
    token.cancel_with(super::Counted(Arc::clone(&value)));
    drop(token);
    assert_eq!(Arc::strong_count(&value), 2);
    drop(kept);
    assert_eq!(Arc::strong_count(&value), 1);
}

/// Fails if a callback is called while a thread that sleeps under its token, or below, was not woken: the callback waits for both.
#[test]
fn threads_are_woken_before_callbacks_are_called() {
    watched(|roll| {
        let (root, lock) = (CancelToken::new(), OrderedMutex::new(1, ()));
        let child = root.child();
        let (awake, woken) = channel();
        let calls = Arc::new(AtomicUsize::new(0));
        let waits = {
            let calls = Arc::clone(&calls);
            move || {
                let mut said = [woken.recv().unwrap(), woken.recv().unwrap()];
                said.sort_unstable();
                assert_eq!(said, ["in a lock", "in a wait"]);
                calls.fetch_add(1, Relaxed);
            }
        };
        let _waits = root.on_cancel(waits);
        let beds = <[Bed; 2]>::default();
        let guard = lock.lock().unwrap();
        thread::scope(|threads| {
            let (waits, locks) = (awake.clone(), awake);
            let (root, child, lock, beds) = (&root, &child, &lock, &beds);
            roll.spawn(threads, "waits", move || {
                beds[0].enter();
                assert_eq!(root.wait(Limit::NEVER), Ok(()));
                waits.send("in a wait").unwrap();
            });
            roll.spawn(threads, "locks", move || {
                beds[1].enter();
                assert!(matches!(lock.lock_within(child), Err(LockError::Stopped { why: Stopped::Cancelled, .. })));
                locks.send("in a lock").unwrap();
            });
            beds.iter().for_each(Bed::until_asleep);
            root.cancel();
        });
        drop(guard);
        assert_eq!(calls.load(Relaxed), 1);
    });
}

/// Fails if a cancel, or one who takes a callback back, waits for a callback that runs on another thread, or if that is called again.
#[test]
fn nobody_waits_for_a_callback_that_runs() {
    watched(|roll| {
        let (token, calls) = (CancelToken::new(), Calls::default());
        let child = token.child();
        let (begun, begins) = channel();
        let (end, ends) = channel::<()>();
        let runs = token.on_cancel({
            let calls = calls.clone();
            move || {
                begun.send(()).unwrap();
                assert!(ends.recv().is_err());
                calls.add("runs");
            }
        });
        let [next, last] = ["next", "last"].map(|name| token.on_cancel(calls.note(name)));
        let _below = child.on_cancel(calls.note("below"));
        thread::scope(|threads| {
            roll.spawn(threads, "canceller", || token.cancel_with("first"));
            begins.recv().unwrap();
            assert_eq!((state(&child), cause(&child).as_deref()), (CANCELLED, Some("first")));
            assert!(!runs.take_back());
            assert!(last.take_back());
            token.cancel_with("second");
            child.cancel();
            assert_eq!(calls.take(), NONE, "the others are the first canceller's");
            token.on_cancel(calls.note("late")).detach();
            assert_eq!(calls.take(), ["late"]);
            drop(end);
        });
        assert_eq!(calls.take(), ["runs", "next", "below"]);
        drop(next);
    });
}

/// Fails if a panic keeps another callback from being called, or is not the first of them, or leaves the token half cancelled.
#[test]
fn a_panic_is_resumed_when_all_were_called() {
    let (root, calls) = (CancelToken::new(), Calls::default());
    let child = root.child();
    let note = |token: &CancelToken, name| token.on_cancel(calls.note(name)).detach();
    note(&root, "before");
    root.on_cancel(expected).detach();
    note(&root, "between");
    let panicked = root.on_cancel(|| std::panic::resume_unwind(Box::new("second")));
    note(&child, "below");
    child.on_cancel(|| std::panic::resume_unwind(Box::new(3))).detach();
    note(&child, "last");
    panics(|| root.cancel_with("cancelled"));
    assert_eq!(calls.take(), ["before", "between", "below", "last"]);
    assert!(!panicked.take_back());
    assert_eq!((state(&child), cause(&child).as_deref()), (CANCELLED, Some("cancelled")));
    root.cancel();
    // A guard passes it on, too.
    let token = CancelToken::new();
    token.on_cancel(expected).detach();
    panics(|| drop(token.cancel_on_drop()));
}

/// Fails if a callback that is registered while its token is cancelled is lost, or called twice.
#[test]
fn registered_while_its_token_is_cancelled() {
    watched(|roll| {
        for round in 0..if cfg!(miri) { 5 } else { 2_000 } {
            let (root, count) = (CancelToken::new(), Arc::new(AtomicUsize::new(0)));
            let child = root.child();
            thread::scope(|threads| {
                roll.spawn(threads, format!("round {round}, canceller"), || root.cancel());
                let counts = [&root, &child, &child].map(|token| {
                    let count = Arc::clone(&count);
                    token.on_cancel(move || _ = count.fetch_add(1, Relaxed))
                });
                let [late, detached, early] = counts;
                detached.detach();
                let taken = |callback: OnCancel| _ = count.fetch_add(usize::from(callback.take_back()), Relaxed);
                taken(early);
                root.wait(Limit::NEVER).unwrap();
                taken(late);
            });
            assert_eq!((count.load(Relaxed), Arc::strong_count(&count)), (3, 1), "round {round}");
        }
    });
}

/// Fails if two cancels of a tree call one callback twice, or leave one to the other that is never called.
#[test]
fn cancels_of_one_tree_divide_the_callbacks() {
    watched(|roll| {
        for round in 0..if cfg!(miri) { 3 } else { 500 } {
            let root = CancelToken::new();
            let tokens: Vec<_> =
                std::iter::successors(Some(root.child()), |token| Some(token.child())).take(8).collect();
            let counts: Vec<_> = (0..3 * tokens.len()).map(|_| Arc::new(AtomicUsize::new(0))).collect();
            for (at, count) in counts.iter().enumerate() {
                let count = Arc::clone(count);
                tokens[at % tokens.len()].on_cancel(move || _ = count.fetch_add(1, Relaxed)).detach();
            }
            thread::scope(|threads| {
                for token in [&root, &tokens[round % 8], &tokens[(round / 8) % 8]] {
                    roll.spawn(threads, format!("round {round}, canceller"), || token.cancel());
                }
            });
            assert_eq!(counts.iter().position(|count| count.load(Relaxed) != 1), None, "round {round}");
        }
    });
}
