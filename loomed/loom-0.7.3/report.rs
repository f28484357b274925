//! What a program that runs tests is told of each search, and how it has one execution repeated.
//!
//! `LOOMED_REPORT` names a file to which a line is appended for each event, its fields separated by tabs:
//!
//! `search`, the number of the search in this process, `at` / `complete` / `stopped` / `failed` / `repeated`, executions,
//! microseconds, why executions were left out (words separated by commas), and, of one that failed, the path to it.
//!
//! `LOOMED_REPEAT`, as `number:path`, has that search run this one execution. Each operation of it is told by a line: `step`,
//! `!` if a panic is under way, thread, source line, what it does, the number of the object, and where that was made.
//!
//! Without these variables nothing is done.

use crate::rt::Location;

use std::fs::File;
use std::io::Write;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicUsize, Ordering::Relaxed};
use std::sync::Mutex;
use std::time::{Duration, Instant};

static FILE: Mutex<Option<File>> = Mutex::new(None);
static TRACING: AtomicBool = AtomicBool::new(false);
static SEARCHES: AtomicUsize = AtomicUsize::new(0);
static LEFT_OUT: AtomicU8 = AtomicU8::new(0);

/// How often it is told how far a search is.
const INTERVAL: Duration = Duration::from_secs(2);

/// Why executions were left out of a search.
#[derive(Clone, Copy)]
pub(crate) enum Why {
    /// `preemption_bound`
    Preemptions = 1,
    /// `max_permutations`
    Permutations = 2,
    /// `max_duration`
    Duration = 4,
    /// `stop_exploring`, `skip_branch`, or `expect_explicit_explore`
    Told = 8,
    /// A word was stored to more often than stores are remembered
    History = 16,
    /// A thread yielded: others run first, and it does not read again what it has read
    Yield = 32,
}

const WORDS: [(Why, &str); 6] = [
    (Why::Preemptions, "preemptions"),
    (Why::Permutations, "permutations"),
    (Why::Duration, "duration"),
    (Why::Told, "told"),
    (Why::History, "history"),
    (Why::Yield, "yield"),
];

/// Executions are left out of this search.
pub(crate) fn leave_out(why: Why) {
    LEFT_OUT.fetch_or(why as u8, Relaxed);
}

/// One search.
pub(crate) struct Search {
    number: usize,
    start: Instant,
    told: Instant,
    is_told: bool,
}

impl Search {
    pub(crate) fn begin() -> Search {
        let number = SEARCHES.fetch_add(1, Relaxed);
        let mut file = FILE.lock().unwrap();
        if file.is_none() {
            if let Some(path) = std::env::var_os("LOOMED_REPORT") {
                let opened = File::options().append(true).create(true).open(path);
                *file = Some(opened.expect("the file that LOOMED_REPORT names can be written"));
            }
        }
        LEFT_OUT.store(0, Relaxed);
        let now = Instant::now();
        Search {
            number,
            start: now,
            told: now,
            is_told: file.is_some(),
        }
    }

    /// The path of the one execution that is to be run, if there is one.
    pub(crate) fn repeats(&self) -> Option<Vec<u8>> {
        let asked = std::env::var("LOOMED_REPEAT").ok()?;
        let (number, path) = asked.split_once(':')?;
        let is_this = number.parse() == Ok(self.number);
        TRACING.store(is_this, Relaxed);
        is_this.then(|| path.as_bytes().to_vec())
    }

    pub(crate) fn is_told(&self) -> bool {
        self.is_told
    }

    /// After each execution: tells, from time to time, how many there were.
    pub(crate) fn progress(&mut self, executions: usize) {
        if self.is_told && self.told.elapsed() >= INTERVAL {
            self.told = Instant::now();
            self.tell("at", executions, "");
        }
    }

    pub(crate) fn tell(&self, what: &str, executions: usize, path: &str) {
        let left_out = LEFT_OUT.load(Relaxed);
        let words: Vec<_> = WORDS
            .iter()
            .filter(|(why, _)| left_out & *why as u8 != 0)
            .map(|(_, word)| *word)
            .collect();
        line(&format!(
            "search\t{}\t{}\t{}\t{}\t{}\t{}",
            self.number,
            what,
            executions,
            self.start.elapsed().as_micros(),
            words.join(","),
            path
        ));
    }
}

/// Whether an execution is repeated to be looked at.
pub(crate) fn is_tracing() -> bool {
    TRACING.load(Relaxed)
}

/// Tells what a thread does, if this execution is repeated to be looked at.
pub(crate) fn step(thread: usize, location: Location, what: impl FnOnce() -> String) {
    if is_tracing() {
        let panicking = if std::thread::panicking() { "!" } else { "" };
        line(&format!(
            "step\t{panicking}\t{thread}\t{location}\t{}",
            what()
        ));
    }
}

fn line(text: &str) {
    if let Some(file) = &mut *FILE.lock().unwrap() {
        // A single write, so that lines stay whole where processes share the file.
        let _ = file.write_all(format!("{text}\n").as_bytes());
    }
}
