//! A page that needs two back ends: the subjects of a trial take 300 ms, its drugs 400 ms, and the page has 800 ms in
//! all.
//!
//! Both are asked at once, over HTTP, by the tasks of a scope. The first error and the end of the page's time cancel
//! its token, which shuts the sockets down of the calls that are still under way. Without that (`--naive`) the page
//! answers with the first error, and the other call goes on waiting for a back end that hangs.
//!
//! The last five seconds go by waiting for the threads of tiny_http, which stay so long in case there is more to do.

use std::error::Error;
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::process::ExitCode;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use crossbeam_channel::bounded;
use raddle::{CancelToken, Limit, WaitGroup, scope};
use scenarios::Outcome;
use tiny_http::{Response, Server};

const PARTS: [&str; 2] = ["subjects", "drugs"];
const BUDGET: Duration = Duration::from_millis(800);
const MINUTE: Duration = Duration::from_secs(60);

type Failure = Box<dyn Error + Send + Sync>;

fn main() -> ExitCode {
    scenarios::run(cured, naive)
}

/// Asks for both parts within a budget.
fn page(back_ends: SocketAddr, budget: Duration) -> Result<Vec<String>, Failure> {
    scope(budget, |calls| {
        let ask = |part| {
            calls.spawn(move |token| {
                let answer = call(back_ends, part, token).map_err(|error| format!("{part}: {error}"));
                println!("  the call for the {part} has ended: {answer:?}");
                Ok(answer?)
            })
        };
        PARTS.map(ask).into_iter().map(|call| call?.join()).collect()
    })
}

/// One call, which ends as soon as the token is cancelled or its time is over.
fn call(back_ends: SocketAddr, part: &str, token: &CancelToken) -> Result<String, Failure> {
    let stream = TcpStream::connect(back_ends)?;
    let mut answer = String::new();
    let exchange = || {
        let mut stream = &stream;
        write!(stream, "GET /{part} HTTP/1.0\r\n\r\n")?;
        stream.read_to_string(&mut answer)
    };
    // A shutdown wakes whoever reads from it or writes to it.
    let exchanged = token.interrupting(|| drop(stream.shutdown(Shutdown::Both)), exchange);
    token.check()?;
    exchanged?;
    match answer.split_once("\r\n\r\n") {
        Some((head, body)) if head.split(' ').nth(1) == Some("200") => Ok(body.to_owned()),
        _ => Err(format!("answered {:?}", answer.lines().next().unwrap_or_default()).into()),
    }
}

/// What a back end does with a request: how long it works on it, and the status of its answer.
type Work = (Duration, u16);

/// Calls `body` with the address of both back ends: one server with a thread for each, which end with it.
fn with_back_ends<R>(work: [Work; 2], body: impl FnOnce(SocketAddr) -> R) -> Result<R, Failure> {
    let server = Server::http("127.0.0.1:0")?;
    let address = server.server_addr().to_ip().ok_or("no address")?;
    let serve = |request: tiny_http::Request, token: &CancelToken| {
        let part = request.url().trim_start_matches('/').to_owned();
        let (time, status) = work[usize::from(part == PARTS[1])];
        if token.sleep(time).is_ok() {
            // Whoever has hung up needs no answer.
            let _ = request.respond(Response::from_string(format!("the {part}")).with_status_code(status));
        }
    };
    scope(Limit::NEVER, |threads| {
        let _stop = threads.token().cancel_on_drop();
        for _ in PARTS {
            threads.spawn(|token| {
                let requests = || server.incoming_requests().for_each(|request| serve(request, token));
                token.interrupting(|| server.unblock(), requests);
                server.unblock(); // the other: its own interrupt may have ended this one instead
                Ok(())
            })?;
        }
        Ok(body(address))
    })
}

fn cured() -> Outcome<Failure> {
    let ms = Duration::from_millis;
    let ask = |name, work, budget| {
        let (page, time) = with_back_ends(work, |back_ends| {
            let start = Instant::now();
            (page(back_ends, budget), start.elapsed())
        })?;
        println!("{name}: {page:?} after {} ms", time.as_millis());
        Ok::<_, Failure>((page, time))
    };

    // A busy machine may be late; then the page is asked for again, as its reader would.
    let well = || Ok::<_, Failure>(ask("both are well", [(ms(300), 200), (ms(400), 200)], BUDGET)?.0.ok());
    let well = (0..10).find_map(|_| well().transpose()).ok_or("no page came in time")??;
    // Nothing but the error can end this one before a minute has passed.
    let (fails, first) = ask("the drugs fail", [(2 * MINUTE, 200), (ms(0), 500)], MINUTE)?;
    let (hangs, second) = ask("the drugs hang", [(ms(300), 200), (2 * MINUTE, 200)], BUDGET)?;

    let says = |page: Result<_, Failure>, part| page.is_err_and(|error| error.to_string().contains(part));
    let is_right = well == PARTS.map(|part| format!("the {part}"))
        && says(fails, "drugs: answered \"HTTP/1.0 500")
        && says(hangs, "the limit passed");
    match is_right && second >= BUDGET && first.max(second) < MINUTE / 2 {
        true => Ok("the page has ended in time, and its calls with it".to_owned()),
        false => Err("a page is not as it should be, or late".into()),
    }
}

/// The calls have no limit, and nobody tells them anything.
fn naive() -> Outcome<Failure> {
    with_back_ends([(2 * MINUTE, 200), (Duration::ZERO, 500)], |back_ends| {
        let calls = Arc::new(WaitGroup::new());
        let (answer, answers) = bounded(0);
        for part in PARTS {
            let (answer, at_work) = (answer.clone(), calls.worker_owned());
            thread::spawn(move || {
                let answered = call(back_ends, part, &CancelToken::new());
                drop(at_work);
                answer.send(answered)
            });
        }
        let page = answers.iter().take(PARTS.len()).collect::<Result<Vec<_>, _>>();
        println!("the page: {page:?}");
        match calls.wait_within(Duration::from_secs(1)) {
            Ok(()) => Err("all calls have ended".into()),
            Err(_) => Ok(format!("{} call is left behind, and waits for a back end that hangs", calls.count())),
        }
    })?
}
