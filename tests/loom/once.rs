//! Models of the once-cell and of the lazy value.

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::explore::{Judge, Shared, explore, explore_bounded, spawn};
use crate::sync::UnsafeCell;
use crate::{InitError, Lazy, OnceCell, Stopped};

const SECOND: Duration = Duration::from_secs(1);

/// Fails if a value can be seen before it is written. Two threads, of which the main one initialises: published loom
/// explores a single execution of it the other way round.
#[test]
fn get_against_init() {
    let seen = Arc::new(Mutex::new(BTreeSet::new()));
    let results = seen.clone();
    explore([14, 3], &[], move || {
        let cell = Shared::new(OnceCell::new());
        spawn({
            let (cell, seen) = (cell.clone(), seen.clone());
            move || {
                let value = cell.get().copied();
                seen.lock().unwrap().insert(value);
            }
        });
        cell.get_or_init(|| 7);
    });
    assert_eq!(Vec::from_iter(results.lock().unwrap().iter().copied()), [None, Some(7)]);
}

/// Fails if two initialisers run, or if a caller gets a value that is not written, or sleeps on after it is. Three threads.
#[test]
fn three_initialisers() {
    explore([42_860, 930], &["wait.woken", "wait.invalid", "once.finish-parked"], || {
        let cell = Shared::new(OnceCell::new());
        let values =
            Judge::new(|values: Vec<u8>| assert!(values[0] == values[1] && values[1] == values[2], "{values:?}"));
        for value in [1, 2] {
            let (cell, values) = (cell.clone(), values.clone());
            spawn(move || values.note(*cell.get_or_init(|| value)));
        }
        values.note(*cell.get_or_init(|| 3));
    });
}

/// Fails if a failing initialiser leaves a candidate asleep, or if the next does not see what the failed one did. Two
/// threads.
#[test]
fn failing_initialiser() {
    explore([27, 18], &["wait.woken", "once.failed"], || {
        let cell = Shared::new((OnceCell::new(), UnsafeCell::new(0)));
        // SAFETY: initialisers run one after the other, which loom checks.
        let touch = |touched: &UnsafeCell<u8>| *unsafe { touched.exclusive() } += 1;
        spawn({
            let cell = cell.clone();
            move || {
                let failed = cell.0.get_or_try_init(|| {
                    touch(&cell.1);
                    Err(())
                });
                assert!(matches!(failed, Err(()) | Ok(7)));
            }
        });
        let value = cell.0.get_or_init(|| {
            touch(&cell.1);
            7
        });
        assert_eq!(*value, 7);
    });
}

/// Fails if the wake-up of a failing initialiser goes to a watcher, who cannot use it, while a candidate sleeps on; or if
/// a candidate that comes by itself does not see what the failed one did. Three threads.
#[test]
fn watcher_and_candidate() {
    explore([462_976, 2_131], &["wait.woken", "once.failed", "once.finish-parked"], || {
        let cell = Shared::new((OnceCell::new(), UnsafeCell::new(0)));
        // SAFETY: initialisers run one after the other, which loom checks.
        let touch = |touched: &UnsafeCell<u8>| *unsafe { touched.exclusive() } += 1;
        spawn({
            let cell = cell.clone();
            move || assert_eq!(*cell.0.wait(), 7)
        });
        spawn({
            let cell = cell.clone();
            move || {
                let value = cell.0.get_or_init(|| {
                    touch(&cell.1);
                    7
                });
                assert_eq!(*value, 7);
            }
        });
        let _ = cell.0.get_or_try_init(|| {
            touch(&cell.1);
            Err(())
        });
    });
}

/// Fails if a candidate that gives up at its limit keeps the wake-up that another candidate needs. Three threads, of
/// which one initialises in vain and then lets the time pass.
#[test]
fn leaver_passes_on() {
    explore_bounded(4, [38_515, 8_215], &["wait.woken", "wait.timed-out", "once.failed"], || {
        let cell = Shared::new(OnceCell::new());
        spawn({
            let cell = cell.clone();
            move || match cell.get_or_init_within(|| 7, SECOND) {
                Ok(value) => assert_eq!(*value, 7),
                Err(why) => assert_eq!(why, InitError::Stopped(Stopped::TimedOut)),
            }
        });
        spawn({
            let cell = cell.clone();
            move || assert_eq!(*cell.get_or_init(|| 7), 7)
        });
        let _ = cell.get_or_try_init(|| {
            crate::model::advance(SECOND);
            Err(())
        });
    });
}

/// Fails if the last sleeper to leave keeps its mark: the initialiser would look for sleepers. One thread.
#[test]
fn leaver_takes_its_mark() {
    explore([1, 1], &["once.leave-last"], || {
        let cell = Shared::new(OnceCell::<u8>::new());
        assert_eq!(cell.wait_within(Duration::ZERO), Err(Stopped::TimedOut));
        assert!(!cell.someone_sleeps());
    });
}

