//! Miri over the integration tests: the shipped lines, interpreted, with every access checked, under many schedules.
//!
//! A seed decides where threads are switched, which old values relaxed loads see, which weak compare-exchanges fail and
//! where things lie in memory; the clock counts steps, so a limit passes after as many steps whatever the machine does.
//! It interprets programs for other systems too, as far as it knows what these call.

use std::collections::BTreeSet;
use std::process::Command;
use std::sync::Mutex;
use std::thread;
use std::time::Instant;

use super::{Failed, NotRun, Outcome, Passed, Wish, tool};

const FOLDER: &str = "miri";

/// The modules of tests that are about what happens between threads. The quick run is these.
const BETWEEN_THREADS: [&str; 13] = [
    "cancel",
    "channel",
    "condvar",
    "counter",
    "lock",
    "once",
    "rwlock",
    "semaphore",
    "sets",
    "stress",
    "table",
    "tasks",
    "wait_group",
];

/// Random programs, most of them on one thread. They take as long as all the others, so they get fewer seeds.
const PROPERTIES: [&str; 1] = ["properties"];
const SEEDS_PER_PROPERTY: u32 = 4;

/// Seeds for each that is tried under the other rules of aliasing.
const SEEDS_PER_TREE: u32 = 8;

/// A module that `tests/it/main.rs` leaves out under Miri.
const LEFT_OUT: &str = "transfer::*, connection_pool::* (start another program)";

/// Threads are switched after every twentieth step, not every hundredth: what is tested are short pieces of code.
const FLAGS: &str = "-Zmiri-preemption-rate=0.05";

const QUICK_SEEDS: u32 = 1;
const SEEDS: u32 = 32;

/// Some tests, under one seed.
struct Job<'a> {
    target: &'static str,
    name: String,
    tests: &'a [String],
    seed: u32,
    tree_borrows: bool,
}

pub(super) fn run(wish: &Wish) -> Outcome {
    outcome(tool::TARGET, wish)
}

/// The quick run, for another system.
pub(crate) fn quick_for(target: &'static str) -> Outcome {
    outcome(target, &Wish { quick: true, ..Wish::default() })
}

fn outcome(target: &'static str, wish: &Wish) -> Outcome {
    if let Err(why) = tool::install(&["miri", "rust-src"]) {
        return NotRun(why);
    }
    match checked(target, wish) {
        Ok(what) => Passed(what),
        Err(what) => Failed(what),
    }
}

/// `cargo miri SUBCOMMAND` for this system.
fn cargo(target: &str, subcommand: &str) -> Command {
    let mut cargo = tool::cargo(FOLDER);
    cargo.args(["miri", subcommand, "--target", target]);
    cargo
}

fn checked(target: &'static str, wish: &Wish) -> Result<String, String> {
    tool::build(&mut cargo(target, "setup"), FOLDER, &format!("the standard library for {target}"))?;
    let mistakes = [("race", "Data race detected"), ("freed", "Undefined Behavior"), ("leak", "memory leaked")];
    tool::canary(FOLDER, &mistakes, || {
        let mut cargo = cargo(target, "run");
        cargo.args(["--quiet", "--package", "xtask", "--example", "canary"]);
        cargo
    })?;
    let groups = groups(target)?;
    let seeds = wish.number.unwrap_or(if wish.quick { QUICK_SEEDS } else { SEEDS });
    let jobs = jobs(target, &groups, seeds, wish.quick);
    let start = Instant::now();
    let (queue, failed, done) = (Mutex::new(jobs.iter()), Mutex::new(Vec::new()), Mutex::new((0, BTreeSet::new())));
    thread::scope(|threads| {
        for _ in 0..cores() {
            threads.spawn(|| {
                loop {
                    let Some(job) = queue.lock().unwrap().next() else { return };
                    match job.run() {
                        Ok((passed, left_out)) => {
                            let (sum, ignored) = &mut *done.lock().unwrap();
                            *sum += passed;
                            ignored.extend(left_out);
                        }
                        Err(what) => failed.lock().unwrap().push(what),
                    }
                }
            });
        }
    });
    let failed = failed.into_inner().unwrap();
    if !failed.is_empty() {
        return Err(failed.join("; "));
    }
    let (passed, mut left_out) = done.into_inner().unwrap();
    left_out.insert(LEFT_OUT.to_owned());
    for test in &left_out {
        eprintln!("== miri: left out: {test}");
    }
    eprintln!("== miri: {} runs in {} s", jobs.len(), start.elapsed().as_secs());
    Ok(match wish.quick {
        true => format!("{passed} tests: seeds 0..{seeds} of {}; not the others", BETWEEN_THREADS.join(", ")),
        false => {
            let seeds_of_properties = seeds.div_ceil(SEEDS_PER_PROPERTY);
            format!("{passed} tests: seeds 0..{seeds} of all but the properties, which had {seeds_of_properties}")
        }
    })
}

