//! Four threads at a time, one program for each primitive.
//!
//! Those that no loom ends in minutes are bounded to two preemptions, and say so; what they show without a bound is in the
//! models of three threads.

use super::explore::{Judge, Shared, explore, explore_bounded, explore_bounded_on_both, spawn};
use crate::sync::UnsafeCell;
use crate::{
    CancelToken, Counter, Limit, LockError, OnceCell, OrderedMutex, OrderedRwLock, Stopped, WaitError, WaitGroup,
    lock_all,
};

/// Fails if an increment is lost, or two see the same value. Four threads.
#[test]
fn counter() {
    explore([493, 33], &[], || {
        let counter = Shared::new(Counter::new(0));
        let before = Judge::expect(vec![0, 1, 2, 3]);
        for _ in 0..3 {
            let (counter, before) = (counter.clone(), before.clone());
            spawn(move || before.note(counter.inc()));
        }
        before.note(counter.inc());
    });
}

/// Fails if the waiter does not see what each of three workers did, or sleeps on. Four threads.
#[test]
fn three_workers() {
    explore_bounded_on_both(2, [54_728, 0], &["wait.woken", "group.end-parked"], || {
        let shared = Shared::new((WaitGroup::new(), std::array::from_fn::<_, 3, _>(|_| UnsafeCell::new(false))));
        for at in 0..3 {
            std::mem::forget(shared.0.worker());
            let shared = shared.clone();
            spawn(move || {
                // SAFETY: nobody else writes it, and it is read after the worker's end, which loom checks.
                *unsafe { shared.1[at].exclusive() } = true;
                shared.0.end(false);
            });
        }
        assert_eq!(shared.0.wait(), Ok(()));
        for done in &shared.1 {
            // SAFETY: all workers have ended, which loom checks.
            assert!(unsafe { *done.shared() });
        }
    });
}

/// Fails if one of three waiters is left behind. Four threads.
#[test]
fn three_waiters() {
    explore_bounded(3, [10_286, 331_559], &["wait.woken", "group.end-parked"], || {
        let group = Shared::new(WaitGroup::new());
        let worker = group.worker();
        for _ in 0..3 {
            let group = group.clone();
            spawn(move || assert_eq!(group.wait(), Ok(())));
        }
        drop(worker);
    });
}

/// Fails if a sleeper is left behind among others, or if two threads hold the lock at once. Four threads.
#[test]
fn four_lockers() {
    explore_bounded_on_both(2, [1_412, 0], &["wait.woken"], || {
        let lock = Shared::new(OrderedMutex::new(1, 0));
        let turns = Judge::expect(vec![1, 2, 3, 4]);
        let turn = |lock: &OrderedMutex<u32>| {
            let mut value = lock.lock().unwrap();
            *value += 1;
            *value
        };
        for _ in 0..3 {
            let (lock, turns) = (lock.clone(), turns.clone());
            spawn(move || turns.note(turn(&lock)));
        }
        turns.note(turn(&lock));
    });
}

/// Fails if four threads that name four locks in a cycle can deadlock. Four threads.
#[test]
fn cycle_of_four() {
    explore_bounded(3, [5_042, 7_719], &["wait.woken"], || {
        let mut id = 0;
        let locks: Shared<[OrderedMutex<u32>; 4]> = Shared::new(std::array::from_fn(|_| {
            id += 1;
            OrderedMutex::new(id, 0)
        }));
        for (first, second) in [(1, 2), (2, 3), (3, 0)] {
            let locks = locks.clone();
            spawn(move || drop(lock_all((&locks[first], &locks[second])).unwrap()));
        }
        drop(lock_all((&locks[0], &locks[1])).unwrap());
    });
}

/// Fails if two initialisers run, or a caller sleeps on after the value is there. Four threads.
#[test]
fn four_initialisers() {
    explore_bounded_on_both(2, [12_687, 0], &["wait.woken", "once.finish-parked"], || {
        let cell = Shared::new(OnceCell::new());
        let values = Judge::new(|values: Vec<u8>| assert!(values.iter().all(|value| *value == values[0])));
        for value in 1..4 {
            let (cell, values) = (cell.clone(), values.clone());
            spawn(move || values.note(*cell.get_or_init(|| value)));
        }
        values.note(*cell.get_or_init(|| 4));
    });
}

/// Fails if a failing initialiser's wake-up is lost among two candidates and a watcher. Four threads.
#[test]
fn failure_before_candidates_and_a_watcher() {
    explore_bounded_on_both(2, [8_818, 0], &["wait.woken", "once.failed"], || {
        let cell = Shared::new(OnceCell::new());
        let _ = cell.get_or_try_init(|| {
            for _ in 0..2 {
                let cell = cell.clone();
                spawn(move || assert_eq!(*cell.get_or_init(|| 7), 7));
            }
            let cell = cell.clone();
            spawn(move || assert_eq!(*cell.wait(), 7));
            Err(())
        });
    });
}

/// Fails if a reader or a writer is left behind while turns change, or if a writer is in the lock with anybody else. Four threads.
#[test]
fn two_readers_and_two_writers() {
    explore_bounded_on_both(2, [1_287, 0], &["wait.woken", "rw.readers-let-in", "rw.last-reader"], || {
        let lock = Shared::new(OrderedRwLock::new(1, 0));
        let writer = {
            let lock = lock.clone();
            move || *lock.write().unwrap() += 1
        };
        spawn(writer.clone());
        spawn(writer);
        let reader = {
            let lock = lock.clone();
            move || assert!(*lock.read().unwrap() <= 2)
        };
        spawn(reader.clone());
        reader();
    });
}

/// Fails if a cancel reaches a waiter under another token, or misses one of two under its own. Four threads.
#[test]
fn one_token_of_two() {
    explore_bounded_on_both(
        2,
        [38_625, 0],
        &["node.cancel-woke", "wait.cancelled-asleep", "wait.cancelled-awake"],
        || {
            let shared = Shared::new((WaitGroup::new(), CancelToken::new()));
            std::mem::forget(shared.0.worker());
            for _ in 0..2 {
                let shared = shared.clone();
                spawn(move || match shared.0.wait_within(&shared.1) {
                    Ok(()) => {}
                    Err(why) => assert_eq!(why, WaitError::Stopped(Stopped::Cancelled)),
                });
            }
            let other = Shared::new(CancelToken::new());
            spawn({
                let shared = shared.clone();
                move || assert_eq!(shared.0.wait_within(&*other), Ok(()))
            });
            shared.1.cancel();
            assert_eq!(shared.1.wait(Limit::NEVER), Ok(()));
            shared.0.end(false);
        },
    );
}

/// Fails if a writer that gives up among others keeps the readers out, or takes the next writer's turn along. Four threads.
#[test]
fn a_writer_gives_up_among_others() {
    explore_bounded_on_both(2, [4_174, 0], &["node.cancel-woke", "wait.woken"], || {
        let shared = Shared::new((OrderedRwLock::new(1, 0), CancelToken::new()));
        let guard = shared.0.read().unwrap();
        spawn({
            let shared = shared.clone();
            move || match shared.0.write_within(&shared.1) {
                Ok(mut value) => *value += 1,
                Err(why) => assert_eq!(why, LockError::Stopped(Stopped::Cancelled)),
            }
        });
        spawn({
            let shared = shared.clone();
            move || *shared.0.write().unwrap() += 1
        });
        spawn({
            let shared = shared.clone();
            move || assert!(*shared.0.read().unwrap() <= 2)
        });
        shared.1.cancel();
        drop(guard);
    });
}
