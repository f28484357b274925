//! What callbacks may do: use the tree in which they are called, panic, be called and dropped as a thread unwinds or ends.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind, panic_any, resume_unwind};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use raddle::{CancelToken, Limit, OnCancel, Stopped};

use super::callbacks::{Calls, expected};
use super::hostile::AtEnd;
use super::{CANCELLED, Counted, LIVE, cause, state};
use crate::lock::panics;
use crate::stress::watched;
use crate::thread;

/// Everything that takes a lock of the tree.
fn uses_all(token: &CancelToken, calls: &Calls) {
    assert_eq!((state(token), state(&token.child()), token.wait(Limit::NEVER)), (CANCELLED, CANCELLED, Ok(())));
    assert_eq!(token.sleep(Duration::from_secs(100_000)), Err(Stopped::Cancelled));
    assert_eq!(cause(token).as_deref(), Some("cause"));
    token.cancel_with("not the first");
    token.on_cancel(calls.note("registered there")).detach();
    token.interrupting(calls.note("interrupted there"), || ());
    #[cfg(feature = "crossbeam-channel")]
    assert!(token.done().recv().is_err());
}

/// Fails if a callback is called under a lock of its token, of one above or of one below: it then waits for its own thread.
#[test]
fn callbacks_that_use_the_tree() {
    watched(|_| {
        let (root, calls) = (CancelToken::new(), Calls::default());
        let (middle, beside) = (root.child(), root.child());
        let below = middle.child();
        for (token, name) in [(&middle, "middle"), (&below, "below")] {
            let (all, calls) = ([&middle, &below].map(CancelToken::clone), calls.clone());
            let root = root.clone();
            token
                .on_cancel(move || {
                    calls.add(name);
                    all.iter().for_each(|token| uses_all(token, &calls));
                    root.cancel_with("from below");
                })
                .detach();
        }
        beside.on_cancel(calls.note("beside")).detach();
        middle.cancel_with("cause");
        let made = ["registered there", "interrupted there"].repeat(2);
        let order = [vec!["middle"], made.clone(), vec!["beside", "below"], made].concat();
        assert_eq!((calls.take(), calls.notes()), (order, 0));
        assert_eq!((cause(&root).as_deref(), cause(&beside).as_deref()), (Some("from below"), Some("from below")));
    });
}

/// A place for what a callback takes.
type Place = Arc<Mutex<Option<OnCancel>>>;

/// Fails if a callback cannot take back or detach one that is still to come, or itself; or if that is called all the same.
#[test]
fn callbacks_that_take_back_others() {
    watched(|_| {
        let (token, calls) = (CancelToken::new(), Calls::default());
        let places: [Place; 3] = Default::default();
        let [taken, detached, own] = places.clone();
        let first = token.on_cancel({
            let [taken, detached, own] = places.clone();
            move || {
                let take = |place: &Place| place.lock().unwrap().take().unwrap();
                assert!(take(&taken).take_back());
                take(&detached).detach();
                assert!(!take(&own).take_back());
            }
        });
        *own.lock().unwrap() = Some(first);
        *taken.lock().unwrap() = Some(token.on_cancel(calls.note("taken back")));
        *detached.lock().unwrap() = Some(token.on_cancel(calls.note("detached")));
        token.cancel();
        assert_eq!((calls.take(), calls.notes()), (vec!["detached"], 0));
    });
}

/// Fails if the last handle of a token cannot be dropped by its own callback or that of a token above, or if that loses a callback.
#[test]
fn callbacks_that_drop_the_last_handle() {
    watched(|_| {
        let value = Arc::new(());
        let (root, calls) = (CancelToken::new(), Calls::default());
        let (ended, child) = (root.child(), root.child());
        ended.cancel_with(Counted(Arc::clone(&value)));
        child.on_cancel(calls.note("child")).detach();
        let handles = Mutex::new(Some((child, ended)));
        root.on_cancel(move || drop(handles.lock().unwrap().take())).detach();
        // Its own, which is kept until then.
        let own = root.child();
        let handle = own.clone();
        let noted = calls.note("own");
        own.on_cancel(move || {
            drop(handle);
            noted();
        })
        .detach();
        drop(own);
        assert_eq!(Arc::strong_count(&value), 2);
        root.cancel();
        assert_eq!((calls.take(), calls.notes(), Arc::strong_count(&value)), (vec!["child", "own"], 0, 1));
    });
}

