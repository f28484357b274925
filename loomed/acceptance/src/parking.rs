//! What `park` and `unpark` promise: one token, and with it what happens before it was made available.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool as Std, Ordering::Relaxed as StdRelaxed};

use loom::cell::UnsafeCell;
use loom::sync::Mutex;
use loom::sync::atomic::{
    AtomicBool, AtomicU8,
    Ordering::{self, Acquire, Relaxed, Release, SeqCst},
};
use loom::thread;

/// Waits for a flag, as the documentation of std's `park` does it: with a Relaxed flag, too, the token carries the edge. If the wake-up
/// carries none, the thread may read the old value after it has consumed the token, and sleeps for ever.
fn flagged(store: Ordering, load: Ordering) {
    loom::model(move || {
        let flag = Arc::new(AtomicBool::new(false));
        let parked = thread::spawn({
            let flag = flag.clone();
            move || {
                while !flag.load(load) {
                    thread::park();
                }
            }
        });
        flag.store(true, store);
        parked.thread().unpark();
        parked.join().unwrap();
    });
}

#[test]
fn the_consumer_of_a_token_sees_what_came_before_it() {
    flagged(Relaxed, Relaxed);
    flagged(Release, Acquire);
    flagged(SeqCst, SeqCst);
}

/// A token is kept while its owner waits for a mutex, and one that comes then is, too.
#[test]
fn a_token_survives_a_contended_lock() {
    for released_before in [false, true] {
        loom::model(move || {
            let lock = Arc::new(Mutex::new(()));
            let (its, owner) = (lock.clone(), thread::current());
            let other = thread::spawn(move || {
                let held = its.lock().unwrap();
                owner.unpark();
                if released_before {
                    drop(held);
                } else {
                    let word = AtomicBool::new(false);
                    word.store(true, SeqCst);
                    drop(held);
                }
            });
            drop(lock.lock().unwrap());
            thread::park();
            other.join().unwrap();
        });
    }
}

/// One that is there already is kept as well.
#[test]
fn a_token_from_before_survives_a_contended_lock() {
    loom::model(|| {
        let lock = Arc::new(Mutex::new(()));
        let (its, owner) = (lock.clone(), thread::current());
        let other = thread::spawn(move || {
            owner.unpark();
            drop(its.lock().unwrap());
        });
        drop(lock.lock().unwrap());
        thread::park();
        other.join().unwrap();
    });
}

/// The token carries what came before each of the unparks that it stands for. If it is that of one, the thread may miss the other's store,
/// and sleeps for ever. (It looks where both unparks come before it parks, which it knows by a count without an edge.)
#[test]
fn a_token_is_that_of_all_unparks() {
    loom::model(|| {
        let flags = Arc::new([AtomicBool::new(false), AtomicBool::new(false)]);
        let unparks = Arc::new(AtomicU8::new(0));
        let me = thread::current();
        for at in 0..2 {
            let (flags, unparks, me) = (flags.clone(), unparks.clone(), me.clone());
            thread::spawn(move || {
                flags[at].store(true, Relaxed);
                me.unpark();
                unparks.fetch_add(1, Relaxed);
            });
        }
        if unparks.load(Relaxed) == 2 {
            while !flags.iter().all(|flag| flag.load(Relaxed)) {
                thread::park();
            }
        }
    });
}

/// A thread that is unparked while it runs does not learn of anything before it parks.
#[test]
fn a_token_passes_nothing_on_before_it_is_consumed() {
    let stale = Arc::new(Std::new(false));
    loom::model({
        let stale = stale.clone();
        move || {
            let words = Arc::new((AtomicBool::new(false), AtomicBool::new(false)));
            let (its, me) = (words.clone(), thread::current());
            let other = thread::spawn(move || {
                its.0.store(true, Relaxed);
                me.unpark();
                its.1.store(true, Relaxed);
            });
            if words.1.load(Relaxed) && !words.0.load(Relaxed) {
                stale.store(true, StdRelaxed);
            }
            other.join().unwrap();
        }
    });
    assert!(stale.load(StdRelaxed), "no execution in which the second word is seen, and the first is not");
}

/// One that waits in `join` is not woken by a token.
#[test]
fn a_token_does_not_end_a_join() {
    loom::model(|| {
        let me = thread::current();
        let other = thread::spawn(move || {
            me.unpark();
            AtomicBool::new(false).store(true, Relaxed);
        });
        other.join().unwrap();
        thread::park();
    });
}

/// A return for no reason passes nothing on: who relies on the wake-up where an Acquire is missing races. (It is missing after the sleep
/// only; who finds that it need not sleep has acquired.)
#[test]
#[should_panic(expected = "Causality violation")]
fn a_return_for_no_reason_has_no_edge() {
    const PARKED: u8 = 1;
    const DONE: u8 = 2;
    loom::model(|| {
        let state = Arc::new(AtomicU8::new(0));
        let cell = Arc::new(UnsafeCell::new(0));
        let parked = thread::spawn({
            let (state, cell) = (state.clone(), cell.clone());
            move || {
                if state.swap(PARKED, Acquire) != DONE {
                    thread::park();
                    while state.load(Relaxed) != DONE {
                        thread::park();
                    }
                }
                // SAFETY: it is the claim that loom is to refute.
                cell.with(|value| unsafe { *value });
            }
        });
        // SAFETY: as above.
        cell.with_mut(|value| unsafe { *value = 1 });
        state.compare_exchange(0, DONE, Release, Relaxed).unwrap_or_else(|_| {
            state.store(DONE, Release);
            parked.thread().unpark();
            PARKED
        });
        parked.join().unwrap();
    });
}

/// A `park` that is not in a loop returns before it was unparked, in some execution.
#[test]
fn a_park_may_return_for_no_reason() {
    let early = Arc::new(Std::new(false));
    loom::model({
        let early = early.clone();
        move || {
            let flag = Arc::new(AtomicBool::new(false));
            let its = flag.clone();
            let early = early.clone();
            let parked = thread::spawn(move || {
                thread::park();
                if !its.load(Acquire) {
                    early.store(true, StdRelaxed);
                }
            });
            flag.store(true, Release);
            parked.thread().unpark();
            parked.join().unwrap();
        }
    });
    assert!(early.load(StdRelaxed));
}

/// Two tokens are one: the second `park` waits for ever, in the executions in which the first one returns for a reason.
#[test]
#[should_panic(expected = "deadlock")]
fn there_is_one_token() {
    loom::model(|| {
        let me = thread::current();
        let other = thread::spawn(move || {
            me.unpark();
            me.unpark();
        });
        other.join().unwrap();
        thread::park();
        thread::park();
    });
}
