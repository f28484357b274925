//! The 40-second model: an analysis takes 40 s, its request may take 30 s, and the client may hang up at any time. Here
//! a second lasts a tenth of one.
//!
//! Without a limit the analysis goes on for a client who has gone, and keeps the graphics card from the next one
//! (`--naive`). A tree of [`CancelToken`]s, one for the request, below it one for the analysis, whose stages are the
//! tasks of a scope, stops all of it, whatever a stage is waiting for.

use std::error::Error;
use std::process::ExitCode;
use std::sync::{Arc, Barrier};
use std::thread;
use std::time::{Duration, Instant};

use crossbeam_channel::unbounded;
use parking_lot::Mutex;
use raddle::{CancelToken, OnceCell, OrderedMutex, RecvWithin, WaitGroup, scope};
use scenarios::Outcome;

/// The computing of an analysis comes in slices of a tenth of a second.
const SLICES: usize = 400;
/// The client hangs up after the first second.
const HANG_UP: usize = 10;

type Failure = Box<dyn Error + Send + Sync>;

fn main() -> ExitCode {
    scenarios::run(cured, naive)
}

const fn seconds(seconds: u64) -> Duration {
    Duration::from_millis(100 * seconds)
}

/// Stands for a tenth of a second of computing.
fn compute_slice() {
    thread::sleep(seconds(1) / 10);
}

/// What analyses share.
struct Hospital {
    card: OrderedMutex<()>,
    archive: OrderedMutex<()>,
    weights: OnceCell<Vec<f32>>,
    scans: WaitGroup,
}

type Stage<'a> = &'a (dyn Fn(&CancelToken) -> Result<(), Failure> + Sync);

/// How a stage ended.
struct End {
    stage: &'static str,
    error: Option<String>,
    at: Instant,
    /// Why the stage's token was cancelled.
    cause: Option<String>,
}

/// Serves a request for an analysis, whose client hangs up for this cause, or waits for the end.
fn serve(hospital: &Hospital, server: &CancelToken, hangs_up: Option<&'static str>) -> Result<(), Failure> {
    let request = server.child_within(seconds(30));
    let analysis = request.child_within(seconds(40));
    if analysis.deadline() != request.deadline() {
        return Err("the analysis may outlive its request".into());
    }
    println!("{}", hangs_up.map_or("the client waits".to_owned(), |cause| format!("the client will go: {cause}")));

    let (progress, slices) = unbounded();
    let compute: Stage<'_> = &|token| {
        let _card = hospital.card.lock_within(token)?;
        for slice in 0..SLICES {
            token.check()?;
            compute_slice();
            progress.send(slice)?;
        }
        Ok(())
    };
    let stages: [(_, Stage<'_>); 5] = [
        ("compute", compute),
        ("sleep", &|token| Ok(token.sleep(seconds(3600))?)),
        ("archive's lock", &|token| Ok(hospital.archive.lock_within(token).map(drop)?)),
        ("weights' cell", &|token| Ok(hospital.weights.get_or_init_within(Vec::new, token).map(drop)?)),
        ("scans' group", &|token| Ok(hospital.scans.wait_within(token)?)),
    ];
    // All stages at once. Each tells of its own end, which is no failure of the analysis.
    let (stopped, ends) = scope(&analysis, |tasks| {
        let ends = stages.map(|(stage, work)| {
            tasks.spawn_named(stage, move |token| {
                let error = work(token).err().map(|error| error.to_string());
                Ok(End { stage, error, at: Instant::now(), cause: token.cause().map(ToString::to_string) })
            })
        });
        let mut stopped = request.deadline().expect("given above");
        if let Some(cause) = hangs_up {
            (0..=HANG_UP).try_for_each(|_| slices.recv_within(&analysis).map(drop))?;
            stopped = Instant::now();
            request.cancel_with(cause);
        }
        let ends = ends.into_iter().map(|end| end?.join()).collect::<Result<Vec<_>, Failure>>()?;
        Ok::<_, Failure>((stopped, ends))
    })?;
    let reason =
        if hangs_up.is_some() { "the wait was cancelled" } else { "the limit passed before the wait was over" };
    for End { stage, error, at, cause } in ends {
        let error = error.ok_or(format!("{stage} went on to its end"))?;
        let late = at.duration_since(stopped);
        println!("  {stage} stopped {late:.1?} later: {error}");
        if !error.contains(reason) || cause.as_deref() != hangs_up || late > Duration::from_secs(5) {
            return Err(format!("{stage} stopped after {late:?} because of {cause:?}: {error}").into());
        }
    }
    let _next = hospital.card.try_lock().map_err(|error| format!("the next analysis has no card: {error}"))?;
    Ok(())
}

fn cured() -> Outcome<Failure> {
    let hospital = Hospital {
        card: OrderedMutex::new(1, ()),
        archive: OrderedMutex::new(2, ()),
        weights: OnceCell::new(),
        scans: WaitGroup::new(),
    };
    let (server, busy) = (CancelToken::new(), Barrier::new(2));
    scope(&server, |other| {
        let _ends = other.token().cancel_on_drop();
        // Another request writes to the archive, reads a scan and loads the weights, longer than anybody here waits.
        other.spawn(|token| {
            let (_archive, _scan) = (hospital.archive.lock()?, hospital.scans.worker());
            hospital.weights.get_or_init(|| {
                busy.wait();
                let _ = token.sleep(seconds(3600));
                vec![0.5]
            });
            Ok(())
        })?;
        busy.wait();
        serve(&hospital, &server, None)?;
        serve(&hospital, &server, Some("the client hung up"))?;
        other.token().check().map_err(|stopped| format!("the other request was disturbed: {stopped}"))?;
        Ok::<_, Failure>("every stage stopped with its request, and the card was free for the next".to_owned())
    })
}

/// The same analysis, without a limit.
fn naive() -> Outcome<Failure> {
    let card = Arc::new(Mutex::new(()));
    let (progress, slices) = unbounded();
    let analysis = card.clone();
    thread::spawn(move || {
        let _card = analysis.lock();
        (0..SLICES).for_each(|slice| {
            compute_slice();
            let _ = progress.send(slice);
        });
    });
    slices.iter().nth(HANG_UP);
    println!("the client hung up, and the request has ended");
    if card.try_lock_for(Duration::from_secs(1)).is_some() {
        return Err("the card was free for the next analysis".into());
    }
    let wasted = slices.try_iter().count();
    Ok(format!(
        "the analysis has computed {wasted} slices for nobody, and still has the card that the next one waits for"
    ))
}
