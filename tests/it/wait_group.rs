//! Wait-groups: who counts, who waits, and what a panic leaves behind.

use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::mpsc;
use std::sync::{Arc, Barrier};
use std::time::{Duration, Instant};

use raddle::{Limit, OwnedWorker, Stopped, WaitError, WaitGroup, Worker, WorkerPanicked};

use crate::stress::watched;
use crate::thread;

const TIMED_OUT: Result<(), WaitError> = Err(WaitError::Stopped(Stopped::TimedOut));
const NOW: Duration = Duration::ZERO;

/// A panic that does not print, and that drops what `f` holds.
pub(crate) fn panics_with<T>(held: T) {
    let end = catch_unwind(AssertUnwindSafe(|| {
        let _held = held;
        resume_unwind(Box::new("expected"));
    }));
    assert_eq!(end.unwrap_err().downcast_ref(), Some(&"expected"));
}

/// What a wait says after a panic; nobody else can make one.
fn panicked() -> WorkerPanicked {
    let group = WaitGroup::new();
    panics_with(group.worker());
    group.wait().unwrap_err()
}

/// The worker of either kind.
#[allow(dead_code, reason = "they are dropped")]
enum Any<'a> {
    Borrowed(Worker<'a>),
    Owned(OwnedWorker),
}

fn both(group: &Arc<WaitGroup>) -> [Any<'_>; 2] {
    [Any::Borrowed(group.worker()), Any::Owned(group.worker_owned())]
}

#[test]
fn without_workers_there_is_nothing_to_wait_for() {
    watched(|_| {
        let group = WaitGroup::default();
        assert_eq!((group.wait(), group.wait_within(NOW), group.count()), (Ok(()), Ok(()), 0));
        assert_eq!(group.wait_within(Instant::now()), Ok(()), "a limit that has passed lets try once");
    });
}

#[test]
fn workers_count_until_they_are_dropped() {
    watched(|_| {
        let group = Arc::new(WaitGroup::new());
        let mut workers = Vec::new();
        for made in 1..=10 {
            workers.extend(both(&group));
            assert_eq!(group.count(), 2 * made);
            assert_eq!(group.wait_within(NOW), TIMED_OUT);
        }
        for left in (0..20).rev() {
            drop(workers.swap_remove(left / 2));
            assert_eq!(group.count(), left);
            assert_eq!(group.wait_within(NOW), if left == 0 { Ok(()) } else { TIMED_OUT });
        }
        assert_eq!(group.wait(), Ok(()));
        assert_eq!(Arc::strong_count(&group), 1);
    });
}

#[test]
fn an_owned_worker_keeps_its_group() {
    watched(|_| {
        let group = Arc::new(WaitGroup::new());
        let worker = group.worker_owned();
        let weak = Arc::downgrade(&group);
        drop(group);
        assert_eq!(weak.upgrade().unwrap().count(), 1);
        thread::spawn(move || drop(worker)).join().unwrap();
        assert!(weak.upgrade().is_none());
    });
}

#[test]
fn a_wait_ends_with_the_last_worker_and_not_before() {
    watched(|roll| {
        for owned in [false, true] {
            let group = Arc::new(WaitGroup::new());
            thread::scope(|threads| {
                let mut workers: Vec<_> = (0..3).flat_map(|_| both(&group)).collect();
                workers.retain(|worker| matches!(worker, Any::Owned(_)) == owned);
                let (ended, end) = mpsc::channel();
                for (at, limit) in
                    [Limit::NEVER, Duration::MAX.into(), Duration::from_secs(1000).into()].iter().enumerate()
                {
                    let (group, ended) = (&group, ended.clone());
                    let (limit, name) = (*limit, format!("waiter {at}"));
                    roll.spawn(threads, name, move || ended.send((group.wait_within(limit), group.count())).unwrap());
                }
                while let Some(worker) = workers.pop() {
                    // A wait that ends too early would be heard of now; nothing else hangs on this time.
                    assert_eq!(end.recv_timeout(Duration::from_millis(100)).ok(), None);
                    roll.spawn(threads, "worker", move || drop(worker)).join().unwrap();
                }
                drop(ended);
                assert_eq!(end.iter().collect::<Vec<_>>(), [(Ok(()), 0); 3]);
            });
        }
    });
}

