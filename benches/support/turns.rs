//! Benchmarks that take turns: the first sample of each, then the second of each, and so on.
//!
//! Whatever else the machine does changes from one second to the next. One benchmark after the other, that counts for
//! the one and not for the other; in turn it counts for all, and their ratios come out the same run after run.

use super::team::{Gating, Tally, Team};

/// Long enough that what a turn begins with, a cold cache, weighs little.
const CHUNKS: u64 = 5;
/// With more threads than cores: long enough that it weighs little how the threads begin, one after the other.
const OVERSUBSCRIBED: u64 = 20;
/// Where a sample is whole: long enough to tell who is fair from who is not.
const WHOLE: u64 = 50;

pub(crate) struct Turns {
    teams: Vec<Team>,
    /// For each team, the nanoseconds that an operation took in each turn.
    samples: Vec<Vec<f64>>,
}

impl Turns {
    pub(crate) fn new(teams: impl Iterator<Item = Team>) -> Self {
        let teams: Vec<_> = teams.collect();
        let samples = teams.iter().map(|_| Vec::new()).collect();
        Self { teams, samples }
    }

    /// The nanoseconds that an operation of this team took in this turn, which is taken if it was not yet.
    pub(crate) fn sample(&mut self, team: usize, turn: usize) -> f64 {
        while self.samples[team].len() <= turn {
            for (team, samples) in self.teams.iter_mut().zip(&mut self.samples) {
                // The first turn is Criterion's warm-up.
                if samples.len() == 1 {
                    team.begin_tally();
                }
                samples.push(team.sample_chunks(match (team.is_whole(), team.gating()) {
                    (true, _) => WHOLE,
                    (false, Gating::Oversubscribed) => OVERSUBSCRIBED,
                    (false, _) => CHUNKS,
                }));
            }
        }
        self.samples[team][turn]
    }

    pub(crate) fn tally(&self, team: usize) -> Tally {
        self.teams[team].tally()
    }
}
