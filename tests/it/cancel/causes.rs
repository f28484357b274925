//! Causes of deadlines beside those of cancels; tokens of several parents; which token is which.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::time::{Duration, Instant};

use raddle::{CancelToken, Limit, LockError, OrderedMutex, Stopped};

use super::callbacks::Calls;
use super::{CANCELLED, Counted, EXPIRED, LIVE, LONG, cause, state};
use crate::lock::panics;
use crate::stress::watched;
use crate::thread;

const OVER: Duration = Duration::ZERO;

/// What a token says of its end.
fn end(token: &CancelToken) -> (Result<(), Stopped>, Option<String>) {
    (state(token), cause(token))
}

fn says(state: Result<(), Stopped>, cause: &str) -> (Result<(), Stopped>, Option<String>) {
    (state, (!cause.is_empty()).then(|| cause.to_owned()))
}

/// Who cancelled, which deadline has passed, and in which order: each combination of one token with one above.
#[test]
fn the_first_of_cancels_and_deadlines_is_the_cause() {
    let root = CancelToken::new;
    let slow = |within| root().child_within_because(within, "too slow");
    assert_eq!(end(&root()), says(LIVE, ""));
    assert_eq!(end(&slow(LONG)), says(LIVE, ""));
    assert_eq!(end(&slow(OVER)), says(EXPIRED, "too slow"));
    assert_eq!(end(&root().child_within(OVER)), says(EXPIRED, ""));

    // Cancelled at the end, as a guard does: the deadline came first.
    let token = slow(OVER);
    drop(token.cancel_on_drop());
    token.cancel_with("finished");
    assert_eq!(end(&token), says(CANCELLED, "too slow"));
    let token = slow(OVER);
    token.cancel_with("finished");
    assert_eq!(end(&token), says(CANCELLED, "too slow"));
    // A deadline without a cause is none.
    let token = root().child_within(OVER);
    token.cancel_with("finished");
    assert_eq!(end(&token), says(CANCELLED, "finished"));
    let token = root().child_within(OVER);
    token.cancel();
    assert_eq!(end(&token), says(CANCELLED, ""));

    // Cancelled before.
    let token = slow(LONG);
    token.cancel();
    assert_eq!(end(&token), says(CANCELLED, ""));
    let token = slow(LONG);
    token.cancel_with("finished");
    assert_eq!(end(&token), says(CANCELLED, "finished"));

    // By a token above.
    for (within, cause) in [(OVER, "too slow"), (LONG, "finished")] {
        let parent = root();
        let token = parent.child_within_because(within, "too slow");
        let below = token.child();
        parent.cancel_with("finished");
        assert_eq!([&token, &below, &token.child()].map(end), [(); 3].map(|()| says(CANCELLED, cause)));
        assert_eq!(end(&parent), says(CANCELLED, "finished"));
    }
    // By a token above, before there was a deadline.
    let parent = root();
    parent.cancel_with("finished");
    for within in [LONG, OVER] {
        let late = parent.child_within_because(within, "too slow");
        assert_eq!([end(&late), end(&late.child())], [(); 2].map(|()| says(CANCELLED, "finished")));
    }
    let child = slow(OVER).child();
    child.cancel_with("child");
    assert_eq!(end(&child), says(CANCELLED, "too slow"), "the deadline is the child's as well");
}

/// Fails if a cancel at one moment and a deadline at a later one change places as time passes.
#[test]
fn a_cancel_before_the_deadline_stays_the_cause() {
    let soon = Instant::now() + Duration::from_millis(30);
    let token = CancelToken::new().child_until_because(soon, "too slow");
    let (early, below) = (token.child(), token.child());
    early.cancel_with("early");
    let was_early = Instant::now() < soon;
    while Instant::now() < soon {
        thread::yield_now();
    }
    below.cancel_with("late");
    assert!(!was_early || end(&early) == says(CANCELLED, "early"));
    assert_eq!([end(&token), end(&below)], [says(EXPIRED, "too slow"), says(CANCELLED, "too slow")]);
    // Nor does a child that is made now, whose deadline that is.
    assert_eq!(end(&early.child()), end(&early));
}

