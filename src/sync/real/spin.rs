//! A short wait before a sleep.

use std::hint::spin_loop;
use std::thread::yield_now;

/// How long a thread stays awake before it sleeps, and how.
///
/// First it pauses, for a holder that runs on another core. Then, where it is patient, it yields its core: with more threads
/// than cores the holder may be one that waits for a core. A sleep and a wake-up cost some microseconds each, a yield hardly
/// any, and whoever yields is back before many others have slept and woken.
///
/// Found by trying, on two cores of an AMD EPYC, with `cargo bench --bench contended -- --explore one`, 2026-11-27. With empty
/// sections and 4, 16 and 64 threads two rounds of pauses alone did 0.25, 0.16 and 0.19 of the throughput of `parking_lot` 0.13, with
/// sections of 3 microseconds and 16 or 64 threads 0.6 of `std`'s. Three rounds and three yields, only while nobody slept, did 0.90,
/// 0.56 and 0.71, and 0.6. Three rounds and seven yields, past threads that sleep, did 0.89, 0.57 and 0.65, and 0.95. Five rounds and
/// two yields, past sleepers, did 0.59, 0.72 and 0.45, and 0.89.
pub(crate) struct Spin {
    rounds: u32,
}

/// Rounds of one pause, two pauses, four, and so on.
const PAUSES: u32 = 3;

/// Yields after them, where patience pays.
///
/// Miri lets another thread run for each, so there they would only put the sleep off.
const YIELDS: u32 = if cfg!(miri) { 0 } else { 7 };

impl Spin {
    pub(crate) const fn new() -> Self {
        Self { rounds: 0 }
    }

    /// To be called when the thread has slept.
    pub(crate) const fn reset(&mut self) {
        self.rounds = 0;
    }

    /// Waits for a moment; false, at once, if it is time to sleep. Also if `over` says so, which it is asked before each wait
    /// that may be long.
    pub(crate) fn spin(&mut self, patient: bool, over: impl FnOnce() -> bool) -> bool {
        if self.rounds < PAUSES {
            (0..1 << self.rounds).for_each(|_| spin_loop());
        } else if patient && self.rounds < PAUSES + YIELDS && !over() {
            yield_now();
        } else {
            return false;
        }
        self.rounds += 1;
        true
    }
}
