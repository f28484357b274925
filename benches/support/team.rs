//! A standing team of threads that times one operation.
//!
//! Spawning inside the measurement gave the wrong winner, so a team is built once and its workers wait at a barrier
//! between chunks. A sample is a sum of chunks of about a millisecond, or one long chunk where fairness counts; a chunk
//! lasts from the first start to the last end, both taken by the workers themselves. Where only a part of the work
//! counts, the workers time that part.
//!
//! # The gate
//! With a core for each worker, the workers are pinned and a chunk counts only if no worker was switched out against
//! its will and all started together; otherwise it is run again. Ungated, two threads that share a core for a while
//! make a contended lock look four times as fast as it is. With more threads than cores nothing can be gated: a sample
//! is then one long chunk, unpinned, so that uneven wake-ups at its start weigh little.
//!
//! A thread that yields as it spins (parking_lot's do) to someone else who wants its core counts as switched out too.
//! On a busy machine its most contended chunks are thus the rejected ones and it looks faster than it is: a high count
//! of rejected chunks means "measure again on a quiet machine".

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Barrier, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::line::Line;
use super::processors;
use super::shape::Shape;
use super::tally::{Fairness, Served, Tally};

/// Runs the measured operation on worker number `.0`, `.1` times. Called once per chunk, so that the loop inside is
/// compiled for its implementation and only this one call is dynamic.
pub(crate) type Op<T = ()> = Box<dyn Fn(usize, u64) -> T + Send + Sync>;

/// What a worker may bring from its share of a chunk: nothing, a time or what it was [`Served`].
#[derive(Clone, Copy, Default)]
pub(crate) struct Brought {
    /// The time that counts, if the worker took it itself; else the whole chunk counts.
    counted: Option<Duration>,
    served: Option<Served>,
}

impl From<()> for Brought {
    fn from((): ()) -> Self {
        Self::default()
    }
}

impl From<Duration> for Brought {
    fn from(counted: Duration) -> Self {
        Self { counted: Some(counted), ..Self::default() }
    }
}

impl From<Served> for Brought {
    fn from(served: Served) -> Self {
        Self { served: Some(served), ..Self::default() }
    }
}

const CHUNK: Duration = Duration::from_millis(1);
/// Starts may be this part of a chunk apart ...
const SKEW: u32 = 20;
/// ... or this much, for the chunks shorter than a millisecond with which Criterion warms up.
const LEAST_SKEW: Duration = Duration::from_micros(5);
/// A sample may reject this many chunks, and this many more for each chunk in it; so it ends on a busy machine too.
const RETRIES: u64 = 20;
const RETRIES_PER_CHUNK: u64 = 3;

/// How far a team's figures can be trusted.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Gating {
    Gated,
    Oversubscribed,
    Unsupported,
    /// Not to be gated: [`Free`](super::free::Free).
    Free,
}

impl Gating {
    pub(crate) fn of(shape: &Shape) -> Self {
        match processors::cores().len() {
            0 => Self::Unsupported,
            cores if shape.threads > cores => Self::Oversubscribed,
            // Hardly any long chunk is free of switches, and who is switched out is part of what it shows.
            _ if shape.whole => Self::Unsupported,
            _ => Self::Gated,
        }
    }

    pub(crate) fn label(self) -> &'static str {
        match self {
            Self::Gated => "gated",
            Self::Oversubscribed => "oversubscribed",
            Self::Unsupported => "ungated",
            Self::Free => "free",
        }
    }
}

pub(crate) struct Team {
    shared: Arc<Shared>,
    workers: Vec<JoinHandle<()>>,
    measured: usize,
    /// A sample is one chunk.
    whole: bool,
    gating: Gating,
    /// Iterations in about one `CHUNK`.
    per_chunk: u64,
    /// The length of the latest sample. It grows while Criterion warms up; the samples that count are of one length.
    length: u64,
    tally: Tally,
}

struct Shared {
    op: Op<Brought>,
    /// Iterations of the next chunk; zero sends the workers home.
    iters: AtomicU64,
    /// The workers and the coordinator: before a chunk, and after it.
    turn: Barrier,
    /// The workers, behind the barrier: where a chunk starts.
    line: Line,
    reports: Vec<Mutex<Report>>,
}

#[derive(Clone, Copy)]
struct Report {
    start: Instant,
    end: Instant,
    brought: Brought,
    switched_out: bool,
}

struct Chunk {
    /// From the first start to the last end.
    length: Duration,
    /// What of it counts.
    counted: Duration,
    skew: Duration,
    switched_out: bool,
    fairness: Option<Fairness>,
}

impl Team {
    /// As many workers as the shape says, of which the first `measured` are timed; the others are company.
    pub(crate) fn new(shape: &Shape, op: Op<Brought>) -> Self {
        let &Shape { threads, measured, whole, .. } = shape;
        let now = Instant::now();
        let unwritten = Report { start: now, end: now, brought: Brought::default(), switched_out: false };
        let shared = Arc::new(Shared {
            op,
            iters: AtomicU64::new(0),
            turn: Barrier::new(threads + 1),
            line: Line::new(threads),
            reports: (0..threads).map(|_| Mutex::new(unwritten)).collect(),
        });
        let gating = Gating::of(shape);
        let cores = processors::cores();
        let workers = (0..threads)
            .map(|me| {
                let shared = Arc::clone(&shared);
                let core = (gating == Gating::Gated).then(|| cores[me]);
                thread::spawn(move || shared.work(me, core))
            })
            .collect();
        let tally = Tally::default();
        let mut team = Self { shared, workers, measured, whole, gating, per_chunk: 1, length: 0, tally };
        let mut calibrations = [(); 3].map(|()| team.calibrate());
        calibrations.sort_unstable();
        // A switch during a calibration makes it come out short, never long: so the longest of three. Where threads take turns
        // it can come out either way.
        team.per_chunk = calibrations[if gating == Gating::Gated { 2 } else { 1 }];
        team
    }

