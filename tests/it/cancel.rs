//! Cancel tokens: who is cancelled with whom and when, and what is said of it. [`limits`] has tokens as limits, and the
//! waits of the tokens themselves; [`hostile`] what callers can do to the tree; [`causes`] causes of deadlines, and tokens of
//! several parents. What a token calls: [`callbacks`], [`uses`], [`deadlines`], [`interrupting`], [`futures`], [`wakers`].

mod callbacks;
mod causes;
mod deadlines;
mod futures;
mod hostile;
mod interrupting;
mod limits;
mod uses;
mod wakers;

use std::error::Error;
use std::fmt;
use std::future::Future;
use std::panic::catch_unwind;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Waker};
use std::time::{Duration, Instant};

use raddle::{CancelToken, Stopped};

use crate::stress::watched;
use crate::thread;
use crate::wait_group::panics_with;

const LONG: Duration = Duration::from_secs(100_000);

/// What a token says of itself; both ways of asking agree.
#[track_caller]
fn state(token: &CancelToken) -> Result<(), Stopped> {
    let check = token.check();
    assert_eq!(token.is_cancelled(), check.is_err());
    check
}

const LIVE: Result<(), Stopped> = Ok(());
const CANCELLED: Result<(), Stopped> = Err(Stopped::Cancelled);
const EXPIRED: Result<(), Stopped> = Err(Stopped::TimedOut);

/// Whether a future completes.
pub(crate) fn poll_once(future: Pin<&mut impl Future<Output = Stopped>>, waker: &Waker) -> bool {
    future.poll(&mut Context::from_waker(waker)).is_ready()
}

/// The text of a token's cause.
fn cause(token: &CancelToken) -> Option<String> {
    token.cause().map(ToString::to_string)
}

#[test]
fn cancelling_goes_down_and_not_up() {
    let root = CancelToken::new();
    let [left, right] = [root.child(), root.child()];
    let [first, second] = [left.child(), left.child()];
    let below = second.child();
    let all = [&root, &left, &right, &first, &second, &below];
    let states = || all.map(state);
    assert_eq!(states(), [LIVE; 6]);
    first.cancel();
    assert_eq!(states(), [LIVE, LIVE, LIVE, CANCELLED, LIVE, LIVE]);
    left.cancel();
    assert_eq!(states(), [LIVE, CANCELLED, LIVE, CANCELLED, CANCELLED, CANCELLED]);
    left.cancel();
    below.cancel();
    assert_eq!(state(&right), LIVE);
    root.cancel();
    assert_eq!(states(), [CANCELLED; 6]);
}

#[test]
fn clones_are_handles_of_one_token() {
    let token = CancelToken::default();
    let clone = token.clone();
    let [mine, theirs] = [token.child(), clone.child()];
    clone.cancel_with("by the clone");
    assert_eq!([&token, &clone, &mine, &theirs].map(state), [CANCELLED; 4]);
    assert_eq!(cause(&token).as_deref(), Some("by the clone"));
    drop((clone, token));
    assert_eq!(cause(&mine).as_deref(), Some("by the clone"), "kept as long as somebody can ask for it");
}

/// Fails if a token that nobody has a handle of any more cuts off those below it.
#[test]
fn dropping_cancels_nothing_and_cuts_nothing_off() {
    let root = CancelToken::new();
    let middle = root.child().child();
    let leaf = middle.child().child();
    drop(middle);
    let other = leaf.clone();
    drop(leaf);
    assert_eq!(state(&other), LIVE);
    root.cancel_with("root");
    assert_eq!((state(&other), cause(&other).as_deref()), (CANCELLED, Some("root")));
    // Nobody is left who could cancel this one but itself.
    let orphan = CancelToken::new().child();
    assert_eq!(state(&orphan), LIVE);
    orphan.cancel();
    assert_eq!(state(&orphan), CANCELLED);
}

#[test]
fn a_child_of_a_cancelled_token_is_cancelled_from_the_start() {
    let root = CancelToken::new();
    let middle = root.child();
    root.cancel_with("root");
    for token in [&root, &middle] {
        let children = [token.child(), token.child_within(LONG), token.child_until(Instant::now() + LONG)];
        for child in children {
            assert_eq!((state(&child), state(&child.child())), (CANCELLED, CANCELLED));
            assert_eq!(cause(&child.child()).as_deref(), Some("root"));
            child.cancel_with("late");
            assert_eq!(cause(&child).as_deref(), Some("root"));
        }
    }
}

