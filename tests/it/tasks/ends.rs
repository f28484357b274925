//! Threads: their names, who waits for them, and that none is left.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, mpsc};
use std::thread;
use std::time::Duration;

#[cfg(all(target_os = "linux", not(miri)))]
use raddle::SpawnError;
use raddle::{CancelToken, Limit, Task, What, scope, waits};

#[cfg(all(target_os = "linux", not(miri)))]
use super::{CANCELLED, cancelled};
use super::{Failed, Scope, until_finished};
use crate::once::{here, place_of_panic};
use crate::stress::watched;
use crate::waits::{named, wait_of};

/// The name of the thread of a task, which is also that of the line that spawned it.
#[test]
fn names() {
    fn own_name() -> Result<String, Failed> {
        Ok(thread::current().name().unwrap().to_owned())
    }
    watched(|_| {
        let end = scope(Limit::NEVER, |tasks: Scope<'_, '_>| {
            assert_eq!(tasks.spawn_named("disk check", |_| own_name())?.join()?, "disk check");
            assert_eq!(tasks.spawn_named(String::new(), |_| own_name())?.join()?, "");
            let (place, named) = (here(), tasks.spawn(|_| own_name())?);
            assert_eq!(named.join()?, format!("{}:{}", place.0, place.1));
            let (place, (at, text)) = (here(), place_of_panic(|| tasks.spawn_named("a\0b", |_| Ok(()))));
            assert_eq!(at, place);
            assert!(text.contains("no NUL byte") && text.contains(r"a\0b"), "{text}");
            Ok(())
        });
        assert_eq!(end, Ok(()));
    });
}

/// Sets this when it is dropped, not at once.
struct Late(&'static AtomicBool);

impl Drop for Late {
    fn drop(&mut self) {
        thread::sleep(Duration::from_millis(20));
        self.0.store(true, Relaxed);
    }
}

/// Fails if a scope returns or unwinds before the thread-locals of its threads are dropped.
#[test]
fn thread_locals_are_dropped() {
    static ENDED: [AtomicBool; 3] = [const { AtomicBool::new(false) }; 3];
    thread_local!(static LATE: std::cell::Cell<Option<Late>> = const { std::cell::Cell::new(None) });
    fn begin<'scope>(tasks: Scope<'scope, '_>, at: usize) -> Task<'scope, (), Failed> {
        tasks
            .spawn(move |_| {
                LATE.set(Some(Late(&ENDED[at])));
                Ok(())
            })
            .unwrap()
    }
    watched(|_| {
        let end = scope(Limit::NEVER, |tasks: Scope<'_, '_>| {
            drop(begin(tasks, 0));
            Ok(())
        });
        assert_eq!((end, ENDED[0].load(Relaxed)), (Ok(()), true));
        let end = catch_unwind(AssertUnwindSafe(|| {
            scope(Limit::NEVER, |tasks: Scope<'_, '_>| -> Result<(), Failed> {
                begin(tasks, 1);
                resume_unwind(Box::new(7))
            })
        }));
        assert_eq!((end.unwrap_err().downcast_ref(), ENDED[1].load(Relaxed)), (Some(&7), true));
        let end = scope(Limit::NEVER, |tasks: Scope<'_, '_>| begin(tasks, 2).join());
        assert_eq!((end, ENDED[2].load(Relaxed)), (Ok(()), true));
    });
}

/// Fails if the order is another than that of the documentation: captures, then the value that nobody waits for, then the place is free.
#[test]
fn the_order_of_drops() {
    struct Says<'s>(&'s Mutex<Vec<&'static str>>, &'static str);
    impl Drop for Says<'_> {
        fn drop(&mut self) {
            self.0.lock().unwrap().push(self.1);
        }
    }
    watched(|_| {
        let said = &Mutex::new(Vec::new());
        let end = scope(Limit::NEVER, |tasks: Scope<'_, '_>| {
            tasks.at_most(1);
            let (go, gone) = mpsc::channel::<()>();
            let capture = Says(said, "capture");
            drop(tasks.spawn(move |_| {
                let _ = (gone.recv(), &capture);
                Ok(Says(said, "value"))
            })?);
            drop(go);
            tasks
                .spawn(|_| {
                    let _: () = said.lock().unwrap().push("next");
                    Ok(())
                })?
                .join()
        });
        assert_eq!(end, Ok(()));
        assert_eq!(*said.lock().unwrap(), ["capture", "value", "next"]);
    });
}

