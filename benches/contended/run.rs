//! A run: threads that are free, neither pinned nor gated, and do the same over and over for a while.

use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread;
use std::time::{Duration, Instant};

use crossbeam_utils::CachePadded;

use crate::support::Run;

/// What one thread got.
pub(crate) struct Served {
    pub(crate) operations: u64,
    /// Its longest wait; if it reads and writes, to read.
    pub(crate) wait: Duration,
    pub(crate) write_wait: Option<Duration>,
}

/// Tells the threads when to stop. It is read between operations and written once, so it stays in every core's cache.
pub(crate) struct Stop(CachePadded<AtomicBool>);

impl Stop {
    /// Calls `operation` until it is time to stop, and counts the calls that ended before.
    #[inline(always)]
    pub(crate) fn count(&self, mut operation: impl FnMut()) -> u64 {
        self.count_while(|| {
            operation();
            true
        })
    }

    /// The same, or until there is nothing left to do.
    #[inline(always)]
    pub(crate) fn count_while(&self, mut operation: impl FnMut() -> bool) -> u64 {
        let mut operations = 0;
        while operation() && !self.0.load(Relaxed) {
            operations += 1;
        }
        operations
    }
}

/// Has so many threads do `work` for about `length`; also gives what all did, uncounted operations included. What happens
/// after that time, while the last operations end, is not counted, but a wait that lasts until then is a wait.
///
/// Threads are new in each run, as is what they work on: a state that a lock fell into ends with its run.
pub(crate) fn run(threads: usize, length: Duration, work: impl Fn(usize, &Stop) -> Served + Sync) -> (Run, u64) {
    let (stop, begin) = (Stop(CachePadded::new(AtomicBool::new(false))), Barrier::new(threads + 1));
    let one = |me| {
        begin.wait();
        let start = Instant::now();
        (start, work(me, &stop))
    };
    thread::scope(|scope| {
        let one = &one;
        let workers: Vec<_> = (0..threads).map(|me| scope.spawn(move || one(me))).collect();
        begin.wait();
        thread::sleep(length);
        let end = Instant::now();
        stop.0.store(true, Relaxed);
        let served: Vec<_> = workers.into_iter().map(|worker| worker.join().expect("no worker panics")).collect();
        // The first that began: the others had their cores taken by it.
        let start = served.iter().map(|(start, _)| *start).min().expect("a thread");
        sum(end - start, served.iter().map(|(_, served)| served))
    })
}

fn sum<'a>(length: Duration, served: impl Iterator<Item = &'a Served> + Clone) -> (Run, u64) {
    let counts = || served.clone().map(|served| served.operations);
    let run = Run {
        time: length.as_secs_f64() * 1e9 / counts().sum::<u64>().max(1) as f64,
        counts: [counts().min().unwrap_or(0), counts().max().unwrap_or(0)],
        wait: served.clone().map(|served| served.wait).max().unwrap_or_default(),
        write_wait: served.clone().filter_map(|served| served.write_wait).max(),
    };
    // Of each thread the last one was too late.
    (run, counts().map(|operations| operations + 1).sum())
}