#[test]
fn the_first_cause_stays() {
    let token = CancelToken::new();
    let child = token.child();
    assert!(token.cause().is_none() && child.cause().is_none());
    token.cancel_with(fmt::Error);
    token.cancel_with("second");
    token.cancel();
    for token in [&token, &child] {
        assert!(token.cause().unwrap().downcast_ref::<fmt::Error>().is_some());
    }
    // No cause is one too.
    let token = CancelToken::new();
    token.cancel();
    token.cancel_with("second");
    assert!(token.cause().is_none());
    let boxed: Box<dyn Error + Send + Sync> = "boxed".into();
    let token = CancelToken::new();
    token.cancel_with(boxed);
    assert_eq!(cause(&token).as_deref(), Some("boxed"));
}

/// Fails if a token tells the cause of another ancestor than the nearest that was cancelled by itself.
#[test]
fn the_cause_is_that_of_the_nearest_who_was_cancelled() {
    let chain = || {
        let root = CancelToken::new();
        let parent = root.child().child();
        let token = parent.child();
        (root, parent, token)
    };
    let texts = |tokens: [&CancelToken; 3]| tokens.map(cause);
    let said = |texts: [&str; 3]| texts.map(|text| (!text.is_empty()).then(|| text.to_owned()));

    let (root, parent, token) = chain();
    root.cancel_with("root");
    parent.cancel_with("late");
    assert_eq!(texts([&root, &parent, &token]), said(["root", "root", "root"]));

    let (root, parent, token) = chain();
    parent.cancel_with("parent");
    root.cancel_with("root");
    assert_eq!(texts([&root, &parent, &token]), said(["root", "parent", "parent"]));
    assert_eq!(cause(&token.child()).as_deref(), Some("parent"));

    let (root, parent, token) = chain();
    token.cancel_with("token");
    parent.cancel();
    root.cancel_with("root");
    assert_eq!(texts([&root, &parent, &token]), said(["root", "", "token"]));
    assert_eq!(cause(&parent.child()), None, "the nearest was cancelled without a cause");
    assert_eq!(cause(&token.child()).as_deref(), Some("token"));
}

#[test]
fn causes_are_kept_as_long_as_their_tokens() {
    let value = Arc::new(());
    let count = || Arc::strong_count(&value) - 1;
    let said = || -> Box<dyn Error + Send + Sync> { Box::new(Counted(Arc::clone(&value))) };
    let root = CancelToken::new();
    let child = root.child();
    child.cancel_with(said());
    root.cancel_with(said());
    assert_eq!(count(), 2);
    root.cancel_with(said());
    child.cancel_with(said());
    assert_eq!(count(), 2, "what came late is gone");
    drop(root);
    assert_eq!(count(), 2, "the child has a handle of its parent");
    let clone = child.clone();
    drop(child);
    assert_eq!(count(), 2);
    drop(clone);
    assert_eq!(count(), 0);
}

/// A cause that is counted.
#[derive(Debug)]
pub(crate) struct Counted(#[allow(dead_code, reason = "it is dropped")] pub(crate) Arc<()>);

impl fmt::Display for Counted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("counted")
    }
}

impl Error for Counted {}

#[test]
fn a_deadline_is_never_after_the_parents() {
    let now = Instant::now();
    let [soon, late] = [now + LONG, now + 2 * LONG];
    let root = CancelToken::new();
    assert_eq!((root.deadline(), root.child().deadline()), (None, None));
    let [early, lately] = [soon, late].map(|until| root.child_until(until));
    assert_eq!((early.deadline(), lately.deadline(), root.deadline()), (Some(soon), Some(late), None));
    assert_eq!(early.child_until(late).deadline(), Some(soon));
    assert_eq!(lately.child_until(soon).deadline(), Some(soon));
    assert_eq!(early.child().child().child().deadline(), Some(soon));
    assert_eq!(early.child_within(2 * LONG).deadline(), Some(soon));
    let within = lately.child_within(LONG).deadline().unwrap();
    assert!(soon <= within && within < late);
    // Past the end of the clock there is no deadline to add.
    assert_eq!(
        (root.child_within(Duration::MAX).deadline(), early.child_within(Duration::MAX).deadline()),
        (None, Some(soon))
    );
    assert_eq!([&root, &early, &lately].map(state), [LIVE; 3]);
}

#[test]
fn a_token_expires_with_those_below_it() {
    let root = CancelToken::new();
    let over = [root.child_within(Duration::ZERO), root.child_until(Instant::now())];
    for token in &over {
        assert_eq!(
            (state(token), state(&token.child()), state(&token.child_within(LONG))),
            (EXPIRED, EXPIRED, EXPIRED)
        );
        assert!(token.cause().is_none());
    }
    assert_eq!(state(&root), LIVE);
    // By itself, later.
    let token = root.child_within(Duration::from_millis(5));
    while token.check().is_ok() {
        thread::yield_now();
    }
    assert_eq!((state(&token), Instant::now() >= token.deadline().unwrap()), (EXPIRED, true));
}

