//! Waiting for workers: what a worker costs, alone and as the last one out, what a wait costs that finds nobody, and how
//! soon a thread goes on whose eight workers are done.
//!
//! `raddle` borrows its group; `raddle-owned` shares it, as crossbeam's always do. `condvar` is a counter under a lock,
//! by hand. Where one thread does it all, a worker's whole life is an operation, and nobody waits.
//!
//! A group of crossbeam's ends with its last worker, so where that goes each operation makes a new one, on the heap;
//! `raddle-owned` does the same there, and the others use one group again and again. `barrier` is met by all threads, so
//! its workers wait for each other.
//!
//! # That the work is real
//! The groups are atomics and locks whose address comes from `black_box` in every operation. Checked with
//! `objdump -d --demangle=rust` on this program, x86-64, Rust 1.95: the loops of `repeat` hold, themselves or in what
//! they call,
//! - `raddle`: a `lock xadd` for the new worker, and in `WaitGroup::end` a load and a `lock cmpxchg`; for `zero` a load;
//!   `raddle-owned` besides a `lock inc` and a `lock dec` of the shared count;
//! - `crossbeam`: two `lock inc` and two `lock dec`; for a new group an allocation, two `lock dec`, a lock and its release,
//!   and a system call that would wake the waiters;
//! - `condvar`: two `lock cmpxchg` and two `xchg`, and for the last one out the system call; one each for `zero`;
//! - `atomic`: a `lock inc` and a `lock dec`, the limit.

mod support;

use std::hint::black_box;
use std::mem;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::{Relaxed, Release};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Arc, Barrier, Condvar, Mutex};

use raddle::WaitGroup;
use support::{Group, Op, Role, Shape};

fn main() {
    support::run(&[pair(), last(), zero(), fan_in()]);
}

type Crossbeam = crossbeam_utils::sync::WaitGroup;

/// What is written by hand where no such type is at hand.
struct ByHand {
    workers: Mutex<usize>,
    none: Condvar,
}

impl ByHand {
    const fn new(workers: usize) -> Self {
        Self { workers: Mutex::new(workers), none: Condvar::new() }
    }

    #[inline(always)]
    fn begin(&self) {
        *self.workers.lock().expect("no worker panics") += 1;
    }

    #[inline(always)]
    fn end(&self) {
        let mut workers = self.workers.lock().expect("no worker panics");
        *workers -= 1;
        if *workers == 0 {
            self.none.notify_all();
        }
    }

    #[inline(always)]
    fn begin_and_end(&self) {
        self.begin();
        self.end();
    }

    #[inline(always)]
    fn wait(&self) {
        let workers = self.workers.lock().expect("no worker panics");
        drop(self.none.wait_while(workers, |workers| *workers != 0).expect("no worker panics"));
    }
}

type Who = (Role, &'static str);

const RADDLE: Who = (Role::Ours, "raddle");
const OWNED: Who = (Role::Ours, "raddle-owned");
const CROSSBEAM: Who = (Role::Peer, "crossbeam");
const CONDVAR: Who = (Role::Peer, "condvar");
const BARRIER: Who = (Role::Peer, "barrier");
const ATOMIC: Who = (Role::Limit, "atomic");

/// Adds a benchmark of an operation on what `new` makes.
fn add<G: Send + Sync + 'static>(
    group: &mut Group,
    (role, name): Who,
    new: impl Fn() -> G + 'static,
    operation: impl Fn(&G) + Copy + Send + Sync + 'static,
) {
    group.add(role, name, Shape::all(1), move || {
        let on = new();
        Box::new(move |_, iters| repeat(&on, iters, operation))
    });
}

#[inline(never)]
fn repeat<G>(on: &G, iters: u64, operation: impl Fn(&G)) {
    for _ in 0..iters {
        operation(black_box(on));
    }
}

/// `wait_group/pair`: a worker comes and goes while another stays.
fn pair() -> Group {
    fn busy() -> WaitGroup {
        let group = WaitGroup::new();
        mem::forget(group.worker());
        group
    }

    let mut group = Group::new("wait_group/pair", &["crossbeam", "condvar"]);
    add(&mut group, RADDLE, busy, |group| drop(group.worker()));
    add(&mut group, OWNED, || Arc::new(busy()), |group| drop(group.worker_owned()));
    add(&mut group, CROSSBEAM, Crossbeam::new, |stays| drop(stays.clone()));
    add(&mut group, CONDVAR, || ByHand::new(1), ByHand::begin_and_end);
    add(
        &mut group,
        ATOMIC,
        || AtomicU64::new(1),
        |count| {
            count.fetch_add(1, Relaxed);
            count.fetch_sub(1, Release);
        },
    );
    group.goal(("raddle", "1"), &[("crossbeam", "1")], 0.5);
    group
}

