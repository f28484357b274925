//! How cost grows: with the locks of a set, the threads, the counters of a process, the tokens of a tree, the callbacks of
//! a token.
//!
//! The operations are those of the other programs, at many sizes instead of many variants; what a sharded counter's memory
//! grows with stands among the sizes. Steps that are there for a reason:
//! * A set of more than 16 locks takes heap, and is sorted in another way.
//! * More threads than cores take turns, so a contended operation waits for threads that do not run.
//! * A sharded counter has a word on a line of its own for each thread, so thousands of them leave the caches before
//!   thousands of plain ones do; tokens are an allocation each and leave them as well.
//!
//! # That the work is real
//! As in the programs whose operations these are: `lock` for sets, `counter` for increments, `cancel` for trees.

#[path = "cancel/called.rs"]
#[allow(dead_code, reason = "the groups are another program's")]
mod called;
#[path = "counter/kinds.rs"]
#[allow(dead_code, reason = "some are compared by another program only")]
mod kinds;
mod support;

use std::hint::black_box;
use std::sync::atomic::AtomicU64;
use std::time::{Duration, Instant};

use crossbeam_utils::CachePadded;
use kinds::Count;
use raddle::{CancelToken, Counter, OrderedMutex, ShardedCounter, lock_all};
use support::{Group, Op, Role, Shape};
use tokio_util::sync::CancellationToken;

fn main() {
    support::run(&[locks(), threads(), counters(), tokens(), callbacks()]);
}

type ParkingLot = parking_lot::Mutex<u64>;

