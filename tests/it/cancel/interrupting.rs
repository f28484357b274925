//! Interrupts of calls that block where no token reaches.

use std::cell::Cell;
use std::io::{self, Read};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use raddle::{CancelToken, Stopped, What};

use super::callbacks::{Calls, expected};
use super::{CANCELLED, state};
use crate::lock::panics;
use crate::stress::watched;
use crate::thread;
use crate::waits::{named, wait_of};

/// Fails if an interrupt is called though its token lives, or later, when the call is over; or if its captures stay.
#[test]
fn what_is_not_interrupted_keeps_its_interrupt() {
    let (token, calls) = (CancelToken::new(), Calls::default());
    assert_eq!(token.interrupting(calls.note("interrupt"), || calls.notes()), 1);
    assert_eq!(calls.notes(), 0);
    token.cancel();
    assert_eq!(calls.take(), [""; 0]);
    // The body may be anything, and borrow.
    let mut text = String::new();
    let token = CancelToken::new().child_within(Duration::from_secs(100_000));
    let len: Result<usize, ()> = token.interrupting(
        || (),
        || {
            text.push_str("body");
            Ok(text.len())
        },
    );
    assert_eq!((len, &*text), (Ok(4), "body"));
}

/// Fails if a token that has ended does not interrupt first, on the caller's thread, or not before the body, or leaves the body out.
#[test]
fn under_a_token_that_has_ended_the_interrupt_comes_first() {
    let root = CancelToken::new();
    let (cancelled, expired) = (root.child(), root.child_within(Duration::ZERO));
    cancelled.cancel();
    for token in [&cancelled, &expired, &expired.child()] {
        let calls = Calls::default();
        let end = token.interrupting(calls.note("interrupt"), || {
            calls.add("body");
            thread::current().id()
        });
        assert_eq!((end, calls.take()), (thread::current().id(), vec!["interrupt", "body"]));
        panics(|| token.interrupting(expected, || calls.add("not called")));
        assert_eq!(calls.take(), [""; 0]);
        panics(|| token.interrupting(calls.note("interrupt"), expected));
        assert_eq!(calls.take(), ["interrupt"]);
    }
}

/// Reads from a socket, as the example does.
fn read(mut stream: &TcpStream, token: &CancelToken) -> io::Result<String> {
    let mut answer = String::new();
    let interrupt = || drop(stream.shutdown(Shutdown::Both));
    let read = token.interrupting(interrupt, || stream.read_to_string(&mut answer));
    token.check()?;
    read.map(|_| answer)
}

/// Fails if a read from a socket sleeps through the cancel, the parent's, or the deadline.
#[test]
#[cfg_attr(miri, ignore = "has no sockets")]
fn a_read_from_a_socket() {
    watched(|roll| {
        let silent = TcpListener::bind("127.0.0.1:0").unwrap();
        let connect = || TcpStream::connect(silent.local_addr().unwrap()).unwrap();
        for above in [false, true] {
            let root = CancelToken::new();
            let token = root.child();
            thread::scope(|threads| {
                let stream = connect();
                let token = &token;
                let reader = roll.spawn(threads, "reader", move || read(&stream, token));
                if above {
                    root.cancel()
                } else {
                    token.cancel()
                }
                assert_eq!(reader.join().unwrap().unwrap_err().kind(), io::ErrorKind::Other);
            });
        }
        let soon = CancelToken::new().child_within(Duration::from_millis(20));
        assert_eq!(read(&connect(), &soon).unwrap_err().kind(), io::ErrorKind::TimedOut);
    });
}

/// A call that blocks until it is interrupted.
fn blocks(token: &CancelToken, begins: impl FnOnce()) -> Result<(), &'static str> {
    let (ended, end): (_, Receiver<()>) = channel();
    token.interrupting(
        || drop(ended),
        || {
            begins();
            end.recv().map_err(|_| "interrupted")
        },
    )
}

