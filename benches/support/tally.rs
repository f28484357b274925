//! What the samples of a benchmark were like: what the gate rejected, and how evenly the threads were served.

use std::time::Duration;

use super::free::Run;

/// What the gate saw while Criterion took the samples that it reports.
#[derive(Clone, Default)]
pub(crate) struct Tally {
    pub(crate) samples: u64,
    pub(crate) chunks: u64,
    pub(crate) switched_out: u64,
    pub(crate) uneven_starts: u64,
    pub(crate) unclean_samples: u64,
    /// Of each chunk whose operations all workers shared.
    pub(crate) fairness: Vec<Fairness>,
    /// Of free threads, each run.
    pub(crate) runs: Vec<Run>,
}

/// How evenly the operations of a chunk fell to the workers.
#[derive(Clone, Copy)]
pub(crate) struct Fairness {
    /// The operations of the worker that got most, over those of the one that got least.
    pub(crate) spread: f64,
    pub(crate) longest: Duration,
    /// The longest of a reader and of a writer, where there are both.
    pub(crate) read: Option<Duration>,
    pub(crate) write: Option<Duration>,
}

/// What a worker got of the operations that all share.
#[derive(Clone, Copy)]
pub(crate) struct Served {
    pub(crate) operations: u64,
    /// From the end of one operation to that of the next.
    pub(crate) longest: Duration,
}

impl Fairness {
    pub(crate) fn of(served: impl Iterator<Item = Served> + Clone) -> Option<Self> {
        let operations = || served.clone().map(|served| served.operations);
        let (most, least) = (operations().max()?, operations().min()?);
        // One that got nothing has waited all the time, for its first.
        let spread = most as f64 / least.max(1) as f64;
        Some(Self { spread, longest: served.map(|served| served.longest).max()?, read: None, write: None })
    }
}