/// `growth/locks`: a set as a slice, in order; by hand with a `Vec` of guards.
fn locks() -> Group {
    const SIZES: [usize; 10] = [1, 2, 4, 8, 16, 17, 32, 64, 256, 1_024];

    fn add<M: Send + Sync + 'static>(
        group: &mut Group,
        (role, name): (Role, &'static str),
        size: usize,
        lock: impl Fn(u64) -> M + 'static,
        operation: impl Fn(&[&'static M]) + Copy + Send + Sync + 'static,
    ) {
        group.add(role, name, Shape::named(&size.to_string(), 1), move || -> Op {
            let locks: &'static [M] = (0..size as u64).map(&lock).collect::<Vec<_>>().leak();
            let locks: Vec<_> = locks.iter().collect();
            Box::new(move |_, iters| (0..iters).for_each(|_| operation(black_box(&locks))))
        });
    }

    let mut group = Group::new("growth/locks", &["parking_lot", "std"]).in_turn();
    for size in SIZES {
        add(
            &mut group,
            (Role::Ours, "raddle"),
            size,
            |id| OrderedMutex::new(id, 0),
            |locks| {
                let mut locked = lock_all(locks).expect("nothing is held");
                locked.iter_mut().for_each(|value| *value += 1);
            },
        );
        add(&mut group, (Role::Peer, "parking_lot"), size, ParkingLot::new, |locks| {
            let mut guards: Vec<_> = locks.iter().map(|lock| lock.lock()).collect();
            guards.iter_mut().for_each(|value| **value += 1);
        });
        add(&mut group, (Role::Peer, "std"), size, std::sync::Mutex::new, |locks| {
            let mut guards: Vec<_> = locks.iter().map(|lock| lock.lock().expect("no holder panics")).collect();
            guards.iter_mut().for_each(|value| **value += 1);
        });
        let size = size.to_string();
        group.goal(("raddle", &size), &[("parking_lot", &size), ("std", &size)], 1.6);
    }
    group
}

/// `growth/threads`: all threads increment the same counter, or a value behind the same lock; one atomic is the least that
/// the lock can cost. From some ten threads on, each that waits for the ordered lock loses it to running ones as often as it
/// may, and is handed it then: nobody starves, as with `parking_lot`, and nothing is done until the receiver runs.
fn threads() -> Group {
    const THREADS: [usize; 7] = [1, 2, 4, 8, 16, 32, 64];

    fn add<C: Sync + Send + 'static>(
        group: &mut Group,
        (role, name): (Role, &'static str),
        threads: usize,
        new: fn() -> C,
        operation: impl Fn(&C) + Copy + Send + Sync + 'static,
    ) {
        group.add(role, name, Shape::all(threads), move || -> Op {
            let on = CachePadded::new(new());
            Box::new(move |_, iters| (0..iters).for_each(|_| operation(black_box(&on))))
        });
    }

    let mut group = Group::new("growth/threads", &["atomic", "parking_lot", "std"]).in_turn();
    for threads in THREADS {
        add(&mut group, (Role::Ours, "sharded"), threads, ShardedCounter::new, ShardedCounter::inc);
        add(
            &mut group,
            (Role::Ours, "ordered"),
            threads,
            || OrderedMutex::new(1, 0_u64),
            |lock| {
                *lock.lock().expect("nothing is held") += 1;
            },
        );
        add(&mut group, (Role::Limit, "atomic"), threads, || AtomicU64::new(0), |count| count.inc(0));
        add(&mut group, (Role::Peer, "parking_lot"), threads, || ParkingLot::new(0), |count| count.inc(0));
        add(&mut group, (Role::Peer, "std"), threads, || std::sync::Mutex::new(0), |count| count.inc(0));
    }
    group
}

/// `growth/counters`: one thread increments one counter after the other, of so many.
fn counters() -> Group {
    const COUNTERS: [usize; 5] = [1, 10, 100, 1_000, 10_000];

    fn add<C: Count>(group: &mut Group, counters: usize) {
        group.add(C::ROLE, C::NAME, Shape::named(&counters.to_string(), 1), move || -> Op {
            let all: Vec<_> = (0..counters).map(|_| C::new()).collect();
            Box::new(move |_, iters| {
                let mut next = 0;
                for _ in 0..iters {
                    black_box(&all[next]).inc(0);
                    next = if next + 1 == all.len() { 0 } else { next + 1 };
                }
            })
        });
    }

    let mut group = Group::new("growth/counters", &["atomic", "shards"]).in_turn();
    for counters in COUNTERS {
        add::<Counter>(&mut group, counters);
        add::<ShardedCounter>(&mut group, counters);
        add::<AtomicU64>(&mut group, counters);
        add::<kinds::Shards>(&mut group, counters);
    }
    group
}

/// `growth/tokens`: a parent of so many children is cancelled, of which nobody sleeps under any.
fn tokens() -> Group {
    const TOKENS: [usize; 6] = [1, 10, 100, 1_000, 10_000, 100_000];

    fn add<T: 'static>(
        group: &mut Group,
        (role, name): (Role, &'static str),
        tokens: usize,
        new: fn() -> T,
        child: fn(&T) -> T,
        cancel: fn(&T),
    ) {
        group.add(role, name, Shape::named(&tokens.to_string(), 1), move || -> Op<Duration> {
            let round = move |_| {
                let parent = new();
                let children: Vec<_> = (0..tokens).map(|_| child(&parent)).collect();
                let start = Instant::now();
                cancel(&parent);
                let time = start.elapsed();
                drop(children);
                time
            };
            Box::new(move |_, iters| (0..iters).map(round).sum())
        });
    }

    let mut group = Group::new("growth/tokens", &["tokio"]).in_turn();
    for tokens in TOKENS {
        let (new, child, cancel) = (CancelToken::new, CancelToken::child, CancelToken::cancel);
        add(&mut group, (Role::Ours, "raddle"), tokens, new, child, cancel);
        let (new, child, cancel) = (CancellationToken::new, CancellationToken::child_token, CancellationToken::cancel);
        add(&mut group, (Role::Peer, "tokio"), tokens, new, child, cancel);
        let tokens = tokens.to_string();
        group.goal(("raddle", &tokens), &[("tokio", &tokens)], 1.0);
    }
    group
}

/// `growth/callbacks`: a token with so many callbacks is cancelled; tokio's has as many futures, whose wakers are called.
fn callbacks() -> Group {
    const CALLBACKS: [u64; 6] = [1, 10, 100, 1_000, 10_000, 100_000];

    let mut group = Group::new("growth/callbacks", &["tokio"]).in_turn();
    for callbacks in CALLBACKS {
        called::raddle(&mut group, callbacks);
        called::tokio(&mut group, callbacks);
        let callbacks = callbacks.to_string();
        group.goal(("raddle", &callbacks), &[("tokio", &callbacks)], 1.0);
    }
    group
}
