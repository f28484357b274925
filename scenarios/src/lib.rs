//! What the scenarios have in common: the command line, the end, and the threads that are left behind.

use std::env;
use std::fmt::Display;
use std::fs;
use std::process::ExitCode;
use std::thread;
use std::time::{Duration, Instant};

/// What came of a run: what was checked, or what is wrong.
pub type Outcome<E = String> = Result<String, E>;

/// Runs the cure, or with `--naive` what it cures.
///
/// Exit codes: 0 the cure held, 1 a check failed, 2 wrong usage, 3 `--naive` has shown the failure.
pub fn run<E: Display>(cured: fn() -> Outcome<E>, naive: fn() -> Outcome<E>) -> ExitCode {
    let args: Vec<_> = env::args().skip(1).collect();
    match args.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => match cured().map_err(|why| why.to_string()).and_then(nobody_left) {
            Ok(checked) => {
                println!("check passed: {checked}");
                ExitCode::SUCCESS
            }
            Err(why) => failed(why),
        },
        ["--naive"] => match naive() {
            Ok(failure) => {
                println!("failure shown: {failure}");
                ExitCode::from(3)
            }
            Err(why) => failed(why),
        },
        _ => {
            eprintln!("usage: [--naive]\n\n  --naive  show what happens without the cure");
            ExitCode::from(2)
        }
    }
}

fn failed(why: impl Display) -> ExitCode {
    println!("check failed: {why}");
    ExitCode::FAILURE
}

/// Passes on what was checked if no thread runs besides this one. A joined thread may take the system a moment to remove.
fn nobody_left(checked: String) -> Outcome {
    let patience = Instant::now() + Duration::from_secs(10);
    loop {
        match threads() {
            None => return Ok(format!("{checked}; this system does not tell how many threads are left")),
            Some(0) => return Ok(format!("{checked}; no thread is left behind")),
            Some(left) if Instant::now() > patience => {
                return Err(format!("{checked}, but {left} threads are left behind"));
            }
            // A library's own threads may stay for seconds, so this does not spin.
            Some(_) => thread::sleep(Duration::from_millis(1)),
        }
    }
}

/// How many threads this process has besides the calling one, where the system tells.
fn threads() -> Option<usize> {
    fs::read_dir("/proc/self/task").ok().map(|tasks| tasks.count() - 1)
}
