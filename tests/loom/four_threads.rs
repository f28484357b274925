//! Four threads at a time, one program for each primitive.
//!
//! Those that no loom ends in a minute are bounded to two preemptions, and say so; what they show without a bound is in the
//! models of three threads.

use super::explore::{Judge, Shared, explore, explore_bounded, explore_bounded_on_both, spawn};
use crate::wait::{RawRwLock, Refused, Timer};
use crate::{CancelToken, Counter, Limit, OnceCell, OrderedMutex, OrderedRwLock, Stopped, WaitGroup, lock_all};

/// Fails if an increment is lost, or two see the same value. Four threads.
#[test]
fn counter() {
    explore([493, 32], &[], || {
        let counter = Shared::new(Counter::new(0));
        let before = Judge::expect(vec![0, 1, 2, 3]);
        for _ in 0..3 {
            let (counter, before) = (counter.clone(), before.clone());
            spawn(move || before.note(counter.inc()));
        }
        before.note(counter.inc());
    });
}

/// Fails if one of three waiters is left asleep. Four threads.
#[test]
fn three_waiters() {
    explore_bounded(3, [10_286, 9_666], &["wait.woken", "group.end-parked"], || {
        let group = Shared::new(WaitGroup::new());
        let worker = group.worker();
        for _ in 0..3 {
            let group = group.clone();
            spawn(move || assert_eq!(group.wait(), Ok(())));
        }
        drop(worker);
    });
}

/// Fails if a waiter is left asleep among others, or if two threads hold the lock at once. Four threads.
#[test]
#[ignore = "a minute: cargo xtask models --slow"]
fn four_lockers() {
    explore_bounded(2, [1_412, 2_649_219], &["wait.woken"], || {
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
    explore_bounded(3, [5_578, 6_505], &["wait.woken"], || {
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

/// Fails if a writer that gives up leaves a reader asleep that another writer, behind the reader, does not hold back. The lock is
/// held for reading all the time, so that this is a deadlock: the second writer waits until the reader cancels it. Four threads.
#[test]
fn reader_before_the_next_writer() {
    explore_bounded_on_both(2, [812, 26_390], &["rw.let-in-by-a-leaver"], || {
        let shared = Shared::new((RawRwLock::new(), CancelToken::new(), CancelToken::new()));
        shared.0.read(&mut Timer::bare(&Limit::NEVER)).unwrap();
        let write = |lock: &RawRwLock, token: &CancelToken| {
            let stopped = lock.write(&mut Timer::bare(&Limit::from(token)));
            assert_eq!(stopped, Err(Refused::Stopped(Stopped::Cancelled)));
        };
        spawn({
            let shared = shared.clone();
            move || write(&shared.0, &shared.1)
        });
        spawn({
            let shared = shared.clone();
            move || {
                shared.0.read(&mut Timer::bare(&Limit::NEVER)).unwrap();
                shared.2.cancel();
            }
        });
        spawn({
            let shared = shared.clone();
            move || shared.1.cancel()
        });
        if shared.0.a_reader_sleeps() {
            write(&shared.0, &shared.2);
        }
    });
}

/// Fails if two initialisers run, or a caller sleeps on after the value is there. Four threads.
#[test]
fn four_initialisers() {
    explore_bounded(2, [12_687, 83_638], &["wait.woken", "once.finish-parked"], || {
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
    explore_bounded(2, [8_818, 155_860], &["wait.woken", "once.failed"], || {
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

/// Fails if a reader or a writer is left asleep while turns change, or if a writer shares the critical section. Four
/// threads.
#[test]
#[ignore = "a minute: cargo xtask models --slow"]
fn two_readers_and_two_writers() {
    explore_bounded_on_both(2, [1_323, 1_631_672], &["wait.woken", "rw.readers-let-in", "rw.last-reader"], || {
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
