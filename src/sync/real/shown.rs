//! Words that one thread writes and others may read.

use super::{AtomicU64, Ordering};

/// Words of which the owner stores each with Release, so that who loads one sees all that was stored before.
pub(crate) struct Shown<const N: usize>([AtomicU64; N]);

impl<const N: usize> Shown<N> {
    /// All are zero but the first.
    pub(crate) const fn new(first: u64) -> Self {
        let mut words = [const { AtomicU64::new(0) }; N];
        words[0] = AtomicU64::new(first);
        Self(words)
    }

    /// For the owner.
    #[inline(always)]
    pub(crate) fn get(&self, at: usize) -> u64 {
        // Relaxed: no other thread stores.
        self.0[at].load(Ordering::Relaxed)
    }

    /// For the owner.
    #[inline(always)]
    pub(crate) fn set(&self, at: usize, word: u64) {
        // Release: pairs with the Acquire in `read`.
        self.0[at].store(word, Ordering::Release);
    }

    /// For any thread.
    pub(crate) fn read(&self, at: usize) -> u64 {
        // Acquire: pairs with the Release in `set`.
        self.0[at].load(Ordering::Acquire)
    }
}
