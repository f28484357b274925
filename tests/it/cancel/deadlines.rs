//! Callbacks at a deadline, and the thread that calls them.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use raddle::{CancelToken, Stopped};

use super::callbacks::{Calls, expected};
use super::hostile::AtEnd;
use super::uses::Panics;
use super::{CANCELLED, EXPIRED, LIVE, LONG, state};
#[cfg(all(target_os = "linux", not(miri)))]
use crate::heap::heap_kept;
use crate::stress::watched;
use crate::thread;

const SOON: Duration = Duration::from_millis(if cfg!(miri) { 50 } else { 5 });

/// Until a callback that is registered last was called at a deadline.
fn until_called(token: &CancelToken) {
    let (end, ends) = channel();
    token.on_cancel(move || end.send(()).unwrap()).detach();
    ends.recv().unwrap();
}

/// Fails if a deadline calls too early, twice, on the thread that registered, or what belongs to a token that has time left.
#[test]
fn a_deadline_calls_once() {
    watched(|_| {
        let (root, calls) = (CancelToken::new(), Calls::default());
        let late = root.child_within(LONG);
        let not_yet = late.on_cancel(calls.note("late"));
        for _ in 0..3 {
            let end = Instant::now() + SOON;
            let soon = root.child_until(end);
            let below = [soon.child(), soon.child_within(LONG), CancelToken::any([&late, &soon])];
            let (by, called) = channel();
            let first = soon.on_cancel(calls.note("soon"));
            let second = soon.on_cancel({
                let soon = soon.clone();
                move || by.send((thread::current().id(), Instant::now(), soon.check())).unwrap()
            });
            below.iter().for_each(|token| token.on_cancel(calls.note("below")).detach());
            // If the deadline has not come before, who registers calls nothing.
            let in_time = soon.check().is_ok();
            let (thread, at, check) = called.recv().unwrap();
            assert_eq!((check, at >= end), (EXPIRED, true));
            assert!(!in_time || thread != thread::current().id());
            // Those below have alarms of their own.
            while calls.notes() > 1 {
                thread::yield_now();
            }
            let mut order = calls.take();
            order.sort_unstable();
            assert_eq!(order, ["below", "below", "below", "soon"]);
            soon.cancel();
            assert!(!first.take_back() && !second.take_back());
            assert_eq!((calls.take(), state(&root), state(&below[0])), (vec![], LIVE, CANCELLED));
        }
        assert!(not_yet.take_back());
    });
}

/// Fails if a token whose other handles are gone is forgotten by its deadline while a callback is kept.
#[test]
fn a_callback_keeps_its_deadline() {
    watched(|_| {
        let (end, ends) = channel();
        let kept = CancelToken::new().child_within(SOON).child().on_cancel(move || end.send(()).unwrap());
        assert_eq!(ends.recv(), Ok(()));
        assert!(!kept.take_back());
        // A detached one goes with the last handle.
        let calls = Calls::default();
        CancelToken::new().child_within(LONG).on_cancel(calls.note("detached")).detach();
        assert_eq!((calls.take(), calls.notes()), (vec![], 0));
    });
}

/// Fails if a panic, of a callback or of what ends with its token, ends the thread: then no deadline is met any more.
#[test]
fn panics_end_neither_the_others_nor_the_thread() {
    watched(|_| {
        let (root, calls) = (CancelToken::new(), Calls::default());
        // They panic here if their deadline has come first.
        let drops = |own: (Option<CancelToken>, CancelToken)| _ = catch_unwind(|| drop(own));
        for round in 1..4 {
            let soon = root.child_within(round * SOON);
            let registered = catch_unwind(|| {
                soon.on_cancel(expected).detach();
                soon.on_cancel(calls.note("after one")).detach();
                soon.on_cancel(|| std::panic::resume_unwind(Box::new(Panics))).detach();
                soon.on_cancel(|| drop(AtEnd(expected))).detach();
            });
            let registered = registered.map_err(|payload| catch_unwind(AssertUnwindSafe(|| drop(payload))).is_err());
            while calls.notes() > 0 {
                thread::yield_now();
            }
            // If the deadline came first, a callback has panicked here.
            assert!(calls.take() == ["after one"] || registered.is_err());
            // Its last handle is dropped there, and with it a cause, what is detached, and a parent's.
            let parent = root.child();
            parent.on_cancel(captures(calls.note("not called"))).detach();
            let own = parent.child_within_because(SOON, "own");
            let (end, ends) = channel();
            let handle = own.clone();
            own.on_cancel(move || {
                drop(handle);
                end.send(()).unwrap();
            })
            .detach();
            drops((Some(own), parent));
            ends.recv().unwrap();
            let own = root.child_within_because(SOON, AtEnd(expected));
            let handle = own.clone();
            let (end, ends) = channel();
            own.on_cancel(move || {
                drop(handle);
                end.send(()).unwrap();
            })
            .detach();
            drops((None, own));
            ends.recv().unwrap();
        }
        until_called(&root.child_within(SOON));
        assert_eq!((calls.take(), calls.notes()), (vec![], 0));
    });
}

