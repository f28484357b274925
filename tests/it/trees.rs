//! Large trees of tokens: made, cancelled and dropped in every order, on a stack that has no room for one call per token,
//! without leaks, and in time that grows with their size and not with its square.

mod callbacks;

use std::hint;
use std::panic::resume_unwind;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use raddle::{CancelToken, Limit};

use crate::asleep::Bed;
use crate::cancel::Counted;
use crate::heap::heap_kept;
use crate::stress::watched;
use crate::thread;

const MANY: usize = if cfg!(miri) { 30 } else { 100_000 };
const SOME: usize = MANY / 10;

/// Much less than a call per token takes.
const STACK: usize = 64 << 10;

/// What takes that long is not in proportion: each of these tests takes a fraction of a second.
const FAR_TOO_LONG: Duration = Duration::from_secs(if cfg!(miri) { 3600 } else { 30 });

/// Runs `f` on a small stack; it keeps no heap and is done in time.
fn small(f: impl Fn() + Send + 'static) {
    watched(move |_| {
        let thread = thread::Builder::new().stack_size(STACK).spawn(move || {
            let start = Instant::now();
            let kept = heap_kept(f);
            assert_eq!(kept, 0, "bytes are left");
            assert!(start.elapsed() < FAR_TOO_LONG, "{:?}", start.elapsed());
        });
        thread.unwrap().join().unwrap_or_else(|panic| resume_unwind(panic));
    });
}

/// Each below the one before.
fn chain(len: usize) -> Vec<CancelToken> {
    std::iter::successors(Some(CancelToken::new()), |token| Some(token.child())).take(len).collect()
}

/// All below the first.
fn star(len: usize) -> Vec<CancelToken> {
    let root = CancelToken::new();
    let children: Vec<_> = (1..len).map(|_| root.child()).collect();
    [root].into_iter().chain(children).collect()
}

/// Each below the one at the half of its place.
fn binary(len: usize) -> Vec<CancelToken> {
    let mut tokens = vec![CancelToken::new()];
    for at in 1..len {
        tokens.push(tokens[(at - 1) / 2].child());
    }
    tokens
}

/// In which order tokens are dropped.
#[derive(Clone, Copy, Debug)]
enum Order {
    RootFirst,
    LeavesFirst,
    MiddleFirst,
    Mixed,
}

const ORDERS: [Order; 4] = [Order::RootFirst, Order::LeavesFirst, Order::MiddleFirst, Order::Mixed];

fn drop_all(tokens: Vec<CancelToken>, order: Order) {
    let len = tokens.len();
    let mut tokens: Vec<_> = tokens.into_iter().map(Some).collect();
    for turn in 0..len {
        let at = match order {
            Order::RootFirst => turn,
            Order::LeavesFirst => len - 1 - turn,
            Order::MiddleFirst => (len / 2 + turn) % len,
            // A prime, so that each has its turn.
            Order::Mixed => turn * 7_919 % len,
        };
        drop(tokens[at].take().expect("each once"));
    }
}

/// How many are cancelled.
fn cancelled(tokens: &[CancelToken]) -> usize {
    tokens.iter().filter(|token| token.is_cancelled()).count()
}

/// Fails if cancelling or dropping calls itself for each generation.
#[test]
fn long_chains() {
    for order in ORDERS {
        small(move || {
            for len in [SOME, MANY] {
                let tokens = chain(len);
                tokens[len / 2].cancel_with("half");
                assert_eq!(cancelled(&tokens), len - len / 2);
                assert_eq!(tokens[len - 1].cause().unwrap().to_string(), "half");
                tokens[0].cancel();
                assert_eq!(cancelled(&tokens), len);
                drop_all(tokens, order);
                // Without cancelling any.
                drop_all(chain(len), order);
            }
        });
    }
}

