//! What is said, and where: the report on standard output, notes and progress on standard error.

use std::fmt;
use std::io::{self, Write};
use std::time::Duration;

use crate::cured::Outcome;

/// How many rejected rows of each kind are named.
const NAMED: usize = 3;

/// How many faults are told.
const FAULTS: usize = 10;

#[derive(Clone, Copy)]
pub(crate) enum Kind {
    Malformed,
    UnknownSite,
    SelfMove,
    NotThere,
}

const KINDS: [(Kind, &str); 4] = [
    (Kind::Malformed, "malformed"),
    (Kind::UnknownSite, "unknown site"),
    (Kind::SelfMove, "self-move"),
    (Kind::NotThere, "not there"),
];

#[derive(Clone, Default)]
struct Tally {
    count: usize,
    /// The first rows of this kind, by line.
    first: Vec<(u64, String)>,
}

/// The rejected rows: all counted, the first of each kind named.
#[derive(Clone, Default)]
pub(crate) struct Rejections([Tally; KINDS.len()]);

impl Rejections {
    /// Adds a row; rows come in the order of their lines.
    pub(crate) fn add(&mut self, kind: Kind, line: u64, reason: impl FnOnce() -> String) {
        let tally = &mut self.0[kind as usize];
        tally.count += 1;
        if tally.first.len() < NAMED {
            tally.first.push((line, reason()));
        }
    }

    pub(crate) fn merge(&mut self, other: Self) {
        for (tally, other) in self.0.iter_mut().zip(other.0) {
            tally.count += other.count;
            tally.first.extend(other.first);
            tally.first.sort();
            tally.first.truncate(NAMED);
        }
    }

    pub(crate) fn count(&self, kind: Kind) -> usize {
        self.0[kind as usize].count
    }

    pub(crate) fn total(&self) -> usize {
        self.0.iter().map(|tally| tally.count).sum()
    }
}

impl fmt::Display for Rejections {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "rejected: {}", self.total())?;
        for (kind, name) in KINDS {
            let tally = &self.0[kind as usize];
            write!(f, "\n  {name}: {}", tally.count)?;
            for (line, reason) in &tally.first {
                write!(f, "\n    line {line}: {reason}")?;
            }
        }
        Ok(())
    }
}

/// The end of a run.
pub(crate) fn summary(outcome: &Outcome, verdict: &Result<String, Vec<String>>) -> String {
    let Outcome { done, rejected, wall, .. } = outcome;
    let wall = wall.as_secs_f64();
    let rate = *done as f64 / wall.max(1e-9);
    let verdict = match verdict {
        Ok(checked) => format!("check passed: {checked}"),
        Err(faults) => {
            let first = faults.iter().take(FAULTS).map(|fault| format!("\n  {fault}"));
            format!("check failed: {} faults{}", faults.len(), first.collect::<String>())
        }
    };
    format!(
        "moves done: {done}\n{rejected}\nwall time: {wall:.4} s\n\
         moves per second: {rate:.0}\n{verdict}"
    )
}

/// Says where a run stands.
pub(crate) fn progress(elapsed: Duration, moves: usize, of: usize) {
    let percent = 100 * moves / of.max(1);
    note(&format!("{:7.1} s: {moves} of {of} moves ({percent} %)", elapsed.as_secs_f64()));
}

/// Writes to standard error; that nobody listens there is no reason to stop.
pub(crate) fn note(text: &str) {
    let _ = writeln!(io::stderr(), "{text}");
}

/// Writes to standard output. A reader who has left (`| head`) changes nothing in the outcome.
pub(crate) fn print(text: &str) -> Result<(), String> {
    let mut out = io::stdout().lock();
    match writeln!(out, "{text}").and_then(|()| out.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(format!("standard output: {error}")),
        _ => Ok(()),
    }
}