/// Fails if one of several calls under one token is not interrupted, or a call in the body of another is left out.
#[test]
fn several_at_once_and_one_in_another() {
    watched(|roll| {
        let root = CancelToken::new();
        let (begun, begins) = channel();
        thread::scope(|threads| {
            let calls = [root.clone(), root.child(), root.child().child()].map(|token| {
                let begun = begun.clone();
                roll.spawn(threads, "blocks", move || {
                    let inner = blocks(&token, || {
                        let inner = blocks(&token.child(), || begun.send(()).unwrap());
                        assert_eq!(inner, Err("interrupted"));
                    });
                    assert_eq!((inner, state(&token)), (Err("interrupted"), CANCELLED));
                })
            });
            (0..3).for_each(|_| begins.recv().unwrap());
            root.cancel();
            calls.into_iter().for_each(|call| call.join().unwrap());
        });
    });
}

/// Fails if a deadline does not interrupt, or only the first of those that it ends.
#[test]
fn at_a_deadline() {
    watched(|roll| {
        let root = CancelToken::new();
        for round in 0..if cfg!(miri) { 1 } else { 20 } {
            let soon = root.child_within(Duration::from_millis(5));
            let below = soon.child();
            thread::scope(|threads| {
                for token in [&soon, &soon, &below] {
                    roll.spawn(threads, format!("round {round}"), move || {
                        assert_eq!((blocks(token, || ()), token.check()), (Err("interrupted"), Err(Stopped::TimedOut)));
                    });
                }
            });
        }
    });
}

/// Fails if the call returns while its interrupt is running: that still uses what is the caller's.
#[test]
fn a_running_interrupt_is_waited_for() {
    watched(|roll| {
        for round in 0..if cfg!(miri) { 5 } else { 500 } {
            let token = CancelToken::new();
            thread::scope(|threads| {
                roll.spawn(threads, format!("round {round}, canceller"), || token.cancel());
                let (begun, ended) = (AtomicBool::new(false), Cell::new(0));
                let borrowed = &begun;
                let slot = Send(&ended);
                let interrupt = move || {
                    let slot = slot;
                    borrowed.store(true, Relaxed);
                    (0..round % 8).for_each(|_| thread::yield_now());
                    slot.0.set(slot.0.get() + 1);
                };
                token.interrupting(interrupt, || {
                    while round % 2 == 0 && !begun.load(Relaxed) {
                        thread::yield_now();
                    }
                });
                // Not an atomic: what the interrupt did is ordered before the return.
                assert_eq!(ended.get(), usize::from(begun.load(Relaxed)), "round {round}");
            });
        }
    });
}

/// Makes a cell that only one thread uses at a time one that may be sent to it.
struct Send<'a>(&'a Cell<usize>);
// SAFETY: the interrupt uses the cell before `interrupting` returns, and its caller after that.
unsafe impl std::marker::Send for Send<'_> {}

/// Fails if who waits for a running interrupt is not shown as such, or waits with another thing in hand; also where the body has panicked.
#[test]
fn who_waits_for_an_interrupt_is_shown() {
    watched(|_| {
        for (panics, name) in [(false, "waits_for_an_interrupt"), (true, "waits_for_an_interrupt, panicking")] {
            let token = &CancelToken::new();
            let (go, goes) = channel::<()>();
            let (begun, begins) = channel();
            let ended = &AtomicUsize::new(0);
            let (inside, is_inside) = channel();
            std::thread::scope(|threads| {
                let waits = named(threads, name, move || {
                    let begins = &begins;
                    let interrupt = move || {
                        begun.send(()).unwrap();
                        assert!(goes.recv().is_err());
                        ended.fetch_add(1, Relaxed);
                    };
                    let line = line!() + 2;
                    let end = catch_unwind(AssertUnwindSafe(|| {
                        token.interrupting(interrupt, || {
                            inside.send(()).unwrap();
                            begins.recv().unwrap();
                            if panics {
                                expected();
                            }
                        });
                    }));
                    assert_eq!((end.is_err(), ended.load(Relaxed)), (panics, 1));
                    line
                });
                // Earlier, its interrupt would be called before its body.
                is_inside.recv().unwrap();
                let canceller = named(threads, "canceller", || token.cancel());
                let wait = wait_of(name);
                assert_eq!((wait.what(), wait.place().file(), wait.holders().len()), (&What::Interrupt, file!(), 0));
                let text = raddle::waits().into_iter().filter(|wait| wait.thread_name() == Some(name));
                let text = text.collect::<raddle::Waits>().to_string();
                assert!(text.starts_with(&format!("thread '{name}' waits for {}, ", What::Interrupt)), "{text}");
                assert_eq!(ended.load(Relaxed), 0);
                drop(go);
                assert_eq!(waits.join().unwrap(), wait.place().line());
                canceller.join().unwrap();
            });
        }
    });
}

