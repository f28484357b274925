//! Where threads wait for each other, and go on at once.

use std::hint::spin_loop;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

/// A line that `threads` threads spin at until all of them are there, again and again. A barrier would wake them one
/// after the other, tens of microseconds apart; from here they start within one.
pub(crate) struct Line {
    threads: usize,
    /// Arrivals over all meetings.
    arrived: AtomicUsize,
}

impl Line {
    pub(crate) fn new(threads: usize) -> Self {
        Self { threads, arrived: AtomicUsize::new(0) }
    }

    pub(crate) fn wait(&self) {
        // Release here and Acquire below: what each thread did before the line happens-before what any does after it.
        let ticket = self.arrived.fetch_add(1, Ordering::Release);
        let all = (ticket / self.threads + 1) * self.threads;
        let mut spins = 0_u32;
        while self.arrived.load(Ordering::Acquire) < all {
            spin_loop();
            spins += 1;
            if spins.is_multiple_of(10_000) {
                // Perhaps whoever is to wake a missing thread wants this core.
                thread::yield_now();
            }
        }
    }
}
