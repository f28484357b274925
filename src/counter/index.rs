//! A number for each thread, small and reused when the thread has ended.
//!
//! The number says which slot of every sharded counter is the thread's own. Invariants:
//! 1. A number is leased to at most one thread at a time.
//! 2. What a thread did before its lease ended happens-before what the next holder does: the end of a lease is a Release
//!    on the number's word, its beginning an Acquire on the same word.
//! 3. A thread whose lease has ended never takes another; it is [`SHARED`] from then on.

use std::cell::Cell;

use crossbeam_utils::CachePadded;

use crate::sync::{AtomicU64, Global, Ordering::Relaxed, array, cleanup, const_fn, covered, global, local, ord};

/// How many segments of slots a counter has; segment `k` has `2^k`.
pub(super) const SEGMENTS: usize = if cfg!(all(loom, any(test, feature = "loom"))) { 2 } else { 11 };

/// How many numbers there are.
pub(crate) const NUMBERS: usize = (1 << SEGMENTS) - 1;

pub(super) type Slot = CachePadded<AtomicU64>;

/// Where a thread's slot is: in which segment, and how many bytes from its beginning. [`SEGMENTS`] if the thread has none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Index {
    segment: usize,
    offset: usize,
}

impl Index {
    fn of(number: usize) -> Self {
        let segment = (number + 1).ilog2() as usize;
        Index { segment, offset: (number + 1 - (1 << segment)) * size_of::<Slot>() }
    }

    /// At most [`SEGMENTS`].
    #[inline]
    pub(super) fn segment(self) -> usize {
        self.segment
    }

    /// The slot in its segment, which begins there.
    ///
    /// # Safety
    /// `segment` points to the `2^k` slots of segment `k`, which is this index's.
    #[inline]
    pub(super) unsafe fn slot(self, segment: *mut Slot) -> *mut Slot {
        // SAFETY: an index that has a segment is one of `of`'s, whose offset is that of a slot there.
        unsafe { segment.byte_add(self.offset) }
    }
}

/// The thread has not asked for a number yet.
const UNKNOWN: Index = Index { segment: SEGMENTS, offset: 0 };

/// The thread has no number of its own, and counts where all such threads do.
pub(super) const SHARED: Index = Index { segment: SEGMENTS, offset: 1 };

/// Which numbers are leased: a bit each.
struct Registry([AtomicU64; NUMBERS.div_ceil(64)]);

impl Registry {
    const_fn! {
        const fn new() -> Self {
            Self(array![AtomicU64::new(0); NUMBERS.div_ceil(64)])
        }
    }

    /// Leases the lowest free number.
    fn lease(&self) -> Option<usize> {
        for (at, word) in self.0.iter().enumerate() {
            loop {
                // Relaxed: the fetch_or decides.
                let free = (!word.load(Relaxed)).trailing_zeros() as usize;
                let number = at * 64 + free;
                if free == 64 || number >= NUMBERS {
                    break;
                }
                // Acquire: pairs with the Release in `end`; the last holder's stores to its slots are visible.
                if word.fetch_or(1 << free, ord!("index.lease", Acquire)) & (1 << free) == 0 {
                    return Some(number);
                }
            }
        }
        None
    }

    fn end(&self, number: usize) {
        // Release: pairs with the Acquire in `lease`.
        self.0[number / 64].fetch_and(!(1 << (number % 64)), ord!("index.end", Release));
    }
}

global! {
    fn registry() -> Registry = Registry::new()
}

local! {
    static INDEX: Cell<Index> = Cell::new(UNKNOWN)
}

local! {
    /// Ends the thread's lease with the thread. Apart from `INDEX`, so that looking at that needs no check whether the
    /// destructor has run.
    static LEASE: Lease = Lease(Cell::new(None))
}

struct Lease(Cell<Option<(Global<Registry>, usize)>>);

impl Drop for Lease {
    fn drop(&mut self) {
        cleanup(|| {
            // First of all, since destructors that run after this one may count too (invariant 3). Where `INDEX` is gone
            // already, `current` knows.
            let _ = INDEX.try_with(|index| index.set(SHARED));
            if let Some((registry, number)) = self.0.take() {
                covered!("index.end");
                registry.end(number);
            }
        });
    }
}

/// The calling thread's index.
#[inline]
pub(super) fn current() -> Index {
    INDEX.try_with(Cell::get).unwrap_or(SHARED)
}

/// The index of a thread that has not asked before.
#[cold]
pub(super) fn first(index: Index) -> Index {
    if index != UNKNOWN {
        return index;
    }
    let index = LEASE
        .try_with(|lease| {
            // There is one already where `INDEX` was initialised again, as the end of a thread may do without native
            // thread-locals.
            let lent = lease.0.take().or_else(|| {
                let registry = registry();
                let number = registry.lease()?;
                Some((registry, number))
            })?;
            let number = lent.1;
            lease.0.set(Some(lent));
            Some(Index::of(number))
        })
        .ok()
        .flatten()
        .unwrap_or(SHARED);
    let _ = INDEX.try_with(|known| known.set(index));
    index
}

/// Leases a number that is never given back, for models.
#[cfg(all(loom, test))]
pub(crate) fn lease_for_ever() -> bool {
    registry().lease().is_some()
}