/// Fails if a cause is another deadline's than that which a token has.
#[test]
fn the_cause_is_that_of_the_deadline_a_token_has() {
    let now = Instant::now();
    let root = CancelToken::new();
    let request = root.child_until_because(now, "request");
    // Later, or at the same instant: the parent's stays, and so does its cause.
    let late = [request.child_within_because(LONG, "late"), request.child_until_because(now, "the same")];
    let unexplained = [request.child(), request.child_within(LONG), request.child_until(now), late[0].child().child()];
    for token in late.iter().chain(&unexplained) {
        assert_eq!(end(token), says(EXPIRED, "request"));
        assert_eq!(token.deadline(), Some(now));
    }
    // Earlier: its own, or none if it has none.
    let request = root.child_until_because(now + LONG, "request");
    let page = request.child_until_because(now, "page");
    assert_eq!(
        [end(&request), end(&page), end(&page.child())],
        [says(LIVE, ""), says(EXPIRED, "page"), says(EXPIRED, "page")]
    );
    assert_eq!(end(&request.child_until(now).child()), says(EXPIRED, ""));
    assert_eq!(end(&root.child_until(now).child_within_because(LONG, "late")), says(EXPIRED, ""));
    // Past the end of the clock there is none.
    let never = root.child_within_because(Duration::MAX, "never");
    assert_eq!((never.deadline(), end(&never)), (None, says(LIVE, "")));
    // It may be anything that is an error.
    let token = root.child_within_because(OVER, fmt::Error);
    assert!(token.child().cause().unwrap().downcast_ref::<fmt::Error>().is_some());
}

/// Fails if a cause stays that nobody can ask for, or goes while somebody can.
#[test]
fn causes_of_deadlines_are_kept_as_long_as_their_tokens() {
    let value = Arc::new(());
    let counted = || Counted(Arc::clone(&value));
    let count = || Arc::strong_count(&value) - 1;
    let request = CancelToken::new().child_within_because(OVER, counted());
    let child = request.child();
    drop((
        request.child_within_because(LONG, counted()),
        CancelToken::new().child_within_because(Duration::MAX, counted()),
    ));
    assert_eq!(count(), 1, "what can be no cause is gone");
    drop(request);
    assert!(child.cause().unwrap().downcast_ref::<Counted>().is_some());
    child.cancel_with(counted());
    let any = CancelToken::any([&CancelToken::new(), &child]);
    drop(child);
    assert!(any.cause().unwrap().downcast_ref::<Counted>().is_some());
    drop(any);
    assert_eq!(count(), 0);
}

/// Fails if the cause of a cancelled token cannot be read as soon as anybody can tell that it has one, or changes afterwards.
#[test]
fn a_cause_is_there_with_the_end() {
    watched(|roll| {
        for round in 0..if cfg!(miri) { 5 } else { 1_000 } {
            let root = CancelToken::new();
            let deadline = root.child_within_because(LONG, "too slow");
            let (child, any) = (root.child(), CancelToken::any([&deadline, &root]));
            thread::scope(|threads| {
                roll.spawn(threads, format!("round {round}"), || root.cancel_with("because"));
                for token in [&any, &child, &deadline, &deadline.child(), &root] {
                    while token.check().is_ok() {
                        std::hint::spin_loop();
                    }
                    assert_eq!(end(token), says(CANCELLED, "because"));
                }
            });
        }
    });
}

#[test]
fn any_ends_with_the_first_of_its_parents() {
    let tokens = [(); 4].map(|()| CancelToken::new());
    for first in 0..4 {
        let parents = tokens.each_ref().map(CancelToken::child);
        let any = CancelToken::any(&parents);
        let (below, calls) = (any.child(), Calls::default());
        below.on_cancel(calls.note("called")).detach();
        assert_eq!([end(&any), end(&below)], [says(LIVE, ""), says(LIVE, "")]);
        parents[first].cancel_with(format!("parent {first}"));
        assert_eq!(calls.take(), ["called"]);
        parents[(first + 1) % 4].cancel_with("second");
        any.cancel_with("third");
        for token in [&any, &below, &any.child(), &CancelToken::any([&tokens[0], &any])] {
            assert_eq!(end(token), says(CANCELLED, &format!("parent {first}")));
        }
        assert_eq!(parents.iter().filter(|parent| parent.is_cancelled()).count(), 2);
    }
    // Nothing goes up.
    let any = CancelToken::any(&tokens);
    any.cancel_with("any");
    assert_eq!((end(&any), tokens.each_ref().map(state)), (says(CANCELLED, "any"), [LIVE; 4]));
    // From above a parent.
    let any = CancelToken::any([&tokens[0].child(), &tokens[1].child().child()]);
    tokens[1].cancel_with("from far above");
    assert_eq!(end(&any), says(CANCELLED, "from far above"));
}

