//! How long a thread waits at most, told so that the telling hardly counts.
//!
//! A look at the clock takes 20 to 30 ns, as long as an empty section. So:
//! * Where a section takes 0.3 µs or more, each acquisition is timed, from before it to when the lock is held
//!   ([`Watch::begin`], [`Watch::acquired`]); the second look is a part of the section.
//! * Where sections are shorter, the clock is read behind a section only if another thread was in since this thread's last
//!   one (the protected data tell), and behind every 64th. A wait is then the time between two such looks. None is
//!   missed; each may be too long by up to 63 sections that nobody came into, which is a microsecond or two.
//!
//! Either way, what a thread is switched out while it asks counts as waiting: whoever asks waits.

use std::time::{Duration, Instant};

/// Without others a thread looks at the clock each so many sections.
const SELDOM: u32 = 64;

/// Sections as long as that have each acquisition timed.
pub(crate) const LONG: Duration = Duration::from_nanos(300);

pub(crate) struct Watch {
    each: bool,
    last: Instant,
    /// Sections since.
    since: u32,
    pub(crate) longest: Duration,
}

impl Watch {
    pub(crate) fn new(section: Duration) -> Self {
        Self { each: section >= LONG, last: Instant::now(), since: 0, longest: Duration::ZERO }
    }

    /// As `new`, whatever the section: for what is rare.
    pub(crate) fn of_each() -> Self {
        Self::new(LONG)
    }

    /// Before the lock is asked for.
    #[inline(always)]
    pub(crate) fn begin(&mut self) {
        if self.each {
            self.last = Instant::now();
        }
    }

    /// The lock is held.
    #[inline(always)]
    pub(crate) fn acquired(&mut self) {
        if self.each {
            self.longest = self.longest.max(self.last.elapsed());
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

    /// Ends the wait that began at the last look.
    pub(crate) fn look(&mut self) {
        let now = Instant::now();
        self.longest = self.longest.max(now - self.last);
        self.skip_to(now);
    }

    /// What was since the last look was no wait.
    pub(crate) fn skip_to(&mut self, now: Instant) {
        self.last = now;
        self.since = 0;
    }
}
