//! How long a thread waits at most, told so that the telling hardly counts.
//!
//! * Where a section takes 0.3 µs or more, each acquisition is timed, from before it to when the lock is held
//!   ([`Watch::begin`], [`Watch::acquired`]); the second look at the clock is a part of the section.
//! * Where sections are shorter, the clock is read behind a section only if another thread was in since this thread's last
//!   one (the protected data tell), and behind every 64th. A wait is then the time between two such looks. None is
//!   missed; each may be too long by up to 63 sections that nobody came into, which is a microsecond or two.
//!
//! Either way, what a thread is switched out while it asks counts as waiting: whoever asks waits.

use std::time::Duration;

use crate::clock::{Scale, ticks};

/// Without others a thread looks at the clock each so many sections.
const SELDOM: u32 = 64;

/// Sections as long as that have each acquisition timed.
const LONG: Duration = Duration::from_nanos(300);

pub(crate) struct Watch {
    each: bool,
    scale: Scale,
    last: u64,
    /// Sections since.
    since: u32,
    longest: u64,
}

impl Watch {
    pub(crate) fn new(section: Duration) -> Self {
        Self { each: section >= LONG, scale: Scale::new(), last: ticks(), since: 0, longest: 0 }
    }

    /// Times each acquisition, whatever the section: where they are rare.
    pub(crate) fn of_each() -> Self {
        Self::new(LONG)
    }

    /// Before the lock is asked for.
    #[inline(always)]
    pub(crate) fn begin(&mut self) {
        if self.each {
            self.last = ticks();
        }
    }

    /// The lock is held.
    #[inline(always)]
    pub(crate) fn acquired(&mut self) {
        if self.each {
            self.look();
        }
    }

    /// The lock was let go of. `others`: somebody else had it since the last time.
    #[inline(always)]
    pub(crate) fn done(&mut self, others: bool) {
        self.since += 1;
        if !self.each && (others || self.since >= SELDOM) {
            self.look();
        }
    }

    /// Something else comes: what was until now is told, and the time until `resume` is not waited for this.
    #[inline(always)]
    pub(crate) fn pause(&mut self) {
        if !self.each {
            self.look();
        }
    }

    #[inline(always)]
    pub(crate) fn resume(&mut self) {
        if !self.each {
            self.last = ticks();
        }
    }

    #[inline(always)]
    fn look(&mut self) {
        let now = ticks();
        // Cores may differ by a little.
        self.longest = self.longest.max(now.saturating_sub(self.last));
        self.last = now;
        self.since = 0;
    }

    pub(crate) fn longest(&self) -> Duration {
        self.scale.time(self.longest)
    }
}