#[test]
fn any_of_none_of_one_and_of_the_same() {
    let none = CancelToken::any([]);
    assert_eq!((end(&none), none.deadline()), (says(LIVE, ""), None));
    none.cancel_with("itself");
    assert_eq!(end(&none), says(CANCELLED, "itself"));
    let parent = CancelToken::new();
    for any in [
        CancelToken::any([&parent]),
        CancelToken::any([&parent; 3]),
        CancelToken::any([&parent, &parent.child(), &parent.clone()]),
    ] {
        assert_ne!(any, parent);
        any.clone().cancel();
        assert_eq!((state(&any), state(&parent)), (CANCELLED, LIVE));
    }
    let all =
        [CancelToken::any([&parent]), CancelToken::any([&parent; 3]), CancelToken::any([&parent.child(), &parent])];
    let calls = Calls::default();
    all.iter().for_each(|any| any.on_cancel(calls.note("once")).detach());
    parent.cancel_with("parent");
    assert_eq!((all.each_ref().map(end), calls.take()), ([(); 3].map(|()| says(CANCELLED, "parent")), vec!["once"; 3]));
    // Born cancelled: by the first in the list that is.
    let (live, other) = (CancelToken::new(), CancelToken::new());
    other.cancel_with("other");
    assert_eq!(end(&CancelToken::any([&live, &parent, &other])), says(CANCELLED, "parent"));
    assert_eq!(end(&CancelToken::any([&live, &other, &parent]).child()), says(CANCELLED, "other"));
}

#[test]
fn any_has_the_earliest_deadline_and_its_cause() {
    let now = Instant::now();
    let root = CancelToken::new();
    let [first, second] =
        [(now, "first"), (now + LONG, "second")].map(|(at, cause)| root.child_until_because(at, cause));
    let unexplained = root.child_until(now);
    for (parents, deadline, cause) in [
        ([&root, &second, &first], now, "first"),
        ([&first, &second, &root], now, "first"),
        ([&second, &unexplained, &root], now, ""),
        // Of two at one instant, that of the first in the list.
        ([&unexplained, &first, &second], now, ""),
        ([&first, &unexplained, &second], now, "first"),
    ] {
        let any = CancelToken::any(parents);
        assert_eq!(
            (any.deadline(), end(&any), end(&any.child())),
            (Some(deadline), says(EXPIRED, cause), says(EXPIRED, cause))
        );
        any.cancel_with("late");
        assert_eq!(end(&any), says(CANCELLED, if cause.is_empty() { "late" } else { cause }));
    }
    let any = CancelToken::any([&root, &second]);
    assert_eq!((any.deadline(), end(&any)), (Some(now + LONG), says(LIVE, "")));
    assert_eq!(any.child_until_because(now, "own").cause().unwrap().to_string(), "own");
}

/// Fails if a token of several parents keeps one of them cancelled or alive, or is lost when it is the last that holds on to it.
#[test]
fn any_keeps_its_parents_and_goes_with_its_last_handle() {
    let value = Arc::new(());
    let root = CancelToken::new();
    let parents = [(); 3].map(|()| root.child());
    let cancelled = [(); 3].map(|()| {
        let token = root.child();
        token.cancel_with(Counted(Arc::clone(&value)));
        token
    });
    assert_eq!(Arc::strong_count(&value), 4);
    let any = CancelToken::any(parents.iter().chain(&cancelled));
    drop((parents, cancelled));
    assert_eq!(Arc::strong_count(&value), 4, "each is kept");
    let below = any.child();
    drop(any);
    assert!(below.cause().unwrap().downcast_ref::<Counted>().is_some());
    drop(below);
    assert_eq!(Arc::strong_count(&value), 1);
    root.cancel();
}

