//! What the result of a scope is.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::mpsc;

use raddle::{CancelToken, Limit, Task, scope};

use super::{CANCELLED, Failed, Scope, cancelled, until_finished};
use crate::stress::watched;

/// A panic that does not print.
fn panic_with(payload: u32) -> ! {
    resume_unwind(Box::new(payload))
}

/// What `f` panics with.
fn panic_of<R>(f: impl FnOnce() -> R) -> u32 {
    match catch_unwind(AssertUnwindSafe(f)) {
        Ok(_) => panic!("no panic"),
        Err(payload) => *payload.downcast().unwrap(),
    }
}

/// Counts its drops, and panics in them with this number, if there is one.
#[derive(Debug)]
struct Dropped<'c>(&'c AtomicUsize, Option<u32>);

impl Drop for Dropped<'_> {
    fn drop(&mut self) {
        self.0.fetch_add(1, Relaxed);
        if let Some(number) = self.1 {
            panic_with(number);
        }
    }
}

impl std::fmt::Display for Dropped<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a cause")
    }
}

impl std::error::Error for Dropped<'_> {}

/// Runs tasks that fail or not, one after the other. As errgroup's.
fn one_by_one(results: &[Result<(), u32>]) -> (Result<(), Failed>, bool) {
    let mut token = None;
    let end = scope(Limit::NEVER, |tasks: Scope<'_, '_>| {
        token = Some(tasks.token().clone());
        for &result in results {
            match tasks.spawn(move |_| result.map_err(Failed::At)) {
                Ok(task) => until_finished(&task),
                // Unlike Go's.
                Err(error) => assert_eq!(Failed::from(error), CANCELLED),
            }
        }
        Ok(())
    });
    (end, token.unwrap().is_cancelled())
}

/// Fails if an error is lost, or a later one is the result, or if success cancels.
#[test]
fn the_first_error_is_the_result() {
    watched(|_| {
        assert_eq!(one_by_one(&[]), (Ok(()), false));
        assert_eq!(one_by_one(&[Ok(())]), (Ok(()), false));
        assert_eq!(one_by_one(&[Err(1)]), (Err(Failed::At(1)), true));
        assert_eq!(one_by_one(&[Err(1), Ok(())]), (Err(Failed::At(1)), true));
        assert_eq!(one_by_one(&[Ok(()), Err(1), Ok(()), Err(2)]), (Err(Failed::At(1)), true));
    });
}

/// Fails if it is the order of spawning that counts, not that of failing.
#[test]
fn the_first_in_time() {
    watched(|_| {
        let end = scope(Limit::NEVER, |tasks: Scope<'_, '_>| {
            for at in 0..3 {
                tasks.spawn(move |token| {
                    token.wait(Limit::NEVER)?;
                    Err::<(), _>(Failed::At(at))
                })?;
            }
            tasks.spawn(|_| Err::<(), _>(Failed::At(3)))?;
            Ok(())
        });
        assert_eq!(end, Err(Failed::At(3)));
    });
}

/// Fails if a body that joins in order gets to return what the failure of another has done to the first.
#[test]
fn joined_in_order_the_cause_is_the_result() {
    watched(|_| {
        let end = scope(Limit::NEVER, |tasks: Scope<'_, '_>| {
            let tasks = [
                tasks.spawn(cancelled::<u32>)?,
                tasks.spawn(|_| Ok(1))?,
                tasks.spawn(|_| Err(Failed::At(2)))?,
                tasks.spawn(cancelled)?,
            ];
            tasks.into_iter().map(Task::join).collect::<Result<Vec<_>, _>>()
        });
        assert_eq!(end, Err(Failed::At(2)));
    });
}

/// Fails if what the body makes of a failure is replaced by what came of that.
#[test]
fn what_the_body_makes_of_a_failure_is_the_result() {
    watched(|_| {
        let end = scope(Limit::NEVER, |tasks: Scope<'_, '_>| {
            let waits = tasks.spawn(cancelled::<()>)?;
            let fails = tasks.spawn(|_| Err::<(), _>(Failed::At(1)))?;
            assert_eq!(fails.join(), Err(Failed::At(1)));
            until_finished(&waits);
            Err::<(), _>(Failed::At(7))
        });
        assert_eq!(end, Err(Failed::At(7)));
        // Not if it has only seen what came later.
        let end = scope(Limit::NEVER, |tasks: Scope<'_, '_>| {
            let waits = tasks.spawn(cancelled::<()>)?;
            tasks.spawn(|_| Err::<(), _>(Failed::At(1)))?;
            assert_eq!(waits.join(), Err(CANCELLED));
            Err::<(), _>(Failed::At(7))
        });
        assert_eq!(end, Err(Failed::At(1)));
        // Nor if it is another thread that has.
        let end = scope(Limit::NEVER, |tasks: Scope<'_, '_>| {
            let waits = tasks.spawn(cancelled::<()>)?;
            let fails = tasks.spawn(|_| Err::<(), _>(Failed::At(1)))?;
            until_finished(&waits);
            std::thread::scope(|threads| threads.spawn(|| assert!(fails.join().is_err())).join().unwrap());
            Err::<(), _>(Failed::At(7))
        });
        assert_eq!(end, Err(CANCELLED));
    });
}

