//! Every blocking call, stopped in every way: it says why, and leaves nothing behind.
//!
//! [`table`] has the calls, [`ways`] how they are stopped, and [`sources`] sees that no call is left out.

#[cfg(feature = "crossbeam-channel")]
mod channels;
mod sources;
mod table;
mod ways;

use std::hint;
use std::sync::Barrier;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use raddle::{CancelToken, Limit, LockError, OrderedMutex, Stopped};

use crate::asleep::Bed;
use crate::lock::holds_nothing;
use crate::out_of_order;
use crate::stress::{Roll, watched};
use crate::thread;
use table::{Row, Stage, Stop, table};
use ways::Way;

/// What stopped a call that takes locks, where nothing else may go wrong.
pub(crate) fn why(error: LockError) -> Stopped {
    match error {
        LockError::Stopped { why: stopped, .. } => stopped,
        other => panic!("{other}"),
    }
}

/// Calls while the thread holds a lock that comes before all of the table, and finds that it holds that and nothing else
/// afterwards.
fn call(stage: &dyn Stage, stop: Stop<'_>, bed: &Bed) -> Result<(), Stopped> {
    let [first, low] = [0, 1].map(|id| OrderedMutex::new(id, ()));
    let guard = low.lock().unwrap();
    bed.enter();
    let end = stage.call(stop);
    assert_eq!(first.lock().err(), Some(out_of_order(first.id(), low.id())));
    drop(guard);
    holds_nothing();
    end
}

/// A call among two others without a limit, of which so many come before it, is stopped in its sleep.
fn stopped_asleep(roll: &Roll, row: &Row, way: Way, before: usize) {
    let Way { name, parts, stop, ends } = way;
    let case = format!("{}, stopped by {name}, behind {before}", row.name);
    let stage = &*row.stage();
    let (mut stop, beds, ended) = (Some(stop), <[Bed; 3]>::default(), AtomicUsize::new(0));
    thread::scope(|threads| {
        let (parts, beds, ended) = (&parts, &beds, &ended);
        stage.closed(&mut || {
            let mut stopped = None;
            for (place, bed) in beds.iter().enumerate() {
                if place == before {
                    stopped = Some(roll.spawn(threads, case.clone(), move || call(stage, parts.stop(), bed)));
                } else {
                    roll.spawn(threads, format!("{case}: without limit"), move || {
                        bed.enter();
                        stage.unlimited();
                        ended.fetch_add(1, Relaxed);
                    });
                }
                bed.until_asleep();
            }
            stop.take().unwrap()();
            assert_eq!(stopped.unwrap().join().unwrap(), Err(ends), "{case}");
            assert_eq!(ended.load(Relaxed), 0, "{case}: another was let through");
        });
    });
    assert_eq!(ended.load(Relaxed), 2, "{case}");
    stage.intact();
}

/// Runs a test on each row, with the watchdog's patience for each: a machine that is busy takes long to fall asleep.
fn each_row(test: fn(&Roll, usize, &Row)) {
    for at in 0..table().len() {
        watched(move |roll| test(roll, at, &table()[at]));
    }
}

/// All ways; under Miri, which is slow, one in four, others for each row.
fn for_row<T>(row: usize, ways: impl IntoIterator<Item = T>) -> impl Iterator<Item = T> {
    let taken = move |way: usize| !cfg!(miri) || way % 4 == row % 4;
    ways.into_iter().enumerate().filter(move |(at, _)| taken(*at)).map(|(_, way)| way)
}

/// Fails if a call sleeps through its cancelling or its time, says the wrong reason, or leaves a mark, a place in a queue,
/// a lock of a set or an entry of the thread's list behind; or if the wake-up goes to another.
#[test]
fn a_sleeping_call_is_stopped_and_leaves_nothing_behind() {
    each_row(|roll, at, row| {
        for before in 0..if cfg!(miri) { 1 } else { 3 } {
            for way in for_row(at, ways::asleep()) {
                let way = way();
                if !row.by_token || way.is_by_token() {
                    stopped_asleep(roll, row, way, before);
                }
            }
        }
    });
}