/// Fails if a body that panics leaves its interrupt behind, or an interrupt that panics ends more than itself.
#[test]
fn panics_of_the_body_and_of_the_interrupt() {
    watched(|roll| {
        let (token, calls) = (CancelToken::new(), Calls::default());
        panics(|| token.interrupting(calls.note("interrupt"), expected));
        assert_eq!(calls.notes(), 0);
        token.cancel();
        assert_eq!(calls.take(), [""; 0]);

        let token = CancelToken::new();
        let (begun, begins) = channel();
        thread::scope(|threads| {
            let call = roll.spawn(threads, "call", || {
                let (ended, end): (_, Receiver<()>) = channel();
                let interrupt = || {
                    let _ended = ended;
                    expected();
                };
                let body = || {
                    begun.send(()).unwrap();
                    end.recv().map_err(|_| "interrupted")
                };
                token.interrupting(interrupt, body)
            });
            begins.recv().unwrap();
            let _last = token.on_cancel(calls.note("last"));
            panics(|| token.cancel());
            assert_eq!((call.join().unwrap(), calls.take()), (Err("interrupted"), vec!["last"]));
        });
    });
}

/// Fails if a body cannot cancel its own token, be it by a guard as it unwinds.
#[test]
fn a_body_that_cancels_its_own_token() {
    watched(|_| {
        let (token, calls) = (CancelToken::new(), Calls::default());
        token.interrupting(calls.note("interrupt"), || {
            token.cancel();
            assert_eq!(calls.take(), ["interrupt"]);
        });
        let token = CancelToken::new();
        panics(|| {
            token.interrupting(calls.note("interrupt"), || {
                let _stop = token.cancel_on_drop();
                expected();
            });
        });
        assert_eq!(calls.take(), ["interrupt"]);
        // The call is all that holds on to the token.
        let token = CancelToken::new();
        let stop = token.cancel_on_drop();
        let child = token.child();
        drop(token);
        child.interrupting(calls.note("interrupt"), || drop(stop));
        assert_eq!(calls.take(), ["interrupt"]);
    });
}

/// Fails if an interrupt is called that was taken back, or not called that was not: each round has one of the two.
#[test]
fn a_call_that_ends_while_its_token_is_cancelled() {
    watched(|roll| {
        for round in 0..if cfg!(miri) { 5 } else { 1_000 } {
            let (token, count) = (CancelToken::new(), AtomicUsize::new(0));
            thread::scope(|threads| {
                roll.spawn(threads, format!("round {round}, canceller"), || {
                    (0..round % 50 * 20).for_each(|_| std::hint::spin_loop());
                    token.cancel();
                });
                for _ in 0..20 {
                    let before = count.load(Relaxed);
                    let ended = token.is_cancelled();
                    token.interrupting(|| _ = count.fetch_add(1, Relaxed), || ());
                    let calls = count.load(Relaxed) - before;
                    assert!(calls <= 1 && (calls == 1 || !ended), "round {round}: {calls}");
                    let after = count.load(Relaxed);
                    thread::yield_now();
                    assert_eq!(count.load(Relaxed), after, "round {round}: called afterwards");
                }
            });
        }
    });
}
