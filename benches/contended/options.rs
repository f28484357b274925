//! The command line of the exploratory mode.

use std::str::FromStr;
use std::time::Duration;

pub(crate) const USAGE: &str = "\
usage: cargo bench --bench contended -- --explore WHAT [OPTIONS]

WHAT is one (a mutex), sets (of two among several), rwlock, or one of once, wait_group, cancel and counter.

  --threads N,...     2, 3, 4, 8, 16, 32 and 64 unless given
  --section US,...    time with the lock, in microseconds (one, rwlock): 0, 0.1, 0.3, 3 and 30 unless given
  --outside HOW       none: no work without the lock; equal: as much as with it; both, unless given (one)
  --locks N,...       to take two of (sets): 2, 8 and 64 unless given
  --every N,...       one operation in so many writes (rwlock): 10, 100 and 1000 unless given
  --only NAME,...     only these implementations
  --runs N            of each, in turns; 5 unless given
  --ms N              the length of a run; 200 unless given
  --each              lists every run";

pub(crate) struct Options {
    pub(crate) what: String,
    pub(crate) threads: Vec<usize>,
    pub(crate) sections: Vec<Duration>,
    /// With as much work outside, or without.
    pub(crate) outside: Vec<bool>,
    pub(crate) locks: Vec<usize>,
    pub(crate) every: Vec<u64>,
    pub(crate) only: Vec<String>,
    pub(crate) runs: usize,
    pub(crate) length: Duration,
    pub(crate) each: bool,
}

impl Options {
    /// None, if the command line asks for something else.
    pub(crate) fn given() -> Option<Result<Self, String>> {
        // Cargo adds the first.
        let args: Vec<_> = std::env::args().skip(1).filter(|arg| arg != "--bench").collect();
        args.iter().any(|arg| arg == "--explore").then(|| Self::read(args))
    }

    fn read(args: Vec<String>) -> Result<Self, String> {
        let mut options = Self {
            what: String::new(),
            threads: vec![2, 3, 4, 8, 16, 32, 64],
            sections: [0, 100, 300, 3_000, 30_000].map(Duration::from_nanos).to_vec(),
            outside: vec![false, true],
            locks: vec![2, 8, 64],
            every: vec![10, 100, 1_000],
            only: Vec::new(),
            runs: 5,
            length: Duration::from_millis(200),
            each: false,
        };
        let mut args = args.into_iter();
        while let Some(arg) = args.next() {
            if arg == "--each" {
                options.each = true;
                continue;
            }
            let value = args.next().ok_or_else(|| format!("{arg} wants a value"))?;
            match arg.as_str() {
                "--explore" => options.what = value,
                "--threads" => options.threads = list(&value)?,
                "--section" => {
                    let micros: Vec<f64> = list(&value)?;
                    options.sections = micros.into_iter().map(|micros| Duration::from_secs_f64(micros / 1e6)).collect();
                }
                "--outside" => {
                    options.outside = match value.as_str() {
                        "none" => vec![false],
                        "equal" => vec![true],
                        "both" => vec![false, true],
                        _ => return Err(format!("--outside {value}")),
                    }
                }
                "--locks" => options.locks = list(&value)?,
                "--every" => options.every = list(&value)?,
                "--only" => options.only = list(&value)?,
                "--runs" => options.runs = number(&value)?,
                "--ms" => options.length = Duration::from_millis(number(&value)?),
                _ => return Err(format!("{arg} is no option")),
            }
        }
        if options.runs == 0 || options.threads.contains(&0) || options.locks.iter().any(|locks| *locks < 2) {
            return Err("that is too few".to_owned());
        }
        Ok(options)
    }
}

fn number<T: FromStr>(text: &str) -> Result<T, String> {
    text.parse().map_err(|_| format!("{text} is not what belongs there"))
}

fn list<T: FromStr>(text: &str) -> Result<Vec<T>, String> {
    text.split(',').map(number).collect()
}