/// `wait_group/last`: a worker comes and goes as the last one out, and nobody waits.
fn last() -> Group {
    let mut group = Group::new("wait_group/last", &["crossbeam", "condvar"]);
    add(&mut group, RADDLE, WaitGroup::new, |group| drop(group.worker()));
    add(&mut group, OWNED, || (), |()| drop(black_box(Arc::new(WaitGroup::new())).worker_owned()));
    add(&mut group, CROSSBEAM, || (), |()| drop(black_box(Crossbeam::new())));
    add(&mut group, CONDVAR, || ByHand::new(0), ByHand::begin_and_end);
    group.goal(("raddle", "1"), &[("crossbeam", "1")], 0.1);
    group
}

/// `wait_group/zero`: a wait while there is no worker.
fn zero() -> Group {
    let mut group = Group::new("wait_group/zero", &["crossbeam", "condvar"]);
    add(&mut group, RADDLE, WaitGroup::new, |group| group.wait().expect("no worker panics"));
    add(&mut group, CROSSBEAM, || (), |()| black_box(Crossbeam::new()).wait());
    add(&mut group, CONDVAR, || ByHand::new(0), ByHand::wait);
    group
}

const WORKERS: usize = 8;

/// `wait_group/fan_in`: a thread hands a worker to each of eight threads that stand ready, and waits for all.
fn fan_in() -> Group {
    static GROUP: WaitGroup = WaitGroup::new();
    static BY_HAND: ByHand = ByHand::new(0);
    static ALL: Barrier = Barrier::new(WORKERS + 1);

    let mut group = Group::new("wait_group/fan_in", &["crossbeam", "condvar", "barrier"]);
    add_fan_in(&mut group, RADDLE, drop, |hands| {
        hands.give(|| GROUP.worker());
        GROUP.wait().expect("no worker panics");
    });
    add_fan_in(&mut group, CROSSBEAM, drop, |hands| {
        let group = Crossbeam::new();
        hands.give(|| group.clone());
        group.wait();
    });
    add_fan_in(&mut group, CONDVAR, ByHand::end, |hands| {
        hands.give(|| {
            BY_HAND.begin();
            &BY_HAND
        });
        BY_HAND.wait();
    });
    add_fan_in(
        &mut group,
        BARRIER,
        |all: &Barrier| _ = all.wait(),
        |hands| {
            hands.give(|| &ALL);
            ALL.wait();
        },
    );
    group
}

/// The threads that stand ready, as who gives them workers sees them.
struct Hands<W>(Vec<SyncSender<W>>);

impl<W> Hands<W> {
    fn give(&self, worker: impl Fn() -> W) {
        for hand in &self.0 {
            hand.send(worker()).expect("a thread that stands ready");
        }
    }
}

/// Adds a benchmark of a `round`, in which each hand is given a worker, to be ended by `end`.
fn add_fan_in<W: Send + 'static>(
    group: &mut Group,
    (role, name): Who,
    end: impl Fn(W) + Copy + Send + Sync + 'static,
    round: impl Fn(&Hands<W>) + Copy + Send + Sync + 'static,
) {
    let shape = Shape { measured: 1, ..Shape::named(&WORKERS.to_string(), WORKERS + 1) };
    group.add(role, name, shape, move || rounds(end, round));
}

/// Thread 0 gives and waits; the others take and end.
fn rounds<W: Send + 'static>(
    end: impl Fn(W) + Send + Sync + 'static,
    round: impl Fn(&Hands<W>) + Send + Sync + 'static,
) -> Op {
    let (hands, takers): (_, Vec<_>) = (0..WORKERS).map(|_| sync_channel(1)).unzip();
    let hands = Hands(hands);
    let takers: Vec<_> = takers.into_iter().map(Mutex::new).collect();
    Box::new(move |thread, iters| {
        if thread == 0 {
            (0..iters).for_each(|_| round(&hands));
        } else {
            let taker = takers[thread - 1].lock().expect("no worker panics");
            (0..iters).for_each(|_| end(taker.recv().expect("the giver stands")));
        }
    })
}