/// As std's: what is dropped on a task's thread begins another task.
#[test]
fn a_value_spawns_when_it_is_dropped() {
    struct Spawns<'scope, 'env>(Scope<'scope, 'env>, &'env AtomicBool);
    impl Drop for Spawns<'_, '_> {
        fn drop(&mut self) {
            let finished = self.1;
            self.0
                .spawn(move |_| {
                    finished.store(true, Relaxed);
                    Ok(())
                })
                .unwrap();
        }
    }
    watched(|_| {
        let finished = AtomicBool::new(false);
        let end = scope(Limit::NEVER, |tasks: Scope<'_, '_>| {
            let (go, gone) = mpsc::channel::<()>();
            let finished = &finished;
            drop(tasks.spawn(move |_| {
                let _ = gone.recv();
                Ok(Spawns(tasks, finished))
            })?);
            drop(go);
            Ok(())
        });
        assert_eq!((end, finished.into_inner()), (Ok(()), true));
    });
}

/// Fails if a wait for a task is not shown, or under another name or line.
#[test]
fn who_waits_for_a_task_is_shown() {
    watched(|_| {
        let (go, token) = (CancelToken::new(), CancelToken::new());
        let (go, token) = (&go, &token);
        thread::scope(|threads| {
            let caller = named(threads, "is_shown: caller", move || {
                scope(Limit::NEVER, |tasks: Scope<'_, '_>| {
                    let first = tasks.spawn_named("is_shown: first", |_| Ok(go.wait(Limit::NEVER)?))?;
                    tasks.spawn_named("is_shown: second", |_| Ok(token.wait(Limit::NEVER)?))?;
                    first.join()
                })
            });
            let until = |task: &str| loop {
                let wait = wait_of("is_shown: caller");
                if wait.what() == &What::Task(task.into()) {
                    return wait;
                }
            };
            let joins = until("is_shown: first");
            assert_eq!((joins.what().to_string(), joins.is_limited()), ("task 'is_shown: first' to end".into(), false));
            go.cancel();
            let ends = until("is_shown: second");
            for wait in [&joins, &ends] {
                assert_eq!((wait.place().file(), wait.holders().len()), (file!(), 0));
            }
            assert!(ends.place().line() < joins.place().line());
            token.cancel();
            assert_eq!(caller.join().unwrap(), Ok(()));
        });
        let mine = |name: Option<&str>| name.is_some_and(|name| name.starts_with("is_shown"));
        assert!(!waits().iter().any(|wait| mine(wait.thread_name())));
    });
}

/// Fails if a task that waits for itself hangs, in whichever way, or if it is not its line that panics.
#[test]
fn a_task_does_not_wait_for_itself() {
    type Handle<'s> = Task<'s, (), Failed>;
    watched(|_| {
        let end = scope(Limit::NEVER, |tasks: Scope<'_, '_>| {
            // By itself.
            let (send, receive) = mpsc::channel::<Handle<'_>>();
            let own = tasks.spawn(move |_| {
                let own = receive.recv().unwrap();
                let (place, (at, text)) = (here(), place_of_panic(|| own.join()));
                assert_eq!(at, place);
                assert!(text.contains("must not wait for its own end"), "{text}");
                Ok(())
            })?;
            send.send(own).unwrap();
            // By a task of a scope of its own.
            let (send, receive) = mpsc::channel::<Handle<'_>>();
            let nests = tasks.spawn(move |token| {
                let own = receive.recv().unwrap();
                scope(token, |inner: Scope<'_, '_>| {
                    inner
                        .spawn(move |_| {
                            let _: () = assert!(place_of_panic(|| own.join()).1.contains("its own end"));
                            Ok(())
                        })?
                        .join()
                })
            })?;
            send.send(nests).unwrap();
            // Through another, which waits for it already.
            let (to_first, of_first) = mpsc::channel::<Handle<'_>>();
            let (to_second, of_second) = mpsc::channel::<Handle<'_>>();
            let first = tasks.spawn_named("for_itself: first", move |_| of_first.recv().unwrap().join())?;
            let second = tasks.spawn_named("for_itself: second", move |_| {
                let first = of_second.recv().unwrap();
                wait_of("for_itself: first");
                assert!(place_of_panic(|| first.join()).1.contains("its own end"));
                Ok(())
            })?;
            to_second.send(first).unwrap();
            to_first.send(second).unwrap();
            Ok(())
        });
        assert_eq!(end, Ok(()));
    });
}

/// Fails if a task is joined by another in vain, at the same time as by the end of the scope or after; or if a chain is taken for a cycle.
#[test]
fn tasks_join_tasks() {
    watched(|_| {
        let rounds = if cfg!(miri) { 2 } else { 50 };
        for _ in 0..rounds {
            let end = scope(Limit::NEVER, |tasks: Scope<'_, '_>| {
                let mut last = tasks.spawn(|_| Ok(1))?;
                for _ in 0..4 {
                    last = tasks.spawn(move |_| Ok(last.join()? + 1))?;
                }
                tasks.spawn(move |_| {
                    let _: () = assert_eq!(last.join()?, 5);
                    Ok(())
                })?;
                Ok(())
            });
            assert_eq!(end, Ok(()));
        }
    });
}

/// What many tasks leave behind that begin while others are at work: no value is lost, whoever has joined its thread.
#[test]
fn many_tasks_are_joined_late() {
    watched(|_| {
        let many = if cfg!(miri) { 70 } else { 500 };
        let end = scope(Limit::NEVER, |tasks: Scope<'_, '_>| {
            let mut all = Vec::new();
            for at in 0..many {
                all.push(tasks.spawn(move |_| Ok(Arc::new(at)))?);
                if at % 3 == 0 {
                    until_finished(&all[at / 2]);
                }
            }
            all.into_iter().map(Task::join).collect::<Result<Vec<_>, _>>()
        });
        assert!(end.unwrap().into_iter().map(|value| *value).eq(0..many));
    });
}

/// Fails if a thread is left, or what it had.
#[test]
#[cfg(all(target_os = "linux", not(miri)))]
fn nobody_is_left() {
    crate::alone("tasks::ends::nobody_is_left_alone");
}

#[test]
#[ignore = "run by the test above"]
#[cfg(all(target_os = "linux", not(miri)))]
fn nobody_is_left_alone() {
    use crate::threads;

    let memory = || {
        let status = std::fs::read_to_string("/proc/self/status").unwrap();
        let size = status.lines().find_map(|line| line.strip_prefix("VmSize:")).unwrap();
        size.trim_end_matches("kB").trim().parse::<usize>().unwrap() / 1024
    };
    watched(move |_| {
        let before = threads();
        for round in 0..50 {
            let end = catch_unwind(|| {
                scope(Limit::NEVER, |tasks: Scope<'_, '_>| {
                    for _ in 0..4 {
                        tasks.spawn(cancelled::<()>)?;
                    }
                    match round % 3 {
                        0 => Err(Failed::At(0)),
                        1 => {
                            tasks.token().cancel();
                            Ok(())
                        }
                        _ => resume_unwind(Box::new(())),
                    }
                })
            });
            match round % 3 {
                0 => assert_eq!(end.unwrap(), Err(Failed::At(0))),
                1 => assert_eq!(end.unwrap(), Err(CANCELLED)),
                _ => assert!(end.is_err()),
            }
            // The kernel takes a thread out before who joins it goes on, or very soon after.
            while threads() != before {}
        }
        // Each has a stack of 2 MB.
        let before = memory();
        let end = scope(Limit::NEVER, |tasks: Scope<'_, '_>| {
            tasks.at_most(2);
            for _ in 0..3_000 {
                tasks.spawn(|_| Ok(()))?;
            }
            Ok(memory())
        });
        let most = end.unwrap();
        assert!(most < before + 1_000, "{before} MB, then {most}");
    });
}

/// Fails if a thread that the system refuses takes along its place, or counts as at work; or hangs.
#[test]
#[cfg(all(target_os = "linux", not(miri)))]
fn a_thread_that_is_refused() {
    crate::alone("tasks::ends::a_thread_that_is_refused_alone");
}

#[test]
#[ignore = "run by the test above"]
#[cfg(all(target_os = "linux", not(miri)))]
fn a_thread_that_is_refused_alone() {
    watched(|_| {
        let captured = Arc::new(());
        let end = scope(Limit::NEVER, |tasks: Scope<'_, '_>| {
            tasks.at_most(1);
            for _ in 0..3 {
                let theirs = Arc::clone(&captured);
                crate::refuse_threads(true);
                let spawned = tasks.spawn(move |_| {
                    drop(theirs);
                    Ok(())
                });
                crate::refuse_threads(false);
                match spawned {
                    Err(SpawnError::System(error)) => assert_eq!(error.kind(), std::io::ErrorKind::WouldBlock),
                    other => panic!("{other:?}"),
                }
                assert_eq!(Arc::strong_count(&captured), 1);
                assert!(format!("{tasks:?}").contains("at_work: 0"));
            }
            tasks.spawn(|_| Ok(5))?.join()
        });
        assert_eq!(end, Ok(5));
    });
}

/// Fails if a scope returns while a task runs that is being joined by a thread which the task itself waits for: a hang, and not more.
#[test]
#[cfg(all(target_os = "linux", not(miri)))]
fn a_task_that_waits_for_its_own_end_elsewhere() {
    let this = std::env::current_exe().unwrap();
    let name = "tasks::ends::a_task_that_waits_for_its_own_end_elsewhere_alone";
    let run = std::process::Command::new(this).args(["--exact", name, "--ignored"]).output().unwrap();
    assert_eq!(run.status.code(), Some(17), "{}", String::from_utf8_lossy(&run.stdout));
}

#[test]
#[ignore = "run by the test above"]
#[cfg(all(target_os = "linux", not(miri)))]
fn a_task_that_waits_for_its_own_end_elsewhere_alone() {
    let end = scope(Limit::NEVER, |tasks: Scope<'_, '_>| {
        let (send, own) = mpsc::channel::<Task<'_, (), Failed>>();
        let task = tasks.spawn(move |_| {
            let own = own.recv().unwrap();
            thread::scope(|threads| {
                threads.spawn(|| own.join());
                // That thread, and the end of the scope.
                while waits().iter().filter(|wait| matches!(wait.what(), What::Task(_))).count() < 2 {
                    thread::yield_now();
                }
                std::process::exit(17)
            })
        })?;
        send.send(task).unwrap();
        Ok(())
    });
    panic!("the scope has ended, with {end:?}, while its task runs");
}
