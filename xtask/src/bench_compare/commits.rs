//! Two commits, each checked out and built below `target/bench-compare`, and run in turns.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use serde_json::Value;

use super::{Options, Series, Sides, baselines};
use crate::bench_data::{Figure, Inventory, Progress, Result, listed, programs, root, succeed, target};

/// Short runs: what counts is that there are many of them.
const ARGS: &[&str] =
    &["--bench", "--sample-size=10", "--warm-up-time=0.05", "--measurement-time=0.1", "--nresamples=1000", "--noplot"];

/// What of a full run's time such a run takes, about; only to guess before anything was measured.
const SHORT: f64 = 0.25;

/// The commit of that name, in full.
pub(super) fn resolve(name: &str) -> Result<String> {
    let args = ["rev-parse", "--verify", "--quiet", "--end-of-options", &format!("{name}^{{commit}}")];
    let output =
        Command::new("git").args(args).current_dir(root()).output().map_err(|error| format!("git: {error}"))?;
    let commit = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    if output.status.success() { Ok(commit) } else { Err(format!("git knows no commit {name}")) }
}

/// A commit's bench programs, built.
struct Built {
    programs: Vec<(String, PathBuf)>,
}

/// Runs both and gives what both have.
pub(super) fn series(base: &str, options: &Options) -> Result<(Sides, Vec<Series>)> {
    let head = resolve(options.head.as_deref().unwrap_or("HEAD"))?;
    let folder = target().join("bench-compare");
    let commits = [base, head.as_str()];
    // Both before any is run, so that a build never disturbs a measurement.
    let built = [build(&folder, commits[0], options)?, build(&folder, commits[1], options)?];
    let figures = folder.join("figures");
    let _ = fs::remove_dir_all(&figures);
    let homes = |side: &str, round: usize| figures.join(format!("{side}-{round}"));
    let inventory = inventory(&figures, &built)?;
    let both = |program: &str| built.iter().all(|built| built.programs.iter().any(|(name, _)| name == program));
    let programs: Vec<_> = built[1].programs.iter().map(|(name, _)| name.as_str()).filter(|name| both(name)).collect();
    let mut each_round = 0.0;
    for built in &built {
        for program in &programs {
            each_round += built.seconds(program, &figures.join("list"), &inventory, options)?;
        }
    }
    if each_round == 0.0 {
        return Err("there is no such benchmark".to_owned());
    }
    let mut progress = Progress::new(options.rounds as f64 * each_round, SHORT);
    for round in 0..options.rounds {
        // The two runs of a program are neighbours in time, and take turns in who is first.
        let order = if round % 2 == 0 { [0, 1] } else { [1, 0] };
        for program in &programs {
            for (side, name) in order.map(|side| (side, ["base", "head"][side])) {
                let home = homes(name, round);
                fs::create_dir_all(&home).map_err(|error| format!("{}: {error}", home.display()))?;
                let mut command = built[side].command(program, &home);
                command.args(ARGS).args(&options.filter);
                let note = format!("  {name}, round {} of {}", round + 1, options.rounds);
                progress.run(&mut command, &inventory, &home.join(format!("{program}.log")), &note)?;
            }
        }
    }
    let series = baselines::collect(&inventory, |id| {
        let read = |side, round| Figure::read(&homes(side, round), id, "new");
        let rounds = (0..options.rounds).map(|round| Ok(read("base", round)?.zip(read("head", round)?)));
        Ok(rounds.collect::<Result<Option<Vec<_>>>>()?.unwrap_or_default())
    })?;
    let [base, head] = commits.map(|commit| commit[..12].to_owned());
    Ok((Sides { base, head }, series))
}

impl Built {
    fn command(&self, program: &str, home: &Path) -> Command {
        let (_, path) = self.programs.iter().find(|(name, _)| name == program).expect("it was built");
        let mut command = Command::new(path);
        command.env("CRITERION_HOME", home).current_dir(root());
        command
    }

    /// How long a full run of the program takes, about, without what the filter leaves out.
    fn seconds(&self, program: &str, home: &Path, inventory: &Inventory, options: &Options) -> Result<f64> {
        let mut list = self.command(program, home);
        list.args(["--bench", "--list"]).args(&options.filter).stderr(Stdio::null());
        let output = list.output().map_err(|error| format!("{list:?}: {error}"))?;
        if !output.status.success() {
            return Err(format!("{list:?}: {}", output.status));
        }
        Ok(listed(&String::from_utf8_lossy(&output.stdout)).map(|id| inventory.seconds(id)).sum())
    }
}

