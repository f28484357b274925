//! Models of the library.
#![cfg(loom)]

use std::sync::Arc;
use std::time::Duration;

use loom::thread;
use modelled::{HandOver, Round, Ward};
use raddle::{CancelToken, Limit, Stopped};

const MINUTE: Duration = Duration::from_secs(60);

/// Fails if a report comes without a finding.
#[test]
fn round() {
    loom::model(|| {
        let round = Arc::new(Round::new());
        let visit = round.visit();
        let other = thread::spawn(move || visit.finish(7).unwrap());
        round.visit().finish(8).unwrap();
        let mut report = round.report(Limit::NEVER).unwrap();
        report.sort();
        assert_eq!(report, [7, 8]);
        other.join().unwrap();
    });
}

/// Fails if the next shift can miss the note and wait for ever.
#[test]
fn hand_over() {
    loom::model(|| {
        let notes = Arc::new(HandOver::default());
        let next = thread::spawn({
            let notes = notes.clone();
            move || assert_eq!(notes.take(Limit::NEVER), Ok("bed 7"))
        });
        notes.give("bed 7");
        next.join().unwrap();
    });
}

/// Fails if the end of the shift does not end the wait for a note that nobody writes.
#[test]
fn shift_ends() {
    loom::model(|| {
        let notes = Arc::new(HandOver::default());
        let shift = CancelToken::new();
        let next = thread::spawn({
            let (notes, shift) = (notes.clone(), shift.clone());
            move || assert_eq!(notes.take(&shift), Err(Stopped::Cancelled))
        });
        shift.cancel();
        next.join().unwrap();
    });
}

/// Fails if a wait outlives the shift's last minute. Time is the model's: it stands still until a thread moves it.
#[test]
fn time_passes() {
    loom::model(|| {
        let notes = Arc::new(HandOver::default());
        let shift = CancelToken::new().child_within(MINUTE);
        let next = thread::spawn({
            let notes = notes.clone();
            move || assert_eq!(notes.take(&shift), Err(Stopped::TimedOut))
        });
        raddle::model::advance(MINUTE);
        next.join().unwrap();
    });
}

/// Fails if the last bed is given twice.
#[test]
fn last_bed() {
    loom::model(|| {
        let ward = Arc::new(Ward::new(1));
        let other = thread::spawn({
            let ward = ward.clone();
            move || ward.admit()
        });
        let here = ward.admit();
        let there = other.join().unwrap();
        assert!(here ^ there);
        assert_eq!(ward.taken(), 1);
    });
}
