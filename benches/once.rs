//! A value that is made once: what it costs to get it, and to make it, alone and when two threads race to.
//!
//! # `once/get` and `once/get_or_init`: a full cell
//! Every cell holds a reference to itself, and each operation asks the cell that the one before it gave, so what is
//! measured is the time from asking a cell to having its value. `load` is the limit: a pointer, loaded with Acquire.
//! Gets that do not wait for each other take under half a nanosecond. That is no figure to compare: whatever shares the
//! core with this machine changed it by a factor of two and more, from one second to the next.
//!
//! # `once/init`: an empty cell
//! With one thread, each operation makes a cell, fills it and drops it. With two, each is a cell of a row that both
//! threads walk along, filling what is empty ([`Race`]); `cas` is the same with one compare-exchange per cell, the limit.
//! The initialiser gives a constant, so the cell is all that is measured. `parking_lot` has a `Once` and no cell; it
//! stands beside an atomic for the value.
//!
//! # That the work is real
//! A cell's state is atomic and its value may change with it, so neither load can be left out or moved to another
//! operation; new cells are filled through `black_box`, which takes their address and what they give.
//! Checked with `objdump -d --demangle=rust` on this program, x86-64, Rust 1.95:
//! - `walk` holds per operation a load and a comparison of the state, and a load of the value from the address that the
//!   last one gave; for `load` that one load, unrolled eight times;
//! - `fills` and `Race::run` hold the store of the empty state (for the latter, one cell after the other between two
//!   walks), a load and a comparison, and a call of what initialises: in it a `lock cmpxchg` and an `xchg`. For `cas` the
//!   `lock cmpxchg` is in the loop.

mod support;

use std::hint::black_box;
use std::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed};
use std::sync::atomic::{AtomicPtr, AtomicU64};
use std::sync::{LazyLock, OnceLock, RwLock};

use crossbeam_utils::CachePadded;
use raddle::{Lazy, OnceCell};
use support::line::Line;
use support::{Group, Op, Role, Shape};

fn main() {
    support::run(&[get(), get_or_init(), init()]);
}

