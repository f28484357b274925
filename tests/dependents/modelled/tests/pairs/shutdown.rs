//! A thread that waits under a token, and the end of its shift.

use std::sync::Arc;

use loom::thread::{self, JoinHandle};
use modelled::HandOver;
use raddle::{CancelToken, Stopped};

fn shift(end: fn(&CancelToken, JoinHandle<()>)) {
    loom::model(move || {
        let (notes, shift) = (Arc::new(HandOver::default()), CancelToken::new());
        let nurse = thread::spawn({
            let (notes, shift) = (notes.clone(), shift.clone());
            move || assert_eq!(notes.take(&shift), Err(Stopped::Cancelled))
        });
        end(&shift, nurse);
    });
}

/// Joined first, the thread is never told to go.
#[test]
#[should_panic(expected = "deadlock; threads = [")]
fn broken() {
    shift(|shift, nurse| {
        nurse.join().unwrap();
        shift.cancel();
    });
}

/// Told first, then joined.
#[test]
fn cured() {
    shift(|shift, nurse| {
        shift.cancel();
        nurse.join().unwrap();
    });
}
