//! When a token's channel is seen to be closed, beside what the token itself says; and how late, at a deadline.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::mpsc::{Sender, channel};
use std::task::{Context, Poll, Wake, Waker};
use std::time::{Duration, Instant};
use std::{hint, io, io::Write};

use crossbeam_channel::Receiver;
use raddle::{CancelToken, Stopped};

use super::{LONG, is_open};
use crate::stress::watched;
use crate::thread;

/// Fails if a token says that it was cancelled, and the channel that is asked for then is open still.
#[test]
fn who_has_seen_the_cancel_finds_the_channel_closed() {
    const ROUNDS: usize = if cfg!(miri) { 10 } else { 1_000 };
    watched(|roll| {
        for round in 0..ROUNDS {
            let root = CancelToken::new();
            let tokens = [root.child_within(LONG), root.child(), root.clone()];
            let token = &tokens[round % 3];
            // Made before, by the cancel's time, or afterwards.
            let early = (round % 2 == 0).then(|| token.done().clone());
            let start = AtomicBool::new(false);
            thread::scope(|threads| {
                let (root, start) = (&root, &start);
                roll.spawn(threads, format!("round {round}"), move || {
                    start.store(true, Relaxed);
                    (0..round % 50 * 4).for_each(|_| hint::spin_loop());
                    root.cancel();
                });
                while !start.load(Relaxed) {
                    thread::yield_now();
                }
                while token.check().is_ok() {
                    hint::spin_loop();
                }
                assert!(!is_open(token.done()), "round {round}");
                assert!(early.is_none_or(|early| !is_open(&early)), "round {round}: closed for all");
            });
        }
    });
}

/// The same at a deadline.
#[test]
fn who_has_seen_the_deadline_finds_the_channel_closed() {
    const ROUNDS: u64 = if cfg!(miri) { 5 } else { 1_000 };
    watched(|_| {
        let root = CancelToken::new();
        for round in 0..ROUNDS {
            let soon = root.child_within(Duration::from_micros(round % 200));
            let below = soon.child();
            let token = if round % 3 == 0 { &below } else { &soon };
            let early = (round % 2 == 0).then(|| token.done().clone());
            while token.check().is_ok() {
                hint::spin_loop();
            }
            assert_eq!((is_open(token.done()), token.check()), (false, Err(Stopped::TimedOut)), "round {round}");
            assert!(early.is_none_or(|early| !is_open(&early)), "round {round}: closed for all");
        }
    });
}

/// Says when it was woken.
struct Woken(Sender<Instant>);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.send(Instant::now()).unwrap();
    }
}

/// Waits for a token's deadline; when it heard of it.
type Way = fn(&CancelToken) -> Instant;

/// How long after a deadline those hear of it who do not sleep under the token.
#[test]
#[ignore = "measures, in some 30 s: cargo test --release --all-features --test it -- --ignored seen::lag"]
fn lag() {
    const ROUNDS: usize = 2_000;
    let ways: [(&str, Way); 4] = [
        ("the channel, received from", |token| {
            assert!(token.done().recv().is_err());
            Instant::now()
        }),
        ("a clone of the channel, looked at", |token| {
            let clone: Receiver<_> = token.done().clone();
            while is_open(&clone) {
                hint::spin_loop();
            }
            Instant::now()
        }),
        ("a callback", |token| {
            let (called, calls) = channel();
            token.on_cancel(move || called.send(Instant::now()).unwrap()).detach();
            calls.recv().unwrap()
        }),
        ("a waker", |token| {
            let (woken, wakes) = channel();
            let waker = Waker::from(Arc::new(Woken(woken)));
            let mut future = Box::pin(token.cancelled());
            assert_eq!(future.as_mut().poll(&mut Context::from_waker(&waker)), Poll::Pending);
            wakes.recv().unwrap()
        }),
    ];
    let mut lags = ways.map(|_| Vec::with_capacity(ROUNDS));
    for _ in 0..ROUNDS {
        // In turn, so that what else the machine does meets all alike.
        for ((_, way), lags) in ways.iter().zip(&mut lags) {
            let end = Instant::now() + Duration::from_millis(3);
            let token = CancelToken::new().child_until(end);
            lags.push(way(&token) - end);
        }
    }
    for ((name, _), lags) in ways.iter().zip(&mut lags) {
        lags.sort_unstable();
        let [median, most, last] = [ROUNDS / 2, ROUNDS * 99 / 100, ROUNDS - 1].map(|at| lags[at]);
        io::stderr().write_all(format!("{name}: median {median:?}, 99 % {most:?}, all {last:?}\n").as_bytes()).unwrap();
    }
}
