//! A flag that says that the data is there.

use std::sync::Arc;

use loom::thread;
use raddle::{Counter, OnceCell};

use super::Unguarded;

fn hand_over<F: 'static>(flag: fn() -> F, raise: fn(&F), is_up: fn(&F) -> bool) {
    loom::model(move || {
        let shared = Arc::new((Unguarded::default(), flag()));
        let other = thread::spawn({
            let shared = shared.clone();
            move || {
                shared.0.0.set(7);
                raise(&shared.1);
            }
        });
        if is_up(&shared.1) {
            assert_eq!(shared.0.0.get(), 7);
        }
        other.join().unwrap();
    });
}

/// A counter is exact, but all its operations are Relaxed: seeing the flag is not seeing what was written before it.
#[test]
#[should_panic(expected = "Causality violation: Concurrent read and write accesses")]
fn broken() {
    hand_over(|| Counter::new(0), |flag| flag.set(1), |flag| flag.get() == 1);
}

/// A cell orders: what came before `set` happens-before a `get` that finds it. (Better still, the data is in the cell.)
#[test]
fn cured() {
    hand_over(OnceCell::new, |flag| flag.set(()).unwrap(), |flag| flag.get().is_some());
}
