//! Waiting for workers that need a lock. The order of locks proves nothing about waiting for something else.

use std::sync::Arc;

use loom::thread;
use raddle::{OrderedMutex, WaitGroup};

fn round(report: fn(&OrderedMutex<u32>, &WaitGroup) -> u32) {
    loom::model(move || {
        let (findings, visits) = (Arc::new(OrderedMutex::new(1, 0)), Arc::new(WaitGroup::new()));
        let other = thread::spawn({
            let (findings, worker) = (findings.clone(), visits.worker_owned());
            move || {
                *findings.lock().unwrap() += 1;
                drop(worker);
            }
        });
        assert_eq!(report(&findings, &visits), 1);
        other.join().unwrap();
    });
}

/// The waiter holds the lock that the worker needs.
#[test]
#[should_panic(expected = "deadlock; threads = [")]
fn broken() {
    round(|findings, visits| {
        let findings = findings.lock().unwrap();
        visits.wait().unwrap();
        *findings
    });
}

/// First the wait, then the lock.
#[test]
fn cured() {
    round(|findings, visits| {
        visits.wait().unwrap();
        *findings.lock().unwrap()
    });
}
