//! A worker of a group, and the result that is read after the wait.

use std::sync::Arc;

use loom::thread;
use raddle::{OwnedWorker, WaitGroup};

use super::Unguarded;

fn visit(work: fn(OwnedWorker, &Unguarded)) {
    loom::model(move || {
        let (group, finding) = (Arc::new(WaitGroup::new()), Arc::new(Unguarded::default()));
        let other = thread::spawn({
            let (worker, finding) = (group.worker_owned(), finding.clone());
            move || work(worker, &finding)
        });
        group.wait().unwrap();
        let found = finding.0.get();
        other.join().unwrap();
        assert_eq!(found, 7);
    });
}

/// The worker is dropped before its work is done.
#[test]
#[should_panic(expected = "Causality violation: Concurrent read and write accesses")]
fn broken() {
    visit(|worker, finding| {
        drop(worker);
        finding.0.set(7);
    });
}

/// The worker is dropped last.
#[test]
fn cured() {
    visit(|worker, finding| {
        finding.0.set(7);
        drop(worker);
    });
}
