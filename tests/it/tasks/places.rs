//! No more tasks at once than there are places.

use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::thread;

use raddle::{CancelToken, Limit, Semaphore, SpawnError, Stopped, What, scope};

use super::{Failed, Scope, cancelled};
use crate::once::{here, place_of_panic};
use crate::stress::watched;
use crate::waits::{named, wait_of};

/// Fails if more tasks are at work than there are places, or if a place is lost, by whatever end.
#[test]
fn no_more_than_there_are_places() {
    watched(|_| {
        let (at_work, begun) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let rounds = if cfg!(miri) { 20 } else { 1 << 10 };
        let end = scope(Limit::NEVER, |tasks: Scope<'_, '_>| {
            tasks.at_most(10);
            for round in 0..rounds {
                begun.fetch_add(1, SeqCst);
                tasks.spawn(|_| {
                    assert!(at_work.fetch_add(1, SeqCst) < 10);
                    thread::yield_now();
                    at_work.fetch_sub(1, SeqCst);
                    Ok(())
                })?;
                assert!(begun.load(SeqCst) == round + 1);
            }
            Ok(())
        });
        assert_eq!((end, at_work.into_inner()), (Ok(()), 0));
    });
}

/// Fails if a place is lost with a task that panics, or whose failure is taken.
#[test]
fn a_place_comes_back() {
    watched(|_| {
        let end = scope(Limit::NEVER, |tasks: Scope<'_, '_>| {
            tasks.at_most(1);
            let fails = tasks.spawn(|_| Ok(1))?;
            let name_with_nul = || tasks.spawn_named("a\0b", |_| Ok(()));
            for _ in 0..2 {
                let (_, text) = place_of_panic(name_with_nul);
                assert!(text.contains("NUL"), "{text}");
            }
            assert_eq!(tasks.spawn(|_| Ok(2))?.join(), Ok(2));
            assert_eq!(fails.join(), Ok(1));
            tasks.spawn_named("c", |_| Ok(3))?.join()
        });
        assert_eq!(end, Ok(3));
    });
}

/// Fails if a bound is set that nothing can be begun under, or while something is at work; or if it cannot be set anew.
#[test]
fn bounds_that_are_refused() {
    watched(|_| {
        let end = scope(Limit::NEVER, |tasks: Scope<'_, '_>| {
            for (places, says) in [(0, "at_most(0)"), (Semaphore::MAX_PERMITS + 1, "at most")] {
                let (place, (at, text)) = (here(), place_of_panic(|| tasks.at_most(places)));
                assert_eq!(at, place);
                assert!(text.contains(says), "{text}");
            }
            let go = CancelToken::new();
            let theirs = go.clone();
            let waits = tasks.spawn(move |_| Ok(theirs.wait(Limit::NEVER)?))?;
            let (place, (at, text)) = (here(), place_of_panic(|| tasks.at_most(1)));
            assert_eq!(at, place);
            assert!(text.contains("while no task is at work"), "{text}");
            // There is no bound.
            tasks.spawn(|_| Ok(()))?.join()?;
            go.cancel();
            waits.join()?;
            for places in [1, 2] {
                tasks.at_most(places);
                for _ in 0..3 {
                    tasks.spawn(|_| Ok(()))?.join()?;
                }
            }
            // Nor may a task.
            let sets = tasks.spawn(|_| Ok(place_of_panic(|| tasks.at_most(1)).1))?;
            assert!(sets.join()?.contains("while no task is at work"));
            Ok(())
        });
        assert_eq!(end, Ok(()));
    });
}

/// Fails if a task may spawn where there is a bound, be there a place or not; or one that waits for such a task.
#[test]
fn a_task_does_not_spawn_under_a_bound() {
    watched(|_| {
        fn refused(tasks: Scope<'_, '_>) -> bool {
            matches!(tasks.spawn(|_| Ok(())), Err(SpawnError::FromTask))
        }
        let end = scope(Limit::NEVER, |tasks: Scope<'_, '_>| {
            // Without one it may.
            assert!(!tasks.spawn(|_| Ok(refused(tasks)))?.join()?);
            while !format!("{tasks:?}").contains("at_work: 0") {}
            tasks.at_most(5);
            assert!(!refused(tasks));
            assert!(tasks.spawn(|_| Ok(refused(tasks)))?.join()?);
            let nested = tasks.spawn(|token| {
                scope(token, |inner: Scope<'_, '_>| {
                    let in_task = inner.spawn(|token| {
                        let deeper = scope(token, |deeper: Scope<'_, '_>| {
                            deeper.spawn(|_| Ok(refused(tasks) && !refused(inner)))?.join()
                        });
                        Ok(deeper? && refused(tasks))
                    })?;
                    assert!(!refused(inner));
                    Ok(in_task.join()? && refused(tasks))
                })
            })?;
            assert!(nested.join()?);
            // A scope in the body is no task of this one, nor are its tasks.
            let beside = scope(tasks.token(), |inner: Scope<'_, '_>| inner.spawn(|_| Ok(refused(tasks)))?.join());
            assert!(!beside?);
            // Also if it is cancelled.
            let stopped = tasks.spawn(|token| {
                token.cancel();
                Ok(refused(tasks))
            });
            assert!(stopped?.join()?);
            Ok(())
        });
        assert_eq!(end, Ok(()));
    });
}

/// Fails if who waits for a place is not shown, or not woken when the scope is cancelled, or counts as at work afterwards.
#[test]
fn who_waits_for_a_place_is_cancelled() {
    watched(|_| {
        let end = scope(Limit::NEVER, |tasks: Scope<'_, '_>| {
            tasks.at_most(1);
            let waits = tasks.spawn(cancelled::<()>)?;
            thread::scope(|threads| {
                let name = "waits_for_a_place: spawner";
                let spawner = named(threads, name, || match tasks.spawn(|_| Ok(())) {
                    Err(SpawnError::Stopped(stopped)) => stopped,
                    other => panic!("{other:?}"),
                });
                let wait = wait_of(name);
                assert_eq!((wait.what(), wait.place().file()), (&What::Permits(1), file!()));
                assert!(wait.is_limited());
                // No bound can be set meanwhile.
                assert!(place_of_panic(|| tasks.at_most(2)).1.contains("at work"));
                tasks.token().cancel();
                assert_eq!(spawner.join().unwrap(), Stopped::Cancelled);
            });
            assert_eq!(waits.join(), Err(Failed::Stopped(Stopped::Cancelled)));
            tasks.at_most(2);
            Ok(())
        });
        assert_eq!(end, Ok(()));
    });
}