    /// What comes from now on is the first that counts.
    pub(crate) fn begin_tally(&mut self) {
        self.tally = Tally::default();
    }

    pub(crate) fn is_whole(&self) -> bool {
        self.whole
    }

    pub(crate) fn gating(&self) -> Gating {
        self.gating
    }

    pub(crate) fn tally(&self) -> Tally {
        self.tally.clone()
    }

    /// The time that `iters` operations of every worker take.
    pub(crate) fn sample(&mut self, iters: u64) -> Duration {
        if iters != self.length {
            self.length = iters;
            self.tally = Tally::default();
        }
        let gated = self.gating == Gating::Gated;
        let chunks = if gated && !self.whole { iters.div_ceil(self.per_chunk).max(1) } else { 1 };
        let mut retries = RETRIES + RETRIES_PER_CHUNK * chunks;
        let mut clean = true;
        let mut total = Duration::ZERO;
        for chunk in 0..chunks {
            let share = iters / chunks + u64::from(chunk < iters % chunks);
            let kept = loop {
                let chunk = self.chunk(share);
                let uneven = chunk.skew > LEAST_SKEW.max(chunk.length / SKEW);
                if !gated || !(chunk.switched_out || uneven) {
                    break chunk;
                }
                if retries == 0 {
                    clean = false;
                    break chunk;
                }
                retries -= 1;
                self.tally.switched_out += u64::from(chunk.switched_out);
                self.tally.uneven_starts += u64::from(!chunk.switched_out);
            };
            total += kept.counted;
            self.tally.fairness.extend(kept.fairness);
        }
        self.tally.samples += 1;
        self.tally.chunks += chunks;
        self.tally.unclean_samples += u64::from(!clean);
        total
    }

    /// The nanoseconds that one operation takes, in a sample of so many chunks.
    pub(crate) fn sample_chunks(&mut self, chunks: u64) -> f64 {
        let iters = chunks * self.per_chunk;
        self.sample(iters).as_secs_f64() * 1e9 / iters as f64
    }

    fn calibrate(&self) -> u64 {
        // Threads that take turns begin one after the other, which alone can take longer than a chunk.
        let enough = if self.gating == Gating::Oversubscribed { 10 * CHUNK } else { CHUNK / 2 };
        let mut iters = 1;
        loop {
            let length = self.chunk(iters).length.as_nanos().max(1);
            if length >= enough.as_nanos() {
                let per_chunk = u128::from(iters) * CHUNK.as_nanos() / length;
                return u64::try_from(per_chunk).unwrap_or(u64::MAX).max(1);
            }
            iters *= 2;
        }
    }

    fn chunk(&self, iters: u64) -> Chunk {
        self.shared.iters.store(iters, Ordering::Relaxed);
        self.shared.turn.wait();
        self.shared.turn.wait();
        let reports: Vec<_> =
            self.shared.reports.iter().map(|report| *report.lock().expect("no worker panicked")).collect();
        let starts = || reports.iter().map(|report| report.start);
        let measured = &reports[..self.measured];
        let start = measured.iter().map(|report| report.start).min().expect("a measured worker");
        let end = measured.iter().map(|report| report.end).max().expect("a measured worker");
        Chunk {
            length: end - start,
            counted: measured.iter().filter_map(|report| report.brought.counted).max().unwrap_or(end - start),
            skew: starts().max().expect("a worker") - starts().min().expect("a worker"),
            switched_out: reports.iter().any(|report| report.switched_out),
            fairness: Fairness::of(measured.iter().filter_map(|report| report.brought.served)),
        }
    }
}

impl Drop for Team {
    fn drop(&mut self) {
        self.shared.iters.store(0, Ordering::Relaxed);
        self.shared.turn.wait();
        for worker in self.workers.drain(..) {
            // A worker that panics ends the process, so there is no result to look at.
            let _ = worker.join();
        }
    }
}

impl Shared {
    fn work(&self, me: usize, core: Option<usize>) {
        if let Some(core) = core {
            processors::pin(core);
        }
        loop {
            self.turn.wait();
            // Relaxed: the barrier orders it after the coordinator's store.
            let iters = self.iters.load(Ordering::Relaxed);
            if iters == 0 {
                return;
            }
            if core.is_some() {
                self.line.wait();
            }
            let before = processors::switched_out();
            let start = Instant::now();
            let Ok(brought) = catch_unwind(AssertUnwindSafe(|| (self.op)(me, iters))) else {
                // The others would wait for this one for ever; the panic's own message is already out.
                std::process::exit(101);
            };
            let end = Instant::now();
            let switched_out = processors::switched_out() != before;
            *self.reports[me].lock().expect("no worker panicked") = Report { start, end, brought, switched_out };
            self.turn.wait();
        }
    }
}
