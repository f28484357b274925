//! Moves researchers between sites on many threads, each move inside one [`raddle::lock_all`].
//!
//! ```text
//! cargo run --release --example transfer [-- FILE] [--threads N] [--naive]
//! ```
//!
//! FILE is CSV, `researcher,from,to` in UTF-8; `-` is standard input; without FILE a bundled one is
//! read. One line is one row, so that a stray quote spoils its own row alone; spaces around a name
//! do not count. A first line `sites,NAME,…` declares the sites, and any other is unknown; without
//! it every name met is a site. A heading that reads `researcher,from,to` is passed over.
//!
//! A row is done, or rejected for one of four reasons:
//!
//! - malformed: not three names (or not UTF-8, an open quote, a control character);
//! - unknown site: the file declares its sites, and this is none of them;
//! - self-move: `from` is `to`, which `lock_all` answers with `LockError::Duplicate`;
//! - not there: the researcher is not at `from`.
//!
//! A row is *valid* if it has three names and goes from one known site to another. A researcher
//! starts where their first valid row has them; a self-move puts nobody anywhere.
//!
//! `--naive` locks the two sites in argument order with plain mutexes instead, forth and back
//! through the moves until the threads are deadlocked, and says how.
//!
//! Exit codes: 0 all is well (or no deadlock came), 1 the check failed, 2 wrong usage, input or
//! output, 3 deadlock.

mod args;
mod check;
mod crew;
mod cured;
mod input;
mod naive;
mod report;
mod site;

use std::process::ExitCode;

use args::{Args, Command, USAGE};
use input::Input;

/// Some ten thousands more, and one that cannot start may take the process with it.
const MOST_THREADS: usize = 1000;

const CHECK_FAILED: u8 = 1;
const UNUSABLE: u8 = 2;
const DEADLOCK: u8 = 3;

fn main() -> ExitCode {
    let done = match args::parse() {
        Ok(Command::Help) => report::print(USAGE).map(|()| ExitCode::SUCCESS),
        Ok(Command::Run(args)) => run(&args),
        Err(error) => Err(format!("{error} (--help says more)")),
    };
    done.unwrap_or_else(|message| {
        report::note(&format!("transfer: {message}"));
        ExitCode::from(UNUSABLE)
    })
}

fn run(args: &Args) -> Result<ExitCode, String> {
    report::note(&format!("transfer: reading {}", args.source));
    let input = Input::read(&args.source)?;
    // A thread without a researcher would have nothing to do.
    let threads = args.threads.min(input.researchers.len()).min(MOST_THREADS);
    let fewer = match threads < args.threads {
        true => " (more are of no use)",
        false => "",
    };
    report::note(&format!(
        "transfer: rows {}, sites {}, researchers {}, threads {threads}{fewer}",
        input.rows(),
        input.sites.len(),
        input.researchers.len(),
    ));
    if args.naive {
        return naive::run(&input, threads);
    }
    let outcome = cured::run(&input, threads)?;
    let verdict = check::check(&input, &outcome);
    report::print(&report::summary(&outcome, &verdict))?;
    Ok(match verdict {
        Ok(_) => ExitCode::SUCCESS,
        Err(_) => ExitCode::from(CHECK_FAILED),
    })
}
