//! What ours is to take of the peers', in one run.

use std::time::Duration;

/// What a goal is about; of each, less is better.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum What {
    Time,
    /// [`Fairness::spread`](super::tally::Fairness)
    Spread,
    /// [`Fairness::longest`](super::tally::Fairness)
    Longest,
    /// [`Fairness::read`](super::tally::Fairness)
    Read,
    /// [`Fairness::write`](super::tally::Fairness)
    Write,
}

impl What {
    pub(crate) fn label(self) -> &'static str {
        match self {
            Self::Time => "time",
            Self::Spread => "spread",
            Self::Longest => "longest",
            Self::Read => "read",
            Self::Write => "write",
        }
    }
}

/// `ours` takes at most `at_most` times as much as the best of `against`; each is a name and a parameter.
pub(crate) struct Goal {
    pub(crate) what: What,
    pub(crate) ours: (&'static str, String),
    pub(crate) against: Vec<(&'static str, String)>,
    /// Only those count that reach [`FAST`] of the best one's throughput: who does next to nothing is soon served.
    pub(crate) fast: bool,
    pub(crate) at_most: f64,
}

impl What {
    /// What ours is of theirs. Waits that take no longer than to fall asleep and be woken are all alike.
    pub(crate) fn ratio(self, ours: f64, theirs: f64) -> f64 {
        let least = match self {
            Self::Time | Self::Spread => 0.0,
            Self::Longest | Self::Read | Self::Write => NOTHING.as_nanos() as f64,
        };
        ours.max(least) / theirs.max(least)
    }
}

pub(crate) const NOTHING: Duration = Duration::from_micros(50);

/// See [`Goal::fast`].
pub(crate) const FAST: f64 = 0.95;
