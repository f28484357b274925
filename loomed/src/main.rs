//! `cargo loomed test`: the tests of a crate or workspace on a loom whose search was corrected.
//!
//! One program in three parts. Called by cargo as a subcommand it has cargo build and run the tests ([`session`]). Cargo calls it
//! again in place of the compiler, so that loom is compiled from the patched source ([`wrapper`]), and in place of each test
//! program, so that each test runs in a process of its own and is reported on ([`runner`]). So nothing is written but below the
//! target folder, whatever happens.

mod args;
mod interleaving;
mod loom;
mod page;
mod project;
mod runner;
mod search;
mod session;
mod test;
mod wrapper;

use std::process::ExitCode;

/// All that was run has passed.
const PASSED: u8 = 0;
/// A test has failed.
const FAILED: u8 = 1;
/// Nothing was run, and why was said.
const NOT_RUN: u8 = 2;
/// All has passed, and `--complete` was asked for, and a search was not.
const INCOMPLETE: u8 = 3;

const USAGE: &str = "\
usage: cargo loomed test [OPTIONS] [CARGO TEST'S OPTIONS] [-- TEST PROGRAM'S OPTIONS]

Runs the tests under loom, with --cfg loom, on a loom whose search was corrected. Cargo.lock and all else outside of the target
folder stay as they are. Long searches want cargo's --release.

  --compare          run them on loom as published, too
  --complete         fail with exit code 3 if a search was bounded or left something out
  --timeout SECONDS  end a test that takes longer, and count it as failed
  --cfg NAME         set this cfg instead of `loom` (several times, if need be)
  --json             print a report for programs
  --help, --version

Exit codes: 0 passed, 1 failed, 2 not run, 3 see --complete, 101 did not compile.";

fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args_os().skip(1).collect();
    let code = match arguments.first() {
        Some(first) if first == runner::CALL => runner::main(&arguments[1..]),
        Some(first) if wrapper::is_meant(first) => wrapper::main(&arguments),
        _ => session::main(arguments),
    };
    ExitCode::from(code)
}

/// Says why nothing is run.
fn refuse(why: impl std::fmt::Display) -> u8 {
    eprintln!("error: {why}");
    NOT_RUN
}
