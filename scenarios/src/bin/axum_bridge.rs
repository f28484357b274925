//! A query behind an async handler: an axum server, under tokio, answers from a database of SQLite's, whose calls block.
//!
//! When its client hangs up, axum drops the handler's future. A query that runs in `spawn_blocking` knows nothing of
//! that, and goes on for nobody (`--naive`). Here the future has a guard that cancels the request's token, and that
//! interrupts the query. The token is a child of the service's, so a shutdown ends both: the tasks, which await it, and
//! the threads, which block under it.

use std::error::Error;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::ExitCode;
use std::sync::mpsc::{self, Receiver, Sender};
use std::time::{Duration, Instant};

use axum::extract::State;
use axum::handler::Handler;
use axum::http::StatusCode;
use axum::routing::get;
use axum::{Router, serve};
use raddle::{CancelToken, Stopped};
use rusqlite::Connection;
use rusqlite::functions::FunctionFlags;
use scenarios::Outcome;
use tokio::runtime::{Builder, Runtime};
use tokio::task::{JoinHandle, spawn_blocking};

/// Nothing should take this long.
const SEAT_BELT: Duration = Duration::from_secs(30);
/// Counts for ever, once it has told that it has begun.
const QUERY: &str = "WITH RECURSIVE n(i) AS (SELECT begun() UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n";

type Failure = Box<dyn Error + Send + Sync>;

fn main() -> ExitCode {
    scenarios::run(cured, naive)
}

/// What the handlers share.
#[derive(Clone)]
struct Service {
    shutdown: CancelToken,
    /// Told when a query has begun, and how it has ended.
    begun: Sender<()>,
    ended: Sender<String>,
    /// Cancelled by the naive handler's end, for the scenario to see; nobody else looks at it.
    naive_gone: CancelToken,
}

impl Service {
    /// A connection with the database, of which each query has its own.
    fn connect(&self) -> rusqlite::Result<Connection> {
        let connection = Connection::open_in_memory()?;
        let begun = self.begun.clone();
        connection
            .create_scalar_function("begun", 0, FunctionFlags::SQLITE_UTF8, move |_| Ok(begun.send(()).is_ok()))?;
        Ok(connection)
    }

    fn tell_end(&self, end: &Result<i64, Failure>) {
        let _ = self.ended.send(end.as_ref().map_or_else(ToString::to_string, |count| format!("counted to {count}")));
    }
}

/// Runs a query, which ends as soon as the token is cancelled.
fn query(connection: &Connection, sql: &str, token: &CancelToken) -> Result<i64, Failure> {
    // SQLite forgets an interrupt that comes while no statement is active; so one is, from before the query on.
    let mut active = connection.prepare("SELECT 1")?;
    let mut rows = active.query(())?;
    rows.next()?;
    let handle = connection.get_interrupt_handle();
    let answer = token.interrupting(|| handle.interrupt(), || connection.query_row(sql, (), |row| row.get(0)));
    token.check()?;
    Ok(answer?)
}

/// The handler.
async fn report(State(service): State<Service>) -> (StatusCode, String) {
    let request = service.shutdown.child_within(SEAT_BELT);
    let _gone = request.cancel_on_drop(); // with this future, when the client hangs up
    let work = move || {
        let count = service.connect().map_err(Failure::from).and_then(|connection| query(&connection, QUERY, &request));
        service.tell_end(&count);
        count
    };
    match spawn_blocking(work).await {
        Ok(Ok(count)) => (StatusCode::OK, count.to_string()),
        Ok(Err(error)) => (StatusCode::SERVICE_UNAVAILABLE, error.to_string()),
        Err(panic) => (StatusCode::INTERNAL_SERVER_ERROR, panic.to_string()),
    }
}

/// The same, of which the query knows nothing.
async fn naive_report(State(service): State<Service>) -> String {
    let _gone = service.naive_gone.cancel_on_drop();
    let work = move || {
        let connection = service.connect()?;
        let count = connection.query_row(QUERY, (), |row| row.get(0)).map_err(Failure::from);
        service.tell_end(&count);
        count
    };
    format!("{:?}", spawn_blocking(work).await)
}

/// A running server, and what its queries tell.
struct Server {
    runtime: Runtime,
    address: SocketAddr,
    service: Service,
    server: JoinHandle<std::io::Result<()>>,
    begins: Receiver<()>,
    ends: Receiver<String>,
}

impl Server {
    fn start<T: 'static>(handler: impl Handler<T, Service>) -> Result<Self, Failure> {
        let ((begun, begins), (ended, ends)) = (mpsc::channel(), mpsc::channel());
        let service = Service { shutdown: CancelToken::new(), begun, ended, naive_gone: CancelToken::new() };
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_io().build()?;
        let listener = TcpListener::bind("127.0.0.1:0")?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let (routes, shutdown) = (Router::new().route("/", get(handler)), service.shutdown.clone());
        let routes = routes.with_state(service.clone());
        let server = runtime.spawn(async move {
            let listener = tokio::net::TcpListener::from_std(listener)?;
            let shut_down = async move { _ = shutdown.cancelled_owned().await };
            serve(listener, routes).with_graceful_shutdown(shut_down).await
        });
        Ok(Self { runtime, address, service, server, begins, ends })
    }

    /// Sends a request, and returns when its query has begun.
    fn ask(&self) -> Result<TcpStream, Failure> {
        let mut client = TcpStream::connect(self.address)?;
        write!(client, "GET / HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n", self.address)?;
        self.begins.recv_timeout(SEAT_BELT)?;
        Ok(client)
    }
}

fn cured() -> Outcome<Failure> {
    let server = Server::start(report)?;

    let client = server.ask()?;
    let start = Instant::now();
    drop(client);
    let end = server.ends.recv_timeout(SEAT_BELT)?;
    println!("the client hangs up, its query ends {:.1?} later: {end}", start.elapsed());
    let gone = Stopped::Cancelled.to_string();
    if end != gone {
        return Err(format!("the query: {end}").into());
    }

    let too_late = CancelToken::new();
    too_late.cancel();
    let end = query(&server.service.connect()?, QUERY, &too_late).map_err(|error| error.to_string());
    println!("a query whose client has gone before it begins: {end:?}");
    if end.as_ref() != Err(&gone) {
        return Err(format!("the query that came too late: {end:?}").into());
    }

    let mut client = server.ask()?;
    client.set_read_timeout(Some(SEAT_BELT))?;
    server.service.shutdown.cancel_with("the service shuts down");
    let mut answer = String::new();
    client.read_to_string(&mut answer)?;
    server.runtime.block_on(server.server)??;
    drop(server.runtime); // waits for the threads of `spawn_blocking`
    let status = answer.lines().next().unwrap_or_default();
    println!("the service shuts down, a client whose query runs is answered: {status}");
    match status.contains("503") && server.ends.try_iter().eq([gone]) {
        true => Ok("each query ended with its request, and all of them with the service".to_owned()),
        false => Err(format!("answered {answer:?}").into()),
    }
}

/// The query goes on without its request.
fn naive() -> Outcome<Failure> {
    let server = Server::start(naive_report)?;
    drop(server.ask()?);
    server.service.naive_gone.wait(SEAT_BELT)?;
    println!("the client hung up, and axum has dropped the handler's future");
    let end = server.ends.recv_timeout(Duration::from_secs(1));
    server.runtime.shutdown_background(); // to drop it would wait for the query
    match end {
        Ok(end) => Err(format!("the query: {end}").into()),
        Err(_) => Ok("the query goes on for nobody, on a thread that no other request gets".to_owned()),
    }
}
