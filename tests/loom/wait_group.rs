//! Models of the wait-group.

use std::time::Duration;

use super::explore::{Shared, explore, spawn};
use crate::sync::UnsafeCell;
use crate::sync::model::execution::pretend_panicking;
use crate::{Stopped, WaitError, WaitGroup};

const SECOND: Duration = Duration::from_secs(1);

/// A group, and for each worker a value that it writes and the waiter reads.
struct Work<const N: usize> {
    group: WaitGroup,
    done: [UnsafeCell<bool>; N],
}

impl<const N: usize> Work<N> {
    fn new() -> Shared<Self> {
        Shared::new(Work { group: WaitGroup::new(), done: std::array::from_fn(|_| UnsafeCell::new(false)) })
    }

    fn finish(&self, worker: usize) {
        // SAFETY: nobody else writes it, and it is read after the worker's end, which loom checks.
        *unsafe { self.done[worker].exclusive() } = true;
    }

    fn assert_done(&self) {
        for done in &self.done {
            // SAFETY: all workers have ended, which loom checks.
            assert!(unsafe { *done.shared() });
        }
    }
}

/// Starts a worker that writes its value. Its borrow of the group has no end that the compiler sees.
fn work<const N: usize>(shared: &Shared<Work<N>>, at: usize) {
    let shared = shared.clone();
    let worker = shared.group.worker();
    // It is ended by hand in the thread.
    std::mem::forget(worker);
    spawn(move || {
        shared.finish(at);
        shared.group.end(false);
    });
}

/// Fails if the waiter does not see what the worker did, or sleeps on after its end. Two threads.
#[test]
fn one_worker() {
    explore([6, 18], &["wait.woken", "wait.invalid", "group.end-parked"], || {
        let shared = Work::<1>::new();
        work(&shared, 0);
        assert_eq!(shared.group.wait(), Ok(()));
        shared.assert_done();
    });
}

/// Fails if the waiter sees what the last worker did but not what an earlier one did. Three threads.
#[test]
fn two_workers() {
    explore([4_239, 1_516], &["wait.woken", "group.end-parked"], || {
        let shared = Work::<2>::new();
        work(&shared, 0);
        work(&shared, 1);
        assert_eq!(shared.group.wait(), Ok(()));
        shared.assert_done();
    });
}

/// Fails if one of two waiters is left asleep. Three threads.
#[test]
fn two_waiters() {
    explore([1_173, 342], &["wait.woken", "group.end-parked"], || {
        let shared = Work::<1>::new();
        let worker = shared.group.worker();
        for _ in 0..2 {
            let shared = shared.clone();
            spawn(move || {
                assert_eq!(shared.group.wait(), Ok(()));
                shared.assert_done();
            });
        }
        shared.finish(0);
        drop(worker);
    });
}

/// Fails if a waiter misses the end of its generation because the next has begun, and waits for that too. The next
/// generation here has no end. Two threads.
#[test]
fn next_generation_begins() {
    explore([63, 64], &["wait.woken"], || {
        let shared = Work::<1>::new();
        std::mem::forget(shared.group.worker());
        spawn({
            let shared = shared.clone();
            move || {
                shared.finish(0);
                let waits = shared.group.someone_waits();
                shared.group.end(false);
                if waits {
                    std::mem::forget(shared.group.worker());
                }
            }
        });
        assert_eq!(shared.group.wait(), Ok(()));
        shared.assert_done();
    });
}

/// Fails if a group that was waited for does not work again. Two threads.
#[test]
fn used_again() {
    explore([36, 203], &["wait.woken"], || {
        let first = Work::<1>::new();
        work(&first, 0);
        assert_eq!(first.group.wait(), Ok(()));
        first.assert_done();
        std::mem::forget(first.group.worker());
        spawn({
            let first = first.clone();
            move || {
                first.finish(0);
                first.group.end(false);
            }
        });
        assert_eq!(first.group.wait(), Ok(()));
        first.assert_done();
    });
}

/// Fails if the last waiter to give up keeps its mark: the last worker would look for waiters. One thread.
#[test]
fn leaver_takes_its_mark() {
    explore([1, 2], &["group.leave-last"], || {
        let shared = Work::<1>::new();
        let _worker = shared.group.worker();
        assert_eq!(shared.group.wait_within(Duration::ZERO), Err(WaitError::Stopped(Stopped::TimedOut)));
        assert!(!shared.group.someone_waits());
    });
}

/// Fails if a waiter that gives up leaves the group in a state in which the next waiter is not woken. Three threads.
#[test]
fn limit_against_end() {
    explore([4_137, 316], &["wait.timed-out", "wait.woken", "group.leave-last"], || {
        let shared = Work::<1>::new();
        work(&shared, 0);
        spawn(|| crate::model::advance(SECOND));
        match shared.group.wait_within(SECOND) {
            Ok(()) => {}
            Err(why) => {
                assert_eq!(why, WaitError::Stopped(Stopped::TimedOut));
                assert_eq!(shared.group.wait(), Ok(()));
            }
        }
        shared.assert_done();
    });
}

/// Fails if a panic is not reported to every waiter, or outlives `clear_panicked`. Two threads.
#[test]
fn panicking_worker() {
    explore([212, 238], &[], || {
        let shared = Work::<1>::new();
        std::mem::forget(shared.group.worker());
        spawn({
            let shared = shared.clone();
            move || {
                let worker = shared.group.worker();
                shared.group.end(false);
                shared.finish(0);
                pretend_panicking(|| drop(worker));
            }
        });
        assert!(shared.group.wait().is_err());
        shared.assert_done();
        assert!(shared.group.wait().is_err());
        shared.group.clear_panicked();
        assert!(shared.group.wait().is_ok());
    });
}

/// Fails if the group is dropped while a worker is at work, or not at all. Two threads, joined, with loom's own `Arc`
/// around what the worker holds.
#[test]
fn owned_worker() {
    explore([12, 18], &[], || {
        let group = std::sync::Arc::new(WaitGroup::new());
        let work = loom::sync::Arc::new(UnsafeCell::new(false));
        let worker = group.worker_owned();
        let thread = loom::thread::spawn({
            let work = work.clone();
            move || {
                // SAFETY: read after the worker's end, which loom checks.
                *unsafe { work.exclusive() } = true;
                drop(work);
                drop(worker);
            }
        });
        assert_eq!(group.wait(), Ok(()));
        // SAFETY: the worker has ended, which loom checks.
        assert!(unsafe { *work.shared() });
        thread.join().unwrap();
        assert_eq!(std::sync::Arc::strong_count(&group), 1);
    });
}
