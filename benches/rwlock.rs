//! Read-write locks: a read and a write nobody contends, and threads that mostly read.
//!
//! The sections are as short as can be, a load or an increment, so the locks themselves are all that is measured.
//! `atomic` is one atomic that is incremented and decremented again: the least that readers who count each other do.
//!
//! # That the work is real
//! Each lock comes from `black_box`, and so does what was read. Checked with `objdump -d --demangle=rust` on this program, x86-64,
//! Rust 1.95: the loops of `reads`, `writes` and `mixed` hold, for `raddle` in the `Guard`'s functions that they call, a
//! `lock cmpxchg` before the load or the `incq` of the value, and behind it a `lock xadd` (`raddle` and `parking_lot`; `raddle`
//! writes end with a second `lock cmpxchg`); `atomic` a `lock inc` and a `lock xadd`.

mod support;

use std::hint::black_box;
use std::sync::atomic::{AtomicU64, Ordering};

use crossbeam_utils::CachePadded;
use raddle::OrderedRwLock;
use support::{Group, Op, Role, Shape};

const PEERS: &[&str] = &["parking_lot", "std"];

/// The throughput is at least 0.95 of the better peer's.
const AT_MOST: f64 = 1.0 / 0.95;

fn main() {
    support::run(&[
        pair(),
        mostly_read("rwlock/hundred", 100, &[1, 2, 4]),
        mostly_read("rwlock/thousand", 1_000, &[2, 4]),
    ]);
}

type Std = std::sync::RwLock<u64>;
type ParkingLot = parking_lot::RwLock<u64>;

/// A lock under measurement. Everything is inlined into its loop, or the compiler's guess of what is too long to inline
/// would be part of the comparison.
trait Lock: Send + Sync + 'static {
    const NAME: &'static str;
    const ROLE: Role = Role::Peer;

    fn new() -> Self;
    /// The value.
    fn read(&self) -> u64;
    /// One more.
    fn write(&self);
}

impl Lock for OrderedRwLock<u64> {
    const NAME: &'static str = "raddle";
    const ROLE: Role = Role::Ours;

    fn new() -> Self {
        Self::new(1, 0)
    }

    #[inline(always)]
    fn read(&self) -> u64 {
        *self.read().expect("nothing is held")
    }

    #[inline(always)]
    fn write(&self) {
        *self.write().expect("nothing is held") += 1;
    }
}

impl Lock for ParkingLot {
    const NAME: &'static str = "parking_lot";

    fn new() -> Self {
        Self::new(0)
    }

    #[inline(always)]
    fn read(&self) -> u64 {
        *self.read()
    }

    #[inline(always)]
    fn write(&self) {
        *self.write() += 1;
    }
}

impl Lock for Std {
    const NAME: &'static str = "std";

    fn new() -> Self {
        Self::new(0)
    }

    #[inline(always)]
    fn read(&self) -> u64 {
        *self.read().expect("no holder panics")
    }

    #[inline(always)]
    fn write(&self) {
        *self.write().expect("no holder panics") += 1;
    }
}

impl Lock for AtomicU64 {
    const NAME: &'static str = "atomic";
    const ROLE: Role = Role::Limit;

    fn new() -> Self {
        Self::new(0)
    }

    #[inline(always)]
    fn read(&self) -> u64 {
        self.fetch_add(1, Ordering::Acquire);
        self.fetch_sub(1, Ordering::Release)
    }

    #[inline(always)]
    fn write(&self) {
        self.read();
    }
}

#[inline(never)]
fn reads<L: Lock>(lock: &L, iters: u64) {
    for _ in 0..iters {
        black_box(black_box(lock).read());
    }
}

#[inline(never)]
fn writes<L: Lock>(lock: &L, iters: u64) {
    for _ in 0..iters {
        black_box(lock).write();
    }
}

/// Runs `iters` operations of which one in `every` writes.
#[inline(never)]
fn mixed<L: Lock>(lock: &L, iters: u64, every: u64, first: u64) {
    let mut left = first;
    for _ in 0..iters {
        if left == 0 {
            left = every;
            black_box(lock).write();
        } else {
            black_box(black_box(lock).read());
        }
        left -= 1;
    }
}

/// `rwlock/pair`: the lock is taken and let go of, by the only thread.
fn pair() -> Group {
    fn add<L: Lock>(group: &mut Group, parameter: &str, run: fn(&L, u64)) {
        group.add(L::ROLE, L::NAME, Shape::named(parameter, 1), move || -> Op {
            let lock = CachePadded::new(L::new());
            Box::new(move |_, iters| run(&lock, iters))
        });
    }

    let mut group = Group::new("rwlock/pair", PEERS).in_turn();
    add::<OrderedRwLock<u64>>(&mut group, "read", reads);
    add::<ParkingLot>(&mut group, "read", reads);
    add::<Std>(&mut group, "read", reads);
    add::<AtomicU64>(&mut group, "read", reads);
    add::<OrderedRwLock<u64>>(&mut group, "write", writes);
    add::<ParkingLot>(&mut group, "write", writes);
    add::<Std>(&mut group, "write", writes);
    for parameter in ["read", "write"] {
        group.goal(("raddle", parameter), &[("parking_lot", parameter), ("std", parameter)], AT_MOST);
    }
    group
}

/// One in `every` operations of each thread writes, the others read.
fn mostly_read(name: &'static str, every: u64, threads: &[usize]) -> Group {
    fn add<L: Lock>(group: &mut Group, every: u64, threads: usize) {
        group.add(L::ROLE, L::NAME, Shape::all(threads), move || -> Op {
            let lock = CachePadded::new(L::new());
            Box::new(move |thread, iters| {
                // Not all at once.
                let first = every * thread as u64 / threads as u64;
                mixed(&*lock, iters, every, first);
            })
        });
    }

    let mut group = Group::new(name, PEERS).in_turn();
    for &threads in threads {
        add::<OrderedRwLock<u64>>(&mut group, every, threads);
        add::<ParkingLot>(&mut group, every, threads);
        add::<Std>(&mut group, every, threads);
        let threads = threads.to_string();
        group.goal(("raddle", &threads), &[("parking_lot", &threads), ("std", &threads)], AT_MOST);
    }
    group
}
