//! A hit counter: every request to a web server adds one.
//!
//! `hits = hits + 1` is a load and a store (`--naive`). Two requests that load the same value store the same sum, and
//! one of them is not counted. A [`Counter`] adds in one step; so does a [`ShardedCounter`], which gives every thread
//! a place of its own and is for counts that are seldom read; a mutex does it slowly. How slowly, here, is measured
//! at the end. [`Counter::try_add`] looks and adds in one step, which bounds how many requests are handled at once.
//!
//! The last five seconds go by waiting for the threads of tiny_http, which stay so long in case there is more to do.

use std::io::{self, BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::ExitCode;
use std::sync::Barrier;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::thread;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use raddle::{CancelToken, Counter, ShardedCounter};
use scenarios::Outcome;
use tiny_http::{Response, Server};

const VISITORS: usize = 4;
const VISITS: u64 = 1_000;
/// How many requests may be handled at once, where that is bounded.
const AT_ONCE: u64 = 3;
/// Nothing should take this long.
const SEAT_BELT: Duration = Duration::from_secs(30);

/// One of the places in work, given back also by a panic.
struct Place<'a>(&'a Counter);

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.dec();
    }
}

fn main() -> ExitCode {
    scenarios::run(cured, naive)
}

/// Runs a server with as many threads as visitors, each of whom asks that often; how many answers had status 200.
fn serve(visitors: usize, visits: u64, handle: impl Fn() -> u16 + Sync) -> Result<u64, String> {
    let server = Server::http("127.0.0.1:0").map_err(|error| error.to_string())?;
    let address = server.server_addr().to_ip().ok_or("no address")?;
    thread::scope(|threads| {
        for _ in 0..visitors {
            threads.spawn(|| {
                for request in server.incoming_requests() {
                    // Whoever has hung up needs no answer.
                    let _ = request.respond(Response::empty(handle()));
                }
            });
        }
        let visitors = Vec::from_iter((0..visitors).map(|_| threads.spawn(|| visit(address, visits))));
        let served = visitors.into_iter().map(|one| {
            let served = one.join();
            server.unblock(); // one of the server's threads may go
            served.unwrap_or_else(|_| Err(io::Error::other("a visitor panicked")))
        });
        // All are joined, whether or not one has failed.
        Vec::from_iter(served).into_iter().sum::<io::Result<u64>>().map_err(|error| error.to_string())
    })
}

/// Asks again and again over one connection; how many answers had status 200.
fn visit(address: SocketAddr, visits: u64) -> io::Result<u64> {
    let mut connection = BufReader::new(TcpStream::connect(address)?);
    let mut served = 0;
    for _ in 0..visits {
        connection.get_mut().write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")?;
        let (mut status, mut line) = (String::new(), String::from("headers"));
        connection.read_line(&mut status)?;
        served += u64::from(status.contains(" 200 "));
        while !line.trim_end().is_empty() {
            line.clear();
            connection.read_line(&mut line)?;
        }
    }
    Ok(served)
}

fn cured() -> Outcome {
    let (counter, sharded, mutex) = (Counter::new(0), ShardedCounter::new(), Mutex::new(0));
    let served = serve(VISITORS, VISITS, || {
        counter.inc();
        sharded.inc();
        *mutex.lock() += 1;
        200
    })?;
    let counts = [counter.get(), sharded.sum() as u64, *mutex.lock()];
    println!("{served} requests; Counter, ShardedCounter and mutex have counted {counts:?}");
    if [served; 3] != counts || served != VISITORS as u64 * VISITS {
        return Err("hits are lost".to_owned());
    }

    // Each holds its place until all have asked for one.
    let (in_work, asked, all_have_asked) = (Counter::new(0), Counter::new(0), CancelToken::new());
    let served = serve(VISITORS, 1, || {
        let place = in_work.try_add(1, AT_ONCE).map(|_| Place(&in_work));
        if asked.inc() + 1 == VISITORS as u64 {
            all_have_asked.cancel();
        }
        match (place, all_have_asked.wait(SEAT_BELT)) {
            (Ok(_), Ok(())) => 200,
            _ => 503,
        }
    })?;
    println!("{VISITORS} requests at once, no more than {AT_ONCE} of which are let in: {served} were");
    if served != AT_ONCE || in_work.get() != 0 {
        return Err("the bound did not hold".to_owned());
    }

    let threads = thread::available_parallelism().map_or(2, usize::from);
    println!("nanoseconds for an increment, with {threads} threads that do nothing else:");
    let (counter, sharded, mutex) = (Counter::new(0), ShardedCounter::new(), Mutex::new(0));
    let counts = [
        (measure("parking_lot::Mutex", threads, || *mutex.lock() += 1), *mutex.lock()),
        (measure("Counter", threads, || counter.inc()), counter.get()),
        (measure("ShardedCounter", threads, || sharded.inc()), sharded.sum() as u64),
    ];
    let optimised = if cfg!(debug_assertions) { "without --release they say little; " } else { "" };
    println!("  ({optimised}`cargo bench --bench counter` takes the time to be sure)");
    match counts.iter().all(|(done, counted)| done == counted) {
        true => Ok("no hit is lost".to_owned()),
        false => Err(format!("increments are lost: {counts:?}")),
    }
}

/// Has that many threads count for a fifth of a second; how often they did.
fn measure<R>(name: &str, threads: usize, increment: impl Fn() -> R + Sync) -> u64 {
    let (start, time) = (Barrier::new(threads), Duration::from_millis(200));
    let count = || {
        start.wait();
        let (begin, mut done) = (Instant::now(), 0);
        while begin.elapsed() < time {
            for _ in 0..1_000 {
                increment();
            }
            done += 1_000;
        }
        (done, begin.elapsed())
    };
    let done = thread::scope(|scope| {
        let running = Vec::from_iter((0..threads).map(|_| scope.spawn(count)));
        Vec::from_iter(running.into_iter().map(|thread| thread.join().expect("counting does not panic")))
    });
    let (increments, time) = done.iter().fold((0, Duration::ZERO), |sum, one| (sum.0 + one.0, sum.1 + one.1));
    println!("  {name:<20}{:7.1}", time.as_nanos() as f64 / increments as f64);
    increments
}

/// The nearest that safe Rust has to a plain variable which two threads change.
fn naive() -> Outcome {
    let hits = AtomicU64::new(0);
    let served = serve(VISITORS, VISITS, || {
        let seen = hits.load(Relaxed);
        hits.store(seen + 1, Relaxed);
        200
    })?;
    println!("{served} requests as they come: {} were counted", hits.load(Relaxed));

    // The same, with every two requests made to meet.
    let (hits, both_have_looked) = (AtomicU64::new(0), Barrier::new(2));
    let served = serve(2, VISITS, || {
        let seen = hits.load(Relaxed);
        both_have_looked.wait();
        hits.store(seen + 1, Relaxed);
        200
    })?;
    match served - hits.load(Relaxed) {
        0 => Err("no hit was lost".to_owned()),
        lost => Ok(format!("{lost} of {served} hits are lost")),
    }
}
