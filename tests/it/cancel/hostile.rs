//! Programs that use what callers control (causes, conversions, destructors) against the tree.

use std::cell::Cell;
use std::error::Error;
use std::fmt;
use std::panic::{catch_unwind, resume_unwind};
use std::sync::Arc;
use std::time::Duration;

use raddle::{CancelOnDrop, CancelToken, Counter, Limit, LockError, OrderedMutex, Stopped};

use super::{CANCELLED, Counted, LIVE, cause, state};
use crate::lock::panics;
use crate::stress::watched;
use crate::thread;

/// A cause that does something when it is dropped.
pub(super) struct AtEnd<F: FnMut()>(pub(super) F);

impl<F: FnMut()> Drop for AtEnd<F> {
    fn drop(&mut self) {
        (self.0)();
    }
}

impl<F: FnMut()> fmt::Debug for AtEnd<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AtEnd")
    }
}

impl<F: FnMut()> fmt::Display for AtEnd<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("at end")
    }
}

impl<F: FnMut()> Error for AtEnd<F> {}

/// Everything that takes a lock of the token.
fn uses(token: &CancelToken) {
    drop(token.child());
    let _ = (token.cause(), token.is_cancelled(), token.wait(Duration::ZERO));
    token.cancel_with("from a destructor");
}

/// Fails if a cause is dropped under a lock of the tree: its destructor then waits for its own thread.
#[test]
fn causes_that_use_tokens_when_they_are_dropped() {
    watched(|_| {
        let dropped = Arc::new(Counter::new(0));
        let using = |tokens: [&CancelToken; 2]| {
            let (tokens, dropped) = (tokens.map(CancelToken::clone), Arc::clone(&dropped));
            AtEnd(move || {
                tokens.iter().for_each(uses);
                dropped.inc();
            })
        };
        // One that is not taken, with the token itself and its parent.
        let parent = CancelToken::new();
        let token = parent.child();
        token.cancel();
        token.cancel_with(using([&token, &parent]));
        assert_eq!((dropped.get(), state(&parent)), (1, CANCELLED));
        // One that ends with its token, with those above and beside it.
        let parent = CancelToken::new();
        let beside = parent.child();
        let token = parent.child();
        token.cancel_with(using([&parent, &beside]));
        assert_eq!((dropped.get(), state(&parent)), (1, LIVE));
        drop(token);
        assert_eq!((dropped.get(), state(&parent)), (2, CANCELLED));
        // One that ends in the middle of a chain that ends.
        let root = CancelToken::new();
        let other = CancelToken::new();
        let middle = root.child();
        middle.cancel_with(using([&root, &other]));
        let leaf = middle.child();
        drop(middle);
        assert_eq!(dropped.get(), 2);
        drop(leaf);
        assert_eq!((dropped.get(), state(&root)), (3, CANCELLED));
    });
}

/// Fails if a destructor that panics leaves a lock held, or what is above its token alive for good.
#[test]
fn causes_that_panic_when_they_are_dropped() {
    watched(|_| {
        let at_end = || AtEnd(|| resume_unwind(Box::new("expected")));
        let root = CancelToken::new();
        let token = root.child();
        token.cancel_with("first");
        panics(|| token.cancel_with(at_end()));
        assert_eq!((cause(&token).as_deref(), state(&token.child())), (Some("first"), CANCELLED));

        let value = Arc::new(());
        let parent = root.child();
        let token = parent.child();
        token.cancel_with(at_end());
        parent.cancel_with(Counted(Arc::clone(&value)));
        drop(parent);
        assert_eq!(Arc::strong_count(&value), 2);
        panics(|| drop(token));
        assert_eq!(Arc::strong_count(&value), 1, "the parent has ended too");
        root.cancel();
        assert_eq!(state(&root.child()), CANCELLED);
    });
}

/// Fails if the caller's conversion runs when the token is half cancelled already.
#[test]
fn causes_that_cancel_while_they_are_converted() {
    struct Converts(CancelToken, bool);

    impl From<Converts> for Box<dyn Error + Send + Sync> {
        fn from(Converts(token, panics): Converts) -> Self {
            if panics {
                resume_unwind(Box::new("conversion"));
            }
            uses(&token);
            "converted".into()
        }
    }

    watched(|_| {
        let token = CancelToken::new();
        let end = catch_unwind(|| token.cancel_with(Converts(token.clone(), true)));
        assert_eq!((end.is_err(), state(&token)), (true, LIVE));
        token.cancel_with(Converts(token.clone(), false));
        assert_eq!(cause(&token).as_deref(), Some("from a destructor"), "the first that took effect");
    });
}

/// A conversion into a limit is the caller's code: what it cancels is cancelled for the wait that follows.
#[test]
fn a_conversion_that_cancels() {
    struct Cancels<'a>(&'a CancelToken);

    impl<'a> From<Cancels<'a>> for Limit<'a> {
        fn from(Cancels(token): Cancels<'a>) -> Self {
            token.cancel();
            Limit::from(token)
        }
    }

    watched(|_| {
        let lock = OrderedMutex::new(1, ());
        let token = CancelToken::new();
        let guard = lock.lock().unwrap();
        thread::scope(|threads| {
            let end = threads.spawn(|| lock.lock_within(Cancels(&token)).err());
            assert_eq!(end.join().unwrap(), Some(LockError::from(Stopped::Cancelled)));
        });
        drop(guard);
        assert!(lock.lock_within(Cancels(&CancelToken::new())).is_ok(), "what is to be had is had");
        let (token, other) = (CancelToken::new(), CancelToken::new());
        assert_eq!(token.wait(Cancels(&token)), Ok(()));
        assert_eq!(CancelToken::new().wait(Cancels(&other)), Err(Stopped::Cancelled));
    });
}

/// Guards and tokens work while a thread ends, and its thread-locals with it.
#[test]
fn a_guard_in_a_thread_local_cancels_when_the_thread_ends() {
    thread_local!(static GUARD: Cell<Option<CancelOnDrop>> = const { Cell::new(None) });
    watched(|_| {
        let token = CancelToken::new();
        let child = token.child();
        let guard = token.cancel_on_drop();
        let ends = thread::spawn(move || GUARD.set(Some(guard)));
        assert_eq!(child.wait(Limit::NEVER), Ok(()));
        ends.join().unwrap();
    });
}
