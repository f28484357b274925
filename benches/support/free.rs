//! Free threads: neither pinned nor gated, as many as there are cores and more, for tenths of a second a run.
//!
//! Pinned and gated, a lock never shows what happens once a thread is switched out at the wrong moment; and what goes on
//! slowly from there is no chunk to reject, it is the figure. So each run is a sample, the runs of all that stand beside
//! each other take turns, and of each there is the least, the median and the most.

use std::env;
use std::rc::Rc;
use std::time::Duration;

use super::tally::{Run, Tally};

/// Runs once, for about so long.
pub(crate) type Runs = Rc<dyn Fn(Duration) -> Run>;

/// One implementation's runs.
pub(crate) struct Free {
    run: Runs,
    length: Duration,
    tally: Tally,
}

impl Free {
    pub(crate) fn new(run: &Runs) -> Self {
        Self { run: Rc::clone(run), length: length(), tally: Tally::default() }
    }

    pub(crate) fn begin_tally(&mut self) {
        self.tally = Tally::default();
    }

    /// The nanoseconds that an operation took in the next run.
    pub(crate) fn sample(&mut self) -> f64 {
        let run = (self.run)(self.length);
        self.tally.samples += 1;
        self.tally.chunks += 1;
        self.tally.fairness.push(run.fairness());
        self.tally.runs.push(run);
        run.time
    }

    pub(crate) fn tally(&self) -> Tally {
        self.tally.clone()
    }
}

/// Samples, unless the command line tells another number: as few as Criterion takes, so that each can be long.
pub(crate) const SAMPLES: u32 = 10;

/// How long a run is: a tenth of Criterion's measurement time, of which its command line may tell another; or next to nothing,
/// where Criterion only sees whether the benchmarks work.
pub(crate) fn length() -> Duration {
    const FULL: f64 = 1.0;
    let args: Vec<_> = env::args().collect();
    if args.iter().any(|arg| arg == "--test") || args.iter().all(|arg| arg != "--bench") {
        return Duration::from_millis(2);
    }
    let flag = args.iter().position(|arg| arg.starts_with("--measurement-time"));
    let told =
        flag.and_then(|at| args[at].split_once('=').map(|(_, value)| value).or(args.get(at + 1).map(String::as_str)));
    let seconds = told.and_then(|value| value.parse().ok()).unwrap_or(FULL);
    Duration::from_secs_f64(seconds / f64::from(SAMPLES))
}