/// The tests between threads, the properties, and the others.
fn groups(target: &str) -> Result<[(&'static str, Vec<String>); 3], String> {
    let mut list = cargo(target, "test");
    list.args(["--all-features", "--test", "it", "--", "--list"]);
    let list = tool::build(&mut list, FOLDER, "the integration tests")?;
    let mut groups = [("between threads", Vec::new()), ("properties", Vec::new()), ("others", Vec::new())];
    let mut seen = BTreeSet::new();
    for test in list.listed() {
        let module = test.split("::").next().unwrap_or_default();
        let of = |group: &[&str]| group.contains(&module);
        let group = if of(&BETWEEN_THREADS) { 0 } else { 2 - usize::from(of(&PROPERTIES)) };
        seen.insert(module.to_owned());
        groups[group].1.push(test);
    }
    match BETWEEN_THREADS.iter().chain(&PROPERTIES).find(|module| !seen.contains(**module)) {
        Some(module) => Err(format!("there are no tests of {module}")),
        None => Ok(groups),
    }
}

fn cores() -> usize {
    thread::available_parallelism().map_or(1, usize::from)
}

fn jobs<'a>(
    target: &'static str,
    groups: &'a [(&'static str, Vec<String>); 3],
    seeds: u32,
    quick: bool,
) -> Vec<Job<'a>> {
    let [between, properties, others] = groups;
    let some = |group: &'a (&'static str, Vec<String>), seeds: u32, tree_borrows| {
        (0..seeds).map(move |seed| Job { target, name: group.0.to_owned(), tests: &group.1, seed, tree_borrows })
    };
    if quick {
        // In as many parts as there are cores, so that one seed keeps them all busy.
        let parts = between.1.chunks(between.1.len().div_ceil(cores()));
        let of_seed = |seed| {
            let job = move |(part, tests)| {
                let name = format!("{}, part {}", between.0, part + 1);
                Job { target, name, tests, seed, tree_borrows: false }
            };
            parts.clone().enumerate().map(job)
        };
        return (0..seeds).flat_map(of_seed).collect();
    }
    let tree_seeds = seeds.div_ceil(SEEDS_PER_TREE);
    let properties = some(properties, seeds.div_ceil(SEEDS_PER_PROPERTY), false);
    let plain = some(between, seeds, false).chain(some(others, seeds, false));
    let trees = some(between, tree_seeds, true).chain(some(others, tree_seeds, true));
    properties.chain(plain).chain(trees).collect()
}

impl Job<'_> {
    /// How many tests passed and which it left out, or why it failed.
    fn run(&self) -> Result<(u32, Vec<String>), String> {
        let (seed, aliasing) = (self.seed, if self.tree_borrows { ", tree borrows" } else { "" });
        let name = format!("{}, {}, seed {seed}{aliasing}", self.target, self.name);
        let flags = format!("{FLAGS} -Zmiri-seed={seed}");
        let mut cargo = cargo(self.target, "test");
        cargo.env("MIRIFLAGS", if self.tree_borrows { flags + " -Zmiri-tree-borrows" } else { flags });
        cargo.args(["--all-features", "--test", "it", "--", "--exact"]);
        let run = tool::run(cargo.args(self.tests), FOLDER, &name);
        match run.tests().as_deref() {
            Ok([[passed, ignored]]) if run.ok => {
                eprintln!("== miri: {name}: {passed} passed, {ignored} ignored, {} s", run.seconds);
                Ok((*passed, run.ignored()))
            }
            _ => {
                run.show();
                Err(format!("{name}: see {}", run.log.display()))
            }
        }
    }
}
