//! A short wait before a sleep.

use std::hint::spin_loop;

/// How long a thread stays awake before it sleeps, whatever its limit.
///
/// Three pauses where it is not patient, in which a holder on another core may let go. More was tried on five philosophers and two cores: yielding as
/// well makes the longest wait longer with every yield, from 12 ms without to 28 ms with two and 56 ms with seven (sections of
/// 0.3 microseconds), since whoever yields goes behind all others; a hundred pauses cost a third of the throughput. With a
/// core for each thread more would gain: two threads on such sections did 1.6 million rounds a second so, and 2.0 with seven
/// yields.
pub(crate) struct Spin {
    rounds: u8,
}

/// Rounds of one pause, two pauses, and so on.
const ROUNDS: u8 = 2;
/// Where patience pays, with up to 32 pauses in each. The threads that share a lock to read disturb one another, so longer
/// rounds were better than more.
///
/// Miri lets another thread run for each pause, so there it would only put the sleep off.
const PATIENT: u8 = if cfg!(miri) { ROUNDS } else { 16 };
const LONGEST: u8 = 5;

impl Spin {
    pub(crate) const fn new() -> Self {
        Self { rounds: 0 }
    }

    /// To be called when the thread has slept.
    pub(crate) const fn reset(&mut self) {
        self.rounds = 0;
    }

    /// Waits for a moment; false, at once, if it is time to sleep.
    pub(crate) fn spin(&mut self, patient: bool) -> bool {
        if self.rounds >= if patient { PATIENT } else { ROUNDS } {
            return false;
        }
        (0..1 << self.rounds.min(LONGEST)).for_each(|_| spin_loop());
        self.rounds += 1;
        true
    }
}