/// A callback whose drop panics.
fn captures(note: impl FnOnce() + Send + 'static) -> impl FnOnce() + Send + 'static {
    let panics = AtEnd(expected);
    move || {
        drop(panics);
        note();
    }
}

/// Fails if what a deadline calls cannot cancel, register, or set deadlines, which are met by the thread that it runs on.
#[test]
fn callbacks_at_a_deadline_that_use_the_tree() {
    watched(|_| {
        let (root, calls) = (CancelToken::new(), Calls::default());
        let soon = root.child_within(SOON);
        let (next, ends) = channel();
        root.on_cancel(calls.note("root")).detach();
        soon.on_cancel({
            let (soon, root, calls) = (soon.clone(), root.clone(), calls.clone());
            move || {
                assert_eq!(state(&soon.child()), EXPIRED);
                soon.on_cancel(calls.note("at once")).detach();
                assert_eq!(soon.sleep(LONG), Err(Stopped::TimedOut));
                let later = CancelToken::new().child_within(SOON);
                let watched = later.clone();
                later.on_cancel(move || next.send(watched.check()).unwrap()).detach();
                drop(later);
                soon.cancel();
                root.cancel_with("at a deadline");
            }
        })
        .detach();
        assert_eq!(ends.recv(), Ok(EXPIRED));
        assert_eq!((calls.take(), super::cause(&root).as_deref()), (vec!["at once", "root"], Some("at a deadline")));
    });
}

/// Fails if a callback is lost or called twice that is registered about when the deadline passes, while the token is cancelled.
#[test]
fn about_when_the_deadline_passes() {
    const ROUNDS: u32 = if cfg!(miri) { 5 } else { 1_000 };
    watched(|roll| {
        for round in 0..ROUNDS {
            let soon = CancelToken::new().child_within(Duration::from_micros(u64::from(round % 100)));
            let count = Arc::new(AtomicUsize::new(0));
            let counts = || {
                let count = Arc::clone(&count);
                move || _ = count.fetch_add(1, Relaxed)
            };
            let expected = 4 + usize::from(round % 3 == 0);
            thread::scope(|threads| {
                if round % 3 == 0 {
                    let (soon, counts) = (&soon, counts());
                    roll.spawn(threads, format!("round {round}"), move || {
                        soon.on_cancel(counts).detach();
                        soon.cancel();
                    });
                }
                soon.on_cancel(counts()).detach();
                let early = soon.on_cancel(counts());
                let kept = [soon.on_cancel(counts()), soon.child().on_cancel(counts())];
                count.fetch_add(usize::from(early.take_back()), Relaxed);
                while count.load(Relaxed) < expected {
                    thread::yield_now();
                }
                kept.into_iter().for_each(|kept| assert!(!kept.take_back()));
            });
            // The thread may still be about to drop what it has called.
            while Arc::strong_count(&count) > 1 {
                thread::yield_now();
            }
            assert_eq!(count.load(Relaxed), expected, "round {round}");
        }
    });
}

/// Fails if a token that ends while its alarm goes off is used after that, or its callback called twice, or lost and not dropped.
#[test]
fn dropped_while_the_alarm_goes_off() {
    const ROUNDS: u32 = if cfg!(miri) { 5 } else { 2_000 };
    watched(|_| {
        for round in 0..ROUNDS {
            let end = Instant::now() + Duration::from_micros(150);
            let count = Arc::new(AtomicUsize::new(0));
            let tokens = [(); 3].map(|()| {
                let token = CancelToken::new().child_until(end).child();
                let count = Arc::clone(&count);
                token.on_cancel(move || _ = count.fetch_add(1, Relaxed)).detach();
                token
            });
            while Instant::now() + Duration::from_micros(u64::from(round % 30)) < end {
                std::hint::spin_loop();
            }
            drop(tokens);
            while Arc::strong_count(&count) > 1 {
                thread::yield_now();
            }
            assert!(count.load(Relaxed) <= 3, "round {round}");
        }
    });
}

/// Fails if one of many that are due at one time is left out.
#[test]
fn many_at_one_time() {
    const MANY: usize = if cfg!(miri) { 20 } else { 2_000 };
    watched(|_| {
        let count = Arc::new(AtomicUsize::new(0));
        let (last, ends) = channel();
        let end = Instant::now() + SOON;
        let root = CancelToken::new();
        let kept = Vec::from_iter((0..MANY).map(|at| {
            let token = root.child_until(if at % 2 == 0 { end } else { end + Duration::from_micros(at as u64) });
            let (count, last) = (Arc::clone(&count), last.clone());
            token.on_cancel(move || {
                if count.fetch_add(1, Relaxed) + 1 == MANY {
                    last.send(()).unwrap();
                }
            })
        }));
        ends.recv().unwrap();
        assert_eq!(count.load(Relaxed), MANY);
        assert!(kept.into_iter().all(|kept| !kept.take_back()));
    });
}

/// Fails if the thread stays when nobody waits for a deadline any more: all were met, or cancelled, or are gone; or if it does not come again.
#[test]
#[cfg(all(target_os = "linux", not(miri)))]
fn the_thread_goes_with_the_last_deadline() {
    crate::alone("cancel::deadlines::the_thread_goes_with_the_last_deadline_alone");
}

#[test]
#[ignore = "run by the test above"]
#[cfg(all(target_os = "linux", not(miri)))]
fn the_thread_goes_with_the_last_deadline_alone() {
    use std::future::Future;
    use std::pin::pin;
    use std::task::{Context, Waker};

    use crate::threads;

    watched(move |_| {
        let before = threads();
        let until = |count| {
            while threads() != count {
                thread::yield_now();
            }
        };
        let root = CancelToken::new();
        // Neither a token without a deadline, nor one that nobody waits for so, nor what has passed needs it.
        let plain = root.on_cancel(|| ());
        let (late, over) = (root.child_within(LONG), root.child_within(Duration::ZERO));
        over.on_cancel(|| ()).detach();
        over.interrupting(|| (), || ());
        let mut unpolled = pin!(late.cancelled());
        assert_eq!(threads(), before);
        for round in 0..6 {
            let late = root.child_within(LONG);
            match round % 3 {
                0 => late.on_cancel(|| ()).detach(),
                1 => late.interrupting(|| (), || assert_eq!(threads(), before + 1)),
                _ => assert!(pin!(late.cancelled()).poll(&mut Context::from_waker(Waker::noop())).is_pending()),
            }
            assert_eq!(threads(), before + 1);
            if round < 3 {
                late.cancel()
            } else {
                drop(late)
            }
            until(before);
        }
        until_called(&root.child_within(SOON));
        until(before);
        assert!(unpolled.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
        assert_eq!(threads(), before + 1);
        root.cancel();
        until(before);
        drop(plain);
    });
}

/// Fails if the deadlines of what was registered and is gone are kept until they have passed.
#[test]
#[cfg(all(target_os = "linux", not(miri)))]
fn what_is_taken_back_leaves_no_heap() {
    crate::alone("cancel::deadlines::what_is_taken_back_leaves_no_heap_alone");
}

#[test]
#[ignore = "run by the test above"]
#[cfg(all(target_os = "linux", not(miri)))]
fn what_is_taken_back_leaves_no_heap_alone() {
    let root = CancelToken::new();
    let live = root.child_within(LONG);
    let _kept = live.on_cancel(|| ());
    let kept = heap_kept(|| {
        for _ in 0..1_000 {
            let late = root.child_within_because(LONG, "a cause");
            late.on_cancel(|| ()).detach();
            assert!(late.on_cancel(|| ()).take_back());
            late.interrupting(|| (), || ());
            assert!(live.on_cancel(|| ()).take_back());
        }
    });
    assert!(kept < 16_000, "{kept} bytes");
}

/// Fails if a forked child takes its parent's thread for its own: its deadlines, and those it inherited, then call nothing.
#[test]
#[cfg(all(target_os = "linux", not(miri)))]
fn in_a_forked_child() {
    crate::alone("cancel::deadlines::in_a_forked_child_alone");
}

#[test]
#[ignore = "run by the test above"]
#[cfg(all(target_os = "linux", not(miri)))]
fn in_a_forked_child_alone() {
    use nix::sys::wait::{WaitStatus, waitpid};
    use nix::unistd::{ForkResult, fork};

    const PATIENCE: Duration = Duration::from_secs(60);
    let root = CancelToken::new();
    let (late, soon) = (root.child_within(LONG), root.child_within(Duration::from_secs(1)));
    let calls = Calls::default();
    let kept = [&late, &soon, &root].map(|token| token.on_cancel(calls.note("inherited")));
    // SAFETY: the only other threads are the harness's, which waits for this one, and that of the deadlines, which sleeps.
    match unsafe { fork() }.unwrap() {
        ForkResult::Child => {
            let (end, ends) = channel();
            let register = |token: &CancelToken, name| {
                let end = end.clone();
                token.on_cancel(move || end.send(name).unwrap()).detach();
            };
            register(&soon, "soon");
            // Only if somebody has registered here in time.
            let in_time = soon.check().is_ok();
            let own = root.child_within(Duration::from_millis(20));
            register(&own, "own");
            let called = |_| ends.recv_timeout(PATIENCE).unwrap_or("nothing");
            let mut well = [(); 2].map(|()| called(()));
            well.sort_unstable();
            let (well, inherited) = (well == ["own", "soon"], calls.take());
            root.cancel();
            let rest = calls.take().len();
            let well =
                well && if in_time { (inherited.len(), rest) == (1, 2) } else { (inherited.len(), rest) == (0, 3) };
            drop((late, soon, own, root, kept));
            // SAFETY: it ends the process, without what the parent would do at its end.
            unsafe { nix::libc::_exit(if well { 0 } else { 1 }) }
        }
        ForkResult::Parent { child } => {
            assert_eq!(waitpid(child, None).unwrap(), WaitStatus::Exited(child, 0));
            // Registered before that of the child's end, and maybe called at this moment.
            while calls.notes() > 2 {
                thread::yield_now();
            }
            assert_eq!(calls.take(), ["inherited"]);
            drop(kept);
        }
    }
}

/// Fails if a deadline that cannot be watched is passed over in silence, tells another line than the caller's, or leaves something behind.
#[test]
#[cfg(all(target_os = "linux", not(miri)))]
fn where_the_system_gives_no_thread() {
    crate::alone("cancel::deadlines::where_the_system_gives_no_thread_alone");
}

#[test]
#[ignore = "run by the test above"]
#[cfg(all(target_os = "linux", not(miri)))]
fn where_the_system_gives_no_thread_alone() {
    use std::pin::pin;
    use std::task::Waker;

    static LINE: Mutex<Option<(String, u32)>> = Mutex::new(None);
    std::panic::set_hook(Box::new(|info| {
        let place = info.location().unwrap();
        *LINE.lock().unwrap() = Some((place.file().to_owned(), place.line()));
    }));
    let root = CancelToken::new();
    let (late, calls) = (root.child_within(LONG), Calls::default());
    crate::refuse_threads(true);
    let fails = |call: &mut dyn FnMut()| {
        let payload = catch_unwind(AssertUnwindSafe(call)).unwrap_err();
        (payload.downcast_ref::<String>().cloned(), LINE.lock().unwrap().take())
    };
    let told = [
        (fails(&mut || late.on_cancel(calls.note("not called")).detach()), Some(line!())),
        (fails(&mut || late.interrupting(calls.note("not called"), || calls.add("not called"))), Some(line!())),
        (fails(&mut || _ = super::futures::poll(pin!(late.cancelled()), Waker::noop())), None),
        #[cfg(feature = "crossbeam-channel")]
        (fails(&mut || _ = late.done()), Some(line!())),
    ];
    crate::refuse_threads(false);
    for ((text, place), line) in told {
        let text = text.expect("a text");
        assert!(text.starts_with("no thread for the deadlines of tokens: "), "{text}");
        let (file, at) = place.unwrap();
        assert!(line.is_none_or(|line| (&*file, at) == (file!(), line)), "{file}:{at}, not line {line:?}");
    }
    assert_eq!((calls.take(), calls.notes(), state(&late)), (vec![], 0, LIVE));
    // As soon as there are threads again, all is well.
    let _kept = late.on_cancel(calls.note("called"));
    watched(move |_| until_called(&CancelToken::new().child_within(SOON)));
    root.cancel();
    assert_eq!(calls.take(), ["called"]);
}
