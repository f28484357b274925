//! What [`raddle::waits`] shows.

use std::panic::{self, Location};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread::{self, Builder, ScopedJoinHandle};
use std::time::Duration;

use raddle::{
    CancelToken, Condvar, Limit, LockError, OnceCell, OrderedMutex, OrderedRwLock, Semaphore, Stopped, Wait, WaitGroup,
    Waits, What, lock_all, waiting_for, waits,
};

use crate::stress::watched;

/// Until a thread of this name waits: its wait.
pub(crate) fn wait_of(name: &str) -> Wait {
    loop {
        if let Some(wait) = waits().into_iter().find(|wait| wait.thread_name() == Some(name)) {
            return wait;
        }
        thread::yield_now();
    }
}

/// A thread with a name, in a scope.
pub(crate) fn named<'s, R: Send + 's>(
    threads: &'s thread::Scope<'s, '_>,
    name: &str,
    work: impl FnOnce() -> R + Send + 's,
) -> ScopedJoinHandle<'s, R> {
    Builder::new().name(name.to_owned()).spawn_scoped(threads, work).unwrap()
}

/// Fails if a kind of wait is not shown, or under another name or line, or with the wrong holder; or if it stays when it is over.
#[test]
fn every_kind_of_wait() {
    watched(|_| {
        let lock = OrderedMutex::new(1, ());
        let shared = OrderedRwLock::new(2, ());
        let [cell, empty] = [OnceCell::new(), OnceCell::<u8>::new()];
        let group = WaitGroup::new();
        let permits = &Semaphore::new(0);
        let (own, changed) = (OrderedMutex::new(3, ()), Condvar::new());
        let [end, token] = [(); 2].map(|()| CancelToken::new());
        let (lock, shared, cell, empty, group, end, token) = (&lock, &shared, &cell, &empty, &group, &end, &token);
        let (own, changed) = (&own, &changed);
        thread::scope(|threads| {
            let (guard, lock_line) = (lock.lock().unwrap(), line!());
            let (write, write_line) = (shared.write().unwrap(), line!());
            let worker = group.worker();
            let mut threads_of = Vec::new();
            // Each thread tells its line beforehand.
            let mut check = |name: &str, what: What, holder: Option<u32>, work: Box<dyn FnOnce() + Send>| {
                let name = format!("every_kind: {name}");
                threads_of.push(named(threads, &name, work));
                let wait = wait_of(&name);
                assert_eq!((wait.what(), wait.place().file()), (&what, file!()));
                assert_eq!(wait.holders().first().map(|holder| holder.place().line()), holder, "{what}");
                for holder in wait.holders() {
                    assert_eq!((holder.thread(), holder.waits_for()), (thread::current().id(), None));
                }
                let text = waits().into_iter().filter(|wait| wait.thread_name() == Some(&name)).collect::<Waits>();
                assert!(text.to_string().starts_with(&format!("thread '{name}' waits for {what}, ")), "{text}");
            };
            check("lock", What::Lock(lock.id()), Some(lock_line), Box::new(|| drop(lock.lock())));
            check("within", What::Lock(lock.id()), Some(lock_line), Box::new(|| drop(lock.lock_within(end))));
            check("read", What::Read(shared.id()), Some(write_line), Box::new(|| drop(shared.read())));
            check("write", What::Write(shared.id()), Some(write_line), Box::new(|| drop(shared.write())));
            let set = (shared.as_read(), lock);
            check("set", What::Lock(lock.id()), Some(lock_line), Box::new(move || drop(lock_all(set))));
            check("group", What::Group, None, Box::new(|| _ = group.wait()));
            check("permits", What::Permits(2), None, Box::new(|| drop(permits.acquire(2))));
            check("permits within", What::Permits(1), None, Box::new(|| drop(permits.acquire_within(1, end))));
            let condition = move || drop(changed.wait_while_within(own.lock().unwrap(), |()| true, end));
            check("condition", What::Condition, None, Box::new(condition));
            check("token", What::Token, None, Box::new(|| _ = end.wait(Limit::NEVER)));
            check("sleep", What::Sleep, None, Box::new(|| _ = end.sleep(Duration::MAX)));
            check(
                "watcher",
                What::Cell,
                None,
                Box::new(|| assert_eq!(empty.wait_within(end), Err(Stopped::Cancelled))),
            );
            let line = line!() + 1;
            cell.get_or_init(|| {
                check("candidate", What::Cell, Some(line), Box::new(|| assert_eq!(cell.get_or_init(|| 2), &1)));
                1
            });
            #[cfg(feature = "crossbeam-channel")]
            let (values, room) = (crossbeam_channel::bounded::<u8>(0), crossbeam_channel::bounded::<u8>(0));
            #[cfg(feature = "crossbeam-channel")]
            {
                use raddle::{RecvWithin, SendWithin};
                let (receiver, sender) = (values.1.clone(), room.0.clone());
                check("receive", What::Receive, None, Box::new(move || _ = receiver.recv_within(end)));
                check("send", What::Send, None, Box::new(move || _ = sender.send_within(1, end)));
            }
            let says = What::Other("an answer".into());
            let answer = move || {
                let _note = waiting_for("an answer");
                _ = token.wait(Limit::NEVER);
            };
            check("note", says, None, Box::new(answer));
            drop((guard, write, worker));
            permits.add_permits(2);
            end.cancel();
            token.cancel();
            threads_of.into_iter().for_each(|thread| thread.join().unwrap());
        });
        let mine = |wait: &Wait| wait.thread_name().is_some_and(|name| name.starts_with("every_kind"));
        assert!(!waits().iter().any(mine));
    });
}

