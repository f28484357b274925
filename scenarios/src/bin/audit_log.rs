//! The audit log: each of a doctor's actions is written to it in the background, and the request must know when all are
//! written. The log is a table of SQLite's, in a file.
//!
//! Sleeping "long enough" loses entries as soon as the nightly report holds the table for longer (`--naive`). A
//! [`WaitGroup`] knows: every writer takes a worker along, which is done when it is dropped, also by a panic. The
//! request learns of that, and its wait has a limit.

use std::error::Error;
use std::panic;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use raddle::{Stopped, WaitError, WaitGroup, WorkerPanicked};
use rusqlite::{Connection, TransactionBehavior};
use scenarios::Outcome;
use tempfile::TempDir;

const ACTIONS: [&str; 6] = [
    "opened the record of Li",
    "changed the dose of Li",
    "opened the record of Wang",
    "printed the consent of Wang",
    "excluded Zhao",
    "signed the visit of Zhao",
];

/// Nothing should take this long.
const SEAT_BELT: Duration = Duration::from_secs(30);
/// What the writers need on any other day.
const LONG_ENOUGH: Duration = Duration::from_millis(200);

type Failure = Box<dyn Error + Send + Sync>;

fn main() -> ExitCode {
    scenarios::run(cured, naive)
}

/// The log, and a folder for it that goes with it.
struct Log {
    folder: TempDir,
}

impl Log {
    fn create() -> Result<Self, Failure> {
        let log = Self { folder: tempfile::tempdir()? };
        connect(&log.path())?.execute_batch(
            "CREATE TABLE audit (
                request INTEGER NOT NULL, doctor TEXT NOT NULL CHECK (doctor <> ''), action TEXT NOT NULL
            )",
        )?;
        Ok(log)
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("audit.db")
    }

    /// Writes an entry in the background.
    fn record(&self, request: &Arc<WaitGroup>, id: u32, doctor: &'static str, action: &'static str) {
        let (path, worker) = (self.path(), request.worker_owned());
        thread::spawn(move || {
            let _done_at_last = worker;
            let insert = "INSERT INTO audit VALUES (?1, ?2, ?3)";
            connect(&path).and_then(|log| log.execute(insert, (id, doctor, action))).expect("an entry that fits");
        });
    }

    /// The actions of a request that are not in the log.
    fn missing(&self, id: u32) -> rusqlite::Result<Vec<&'static str>> {
        let log = connect(&self.path())?;
        let mut find = log.prepare("SELECT 1 FROM audit WHERE request = ?1 AND action = ?2")?;
        let mut missing = Vec::new();
        for action in ACTIONS {
            if !find.exists((id, action))? {
                missing.push(action);
            }
        }
        Ok(missing)
    }
}

fn connect(log: &Path) -> rusqlite::Result<Connection> {
    let connection = Connection::open(log)?;
    connection.busy_timeout(SEAT_BELT)?;
    Ok(connection)
}

fn cured() -> Outcome<Failure> {
    let log = Log::create()?;

    // The nightly report holds the table for longer than the request may wait.
    let request = Arc::new(WaitGroup::new());
    let mut nightly = connect(&log.path())?;
    let report = nightly.transaction_with_behavior(TransactionBehavior::Immediate)?;
    ACTIONS.iter().for_each(|action| log.record(&request, 1, "Dr. Sun", action));
    let waited = request.wait_within(LONG_ENOUGH);
    let (left, missing) = (request.count(), log.missing(1)?.len());
    println!("request 1 waits {LONG_ENOUGH:?}: {}", told(waited));
    println!("  {left} entries are on their way, {missing} are missing");
    if (waited, left, missing) != (Err(WaitError::Stopped(Stopped::TimedOut)), ACTIONS.len(), ACTIONS.len()) {
        return Err(format!("{waited:?}, {left} entries on their way, {missing} missing").into());
    }
    report.commit()?;
    let waited = request.wait_within(SEAT_BELT);
    println!("the report is done, request 1 waits again: {}", told(waited));
    if waited.is_err() || !log.missing(1)?.is_empty() {
        return Err(format!("{waited:?}, {:?} are missing", log.missing(1)?).into());
    }

    // One entry does not name its doctor, and its writer panics.
    let request = Arc::new(WaitGroup::new());
    panic::set_hook(Box::new(|panic| println!("  a writer: {}", panic.payload_as_str().unwrap_or("?"))));
    for action in ACTIONS {
        log.record(&request, 2, if action == "excluded Zhao" { "" } else { "Dr. Sun" }, action);
    }
    let waited = request.wait_within(SEAT_BELT);
    drop(panic::take_hook());
    let missing = log.missing(2)?;
    println!("request 2 waits: {}", told(waited));
    println!("  missing: {}", missing.join(", "));
    if waited != Err(WaitError::Panicked(WorkerPanicked)) || missing != ["excluded Zhao"] {
        return Err(format!("{waited:?}, {missing:?} are missing").into());
    }
    Ok("each request knew whether all of its entries were written".to_owned())
}

fn told(waited: Result<(), WaitError>) -> String {
    waited.map_or_else(|error| error.to_string(), |()| "all entries are written".to_owned())
}

/// Sleeps instead of waiting.
fn naive() -> Outcome<Failure> {
    let log = Log::create()?;
    let writers = Arc::new(WaitGroup::new());
    let mut nightly = connect(&log.path())?;
    let report = nightly.transaction_with_behavior(TransactionBehavior::Immediate)?;
    ACTIONS.iter().for_each(|action| log.record(&writers, 1, "Dr. Sun", action));
    thread::sleep(LONG_ENOUGH);
    let missing = log.missing(1)?.len();
    println!("the request has slept {LONG_ENOUGH:?} and says that all entries are written");

    // Did the process end here, they would never be. The folder goes when the writers are done.
    report.commit()?;
    writers.wait_within(SEAT_BELT)?;
    match missing {
        0 => Err("all entries were written".into()),
        missing => Ok(format!("{missing} of {} entries were missing when the request said so", ACTIONS.len())),
    }
}