#[test]
fn the_body_fails_first_or_last() {
    watched(|_| {
        let end = scope(Limit::NEVER, |tasks: Scope<'_, '_>| {
            tasks.spawn(cancelled::<()>)?;
            Err::<(), _>(Failed::At(1))
        });
        assert_eq!(end, Err(Failed::At(1)));
        let end = scope(Limit::NEVER, |tasks: Scope<'_, '_>| {
            until_finished(&tasks.spawn(|_| Err::<(), _>(Failed::At(1)))?);
            Err::<(), _>(Failed::At(2))
        });
        assert_eq!(end, Err(Failed::At(1)));
    });
}

/// Fails if a failure that the body has taken is the result all the same; or if it does not cancel.
#[test]
fn what_is_taken_is_the_bodys() {
    watched(|_| {
        let end = scope(Limit::NEVER, |tasks: Scope<'_, '_>| {
            let waits = tasks.spawn(cancelled::<()>)?;
            let fails = tasks.spawn(|_| Err::<(), _>(Failed::At(1)))?;
            Ok([fails, waits].map(Task::join))
        });
        assert_eq!(end, Ok([Err(Failed::At(1)), Err(CANCELLED)]));
        let end = scope(Limit::NEVER, |tasks: Scope<'_, '_>| {
            let panics = tasks.spawn(|_| -> Result<(), Failed> { panic_with(5) })?;
            Ok((panic_of(|| panics.join()), tasks.token().is_cancelled()))
        });
        assert_eq!(end, Ok((5, true)));
    });
}

/// Fails if a panic is lost, or does not cancel, or if an error goes before it; or if it is not the first that goes on.
#[test]
fn a_panic_goes_on() {
    watched(|_| {
        let panicked = panic_of(|| {
            scope(Limit::NEVER, |tasks: Scope<'_, '_>| {
                until_finished(&tasks.spawn(|_| Err::<(), _>(Failed::At(1)))?);
                Ok(())
            })
            .unwrap_or_else(|_| panic_with(1))
        });
        assert_eq!(panicked, 1);
        let panicked = panic_of(|| {
            scope(Limit::NEVER, |tasks: Scope<'_, '_>| {
                let waits = tasks.spawn(|token| -> Result<(), Failed> {
                    token.wait(Limit::NEVER)?;
                    panic_with(2)
                })?;
                let errs = tasks.spawn(|_| Err::<(), _>(Failed::At(1)))?;
                [errs, waits].iter().for_each(until_finished);
                panic_with(3)
            })
            .unwrap_or(())
        });
        assert_eq!(panicked, 2);
        let panicked = panic_of(|| {
            scope(Limit::NEVER, |tasks: Scope<'_, '_>| {
                let waits = tasks.spawn(cancelled::<()>)?;
                tasks.spawn(|_| -> Result<(), Failed> { panic_with(4) })?;
                waits.join()
            })
        });
        assert_eq!(panicked, 4);
        // By way of the body, in which it goes on.
        let panicked = panic_of(|| {
            scope(Limit::NEVER, |tasks: Scope<'_, '_>| {
                tasks.spawn(cancelled::<()>)?;
                tasks.spawn(|_| -> Result<(), Failed> { panic_with(5) })?.join()
            })
        });
        assert_eq!(panicked, 5);
    });
}

/// Fails if the body's panic does not cancel, or goes on before the tasks have ended.
#[test]
fn the_bodys_panic_waits_for_the_tasks() {
    watched(|_| {
        let ended = AtomicUsize::new(0);
        let panicked = panic_of(|| {
            scope(Limit::NEVER, |tasks: Scope<'_, '_>| -> Result<(), Failed> {
                for _ in 0..3 {
                    tasks.spawn(|token| {
                        token.wait(Limit::NEVER)?;
                        ended.fetch_add(1, Relaxed);
                        Ok(())
                    })?;
                }
                panic_with(1)
            })
        });
        assert_eq!((panicked, ended.into_inner()), (1, 3));
    });
}

