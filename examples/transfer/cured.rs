//! The moves with [`raddle::lock_all`]: no order of sites and no number of threads can deadlock it.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use raddle::{LockError, OrderedMutex, lock_all};

use crate::crew;
use crate::input::{Input, Move};
use crate::report::{self, Kind, Rejections};
use crate::site::{self, Site};

/// Moves per touch of the one progress counter, lest the threads contend for that.
const BATCH: usize = 256;

/// What came of all rows: the end, and the way there.
pub(crate) struct Outcome {
    pub(crate) sites: Vec<Site>,
    pub(crate) done: usize,
    pub(crate) rejected: Rejections,
    /// Threads that gave up, and why.
    pub(crate) failures: Vec<String>,
    pub(crate) wall: Duration,
}

/// One thread's part of it.
#[derive(Default)]
struct Part {
    done: usize,
    rejected: Rejections,
    failure: Option<String>,
}

pub(crate) fn run(input: &Input, threads: usize) -> Result<Outcome, String> {
    let sites: Vec<OrderedMutex<Site>> =
        (0..).zip(site::open(input.sites.len(), &input.moves)).map(|(id, site)| OrderedMutex::new(id, site)).collect();
    let queues = crew::deal(&input.moves, threads);
    let progress = AtomicUsize::new(0);

    let work = |index: usize| {
        let mut part = Part::default();
        for batch in queues[index].chunks(BATCH) {
            for row in batch {
                if let Err(error) = part.carry_out(row, &sites, input) {
                    let name = crew::name(index);
                    part.failure = Some(format!("{name} gave up at line {}: {error}", row.line));
                    return part;
                }
            }
            progress.fetch_add(batch.len(), Ordering::Relaxed);
        }
        part
    };
    let look = |elapsed| {
        report::progress(elapsed, progress.load(Ordering::Relaxed), input.moves.len());
    };
    let (parts, wall) = crew::run(threads, work, look)?;

    let mut outcome = Outcome {
        sites: sites.into_iter().map(OrderedMutex::into_inner).collect(),
        done: 0,
        rejected: input.rejected.clone(),
        failures: Vec::new(),
        wall,
    };
    for part in parts {
        outcome.done += part.done;
        outcome.rejected.merge(part.rejected);
        outcome.failures.extend(part.failure);
    }
    Ok(outcome)
}

impl Part {
    /// Does one move or rejects it; an error is one that no row can cause.
    fn carry_out(&mut self, row: &Move, sites: &[OrderedMutex<Site>], input: &Input) -> Result<(), LockError> {
        let who = || input.researchers.name(row.researcher);
        let site = || input.sites.name(row.from);
        match relocate(row, sites) {
            Ok(true) => self.done += 1,
            Ok(false) => {
                let reason = || format!("{} is not at {}", who(), site());
                self.rejected.add(Kind::NotThere, row.line, reason);
            }
            Err(error @ LockError::Duplicate { .. }) => {
                let reason = || format!("{} would move from {1} to {1}: {error}", who(), site());
                self.rejected.add(Kind::SelfMove, row.line, reason);
            }
            Err(error) => return Err(error),
        }
        Ok(())
    }
}

/// One move under both locks, so that nobody is ever seen at two sites or at none. Says whether the
/// researcher was there to be moved.
fn relocate(row: &Move, sites: &[OrderedMutex<Site>]) -> Result<bool, LockError> {
    let mut both = lock_all((&sites[row.from], &sites[row.to]))?;
    let (from, to) = both.split_mut();
    let there = from.depart(row);
    if there {
        to.arrive(row);
    }
    Ok(there)
}
