//! Maintenance programs: `cargo xtask --help`.

use std::env;
use std::process::{Command, ExitCode};
use std::time::Instant;

const USAGE: &str = "\
usage: cargo xtask COMMAND

  test       format, clippy, unit, property, example and doc tests, and the models on loom as published
  models [--corrected | --slow | --table]
             the models alone, on loom as published and on the corrected one, whose acceptance tests come first;
             --corrected leaves out loom as published, --table writes their table in docs/models.md
  mutants [PREFIX]
             weaken each named ordering and leave out each named step, and see that a model fails
  package    the package as it would be uploaded, unpacked and tested
  msrv       the same with the oldest compiler that Cargo.toml promises, and the newest dependencies that it takes
             (status 77, not run, if rustup cannot install that)
  minimal    the same with the oldest dependencies that it allows
  features   each set of features without the others
  api [--record]
             whether the public API is the recorded one (status 77, not run, if it takes another compiler to tell);
             --record writes docs/public-api.txt
  dependents what a user has: model checks of their own code, and no loom without
  miri [SEEDS], tsan [SECONDS], asan [SECONDS], each [--quick] [--require]
             the shipped code under Miri, ThreadSanitizer and AddressSanitizer (SECONDS: of each long stress test);
             status 77 if the tool cannot be had here: not run
  sanitize [--require]
             the quick forms of all three
  platforms [--packages] [--require] [NAME...]
             the integration tests on other systems, as programs for them or under Miri: on Debian root has the packages
             installed that are missing (--packages prints their names); else status 77 as above
  bench-report [--quick] [--no-run] [--docs]
             run the benches and make one page of their figures: target/bench-report/index.html
  bench-compare BASE [HEAD]
             what became slower or faster between two commits or saved baselines; --help tells more";

mod bench_compare;
mod bench_data;
mod bench_report;
mod dependents;
mod generated;
mod models;
mod mutants;
mod outcome;
mod platforms;
mod publish;
mod sanitize;
mod table;
mod tool;

use models::Extent;
use outcome::NOT_RUN;

/// One command to run, and what to call it.
struct Step {
    name: &'static str,
    args: &'static [&'static str],
    env: &'static [(&'static str, &'static str)],
}

const LOOM: &[(&str, &str)] = &[("RUSTFLAGS", "--cfg loom"), ("CARGO_TARGET_DIR", "target/loom")];

const TEST: &[Step] = &[
    Step { name: "format", args: &["fmt", "--all", "--check"], env: &[] },
    Step {
        name: "clippy",
        args: &["clippy", "--workspace", "--all-targets", "--all-features", "--", "-D", "warnings"],
        env: &[],
    },
    Step { name: "tests", args: &["test", "--workspace", "--all-features"], env: &[] },
    Step {
        name: "docs",
        args: &["doc", "--no-deps", "--all-features", "--document-private-items"],
        env: &[("RUSTDOCFLAGS", "-D warnings")],
    },
    Step {
        name: "clippy of the models",
        args: &["clippy", "--lib", "--tests", "--all-features", "--", "-D", "warnings"],
        env: LOOM,
    },
    // What a user's plain command runs besides the models: doc tests. Only the folder is another, so that it is not rebuilt
    // whenever the flags change.
    Step { name: "doc tests under loom", args: &["test", "--release", "--", "--skip", "models::"], env: LOOM },
];

/// Settings that bound loom's search: whoever has them would otherwise see the models refuse to run.
const BOUNDS: &[&str] = &[
    "LOOM_MAX_PREEMPTIONS",
    "LOOM_MAX_PERMUTATIONS",
    "LOOM_MAX_DURATION",
    "LOOM_MAX_BRANCHES",
    "LOOM_CHECKPOINT_FILE",
];

fn main() -> ExitCode {
    let mut args = env::args().skip(1);
    let command = args.next();
    if let Some(command) = command.as_deref().filter(|command| sanitize::knows(command)) {
        return sanitize::run(command, args);
    }
    let done = match (command.as_deref(), args.next()) {
        (Some("test"), None) => run(TEST) && models::published(),
        (Some("models"), None) => models::run(Extent::Usual),
        (Some("models"), Some(corrected)) if corrected == "--corrected" => models::run(Extent::Corrected),
        (Some("models"), Some(slow)) if slow == "--slow" => models::run(Extent::Slow),
        (Some("models"), Some(table)) if table == "--table" => models::run(Extent::Table),
        (Some("mutants"), None) => mutants::run(""),
        (Some("mutants"), Some(prefix)) => mutants::run(&prefix),
        (Some("dependents"), None) => dependents::run(),
        (Some("package"), None) => told(publish::package()),
        (Some("minimal"), None) => told(publish::minimal()),
        (Some("features"), None) => told(publish::features()),
        (Some("api"), None) => return perhaps(publish::api()),
        (Some("msrv"), None) => return perhaps(publish::msrv()),
        (Some("api"), Some(record)) if record == "--record" => told(publish::record()),
        (Some("platforms"), next) => return platforms::run(next.into_iter().chain(args)),
        (Some("bench-report"), next) => return bench_report::run(next.into_iter().chain(args)),
        (Some("bench-compare"), next) => return bench_compare::run(next.into_iter().chain(args)),
        (Some("--help" | "-h"), None) => {
            println!("{USAGE}");
            true
        }
        _ => {
            eprintln!("{USAGE}");
            return ExitCode::from(2);
        }
    };
    if done { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// As [`told`], of what may not have been run, and why.
fn perhaps(result: Result<Option<String>, String>) -> ExitCode {
    match result {
        Ok(Some(why)) => {
            eprintln!("== NOT RUN: {why}");
            ExitCode::from(NOT_RUN)
        }
        Ok(None) => ExitCode::SUCCESS,
        Err(why) => {
            told(Err(why));
            ExitCode::FAILURE
        }
    }
}

/// Whether it went well; if not, why.
fn told(result: Result<(), String>) -> bool {
    if let Err(why) = &result {
        eprintln!("== {why}");
    }
    result.is_ok()
}

/// Runs the steps one after the other, up to the first that fails.
fn run(steps: &[Step]) -> bool {
    for step in steps {
        eprintln!("== {}: cargo {}", step.name, step.args.join(" "));
        let start = Instant::now();
        let status = cargo().args(step.args).envs(step.env.iter().copied()).status();
        let seconds = start.elapsed().as_secs();
        match status {
            Ok(status) if status.success() => eprintln!("== {}: ok, {seconds} s", step.name),
            Ok(status) => {
                eprintln!("== {}: failed, {status}", step.name);
                return false;
            }
            Err(error) => {
                eprintln!("== {}: cargo did not start: {error}", step.name);
                return false;
            }
        }
    }
    true
}

/// Cargo, in the root of the repository.
fn cargo() -> Command {
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/.."));
    for name in BOUNDS {
        cargo.env_remove(name);
    }
    cargo
}