/// Fails if what a holder itself waits for is not shown, or not for how long, or if the longest wait does not come first.
#[test]
fn a_chain() {
    watched(|_| {
        let locks = [1, 2].map(|id| OrderedMutex::new(id, ()));
        let [low, high] = &locks;
        thread::scope(|threads| {
            let guard = high.lock().unwrap();
            let middle = named(threads, "a_chain: middle", || drop((low.lock().unwrap(), high.lock().unwrap())));
            wait_of("a_chain: middle");
            let last = named(threads, "a_chain: last", || drop(low.lock_within(Duration::from_secs(3600)).unwrap()));
            let wait = wait_of("a_chain: last");
            assert!(wait.is_limited() && wait.until().is_some());
            let [holder] = wait.holders() else { panic!("{wait:?}") };
            assert_eq!(holder.thread_name(), Some("a_chain: middle"));
            assert_eq!(holder.waits_for(), Some(&What::Lock(high.id())));
            let mut both = waits();
            both.retain(|wait| wait.thread_name().is_some_and(|name| name.starts_with("a_chain")));
            let names: Vec<_> = both.iter().filter_map(Wait::thread_name).collect();
            assert_eq!(names, ["a_chain: middle", "a_chain: last"]);
            let text = both.to_string();
            assert!(text.contains("which waits for lock 2") && text.contains("which runs"), "{text}");
            assert!(both.longer_than(Duration::from_secs(3600)).is_empty());
            drop(guard);
            middle.join().unwrap();
            last.join().unwrap();
        });
    });
}

/// Fails if of a set that a thread holds not every lock is seen to be held, be it small or large, by a thread that sleeps or that runs.
#[test]
fn every_lock_of_a_set() {
    watched(|_| {
        for (len, asleep) in [(1, false), (2, false), (3, false), (8, false), (8, true), (32, false), (40, true)] {
            let locks: Vec<_> = (0..len).map(|id| OrderedMutex::new(id, ())).collect();
            let last = OrderedMutex::new(len, ());
            let (locks, last) = (&locks, &last);
            // Miri takes a second for each.
            for wanted in (0..len as usize).filter(|wanted| !cfg!(miri) || [0, len as usize - 1].contains(wanted)) {
                let name = format!("every_lock {len} {wanted}");
                let [holder, waiter] = ["holder", "waiter"].map(|who| format!("{name} {who}"));
                let (go, barrier) = (CancelToken::new(), CancelToken::new());
                thread::scope(|threads| {
                    let guard = last.lock().unwrap();
                    let holds = named(threads, &holder, || {
                        let held = lock_all(locks.iter().collect::<Vec<_>>()).unwrap();
                        barrier.cancel();
                        if asleep {
                            drop(last.lock().unwrap());
                        } else {
                            while !go.is_cancelled() {
                                thread::yield_now();
                            }
                        }
                        drop(held);
                    });
                    barrier.wait(Limit::NEVER).unwrap();
                    if asleep {
                        wait_of(&holder);
                    }
                    let waits = named(threads, &waiter, || drop(locks[wanted].lock().unwrap()));
                    let wait = wait_of(&waiter);
                    let [held] = wait.holders() else { panic!("{name}, {asleep}: {wait:?}") };
                    assert_eq!((held.thread_name(), held.waits_for().is_some()), (Some(&*holder), asleep));
                    drop(guard);
                    go.cancel();
                    holds.join().unwrap();
                    waits.join().unwrap();
                });
            }
        }
    });
}

