//! The command line.

use std::fmt;
use std::num::NonZero;
use std::path::PathBuf;
use std::thread;

use lexopt::prelude::*;

pub(crate) const USAGE: &str = "\
usage: transfer [FILE] [--threads N] [--naive]

Moves researchers between sites on many threads at once and checks the end.

  FILE         CSV rows `researcher,from,to`, after an optional first line
               `sites,NAME,...`; `-` is standard input; without FILE, a
               bundled file of 12801 moves over 50 sites
  --threads N  how many threads; at most one per researcher starts, and at
               most 1000; if not given, one per core, but at least 2
  --naive      lock in argument order with plain mutexes: shows the deadlock
  --help       this text

exit codes: 0 all well, 1 the check failed, 2 wrong usage, input or output,
            3 deadlock (--naive)
";

pub(crate) enum Source {
    Bundled,
    Stdin,
    File(PathBuf),
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Source::Bundled => f.write_str("the bundled file"),
            Source::Stdin => f.write_str("standard input"),
            Source::File(path) => path.display().fmt(f),
        }
    }
}

pub(crate) struct Args {
    pub(crate) source: Source,
    pub(crate) threads: usize,
    pub(crate) naive: bool,
}

pub(crate) enum Command {
    Help,
    Run(Args),
}

pub(crate) fn parse() -> Result<Command, lexopt::Error> {
    let (mut source, mut threads, mut naive) = (None, None, false);
    let mut parser = lexopt::Parser::from_env();
    while let Some(arg) = parser.next()? {
        match arg {
            Short('h') | Long("help") => return Ok(Command::Help),
            Long("naive") => naive = true,
            Long("threads") => {
                let value = parser.value()?;
                let number = value.to_str().and_then(|text| text.parse::<NonZero<usize>>().ok());
                threads = Some(number.ok_or_else(|| format!("--threads wants a whole number from 1, not {value:?}"))?);
            }
            Value(path) if source.is_none() => {
                source = Some(if path == "-" { Source::Stdin } else { Source::File(path.into()) });
            }
            _ => return Err(arg.unexpected()),
        }
    }
    Ok(Command::Run(Args {
        source: source.unwrap_or(Source::Bundled),
        threads: threads.map_or_else(default_threads, NonZero::get),
        naive,
    }))
}

fn default_threads() -> usize {
    thread::available_parallelism().map_or(2, NonZero::get).max(2)
}
