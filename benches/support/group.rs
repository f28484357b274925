//! A group of benchmarks that is measured together, ours beside its peers, so that every ratio comes from one run.

use std::collections::HashMap;
use std::mem;
use std::rc::Rc;
use std::time::Duration;

use criterion::{AxisScale, BenchmarkId, Criterion, PlotConfiguration, SamplingMode, Throughput};

use super::free::{Free, Runs, SAMPLES, length};
use super::goal::{Goal, What};
use super::nanoseconds::Nanoseconds;
use super::outcome::Outcome;
use super::shape::Shape;
use super::tally::Run;
use super::team::{Brought, Gating, Op, Team};
use super::turns::{Taker, Turns};

/// One benchmark takes about this long, Criterion's analysis and plots included ...
const EACH: Duration = Duration::from_millis(2_400);
/// ... or this long, in a group that is measured in turn.
const EACH_IN_TURN: Duration = Duration::from_millis(900);
/// ... or this long, if its samples there are whole.
const EACH_WHOLE: Duration = Duration::from_millis(2_900);
/// One benchmark of free threads takes this besides its runs.
const BESIDE_RUNS: Duration = Duration::from_millis(100);

/// Whose implementation it is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    Ours,
    Peer,
    /// Not a peer: the least that the machine can do, to measure the others against.
    #[allow(dead_code, reason = "not every program has one")]
    Limit,
}

impl Role {
    pub(crate) fn label(self) -> &'static str {
        match self {
            Self::Ours => "ours",
            Self::Peer => "peer",
            Self::Limit => "limit",
        }
    }
}

pub(crate) struct Entry {
    pub(crate) role: Role,
    pub(crate) name: &'static str,
    pub(crate) shape: Shape,
    source: Source,
}

/// What runs a benchmark.
enum Source {
    /// A team, which this gives what to do.
    #[allow(dead_code, reason = "not every program has teams")]
    Team(Box<dyn Fn() -> Op<Brought>>),
    Free(Runs),
}

impl Entry {
    /// # Panics
    /// If it is of free threads, which always take turns.
    fn team(&self) -> Team {
        match self.taker() {
            Taker::Team(team) => team,
            Taker::Free(_) => unreachable!("a group of free threads is measured in turn"),
        }
    }

    fn taker(&self) -> Taker {
        match &self.source {
            Source::Team(make) => Taker::Team(Team::new(&self.shape, make())),
            Source::Free(run) => Taker::Free(Free::new(run)),
        }
    }

    fn is_free(&self) -> bool {
        matches!(self.source, Source::Free(_))
    }

    fn gating(&self) -> Gating {
        if self.is_free() { Gating::Free } else { Gating::of(&self.shape) }
    }
}

pub(crate) struct Group {
    pub(crate) name: &'static str,
    pub(crate) peers: &'static [&'static str],
    in_turn: bool,
    pub(crate) entries: Vec<Entry>,
    pub(crate) goals: Vec<Goal>,
}

impl Group {
    /// A group that must hold all of `peers`, at every parameter.
    pub(crate) fn new(name: &'static str, peers: &'static [&'static str]) -> Self {
        Self { name, peers, in_turn: false, entries: Vec::new(), goals: Vec::new() }
    }

    /// Has the benchmarks at each parameter take turns ([`Turns`]), a few milliseconds each, instead of following one
    /// another. All of their teams stand at once, and all of them run if one does.
    #[allow(dead_code, reason = "not every program has such a group")]
    pub(crate) fn in_turn(self) -> Self {
        Self { in_turn: true, ..self }
    }

    /// Adds a benchmark. `make` builds what is measured; it is called once, and only if the benchmark runs. An operation
    /// that returns a duration has taken the time that counts itself.
    #[allow(dead_code, reason = "not every program has teams")]
    pub(crate) fn add<T: Into<Brought> + 'static>(
        &mut self,
        role: Role,
        name: &'static str,
        shape: Shape,
        make: impl Fn() -> Op<T> + 'static,
    ) {
        let make = move || -> Op<Brought> {
            let op = make();
            Box::new(move |thread, iters| op(thread, iters).into())
        };
        self.entries.push(Entry { role, name, shape, source: Source::Team(Box::new(make)) });
    }

    /// Adds a benchmark of so many [`Free`] threads; `run` is called for each run. It is measured in turn with the others.
    #[allow(dead_code, reason = "not every program has free threads")]
    pub(crate) fn free(
        &mut self,
        role: Role,
        name: &'static str,
        threads: usize,
        run: impl Fn(Duration) -> Run + 'static,
    ) {
        // A time is that of all threads together.
        let shape = Shape { measured: 1, ..Shape::all(threads) };
        self.in_turn = true;
        self.entries.push(Entry { role, name, shape, source: Source::Free(Rc::new(run)) });
    }