/// Fails if the error of a limit does not say which lock it was, and who holds it since when.
#[test]
fn a_limit_names_the_lock_and_its_holder() {
    watched(|_| {
        let lock = OrderedMutex::new(7, ());
        let (held, go) = (CancelToken::new(), CancelToken::new());
        let (lock, held, go) = (&lock, &held, &go);
        thread::scope(|threads| {
            let holder = named(threads, "the holder", move || {
                let guard = lock.lock().unwrap();
                held.cancel();
                go.wait(Limit::NEVER).unwrap();
                drop(guard);
            });
            held.wait(Limit::NEVER).unwrap();
            let error = lock.lock_within(Duration::from_millis(1)).unwrap_err();
            let LockError::Stopped { why: Stopped::TimedOut, id, holder: Some(by), .. } = &error else {
                panic!("{error:?}")
            };
            assert_eq!((*id, by.thread_name(), by.place().file()), (Some(lock.id()), Some("the holder"), file!()));
            let text = error.to_string();
            assert!(
                text.starts_with("lock 7 not acquired: ")
                    && text.contains("; it was held by thread 'the holder' since "),
                "{text}"
            );
            go.cancel();
            holder.join().unwrap();
        });
    });
}

/// Fails if a snapshot hangs or fails in a panic hook, in the destructor of a thread-local, or while the thread holds locks.
#[test]
fn from_anywhere() {
    struct Looks;
    impl Drop for Looks {
        fn drop(&mut self) {
            drop(waits());
        }
    }
    thread_local! {
        static LOOKS: Looks = const { Looks };
    }

    watched(|_| {
        let lock = OrderedMutex::new(1, ());
        let thread = thread::spawn(|| LOOKS.with(|_| drop(OrderedMutex::new(1, ()).lock().unwrap())));
        thread.join().unwrap();
        let guard = lock.lock().unwrap();
        drop(waits());
        drop(guard);
        let looked = std::sync::Arc::new(AtomicBool::new(false));
        let hook = panic::take_hook();
        panic::set_hook({
            let looked = looked.clone();
            Box::new(move |panic| {
                if panic.payload().downcast_ref() == Some(&"from_anywhere") {
                    drop(waits());
                    looked.store(true, Relaxed);
                } else {
                    hook(panic);
                }
            })
        });
        let panicked = panic::catch_unwind(|| {
            let _guard = LOCK.lock().unwrap();
            panic!("from_anywhere");
        });
        assert!(panicked.is_err() && looked.load(Relaxed));
    });
    static LOCK: OrderedMutex<()> = OrderedMutex::new(1, ());
}

/// Fails if a snapshot hangs or finds garbage while many threads come, wait and go.
#[test]
fn while_threads_come_and_go() {
    watched(|_| {
        let (threads_at_once, rounds) = if cfg!(miri) { (3, 5) } else { (16, 500) };
        let locks: Vec<_> = (0..4).map(|id| OrderedMutex::new(id, 0_u64)).collect();
        let (locks, over) = (&locks, &CancelToken::new());
        thread::scope(|threads| {
            let looks = threads.spawn(|| {
                let mut seen = 0;
                while !over.is_cancelled() {
                    for wait in &waits() {
                        for holder in wait.holders() {
                            assert!(!holder.place().file().is_empty());
                            seen += 1;
                        }
                    }
                }
                seen
            });
            let work: Vec<_> = (0..threads_at_once)
                .map(|at| {
                    threads.spawn(move || {
                        for round in 0..rounds {
                            let [a, b] = [(at + round) % 4, (at + round / 3 + 1) % 4];
                            if a != b {
                                let mut both = lock_all((&locks[a], &locks[b])).unwrap();
                                *both.split_mut().0 += 1;
                                thread::yield_now();
                            }
                            if round % 100 == 0 {
                                thread::scope(|threads| {
                                    threads.spawn(|| drop(lock_all(locks.iter().collect::<Vec<_>>()))).join().unwrap();
                                });
                            }
                        }
                    })
                })
                .collect();
            work.into_iter().for_each(|thread| thread.join().unwrap());
            over.cancel();
            looks.join().unwrap();
        });
    });
}

