//! Statics and thread-locals under loom: the forms that work.
#![cfg(loom)]

use std::cell::Cell;
use std::sync::Arc;

use loom::thread;
use modelled::office;
use raddle::{Limit, OrderedMutex, Stopped};

/// Fails if an admission is lost. All statics are fields of one: loom as published drops several in an order that differs from
/// execution to execution, and where their destructors are modelled its search goes astray ("left != right" in its own
/// code).
#[test]
fn one_static_for_all() {
    loom::model(|| {
        let other = thread::spawn(|| office().admit());
        let here = office().admit();
        office().closing.cancel();
        let there = other.join().unwrap();
        assert_eq!(here, Ok(()));
        assert!(there.is_ok() || there == Err(Stopped::Cancelled));
        assert_eq!(office().admissions.sum(), 1 + i64::from(there.is_ok()));
        office().closing.wait(Limit::NEVER).unwrap();
    });
}

/// Fails if what a thread has left to count is lost. It counts by hand at its end: when loom as published drops its thread-locals, in
/// an order that differs as well, what the crate's types need is gone already.
#[test]
fn a_thread_local_is_emptied_by_hand() {
    loom::thread_local! {
        static PENDING: Cell<u64> = Cell::new(0);
    }

    loom::model(|| {
        let total = Arc::new(OrderedMutex::new(1, 0));
        let other = thread::spawn({
            let total = total.clone();
            move || {
                PENDING.with(|pending| pending.set(pending.get() + 1));
                // What a destructor of the thread-local would do in the shipped program:
                *total.lock().unwrap() += PENDING.with(Cell::take);
            }
        });
        *total.lock().unwrap() += 1;
        other.join().unwrap();
        assert_eq!(*total.lock().unwrap(), 2);
    });
}
