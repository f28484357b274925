//! Benchmarks that take turns: the first sample of each, then the second of each, and so on.
//!
//! Whatever else the machine does changes from one second to the next. One benchmark after the other, that counts for
//! the one and not for the other; in turn it counts for all, and their ratios come out the same run after run.

use super::free::Free;
use super::tally::Tally;
use super::team::{Gating, Team};

/// Long enough that what a turn begins with, a cold cache, weighs little.
const CHUNKS: u64 = 5;
/// With more threads than cores: long enough that it weighs little how the threads begin, one after the other.
const OVERSUBSCRIBED: u64 = 20;
/// Where a sample is whole: long enough to tell who is fair from who is not.
const WHOLE: u64 = 50;

/// Who takes a turn.
pub(crate) enum Taker {
    Team(Team),
    Free(Free),
}

pub(crate) struct Turns {
    takers: Vec<Taker>,
    /// For each of them, the nanoseconds that an operation took in each turn.
    samples: Vec<Vec<f64>>,
}

impl Taker {
    fn begin_tally(&mut self) {
        match self {
            Self::Team(team) => team.begin_tally(),
            Self::Free(free) => free.begin_tally(),
        }
    }

    fn sample(&mut self) -> f64 {
        match self {
            Self::Team(team) => team.sample_chunks(match (team.is_whole(), team.gating()) {
                (true, _) => WHOLE,
                (false, Gating::Oversubscribed) => OVERSUBSCRIBED,
                (false, _) => CHUNKS,
            }),
            Self::Free(free) => free.sample(),
        }
    }
}

impl Turns {
    pub(crate) fn new(takers: impl Iterator<Item = Taker>) -> Self {
        let takers: Vec<_> = takers.collect();
        let samples = takers.iter().map(|_| Vec::new()).collect();
        Self { takers, samples }
    }

    /// The nanoseconds that an operation of that one took in this turn, which is taken if it was not yet.
    pub(crate) fn sample(&mut self, taker: usize, turn: usize) -> f64 {
        while self.samples[taker].len() <= turn {
            let takers = self.takers.len();
            // Another one is first each time.
            let first = self.samples[taker].len();
            for next in (first..first + takers).map(|next| next % takers) {
                let (taker, samples) = (&mut self.takers[next], &mut self.samples[next]);
                // The first turn is Criterion's warm-up.
                if samples.len() == 1 {
                    taker.begin_tally();
                }
                samples.push(taker.sample());
            }
        }
        self.samples[taker][turn]
    }

    pub(crate) fn tally(&self, taker: usize) -> Tally {
        match &self.takers[taker] {
            Taker::Team(team) => team.tally(),
            Taker::Free(free) => free.tally(),
        }
    }
}
