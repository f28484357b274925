//! Models of scopes.
//!
//! A scope joins its threads, so the models do. While a thread of a model unwinds no other runs: what it drops meanwhile takes no lock.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use super::explore::{explore, explore_bounded};
use crate::sync::UnsafeCell;
use crate::{CancelToken, Limit, SpawnError, Stopped, Task, Tasks, scope};

#[derive(Debug, PartialEq)]
enum Failed {
    First,
    Second,
    Stopped(Stopped),
    NotBegun,
}

impl From<SpawnError> for Failed {
    fn from(error: SpawnError) -> Self {
        match error {
            SpawnError::Stopped(stopped) => Failed::Stopped(stopped),
            _ => Failed::NotBegun,
        }
    }
}

/// A value that one thread writes and another reads.
struct Cell(UnsafeCell<u32>);

// SAFETY: loom checks it.
unsafe impl Sync for Cell {}

impl Cell {
    fn new() -> Self {
        Self(UnsafeCell::new(0))
    }

    fn write(&self) {
        // SAFETY: loom checks it.
        *unsafe { self.0.exclusive() } += 1;
    }

    fn read(&self) -> u32 {
        // SAFETY: loom checks it.
        unsafe { *self.0.shared() }
    }
}

type Scope<'scope, 'env> = &'scope Tasks<'scope, 'env, Failed>;

/// Waits until the scope is cancelled.
fn cancelled(token: &CancelToken) -> Result<(), Failed> {
    token.wait(Limit::NEVER).unwrap();
    token.check().map_err(Failed::Stopped)
}

/// Fails if a scope returns before its task has ended, or does not see what that did. Two threads.
#[test]
fn one_task() {
    explore([9, 3], &[], || {
        let cell = Cell::new();
        let end = scope(Limit::NEVER, |tasks: Scope<'_, '_>| {
            tasks.spawn(|_| {
                cell.write();
                Ok(())
            })?;
            Ok(())
        });
        assert_eq!((end, cell.read()), (Ok(()), 1));
    });
}

/// Fails if who joins a task does not see its value, or waits for ever. Two threads.
#[test]
fn a_value_is_joined() {
    explore([90, 13], &[], || {
        let cell = Cell::new();
        let end = scope(Limit::NEVER, |tasks: Scope<'_, '_>| {
            let task = tasks.spawn(|_| {
                cell.write();
                Ok(&cell)
            })?;
            Ok(task.join()?.read())
        });
        assert_eq!(end, Ok(1));
    });
}

/// Fails if a task is said to be finished before it has ended, or without what it did. Two threads.
#[test]
fn a_task_is_finished() {
    explore([16, 4], &[], || {
        let cell = Cell::new();
        let end = scope(Limit::NEVER, |tasks: Scope<'_, '_>| {
            let task = tasks.spawn(|_| {
                cell.write();
                Ok(())
            })?;
            if task.is_finished() {
                assert_eq!(cell.read(), 1);
            }
            Ok(())
        });
        assert_eq!(end, Ok(()));
    });
}

/// Fails if a task that waits under the token sleeps on when another has failed, or if its error comes before the cause. Three threads.
#[test]
fn a_failure_cancels_the_others() {
    explore([12_951, 1_466], &[], || {
        let end = scope(Limit::NEVER, |tasks: Scope<'_, '_>| {
            tasks.spawn(cancelled)?;
            tasks.spawn(|_| Err::<(), _>(Failed::First))?;
            Ok(())
        });
        assert_eq!(end, Err(Failed::First));
    });
}

/// Fails if the body's own error does not cancel its task, or is not the result. Two threads.
#[test]
fn the_body_fails() {
    explore([126, 54], &[], || {
        let end = scope(Limit::NEVER, |tasks: Scope<'_, '_>| {
            tasks.spawn(cancelled)?;
            Err::<(), _>(Failed::First)
        });
        assert_eq!(end, Err(Failed::First));
    });
}

/// Fails if the scope unwinds before its task has ended, or if the task is not cancelled. Two threads.
#[test]
fn the_body_panics() {
    explore([126, 54], &[], || {
        let cell = Cell::new();
        let end = catch_unwind(AssertUnwindSafe(|| {
            scope(Limit::NEVER, |tasks: Scope<'_, '_>| -> Result<(), Failed> {
                tasks.spawn(|token| {
                    cell.write();
                    cancelled(token)
                })?;
                resume_unwind(Box::new(7))
            })
        }));
        assert_eq!(end.unwrap_err().downcast_ref(), Some(&7));
        assert_eq!(cell.read(), 1);
    });
}

