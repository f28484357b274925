//! Two things in one order or the other, without a branch.
//!
//! Which lock of a pair is the lower one may be anything in each call, so a branch on it would be mispredicted half of the time, which
//! takes as long as the locks themselves. The compiler makes a comparison that selects something into a branch where it sees a
//! loop; so what selects here is a mask of which, on x86-64, it knows nothing. Elsewhere the choice is the compiler's.

use std::ptr;

use super::LockId;
use super::raw::Raw;
use crate::sync::opaque;

/// All bits, if two things are to be swapped, or none.
#[derive(Clone, Copy)]
pub(super) struct Swap(usize);

impl Swap {
    pub(super) const NONE: Self = Self(0);

    #[inline(always)]
    pub(super) fn when(swapped: bool) -> Self {
        Self(opaque(usize::from(swapped).wrapping_neg()))
    }

    #[inline(always)]
    pub(super) fn ids(self, one: LockId, other: LockId) -> [LockId; 2] {
        // Signed, so that all bits stay all bits where a word has 32.
        let mask = self.0 as isize as i64 as u64;
        let [one, other] = [one, other].map(LockId::words);
        let changed = [(one[0] ^ other[0]) & mask, (one[1] ^ other[1]) & mask];
        [one, other].map(|words| LockId::of_words([words[0] ^ changed[0], words[1] ^ changed[1]]))
    }

    /// Only where both are mutexes there is no branch.
    #[inline(always)]
    pub(super) fn locks<'r>(self, one: Raw<'r>, other: Raw<'r>) -> [Raw<'r>; 2] {
        let (Raw::Mutex(a), Raw::Mutex(b)) = (one, other) else {
            return if self.0 == 0 { [one, other] } else { [other, one] };
        };
        let [a, b] = [a, b].map(|lock| ptr::from_ref(lock).expose_provenance());
        let changed = (a ^ b) & self.0;
        // SAFETY: the mask is all bits or none (`Swap`), so these are the addresses of `a` and `b`, which were exposed and are borrowed
        // for 'r.
        [a, b].map(|at| Raw::Mutex(unsafe { &*ptr::with_exposed_provenance(at ^ changed) }))
    }
}
