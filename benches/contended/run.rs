//! A run: threads that are free, neither pinned nor gated, and do the same over and over for a while.

use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread;
use std::time::{Duration, Instant};

use crossbeam_utils::CachePadded;

/// Which of a thread's waits: a lock's own, or those of the two kinds of a read-write lock.
pub(crate) const READ: usize = 0;
pub(crate) const WRITE: usize = 1;

/// What one thread got.
pub(crate) struct Served {
    pub(crate) operations: u64,
    pub(crate) longest: [Duration; 2],
}

/// What one run found.
#[derive(Clone, Debug)]
pub(crate) struct Run {
    operations: u64,
    /// Nanoseconds per operation, over all threads.
    pub(crate) time: f64,
    /// The longest wait of any thread.
    pub(crate) longest: [Duration; 2],
    /// The operations of the thread that got least, and of the one that got most.
    pub(crate) counts: [u64; 2],
}

/// Tells the threads when to stop. It is read between operations and written once, so it stays in every core's cache.
pub(crate) struct Stop(CachePadded<AtomicBool>);

impl Stop {
    /// Calls `operation` until it is time to stop, and counts the calls that ended before.
    #[inline(always)]
    pub(crate) fn count(&self, mut operation: impl FnMut()) -> u64 {
        let mut operations = 0;
        loop {
            operation();
            if self.0.load(Relaxed) {
                return operations;
            }
            operations += 1;
        }
    }
}

/// Has so many threads do `work` for about `length`. What happens after that, while the last operations end, is not
/// counted, but a wait that lasts until then is a wait.
///
/// Threads are new in each run, as is what they work on: a state that a lock fell into ends with its run.
pub(crate) fn run(threads: usize, length: Duration, work: impl Fn(usize, &Stop) -> Served + Sync) -> Run {
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
        Run::of(end - start, served.iter().map(|(_, served)| served))
    })
}

impl Run {
    fn of<'a>(length: Duration, served: impl Iterator<Item = &'a Served> + Clone) -> Self {
        let counts = || served.clone().map(|served| served.operations);
        let longest = |which: usize| served.clone().map(|served| served.longest[which]).max().unwrap_or_default();
        let operations = counts().sum::<u64>();
        Self {
            operations,
            time: length.as_secs_f64() * 1e9 / operations.max(1) as f64,
            longest: [longest(READ), longest(WRITE)],
            counts: [counts().min().unwrap_or(0), counts().max().unwrap_or(0)],
        }
    }

    /// Million operations a second.
    pub(crate) fn rate(&self) -> f64 {
        1e3 / self.time
    }

    /// That no section was lost, nor two at once: the protected data counted as many as the threads did, and the last one of
    /// each, which they did not count.
    pub(crate) fn check(&self, threads: usize, sections: u64) {
        assert_eq!(sections, self.operations + threads as u64, "sections that nobody did");
    }

    /// The slowest thread's count over the fastest's.
    pub(crate) fn evenness(&self) -> f64 {
        self.counts[0] as f64 / self.counts[1].max(1) as f64
    }
}
