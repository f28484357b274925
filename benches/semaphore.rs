//! Permits: one that is acquired and given back while others are there, by one thread and by two; and one permit for two
//! threads, which wait for each other.
//!
//! `condvar` is a number under a lock, by hand, which notifies whenever permits come back; `condvar-counted` notifies only if
//! somebody waits, which it counts. `tokio` is that crate's semaphore by its `try_` form, since its others are for tasks; so it
//! is not there where threads wait.
//!
//! Both of raddle's and tokio's hand a permit to whoever has waited longest. `condvar` lets a thread that runs have it again at
//! once, so in `turns` it does most of its rounds without a wait, and nobody's turn is sure.
//!
//! # That the work is real
//! The semaphores are atomics and locks whose address comes from `black_box` in every operation.

mod support;

use std::hint::black_box;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::{Acquire, Release};
use std::sync::{Arc, Condvar, Mutex};

use raddle::Semaphore;
use support::{Group, Role, Shape};

fn main() {
    support::run(&[pair(), many(), shared(), turns()]);
}

type Tokio = tokio::sync::Semaphore;

/// What is written by hand where no such type is at hand.
struct ByHand<const COUNTED: bool> {
    state: Mutex<State>,
    more: Condvar,
}

struct State {
    permits: usize,
    waiting: usize,
}

impl<const COUNTED: bool> ByHand<COUNTED> {
    fn new(permits: usize) -> Self {
        Self { state: Mutex::new(State { permits, waiting: 0 }), more: Condvar::new() }
    }

    #[inline(always)]
    fn acquire(&self, permits: usize) {
        let mut state = self.state.lock().expect("nothing panics");
        while state.permits < permits {
            state.waiting += 1;
            state = self.more.wait(state).expect("nothing panics");
            state.waiting -= 1;
        }
        state.permits -= permits;
    }

    #[inline(always)]
    fn release(&self, permits: usize) {
        let mut state = self.state.lock().expect("nothing panics");
        state.permits += permits;
        let notify = !COUNTED || state.waiting != 0;
        drop(state);
        if notify {
            self.more.notify_all();
        }
    }

    #[inline(always)]
    fn pair(&self, permits: usize) {
        self.acquire(permits);
        self.release(permits);
    }
}

type Who = (Role, &'static str);

const RADDLE: Who = (Role::Ours, "raddle");
const OWNED: Who = (Role::Ours, "raddle-owned");
const TRY: Who = (Role::Ours, "raddle-try");
const TOKIO: Who = (Role::Peer, "tokio");
const CONDVAR: Who = (Role::Peer, "condvar");
const COUNTED: Who = (Role::Peer, "condvar-counted");
const ATOMIC: Who = (Role::Limit, "atomic");

/// Adds a benchmark of an operation of so many threads on what `new` makes.
fn add<S: Send + Sync + 'static>(
    group: &mut Group,
    (role, name): Who,
    threads: usize,
    new: impl Fn() -> S + 'static,
    operation: impl Fn(&S) + Copy + Send + Sync + 'static,
) {
    group.add(role, name, Shape::all(threads), move || {
        let on = new();
        Box::new(move |_, iters| repeat(&on, iters, operation))
    });
}

#[inline(never)]
fn repeat<S>(on: &S, iters: u64, operation: impl Fn(&S)) {
    for _ in 0..iters {
        operation(black_box(on));
    }
}

/// All that need not wait: so many permits of `there`.
fn without_a_wait(group: &mut Group, threads: usize, there: usize, permits: usize) {
    let many = u32::try_from(permits).expect("a few");
    add(group, RADDLE, threads, move || Semaphore::new(there), move |it| drop(it.acquire(permits)));
    add(group, TRY, threads, move || Semaphore::new(there), move |it| drop(it.try_acquire(permits)));
    add(group, TOKIO, threads, move || Tokio::new(there), move |it| drop(it.try_acquire_many(many)));
    add(group, CONDVAR, threads, move || ByHand::<false>::new(there), move |it| it.pair(permits));
    add(group, COUNTED, threads, move || ByHand::<true>::new(there), move |it| it.pair(permits));
    add(
        group,
        ATOMIC,
        threads,
        move || AtomicU64::new(there as u64),
        move |count| {
            count.fetch_sub(permits as u64, Acquire);
            count.fetch_add(permits as u64, Release);
        },
    );
}

/// `semaphore/pair`: a permit comes and goes, and others are there.
fn pair() -> Group {
    let mut group = Group::new("semaphore/pair", &["tokio", "condvar", "condvar-counted"]);
    without_a_wait(&mut group, 1, 8, 1);
    add(&mut group, OWNED, 1, || Arc::new(Semaphore::new(8)), |it| drop(it.acquire_owned(1)));
    group.goal(("raddle", "1"), &[("condvar", "1")], 0.5);
    group.goal(("raddle", "1"), &[("tokio", "1")], 1.0);
    group
}

/// `semaphore/many`: five permits of eight in one call.
fn many() -> Group {
    let mut group = Group::new("semaphore/many", &["tokio", "condvar", "condvar-counted"]);
    without_a_wait(&mut group, 1, 8, 5);
    group.goal(("raddle", "1"), &[("condvar", "1")], 0.5);
    group.goal(("raddle", "1"), &[("tokio", "1")], 1.0);
    group
}

/// `semaphore/shared`: the same of two threads, for both of whom there is a permit.
fn shared() -> Group {
    let mut group = Group::new("semaphore/shared", &["tokio", "condvar", "condvar-counted"]);
    without_a_wait(&mut group, 2, 8, 1);
    group.goal(("raddle", "2"), &[("condvar", "2")], 1.0);
    group.goal(("raddle", "2"), &[("tokio", "2")], 1.0);
    group
}

/// `semaphore/turns`: two threads, of which one waits for the other's permit.
fn turns() -> Group {
    let mut group = Group::new("semaphore/turns", &["condvar", "condvar-counted"]);
    add(&mut group, RADDLE, 2, || Semaphore::new(1), |it| drop(it.acquire(1)));
    add(&mut group, CONDVAR, 2, || ByHand::<false>::new(1), |it| it.pair(1));
    add(&mut group, COUNTED, 2, || ByHand::<true>::new(1), |it| it.pair(1));
    group
}