/// Fails if the last handle of a chain takes it down by a call per token, or leaves those above alive.
#[test]
fn a_chain_that_hangs_on_its_leaf() {
    small(|| {
        let value = Arc::new(());
        for cancelled in [false, true] {
            let mut leaf = CancelToken::new();
            for _ in 0..MANY {
                // The one above has no other handle from here on.
                leaf = leaf.child();
                if cancelled {
                    // Each by itself, from the top down.
                    leaf.cancel_with(Counted(Arc::clone(&value)));
                }
            }
            let clone = leaf.clone();
            drop(leaf);
            assert_eq!(Arc::strong_count(&value) - 1, usize::from(cancelled), "those below were cancelled already");
            drop(clone);
            assert_eq!(Arc::strong_count(&value), 1);
        }
    });
}

/// Fails if a token is looked for among all its siblings when it is dropped: the time then grows with the square.
#[test]
fn many_children() {
    for order in ORDERS {
        small(move || {
            let tokens = star(MANY);
            tokens[MANY / 2].cancel();
            assert_eq!(cancelled(&tokens), 1);
            drop_all(tokens, order);
            let tokens = star(MANY);
            tokens[0].cancel();
            assert_eq!(cancelled(&tokens), MANY);
            let late: Vec<_> = (0..SOME).map(|_| tokens[0].child()).collect();
            assert_eq!(cancelled(&late), SOME);
            drop_all(tokens, order);
            drop_all(late, order);
        });
    }
}

/// Fails if cancelling leaves out a branch, or looks at those below a cancelled token again and again.
#[test]
fn many_generations_with_many_children() {
    for order in ORDERS {
        small(move || {
            let tokens = binary(MANY);
            // From below: the larger ones meet what is cancelled already.
            for at in (1..MANY).rev().step_by(3) {
                tokens[at].cancel();
            }
            tokens[1].cancel();
            let right = &tokens[2];
            assert!(!tokens[0].is_cancelled());
            right.cancel();
            assert_eq!(cancelled(&tokens[1..]), MANY - 1);
            drop_all(tokens, order);
        });
    }
}

/// Fails if a cancel of a large tree leaves somebody asleep at its far ends.
#[test]
fn sleepers_at_the_ends_of_a_large_tree() {
    watched(|roll| {
        for make in [chain, star, binary] {
            let tokens = make(SOME);
            let ends = [&tokens[SOME - 1], &tokens[SOME / 2], &tokens[1], &tokens[0]];
            let beds = <[Bed; 4]>::default();
            thread::scope(|threads| {
                for (token, bed) in ends.into_iter().zip(&beds) {
                    roll.spawn(threads, "at an end", move || {
                        bed.enter();
                        assert_eq!(token.wait(Limit::NEVER), Ok(()));
                    });
                }
                beds.iter().for_each(Bed::until_asleep);
                tokens[0].cancel();
            });
        }
    });
}

/// Fails if a child that is made while its parent is being cancelled is missed, or if one that ends then is used.
#[test]
fn a_tree_grows_and_shrinks_while_it_is_cancelled() {
    const ROUNDS: usize = if cfg!(miri) { 2 } else { 200 };
    /// Whoever makes tokens faster than they are cancelled keeps the canceller at it.
    const AT_ONCE: usize = 100;
    watched(|roll| {
        for round in 0..ROUNDS {
            let (root, over) = (CancelToken::new(), AtomicBool::new(false));
            thread::scope(|threads| {
                for grower in 0..2 {
                    let (root, over) = (&root, &over);
                    roll.spawn(threads, format!("round {round}, grower {grower}"), move || {
                        let mut tokens = vec![root.clone()];
                        for turn in 0.. {
                            let was_over = over.load(Ordering::Acquire);
                            let child = tokens[turn * 7 % tokens.len()].child();
                            assert!(!was_over || child.is_cancelled());
                            tokens.push(child);
                            if turn % 3 == 0 || tokens.len() > AT_ONCE {
                                tokens.swap_remove(turn * 5 % tokens.len());
                            }
                            if was_over {
                                break;
                            }
                        }
                        assert_eq!(cancelled(&tokens), tokens.len());
                    });
                }
                (0..round % 50 * 400).for_each(|_| hint::spin_loop());
                root.cancel();
                over.store(true, Ordering::Release);
            });
        }
    });
}
