//! A short wait before a sleep.

use std::hint::spin_loop;
use std::thread::yield_now;

/// How long a thread stays awake before it sleeps, and how.
///
/// First it pauses, for a holder that runs on another core and is about to be done. Then, where it is patient, it yields its core: with
/// more threads than cores the holder may be one that waits for a core. A sleep and a wake-up cost some microseconds each, a yield
/// hardly any, and whoever yields is back before many others have slept and woken. Where nobody else wants the core, 20 yields take
/// 9.8 microseconds and a wake-up 10 (`cancel/wake`, `condvar`; Linux 6.18): whoever stays awake for as long as a sleep costs loses at
/// most as much again.
///
/// It has a price besides: a thread that has yielded and then slept goes on some 8 microseconds later when it is woken (`cancel/wake`,
/// `raddle-lock`: 18 microseconds, with seven yields as well, against 8 without any).
///
/// Each look at the lock takes its cache line away from the holder, who has to fetch it back. So there is one look after all pauses.
///
/// Found by trying, on two cores of an AMD EPYC, with `cargo bench --bench contended -- --explore`, 2026-11-27; throughput as a part
/// of the best of `parking_lot` 0.13, 0.12 and `std` at 2 and 16 threads, the lower of two medians of three short runs (the first row
/// is from a full report and one such run):
///
/// | pauses before each look | yields | mutex, empty | 0.3 µs, and as much outside | mutex, 3 µs | two of two locks |
/// | --- | ---: | --- | --- | --- | --- |
/// | 1, 2, 4 | 7 | 0.81, 0.86 | | 0.84, 0.95 | 0.40, 0.57 |
/// | 1, 2 | 20 | 1.1, 1.1 | 0.70, 0.72 | 0.75, 0.91 | 0.51, 0.62 |
/// | 1, 2, 4, 8 | 20 | 0.86, 0.83 | 0.95, 0.98 | 0.75, 0.94 | 0.26, 0.40 |
/// | 8, 16 | 20 | 1.8, 1.4 | 0.74, 0.85 | 0.89, 0.97 | 0.58, 0.62 |
/// | 8 | 20 | 1.2, 1.2 | 0.78, 0.85 | 0.79, 0.96 | 0.46, 0.61 |
/// | 16 | 20 | 1.5, 1.2 | 0.87, 0.91 | 0.91, 0.93 | 0.42, 0.63 |
pub(crate) struct Spin {
    /// How often the thread has waited.
    rounds: u32,
}

/// So many, before the first look.
const PAUSES: u32 = 8;

/// How often a thread looks that only pauses.
const LOOKS: u32 = if cfg!(miri) { 0 } else { 20 };

/// Yields after them, where patience pays, with a look after each.
///
/// Miri lets another thread run for each, so there they would only put the sleep off.
const YIELDS: u32 = if cfg!(miri) { 0 } else { 20 };

impl Spin {
    pub(crate) const fn new() -> Self {
        Self { rounds: 0 }
    }

    /// Waits for a moment as long as something is so; without a yield, so that a thread that sleeps long then goes on soon when it is
    /// woken. 20 looks with their pauses take some 8 microseconds on an AMD EPYC, less than a sleep and a wake-up.
    ///
    /// On one core it is in vain. That cannot be asked cheaply: `available_parallelism` tells where the calling thread may run, not those that it
    /// waits for.
    pub(crate) fn pause_while(is_so: impl Fn() -> bool) {
        for _ in 0..LOOKS {
            if !is_so() {
                return;
            }
            (0..PAUSES).for_each(|_| spin_loop());
        }
    }

    /// To be called when the thread has slept.
    pub(crate) const fn reset(&mut self) {
        self.rounds = 0;
    }

    /// Waits for a moment; false, at once, if it is time to sleep. Also if `over` says so, which it is asked before each wait
    /// that may be long.
    pub(crate) fn spin(&mut self, patient: bool, over: impl FnOnce() -> bool) -> bool {
        if self.rounds == 0 {
            (0..PAUSES).for_each(|_| spin_loop());
        } else if patient && self.rounds <= YIELDS && !over() {
            yield_now();
        } else {
            return false;
        }
        self.rounds += 1;
        true
    }
}
