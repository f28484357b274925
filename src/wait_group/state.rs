//! The word that a wait-group is.
//!
//! | bits | meaning |
//! | --- | --- |
//! | 0 to 31 | *count*: how many workers there are |
//! | 32 | *parked*: somebody sleeps until the end of this generation, or did when the generation before was just being woken |
//! | 33 | *panicked*: a panic dropped a worker |
//! | 34 to 63 | *generation*: how often the count has become zero, modulo 2^30 |
//!
//! | from | to | by |
//! | --- | --- | --- |
//! | count `n` | count `n + 1` | a new worker |
//! | count `n > 1` | count `n - 1` | a worker that ends |
//! | count 1 | count 0, next generation, not parked | the last worker, which wakes all if it was parked |
//! | count `n > 0` | the same, parked | a thread that is about to sleep |
//! | parked | not parked | the last waiter of the queue to give up |
//!
//! Each is one step. So a waiter whose generation is over knows that the count was zero since it came, whatever the
//! count is now; it needs no wake-up to know it. (A waiter that stands still while the count becomes zero exactly 2^30
//! times, and goes on before the next, waits for one more.)

use std::fmt;

use super::WorkerPanicked;

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct State(pub(super) u64);

impl State {
    pub(super) const ONE: u64 = 1;
    /// More workers than any program has, and far enough below the field's end that no number of threads which each
    /// step over it before they notice could reach that.
    pub(super) const MAX_COUNT: u64 = 1 << 31;
    pub(super) const PARKED: u64 = 1 << 32;
    pub(super) const PANICKED: u64 = 1 << 33;
    const GENERATION: u64 = 1 << 34;

    pub(super) fn count(self) -> u64 {
        self.0 & (Self::PARKED - 1)
    }

    pub(super) fn is_parked(self) -> bool {
        self.0 & Self::PARKED != 0
    }

    pub(super) fn is_panicked(self) -> bool {
        self.0 & Self::PANICKED != 0
    }

    pub(super) fn generation(self) -> u64 {
        self.0 / Self::GENERATION
    }

    /// What a wait that ended in this state has to say.
    pub(super) fn verdict(self) -> Result<(), WorkerPanicked> {
        if self.is_panicked() { Err(WorkerPanicked) } else { Ok(()) }
    }

    /// One worker less.
    pub(super) fn ended(self, panicked: bool) -> State {
        let mut next = self.0 - Self::ONE;
        if panicked {
            next |= Self::PANICKED;
        }
        if self.count() == 1 {
            next = (next & !Self::PARKED).wrapping_add(Self::GENERATION);
        }
        State(next)
    }
}

impl fmt::Debug for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("State")
            .field("count", &self.count())
            .field("parked", &self.is_parked())
            .field("panicked", &self.is_panicked())
            .field("generation", &self.generation())
            .finish()
    }
}