/// Fails if a limit that is over is not looked at, says the wrong reason, or keeps a call from what is to be had.
#[test]
fn limits_that_are_over_let_a_call_try_once() {
    each_row(|roll, at, row| {
        for way in for_row(at, ways::before()).filter(|way| !row.by_token || way.is_by_token()) {
            let case = format!("{}, stopped by {}", row.name, way.name);
            let stage = &*row.stage();
            let parts = &way.parts;
            let try_it = || {
                thread::scope(|threads| {
                    let end = roll.spawn(threads, case.clone(), move || call(stage, parts.stop(), &Bed::default()));
                    end.join().unwrap()
                })
            };
            stage.closed(&mut || assert_eq!(try_it(), Err(way.ends), "{case}"));
            stage.unlimited();
            assert_eq!(try_it(), Ok(()), "{case}, which is open");
            stage.intact();
        }
    });
}

/// Fails if a cancel that comes between a call's look at its token and its sleep is lost: nobody else ends the call.
#[test]
fn a_call_is_cancelled_when_it_is_about_to_sleep() {
    const ROUNDS: usize = if cfg!(miri) { 1 } else { 100 };
    each_row(|roll, _, row| {
        for round in 0..ROUNDS {
            let case = format!("{}, round {round}", row.name);
            let stage = &*row.stage();
            let (token, bed) = (CancelToken::new(), Bed::default());
            stage.closed(&mut || {
                let stop = Stop { limit: Limit::from(&token), token: Some(&token) };
                thread::scope(|threads| {
                    let call = roll.spawn(threads, case.clone(), || call(stage, stop, &bed));
                    bed.until_entered();
                    wait_a_little(round);
                    token.cancel();
                    assert_eq!(call.join().unwrap(), Err(Stopped::Cancelled), "{case}");
                });
            });
            stage.unlimited();
            stage.intact();
        }
    });
}

/// A time in which a few steps of another thread can come.
fn wait_a_little(time: usize) {
    (0..time * 30).for_each(|_| hint::spin_loop());
}

/// Fails if a call that is cancelled just when it is let go on takes a wake-up along that another needs.
#[test]
fn a_call_is_cancelled_and_let_go_on_at_once() {
    const ROUNDS: usize = if cfg!(miri) { 1 } else { 100 };
    each_row(|roll, _, row| {
        for round in 0..ROUNDS {
            raced(roll, row, round);
        }
    });
}

fn raced(roll: &Roll, row: &Row, round: usize) {
    let case = format!("{}, round {round}", row.name);
    let stage = &*row.stage();
    let (token, start, beds) = (CancelToken::new(), Barrier::new(2), <[Bed; 3]>::default());
    thread::scope(|threads| {
        let (token, start, beds) = (&token, &start, &beds);
        roll.spawn(threads, format!("{case}: canceller"), move || {
            start.wait();
            wait_a_little(round % 16);
            token.cancel();
        });
        let mut cancelled = None;
        stage.closed(&mut || {
            let limit = Stop { limit: Limit::from(token), token: Some(token) };
            cancelled = Some(roll.spawn(threads, case.clone(), move || call(stage, limit, &beds[0])));
            for bed in &beds[1..] {
                roll.spawn(threads, format!("{case}: without limit"), move || {
                    bed.enter();
                    stage.unlimited();
                });
            }
            if round % 4 != 0 {
                beds.iter().for_each(Bed::until_asleep);
            }
            start.wait();
            wait_a_little(round / 16 % 16);
        });
        let end = cancelled.unwrap().join().unwrap();
        assert!(matches!(end, Ok(()) | Err(Stopped::Cancelled)), "{case}: {end:?}");
    });
    stage.intact();
}
