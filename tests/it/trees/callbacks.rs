//! Callbacks and tokens of several parents in great numbers.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::task::Waker;

use raddle::{CancelToken, OnCancel};

use super::{MANY, ORDERS, SOME, binary, cancelled, chain, drop_all, small, star};
use crate::cancel::poll_once;

/// A callback that counts, and how often.
fn counting() -> (impl Fn(&CancelToken) -> OnCancel, Arc<AtomicUsize>) {
    let count = Arc::<AtomicUsize>::default();
    let counts = Arc::clone(&count);
    let register = move |token: &CancelToken| {
        let counts = Arc::clone(&counts);
        token.on_cancel(move || _ = counts.fetch_add(1, Relaxed))
    };
    (register, count)
}

/// Fails if a registration is looked for among all others, whenever it is taken back, or called.
#[test]
fn many_callbacks_of_one_token() {
    small(|| {
        let (register, count) = counting();
        for from_the_end in [false, true] {
            let token = CancelToken::new();
            let mut kept: Vec<_> = (0..MANY).map(|_| register(&token)).collect();
            if from_the_end {
                kept.reverse();
            }
            assert!(kept.drain(..MANY / 2).all(OnCancel::take_back));
            assert!(kept.drain(..SOME).all(|kept| {
                kept.detach();
                true
            }));
            token.cancel();
            assert_eq!(count.swap(0, Relaxed), MANY - MANY / 2);
            assert!(!kept.into_iter().any(OnCancel::take_back));
            // With the token, uncalled.
            let token = CancelToken::new();
            (0..MANY).for_each(|_| register(&token).detach());
            drop(token);
            assert_eq!(count.load(Relaxed), 0);
        }
    });
}

/// Fails if one that registers or takes back in a callback goes through those that are still to come.
#[test]
fn callbacks_that_take_back_the_next() {
    small(|| {
        let (register, count) = counting();
        let token = CancelToken::new();
        for _ in 0..MANY / 2 {
            let (child, own) = (token.child(), register(&token));
            let late = register(&token);
            drop(own);
            child.on_cancel(move || drop(late)).detach();
            token.on_cancel(move || drop(child)).detach();
        }
        token.cancel();
        assert_eq!(count.load(Relaxed), MANY / 2);
    });
}

/// Fails if a cancel of a large tree leaves out a callback, or uses the stack for each token whose last handle goes with it.
#[test]
fn callbacks_in_large_trees() {
    for make in [chain, star, binary] {
        small(move || {
            let (register, count) = counting();
            for order in ORDERS {
                let tokens = make(SOME);
                tokens.iter().for_each(|token| register(token).detach());
                let kept: Vec<_> = tokens.iter().map(&register).collect();
                tokens[SOME / 2].cancel();
                tokens[0].cancel();
                assert_eq!(count.swap(0, Relaxed), 2 * SOME);
                drop_all(tokens, order);
                drop(kept);
            }
            // All handles but the root's are dropped by its callback.
            let mut tokens = make(SOME);
            tokens[1..].iter().for_each(|token| register(token).detach());
            let root = tokens.swap_remove(0);
            root.on_cancel(move || drop(tokens)).detach();
            root.cancel();
            assert_eq!(count.load(Relaxed), SOME - 1);
        });
    }
}

/// Fails if tasks under one token, or under many, are woken in a time that grows with the square.
#[test]
fn many_tasks() {
    small(|| {
        let root = CancelToken::new();
        let tokens = star(SOME);
        let futures = |token: &CancelToken| Box::pin(token.clone().cancelled_owned());
        let mut tasks: Vec<_> = (0..MANY).map(|_| futures(&root)).chain(tokens.iter().map(futures)).collect();
        for _ in 0..2 {
            assert!(!tasks.iter_mut().any(|task| poll_once(task.as_mut(), Waker::noop())));
        }
        tasks.drain(..MANY / 2).for_each(drop);
        root.cancel();
        tokens[0].cancel();
        assert!(tasks.iter_mut().all(|task| poll_once(task.as_mut(), Waker::noop())));
    });
}

/// Fails if a token of many parents is cancelled or dropped in a time that grows with the square, or leaves one of them alive.
#[test]
fn a_token_of_many_parents() {
    small(|| {
        for order in ORDERS {
            let parents: Vec<_> = (0..SOME).map(|_| CancelToken::new()).collect();
            let (register, count) = counting();
            let any = CancelToken::any(&parents);
            let _called = [register(&any), register(&any.child())];
            parents[SOME / 2].cancel();
            assert_eq!((cancelled(&parents), count.load(Relaxed)), (1, 2));
            drop_all(parents, order);
        }
        // The parents' last handles are the token's.
        let any = CancelToken::any((0..MANY).map(|_| CancelToken::new()).collect::<Vec<_>>().iter());
        drop(any.child());
        drop(any);
        // Of parents that are one another's ancestors, and the same.
        let parents = chain(SOME);
        let any = CancelToken::any(parents.iter().chain(&parents).rev());
        parents[0].cancel_with("root");
        assert_eq!((cancelled(&parents), any.cause().unwrap().to_string()), (SOME, "root".into()));
        drop_all(parents, super::Order::LeavesFirst);
    });
}

/// Fails if tokens of several parents, each below the one before, are cancelled or dropped by a call per token; or if what can be
/// reached in many ways is cancelled in all of them.
#[test]
fn tokens_of_several_parents_below_one_another() {
    for order in ORDERS {
        small(move || {
            let (first, beside) = (CancelToken::new(), CancelToken::new());
            let mut tokens = vec![first.clone(), first.child_within(std::time::Duration::from_secs(100_000))];
            while tokens.len() < MANY {
                let [below, last] = tokens.last_chunk().unwrap();
                let any = CancelToken::any([last, &beside, below, last]);
                tokens.push(any);
            }
            assert_eq!(tokens[MANY - 1].deadline(), tokens[1].deadline());
            let leaf = tokens[MANY - 1].child();
            tokens[MANY / 2].cancel_with("half");
            assert_eq!((cancelled(&tokens), leaf.cause().unwrap().to_string()), (MANY - MANY / 2, "half".into()));
            first.cancel_with("first");
            assert_eq!((cancelled(&tokens), beside.is_cancelled()), (MANY, false));
            assert_eq!(tokens[MANY / 2 - 1].cause().unwrap().to_string(), "first");
            drop((first, leaf));
            drop_all(tokens, order);
            beside.cancel();
        });
    }
}

/// Fails if such a token that hangs on its leaf ends by a call per token.
#[test]
fn tokens_of_several_parents_that_hang_on_the_leaf() {
    small(|| {
        for cancels in [false, true] {
            let (register, count) = counting();
            let root = CancelToken::new();
            let mut leaf = root.child();
            for at in 0..MANY {
                let beside = root.child();
                leaf =
                    if at % 3 == 0 { CancelToken::any([&beside, &leaf]) } else { CancelToken::any([&leaf, &beside]) };
                register(&leaf).detach();
            }
            if cancels {
                root.cancel();
            }
            assert_eq!(count.load(Relaxed), if cancels { MANY } else { 0 });
            drop(leaf);
        }
    });
}
