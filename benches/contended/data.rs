//! What the locks protect, and the few things that all of these measurements need.

use crate::work::Work;

/// Shares a cache line with its lock.
#[derive(Default)]
pub(crate) struct Data {
    /// So many sections there were: compared, at the end, with what the threads count.
    pub(crate) sections: u64,
    /// Who was in last.
    last: usize,
    word: u64,
}

impl Data {
    /// A section; whether another thread was in since this one's last.
    #[inline(always)]
    pub(crate) fn change(&mut self, me: usize, work: Work) -> bool {
        self.sections += 1;
        self.word = work.on(&self.word);
        std::mem::replace(&mut self.last, me) != me
    }

    /// A section that only reads; the sections that there were.
    #[inline(always)]
    pub(crate) fn read(&self, work: Work) -> u64 {
        std::hint::black_box(work.on(&self.word));
        self.sections
    }
}

/// xorshift, as good as any for picking locks.
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(thread: usize) -> Self {
        Self((thread as u64 + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15))
    }

    #[inline(always)]
    pub(crate) fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        // The upper half of the bits, as a part of one: no division.
        (((self.0 >> 32) * end as u64) >> 32) as usize
    }
}
