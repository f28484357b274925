//! The processor's own clock where it has one that costs little to read, a third of `Instant::now`: as it is asked in a
//! loop of nothing else but a lock, that is the difference between measuring the lock and measuring the clock.

use std::time::{Duration, Instant};

/// Counts from any time on, in any unit: only differences on one [`Scale`] mean something.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
pub(crate) fn ticks() -> u64 {
    // SAFETY: every x86-64 processor has it.
    unsafe { std::arch::x86_64::_rdtsc() }
}

#[cfg(not(target_arch = "x86_64"))]
#[inline(always)]
pub(crate) fn ticks() -> u64 {
    use std::sync::OnceLock;
    static START: OnceLock<Instant> = OnceLock::new();
    START.get_or_init(Instant::now).elapsed().as_nanos() as u64
}

/// What a tick lasts, told by a while in which both clocks went on.
pub(crate) struct Scale {
    instant: Instant,
    ticks: u64,
}

impl Scale {
    pub(crate) fn new() -> Self {
        Self { instant: Instant::now(), ticks: ticks() }
    }

    /// What so many ticks last, as far as the time since `new` tells.
    pub(crate) fn time(&self, of: u64) -> Duration {
        let (time, ticks) = (self.instant.elapsed(), ticks().saturating_sub(self.ticks));
        time.mul_f64(of as f64 / ticks.max(1) as f64)
    }
}
