//! A short wait before a sleep.

use std::hint::spin_loop;
use std::thread::yield_now;

/// How long a thread stays awake before it sleeps, and how.
///
/// First it pauses, for a holder that runs on another core. Then, where it is patient, it yields its core: with more threads
/// than cores the holder may be one that waits for a core. A sleep and a wake-up cost some microseconds each, a yield hardly
/// any, and whoever yields is back before many others have slept and woken.
///
/// Altogether that may take as long as a sleep and a wake-up, some 5 to 10 microseconds: whoever stays awake for as long as the
/// sleep would cost loses at most as much again.
///
/// Found by trying, on two cores of an AMD EPYC, with `cargo bench --bench contended -- --explore`, 2026-11-27; throughput as a part
/// of the best of `parking_lot` 0.13, 0.12 and `std` at 2, 4 and 16 threads, medians of 2 or 3 short runs:
///
/// | rounds of pauses, yields | mutex, empty | mutex, 3 µs | mutex, 30 µs | two of two locks |
/// | --- | --- | --- | --- | --- |
/// | 3, 7 | 0.81, 0.97, 0.86 | 0.84, 0.78, 0.95 | 0.93, 0.83, 0.83 | 0.40, 0.58, 0.57 |
/// | 3, 20 | 0.83, 1.0, 1.0 | 0.98, 0.95, 0.98 | 0.96, 0.86, 0.98 | 0.44, 0.57, 0.56 |
/// | 2, 7 | 1.2, 1.3, 1.2 | 0.88, 0.79, 0.94 | 0.90, 0.89, 0.84 | 0.58, 0.64, 0.64 |
/// | 2, 20 | 1.3, 1.3, 1.3 | 1.0, 0.96, 0.98 | 1.0, 0.86, 0.99 | 0.52, 0.60, 0.65 |
/// | 1, 20 | 1.4, 1.3, 1.3 | 0.96, 0.92, 0.97 | 0.90, 0.87, 0.99 | 0.62, 0.68, 0.69 |
///
/// Pauses are looks at the lock's cache line, which whoever holds it then has to fetch back: few are better. With one round,
/// two of eight locks did 0.43 to 0.9 at 16 threads, with two rounds 0.7 to 0.9.
pub(crate) struct Spin {
    rounds: u32,
}

/// Rounds of one pause, two pauses, four, and so on.
const PAUSES: u32 = 2;

/// Yields after them, where patience pays.
///
/// Miri lets another thread run for each, so there they would only put the sleep off.
const YIELDS: u32 = if cfg!(miri) { 0 } else { 20 };

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
