//! The audit log: each of a doctor's actions is written to it on a thread of its own, and the request must know which are
//! written. The log is a table of SQLite's, in a file.
//!
//! Sleeping "long enough" loses entries as soon as the nightly report holds the table for longer (`--naive`). The tasks
//! of a scope have all ended when it returns, within the request's limit, and each tells whether its entry is written.

use std::error::Error;
use std::process::ExitCode;
use std::thread;
use std::time::Duration;

use raddle::{CancelToken, Limit, SpawnError, Task, scope};
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
        log.connect()?.execute_batch(
            "CREATE TABLE audit (
                request INTEGER NOT NULL, doctor TEXT NOT NULL CHECK (doctor <> ''), action TEXT NOT NULL
            )",
        )?;
        Ok(log)
    }

    fn connect(&self) -> rusqlite::Result<Connection> {
        let connection = Connection::open(self.folder.path().join("audit.db"))?;
        connection.busy_timeout(SEAT_BELT)?;
        Ok(connection)
    }

    /// Writes an entry, if the table comes free in time.
    fn write(&self, id: u32, doctor: &str, action: &str, request: &CancelToken) -> Result<(), Failure> {
        let log = self.connect()?;
        log.busy_timeout(Limit::from(request).or(SEAT_BELT).remaining()?.expect("a limit"))?;
        log.execute("INSERT INTO audit VALUES (?1, ?2, ?3)", (id, doctor, action))?;
        Ok(())
    }

    /// Writes all entries of a request at the same time. Tells which are not written, and why.
    fn record(&self, id: u32, entries: [(&str, &str); 6], within: Duration) -> Result<Vec<String>, Failure> {
        let lost = scope(within, |writers| {
            let write = |(doctor, action)| {
                writers.spawn(move |request| {
                    let written = self.write(id, doctor, action, request);
                    Ok(written.err().map(|error| format!("{action}: {error}")))
                })
            };
            let writers = entries.map(write).into_iter().collect::<Result<Vec<_>, _>>()?;
            writers.into_iter().map(Task::join).collect::<Result<Vec<_>, SpawnError>>()
        })?;
        Ok(lost.into_iter().flatten().collect())
    }

    /// The actions of a request that are not in the log.
    fn missing(&self, id: u32) -> rusqlite::Result<Vec<&'static str>> {
        let log = self.connect()?;
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

fn cured() -> Outcome<Failure> {
    let log = Log::create()?;
    let mut entries = ACTIONS.map(|action| ("Dr. Sun", action));

    // The nightly report holds the table for longer than the request may take.
    let mut nightly = log.connect()?;
    let report = nightly.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let (lost, missing) = (log.record(1, entries, LONG_ENOUGH)?, log.missing(1)?);
    println!("request 1 has {LONG_ENOUGH:?}: {} entries are not written, {} are missing", lost.len(), missing.len());
    println!("  {}", lost.join(", "));
    if (lost.len(), missing.len()) != (ACTIONS.len(), ACTIONS.len()) {
        return Err(format!("{lost:?} are not written, {missing:?} are missing").into());
    }
    report.commit()?;
    let (lost, missing) = (log.record(1, entries, SEAT_BELT)?, log.missing(1)?);
    println!("the report is done, request 1 tries again: {} entries are not written", lost.len());
    if !lost.is_empty() || !missing.is_empty() {
        return Err(format!("{lost:?} are not written, {missing:?} are missing").into());
    }

    // One entry does not name its doctor.
    entries[4].0 = "";
    let (lost, missing) = (log.record(2, entries, SEAT_BELT)?, log.missing(2)?);
    println!("request 2: not written: {}", lost.join(", "));
    if lost.len() != 1 || missing != [entries[4].1] {
        return Err(format!("{lost:?} are not written, {missing:?} are missing").into());
    }
    Ok("each request knew which of its entries were written".to_owned())
}

/// Sleeps instead of waiting.
fn naive() -> Outcome<Failure> {
    let log = Log::create()?;
    let mut nightly = log.connect()?;
    let report = nightly.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let missing = thread::scope(|threads| {
        for action in ACTIONS {
            threads.spawn(|| log.write(1, "Dr. Sun", action, &CancelToken::new()));
        }
        thread::sleep(LONG_ENOUGH);
        let missing = log.missing(1)?.len();
        println!("the request has slept {LONG_ENOUGH:?} and says that all entries are written");
        report.commit()?; // Did the process end here, they would never be.
        Ok::<_, Failure>(missing)
    })?;
    match missing {
        0 => Err("all entries were written".into()),
        missing => Ok(format!("{missing} of {} entries were missing when the request said so", ACTIONS.len())),
    }
}
