//! A page that needs two back ends: the subjects of a trial take 300 ms, its drugs 400 ms, and the page has 800 ms in
//! all.
//!
//! Both are asked at once, over HTTP, and the page waits for whatever comes first: an answer, an error or the end of
//! its time. However it ends, the calls that are still under way are told to stop, and are joined. Without that
//! (`--naive`) the page answers with the first error, and the other call goes on waiting for a back end that hangs.
//!
//! The last five seconds go by waiting for the threads of tiny_http, which stay so long in case there is more to do.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::process::ExitCode;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crossbeam_channel::{bounded, select};
use raddle::{CancelToken, WaitGroup};
use scenarios::Outcome;
use tiny_http::{Response, Server};

const PARTS: [&str; 2] = ["subjects", "drugs"];
const BUDGET: Duration = Duration::from_millis(800);
const MINUTE: Duration = Duration::from_secs(60);

fn main() -> ExitCode {
    scenarios::run(cured, naive)
}

/// Asks for both parts within a budget.
fn page(back_ends: SocketAddr, budget: Duration) -> Result<Vec<String>, String> {
    let budget = &CancelToken::new().child_within(budget);
    let (answer, answers) = &bounded(PARTS.len());
    let page = thread::scope(|threads| {
        let _stop = budget.cancel_on_drop(); // whichever way this is left; then the threads are joined
        for part in PARTS {
            threads.spawn(move || answer.send((part, call(back_ends, part, budget))));
        }
        let mut parts = Vec::new();
        while parts.len() < PARTS.len() {
            select! {
                recv(answers) -> answered => {
                    let (part, answered) = answered.map_err(|error| error.to_string())?;
                    parts.push(answered.map_err(|error| format!("{part}: {error}"))?);
                }
                recv(budget.done()) -> _ => budget.check().map_err(|stopped| format!("the page: {stopped}"))?,
            }
        }
        Ok(parts)
    });
    for (part, end) in answers.try_iter() {
        println!("  the call for the {part} has ended too: {end:?}");
    }
    page
}

/// One call, which ends as soon as the token is cancelled or its time is over.
fn call(back_ends: SocketAddr, part: &str, token: &CancelToken) -> Result<String, String> {
    let mut answer = String::new();
    let mut exchange = |mut stream: &TcpStream| {
        write!(stream, "GET /{part} HTTP/1.0\r\n\r\n")?;
        stream.read_to_string(&mut answer)
    };
    let exchanged = TcpStream::connect(back_ends).and_then(|stream| {
        let (over, is_over) = bounded::<()>(0);
        thread::scope(|threads| {
            let _over = over; // its end closes the channel
            threads.spawn(|| {
                select! {
                    recv(is_over) -> _ => Ok(()),
                    // Wakes whoever reads from it or writes to it.
                    recv(token.done()) -> _ => stream.shutdown(Shutdown::Both),
                }
            });
            exchange(&stream)
        })
    });
    token.check().map_err(|stopped| stopped.to_string())?;
    exchanged.map_err(|error| error.to_string())?;
    match answer.split_once("\r\n\r\n") {
        Some((head, body)) if head.split(' ').nth(1) == Some("200") => Ok(body.to_owned()),
        _ => Err(format!("answered {:?}", answer.lines().next().unwrap_or_default())),
    }
}

/// What a back end does with a request: how long it works on it, and the status of its answer.
type Work = (Duration, u16);

/// Both back ends, as one server with a thread for each.
struct BackEnds {
    address: SocketAddr,
    server: Arc<Server>,
    shutdown: CancelToken,
    threads: Vec<JoinHandle<()>>,
}

impl BackEnds {
    fn open(work: [Work; 2]) -> Result<Self, String> {
        let server = Arc::new(Server::http("127.0.0.1:0").map_err(|error| error.to_string())?);
        let address = server.server_addr().to_ip().ok_or("no address")?;
        let shutdown = CancelToken::new();
        let threads = PARTS.map(|_| {
            let (server, shutdown) = (server.clone(), shutdown.clone());
            thread::spawn(move || {
                for request in server.incoming_requests() {
                    let part = request.url().trim_start_matches('/').to_owned();
                    let (time, status) = work[usize::from(part == PARTS[1])];
                    if shutdown.sleep(time).is_ok() {
                        // Whoever has hung up needs no answer.
                        let _ = request.respond(Response::from_string(format!("the {part}")).with_status_code(status));
                    }
                }
            })
        });
        Ok(Self { address, server, shutdown, threads: threads.into() })
    }
}

impl Drop for BackEnds {
    fn drop(&mut self) {
        self.shutdown.cancel();
        self.threads.iter().for_each(|_| self.server.unblock());
        for thread in self.threads.drain(..) {
            thread.join().expect("a back end does not panic");
        }
    }
}

fn cured() -> Outcome {
    let ms = Duration::from_millis;
    let ask = |name, work, budget| {
        let back_ends = BackEnds::open(work)?;
        let start = Instant::now();
        let page = page(back_ends.address, budget);
        let time = start.elapsed();
        println!("{name}: {page:?} after {} ms", time.as_millis());
        Ok::<_, String>((page, time))
    };

    // A busy machine may be late; then the page is asked for again, as its reader would.
    let well = || Ok::<_, String>(ask("both are well", [(ms(300), 200), (ms(400), 200)], BUDGET)?.0.ok());
    let well = (0..10).find_map(|_| well().transpose()).ok_or("no page came in time")??;
    // Nothing but the error can end this one before a minute has passed.
    let (fails, first) = ask("the drugs fail", [(2 * MINUTE, 200), (ms(0), 500)], MINUTE)?;
    let (hangs, second) = ask("the drugs hang", [(ms(300), 200), (2 * MINUTE, 200)], BUDGET)?;

    let parts = well.iter().map(String::as_str);
    let is_right = PARTS.iter().all(|part| parts.clone().any(|body| body == format!("the {part}")))
        && fails.is_err_and(|error| error.contains("drugs") && error.contains("500"))
        && hangs.is_err_and(|error| error.contains("the limit passed"));
    match is_right && second >= BUDGET && first.max(second) < MINUTE / 2 {
        true => Ok("the page has ended in time, and its calls with it".to_owned()),
        false => Err("a page is not as it should be, or late".to_owned()),
    }
}

/// The calls have no limit, and nobody tells them anything.
fn naive() -> Outcome {
    let back_ends = BackEnds::open([(2 * MINUTE, 200), (Duration::ZERO, 500)])?;
    let calls = Arc::new(WaitGroup::new());
    let (answer, answers) = bounded(0);
    for part in PARTS {
        let (address, answer, at_work) = (back_ends.address, answer.clone(), calls.worker_owned());
        thread::spawn(move || {
            let answered = call(address, part, &CancelToken::new());
            drop(at_work);
            answer.send(answered)
        });
    }
    let page = answers.iter().take(PARTS.len()).collect::<Result<Vec<_>, _>>();
    println!("the page: {page:?}");
    match calls.wait_within(Duration::from_secs(1)) {
        Ok(()) => Err("all calls have ended".to_owned()),
        Err(_) => Ok(format!("{} call is left behind, and waits for a back end that hangs", calls.count())),
    }
}