/// A worker that comes as soon as there is none does not keep those that waited for the others. Nobody can tell from
/// outside whether a thread waits already, so some rounds are made in vain; most are not.
#[test]
fn a_wait_that_is_over_stays_over_when_new_workers_come() {
    const WAITERS: usize = 3;
    const ENOUGH: usize = if cfg!(miri) { 1 } else { 20 };
    watched(|roll| {
        let group = WaitGroup::new();
        let mut seen = 0;
        for round in 0..20 * ENOUGH {
            let began = Barrier::new(WAITERS + 2);
            let (ended, end) = mpsc::channel();
            thread::scope(|threads| {
                let (group, began) = (&group, &began);
                let worker = group.worker();
                for waiter in 0..WAITERS {
                    let ended = ended.clone();
                    roll.spawn(threads, format!("round {round}, {seen} seen, waiter {waiter}"), move || {
                        began.wait();
                        let over = match waiter {
                            0 => group.wait_within(Duration::MAX).is_ok(),
                            _ => group.wait().is_ok(),
                        };
                        ended.send(over).unwrap();
                    });
                }
                let successor = roll.spawn(threads, format!("round {round}, successor"), move || {
                    began.wait();
                    while group.count() != 0 {
                        std::hint::spin_loop();
                    }
                    group.worker()
                });
                began.wait();
                (0..round % 32).for_each(|_| thread::yield_now());
                drop(worker);
                let successor = successor.join().unwrap();
                let mut through = (0..WAITERS).map_while(|_| end.recv_timeout(Duration::from_millis(20)).ok());
                if through.by_ref().filter(|&over| over).count() == WAITERS {
                    seen += 1;
                }
                assert_eq!(group.count(), 1);
                drop(successor);
            });
            if seen == ENOUGH {
                return;
            }
        }
        panic!("only {seen} times were all waiters through");
    });
}

#[test]
fn a_waiter_that_gives_up_leaves_nothing_behind() {
    watched(|roll| {
        let group = WaitGroup::new();
        let worker = group.worker();
        for limit in [Limit::from(NOW), Instant::now().into(), Duration::from_millis(1).into()] {
            assert_eq!(group.wait_within(limit), TIMED_OUT);
            assert_eq!(group.wait_within(Limit::from(Duration::MAX).or(limit)), TIMED_OUT);
        }
        thread::scope(|threads| {
            let group = &group;
            let patient = roll.spawn(threads, "patient", move || group.wait());
            for hasty in 0..8 {
                let name = format!("hasty {hasty}");
                let end = roll.spawn(threads, name, move || group.wait_within(Duration::from_micros(100 * hasty)));
                assert_eq!(end.join().unwrap(), TIMED_OUT);
            }
            drop(worker);
            assert_eq!(patient.join().unwrap(), Ok(()));
        });
        assert_eq!(group.wait_within(NOW), Ok(()));
    });
}

#[test]
fn what_workers_wrote_is_seen_after_the_wait() {
    watched(|roll| {
        let group = WaitGroup::new();
        let mut pages = [[0_u8; 64]; 4];
        for round in 1..=if cfg!(miri) { 3 } else { 100 } {
            thread::scope(|threads| {
                let results: Vec<_> = (0..pages.len())
                    .map(|at| {
                        let worker = group.worker();
                        let (send, receive) = mpsc::channel();
                        roll.spawn(threads, format!("round {round}, worker {at}"), move || {
                            send.send([round; 64]).unwrap();
                            drop(worker);
                        });
                        receive
                    })
                    .collect();
                group.wait().unwrap();
                for (page, result) in pages.iter_mut().zip(results) {
                    *page = result.try_recv().expect("sent before the worker was dropped");
                }
            });
            assert_eq!(pages, [[round; 64]; 4]);
        }
    });
}

#[test]
fn a_panic_is_reported_until_it_is_cleared() {
    watched(|_| {
        let group = Arc::new(WaitGroup::new());
        for kind in 0..2 {
            let [other, worker] = both(&group);
            let (worker, other) = if kind == 0 { (other, worker) } else { (worker, other) };
            panics_with(worker);
            assert_eq!(group.count(), 1, "done by the panic");
            assert_eq!(group.wait_within(NOW), TIMED_OUT, "others are at work all the same");
            drop(other);
            assert_eq!(group.wait(), Err(panicked()));
            assert_eq!(group.wait_within(NOW), Err(WaitError::Panicked(panicked())));
            // Also after a use in which all went well.
            drop(both(&group));
            assert_eq!(group.wait(), Err(panicked()));
            assert_eq!(format!("{group:?}"), "WaitGroup { count: 0, panicked: true }");
            group.clear_panicked();
            assert_eq!(group.wait(), Ok(()));
            assert_eq!(format!("{group:?}"), "WaitGroup { count: 0, panicked: false }");
        }
    });
}

