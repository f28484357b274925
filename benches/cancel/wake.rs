//! `cancel/wake`: how soon a sleeping thread goes on.
//!
//! Two pinned threads. In every round one goes to sleep, and the other makes sure that it sleeps, reads the clock and
//! wakes it at once; the sleeper reads the clock as soon as its call has returned. What counts is the time between the
//! two readings, summed over the rounds of a sample, so Criterion's median is that of the samples' means. ...
//!
//! The sleeper sleeps when the kernel says so twice in a row (state `S` in `/proc/thread-self/stat`): a call that spins
//! before it sleeps is waited for. Where there is no such file the sleeper is given a millisecond, and the benchmark is
//! called `paused` instead of `asleep`.
//!
//! Every round has a new token, condition or flag, made before and dropped after what is timed: a token is cancelled
//! once.

use std::fs::File;
use std::io::{Read, Seek};
use std::mem;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::{Acquire, Release};
use std::sync::{Arc, Condvar, LazyLock, Mutex, OnceLock};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use raddle::{CancelToken, Limit, LockError, OrderedMutex, Stopped, WaitError, WaitGroup};

use crate::support::line::Line;
use crate::support::{Group, Op, Role, Shape};

/// What a round of `parking_lot` and of `std` is about: set, and said so.
#[derive(Default)]
struct ParkingLot(parking_lot::Mutex<bool>, parking_lot::Condvar);
#[derive(Default)]
struct Std(Mutex<bool>, Condvar);
#[derive(Default)]
struct Park(OnceLock<Thread>, AtomicBool);

pub(crate) fn wake() -> Group {
    static ROOT: LazyLock<CancelToken> = LazyLock::new(CancelToken::new);
    static LOCK: OrderedMutex<()> = OrderedMutex::new(1, ());
    static GROUP: WaitGroup = WaitGroup::new();
    // Held by the main thread, for good.
    mem::forget(LOCK.lock());
    mem::forget(GROUP.worker());

    let child = || ROOT.child();
    let mut group = Group::new("cancel/wake", &["condvar", "park", "parking_lot"]).in_turn();
    // Ours between the peers, so that what is compared is measured within seconds of each other.
    add(
        &mut group,
        (Role::Ours, "raddle-wait"),
        child,
        |token| token.wait(Limit::NEVER).expect("no limit"),
        CancelToken::cancel,
    );
    add(
        &mut group,
        (Role::Peer, "condvar"),
        Std::default,
        |Std(set, said)| drop(said.wait_while(set.lock().expect("no panic"), |set| !*set).expect("no panic")),
        |Std(set, said)| {
            *set.lock().expect("no panic") = true;
            said.notify_one();
        },
    );
    add(
        &mut group,
        (Role::Ours, "raddle-lock"),
        child,
        |token| assert!(matches!(LOCK.lock_within(token), Err(LockError::Stopped { why: Stopped::Cancelled, .. }))),
        CancelToken::cancel,
    );
    add(
        &mut group,
        (Role::Peer, "park"),
        Park::default,
        |Park(sleeper, set)| {
            sleeper.get_or_init(thread::current);
            while !set.load(Acquire) {
                thread::park();
            }
        },
        |Park(sleeper, set)| {
            set.store(true, Release);
            sleeper.get().expect("it sleeps").unpark();
        },
    );
    add(
        &mut group,
        (Role::Ours, "raddle-group"),
        child,
        |token| assert_eq!(GROUP.wait_within(token), Err(WaitError::Stopped(Stopped::Cancelled))),
        CancelToken::cancel,
    );
    add(
        &mut group,
        (Role::Peer, "parking_lot"),
        ParkingLot::default,
        |ParkingLot(set, said)| said.wait_while(&mut set.lock(), |set| !*set),
        |ParkingLot(set, said)| {
            *set.lock() = true;
            said.notify_one();
        },
    );
    for ours in ["raddle-wait", "raddle-lock", "raddle-group"] {
        group.goal((ours, parameter()), &[("condvar", parameter())], 1.05);
    }
    group
}

