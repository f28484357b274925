//! A group of benchmarks that is measured together, ours beside its peers, so that every ratio comes from one run.

use criterion::{AxisScale, BenchmarkId, Criterion, PlotConfiguration, SamplingMode, Throughput};

use super::outcome::Outcome;
use super::team::{Gating, Op, Team};

/// Whose implementation it is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    Ours,
    Peer,
    /// Not a peer: the least that the machine can do, to measure the others against.
    Limit,
}

/// How a benchmark is run: the last part of its id, and its threads.
#[derive(Clone)]
pub(crate) struct Shape {
    pub(crate) parameter: String,
    pub(crate) threads: usize,
    /// The first so many are timed; the others keep them company.
    pub(crate) measured: usize,
}

impl Shape {
    /// All of `threads` are timed; their number is the parameter.
    pub(crate) fn all(threads: usize) -> Self {
        Self { parameter: threads.to_string(), threads, measured: threads }
    }
}

struct Entry {
    role: Role,
    name: &'static str,
    shape: Shape,
    make: Box<dyn Fn() -> Op>,
}

/// `ours` takes at most `at_most` times as long as the fastest of `against`; each is a name and a parameter.
pub(crate) struct Goal {
    pub(crate) ours: (&'static str, String),
    pub(crate) against: Vec<(&'static str, String)>,
    pub(crate) at_most: f64,
}

pub(crate) struct Group {
    pub(crate) name: &'static str,
    peers: &'static [&'static str],
    entries: Vec<Entry>,
    pub(crate) goals: Vec<Goal>,
}

impl Group {
    /// A group that must hold all of `peers`, at every parameter.
    pub(crate) fn new(name: &'static str, peers: &'static [&'static str]) -> Self {
        Self { name, peers, entries: Vec::new(), goals: Vec::new() }
    }

    /// Adds a benchmark. `make` builds what is measured; it is called once, and only if the benchmark runs.
    pub(crate) fn add(&mut self, role: Role, name: &'static str, shape: Shape, make: impl Fn() -> Op + 'static) {
        self.entries.push(Entry { role, name, shape, make: Box::new(make) });
    }

    pub(crate) fn goal(&mut self, ours: (&'static str, &str), against: &[(&'static str, &str)], at_most: f64) {
        let owned = |(name, parameter): (&'static str, &str)| (name, parameter.to_owned());
        let against = against.iter().copied().map(owned).collect();
        self.goals.push(Goal { ours: owned(ours), against, at_most });
    }

    /// The number of benchmarks.
    ///
    /// # Panics
    /// If a peer is missing: a figure of ours alone says nothing.
    pub(crate) fn check(&self) -> u32 {
        for entry in &self.entries {
            let parameter = &entry.shape.parameter;
            for peer in self.peers {
                let present = |other: &Entry| other.name == *peer && other.shape.parameter == *parameter;
                assert!(self.entries.iter().any(present), "{}: no {peer} beside {}/{parameter}", self.name, entry.name);
            }
        }
        u32::try_from(self.entries.len()).expect("few benchmarks")
    }

    /// The peers that have a benchmark at `parameter`.
    pub(crate) fn peers_at(&self, parameter: &str) -> impl Iterator<Item = &'static str> {
        let peers = self.entries.iter().filter(move |entry| entry.role == Role::Peer);
        peers.filter(move |entry| entry.shape.parameter == parameter).map(|entry| entry.name)
    }

    /// Measures what the command line did not filter out. `progress` hears of each benchmark as it begins.
    pub(crate) fn measure(&self, criterion: &mut Criterion, mut progress: impl FnMut(&str)) -> Vec<Outcome> {
        let mut group = criterion.benchmark_group(self.name);
        group.plot_config(PlotConfiguration::default().summary_scale(AxisScale::Logarithmic));
        // All samples of one length: growing ones would begin with some too short to be cut into chunks.
        group.sampling_mode(SamplingMode::Flat);
        let mut outcomes = Vec::new();
        for Entry { name, shape, make, .. } in &self.entries {
            let gating = Gating::of(shape.threads);
            group.throughput(Throughput::Elements(shape.measured as u64));
            // Criterion calls the closure dozens of times; the first call builds the team, which stands until the last.
            let mut team = None;
            group.bench_with_input(BenchmarkId::new(*name, &shape.parameter), shape, |bencher, shape| {
                let team = team.get_or_insert_with(|| {
                    progress(&format!("{}/{name}/{} ({})", self.name, shape.parameter, gating.label()));
                    Team::new(shape.threads, shape.measured, make())
                });
                bencher.iter_custom(|iters| team.sample(iters));
            });
            if let Some(team) = team {
                let tally = team.tally();
                outcomes.push(Outcome { group: self.name, name, shape: shape.clone(), gating, tally });
            }
        }
        group.finish();
        outcomes
    }
}
