//! Two transfers in opposite directions.

use std::sync::Arc;

use loom::sync::Mutex;
use loom::thread;
use modelled::{Site, transfer};

fn opposite<S: 'static>(site: fn(u64) -> S, transfer: fn(&S, &S)) {
    loom::model(move || {
        let sites = Arc::new([site(1), site(2)]);
        let other = thread::spawn({
            let sites = sites.clone();
            move || transfer(&sites[1], &sites[0])
        });
        transfer(&sites[0], &sites[1]);
        other.join().unwrap();
    });
}

/// Each thread locks where it takes from, then waits for the other. (Loom's mutex stands for the user's plain one.)
#[test]
#[should_panic(expected = "deadlock; threads = [")]
fn broken() {
    opposite(Mutex::new, |from, to| {
        let mut from = from.lock().unwrap();
        let mut to = to.lock().unwrap();
        (*from, *to) = (*from - 1, *to + 1);
    });
}

/// Both at once, which `lock_all` takes in the order of their ids.
#[test]
fn cured() {
    opposite(|id| Site::new(id, 1), |from, to| assert!(transfer(from, to).is_ok()));
}