#[test]
fn clearing_while_others_work_forgets_what_was_and_not_what_comes() {
    watched(|roll| {
        let group = WaitGroup::new();
        let (first, second, third) = (group.worker(), group.worker(), group.worker());
        panics_with(first);
        group.clear_panicked();
        assert_eq!(group.count(), 2);
        thread::scope(|threads| {
            let group = &group;
            let waiter = roll.spawn(threads, "waiter", move || group.wait());
            group.clear_panicked();
            drop(second);
            panics_with(third);
            assert_eq!(waiter.join().unwrap(), Err(panicked()));
        });
        group.clear_panicked();
        assert_eq!(group.wait(), Ok(()));
    });
}

#[test]
fn all_waiters_learn_of_the_panic() {
    watched(|roll| {
        let group = WaitGroup::new();
        let began = &Barrier::new(9);
        thread::scope(|threads| {
            let group = &group;
            let workers = [group.worker(), group.worker()];
            let waiters: Vec<_> = (0..8)
                .map(|waiter| {
                    roll.spawn(threads, format!("waiter {waiter}"), move || {
                        began.wait();
                        match waiter % 2 {
                            0 => group.wait(),
                            _ => group.wait_within(Duration::MAX).map_err(|error| match error {
                                WaitError::Panicked(panicked) => panicked,
                                other => panic!("{other}"),
                            }),
                        }
                    })
                })
                .collect();
            began.wait();
            let [fails, works] = workers;
            let failing = roll.spawn(threads, "fails", move || panics_with(fails));
            failing.join().unwrap();
            drop(works);
            for waiter in waiters {
                assert_eq!(waiter.join().unwrap(), Err(panicked()));
            }
        });
    });
}

/// Uses workers while a panic is under way.
struct WorksInDrop(Arc<WaitGroup>);

impl Drop for WorksInDrop {
    fn drop(&mut self) {
        assert!(thread::panicking());
        drop(both(&self.0));
        assert_eq!(self.0.wait(), Ok(()));
    }
}

#[test]
fn a_worker_made_while_panicking_has_not_panicked() {
    watched(|_| {
        let group = Arc::new(WaitGroup::new());
        panics_with(WorksInDrop(Arc::clone(&group)));
        assert_eq!((group.count(), group.wait()), (0, Ok(())));
        // A worker that is dropped by a thread that does not panic has not, wherever it was made.
        let worker = group.worker_owned();
        let panicking = thread::spawn(move || panics_with(()));
        drop(worker);
        panicking.join().unwrap();
        assert_eq!(group.wait(), Ok(()));
    });
}

#[test]
fn a_leaked_worker_is_waited_for_to_the_limit() {
    watched(|_| {
        let group = WaitGroup::new();
        std::mem::forget(group.worker());
        drop(group.worker());
        assert_eq!(group.count(), 1);
        assert_eq!(group.wait_within(Duration::from_millis(1)), TIMED_OUT);
    });
}

#[test]
fn many_waiters_and_many_workers() {
    const EACH: usize = if cfg!(miri) { 4 } else { 60 };
    watched(|roll| {
        let group = Arc::new(WaitGroup::new());
        for round in 0..3 {
            let began = &Barrier::new(2 * EACH);
            thread::scope(|threads| {
                let workers: Vec<_> = (0..EACH / 2).flat_map(|_| both(&group)).collect();
                assert_eq!(group.count(), EACH);
                for (at, worker) in workers.into_iter().enumerate() {
                    roll.spawn(threads, format!("round {round}, worker {at}"), move || {
                        began.wait();
                        drop(worker);
                    });
                }
                for at in 0..EACH {
                    let group = &group;
                    roll.spawn(threads, format!("round {round}, waiter {at}"), move || {
                        began.wait();
                        assert_eq!(group.wait(), Ok(()));
                        assert_eq!(group.count(), 0);
                    });
                }
            });
        }
    });
}

#[test]
fn a_worker_in_a_thread_local_is_done_when_the_thread_is() {
    thread_local! {
        static WORKER: RefCell<Option<OwnedWorker>> = const { RefCell::new(None) };
    }
    watched(|_| {
        let group = Arc::new(WaitGroup::new());
        let worker = group.worker_owned();
        let ends = thread::spawn(move || WORKER.set(Some(worker)));
        assert_eq!(group.wait(), Ok(()));
        ends.join().unwrap();
    });
}

#[test]
fn debug_of_workers_says_what_they_are() {
    let group = Arc::new(WaitGroup::new());
    assert_eq!(format!("{:?} {:?}", group.worker(), group.worker_owned()), "Worker { .. } OwnedWorker { .. }");
}
