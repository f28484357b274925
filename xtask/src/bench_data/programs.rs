//! The bench programs: which there are, and running them with a line of progress.

use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use super::{Inventory, Result};

/// Prints the sizes of the types, and measures nothing.
const SIZES: &str = "sizes";

/// The programs that measure, from the manifests of the repository (or a worktree of it) at `root`.
pub(crate) fn programs(root: &Path) -> Result<Vec<String>> {
    let args = ["metadata", "--no-deps", "--format-version", "1"];
    let output = crate::cargo().args(args).current_dir(root).stderr(Stdio::inherit()).output();
    let output = output.map_err(|error| format!("cargo metadata: {error}"))?;
    let metadata: Value = serde_json::from_slice(&output.stdout).map_err(|error| format!("cargo metadata: {error}"))?;
    let packages = metadata["packages"].as_array().into_iter().flatten();
    let targets = packages.filter_map(|package| package["targets"].as_array()).flatten();
    let benches = targets.filter(|target| target["kind"][0] == "bench");
    let names = benches.filter_map(|target| target["name"].as_str()).filter(|name| *name != SIZES).map(str::to_owned);
    Ok(names.collect())
}

/// Runs a command that must succeed.
pub(crate) fn succeed(command: &mut Command) -> Result {
    let status = command.status().map_err(|error| format!("{command:?}: {error}"))?;
    if status.success() { Ok(()) } else { Err(format!("{command:?}: {status}")) }
}

/// Tells how far a series of runs has come, and how long the rest takes if it goes on like that.
pub(crate) struct Progress {
    started: Instant,
    /// Seconds of the benchmarks' own reckoning, which is for a full run: in all, and behind us.
    weight: f64,
    done: f64,
    /// What of its full time a benchmark takes, before any has.
    guess: f64,
}

impl Progress {
    pub(crate) fn new(weight: f64, guess: f64) -> Self {
        Self { started: Instant::now(), weight, done: 0.0, guess }
    }

    fn left(&self) -> Duration {
        let elapsed = self.started.elapsed().as_secs_f64();
        // The guess counts like ten seconds of measuring.
        let rate = (elapsed + 10.0 * self.guess) / (self.done + 10.0);
        Duration::from_secs_f64((self.weight - self.done).max(0.0) * rate)
    }

    fn line(&self, what: &str) {
        let [minutes, seconds] = [self.left().as_secs() / 60, self.left().as_secs() % 60];
        eprintln!("{:3.0} %, {minutes}:{seconds:02} left  {what}", 100.0 * self.done / self.weight);
    }

    /// Runs a program of which the inventory tells the benchmarks. What it writes goes to `log`; each of its progress
    /// lines, `[1/28] group/name/parameter (gated)`, becomes one of ours.
    pub(crate) fn run(&mut self, command: &mut Command, inventory: &Inventory, log: &Path, note: &str) -> Result {
        let mut file = File::create(log).map_err(|error| format!("{}: {error}", log.display()))?;
        let stdout = file.try_clone().map_err(|error| error.to_string())?;
        command.stdin(Stdio::null()).stdout(stdout).stderr(Stdio::piped());
        let mut child = command.spawn().map_err(|error| format!("{command:?}: {error}"))?;
        let mut current = 0.0;
        for line in BufReader::new(child.stderr.take().expect("it is piped")).lines().map_while(|line| line.ok()) {
            // A log that cannot be written is no reason to stop.
            let _ = writeln!(file, "{line}");
            if let Some(id) = benchmark(&line) {
                self.done += current;
                current = inventory.seconds(id);
                self.line(&format!("{id}{note}"));
            }
        }
        self.done += current;
        let status = child.wait().map_err(|error| error.to_string())?;
        if status.success() {
            Ok(())
        } else {
            Err(format!("{command:?}: {status}; its output is in {}", log.display()))
        }
    }
}

/// The benchmark whose progress line it is.
fn benchmark(line: &str) -> Option<&str> {
    line.strip_prefix('[')?.split_once("] ")?.1.split(" (").next()
}

/// The benchmarks that a program prints for `--list`, one on a line: `group/name/parameter: benchmark`.
pub(crate) fn listed(output: &str) -> impl Iterator<Item = &str> {
    output.lines().filter_map(|line| line.strip_suffix(": benchmark"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_progress_lines() {
        assert_eq!(benchmark("[3/28] counter/inc/atomic/1 (gated)"), Some("counter/inc/atomic/1"));
        assert_eq!(benchmark("Benchmarking counter/inc/atomic/1: Warming up for 50.000 ms"), None);
    }

    #[test]
    fn finds_what_is_listed() {
        let output = "counter/inc/atomic/1: benchmark\n\n2 benchmarks\ncounter/inc/std/1: benchmark\n";
        assert!(listed(output).eq(["counter/inc/atomic/1", "counter/inc/std/1"]));
    }

    #[test]
    fn the_time_left_follows_what_was_seen() {
        let mut progress = Progress::new(100.0, 0.5);
        assert_eq!(progress.left().as_secs(), 50);
        progress.done = 90.0;
        // At once, so far: what is left takes next to nothing.
        assert!(progress.left().as_secs_f64() < 1.0);
    }

    #[test]
    fn the_sizes_are_no_measurement() {
        let programs = programs(super::super::root()).unwrap();
        assert!(programs.contains(&"counter".to_owned()) && !programs.contains(&SIZES.to_owned()), "{programs:?}");
    }
}