/// Fails if two parents that are cancelled at once cancel twice or deadlock, or tell two causes; or if the token is made meanwhile.
#[test]
fn parents_that_are_cancelled_at_once() {
    watched(|roll| {
        for round in 0..if cfg!(miri) { 5 } else { 1_000 } {
            let parents = [(); 3].map(|()| CancelToken::new());
            let [first, second, third] = &parents;
            // In every order, and through one another.
            let middle = CancelToken::any([second, third]);
            let any = CancelToken::any([third, &middle, first]);
            let (below, calls) = (any.child(), Calls::default());
            let _called = [&middle, &any, &below].map(|token| token.on_cancel(calls.note("called")));
            thread::scope(|threads| {
                for (parent, cause) in parents.iter().zip(["first", "second", "third"]) {
                    let any = &any;
                    roll.spawn(threads, format!("round {round}, {cause}"), move || {
                        parent.cancel_with(cause);
                        assert!(any.is_cancelled());
                    });
                }
                let late = CancelToken::any([second, first, third]);
                let end = [late.wait(Limit::NEVER), below.wait(Limit::NEVER)];
                assert_eq!((end, [cause(&late), cause(&below)].map(|cause| cause.is_some())), ([Ok(()); 2], [true; 2]));
            });
            assert_eq!((calls.take(), cause(&below)), (vec!["called"; 3], cause(&any)), "round {round}");
        }
    });
}

/// A token of many parents where a limit would take two.
#[test]
fn any_as_a_limit() {
    watched(|roll| {
        let tokens = [(); 3].map(|()| CancelToken::new());
        let any = CancelToken::any(&tokens);
        let lock = OrderedMutex::new(1, ());
        let guard = lock.lock().unwrap();
        thread::scope(|threads| {
            let waits = roll.spawn(threads, "waits", || lock.lock_within(Limit::from(&any).or(LONG)).map(drop));
            tokens[2].cancel();
            assert_eq!(waits.join().unwrap(), Err(LockError::from(Stopped::Cancelled)));
        });
        drop(guard);
        let two = Limit::from(&tokens[0]).or(&tokens[1]);
        let third = std::panic::catch_unwind(|| two.or(&tokens[2])).unwrap_err();
        let text = third.downcast_ref::<&str>().copied().map(str::to_owned).or(third.downcast_ref::<String>().cloned());
        let text = text.unwrap();
        assert!(text.contains("at most two") && text.contains("third") && text.contains("CancelToken::any"), "{text}");
        // An iterator that panics leaves nothing behind.
        let value = Arc::new(());
        panics(|| {
            let mut tokens = tokens.iter();
            let given =
                std::iter::from_fn(|| tokens.next().or_else(|| std::panic::resume_unwind(Box::new("expected"))));
            drop(CancelToken::any(given));
        });
        tokens[0].cancel_with(Counted(Arc::clone(&value)));
        drop(tokens);
        drop(any);
        assert_eq!(Arc::strong_count(&value), 1);
    });
}

#[test]
fn equality_and_hash_are_by_identity() {
    let [token, other] = [(); 2].map(|()| CancelToken::new());
    let (clone, child) = (token.clone(), token.child());
    let back = token.cancel_on_drop().disarm();
    assert!(token == clone && token == back && clone == back && child == child.clone());
    assert!(token != other && token != child && child != token.child() && token != CancelToken::any([&token]));
    assert!(CancelToken::default() != CancelToken::new());
    let hasher = RandomState::new();
    let hash = |token: &CancelToken| hasher.hash_one(token);
    assert_eq!([hash(&clone), hash(&back)], [hash(&token); 2]);
    assert!(hash(&other) != hash(&token) && hash(&child) != hash(&token));
    // As keys, also when they were cancelled.
    let set: HashSet<_> = [&token, &clone, &other, &child, &back].map(CancelToken::clone).into();
    token.cancel();
    assert_eq!((set.len(), set.contains(&clone), set.contains(&token.child())), (3, true, false));
    let requests = HashMap::from([(token, "request"), (other, "other")]);
    assert_eq!((requests[&clone], requests.get(&child)), ("request", None));
}
