//! What the samples of a benchmark were like: what the gate rejected, and how evenly the threads were served.

use std::time::Duration;

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

/// What one run found.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Run {
    /// Nanoseconds per operation, over all threads.
    pub(crate) time: f64,
    /// The operations of the thread that got least, and of the one that got most.
    pub(crate) counts: [u64; 2],
    /// The longest wait of any thread; where there are readers and writers, of a reader.
    pub(crate) wait: Duration,
    pub(crate) write_wait: Option<Duration>,
}

impl Run {
    /// Million operations a second.
    pub(crate) fn rate(&self) -> f64 {
        1e3 / self.time
    }

    /// The slowest thread's count over the fastest's.
    pub(crate) fn evenness(&self) -> f64 {
        self.counts[0] as f64 / self.counts[1].max(1) as f64
    }

    /// In any way.
    pub(crate) fn longest(&self) -> Duration {
        self.wait.max(self.write_wait.unwrap_or_default())
    }

    pub(crate) fn fairness(&self) -> Fairness {
        // One that got nothing has waited all the time, for its first.
        let spread = self.counts[1] as f64 / self.counts[0].max(1) as f64;
        Fairness { spread, longest: self.longest(), read: self.write_wait.map(|_| self.wait), write: self.write_wait }
    }
}