fn parameter() -> &'static str {
    if Sleeper::this_thread().stat.is_some() { "asleep" } else { "paused" }
}

/// Adds a benchmark whose rounds are each about a new `R`.
fn add<R: Send + Sync + 'static>(
    group: &mut Group,
    (role, name): (Role, &'static str),
    new: impl Fn() -> R + Copy + Send + Sync + 'static,
    sleep: impl Fn(&R) + Copy + Send + Sync + 'static,
    wake: impl Fn(&R) + Copy + Send + Sync + 'static,
) {
    let shape = Shape { measured: 1, ..Shape::named(parameter(), 2) };
    group.add(role, name, shape, move || -> Op<Duration> {
        let rounds = Rounds::new();
        Box::new(move |thread, iters| {
            if thread == 0 {
                return rounds.wake(iters, new, wake);
            }
            rounds.sleep(iters, sleep);
            Duration::ZERO
        })
    });
}

/// What the two threads share. The locks are never contended: the line is between any two uses.
struct Rounds<R> {
    line: Line,
    sleeper: Mutex<Option<Sleeper>>,
    round: Mutex<Option<Arc<R>>>,
    woke: Mutex<Instant>,
}

impl<R> Rounds<R> {
    fn new() -> Self {
        Self {
            line: Line::new(2),
            sleeper: Mutex::new(None),
            round: Mutex::new(None),
            woke: Mutex::new(Instant::now()),
        }
    }

    fn wake(&self, iters: u64, new: impl Fn() -> R, wake: impl Fn(&R)) -> Duration {
        self.line.wait();
        let mut sleeper = self.sleeper.lock().expect("no panic").take().expect("it stands at the line");
        let round = |_| {
            let round = Arc::new(new());
            *self.round.lock().expect("no panic") = Some(Arc::clone(&round));
            self.line.wait();
            sleeper.wait();
            let start = Instant::now();
            wake(&round);
            self.line.wait();
            *self.woke.lock().expect("no panic") - start
        };
        let mut latencies: Vec<_> = (0..iters).map(round).collect();
        latencies.sort_unstable();
        // In nanoseconds, as there may be more rounds than a `u32` holds.
        let median = latencies[latencies.len() / 2].as_nanos() as u64;
        Duration::from_nanos(median * iters)
    }

    fn sleep(&self, iters: u64, sleep: impl Fn(&R)) {
        *self.sleeper.lock().expect("no panic") = Some(Sleeper::this_thread());
        self.line.wait();
        for _ in 0..iters {
            self.line.wait();
            let round = self.round.lock().expect("no panic").take().expect("made before the line");
            sleep(&round);
            *self.woke.lock().expect("no panic") = Instant::now();
            drop(round);
            self.line.wait();
        }
    }
}

/// A thread, seen from another that waits until it sleeps.
struct Sleeper {
    /// Its line of the kernel's, where there is one.
    stat: Option<File>,
}

impl Sleeper {
    fn this_thread() -> Self {
        Self { stat: File::open("/proc/thread-self/stat").ok() }
    }

    /// Waits until it sleeps.
    fn wait(&mut self) {
        let Some(stat) = &mut self.stat else { return thread::sleep(Duration::from_millis(1)) };
        let mut looks = 0;
        while looks < 2 {
            looks = if state(stat) == b'S' { looks + 1 } else { 0 };
        }
    }
}

/// The state of the thread whose line this is: the letter behind its name, which stands in parentheses.
fn state(stat: &mut File) -> u8 {
    let mut line = [0; 512];
    stat.rewind().expect("a file of the kernel's");
    let read = stat.read(&mut line).expect("a live thread");
    let name_ends = line[..read].iter().rposition(|&byte| byte == b')').expect("a name");
    line[name_ends + 2]
}