/// Fails if a watcher that gives up at its limit takes along the mark that another watcher sleeps by. Three threads.
#[test]
fn watchers_and_set() {
    explore([140_993, 3_116], &["wait.woken", "wait.timed-out"], || {
        let cell = Shared::new(OnceCell::new());
        spawn({
            let cell = cell.clone();
            move || match cell.wait_within(SECOND) {
                Ok(value) => assert_eq!(*value, 7),
                Err(why) => assert_eq!(why, Stopped::TimedOut),
            }
        });
        spawn({
            let cell = cell.clone();
            move || {
                crate::model::advance(SECOND);
                assert_eq!(cell.set(7), Ok(()));
            }
        });
        assert_eq!(*cell.wait(), 7);
    });
}

/// Fails if a call stops although it could succeed: here the limit passes only once the value is there. Three threads.
#[test]
fn value_before_limit() {
    explore([1_399, 112], &["wait.timed-out", "wait.woken"], || {
        let cell = Shared::new(OnceCell::new());
        spawn({
            let cell = cell.clone();
            move || assert_eq!(cell.set(7), Ok(()))
        });
        spawn({
            let cell = cell.clone();
            move || {
                if cell.get().is_some() {
                    crate::model::advance(SECOND);
                }
            }
        });
        assert_eq!(cell.wait_within(SECOND), Ok(&7));
    });
}

/// Fails if a panicking initialiser leaves a value, a sleeper, or itself in the list of running initialisers. Two threads.
#[test]
fn panicking_initialiser() {
    explore([87, 143], &["wait.woken", "once.failed"], || {
        let cell = Shared::new(OnceCell::new());
        spawn({
            let cell = cell.clone();
            move || {
                let panic = catch_unwind(AssertUnwindSafe(|| {
                    cell.get_or_init(|| std::panic::resume_unwind(Box::new("on purpose")));
                }));
                if panic.is_err() {
                    assert_eq!(*cell.get_or_init(|| 7), 7);
                }
            }
        });
        assert_eq!(*cell.get_or_init(|| 7), 7);
    });
}

/// Fails if an initialiser that asks for its own value hangs. One thread, with another that waits.
#[test]
fn reentrance() {
    explore([1_096, 111], &["once.failed"], || {
        let cell = Shared::new(OnceCell::new());
        spawn({
            let cell = cell.clone();
            move || assert_eq!(*cell.wait(), 7)
        });
        let inner = cell.get_or_try_init_within(|| cell.get_or_init_within(|| 1, SECOND).map(|_| 2), SECOND);
        assert_eq!(inner, Err(InitError::Init(InitError::Reentrant)));
        assert_eq!(cell.set(7), Ok(()));
    });
}

/// Fails if two threads initialise a lazy value, or if one sees it uninitialised. Two threads.
#[test]
fn lazy() {
    explore([27, 18], &["wait.woken", "once.finish-parked"], || {
        let made = Judge::expect(vec![()]);
        let lazy = Shared::new(Lazy::new({
            let made = made.clone();
            move || {
                made.note(());
                7
            }
        }));
        spawn({
            let lazy = lazy.clone();
            move || assert_eq!(**lazy, 7)
        });
        assert_eq!(**lazy, 7);
        // The closure, and with it the judge's note, goes with the value.
        drop(made);
    });
}

/// Fails if the initialiser of a lazy value that panicked is touched by two threads, or runs twice. Two threads.
#[test]
fn lazy_poisoned() {
    explore([61, 30], &["once.failed"], || {
        let lazy = Shared::new(Lazy::new(|| -> u8 { std::panic::resume_unwind(Box::new("on purpose")) }));
        let force = |lazy: &Lazy<u8, _>| {
            assert!(Lazy::get(lazy).is_none());
            catch_unwind(AssertUnwindSafe(|| *Lazy::force(lazy))).is_err()
        };
        spawn({
            let lazy = lazy.clone();
            move || assert!(force(&lazy))
        });
        assert!(force(&lazy));
    });
}

/// Fails if the value is dropped twice, not at all, or by a thread that did not see it written. Two threads, joined, with
/// loom's own `Arc`.
#[test]
fn dropped_once() {
    explore([4, 2], &[], || {
        let cell = loom::sync::Arc::new(OnceCell::new());
        let drops = Judge::expect(vec![()]);
        struct Noting(Judge<()>);
        impl Drop for Noting {
            fn drop(&mut self) {
                self.0.note(());
            }
        }
        let thread = loom::thread::spawn({
            let (cell, drops) = (cell.clone(), drops.clone());
            move || {
                cell.get_or_init(|| Noting(drops));
            }
        });
        drop(cell);
        thread.join().unwrap();
    });
}
