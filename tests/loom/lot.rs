//! Models of the parking lot's model and of the clock, which all other models stand on.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::explore::{Judge, Shared, explore, spawn};
use crate::sync::{
    AtomicU8, FilterOp, Ordering, ParkResult, ParkToken, UnparkToken, now, park, unpark_all, unpark_filter,
};

fn sleep(flag: &AtomicU8, token: usize, limit: Option<Duration>) -> ParkResult {
    let deadline = limit.map(|limit| now() + limit);
    let key = (&raw const *flag).addr();
    let validate = || flag.load(Ordering::Relaxed) == 0;
    // SAFETY: the callbacks only load.
    unsafe { park(key, validate, || (), |_, _| (), ParkToken(token), deadline) }
}

fn wake_all(flag: &AtomicU8) {
    // SAFETY: there is no callback.
    unsafe { unpark_all((&raw const *flag).addr(), UnparkToken(7)) };
}

/// Starts a thread that sets the flag and wakes whoever sleeps on it.
fn spawn_waker(flag: &Shared<AtomicU8>) {
    let flag = flag.clone();
    spawn(move || {
        flag.store(1, Ordering::Relaxed);
        wake_all(&flag);
    });
}

/// Fails if a sleeper neither sees the flag nor is woken, or if one of the two never happens. Two threads.
#[test]
fn validate_against_wake() {
    let seen = Arc::new(Mutex::new(BTreeSet::new()));
    let results = seen.clone();
    explore([10, 3], &[], move || {
        let flag = Shared::new(AtomicU8::new(0));
        spawn_waker(&flag);
        seen.lock().unwrap().insert(format!("{:?}", sleep(&flag, 0, None)));
    });
    let results: Vec<_> = results.lock().unwrap().iter().cloned().collect();
    assert_eq!(results, ["Invalid", "Unparked(UnparkToken(7))"]);
}

/// Fails if a sleeper whose time passes while it is woken gets neither, or if one of the two never happens. Three threads.
#[test]
fn deadline_against_wake() {
    let seen = Arc::new(Mutex::new(BTreeSet::new()));
    let results = seen.clone();
    explore([120, 10], &[], move || {
        let flag = Shared::new(AtomicU8::new(0));
        spawn_waker(&flag);
        spawn(|| crate::model::advance(Duration::from_secs(2)));
        let result = sleep(&flag, 0, Some(Duration::from_secs(1)));
        seen.lock().unwrap().insert(format!("{result:?}"));
    });
    let results: Vec<_> = results.lock().unwrap().iter().cloned().collect();
    assert_eq!(results, ["Invalid", "TimedOut", "Unparked(UnparkToken(7))"]);
}

/// Fails if a deadline that has passed before the thread parks does not end its sleep. One thread.
#[test]
fn deadline_passed() {
    explore([1, 1], &[], || {
        let flag = Shared::new(AtomicU8::new(0));
        assert_eq!(sleep(&flag, 0, Some(Duration::ZERO)), ParkResult::TimedOut);
    });
}

/// Fails if a filter wakes a thread other than the one it picks. Three threads.
#[test]
fn filter_picks_by_token() {
    explore([136, 29], &[], || {
        let flag = Shared::new(AtomicU8::new(0));
        let woken = Judge::expect(vec![1, 2]);
        for token in [1, 2] {
            let (flag, woken) = (flag.clone(), woken.clone());
            spawn(move || {
                let result = sleep(&flag, token, None);
                assert_eq!(result, ParkResult::Unparked(UnparkToken(token)));
                woken.note(token);
            });
        }
        for token in [2, 1] {
            loop {
                let only = |other| if other == ParkToken(token) { FilterOp::Unpark } else { FilterOp::Skip };
                // SAFETY: the callbacks compare and return.
                let result = unsafe { unpark_filter((&raw const *flag).addr(), only, |_| UnparkToken(token)) };
                if result.unparked_threads == 1 {
                    break;
                }
                loom::thread::yield_now();
            }
        }
    });
}

/// Fails if state of one execution leaks into the next: each begins with an empty lot and a clock at its start. One thread.
#[test]
fn executions_are_apart() {
    explore([1, 1], &[], || {
        crate::model::advance(Duration::from_secs(3600));
        assert!(now() > std::time::Instant::now() + Duration::from_secs(3000));
    });
    explore([1, 1], &[], || assert!(now() < std::time::Instant::now() + Duration::from_secs(3000)));
}
