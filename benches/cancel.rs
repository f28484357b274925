//! Cancel tokens: what a check costs, a child, and cancelling a whole tree, and how soon a thread goes on that sleeps
//! under a token; and what a cancel calls, in [`callbacks`](mod@callbacks).
//!
//! `tokio` is tokio-util's `CancellationToken`. `flag` is an `AtomicBool` in an `Arc`, which is what stands in for a
//! token where nobody sleeps; it has no tree, so it is the limit. `clock` is the reading that a deadline cannot do
//! without, and the limit there.
//!
//! # `cancel/tree`
//! Each operation grows a tree of a thousand tokens, cancels its root and drops all; only the cancelling is timed, by
//! two readings of the clock. `flat` is one parent, `chain` one child below the other. All tokens have a handle, so none
//! leaves the tree early.
//!
//! # That the work is real
//! Every check goes through `black_box` and its answer decides a branch, so it can neither be left out nor be asked
//! once for all. Checked with `objdump -d --demangle=rust` on this program, x86-64, Rust 1.95: the loops of `repeat` hold,
//! of the token, for `flag` and for `raddle` one byte's load, a test and a jump each, for `tokio` a call and a test of
//! its answer.

#[path = "cancel/callbacks.rs"]
mod callbacks;
#[path = "cancel/called.rs"]
mod called;
mod support;
#[path = "cancel/wake.rs"]
mod wake;

use std::hint::black_box;
use std::mem;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Acquire};
use std::time::{Duration, Instant};

use callbacks::{callbacks, future, register};
use called::{RADDLE, TOKIO, Who};
use raddle::CancelToken;
use support::{Group, Op, Role, Shape};
use tokio_util::sync::CancellationToken;

fn main() {
    support::run(&[check(), deadline(), child(), tree(), register(), callbacks(), future(), wake::wake()]);
}

const FLAG: Who = (Role::Limit, "flag");
const CLOCK: Who = (Role::Limit, "clock");

/// Far enough away that no benchmark sees it.
const DAY: Duration = Duration::from_secs(86_400);

fn alone(parameter: &str) -> Shape {
    Shape::named(parameter, 1)
}

/// Adds a benchmark of an operation on what `new` makes.
fn add<T: Send + Sync + 'static>(
    group: &mut Group,
    (role, name): Who,
    parameter: &str,
    new: impl Fn() -> T + 'static,
    operation: impl Fn(&T) + Copy + Send + Sync + 'static,
) {
    group.add(role, name, alone(parameter), move || -> Op {
        let on = new();
        Box::new(move |_, iters| repeat(&on, iters, operation))
    });
}

#[inline(never)]
fn repeat<T>(on: &T, iters: u64, operation: impl Fn(&T)) {
    let on = black_box(on);
    for _ in 0..iters {
        operation(on);
    }
}

/// The token so many levels below a new one. Its ancestors keep a handle for good: without, tokio's would leave the tree.
fn below<T>(levels: u32, root: T, child: impl Fn(&T) -> T) -> T {
    (0..levels).fold(root, |parent, _| {
        let child = child(&parent);
        mem::forget(parent);
        child
    })
}

/// `cancel/check`: is a live token cancelled? `root` has no parent, `deep` is ten levels below.
fn check() -> Group {
    let mut group = Group::new("cancel/check", &["tokio", "flag"]).in_turn();
    for (parameter, levels) in [("root", 0), ("deep", 10)] {
        let add_raddle = |group: &mut Group| {
            let new = move || below(levels, CancelToken::new(), CancelToken::child);
            add(group, RADDLE, parameter, new, |token| assert!(token.check().is_ok()));
        };
        add_raddle(&mut group);
        let new = move || below(levels, CancellationToken::new(), CancellationToken::child_token);
        add(&mut group, TOKIO, parameter, new, |token| assert!(!token.is_cancelled()));
        add(&mut group, FLAG, parameter, Arc::<AtomicBool>::default, |flag| assert!(!flag.load(Acquire)));
        group.goal(("raddle", parameter), &[("flag", parameter)], 1.05);
    }
    group
}

/// `cancel/deadline`: has the time of a live token come?
fn deadline() -> Group {
    let mut group = Group::new("cancel/deadline", &["clock"]).in_turn();
    let new = || CancelToken::new().child_within(DAY);
    add(&mut group, RADDLE, "1", new, |token| assert!(token.check().is_ok()));
    add(&mut group, CLOCK, "1", || Instant::now() + DAY, |deadline| assert!(Instant::now() < *deadline));
    group
}

/// `cancel/child`: a child is made and dropped, of a parent that has no other.
fn child() -> Group {
    let mut group = Group::new("cancel/child", &["tokio"]).in_turn();
    add(&mut group, RADDLE, "1", CancelToken::new, |parent| drop(black_box(parent.child())));
    add(&mut group, TOKIO, "1", CancellationToken::new, |parent| drop(black_box(parent.child_token())));
    group
}

const TOKENS: usize = 1_000;

/// `cancel/tree`: a thousand tokens are cancelled by one call.
fn tree() -> Group {
    let mut group = Group::new("cancel/tree", &["tokio"]).in_turn();
    for (parameter, grow) in [("flat", Grow::Flat), ("chain", Grow::Chain)] {
        add_tree(&mut group, RADDLE, parameter, grow, CancelToken::new, CancelToken::child, CancelToken::cancel);
        let (new, child, cancel) = (CancellationToken::new, CancellationToken::child_token, CancellationToken::cancel);
        add_tree(&mut group, TOKIO, parameter, grow, new, child, cancel);
    }
    group
}

#[derive(Clone, Copy)]
enum Grow {
    Flat,
    Chain,
}

fn add_tree<T: 'static>(
    group: &mut Group,
    (role, name): Who,
    parameter: &str,
    grow: Grow,
    new: fn() -> T,
    child: fn(&T) -> T,
    cancel: fn(&T),
) {
    group.add(role, name, alone(parameter), move || -> Op<Duration> {
        let round = move |_| {
            let mut tokens = vec![new()];
            while tokens.len() < TOKENS {
                let parent = if let Grow::Flat = grow { tokens.first() } else { tokens.last() };
                tokens.push(child(parent.expect("the root")));
            }
            let start = Instant::now();
            cancel(&tokens[0]);
            start.elapsed()
        };
        Box::new(move |_, iters| (0..iters).map(round).sum())
    });
}
