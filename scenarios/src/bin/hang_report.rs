//! The hang that nobody could explain: at three in the morning the service stands still.
//!
//! The database is opened by the first request that needs it, and opening it fills the cache. Another request has locked the cache
//! and asks for the database. With std's `OnceLock` and a plain mutex the two wait for each other, and so does everybody who
//! comes later (`--naive`). Here the call that would close the cycle ends with an error that names both, and the other goes on.
//!
//! Then a request keeps the cache while it waits for an answer from outside. That is no deadlock, and nothing can know how
//! long it will take. But a watchdog prints [`waits`] once one has waited for a second, and `/waits` shows it at any time.
//!
//! The last five seconds go by waiting for the threads of tiny_http, which stay so long in case there is more to do.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Barrier, OnceLock};
use std::thread::{self, Builder, JoinHandle};
use std::time::Duration;

use parking_lot::Mutex;
use raddle::{CancelToken, Limit, OnceCell, OrderedMutex, WaitGroup, What, scope, waiting_for, waits};
use rusqlite::Connection;
use scenarios::Outcome;
use tiny_http::{Response, Server};

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);

/// How many requests come while the cache is locked.
const LATE: usize = 3;

fn main() -> ExitCode {
    scenarios::run(cured, naive)
}

type Drugs = Vec<String>;
type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Opens the database, and reads what the cache is filled with.
fn open() -> rusqlite::Result<(Connection, Drugs)> {
    let database = Connection::open_in_memory()?;
    database.execute_batch("CREATE TABLE drugs (name TEXT); INSERT INTO drugs VALUES ('aspirin'), ('heparin');")?;
    let drugs = read(&database)?;
    Ok((database, drugs))
}

fn read(database: &Connection) -> rusqlite::Result<Drugs> {
    database.prepare("SELECT name FROM drugs")?.query_map([], |row| row.get(0))?.collect()
}

/// The pharmacy of the hospital.
struct Pharmacy {
    cache: OrderedMutex<Drugs>,
    database: OnceCell<OrderedMutex<Connection>>,
    /// The two that meet, once: the database is open and the cache is locked.
    both: Barrier,
    met: AtomicBool,
    wholesaler: CancelToken,
}

impl Pharmacy {
    fn new() -> Self {
        Self {
            cache: OrderedMutex::new(1, Drugs::new()),
            database: OnceCell::new(),
            both: Barrier::new(2),
            met: AtomicBool::new(false),
            wholesaler: CancelToken::new(),
        }
    }

    fn meet(&self) {
        if !self.met.load(Relaxed) {
            self.both.wait();
            self.met.store(true, Relaxed);
        }
    }

    /// The mistake, first half: the cache is filled inside the initialiser.
    fn database(&self) -> Result<&OrderedMutex<Connection>, Failure> {
        let open = || {
            let (database, drugs) = open()?;
            self.meet();
            *self.cache.lock()? = drugs;
            Ok::<_, Failure>(OrderedMutex::new(2, database))
        };
        self.database.get_or_try_init_within(open, Limit::NEVER).map_err(|error| error.to_string().into())
    }

    fn answer(&self, url: &str) -> Result<String, Failure> {
        match url {
            "/drugs" => {
                self.database()?;
                Ok(self.cache.lock()?.join(", "))
            }
            // The second half: the database is asked for under the lock.
            "/refresh" => {
                let mut cache = self.cache.lock()?;
                self.meet();
                *cache = read(&*self.database()?.lock()?)?;
                Ok("refreshed".to_owned())
            }
            "/order" => {
                let cache = self.cache.lock()?;
                let _note = waiting_for("the wholesaler's answer");
                self.wholesaler.wait(Limit::NEVER)?;
                Ok(format!("ordered {} drugs", cache.len()))
            }
            "/waits" => Ok(waits().to_string()),
            _ => Err("there is no such page".into()),
        }
    }
}

/// A server with a thread for each request, which has the request's name.
struct Service {
    address: SocketAddr,
    server: Arc<Server>,
    accepts: JoinHandle<Vec<JoinHandle<()>>>,
}

impl Service {
    fn open(answer: impl Fn(&str) -> Result<String, Failure> + Send + Sync + 'static) -> Result<Self, String> {
        let server = Arc::new(Server::http("127.0.0.1:0").map_err(|error| error.to_string())?);
        let address = server.server_addr().to_ip().ok_or("no address")?;
        let (requests, answer) = (server.clone(), Arc::new(answer));
        let accept = move || {
            let requests = requests.incoming_requests().map(|request| {
                let (answer, url) = (answer.clone(), request.url().to_owned());
                let respond = move || {
                    let (text, status) = match answer(request.url()) {
                        Ok(text) => (text, 200),
                        Err(error) => (error.to_string(), 500),
                    };
                    // Whoever has hung up needs no answer.
                    let _ = request.respond(Response::from_string(text).with_status_code(status));
                };
                Builder::new().name(format!("GET {url}")).spawn(respond).expect("the system gives a thread")
            });
            requests.collect()
        };
        Ok(Self { address, server, accepts: thread::spawn(accept) })
    }

    /// Answers what has come, and ends.
    fn close(self) {
        self.server.unblock();
        let requests = self.accepts.join().expect("nothing here panics");
        requests.into_iter().for_each(|request| request.join().expect("an answer does not panic"));
    }
}