/// Fails if what a thread holds is read as if it slept, while it has a note and runs on: its list grows, and what it had is freed.
#[test]
fn a_note_of_a_thread_that_runs_on() {
    watched(|_| {
        let rounds = if cfg!(miri) { 3 } else { 3_000 };
        let locks: Vec<_> = (1..=48).map(|id| OrderedMutex::new(id, ())).collect();
        let (low, over) = (OrderedMutex::new(0, ()), CancelToken::new());
        thread::scope(|threads| {
            for _ in 0..2 {
                threads.spawn(|| {
                    while !over.is_cancelled() {
                        drop(waits());
                    }
                });
            }
            let _over = over.cancel_on_drop();
            let _held = low.lock().unwrap();
            let _note = waiting_for("a_note_of_a_thread_that_runs_on");
            for _ in 0..rounds {
                drop(lock_all(locks.iter().collect::<Vec<_>>()).unwrap());
                drop(locks.iter().map(|lock| lock.lock().unwrap()).collect::<Vec<_>>());
            }
        });
    });
}

/// Fails if the record of a note that was forgotten leads to what its thread held, after that has ended; or if it is taken for one of
/// the thread that comes next, whose thread-locals are where those were.
#[test]
fn a_forgotten_note() {
    watched(|_| {
        static LOCK: OrderedMutex<()> = OrderedMutex::new(1, ());

        let forgets = Builder::new().name("a_forgotten_note".into()).spawn(|| {
            let _held = LOCK.lock().unwrap();
            std::mem::forget(waiting_for("for ever"));
        });
        forgets.unwrap().join().unwrap();
        let wait = wait_of("a_forgotten_note");
        assert_eq!((wait.what(), wait.holders().len()), (&What::Other("for ever".into()), 0));
        for round in 0..20 {
            let (held, go) = (CancelToken::new(), CancelToken::new());
            thread::scope(|threads| {
                threads.spawn(|| {
                    let _guard = LOCK.lock().unwrap();
                    held.cancel();
                    go.wait(Limit::NEVER).unwrap();
                });
                held.wait(Limit::NEVER).unwrap();
                let name = format!("a_forgotten_note {round}");
                named(threads, &name, || drop(LOCK.lock().unwrap()));
                let wait = wait_of(&name);
                go.cancel();
                let [holder] = wait.holders() else { panic!("{wait:?}") };
                assert!(!matches!(holder.waits_for(), Some(What::Other(_))), "{wait:?}");
            });
        }
    });
}

/// Fails if a holder that runs is shown with the place of something else that it acquires or releases meanwhile.
#[test]
fn a_holder_whose_list_moves() {
    watched(|_| {
        let [low, middle, high] = [1, 2, 3].map(|id| OrderedMutex::new(id, ()));
        let over = CancelToken::new();
        let (high, over) = (&high, &over);
        thread::scope(|threads| {
            let _low = low.lock().unwrap();
            let (held, line) = (high.lock().unwrap(), line!());
            let waiter = named(threads, "a_holder_whose_list_moves", || drop(high.lock().unwrap()));
            wait_of("a_holder_whose_list_moves");
            let looks = threads.spawn(move || {
                let mut seen = 0;
                for _ in 0..if cfg!(miri) { 5 } else { 3_000 } {
                    for holder in wait_of("a_holder_whose_list_moves").holders() {
                        assert_eq!(holder.place().line(), line);
                        seen += 1;
                    }
                }
                over.cancel();
                seen
            });
            while !over.is_cancelled() && !looks.is_finished() {
                drop(middle.try_lock().unwrap());
            }
            let seen = looks.join().unwrap();
            assert!(cfg!(miri) || seen > 0);
            drop(held);
            waiter.join().unwrap();
        });
    });
}

/// The line of a call is that of its caller, whatever stands between.
#[test]
fn a_note_tells_its_line() {
    let (_note, line) = (waiting_for("a_note_tells_its_line"), line!());
    let waits = waits();
    let mine = waits.iter().find(|wait| *wait.what() == What::Other("a_note_tells_its_line".into())).unwrap();
    assert_eq!((mine.place().line(), mine.thread()), (line, thread::current().id()));
    let _: &'static Location<'static> = mine.place();
}