    pub(crate) fn goal(&mut self, ours: (&'static str, &str), against: &[(&'static str, &str)], at_most: f64) {
        self.goal_of(What::Time, ours, against, at_most);
    }

    #[allow(dead_code, reason = "not every program has such goals")]
    pub(crate) fn goal_of(
        &mut self,
        what: What,
        ours: (&'static str, &str),
        against: &[(&'static str, &str)],
        at_most: f64,
    ) {
        let owned = |(name, parameter): (&'static str, &str)| (name, parameter.to_owned());
        let against = against.iter().copied().map(owned).collect();
        self.goals.push(Goal { what, ours: owned(ours), against, fast: false, at_most });
    }

    /// As `goal_of`, against those that are [`Goal::fast`].
    #[allow(dead_code, reason = "not every program has such goals")]
    pub(crate) fn goal_of_fast(
        &mut self,
        what: What,
        ours: (&'static str, &str),
        against: &[(&'static str, &str)],
        at_most: f64,
    ) {
        self.goal_of(what, ours, against, at_most);
        self.goals.last_mut().expect("it was just added").fast = true;
    }

    /// All of it is of free threads.
    pub(crate) fn is_free(&self) -> bool {
        self.entries.iter().all(Entry::is_free)
    }

    /// The number of benchmarks.
    pub(crate) fn len(&self) -> u32 {
        u32::try_from(self.entries.len()).expect("few benchmarks")
    }

    /// How long they take, Criterion's analysis and plots included.
    pub(crate) fn time(&self) -> Duration {
        let each = |entry: &Entry| match (self.in_turn, entry.shape.whole) {
            // The first run does not count.
            _ if entry.is_free() => length() * (SAMPLES + 1) + BESIDE_RUNS,
            (true, true) => EACH_WHOLE,
            (true, false) => EACH_IN_TURN,
            (false, _) => EACH,
        };
        self.entries.iter().map(each).sum()
    }

    /// # Panics
    /// If a peer is missing: a figure of ours alone says nothing.
    pub(crate) fn check(&self) {
        for entry in &self.entries {
            let parameter = &entry.shape.parameter;
            for peer in self.peers {
                let present = self.at(parameter).any(|other| other.name == *peer);
                assert!(present, "{}: no {peer} beside {}/{parameter}", self.name, entry.name);
            }
        }
    }

    /// The benchmarks at `parameter`.
    fn at(&self, parameter: &str) -> impl Iterator<Item = &Entry> {
        self.entries.iter().filter(move |entry| entry.shape.parameter == parameter)
    }

    /// The peers that have a benchmark at `parameter`.
    pub(crate) fn peers_at(&self, parameter: &str) -> impl Iterator<Item = &'static str> {
        self.at(parameter).filter(|entry| entry.role == Role::Peer).map(|entry| entry.name)
    }

    /// Measures what the command line did not filter out. `progress` hears of each benchmark as it begins.
    pub(crate) fn measure(
        &self,
        criterion: &mut Criterion<Nanoseconds>,
        mut progress: impl FnMut(&str),
    ) -> Vec<Outcome> {
        let mut group = criterion.benchmark_group(self.name);
        group.plot_config(PlotConfiguration::default().summary_scale(AxisScale::Logarithmic));
        // All samples of one length: growing ones would begin with some too short to be cut into chunks.
        group.sampling_mode(SamplingMode::Flat);
        if self.in_turn {
            // One call, which is the first turn.
            group.warm_up_time(Duration::from_nanos(1));
        }
        if self.is_free() {
            // What Criterion thinks that a turn takes, or it complains of how long that is.
            let turn = length() * self.entries.len().try_into().expect("few benchmarks");
            group.measurement_time(turn * SAMPLES);
        }
        // Criterion calls its closure dozens of times; the first call builds the teams, which stand until the last.
        let mut in_turn: HashMap<&str, Turns> = HashMap::new();
        let mut outcomes = Vec::new();
        for entry in &self.entries {
            let Entry { name, shape, .. } = entry;
            let parameter = shape.parameter.as_str();
            let place = self.at(parameter).position(|other| other.name == *name).expect("it is one of them");
            let gating = entry.gating();
            let (mut begun, mut alone, mut turn) = (false, None, 0);
            group.throughput(Throughput::Elements(shape.measured as u64));
            group.bench_function(BenchmarkId::new(*name, parameter), |bencher| {
                if !mem::replace(&mut begun, true) {
                    progress(&format!("{}/{name}/{parameter} ({})", self.name, gating.label()));
                }
                if self.in_turn {
                    let turns = || Turns::new(self.at(parameter).map(Entry::taker));
                    let turns = in_turn.entry(parameter).or_insert_with(turns);
                    bencher.iter_custom(|iters| {
                        turn += 1;
                        turns.sample(place, turn - 1) * iters as f64
                    });
                } else {
                    let team = alone.get_or_insert_with(|| entry.team());
                    bencher.iter_custom(|iters| team.sample(iters).as_secs_f64() * 1e9);
                }
            });
            if begun {
                let tally = alone.map_or_else(|| in_turn[parameter].tally(place), |team| team.tally());
                outcomes.push(Outcome { group: self.name, name, shape: shape.clone(), gating, tally });
            }
        }
        group.finish();
        outcomes
    }
}
