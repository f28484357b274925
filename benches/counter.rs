//! Mutex against atomic against sharded: what an increment costs, what a read costs, what a reader costs a writer.
//!
//! # That the work is real
//! Each operation reaches its counter through `black_box`: the address is new to the compiler in every iteration and
//! memory may have changed, so operations can be neither merged nor hoisted. (Passing the *value* through `black_box`
//! is not enough: the load then moved out of the loop and only the store stayed.)
//! Checked with `objdump -d --demangle=rust` on this program, x86-64, Rust 1.95: the loops of `increments`, `reads` and
//! `poll` hold per iteration, and not unrolled,
//! - `plain`: one `incq (%reg)`, a load and a store; `atomic` and `shards`: one `lock incq`;
//! - the mutexes: one `lock cmpxchg`, `incq`, and one `xchg` or `lock xadd`;
//! - reads: one load of the counter, eight for `shards`, and a store of the result to the stack.
//!
//! `black_box` itself costs a store and a load of the stack in each, which `plain` shows best.
//! The results of the increments are dropped everywhere, as a program that counts hits would.

#[path = "counter/kinds.rs"]
mod kinds;
mod support;

use std::hint::black_box;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Barrier};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crossbeam_utils::CachePadded;
use kinds::{Count, MOST_THREADS, Plain, Shards};
use raddle::{Counter, ShardedCounter};
use support::{Group, Op, Shape};

const THREADS: [usize; 4] = [1, 2, 4, MOST_THREADS];
const PEERS: &[&str] = &["atomic", "shards", "std", "parking_lot", "plain"];

fn main() {
    support::run(&[inc(), read()]);
}

/// Calls a function for every implementation, ours first.
macro_rules! every {
    ($function:ident($($argument:expr),*)) => {
        $function::<Counter>($($argument),*);
        $function::<ShardedCounter>($($argument),*);
        $function::<AtomicU64>($($argument),*);
        $function::<Shards>($($argument),*);
        $function::<std::sync::Mutex<u64>>($($argument),*);
        $function::<parking_lot::Mutex<u64>>($($argument),*);
        $function::<Plain>($($argument),*);
    };
}

#[inline(never)]
fn increments<C: Count>(counter: &C, thread: usize, iters: u64) {
    for _ in 0..iters {
        black_box(counter).inc(thread);
    }
}

fn incrementing<C: Count>() -> Op {
    let counter = CachePadded::new(C::new());
    Box::new(move |thread, iters| increments(&*counter, thread, iters))
}

#[inline(never)]
fn reads<C: Count>(counter: &C, iters: u64) {
    for _ in 0..iters {
        black_box(black_box(counter).read());
    }
}

/// `counter/inc`: every thread increments the same counter.
fn inc() -> Group {
    fn add<C: Count>(group: &mut Group, threads: usize) {
        group.add(C::ROLE, C::NAME, Shape::all(threads), incrementing::<C>);
    }

    let mut group = Group::new("counter/inc", PEERS);
    for threads in THREADS {
        // By thread count first, so that what is compared is measured within seconds of each other.
        every!(add(&mut group, threads));
        let threads = threads.to_string();
        group.goal(("sharded", &threads), &[("plain", &threads)], 1.15);
        group.goal(("counter", &threads), &[("atomic", &threads)], 1.05);
    }
    group
}

/// `counter/read`: `read` is one read while nobody writes, of a counter that eight live threads have written to;
/// `alone` is one increment while nobody reads, `polled` the same while another thread reads all the time, and `polled-1us`
/// while it reads once a microsecond.
fn read() -> Group {
    fn add_read<C: Count>(group: &mut Group) {
        group.add(C::ROLE, C::NAME, one_timed("read", 1), || {
            let counter = Arc::new(C::new());
            let crowd = Crowd::around(&counter);
            Box::new(move |_, iters| reads(crowd.counter.as_ref(), iters))
        });
    }

    fn add_writer<C: Count>(group: &mut Group) {
        group.add(C::ROLE, C::NAME, one_timed("alone", 1), incrementing::<C>);
        for (parameter, every) in [("polled", Duration::ZERO), ("polled-1us", Duration::from_micros(1))] {
            group.add(C::ROLE, C::NAME, one_timed(parameter, 2), move || {
                let counter = CachePadded::new(C::new());
                let written = CachePadded::new(AtomicBool::new(false));
                Box::new(move |thread, iters| {
                    if thread == 0 {
                        increments(&*counter, thread, iters);
                        written.store(true, Ordering::Relaxed);
                    } else {
                        poll(&*counter, &written, every);
                    }
                })
            });
        }
    }

    let mut group = Group::new("counter/read", PEERS);
    every!(add_read(&mut group));
    every!(add_writer(&mut group));
    for polled in ["polled", "polled-1us"] {
        group.goal(("sharded", polled), &[("sharded", "alone")], 1.2);
    }
    group
}

fn one_timed(parameter: &str, threads: usize) -> Shape {
    Shape { measured: 1, ..Shape::named(parameter, threads) }
}

/// Reads until the writer has `written` all of its chunk. The flag changes once per chunk, so looking at it is free.
#[inline(never)]
fn poll<C: Count>(counter: &C, written: &AtomicBool, every: Duration) {
    let mut next = Instant::now();
    while !written.load(Ordering::Relaxed) {
        if every.is_zero() || Instant::now() >= next {
            black_box(black_box(counter).read());
            next += every;
        }
    }
    // The next chunk begins behind a barrier, so the writer cannot miss this.
    written.store(false, Ordering::Relaxed);
}

/// Threads that have each counted once and stay, so that eight slots of a sharded counter are in use.
struct Crowd<C> {
    counter: Arc<C>,
    door: Arc<Barrier>,
    threads: Vec<JoinHandle<()>>,
}

impl<C: Count> Crowd<C> {
    fn around(counter: &Arc<C>) -> Self {
        let door = Arc::new(Barrier::new(MOST_THREADS + 1));
        let threads = (0..MOST_THREADS).map(|thread| {
            let (counter, door) = (Arc::clone(counter), Arc::clone(&door));
            thread::spawn(move || {
                counter.inc(thread);
                door.wait();
                door.wait();
            })
        });
        let threads = threads.collect();
        door.wait();
        Self { counter: Arc::clone(counter), door, threads }
    }
}

impl<C> Drop for Crowd<C> {
    fn drop(&mut self) {
        self.door.wait();
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}