/// Fails if a task's panic does not cancel the other, or an error goes before it. Three threads.
#[test]
fn a_task_panics() {
    explore([12_951, 1_466], &[], || {
        let end = catch_unwind(|| {
            scope(Limit::NEVER, |tasks: Scope<'_, '_>| {
                tasks.spawn(cancelled)?;
                tasks.spawn(|_| -> Result<(), Failed> { resume_unwind(Box::new(7)) })?;
                Ok(())
            })
        });
        assert_eq!(end.unwrap_err().downcast_ref(), Some(&7));
    });
}

/// Fails if of two failures at the same time both are the result, or none, or the one that came later: who sees the scope cancelled
/// fails later. Three threads.
#[test]
fn two_failures_at_once() {
    explore_bounded(4, [5_729, 1_388], &[], || {
        let late = Cell::new();
        let end = scope(Limit::NEVER, |tasks: Scope<'_, '_>| {
            tasks.spawn(|token| {
                if token.is_cancelled() {
                    late.write();
                }
                Err::<(), _>(Failed::First)
            })?;
            tasks.spawn(|_| Err::<(), _>(Failed::Second))?;
            Ok(())
        });
        match end.unwrap_err() {
            Failed::First => assert_eq!(late.read(), 0),
            other => assert_eq!(other, Failed::Second),
        }
    });
}

/// Fails if an error that the body joins is lost or comes twice, or if the failure that was before it is not the result. Three threads.
#[test]
fn a_join_against_a_failure() {
    explore_bounded(3, [3_567, 13_722], &[], || {
        let end = scope(Limit::NEVER, |tasks: Scope<'_, '_>| {
            let waits = tasks.spawn(cancelled)?;
            tasks.spawn(|_| Err::<(), _>(Failed::First))?;
            let joined = waits.join();
            assert_eq!(joined, Err(Failed::Stopped(Stopped::Cancelled)));
            joined
        });
        assert_eq!(end, Err(Failed::First));
    });
}

/// Fails if a place does not come back when a task has ended, or before what it did is known. Three threads, two at a time.
#[test]
fn one_place() {
    explore([1_944, 99], &["semaphore.handed"], || {
        let cell = Cell::new();
        let end = scope(Limit::NEVER, |tasks: Scope<'_, '_>| {
            tasks.at_most(1);
            for _ in 0..2 {
                tasks.spawn(|_| {
                    cell.write();
                    Ok(())
                })?;
            }
            Ok(())
        });
        assert_eq!((end, cell.read()), (Ok(()), 2));
    });
}

/// Fails if a spawn that waits for a place sleeps on when the scope is cancelled. Two threads.
#[test]
fn cancelled_while_it_waits_for_a_place() {
    explore_bounded(4, [2_899, 2_184], &["node.cancel-woke"], || {
        let end = scope(Limit::NEVER, |tasks: Scope<'_, '_>| {
            tasks.at_most(1);
            tasks.spawn(|_| Err::<(), _>(Failed::First))?;
            match tasks.spawn(|_| Ok(())) {
                Ok(_) | Err(SpawnError::Stopped(Stopped::Cancelled)) => Ok(()),
                Err(error) => panic!("{error}"),
            }
        });
        assert_eq!(end, Err(Failed::First));
    });
}

/// Fails if a task that joins another sleeps on, as the end of the scope joins the same thread. Three threads.
#[test]
fn joined_by_a_task_and_by_the_end() {
    explore([14_634, 205], &["tasks.joined"], || {
        let cell = Cell::new();
        let end = scope(Limit::NEVER, |tasks: Scope<'_, '_>| {
            let task = tasks.spawn(|_| {
                cell.write();
                Ok(&cell)
            })?;
            tasks.spawn(move |_| {
                assert_eq!(task.join()?.read(), 1);
                Ok(())
            })?;
            Ok(())
        });
        assert_eq!(end, Ok(()));
    });
}

/// Fails if a task that another task spawns outlives the scope. Three threads.
#[test]
fn a_task_spawns() {
    explore([861, 57], &[], || {
        let cell = Cell::new();
        let end = scope(Limit::NEVER, |tasks: Scope<'_, '_>| {
            tasks.spawn(|_| {
                tasks.spawn(|_| {
                    cell.write();
                    Ok(())
                })?;
                Ok(())
            })?;
            Ok(())
        });
        assert_eq!((end, cell.read()), (Ok(()), 1));
    });
}

/// Fails if a value of which nobody has the task any more is dropped after the scope, or twice, or never. Two threads.
#[test]
fn a_value_that_nobody_joins() {
    struct Dropped<'c>(&'c Cell);
    impl Drop for Dropped<'_> {
        fn drop(&mut self) {
            self.0.write();
        }
    }
    explore([9, 3], &[], || {
        let cell = Cell::new();
        let end = scope(Limit::NEVER, |tasks: Scope<'_, '_>| {
            let task: Task<'_, _, _> = tasks.spawn(|_| Ok(Dropped(&cell)))?;
            drop(task);
            Ok(())
        });
        assert_eq!((end, cell.read()), (Ok(()), 1));
    });
}
