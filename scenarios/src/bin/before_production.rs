//! Finding it before production: a bed is moved between two sites while another is moved back, and two patients come
//! for the last bed.
//!
//! Without their cures (`--naive`) the moves can deadlock and both patients can get the bed, yet on real threads all
//! goes well nearly always, in tests as well as by day. Under [loom](https://docs.rs/loom) the same functions are run
//! in one order of their steps after the other, so that the wrong ones fail each time, and the steps that lead there
//! are printed:
//!
//! ```sh
//! RUSTFLAGS="--cfg loom" cargo run --release -p scenarios --bin before_production -- --naive
//! ```

use std::any::Any;
use std::process::ExitCode;
use std::sync::{Arc, Mutex as StdMutex, PoisonError};

// What loom has to schedule comes from loom. raddle's types see to that themselves.
#[cfg(loom)]
use loom::{sync::Mutex, thread};
#[cfg(not(loom))]
use std::{sync::Mutex, thread};

use raddle::{Counter, LockError, OrderedMutex, lock_all};
use scenarios::Outcome;

const COMMAND: &str = "RUSTFLAGS=\"--cfg loom\" cargo run --release -p scenarios --bin before_production -- --naive";

fn main() -> ExitCode {
    scenarios::run(cured, naive)
}

struct Site<Beds> {
    name: &'static str,
    beds: Beds,
}

type OrderedSite = Site<OrderedMutex<u32>>;
type PlainSite = Site<Mutex<u32>>;

fn move_bed(from: &OrderedSite, to: &OrderedSite) -> Result<(), LockError> {
    let mut both = lock_all((&from.beds, &to.beds))?;
    log(format!("has locked {} and {}", from.name, to.name));
    let (from, to) = both.split_mut();
    (*from, *to) = (*from - 1, *to + 1);
    Ok(())
}

fn move_bed_naively(from: &PlainSite, to: &PlainSite) {
    let mut left = from.beds.lock().unwrap_or_else(PoisonError::into_inner);
    log(format!("has locked {}", from.name));
    let mut right = to.beds.lock().unwrap_or_else(PoisonError::into_inner);
    log(format!("has locked {} too", to.name));
    (*left, *right) = (*left - 1, *right + 1);
}

/// Takes one of so many beds, if one is free.
fn admit(taken: &Counter, beds: u64) -> bool {
    let admitted = taken.try_add(1, beds).is_ok();
    log(format!("has asked for a bed: {admitted}"));
    admitted
}

fn admit_naively(taken: &Counter, beds: u64) -> bool {
    let now = taken.get();
    log(format!("has seen {now} of {beds} beds taken"));
    if now < beds {
        taken.inc();
        log("has taken a bed".to_owned());
    }
    now < beds
}

/// Two threads, each of which moves a bed.
fn opposite_moves<Beds: Send + Sync + 'static>(beds: fn(u64) -> Beds, move_bed: fn(&Site<Beds>, &Site<Beds>)) {
    let sites = Arc::new([Site { name: "Xiehe", beds: beds(1) }, Site { name: "Ruijin", beds: beds(2) }]);
    let shared = sites.clone();
    let other = thread::spawn(move || move_bed(&shared[1], &shared[0]));
    move_bed(&sites[0], &sites[1]);
    other.join().expect("the other has moved its bed");
}

/// Two threads, each of which asks for the last bed.
fn last_bed(admit: fn(&Counter, u64) -> bool) {
    let taken = Arc::new(Counter::new(19));
    let shared = taken.clone();
    let other = thread::spawn(move || admit(&shared, 20));
    let mine = admit(&taken, 20);
    let other = other.join().expect("the other has asked");
    assert!(!(mine && other), "two patients in one bed");
    assert!(mine || other, "nobody in the last bed");
}

fn cured() -> Outcome {
    let moves = || opposite_moves(|id| OrderedMutex::new(id, 20), |from, to| move_bed(from, to).expect("two sites"));
    println!("opposite moves: {}", explore(moves)?);
    println!("the last bed: {}", explore(|| last_bed(admit))?);
    Ok("no deadlock, and one patient in one bed".to_owned())
}

fn naive() -> Outcome {
    let moves = explore(|| opposite_moves(|_| Mutex::new(20), move_bed_naively));
    let beds = explore(|| last_bed(admit_naively));
    let mut failures = Vec::new();
    for (name, end) in [("opposite moves", moves), ("the last bed", beds)] {
        println!("{name}: {}", end.as_ref().unwrap_or_else(|failure| failure));
        failures.extend(end.err().and_then(|failure| failure.lines().last().map(str::to_owned)));
    }
    match failures.is_empty() {
        true => Err(format!("nothing has shown on real threads, wrong as it is. This finds it: {COMMAND}")),
        false => Ok(failures.join("; ")),
    }
}

/// The steps of the run that is under way. A step need not have seen what the counter was at last: `get` is relaxed.
static LOG: StdMutex<Vec<String>> = StdMutex::new(Vec::new());

fn log(step: String) {
    let step = format!("  {:?} {step}\n", thread::current().id());
    LOG.lock().unwrap_or_else(PoisonError::into_inner).push(step);
}

/// Runs it again and again; how often, or what went wrong and the steps that led there.
fn explore(program: impl Fn() + Send + Sync + 'static) -> Outcome {
    let ended = run(move || {
        LOG.lock().unwrap_or_else(PoisonError::into_inner).clear();
        program();
    });
    let steps = LOG.lock().unwrap_or_else(PoisonError::into_inner).concat();
    ended.map_err(|failure| format!("fails after these steps\n{steps}{failure}"))
}

/// In one order of its steps after the other.
#[cfg(loom)]
fn run(program: impl Fn() + Send + Sync + 'static) -> Outcome {
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

    let runs = Arc::new(AtomicU64::new(0));
    let counted = runs.clone();
    let model = move || {
        counted.fetch_add(1, Relaxed);
        program();
    };
    catch_unwind(AssertUnwindSafe(|| loom::model(model))).map_err(message)?;
    Ok(format!("well in {} orders of its steps", runs.load(Relaxed)))
}

/// On real threads, in whatever order they happen to come.
#[cfg(not(loom))]
fn run(program: impl Fn() + Send + Sync + 'static) -> Outcome {
    use raddle::{Stopped, WaitError, WaitGroup};

    const RUNS: usize = 100;
    let running = Arc::new(WaitGroup::new());
    let worker = running.worker_owned();
    let thread = thread::spawn(move || {
        let _worker = worker;
        (0..RUNS).for_each(|_| program());
    });
    match running.wait_within(std::time::Duration::from_secs(10)) {
        Err(WaitError::Stopped(Stopped::TimedOut)) => return Err("deadlock, or very slow".to_owned()),
        _ => thread.join().map_err(message)?,
    }
    Ok(format!("well in {RUNS} runs"))
}

/// What a panic says.
fn message(panic: Box<dyn Any + Send>) -> String {
    match panic.downcast::<String>() {
        Ok(message) => *message,
        Err(panic) => panic.downcast_ref::<&str>().copied().unwrap_or("a panic").to_owned(),
    }
}
