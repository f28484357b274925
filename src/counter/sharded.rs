//! A word per thread.

use std::fmt;
use std::ptr;

use crossbeam_utils::CachePadded;

use super::index::{self, Index, SEGMENTS, Slot};
use crate::sync::{
    AtomicPtr, AtomicU64, Ordering::Relaxed, array, cleanup, const_fn, covered, in_register, ord, owned_load, step,
};
use crate::wait::RawMutex;

/// Counts in a word per thread, for many threads that count and few that read.
///
/// Each thread adds to a slot of its own, by an ordinary load and store: no locked instruction, and no cache line that
/// moves between cores. Reading sums the slots.
///
/// A thread's number says which slot is its own. The slots are in segments that double in size; a segment is allocated
/// when a thread with a number in it first counts here. The numbers are process-wide, and reused when a thread has
/// ended; what it counted stays. Threads beyond the 2,047th at a time, and threads that count in the destructors of
/// their thread-locals, share one more word. So no count is lost.
///
/// # What a sum is
/// * Exact if every change happens-before it: the threads were joined, or a [`WaitGroup`](crate::WaitGroup) was waited
///   for.
/// * Otherwise, slot by slot, between what had happened before the call and what had happened by its end. It is no
///   snapshot: of two changes by different threads it may contain the later and not the earlier.
/// * Modulo 2^64, as an `i64`: it may be negative for a moment, or for good if more is subtracted than added.
///
/// # Memory ordering
/// Counting is relaxed, and neither a sum nor a take orders other memory.
///
/// # `ShardedCounter` or `Counter`
/// A [`Counter`](crate::Counter) if a change depends on the value, if it is read often, or if there are many counters
/// that few threads use: it takes 8 bytes, this one some hundreds and a cache line or two for each thread.
///
/// # Allocators and signal handlers
/// For neither. If a handler interrupts its thread in an `add` and adds, too, one of the two is lost. An allocator that
/// counts with it is re-entered, as a thread's first `add` allocates; use a [`Counter`](crate::Counter) there.
///
/// # Examples
///
/// ```
/// use raddle::ShardedCounter;
///
/// static HITS: ShardedCounter = ShardedCounter::new();
///
/// std::thread::scope(|threads| {
///     for _ in 0..4 {
///         threads.spawn(|| (0..1000).for_each(|_| HITS.inc()));
///     }
/// });
/// assert_eq!(HITS.sum(), 4000);
/// ```
pub struct ShardedCounter {
    /// Segment `k` has `2^k` slots. Invariants: null until it is made, then never changed; a slot is stored to only by
    /// the thread that has its index.
    segments: [AtomicPtr<Slot>; SEGMENTS],
    shared: CachePadded<AtomicU64>,
    /// What `take` has taken.
    taken: AtomicU64,
    taking: RawMutex,
}

impl ShardedCounter {
    const_fn! {
        /// Creates a counter at 0. It allocates nothing until it is used.
        pub const fn new() -> Self {
            Self {
                segments: array![AtomicPtr::new(ptr::null_mut()); SEGMENTS],
                shared: CachePadded::new(AtomicU64::new(0)),
                taken: AtomicU64::new(0),
                taking: RawMutex::new(),
            }
        }
    }

    /// Adds one.
    #[inline]
    pub fn inc(&self) {
        self.add(1);
    }

    /// Subtracts one.
    #[inline]
    pub fn dec(&self) {
        self.sub(1);
    }

    /// Subtracts `n`.
    #[inline]
    pub fn sub(&self, n: u64) {
        self.add(n.wrapping_neg());
    }

    /// Adds `n`.
    #[inline]
    pub fn add(&self, n: u64) {
        let index = index::current();
        match self.slot(index) {
            // SAFETY: it is the calling thread's.
            Some(slot) => unsafe { add_own(slot, n) },
            None => self.add_slow(index, n),
        }
    }

    /// The thread's first time in this process or in this segment, or a thread without a slot.
    #[cold]
    fn add_slow(&self, index: Index, n: u64) {
        let index = index::first(index);
        if index.segment() < SEGMENTS {
            self.make(index.segment());
        }
        match self.slot(index) {
            // SAFETY: it is the calling thread's.
            Some(slot) => unsafe { add_own(slot, n) },
            None => {
                covered!("sharded.shared");
                self.shared.fetch_add(n, Relaxed);
            }
        }
    }