/// Asks for a page: whether all was well, and what it says.
fn get(address: SocketAddr, url: &str) -> Result<(bool, String), Failure> {
    let mut answer = String::new();
    let mut stream = TcpStream::connect(address)?;
    write!(stream, "GET {url} HTTP/1.0\r\n\r\n")?;
    stream.read_to_string(&mut answer)?;
    let (head, body) = answer.split_once("\r\n\r\n").ok_or("half an answer")?;
    Ok((head.split(' ').nth(1) == Some("200"), body.to_owned()))
}

/// Prints who waits for whom, each time that one has waited for a second since it last did; until it is cancelled.
fn watchdog(over: &CancelToken) {
    while over.sleep(SECOND).is_ok() {
        let mut long = waits().longer_than(SECOND);
        // Who sleeps, or waits for a task of its own, knows why.
        long.retain(|wait| !matches!(wait.what(), What::Sleep | What::Task(_)));
        if !long.is_empty() {
            println!("watchdog:\n{long}");
        }
    }
}

fn cured() -> Outcome<Failure> {
    let pharmacy = Arc::new(Pharmacy::new());
    let service = Service::open({
        let pharmacy = pharmacy.clone();
        move |url| pharmacy.answer(url)
    })?;
    let address = service.address;
    let checked = scope(Limit::NEVER, |tasks| {
        let _over = tasks.token().cancel_on_drop();
        let _answers = pharmacy.wholesaler.cancel_on_drop();
        tasks.spawn_named("watchdog", |over| {
            watchdog(over);
            Ok(())
        })?;
        let ask = |url| tasks.spawn(move |_| get(address, url));

        let both = ["/drugs", "/refresh"].map(ask).into_iter();
        let ends = both.map(|end| end?.join()).collect::<Result<Vec<_>, Failure>>()?;
        let deadlock =
            ends.iter().find(|(_, text)| text.contains("deadlock: ")).ok_or(format!("no error: {ends:?}"))?;
        println!("one of two requests: {}\n", deadlock.1);
        // Its own mistake the service still has, so the other may have failed by it. But nobody waits, and the next is served.
        let (true, drugs) = get(address, "/drugs")? else { return Err("the service is down".into()) };
        println!("the next: {drugs}\n");

        let order = ask("/order");
        until(|| waits().iter().any(|wait| wait.what().to_string() == "the wholesaler's answer"));
        let late = [(); LATE].map(|()| ask("/drugs"));
        until(|| waits().longer_than(SECOND).iter().filter(|wait| !wait.holders().is_empty()).count() == LATE);
        let (_, page) = get(address, "/waits")?;
        println!("/waits:\n{page}");
        tasks.token().sleep(2 * SECOND)?; // the watchdog has its turn, too
        pharmacy.wholesaler.cancel();
        for end in late.into_iter().chain([order]) {
            if let (false, error) = end?.join()? {
                return Err(format!("a request failed: {error}").into());
            }
        }
        let says = ["waits for lock 1", "held by thread", "which waits for the wholesaler's answer"];
        match says.iter().find(|says| !page.contains(*says)) {
            None => Ok("the deadlock was an error, and the slow request was named".to_owned()),
            Some(says) => Err(format!("/waits does not say: {says}").into()),
        }
    });
    service.close();
    checked
}

fn until(condition: impl Fn() -> bool) {
    while !condition() {
        thread::sleep(Duration::from_millis(10));
    }
}

/// The same with a plain mutex and std's once-cell. What hangs is left behind.
fn naive() -> Outcome<Failure> {
    struct Plain {
        cache: Mutex<Drugs>,
        database: OnceLock<Mutex<Connection>>,
        both: Barrier,
        at_work: Arc<WaitGroup>,
    }
    impl Plain {
        fn database(&self) -> &Mutex<Connection> {
            self.database.get_or_init(|| {
                let (database, drugs) = open().expect("a database in memory opens");
                self.both.wait();
                *self.cache.lock() = drugs;
                Mutex::new(database)
            })
        }

        fn answer(&self, url: &str) -> Result<String, Failure> {
            let _at_work = self.at_work.worker();
            match url {
                "/drugs" => {
                    self.database();
                    Ok(self.cache.lock().join(", "))
                }
                _ => {
                    let mut cache = self.cache.lock();
                    self.both.wait();
                    *cache = read(&self.database().lock())?;
                    Ok("refreshed".to_owned())
                }
            }
        }
    }

    let at_work = Arc::new(WaitGroup::new());
    let plain =
        Plain { cache: Mutex::default(), database: OnceLock::new(), both: Barrier::new(2), at_work: at_work.clone() };
    let service = Service::open(move |url| plain.answer(url))?;
    let address = service.address;
    for url in ["/drugs", "/refresh"].into_iter().chain([(); LATE].map(|()| "/drugs")) {
        thread::spawn(move || get(address, url));
    }
    until(|| at_work.count() == 2 + LATE);
    match at_work.wait_within(MINUTE / 30) {
        Ok(()) => Err("all requests were answered".into()),
        Err(_) => Ok(format!("{} requests hang, and nothing says why", at_work.count())),
    }
}