/// Fails if something that is not the result is not dropped, or twice, or if a panic of that drop is lost.
#[test]
fn what_is_not_the_result_is_dropped() {
    watched(|_| {
        let drops = &AtomicUsize::new(0);
        // A value of which nobody has the task any more.
        for panics in [None, Some(1)] {
            let end = catch_unwind(AssertUnwindSafe(|| {
                scope(Limit::NEVER, |tasks: Scope<'_, '_>| {
                    let (go, gone) = mpsc::channel::<()>();
                    drop(tasks.spawn(move |_| {
                        let _ = gone.recv();
                        Ok(Dropped(drops, panics))
                    })?);
                    drop(go);
                    Ok(())
                })
            }));
            match panics {
                None => assert_eq!(end.unwrap(), Ok(())),
                Some(number) => assert_eq!(end.unwrap_err().downcast_ref(), Some(&number)),
            }
            assert_eq!(drops.swap(0, Relaxed), 1);
        }
        // Errors that come later, and the body's value.
        for panics in [None, Some(3)] {
            let end = catch_unwind(AssertUnwindSafe(|| {
                scope(Limit::NEVER, |tasks| {
                    until_finished(&tasks.spawn(|_| Err::<(), _>(Dropped(drops, None))).unwrap());
                    tasks.token().check().unwrap_err();
                    Ok(Dropped(drops, panics))
                })
                .map_err(drop)
            }));
            match panics {
                None => assert!(matches!(end, Ok(Err(())))),
                Some(number) => assert_eq!(end.unwrap_err().downcast_ref(), Some(&number)),
            }
            assert_eq!(drops.swap(0, Relaxed), 2);
            let end = catch_unwind(AssertUnwindSafe(|| {
                scope(Limit::NEVER, |tasks| {
                    let late = tasks.spawn(move |token| {
                        token.wait(Limit::NEVER).unwrap();
                        Err::<(), _>(Dropped(drops, panics))
                    });
                    let first = tasks.spawn(|_| Err::<(), _>(Dropped(drops, None)));
                    [late, first].into_iter().for_each(|task| until_finished(&task.unwrap()));
                    Ok(())
                })
                .map_err(drop)
            }));
            match panics {
                None => assert!(matches!(end, Ok(Err(())))),
                Some(number) => assert_eq!(end.unwrap_err().downcast_ref(), Some(&number)),
            }
            assert_eq!(drops.swap(0, Relaxed), 2);
        }
    });
}

/// Fails if a panic of a drop, which comes at the end, goes before a task's own.
#[test]
fn drops_come_after_what_has_happened() {
    watched(|_| {
        let drops = &AtomicUsize::new(0);
        let payload = panic_of(|| {
            scope(Limit::NEVER, |tasks| {
                let begin = |panics: Option<u32>, fails: bool| {
                    let (go, gone) = mpsc::channel::<()>();
                    let task = tasks.spawn(move |_| {
                        let _ = gone.recv();
                        if fails { Err::<(), _>(Dropped(drops, panics)) } else { panic_with(2) }
                    });
                    (go, task.unwrap())
                };
                for (go, task) in [begin(None, true), begin(Some(1), true), begin(None, false)] {
                    drop(go);
                    until_finished(&task);
                }
                Ok(())
            })
            .map_err(drop)
        });
        assert_eq!((payload, drops.load(Relaxed)), (2, 2));
    });
}

/// Fails if a payload that panics in its drop ends the process, or goes before the first.
#[test]
fn payloads_that_panic() {
    static DROPS: AtomicUsize = AtomicUsize::new(0);
    watched(|_| {
        let panicked = panic_of(|| {
            scope(Limit::NEVER, |tasks: Scope<'_, '_>| {
                let late = tasks.spawn(|token| -> Result<(), Failed> {
                    token.wait(Limit::NEVER)?;
                    resume_unwind(Box::new(Dropped(&DROPS, Some(2))))
                })?;
                let first = tasks.spawn(|_| -> Result<(), Failed> { panic_with(1) })?;
                [late, first].iter().for_each(until_finished);
                Ok(())
            })
        });
        assert_eq!((panicked, DROPS.load(Relaxed)), (1, 1));
    });
}

/// Fails if a panic of a drop of what a task has captured is lost.
#[test]
fn captures_that_panic() {
    watched(|_| {
        let drops = &AtomicUsize::new(0);
        let panicked = panic_of(|| {
            scope(Limit::NEVER, |tasks: Scope<'_, '_>| {
                let capture = Dropped(drops, Some(6));
                tasks.spawn(move |_| Ok(_ = &capture))?;
                Ok(())
            })
        });
        assert_eq!((panicked, drops.load(Relaxed)), (6, 1));
    });
}

/// Fails if the cause with which a token was cancelled is dropped, and panics, past the result.
#[test]
fn a_cause_that_panics() {
    static DROPS: AtomicUsize = AtomicUsize::new(0);
    watched(|_| {
        let lasts = CancelToken::new();
        let panicked = panic_of(|| {
            scope(&lasts, |tasks: Scope<'_, '_>| {
                tasks
                    .token()
                    .cancel_with(Box::new(Dropped(&DROPS, Some(8))) as Box<dyn std::error::Error + Send + Sync>);
                Err::<(), _>(Failed::At(1))
            })
        });
        assert_eq!((panicked, DROPS.load(Relaxed)), (8, 1));
    });
}
