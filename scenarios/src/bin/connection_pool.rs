//! One connection pool: a hundred requests arrive before the pool exists. Opening it takes a while, may fail, and must
//! happen once.
//!
//! "Open it if it is not there" opens a hundred pools; announced before it is opened, a pool whose opening fails stays
//! empty for ever (`--naive`). In a [`OnceCell`] one request opens it and the others wait, each within its own limit. A
//! failure goes to the request that met it, and the next one tries again. The database is SQLite's, in a file.

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Barrier;
use std::thread;
use std::time::Duration;

use parking_lot::Mutex;
use raddle::{Counter, InitError, OnceCell, OrderedMutex, Stopped};
use rusqlite::{Connection, OpenFlags};
use scenarios::Outcome;

const REQUESTS: usize = 100;
const CONNECTIONS: usize = 2;

/// What is left to do after the file is open: stands for 2 s.
const OPENING: Duration = Duration::from_millis(200);
/// How long a request may wait, and how long the impatient one does.
const PATIENCE: Duration = Duration::from_secs(30);
const IMPATIENCE: Duration = Duration::from_millis(20);

type Failure = Box<dyn Error + Send + Sync>;

fn main() -> ExitCode {
    scenarios::run(cured, naive)
}

/// Mounts the volume with the database on it.
fn mount(database: &Path) -> Result<(), Failure> {
    fs::create_dir(database.parent().ok_or("the database is on a volume")?)?;
    Connection::open(database)?.execute_batch(
        "CREATE TABLE patients (id INTEGER PRIMARY KEY, name TEXT NOT NULL);
         WITH RECURSIVE ids (id) AS (SELECT 0 UNION ALL SELECT id + 1 FROM ids WHERE id < 99)
         INSERT INTO patients SELECT id, 'patient ' || id FROM ids;",
    )?;
    Ok(())
}

/// A few connections, each for one request at a time.
struct Pool {
    connections: Vec<OrderedMutex<Connection>>,
}

impl Pool {
    fn open(database: &Path, connections: usize) -> rusqlite::Result<Self> {
        // No SQLITE_OPEN_CREATE: a missing database is an error, not an empty one.
        let connect = |_| Connection::open_with_flags(database, OpenFlags::SQLITE_OPEN_READ_WRITE);
        let connections = (0..connections).map(connect).collect::<rusqlite::Result<Vec<_>>>()?;
        thread::sleep(OPENING);
        Ok(Self { connections: (0..).zip(connections).map(|(id, one)| OrderedMutex::new(id, one)).collect() })
    }

    fn name_of(&self, patient: usize, limit: Duration) -> Result<String, Failure> {
        let connection = self.connections[patient % CONNECTIONS].lock_within(limit)?;
        Ok(connection.query_row("SELECT name FROM patients WHERE id = ?1", [patient as i64], |row| row.get(0))?)
    }
}

/// What requests share.
#[derive(Default)]
struct Service {
    database: PathBuf,
    pool: OnceCell<Pool>,
    attempts: Counter,
    /// The opening is not over before the impatient request has come and gone.
    nearly_open: OnceCell<()>,
    gave_up: OnceCell<()>,
}

impl Service {
    fn pool(&self, limit: Duration) -> Result<&Pool, InitError<rusqlite::Error>> {
        let open = || {
            self.attempts.inc();
            let opened = Pool::open(&self.database, CONNECTIONS);
            if opened.is_ok() {
                let _ = self.nearly_open.set(());
                let _ = self.gave_up.wait_within(PATIENCE);
            } else {
                mount(&self.database).expect("the volume comes, too late for this attempt");
            }
            opened
        };
        self.pool.get_or_try_init_within(open, limit)
    }
}

fn cured() -> Outcome<Failure> {
    let folder = tempfile::tempdir()?;
    let service = Service { database: folder.path().join("volume").join("patients.db"), ..Service::default() };
    let all_arrive = Barrier::new(REQUESTS);
    let (impatient, answers) = thread::scope(|threads| {
        let (service, all_arrive) = (&service, &all_arrive);
        let request = |patient| {
            threads.spawn(move || {
                all_arrive.wait();
                service.pool(PATIENCE)?.name_of(patient, PATIENCE)
            })
        };
        let requests: Vec<_> = (0..REQUESTS).map(request).collect();
        let _ = service.nearly_open.wait_within(PATIENCE);
        let impatient = service.pool(IMPATIENCE).err();
        let _ = service.gave_up.set(());
        let answers = requests.into_iter().map(|request| request.join().expect("requests do not panic"));
        (impatient, answers.collect::<Vec<_>>())
    });

    println!("the impatient request: {}", impatient.as_ref().map_or("has a pool".to_owned(), ToString::to_string));
    let expected = (0..REQUESTS).map(|patient| format!("patient {patient}"));
    let right =
        answers.iter().zip(expected).filter(|(answer, name)| answer.as_ref().is_ok_and(|one| one == name)).count();
    println!("of {REQUESTS} requests {right} were answered");
    let failures: Vec<_> = answers.iter().filter_map(|answer| answer.as_ref().err()).collect();
    failures.iter().for_each(|failure| println!("the request that tried first: {failure}"));
    let late = service.pool(Duration::ZERO)?.name_of(7, Duration::ZERO)?;
    println!("a later request has no time to wait, and is answered: {late}");

    let attempts = service.attempts.get();
    match (impatient, &failures[..]) {
        (Some(InitError::Stopped(Stopped::TimedOut)), [failure])
            if failure.is::<InitError<rusqlite::Error>>() && attempts == 2 && right == REQUESTS - 1 =>
        {
            Ok("one attempt failed, and the pool was opened once".to_owned())
        }
        (impatient, _) => Err(format!("{attempts} attempts, failures: {failures:?}, impatient: {impatient:?}").into()),
    }
}

fn naive() -> Outcome<Failure> {
    let folder = tempfile::tempdir()?;
    let database = folder.path().join("volume").join("patients.db");

    // Announced before it is opened, so that nobody opens a second one. There is no database yet.
    let announced: Mutex<Option<Pool>> = Mutex::new(None);
    let connections = || {
        if let Some(pool) = &*announced.lock() {
            return Ok(pool.connections.len());
        }
        *announced.lock() = Some(Pool { connections: Vec::new() });
        let opened = Pool::open(&database, CONNECTIONS)?;
        Ok::<_, rusqlite::Error>(announced.lock().insert(opened).connections.len())
    };
    println!("announced first: {}", connections().err().ok_or("a pool without a database")?);
    mount(&database)?;
    let empty = (1..REQUESTS).filter(|_| connections() == Ok(0)).count();
    println!("  {empty} later requests found an empty pool");

    // Opened if it is not there.
    let (pool, opened, all_have_looked) = (Mutex::new(None), Counter::new(0), Barrier::new(REQUESTS));
    let request = || {
        let missing = pool.lock().is_none();
        all_have_looked.wait(); // a slow opening has the same effect
        if missing {
            // With one connection each, lest the system run out of files before it runs out of patience.
            let another = Pool::open(&database, 1).expect("there is a database now");
            opened.inc();
            *pool.lock() = Some(another);
        }
    };
    thread::scope(|threads| (0..REQUESTS).for_each(|_| drop(threads.spawn(request))));
    let opened = opened.get();
    println!("opened if it is not there: {opened} pools were opened");

    if opened < 2 || empty == 0 {
        return Err("there was but one pool, or nobody found it empty".into());
    }
    Ok(format!("{opened} pools instead of one, or an empty one for {empty} requests"))
}