/// Panics when it is dropped, with what takes no heap: that is forgotten.
pub(super) struct Panics;

impl Drop for Panics {
    fn drop(&mut self) {
        resume_unwind(Box::new(()));
    }
}

/// Fails if what a panic carries ends the process when it is dropped, or keeps others from being called.
#[test]
fn payloads_that_panic_when_they_are_dropped() {
    let (token, calls) = (CancelToken::new(), Calls::default());
    token.on_cancel(expected).detach();
    for _ in 0..2 {
        token.on_cancel(|| resume_unwind(Box::new(Panics))).detach();
        token.on_cancel(calls.note("between")).detach();
    }
    panics(|| token.cancel());
    assert_eq!(calls.take(), ["between"; 2]);
    // As the first it is the caller's.
    let token = CancelToken::new();
    token.on_cancel(|| resume_unwind(Box::new(Panics))).detach();
    let payload = catch_unwind(|| token.cancel()).unwrap_err();
    assert!(payload.is::<Panics>());
    assert!(catch_unwind(AssertUnwindSafe(|| drop(payload))).is_err());
}

/// Fails if a cancel in a destructor, as its thread unwinds, ends the process by a second panic, or leaves a callback out.
#[test]
fn callbacks_that_panic_as_the_canceller_unwinds() {
    let (root, calls) = (CancelToken::new(), Calls::default());
    let child = root.child();
    root.on_cancel(|| panic_any("on purpose, while unwinding")).detach();
    root.on_cancel(calls.note("root")).detach();
    root.on_cancel(|| resume_unwind(Box::new(Panics))).detach();
    child.on_cancel(expected).detach();
    child.on_cancel(calls.note("child")).detach();
    panics(|| {
        let _stop = root.cancel_on_drop();
        expected();
    });
    assert_eq!((calls.take(), state(&child)), (vec!["root", "child"], CANCELLED));
    // The thread is as it was.
    let token = CancelToken::new();
    token.on_cancel(expected).detach();
    panics(|| token.cancel());
}

/// Fails if a callback that panics as it is dropped is called, or takes others along: when it is taken back, and with its token.
#[test]
fn callbacks_that_panic_when_they_are_dropped() {
    watched(|_| {
        let captures = || {
            let panics = AtEnd(expected);
            move || drop(panics)
        };
        let (root, calls) = (CancelToken::new(), Calls::default());
        let token = root.child();
        let taken = token.on_cancel(captures());
        panics(|| drop(taken));
        let taken = token.on_cancel(captures());
        panics(|| _ = taken.take_back());
        assert_eq!(state(&token), LIVE);

        // With the last handle: the others are dropped, and what is above is released.
        let value = Arc::new(());
        let parent = token.child();
        parent.cancel_with(Counted(Arc::clone(&value)));
        let beside = root.child();
        let last = CancelToken::any([&beside, &root]);
        let held = parent.clone();
        last.on_cancel(calls.note("not called")).detach();
        last.on_cancel(captures()).detach();
        last.on_cancel(calls.note("nor this")).detach();
        last.on_cancel(move || drop(held)).detach();
        drop(parent);
        assert_eq!((calls.notes(), Arc::strong_count(&value)), (2, 2));
        panics(|| drop(last));
        assert_eq!((calls.notes(), Arc::strong_count(&value)), (0, 1));
        root.cancel();
        assert_eq!((calls.take(), state(&beside)), (vec![], CANCELLED));

        // Called, it panics as any other.
        let token = CancelToken::new();
        token.on_cancel(captures()).detach();
        token.on_cancel(calls.note("called")).detach();
        panics(|| token.cancel());
        assert_eq!(calls.take(), ["called"]);
    });
}

/// Fails if a token whose last handle goes with a cancel, and whose end panics, ends the process where a callback has panicked too.
#[test]
fn tokens_that_panic_as_they_end_in_a_cancel() {
    watched(|_| {
        let (root, calls) = (CancelToken::new(), Calls::default());
        let children = [(); 3].map(|()| {
            let child = root.child();
            child.on_cancel(calls.note("child")).detach();
            let below = child.child_within_because(Duration::from_secs(100_000), AtEnd(expected));
            below.on_cancel(calls.note("below")).detach();
            below
        });
        let handles = Mutex::new(Some(children));
        root.on_cancel(move || {
            // They end with the call of the cancel, which has a handle of each.
            drop(handles.lock().unwrap().take());
            expected();
        })
        .detach();
        panics(|| root.cancel());
        assert_eq!((calls.take(), calls.notes()), (["child", "below"].repeat(3), 0));
    });
}

