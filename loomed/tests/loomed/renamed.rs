#![cfg(all(test, loom))]
#![allow(unexpected_cfgs)]

use other::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use other::sync::Mutex;
use other::thread;
use std::sync::Arc;

#[test]
fn three_values() {
    let seen = Arc::new(std::sync::Mutex::new(std::collections::BTreeSet::new()));
    other::model({
        let seen = seen.clone();
        move || {
            let word = Arc::new(AtomicUsize::new(0));
            let its = word.clone();
            thread::spawn(move || {
                its.load(Relaxed);
                its.store(1, Relaxed);
                its.store(2, Relaxed);
            });
            seen.lock().unwrap().insert(word.load(Relaxed));
        }
    });
    let bounded = std::env::var_os("LOOM_MAX_PREEMPTIONS").is_some();
    assert!(bounded || seen.lock().unwrap().iter().eq(&[0, 1, 2]));
}

#[test]
fn many_stores() {
    other::model(|| {
        let word = AtomicUsize::new(0);
        (0..20).for_each(|value| word.store(value, Relaxed));
    });
}

#[test]
fn no_end() {
    other::model(|| loop {
        std::thread::yield_now();
    });
}

#[test]
fn dead() {
    other::model(|| {
        let locks = Arc::new((Mutex::new(()), Mutex::new(())));
        let its = locks.clone();
        let other = thread::spawn(move || {
            let _second = its.1.lock().unwrap();
            let _first = its.0.lock().unwrap();
        });
        {
            let _first = locks.0.lock().unwrap();
            let _second = locks.1.lock().unwrap();
        }
        other.join().unwrap();
    });
}