/// What head's programs measure, or base's where head's do not write it down.
fn inventory(figures: &Path, built: &[Built; 2]) -> Result<Inventory> {
    for (name, built) in ["head", "base"].into_iter().zip(built.iter().rev()) {
        let home = figures.join(format!("inventory-{name}"));
        fs::create_dir_all(&home).map_err(|error| format!("{}: {error}", home.display()))?;
        for (program, _) in &built.programs {
            let mut list = built.command(program, &home);
            succeed(list.args(["--bench", "--list"]).stdout(Stdio::null()).stderr(Stdio::null()))?;
        }
        let names: Vec<_> = built.programs.iter().map(|(name, _)| name.clone()).collect();
        if let Ok(inventory) = Inventory::of(&home, &names) {
            return Ok(inventory);
        }
    }
    Err("the benches of neither commit write down what they measure (benches/support/inventory.rs)".to_owned())
}

/// Checks the commit out and builds its benches, unless that was done before.
fn build(folder: &Path, commit: &str, options: &Options) -> Result<Built> {
    // A folder to build in for each: Cargo would take the one's files for the other's, should they be older.
    let (tree, target) = (folder.join(&commit[..12]).join("tree"), folder.join(&commit[..12]).join("build"));
    if !tree.join("Cargo.toml").exists() {
        // Forced, as git still knows of a tree that was deleted along with target/.
        let mut git = Command::new("git");
        git.args(["worktree", "add", "--quiet", "--force", "--detach"]).arg(&tree).arg(commit).current_dir(root());
        succeed(&mut git)?;
    }
    eprintln!("building the benches of {}, from nothing the first time; the countdown begins after it", &commit[..12]);
    let started = Instant::now();
    let all = programs(&tree)?;
    let wanted: Vec<_> =
        all.into_iter().filter(|name| options.programs.is_empty() || options.programs.contains(name)).collect();
    if wanted.is_empty() {
        return Err(format!("{} has none of these programs", &commit[..12]));
    }
    let mut cargo = crate::cargo();
    cargo.current_dir(&tree).env("CARGO_TARGET_DIR", &target);
    cargo.args(["bench", "--no-run", "--message-format=json-render-diagnostics"]);
    wanted.iter().for_each(|name| _ = cargo.args(["--bench", name]));
    let output = cargo.stderr(Stdio::inherit()).output().map_err(|error| format!("{cargo:?}: {error}"))?;
    if !output.status.success() {
        return Err(format!("the benches of {} do not build", &commit[..12]));
    }
    eprintln!("built in {} s", started.elapsed().as_secs());
    let mut built = executables(&String::from_utf8_lossy(&output.stdout));
    // In the order of the manifest; Cargo tells them as they are done.
    built.sort_by_key(|(name, _)| wanted.iter().position(|wanted| wanted == name));
    let missing: Vec<_> = wanted.iter().filter(|name| built.iter().all(|(built, _)| built != *name)).collect();
    if missing.is_empty() { Ok(Built { programs: built }) } else { Err(format!("no executable of {missing:?}")) }
}

/// The bench programs among what Cargo says that it made.
fn executables(messages: &str) -> Vec<(String, PathBuf)> {
    let messages = messages.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let made = messages.filter_map(|message| {
        let bench = message["target"]["kind"][0] == "bench";
        let name = message["target"]["name"].as_str().filter(|_| bench)?.to_owned();
        Some((name, message["executable"].as_str()?.into()))
    });
    made.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_what_cargo_made() {
        let messages = concat!(
            r#"{"reason":"compiler-artifact","target":{"kind":["lib"],"name":"raddle"},"executable":null}"#,
            "\nnot JSON\n",
            r#"{"reason":"compiler-artifact","target":{"kind":["bench"],"name":"lock"},"executable":"/t/lock-1"}"#,
            "\n",
            r#"{"reason":"build-finished","success":true}"#,
        );
        assert_eq!(executables(messages), [("lock".to_owned(), PathBuf::from("/t/lock-1"))]);
    }

    #[test]
    fn a_name_that_is_no_commit_is_an_error() {
        assert!(resolve("no-such-commit").is_err());
        assert!(resolve("--all").is_err());
    }
}
