//! The checks of the shipped code itself, on the real parking lot: Miri, ThreadSanitizer, AddressSanitizer.
//!
//! All three need a nightly toolchain. Where it is not to be had, the outcome is *not run*, with the reason: neither a
//! pass nor, unless `--require` is given, a failure. It has an exit status of its own.
//!
//! Each tool is first shown `examples/canary.rs`. One that does not notice its mistakes fails.

mod address;
mod miri;
mod native;
mod thread;
mod tool;

use std::process::ExitCode;

/// How a check ended.
enum Outcome {
    /// What was run.
    Passed(String),
    /// What failed, where that is not shown already.
    Failed(String),
    /// Why not.
    NotRun(String),
}

use Outcome::{Failed, NotRun, Passed};

/// What the command line asks for.
#[derive(Default)]
struct Wish {
    /// The part that fits into every run of CI.
    quick: bool,
    /// A tool that is not there is a failure.
    require: bool,
    /// Seeds for Miri; seconds of each long stress test for the sanitizers.
    number: Option<u32>,
}

type Check = (&'static str, fn(&Wish) -> Outcome);

const ALL: [Check; 3] = [("tsan", thread::run), ("asan", address::run), ("miri", miri::run)];

/// Whether the command is one of these.
pub(super) fn knows(command: &str) -> bool {
    command == "sanitize" || ALL.iter().any(|(name, _)| *name == command)
}

/// Runs one check, or all of them in their quick form.
pub(super) fn run(command: &str, args: impl Iterator<Item = String>) -> ExitCode {
    let mut wish = Wish { quick: command == "sanitize", ..Wish::default() };
    for arg in args {
        match arg.as_str() {
            "--quick" => wish.quick = true,
            "--require" => wish.require = true,
            number => match number.parse() {
                Ok(number) if number > 0 => wish.number = Some(number),
                _ => {
                    eprintln!("{}", super::USAGE);
                    return ExitCode::from(2);
                }
            },
        }
    }
    let (mut failed, mut missing) = (false, false);
    let mut summary = Vec::new();
    for (name, check) in ALL.iter().filter(|(name, _)| command == "sanitize" || *name == command) {
        summary.push(match check(&wish) {
            Passed(what) => format!("{name}: passed ({what})"),
            Failed(what) => {
                failed = true;
                format!("{name}: FAILED: {what}")
            }
            NotRun(why) => {
                missing = true;
                format!("{name}: NOT RUN: {why}")
            }
        });
    }
    println!("{}", summary.join("\n"));
    match (failed || missing && wish.require, missing) {
        (true, _) => ExitCode::FAILURE,
        (false, true) => ExitCode::from(super::NOT_RUN),
        (false, false) => ExitCode::SUCCESS,
    }
}