/// Prints how long a snapshot takes with a thousand sleeping threads, of which each holds a lock.
#[test]
#[ignore = "a measurement: cargo test --release --test it -- --ignored --nocapture a_thousand_sleepers"]
fn a_thousand_sleepers() {
    const THREADS: u64 = 1000;

    let (locks, last) =
        ((0..THREADS).map(|id| OrderedMutex::new(id, ())).collect::<Vec<_>>(), OrderedMutex::new(THREADS, ()));
    thread::scope(|threads| {
        let guard = last.lock().unwrap();
        for lock in &locks {
            let last = &last;
            threads.spawn(move || {
                let _held = lock.lock().unwrap();
                drop(last.lock().unwrap());
            });
        }
        while waits().len() < THREADS as usize {
            thread::sleep(Duration::from_millis(10));
        }
        let mut times: Vec<_> = (0..100)
            .map(|_| {
                let start = std::time::Instant::now();
                assert!(waits().len() >= THREADS as usize);
                start.elapsed()
            })
            .collect();
        times.sort_unstable();
        println!("waits() with {THREADS} threads asleep: median {:?}, longest {:?}", times[50], times[99]);
        drop(guard);
    });
}

/// Runs long: a million contended waits of 16 threads, or as many as `RADDLE_STRESS_WAITS` says, while another takes snapshots without
/// pause.
#[test]
#[ignore = "half a minute: cargo test --release --test it -- --ignored --nocapture a_million_waits"]
fn a_million_waits() {
    const THREADS: usize = if cfg!(miri) { 3 } else { 16 };

    let number = std::env::var("RADDLE_STRESS_WAITS").ok().map(|number| number.parse().expect("a number"));
    let number: u64 = number.unwrap_or(if cfg!(miri) { 30 } else { 1_000_000 });
    let (locks, over) = ([1, 2].map(|id| OrderedMutex::new(id, 0_u64)), CancelToken::new());
    let (mut looks, mut seen) = (0_u64, 0_u64);
    let waited = std::sync::atomic::AtomicU64::new(0);
    thread::scope(|threads| {
        for _ in 0..THREADS {
            threads.spawn(|| {
                while waited.load(Relaxed) < number {
                    // Taken by another: the next call waits.
                    let busy = locks[0].try_lock().is_err();
                    let mut both = lock_all((&locks[1], &locks[0])).unwrap();
                    *both.split_mut().0 += 1;
                    thread::yield_now();
                    drop(both);
                    waited.fetch_add(busy.into(), Relaxed);
                }
                over.cancel();
            });
        }
        while !over.is_cancelled() {
            looks += 1;
            seen += waits().iter().map(|wait| wait.holders().len() as u64).sum::<u64>();
        }
    });
    println!("{} contended waits, {looks} snapshots, {seen} holders seen", waited.into_inner());
}

/// Fails if a forked child takes the threads that waited in its parent for its own, or changes what is on their stacks.
#[test]
#[cfg(all(target_os = "linux", not(miri)))]
fn in_a_forked_child() {
    crate::alone("waits::in_a_forked_child_alone");
}

#[test]
#[ignore = "run by the test above"]
#[cfg(all(target_os = "linux", not(miri)))]
fn in_a_forked_child_alone() {
    use nix::sys::wait::{WaitStatus, waitpid};
    use nix::unistd::{ForkResult, fork};

    let lock = OrderedMutex::new(1, ());
    thread::scope(|threads| {
        let (guard, note) = (lock.lock().unwrap(), waiting_for("the child"));
        let waiter = named(threads, "in_a_forked_child: waits", || drop(lock.lock().unwrap()));
        wait_of("in_a_forked_child: waits");
        // The thread is to be asleep.
        thread::sleep(Duration::from_millis(100));
        // SAFETY: the only other threads are the harness's, which waits for this one, and that, which sleeps.
        match unsafe { fork() }.unwrap() {
            ForkResult::Child => {
                let other = OrderedMutex::new(2, ());
                let alone = waits().is_empty();
                drop(note);
                // Sleeps, in a list of its own.
                let own = thread::scope(|threads| {
                    let guard = other.lock().unwrap();
                    let waiter = named(threads, "child", || drop(other.lock().unwrap()));
                    wait_of("child");
                    drop(guard);
                    waiter.join().is_ok()
                });
                // SAFETY: it ends the process, without what the parent would do at its end.
                unsafe { nix::libc::_exit(if alone && own { 0 } else { 1 }) }
            }
            ForkResult::Parent { child } => {
                assert_eq!(waitpid(child, None).unwrap(), WaitStatus::Exited(child, 0));
                assert_eq!(waits().iter().filter(|wait| *wait.what() != What::Sleep).count(), 2);
                drop(note);
                drop(guard);
                waiter.join().unwrap();
            }
        }
    });
}
