//! The counters that are compared. Every `inc` and `read` is inlined into its loop, or the compiler's guess of what is
//! too long to inline would be part of the comparison.

use std::cell::Cell;
use std::hint::black_box;
use std::sync::atomic::{AtomicU64, Ordering};

use crossbeam_utils::CachePadded;
use raddle::{Counter, ShardedCounter};

use crate::support::Role;

pub(crate) const MOST_THREADS: usize = 8;

/// A counter under measurement.
pub(crate) trait Count: Send + Sync + 'static {
    const NAME: &'static str;
    const ROLE: Role = Role::Peer;

    fn new() -> Self;
    /// One more; `thread` numbers the calling thread, for those who keep a slot per thread but do not assign it.
    fn inc(&self, thread: usize);
    fn read(&self) -> u64;
}

impl Count for Counter {
    const NAME: &'static str = "counter";
    const ROLE: Role = Role::Ours;

    fn new() -> Self {
        Self::new(0)
    }

    #[inline(always)]
    fn inc(&self, _thread: usize) {
        self.inc();
    }

    #[inline(always)]
    fn read(&self) -> u64 {
        self.get()
    }
}

impl Count for ShardedCounter {
    const NAME: &'static str = "sharded";
    const ROLE: Role = Role::Ours;

    fn new() -> Self {
        Self::new()
    }

    #[inline(always)]
    fn inc(&self, _thread: usize) {
        self.inc();
    }

    #[inline(always)]
    fn read(&self) -> u64 {
        self.sum().cast_unsigned()
    }
}

impl Count for AtomicU64 {
    const NAME: &'static str = "atomic";

    fn new() -> Self {
        Self::new(0)
    }

    #[inline(always)]
    fn inc(&self, _thread: usize) {
        self.fetch_add(1, Ordering::Relaxed);
    }

    #[inline(always)]
    fn read(&self) -> u64 {
        self.load(Ordering::Relaxed)
    }
}

/// An atomic per thread. The thread's number is at hand, where a real one would first look it up: the best case.
pub(crate) struct Shards([CachePadded<AtomicU64>; MOST_THREADS]);

impl Count for Shards {
    const NAME: &'static str = "shards";

    fn new() -> Self {
        Self(Default::default())
    }

    #[inline(always)]
    fn inc(&self, thread: usize) {
        self.0[thread % MOST_THREADS].fetch_add(1, Ordering::Relaxed);
    }

    #[inline(always)]
    fn read(&self) -> u64 {
        self.0.iter().map(|shard| shard.load(Ordering::Relaxed)).sum()
    }
}

impl Count for std::sync::Mutex<u64> {
    const NAME: &'static str = "std";

    fn new() -> Self {
        Self::new(0)
    }

    #[inline(always)]
    fn inc(&self, _thread: usize) {
        *self.lock().expect("no holder panics") += 1;
    }

    #[inline(always)]
    fn read(&self) -> u64 {
        *self.lock().expect("no holder panics")
    }
}

impl Count for parking_lot::Mutex<u64> {
    const NAME: &'static str = "parking_lot";

    fn new() -> Self {
        Self::new(0)
    }

    #[inline(always)]
    fn inc(&self, _thread: usize) {
        *self.lock() += 1;
    }

    #[inline(always)]
    fn read(&self) -> u64 {
        *self.lock()
    }
}

/// A plain increment of a thread-local. Nobody else can read it, so it is no peer but the machine's limit; beside a
/// reader (of the reader's own cell) it shows what a busy neighbour alone costs.
///
/// Some processors hand a store to the next load at no cost if the address is a bare register, as here, but not if it
/// is indexed (Intel Xeon, model 207: 0.8 against 2.3 ns), so a slot in an array meets this limit only with care.
pub(crate) struct Plain;

thread_local! {
    static HITS: Cell<u64> = const { Cell::new(0) };
}

impl Count for Plain {
    const NAME: &'static str = "plain";
    const ROLE: Role = Role::Limit;

    fn new() -> Self {
        Self
    }

    #[inline(always)]
    fn inc(&self, _thread: usize) {
        HITS.with(|hits| {
            let hits = black_box(hits);
            hits.set(hits.get().wrapping_add(1));
        });
    }

    #[inline(always)]
    fn read(&self) -> u64 {
        HITS.with(|hits| black_box(hits).get())
    }
}