    /// The slot at `index`, if there is one and its segment is made.
    #[inline]
    fn slot(&self, index: Index) -> Option<&Slot> {
        let segment = self.segments.get(index.segment())?;
        // Acquire: pairs with the Release in `make`; the slots are made before the segment is.
        let segment = segment.load(ord!("sharded.slot", Acquire));
        // SAFETY: this is where the index's segment begins, which has `2^segment` slots and lives as long as `self`.
        (!segment.is_null()).then(|| unsafe { &*in_register(index.slot(segment)) })
    }

    /// Makes a segment, unless another thread is first.
    fn make(&self, segment: usize) {
        let slots: Box<[Slot]> = (0..1 << segment).map(|_| CachePadded::new(AtomicU64::new(0))).collect();
        let slots = Box::into_raw(slots);
        // Release: pairs with the Acquire in `slot` and `slots`. Relaxed on failure: `slot` looks again.
        let made = self.segments[segment].compare_exchange(
            ptr::null_mut(),
            slots.cast(),
            ord!("sharded.make", Release),
            Relaxed,
        );
        if made.is_err() {
            covered!("sharded.made-twice");
            // SAFETY: it was made above, and nobody else has seen it.
            drop(unsafe { Box::from_raw(slots) });
        }
    }

    /// All slots that are made.
    fn slots(&self) -> impl Iterator<Item = &Slot> {
        self.segments.iter().enumerate().flat_map(|(at, segment)| {
            // Acquire: pairs with the Release in `make`.
            let segment = segment.load(ord!("sharded.sum", Acquire));
            let len = if segment.is_null() { 0 } else { 1 << at };
            // SAFETY: as in `slot`; `place` is below the segment's length.
            (0..len).map(move |place| unsafe { &*segment.add(place) })
        })
    }

    /// All that was ever added, modulo 2^64.
    fn total(&self) -> u64 {
        let own = self.slots().map(|slot| slot.load(Relaxed));
        own.fold(self.shared.load(Relaxed), u64::wrapping_add)
    }

    /// Returns what was added less what was subtracted, and less what was [taken](ShardedCounter::take).
    pub fn sum(&self) -> i64 {
        // Acquire: pairs with the Release in `take`. First, so that the slots are no older than what a taker saw in them, and a
        // sum is below zero only where something was subtracted.
        let taken = self.taken.load(ord!("sharded.sum-taken", Acquire));
        self.total().wrapping_sub(taken) as i64
    }

    /// Returns the sum and takes it out: later sums and takes do not contain it.
    ///
    /// Each change is in the result of exactly one `take`, or in the sum after the last. No slot is written, so the
    /// counting threads do not notice. Threads that call `take` at the same time block each other.
    ///
    /// # Examples
    ///
    /// ```
    /// let hits = raddle::ShardedCounter::new();
    /// hits.add(3);
    /// assert_eq!((hits.take(), hits.take()), (3, 0)); // each hit is reported once
    /// ```
    pub fn take(&self) -> i64 {
        let _held = step!("sharded.take-lock").then(|| self.taking.hold());
        let total = self.total();
        // Relaxed: only takers store, under the lock.
        let before = self.taken.load(Relaxed);
        // Release: pairs with the Acquire in `sum`.
        self.taken.store(total, ord!("sharded.take-publish", Release));
        total.wrapping_sub(before) as i64
    }
}

/// Adds to a slot without a read-modify-write.
///
/// # Safety
/// The slot is at the calling thread's own index.
#[inline]
unsafe fn add_own(slot: &Slot, n: u64) {
    // SAFETY: only the thread that has the index stores to the slot, and what earlier ones stored happens-before its
    // lease (`index`'s invariants 1 and 2).
    let value = unsafe { owned_load(slot) };
    // Relaxed: a sum promises no order.
    slot.store(value.wrapping_add(n), Relaxed);
}

impl Drop for ShardedCounter {
    fn drop(&mut self) {
        cleanup(|| {
            for (at, segment) in self.segments.iter().enumerate() {
                // Relaxed: `&mut self` comes after every use.
                let segment = segment.load(Relaxed);
                if !segment.is_null() {
                    // SAFETY: `make` made it with this length, and this is its end.
                    drop(unsafe { Box::from_raw(ptr::slice_from_raw_parts_mut(segment, 1 << at)) });
                }
            }
        });
    }
}

impl Default for ShardedCounter {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for ShardedCounter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ShardedCounter").field(&self.sum()).finish()
    }
}
