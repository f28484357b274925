//! How a check ended that needs more than cargo, and so cannot be run everywhere.

use std::process::ExitCode;

pub(crate) enum Outcome {
    /// What was run.
    Passed(String),
    /// What failed, where that is not shown already.
    Failed(String),
    /// Why not: neither a pass nor, unless it is required, a failure.
    NotRun(String),
}

use Outcome::{Failed, NotRun, Passed};

/// The exit status of "not run", as automake has it. (Cargo itself takes 101.)
pub(crate) const NOT_RUN: u8 = 77;

/// Prints how each has ended, and sums it up.
pub(crate) fn report(outcomes: &[(&str, Outcome)], require: bool) -> ExitCode {
    let (mut failed, mut missing) = (false, false);
    for (name, outcome) in outcomes {
        match outcome {
            Passed(what) => println!("{name}: passed ({what})"),
            Failed(what) => {
                failed = true;
                println!("{name}: FAILED: {what}");
            }
            NotRun(why) => {
                missing = true;
                println!("{name}: NOT RUN: {why}");
            }
        }
    }
    match (failed || missing && require, missing) {
        (true, _) => ExitCode::FAILURE,
        (false, true) => ExitCode::from(NOT_RUN),
        (false, false) => ExitCode::SUCCESS,
    }
}