type Who = (Role, &'static str);

// Cells that hold a reference to their own kind.
struct Raddle(OnceCell<&'static Raddle>);
struct RaddleLazy(Lazy<&'static RaddleLazy>);
struct Std(OnceLock<&'static Std>);
struct StdLazy(LazyLock<&'static StdLazy>);
struct Other(once_cell::sync::OnceCell<&'static Other>);
struct Load(AtomicPtr<Load>);

static RADDLE: Raddle = Raddle(OnceCell::new());
static RADDLE_LAZY: RaddleLazy = RaddleLazy(Lazy::new(|| &RADDLE_LAZY));
static STD: Std = Std(OnceLock::new());
static STD_LAZY: StdLazy = StdLazy(LazyLock::new(|| &STD_LAZY));
static OTHER: Other = Other(once_cell::sync::OnceCell::new());
static LOAD: Load = Load(AtomicPtr::new((&raw const LOAD).cast_mut()));

impl Load {
    #[inline(always)]
    fn next(&self) -> &'static Load {
        // SAFETY: it points to `LOAD`, for good.
        unsafe { &*self.0.load(Acquire) }
    }
}

/// Adds a benchmark that goes from cell to `next` cell, beginning with the one that `first` fills.
fn add_full<C: Sync + 'static>(
    group: &mut Group,
    (role, name): Who,
    first: impl Fn() -> &'static C + 'static,
    next: impl Fn(&'static C) -> &'static C + Copy + Send + Sync + 'static,
) {
    group.add(role, name, Shape::all(1), move || {
        let first = first();
        Box::new(move |_, iters| walk(first, iters, next))
    });
}

#[inline(never)]
fn walk<C>(first: &'static C, iters: u64, next: impl Fn(&'static C) -> &'static C) {
    let mut at = first;
    for _ in 0..iters {
        at = next(at);
    }
    black_box(at);
}

/// `once/get`: a full cell gives its value.
fn get() -> Group {
    let mut group = Group::new("once/get", &["std", "std-lazy", "once_cell", "load"]);
    let add = &mut group;
    add_full(add, (Role::Ours, "raddle"), || RADDLE.0.get_or_init(|| &RADDLE), |at| at.0.get().expect("full"));
    add_full(add, (Role::Ours, "raddle-lazy"), || &RADDLE_LAZY.0, |at| &at.0);
    add_full(add, (Role::Peer, "std"), || STD.0.get_or_init(|| &STD), |at| at.0.get().expect("full"));
    add_full(add, (Role::Peer, "std-lazy"), || &STD_LAZY.0, |at| &at.0);
    add_full(add, (Role::Peer, "once_cell"), || OTHER.0.get_or_init(|| &OTHER), |at| at.0.get().expect("full"));
    add_full(add, (Role::Limit, "load"), || &LOAD, Load::next);
    group.goal(("raddle", "1"), &[("load", "1")], 1.05);
    group.goal(("raddle-lazy", "1"), &[("load", "1")], 1.05);
    group
}

/// `once/get_or_init`: the same, with an initialiser that is not needed.
fn get_or_init() -> Group {
    let mut group = Group::new("once/get_or_init", &["std", "once_cell"]);
    let add = &mut group;
    add_full(add, (Role::Ours, "raddle"), || &RADDLE, |at| at.0.get_or_init(|| &RADDLE));
    add_full(add, (Role::Peer, "std"), || &STD, |at| at.0.get_or_init(|| &STD));
    add_full(add, (Role::Peer, "once_cell"), || &OTHER, |at| at.0.get_or_init(|| &OTHER));
    group.goal(("raddle", "1"), &[("std", "1"), ("once_cell", "1")], 1.05);
    group
}

/// Adds a benchmark that makes and fills one cell after the other.
fn add_empty<C: Send + Sync + 'static>(
    group: &mut Group,
    (role, name): Who,
    threads: usize,
    new: impl Fn() -> C + Copy + Send + Sync + 'static,
    fill: impl Fn(&C) -> u64 + Copy + Send + Sync + 'static,
) {
    group.add(role, name, Shape::all(threads), move || -> Op {
        if threads == 1 {
            return Box::new(move |_, iters| fills(iters, new, fill));
        }
        let race = Race::new(new);
        Box::new(move |thread, iters| race.run(thread, iters, new, fill))
    });
}

#[inline(never)]
fn fills<C>(iters: u64, new: impl Fn() -> C, fill: impl Fn(&C) -> u64) {
    for _ in 0..iters {
        black_box(fill(black_box(&new())));
    }
}

/// A row of cells that two threads walk along, from end to end and again. Between two walks, each makes every other
/// cell new, so that half of the row is in the one's cache and half in the other's, and neither runs ahead.
struct Race<C> {
    halves: [RwLock<Vec<CachePadded<C>>>; 2],
    line: Line,
}

impl<C> Race<C> {
    /// So many cells that meeting twice in a walk costs little, and so few that they stay in the first-level cache.
    const HALF: usize = 128;

    fn new(new: impl Fn() -> C) -> Self {
        let half = || RwLock::new((0..Self::HALF).map(|_| CachePadded::new(new())).collect());
        Self { halves: [half(), half()], line: Line::new(2) }
    }

    #[inline(never)]
    fn run(&self, thread: usize, iters: u64, new: impl Fn() -> C, fill: impl Fn(&C) -> u64) {
        let mut left = usize::try_from(iters).expect("it fits the address space");
        while left > 0 {
            for cell in &mut *self.halves[thread].write().expect("no thread panics") {
                **cell = new();
            }
            self.line.wait();
            let [even, odd] = &self.halves;
            let halves = [even, odd].map(|half| half.read().expect("no thread panics"));
            let cells = left.min(2 * Self::HALF);
            for i in 0..cells {
                black_box(fill(black_box(&halves[i % 2][i / 2])));
            }
            left -= cells;
            drop(halves);
            self.line.wait();
        }
    }
}

/// `once/init`: an empty cell is filled, by the only thread or by one of two.
fn init() -> Group {
    const PEERS: &[&str] = &["std", "once_cell", "parking_lot"];

    let mut group = Group::new("once/init", PEERS);
    for threads in [1, 2] {
        let add = &mut group;
        add_empty(add, (Role::Ours, "raddle"), threads, OnceCell::new, |cell| *cell.get_or_init(|| 7));
        add_empty(add, (Role::Peer, "std"), threads, OnceLock::new, |cell| *cell.get_or_init(|| 7));
        add_empty(add, (Role::Peer, "once_cell"), threads, once_cell::sync::OnceCell::new, |cell| {
            *cell.get_or_init(|| 7)
        });
        add_empty(add, (Role::Peer, "parking_lot"), threads, ParkingLot::default, |cell| {
            cell.once.call_once(|| cell.value.store(7, Relaxed));
            cell.value.load(Relaxed)
        });
        let threads = threads.to_string();
        let peers: Vec<_> = PEERS.iter().map(|peer| (*peer, threads.as_str())).collect();
        group.goal(("raddle", &threads), &peers, 1.05);
    }
    add_empty(&mut group, (Role::Limit, "cas"), 2, AtomicU64::default, |cell| match cell.load(Acquire) {
        0 => cell.compare_exchange(0, 7, AcqRel, Acquire).map_or_else(|there| there, |_| 7),
        there => there,
    });
    group
}

/// A `Once` and the value that it is for.
#[derive(Default)]
struct ParkingLot {
    once: parking_lot::Once,
    value: AtomicU64,
}
