//! A query behind an async handler: an axum server, under tokio, answers from a database of SQLite's, whose calls block.
//!
//! When its client hangs up, axum drops the handler's future. A query that runs in `spawn_blocking` knows nothing of
//! that, and goes on for nobody (`--naive`). Here the future has a guard that cancels the request's token, and that
//! interrupts the query. The token is a child of the service's, so a shutdown ends both: the tasks, which await it, and
//! the threads, which block under it.

use std::error::Error;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, Sender};
use std::time::{Duration, Instant};

use axum::extract::State;
use axum::handler::Handler;
use axum::http::StatusCode;
use axum::routing::get;
use axum::{Router, serve};
use raddle::{CancelToken, WaitGroup};
use rusqlite::Connection;
use rusqlite::functions::FunctionFlags;
use scenarios::Outcome;
use tokio::net::TcpListener;
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
    /// The futures of handlers, and the threads of queries, that have not ended.
    handlers: Arc<WaitGroup>,
    queries: Arc<WaitGroup>,
    /// Told when a query has begun.
    begun: Sender<()>,
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
    let _handler = service.handlers.worker_owned();
    let request = service.shutdown.child_within(SEAT_BELT);
    let _gone = request.cancel_on_drop(); // with this future, when the client hangs up
    let worker = service.queries.worker_owned();
    let work = move || {
        let _worker = worker;
        let count = service.connect().map_err(Failure::from).and_then(|connection| query(&connection, QUERY, &request));
        println!("  the query has ended: {count:?}");
        count
    };
    match spawn_blocking(work).await {
        Ok(Ok(count)) => (StatusCode::OK, count.to_string()),
        Ok(Err(error)) => (StatusCode::SERVICE_UNAVAILABLE, error.to_string()),
        Err(panic) => (StatusCode::INTERNAL_SERVER_ERROR, panic.to_string()),
    }
}

/// The same, without a token.
async fn naive_report(State(service): State<Service>) -> String {
    let _handler = service.handlers.worker_owned();
    let worker = service.queries.worker_owned();
    let work = move || {
        let _worker = worker;
        service.connect()?.query_row(QUERY, (), |row| row.get::<_, i64>(0))
    };
    format!("{:?}", spawn_blocking(work).await)
}

/// A running server.
struct Server {
    runtime: Runtime,
    address: SocketAddr,
    service: Service,
    server: JoinHandle<io::Result<()>>,
    begins: Receiver<()>,
}

impl Server {
    fn start<T: 'static>(handler: impl Handler<T, Service>) -> Result<Self, Failure> {
        let (begun, begins) = mpsc::channel();
        let (shutdown, handlers, queries) = (CancelToken::new(), Arc::default(), Arc::default());
        let service = Service { shutdown, handlers, queries, begun };
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_io().build()?;
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0"))?;
        let address = listener.local_addr()?;
        let routes = Router::new().route("/", get(handler)).with_state(service.clone());
        let shutdown = service.shutdown.clone();
        let shut_down = async move { _ = shutdown.cancelled_owned().await };
        let server = runtime.spawn(serve(listener, routes).with_graceful_shutdown(shut_down).into_future());
        Ok(Self { runtime, address, service, server, begins })
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
    let Service { shutdown, queries, .. } = &server.service;

    println!("the client hangs up");
    let client = server.ask()?;
    let start = Instant::now();
    drop(client);
    queries.wait_within(SEAT_BELT)?;
    let first = start.elapsed();

    println!("the client has gone before the query begins");
    let gone = CancelToken::new();
    gone.cancel();
    let end = query(&server.service.connect()?, QUERY, &gone);
    println!("  the query has ended: {end:?}");

    println!("the service shuts down");
    let mut client = server.ask()?;
    client.set_read_timeout(Some(SEAT_BELT))?;
    let start = Instant::now();
    shutdown.cancel_with("the service shuts down");
    let mut answer = String::new();
    client.read_to_string(&mut answer)?;
    server.runtime.block_on(server.server)??; // tasks
    queries.wait_within(SEAT_BELT)?; // and threads
    let second = start.elapsed();
    println!("  the client is answered: {}", answer.lines().next().unwrap_or_default());
    match answer.contains("503") && first.max(second) < SEAT_BELT / 2 {
        true => Ok("each query ended with its request, and the last one with the service".to_owned()),
        false => Err(format!("answered {answer:?}, after {first:?} and {second:?}").into()),
    }
}

/// The query goes on without its request.
fn naive() -> Outcome<Failure> {
    let server = Server::start(naive_report)?;
    let Service { handlers, queries, .. } = &server.service;
    drop(server.ask()?);
    handlers.wait_within(SEAT_BELT)?;
    println!("the client hung up, and axum has dropped the handler's future");
    let end = queries.wait_within(Duration::from_secs(1));
    server.runtime.shutdown_background(); // its drop would wait for the query
    match end {
        Ok(()) => Err("the query has ended".into()),
        Err(_) => Ok(format!("{} query goes on for nobody", queries.count())),
    }
}
