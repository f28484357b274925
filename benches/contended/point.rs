//! A point that is measured: the same setting for ours and each peer.

use std::time::Duration;

use crate::support::Role;
use crate::support::Run;

pub(crate) struct Contender {
    pub(crate) role: Role,
    pub(crate) name: &'static str,
    run: Box<dyn Fn(Duration) -> Run>,
}

impl Contender {
    pub(crate) fn new(role: Role, name: &'static str, run: impl Fn(Duration) -> Run + 'static) -> Self {
        Self { role, name, run: Box::new(run) }
    }

    pub(crate) fn run(&self, length: Duration) -> Run {
        (self.run)(length)
    }
}

pub(crate) struct Point {
    pub(crate) contenders: Vec<Contender>,
}

impl Point {
    pub(crate) fn new(contenders: Vec<Contender>) -> Self {
        Self { contenders }
    }

    /// So many runs of each, one of each and then the next, every time another first. By contender, as they stand.
    pub(crate) fn runs(&self, runs: usize, length: Duration) -> Vec<Vec<Run>> {
        let mut found: Vec<_> = self.contenders.iter().map(|_| Vec::new()).collect();
        for round in 0..runs {
            for turn in 0..self.contenders.len() {
                let next = (round + turn) % self.contenders.len();
                found[next].push(self.contenders[next].run(length));
            }
        }
        found
    }
}