#[test]
fn cancelled_goes_before_expired() {
    let root = CancelToken::new();
    let over = root.child_within(Duration::ZERO);
    let below = over.child();
    below.cancel_with("below");
    assert_eq!([&root, &over, &below].map(state), [LIVE, EXPIRED, CANCELLED]);
    root.cancel_with("root");
    assert_eq!([&root, &over, &below].map(state), [CANCELLED; 3]);
    assert_eq!((cause(&over).as_deref(), cause(&below).as_deref()), (Some("root"), Some("below")));
}

/// Fails if a second canceller returns when the top is cancelled and not all that is below.
#[test]
fn a_second_cancel_returns_when_all_below_are_cancelled() {
    const ROUNDS: usize = if cfg!(miri) { 2 } else { 60 };
    const LEAVES: usize = if cfg!(miri) { 20 } else { 2_000 };
    watched(|roll| {
        for round in 0..ROUNDS {
            let root = CancelToken::new();
            let middle = root.child();
            let leaves: Vec<_> = (0..LEAVES).map(|_| middle.child()).collect();
            // The other one comes to these first.
            let _others: Vec<_> = (0..LEAVES).map(|_| root.child()).collect();
            thread::scope(|threads| {
                let root = &root;
                roll.spawn(threads, format!("round {round}: the first"), move || root.cancel());
                while !root.is_cancelled() {
                    std::hint::spin_loop();
                }
                if round % 2 == 0 {
                    root.cancel()
                } else {
                    middle.cancel()
                }
                assert_eq!(leaves.iter().position(|leaf| !leaf.is_cancelled()), None, "round {round}");
            });
        }
    });
}

#[test]
fn a_guard_cancels_when_it_is_dropped() {
    let root = CancelToken::new();
    let token = root.child();
    drop(token.cancel_on_drop());
    assert_eq!((state(&token), state(&root)), (CANCELLED, LIVE));
    assert!(token.cause().is_none());

    // By a panic too, and of two the first.
    let token = root.child();
    let other = token.cancel_on_drop();
    panics_with(token.cancel_on_drop());
    assert_eq!(state(&token), CANCELLED);
    drop(other);

    // Its own handle is enough.
    let token = root.child();
    let (child, guard) = (token.child(), token.cancel_on_drop());
    drop(token);
    assert_eq!(state(&child), LIVE);
    drop(guard);
    assert_eq!((state(&child), state(&root)), (CANCELLED, LIVE));
}

#[test]
fn a_disarmed_guard_gives_its_token_back() {
    let token = CancelToken::new();
    let back = token.cancel_on_drop().disarm();
    assert_eq!(state(&token), LIVE);
    back.cancel_with("back");
    assert_eq!(cause(&token).as_deref(), Some("back"));
    // Nothing keeps the token.
    let value = Arc::new(());
    let token = CancelToken::new();
    let back = token.cancel_on_drop().disarm();
    token.cancel_with(Counted(Arc::clone(&value)));
    drop((token, back));
    assert_eq!(Arc::strong_count(&value), 1);
}

#[test]
fn debug_shows_the_state_and_the_deadline() {
    let token = CancelToken::new();
    assert_eq!(format!("{token:?}"), "CancelToken { cancelled: false, .. }");
    let end = Instant::now() + LONG;
    let child = token.child_until(end);
    assert_eq!(format!("{child:?}"), format!("CancelToken {{ cancelled: false, deadline: {end:?}, .. }}"));
    let guard = token.cancel_on_drop();
    assert_eq!(format!("{guard:?}"), "CancelOnDrop { token: Some(CancelToken { cancelled: false, .. }) }");
    token.cancel_with("a cause, which is not shown");
    assert_eq!(format!("{token:?}"), "CancelToken { cancelled: true, .. }");
    assert_eq!(format!("{child:?}"), format!("CancelToken {{ cancelled: true, deadline: {end:?}, .. }}"));
}

/// A token may be used by whoever caught a panic of somebody who used it.
#[test]
fn tokens_pass_through_caught_panics() {
    let token = CancelToken::new();
    let child = token.child();
    let end = catch_unwind(|| {
        child.cancel();
        panics_with(token.child());
        token.cancel_with("inside");
    });
    assert!(end.is_ok());
    assert_eq!(cause(&token).as_deref(), Some("inside"));
}
