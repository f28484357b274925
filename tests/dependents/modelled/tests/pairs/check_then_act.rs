//! Two admissions to a ward with one bed.

use std::sync::Arc;

use loom::thread;
use raddle::Counter;

fn admissions(admit: fn(&Counter)) {
    loom::model(move || {
        let taken = Arc::new(Counter::new(0));
        let other = thread::spawn({
            let taken = taken.clone();
            move || admit(&taken)
        });
        admit(&taken);
        other.join().unwrap();
        assert!(taken.get() <= 1, "{} patients in one bed", taken.get());
    });
}

/// Between the look and the step the other one comes.
#[test]
#[should_panic(expected = "2 patients in one bed")]
fn broken() {
    admissions(|taken| {
        if taken.get() < 1 {
            taken.inc();
        }
    });
}

/// Look and step are one.
#[test]
fn cured() {
    admissions(|taken| {
        let _full = taken.try_add(1, 1).is_err();
    });
}
