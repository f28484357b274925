//! Mutation of the models: every named ordering weakened, every named step left out, one at a time.
//!
//! The names are read from the sources. The model binary, on the corrected loom, is built once; a mutant is one run of it
//! with `RADDLE_MUTANT` set. A mutant that no model notices survives; that fails the command unless `ALLOWED` gives the
//! reason.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use crate::models;

/// Mutants that no model kills, and why that is in order.
const ALLOWED: &[(&str, &str)] = &[(
    "cycle.looked=off",
    "a cycle could be reported whose members were never all asleep at once, as one joined its queue in the middle of the walk and \
     another gave up before: what a model can see of that is the same in an execution where the report is true",
)];

/// A mutant that takes this long without a verdict has changed the search beyond what the models explore; it is reported.
const LIMIT: Duration = Duration::from_secs(200);

/// Tries the mutants whose names begin so, after the models have passed as they are; before all mutants also the acceptance tests of the
/// corrected loom.
pub(super) fn run(prefix: &str) -> bool {
    let Some((binary, models)) = models::passing(prefix.is_empty()) else { return false };
    let mut mutants = mutants();
    mutants.retain(|mutant| mutant.starts_with(prefix));
    eprintln!("{} mutants, {} models", mutants.len(), models.len());
    let queue = Mutex::new(mutants.iter());
    let survivors = Mutex::new(Vec::new());
    let workers = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|threads| {
        for _ in 0..workers {
            threads.spawn(|| {
                loop {
                    let Some(mutant) = queue.lock().unwrap().next() else { return };
                    let start = Instant::now();
                    let verdict = judge(&binary, &models, mutant);
                    println!("{mutant}: {verdict} ({:.1} s)", start.elapsed().as_secs_f64());
                    if !matches!(verdict, Verdict::Killed(_)) {
                        survivors.lock().unwrap().push(mutant.clone());
                    }
                }
            });
        }
    });
    let survivors = survivors.into_inner().unwrap();
    let mut failed = false;
    for mutant in &survivors {
        match allowed(mutant) {
            Some(reason) => println!("{mutant} survives: {reason}"),
            None => {
                println!("{mutant} SURVIVES, and no reason is given");
                failed = true;
            }
        }
    }
    for (name, _) in ALLOWED.iter().filter(|(name, _)| name.starts_with(prefix)) {
        if !survivors.iter().any(|mutant| mutant == name) {
            println!("{name} is on the list of allowed survivors and does not survive");
            failed = true;
        }
    }
    println!("{} mutants, {} killed, {} survive", mutants.len(), mutants.len() - survivors.len(), survivors.len());
    !failed
}

/// Why a mutant may survive, if it may.
fn allowed(mutant: &str) -> Option<&'static str> {
    ALLOWED.iter().find(|(name, _)| *name == mutant).map(|(_, reason)| *reason)
}

enum Verdict {
    Killed(String),
    Survived,
    Unknown,
}

impl std::fmt::Display for Verdict {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Verdict::Killed(by) => write!(f, "killed by {by}"),
            Verdict::Survived => f.write_str("SURVIVED"),
            Verdict::Unknown => write!(f, "NO VERDICT within {} s", LIMIT.as_secs()),
        }
    }
}

/// A run of one model, without its output.
fn model(binary: &Path, name: &str) -> Command {
    let mut command = models::unbounded(binary);
    command.args(["--exact", name]).env("RUST_BACKTRACE", "0");
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command
}

/// Runs the models on a mutant up to the first that fails: those of the mutated primitive first, quick ones first.
fn judge(binary: &Path, models: &[String], mutant: &str) -> Verdict {
    let start = Instant::now();
    let home = match mutant.split('.').next().unwrap_or_default() {
        "condvar" => "models::condvar::",
        "group" => "models::wait_group::",
        "index" | "sharded" => "models::counter::",
        "interrupting" => "models::callbacks::",
        "lock" => "models::lock::",
        "node" | "sleeper" | "tree" => "models::cancel::",
        "once" => "models::once::",
        "rw" => "models::rwlock::",
        "semaphore" => "models::semaphore::",
        "tasks" => "models::tasks::",
        _ => "models::raw_mutex::",
    };
    let (near, far): (Vec<_>, Vec<_>) = models.iter().partition(|name| name.starts_with(home));
    // One that is allowed to survive is shown to the models of its own primitive only: the others take minutes.
    let far = if allowed(mutant).is_some() { Vec::new() } else { far };
    for name in near.into_iter().chain(far) {
        let child = model(binary, name).env("RADDLE_MUTANT", mutant).spawn();
        let mut child = child.expect("the model binary starts");
        loop {
            match child.try_wait().expect("a child can be waited for") {
                Some(status) if status.success() => break,
                Some(_) => return Verdict::Killed(name.clone()),
                None if start.elapsed() > LIMIT => {
                    let _ = child.kill();
                    let _ = child.wait();
                    return Verdict::Unknown;
                }
                None => std::thread::sleep(Duration::from_millis(2)),
            }
        }
    }
    Verdict::Survived
}

/// Every mutant of the sources.
fn mutants() -> Vec<String> {
    let mut found = BTreeSet::new();
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/../src");
    let mut folders = vec![PathBuf::from(source)];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).expect("the sources can be read").flatten() {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
            } else if let Ok(text) = fs::read_to_string(&path) {
                mutants_of(&text, &mut found);
            }
        }
    }
    found.into_iter().collect()
}

/// `ord!("site", Order)` and `step!("site")`.
fn mutants_of(text: &str, found: &mut BTreeSet<String>) {
    for call in text.split("ord!(\"").skip(1) {
        let Some((site, rest)) = call.split_once("\", ") else { continue };
        let order = rest.split(')').next().unwrap_or_default();
        let weaker: &[&str] = match order {
            "Acquire" | "Release" => &["Relaxed"],
            "AcqRel" => &["Acquire", "Release", "Relaxed"],
            _ => continue,
        };
        found.extend(weaker.iter().map(|weaker| format!("{site}={weaker}")));
    }
    for call in text.split("step!(\"").skip(1) {
        found.extend(call.split_once('"').map(|(site, _)| format!("{site}=off")));
    }
}
