//! The other things that threads meet at, each beside a peer: whether one that was slow for a moment stays slow.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Condvar, Mutex, OnceLock};
use std::thread;
use std::time::Duration;

use crossbeam_utils::CachePadded;
use crossbeam_utils::sync::WaitGroup as Crossbeam;
use raddle::{CancelToken, Counter, OnceCell, ShardedCounter, WaitGroup};
use tokio_util::sync::CancellationToken;

use crate::point::{Contender, Point};
use crate::run::{Served, run};
use crate::support::Role;
use crate::support::Run;
use crate::watch::Watch;
use crate::work::Work;

/// Threads that do `operation` over and over.
fn repeat<T: Sync>(on: &T, threads: usize, length: Duration, operation: impl Fn(&T) + Sync) -> Run {
    run(threads, length, |_, stop| {
        let mut watch = Watch::new(Duration::ZERO);
        let operations = stop.count(|| {
            operation(on);
            watch.done(false);
        });
        Served { operations, wait: watch.longest(), write_wait: None }
    })
    .0
}

/// Threads that increment one counter.
pub(crate) fn counter(threads: usize) -> Point {
    fn of<T: Sync + 'static>(role: Role, name: &'static str, threads: usize, new: fn() -> T, inc: fn(&T)) -> Contender {
        Contender::new(role, name, move |length| repeat(&CachePadded::new(new()), threads, length, |on| inc(on)))
    }
    Point::new(vec![
        of(Role::Ours, "raddle", threads, || Counter::new(0), |count| _ = count.inc()),
        of(Role::Ours, "raddle-sharded", threads, ShardedCounter::new, ShardedCounter::inc),
        of(Role::Peer, "atomic", threads, || AtomicU64::new(0), |count| _ = count.fetch_add(1, Relaxed)),
    ])
}

/// Threads that make a child of one token and drop it.
pub(crate) fn cancel(threads: usize) -> Point {
    Point::new(vec![
        Contender::new(Role::Ours, "raddle", move |length| {
            repeat(&CancelToken::new(), threads, length, |parent| drop(parent.child()))
        }),
        Contender::new(Role::Peer, "tokio", move |length| {
            repeat(&CancellationToken::new(), threads, length, |parent| drop(parent.child_token()))
        }),
    ])
}

/// What is written by hand where no such type is at hand.
struct ByHand {
    workers: Mutex<usize>,
    none: Condvar,
}

impl ByHand {
    fn begin(&self) {
        *self.workers.lock().expect("no worker panics") += 1;
    }

    fn end(&self) {
        let mut workers = self.workers.lock().expect("no worker panics");
        *workers -= 1;
        if *workers == 0 {
            self.none.notify_all();
        }
    }

    fn wait(&self) {
        let workers = self.workers.lock().expect("no worker panics");
        drop(self.none.wait_while(workers, |workers| *workers != 0).expect("no worker panics"));
    }
}

/// Threads that add a worker to a group and end it, while a thread of its own waits for all: until the run is over.
pub(crate) fn wait_group(threads: usize) -> Point {
    Point::new(vec![
        Contender::new(Role::Ours, "raddle", move |length| {
            let group = WaitGroup::new();
            thread::scope(|scope| {
                let all = group.worker();
                scope.spawn(|| group.wait().expect("no worker panics"));
                let found = repeat(&group, threads, length, |group| drop(group.worker()));
                drop(all);
                found
            })
        }),
        Contender::new(Role::Peer, "crossbeam", move |length| {
            let all = Crossbeam::new();
            thread::scope(|scope| {
                let waiting = all.clone();
                scope.spawn(|| waiting.wait());
                let found = repeat(&all, threads, length, |all| drop(all.clone()));
                drop(all);
                found
            })
        }),
        Contender::new(Role::Peer, "condvar", move |length| {
            let group = ByHand { workers: Mutex::new(1), none: Condvar::new() };
            thread::scope(|scope| {
                scope.spawn(|| group.wait());
                let found = repeat(&group, threads, length, |group| {
                    group.begin();
                    group.end();
                });
                group.end();
                found
            })
        }),
    ])
}

/// A cell that is filled at most once.
trait Cell: Sync + 'static {
    fn new() -> Self;
    fn get_or_init(&self, init: impl FnOnce() -> u64) -> u64;
}

impl Cell for OnceCell<u64> {
    fn new() -> Self {
        Self::new()
    }

    #[inline(always)]
    fn get_or_init(&self, init: impl FnOnce() -> u64) -> u64 {
        *self.get_or_init(init)
    }
}

impl Cell for OnceLock<u64> {
    fn new() -> Self {
        Self::new()
    }

    #[inline(always)]
    fn get_or_init(&self, init: impl FnOnce() -> u64) -> u64 {
        *self.get_or_init(init)
    }
}

impl Cell for once_cell::sync::OnceCell<u64> {
    fn new() -> Self {
        Self::new()
    }

    #[inline(always)]
    fn get_or_init(&self, init: impl FnOnce() -> u64) -> u64 {
        *self.get_or_init(init)
    }
}

/// Threads that walk along a row of empty cells, which whoever comes first fills, in 3 µs, while the others wait for it and
/// go on to the next, all at once. An operation is a cell that a thread has passed.
pub(crate) fn once(threads: usize) -> Point {
    const INIT: Duration = Duration::from_micros(3);

    fn of<C: Cell>(role: Role, name: &'static str, threads: usize) -> Contender {
        Contender::new(role, name, move |length| {
            // More than can be filled in that time, unless it is late that somebody looks at the time.
            let enough = 2 * length + Duration::from_millis(100);
            let row: Vec<_> = (0..enough.as_nanos() / INIT.as_nanos()).map(|_| C::new()).collect();
            let init = Work::lasting(INIT);
            run(threads, length, |_, stop| {
                let (mut watch, mut cells) = (Watch::of_each(), row.iter());
                let operations = stop.count_while(|| {
                    let Some(cell) = cells.next() else { return false };
                    watch.begin();
                    cell.get_or_init(|| init.on(&7));
                    watch.acquired();
                    true
                });
                Served { operations, wait: watch.longest(), write_wait: None }
            })
            .0
        })
    }
    Point::new(vec![
        of::<OnceCell<u64>>(Role::Ours, "raddle", threads),
        of::<OnceLock<u64>>(Role::Peer, "std", threads),
        of::<once_cell::sync::OnceCell<u64>>(Role::Peer, "once_cell", threads),
    ])
}
