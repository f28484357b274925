//! A short wait before a sleep.

use std::hint::spin_loop;
use std::thread::yield_now;

/// How long a thread stays awake before it sleeps: a few pauses, in which a holder on another core may let go, and one
/// turn for another thread on its own.
///
/// Longer was tried. With more threads than cores each further yield made the longest wait longer (five philosophers with
/// sections of 0.3 microseconds on two cores: 19 ms with one, 28 ms with two, 44 to 56 ms with four and seven, 20 ms in `std`,
/// which does not yield), since whoever yields goes behind all others. A hundred pauses instead cost a third of the
/// throughput. With a core for each thread longer ones gain: two threads on such sections did 1.75 million rounds a second
/// so, and 2.0 with seven yields.
pub(crate) struct Spin {
    rounds: u8,
}

/// Rounds of one pause, two pauses, and so on; behind them comes the yield.
const PAUSES: u8 = 2;
/// So many rounds, of up to 16 pauses and without a yield, where patience pays.
const PATIENT: u8 = 14;

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
        match self.rounds {
            rounds if rounds < if patient { PATIENT } else { PAUSES } => {
                (0..1 << rounds.min(4)).for_each(|_| spin_loop());
            }
            PAUSES if !patient => yield_now(),
            _ => return false,
        }
        self.rounds += 1;
        true
    }
}
