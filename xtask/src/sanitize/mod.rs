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

pub(super) use miri::quick_for as miri_for;

use std::process::ExitCode;

use crate::outcome::Outcome::{self, Failed, NotRun, Passed};
use crate::outcome::report;
use crate::tool;

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
    let chosen = ALL.iter().filter(|(name, _)| command == "sanitize" || *name == command);
    let outcomes: Vec<_> = chosen.map(|(name, check)| (*name, check(&wish))).collect();
    report(&outcomes, wish.require)
}
