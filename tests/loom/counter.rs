//! Models of the counters.

use loom::thread::JoinHandle;

use super::explore::{Judge, Shared, explore, explore_bounded, spawn};
use crate::counter::index;
use crate::{Counter, ShardedCounter};

/// Fails if an increment is lost. Three threads.
#[test]
fn exact() {
    explore([85, 14], &[], || {
        let counter = Shared::new(Counter::new(0));
        let before = Judge::expect(vec![0, 1, 2, 3]);
        for _ in 0..2 {
            let (counter, before) = (counter.clone(), before.clone());
            spawn(move || before.note(counter.inc()));
        }
        before.note(counter.inc());
        before.note(counter.inc());
    });
}

/// Fails if a bounded change passes its bound, or is refused although it would not. Three threads.
#[test]
fn bounded() {
    explore([566, 50], &[], || {
        let counter = Shared::new(Counter::new(0));
        let results = Judge::expect(vec![Ok(0), Ok(1), Err(2)]);
        for _ in 0..2 {
            let (counter, results) = (counter.clone(), results.clone());
            spawn(move || results.note(counter.try_add(1, 2)));
        }
        results.note(counter.try_add(1, 2));
    });
}

/// Fails if two threads have one slot, or if what a thread added is not there once it has been joined. Two threads.
#[test]
fn sharded() {
    explore([6_531, 42], &[], || {
        let counter = loom::sync::Arc::new(ShardedCounter::new());
        let thread = loom::thread::spawn({
            let counter = counter.clone();
            move || {
                counter.inc();
                counter.add(2);
            }
        });
        counter.inc();
        counter.add(2);
        let sum = counter.sum();
        assert!((3..=6).contains(&sum), "{sum}");
        thread.join().unwrap();
        assert_eq!(counter.sum(), 6);
    });
}

/// Fails if a thread counts in a segment that another has allocated and does not see it initialised. Two threads with
/// numbers of the same segment.
#[test]
fn one_segment() {
    explore([1_235, 26], &["sharded.made-twice"], || {
        assert!(index::lease_for_ever());
        let counter = Shared::new(ShardedCounter::new());
        let thread = loom::thread::spawn({
            let counter = counter.clone();
            move || counter.inc()
        });
        counter.inc();
        thread.join().unwrap();
        assert_eq!(counter.sum(), 2);
    });
}

/// Fails if a slot's number is reused before its last holder's last addition, so that one of the two is lost. Three
/// threads: two that may or may not get one number, and one that reads.
#[test]
fn index_given_on() {
    explore([599, 36], &["index.end"], || {
        let counter = Shared::new(ShardedCounter::new());
        let threads = [(); 2].map(|()| {
            let counter = counter.clone();
            loom::thread::spawn(move || counter.inc())
        });
        for thread in threads {
            thread.join().unwrap();
        }
        assert_eq!(counter.sum(), 2);
    });
}

/// Fails if a thread that finds all numbers leased loses what it counts. Two threads.
#[test]
fn beyond_the_last_slot() {
    explore([13, 4], &["sharded.shared"], || {
        for _ in 0..index::NUMBERS {
            assert!(index::lease_for_ever());
        }
        let counter = Shared::new(ShardedCounter::new());
        let thread = loom::thread::spawn({
            let counter = counter.clone();
            move || counter.inc()
        });
        counter.add(2);
        thread.join().unwrap();
        assert_eq!(counter.sum(), 3);
    });
}

/// A thread that adds one, and one that takes.
fn adder_and_taker(counter: &Shared<ShardedCounter>) -> (JoinHandle<()>, JoinHandle<i64>) {
    let (adders, takers) = (counter.clone(), counter.clone());
    (loom::thread::spawn(move || adders.inc()), loom::thread::spawn(move || takers.take()))
}

/// Fails if a sum that runs concurrently with `take` is below zero although nothing was subtracted. Three threads.
#[test]
fn sum_beside_a_taker() {
    explore([660, 15], &[], || {
        let counter = Shared::new(ShardedCounter::new());
        let (adder, taker) = adder_and_taker(&counter);
        let sum = counter.sum();
        assert!((0..=1).contains(&sum), "{sum}");
        adder.join().unwrap();
        assert_eq!(taker.join().unwrap() + counter.sum(), 1);
    });
}

/// Fails if an addition is in no take and not in the rest, or in two of them; or if a take is negative although nothing was
/// subtracted. Three threads.
#[test]
fn takers() {
    explore([3_166, 48], &[], || {
        let counter = Shared::new(ShardedCounter::new());
        let (adder, taker) = adder_and_taker(&counter);
        let mine = counter.take();
        adder.join().unwrap();
        let other = taker.join().unwrap();
        assert!(mine >= 0 && other >= 0, "{mine} {other}");
        assert_eq!(mine + other + counter.take(), 1);
        assert_eq!(counter.sum(), 0);
    });
}

/// Fails if a count is lost, or taken twice, among two threads that add and two that take. Four threads.
#[test]
fn two_adders_and_two_takers() {
    explore_bounded(2, [19_956, 9_434], &[], || {
        let counter = Shared::new(ShardedCounter::new());
        let (adder, taker) = adder_and_taker(&counter);
        let second = {
            let counter = counter.clone();
            loom::thread::spawn(move || counter.inc())
        };
        let mine = counter.take();
        adder.join().unwrap();
        second.join().unwrap();
        let other = taker.join().unwrap();
        assert!(mine >= 0 && other >= 0, "{mine} {other}");
        assert_eq!(mine + other + counter.take(), 2);
    });
}
