//! A pool of connections: requests on many threads share a few of them, each waiting in turn, as long as it wants to.
//!
//! ```text
//! cargo run --release --example connection_pool
//! ```
//!
//! A [`Semaphore`] counts the connections, a list under a lock keeps them: first the permit, then a connection. Both go back when
//! the lease is dropped, also by a panic. The connections are made up; each notices if it ever has two users.
//!
//! Exit codes: 0 all is well, 1 the check failed.

use std::fmt;
use std::ops::Deref;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread;
use std::time::Duration;

use raddle::{CancelToken, Counter, Limit, LockError, LockId, OrderedMutex, Permit, Semaphore, Stopped, What, waits};

const CONNECTIONS: u32 = 3;
const THREADS: u32 = 8;
const REQUESTS: u32 = 250;

/// The last of all locks: a lease can be had and dropped under any other.
fn last() -> LockId {
    LockId::from(u128::MAX)
}

/// Stands for one to a database.
struct Connection {
    number: u32,
    busy: AtomicBool,
    broken: AtomicBool,
}

impl Connection {
    fn open(number: u32) -> Self {
        Self { number, busy: AtomicBool::new(false), broken: AtomicBool::new(false) }
    }

    /// False: somebody else was using the connection.
    fn query(&self) -> bool {
        let alone = !self.busy.swap(true, Relaxed);
        thread::yield_now();
        self.busy.store(false, Relaxed);
        alone
    }
}

struct Pool {
    /// A permit for each connection in the list.
    places: Semaphore,
    free: OrderedMutex<Vec<Connection>>,
}

/// A connection, given back when dropped, unless it broke.
struct Lease<'a> {
    pool: &'a Pool,
    /// There until it is dropped.
    held: Option<(Connection, Permit<'a>)>,
}

impl Pool {
    fn open(connections: u32) -> Self {
        let all = (1..=connections).map(Connection::open).collect();
        Self { places: Semaphore::new(connections as usize), free: OrderedMutex::with_id(last(), all) }
    }

    /// Waits for a connection, no longer than the limit.
    fn lease<'l>(&self, limit: impl Into<Limit<'l>>) -> Result<Lease<'_>, LockError> {
        let permit = self.places.acquire_within(1, limit)?;
        let connection = self.free.lock()?.pop().expect("a permit is a connection");
        Ok(Lease { pool: self, held: Some((connection, permit)) })
    }

    /// Puts in a new connection, for one that broke.
    fn replace(&self, number: u32) -> Result<(), LockError> {
        self.free.lock()?.push(Connection::open(number));
        self.places.add_permits(1);
        Ok(())
    }
}

impl Deref for Lease<'_> {
    type Target = Connection;

    fn deref(&self) -> &Connection {
        let (connection, _) = self.held.as_ref().expect("it is not dropped yet");
        connection
    }
}

impl Drop for Lease<'_> {
    fn drop(&mut self) {
        let Some((connection, permit)) = self.held.take() else { return };
        if connection.broken.load(Relaxed) {
            permit.forget();
            return;
        }
        // First the connection, then the permit: who gets that finds a connection.
        match self.pool.free.lock() {
            Ok(mut free) => free.push(connection),
            Err(_) => permit.forget(),
        }
    }
}

/// What came of it.
#[derive(Default)]
struct Report {
    served: Counter,
    /// Requests that met another on their connection.
    shared: Counter,
    faults: Vec<String>,
}

impl Report {
    fn check(&mut self, what: impl fmt::Display, is_so: bool) {
        if is_so {
            println!("{what}");
        } else {
            println!("{what}: NO");
            self.faults.push(what.to_string());
        }
    }
}

fn main() -> ExitCode {
    let pool = Pool::open(CONNECTIONS);
    let mut report = Report::default();
    if let Err(error) = run(&pool, &mut report) {
        report.faults.push(error.to_string());
    }
    if report.faults.is_empty() {
        println!("check passed");
        return ExitCode::SUCCESS;
    }
    println!("check failed: {}", report.faults.join("; "));
    ExitCode::FAILURE
}

fn run(pool: &Pool, report: &mut Report) -> Result<(), LockError> {
    println!("connections: {CONNECTIONS}, threads: {THREADS}");
    crowd(pool, report)?;
    println!("requests served: {}", report.served.get());
    report.check("no connection had two users", report.shared.get() == 0);

    impatient(pool, report)?;
    hung_up(pool, report)?;
    broken(pool, report)?;

    report.check("all connections are back", pool.free.lock()?.len() == CONNECTIONS as usize);
    report.check("all permits are back", pool.places.available() == CONNECTIONS as usize);
    Ok(())
}

/// Many requests at once.
fn crowd(pool: &Pool, report: &Report) -> Result<(), LockError> {
    let request = || {
        for _ in 0..REQUESTS {
            let connection = pool.lease(Duration::from_secs(30))?;
            report.served.inc();
            if !connection.query() {
                report.shared.inc();
            }
        }
        Ok(())
    };
    thread::scope(|threads| {
        let requests: Vec<_> = (0..THREADS).map(|_| threads.spawn(request)).collect();
        requests.into_iter().try_for_each(|request| request.join().expect("no request panics"))
    })
}

/// A request that waits no longer than it may, while others keep all connections.
fn impatient(pool: &Pool, report: &mut Report) -> Result<(), LockError> {
    let _all = (0..CONNECTIONS).map(|_| pool.lease(Limit::NEVER)).collect::<Result<Vec<_>, _>>()?;
    let busy = pool.lease(Duration::from_millis(20)).err();
    report.check("a request within 20 ms was told that all are busy", busy == Some(Stopped::TimedOut.into()));
    Ok(())
}

/// A request whose client hangs up while it waits. Nothing of it stays.
fn hung_up(pool: &Pool, report: &mut Report) -> Result<(), LockError> {
    let _all = (0..CONNECTIONS).map(|_| pool.lease(Limit::NEVER)).collect::<Result<Vec<_>, _>>()?;
    let client = CancelToken::new();
    let end = thread::scope(|threads| {
        let request = threads.spawn(|| pool.lease(&client).err());
        // Until it is seen to wait.
        while !waits().iter().any(|wait| matches!(wait.what(), What::Permits(_))) {
            thread::yield_now();
        }
        print!("{}", waits());
        client.cancel_with("the client hung up");
        request.join().expect("it does not panic")
    });
    report.check("a request whose client hung up stopped waiting", end == Some(Stopped::Cancelled.into()));
    Ok(())
}

/// A connection that breaks leaves with its permit; the request that waits gets the one that replaces it.
fn broken(pool: &Pool, report: &mut Report) -> Result<(), LockError> {
    let mut all = (0..CONNECTIONS).map(|_| pool.lease(Limit::NEVER)).collect::<Result<Vec<_>, _>>()?;
    let number = thread::scope(|threads| {
        let request = threads.spawn(|| pool.lease(Duration::from_secs(30)).map(|connection| connection.number));
        if let Some(lease) = all.pop() {
            lease.broken.store(true, Relaxed);
        }
        pool.replace(CONNECTIONS + 1)?;
        request.join().expect("it does not panic")
    })?;
    report.check(format!("a request got connection {number} for one that broke"), number == CONNECTIONS + 1);
    Ok(())
}