/// What a callback has captured uses the tree when it is dropped.
#[test]
fn captures_that_use_tokens_when_they_are_dropped() {
    watched(|_| {
        let (root, calls) = (CancelToken::new(), Calls::default());
        let token = root.child();
        let captures = |token: &CancelToken| {
            let (token, calls) = (token.clone(), calls.clone());
            let at_end = AtEnd(move || {
                drop(token.child());
                token.cancel_with("cause");
                uses_all(&token, &calls);
            });
            move || drop(at_end)
        };
        let made = ["registered there", "interrupted there"];
        // Taken back, by the way in which it is dropped; the token is cancelled by that.
        drop(token.on_cancel(captures(&token)));
        assert_eq!((calls.take(), state(&token), state(&root)), (made.into(), CANCELLED, LIVE));
        // With its token, above and beside which it cancels.
        let beside = root.child();
        let token = beside.child();
        token.on_cancel(captures(&beside)).detach();
        drop(token);
        assert_eq!((calls.take(), state(&beside), state(&root)), (made.into(), CANCELLED, LIVE));
        // Called.
        root.on_cancel(captures(&root)).detach();
        root.cancel_with("cause");
        assert_eq!(calls.take(), made);
    });
}

/// Fails if a callback cannot cancel another tree, whose callback cancels the next.
#[test]
fn callbacks_that_cancel_the_next_tree() {
    watched(|_| {
        let tokens: Vec<_> = (0..if cfg!(miri) { 20 } else { 100 }).map(|_| CancelToken::new()).collect();
        for pair in tokens.windows(2) {
            let next = pair[1].clone();
            pair[0].child().child().on_cancel(move || next.cancel_with("passed on")).detach();
        }
        // Their tokens are gone, and their callbacks with them.
        tokens[0].cancel();
        assert_eq!(tokens.iter().filter(|token| token.is_cancelled()).count(), 1);
        let kept: Vec<_> = tokens[1..]
            .windows(2)
            .map(|pair| {
                let next = pair[1].clone();
                pair[0].child().child().on_cancel(move || next.cancel_with("passed on"))
            })
            .collect();
        tokens[1].cancel();
        assert_eq!(tokens.iter().position(|token| !token.is_cancelled()), None);
        assert_eq!(cause(tokens.last().unwrap()).as_deref(), Some("passed on"));
        drop(kept);
    });
}

/// Callbacks are taken back, and called, while a thread ends, and its thread-locals with it.
#[test]
fn callbacks_in_thread_locals() {
    type Stops = AtEnd<Box<dyn FnMut()>>;
    thread_local! {
        static KEPT: Cell<Option<OnCancel>> = const { Cell::new(None) };
        static STOPS: Cell<Option<Stops>> = const { Cell::new(None) };
    }
    watched(|_| {
        let (token, other, calls) = (CancelToken::new(), CancelToken::new(), Calls::default());
        let kept = token.on_cancel(calls.note("taken back"));
        let _called = other.on_cancel(calls.note("called"));
        let canceller = other.clone();
        let ends = thread::spawn(move || {
            KEPT.set(Some(kept));
            STOPS.set(Some(AtEnd(Box::new(move || canceller.cancel()))));
        });
        ends.join().unwrap();
        token.cancel();
        assert_eq!(calls.take(), ["called"]);
    });
}

/// What is registered and polled may be met by whoever has caught a panic.
#[test]
fn callbacks_pass_through_caught_panics() {
    let (token, calls) = (CancelToken::new(), Calls::default());
    let kept = token.on_cancel(calls.note("kept"));
    let note = calls.note("local");
    let end = catch_unwind(|| {
        let _local = token.on_cancel(note);
        kept.detach();
        expected();
    });
    assert!(end.is_err());
    let future = token.cancelled();
    assert!(catch_unwind(|| assert!(format!("{future:?}").contains("false"))).is_ok());
    token.cancel();
    assert_eq!(calls.take(), ["kept"]);
}
