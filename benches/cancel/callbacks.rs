//! What a cancel calls: callbacks and wakers of tasks.
//!
//! `tokio` has futures and no callbacks, so a waker stands for each callback there. `after_func` is as Go's `context.AfterFunc`: a
//! map under a mutex, whose functions a cancel has called on another thread; here one thread that stands ready, by a channel.
//!
//! # `cancel/register`
//! A callback is registered with a token and taken back, where so many others stay; a child of tokio's is made and dropped.
//!
//! # `cancel/callbacks`
//! A token with a thousand callbacks, or wakers, is cancelled. Only that is timed, until all were called, by two readings of the clock.
//!
//! # `cancel/future`
//! `cancelled()` of a token: `ready`, polled once, when that was cancelled; `dropped`, polled once and dropped; `cancelled`, a new token's
//! polled, cancelled, and polled again.
//!
//! # That the work is real
//! Every callback and waker counts, and the count is asserted. Each poll's answer is asserted.

use std::collections::HashMap;
use std::future::Future;
use std::hint::{black_box, spin_loop};
use std::mem;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex};
use std::task::{Context, Wake, Waker};
use std::thread;
use std::time::{Duration, Instant};

use raddle::CancelToken;
use tokio_util::sync::CancellationToken;

use super::{RADDLE, TOKIO, Who, add, alone};
use crate::support::{Group, Op, Role};

const AFTER_FUNC: Who = (Role::Peer, "after_func");
const RADDLE_WAKERS: Who = (Role::Ours, "raddle-wakers");

type Call = Box<dyn FnOnce() + Send>;

/// Calls its functions on a thread when it is cancelled.
struct AfterFunc {
    functions: Mutex<(u64, HashMap<u64, Call>)>,
    thread: Sender<Call>,
}

impl AfterFunc {
    fn new() -> Self {
        let (thread, calls) = channel::<Call>();
        // Ends with its sender.
        thread::spawn(move || calls.iter().for_each(|call| call()));
        Self { functions: Mutex::default(), thread }
    }

    fn register(&self, call: impl FnOnce() + Send + 'static) -> u64 {
        let (next, functions) = &mut *self.functions.lock().expect("no panic");
        *next += 1;
        functions.insert(*next, Box::new(call));
        *next
    }

    fn stop(&self, function: u64) -> bool {
        self.functions.lock().expect("no panic").1.remove(&function).is_some()
    }

    fn cancel(&self) {
        let functions = mem::take(&mut self.functions.lock().expect("no panic").1);
        functions.into_values().for_each(|call| self.thread.send(call).expect("it stands ready"));
    }
}

/// Counts its calls.
#[derive(Default)]
struct Count(AtomicU64);

impl Count {
    fn call(self: &Arc<Self>) -> impl FnOnce() + Send + use<> {
        let count = Arc::clone(self);
        move || _ = count.0.fetch_add(1, Relaxed)
    }
}

impl Wake for Count {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Relaxed);
    }
}

/// `cancel/register`.
pub(crate) fn register() -> Group {
    let mut group = Group::new("cancel/register", &["tokio", "after_func"]).in_turn();
    for (parameter, others) in [("alone", 0), ("1000 others", 1_000)] {
        let count = Arc::<Count>::default();
        let new = {
            let count = Arc::clone(&count);
            move || {
                let token = CancelToken::new();
                (0..others).for_each(|_| token.on_cancel(count.call()).detach());
                (token, Arc::clone(&count))
            }
        };
        add(&mut group, RADDLE, parameter, new, |(token, count)| assert!(token.on_cancel(count.call()).take_back()));
        let new = move || {
            let token = CancellationToken::new();
            (0..others).for_each(|_| mem::forget(token.child_token()));
            token
        };
        add(&mut group, TOKIO, parameter, new, |token| drop(black_box(token.child_token())));
        let new = move || {
            let functions = AfterFunc::new();
            (0..others).for_each(|_| _ = functions.register(count.call()));
            (functions, Arc::clone(&count))
        };
        add(&mut group, AFTER_FUNC, parameter, new, |(functions, count)| {
            assert!(functions.stop(functions.register(count.call())));
        });
        group.goal(("raddle", parameter), &[("tokio", parameter), ("after_func", parameter)], 1.0);
    }
    group
}

/// How many are called by one cancel.
const CALLS: u64 = 1_000;

/// `cancel/callbacks`.
pub(crate) fn callbacks() -> Group {
    let mut group = Group::new("cancel/callbacks", &["tokio", "after_func"]).in_turn();
    add_calls(
        &mut group,
        RADDLE,
        CALLS,
        CancelToken::new,
        |token, count| token.on_cancel(count.call()),
        CancelToken::cancel,
    );
    let (new, future, cancel) = (CancellationToken::new, CancellationToken::cancelled_owned, CancellationToken::cancel);
    add_calls(&mut group, TOKIO, CALLS, new, move |token, count| pending(future(token.clone()), count), cancel);
    let (new, future, cancel) = (CancelToken::new, CancelToken::cancelled_owned, CancelToken::cancel);
    add_calls(&mut group, RADDLE_WAKERS, CALLS, new, move |token, count| pending(future(token.clone()), count), cancel);
    let register = |functions: &AfterFunc, count: &Arc<Count>| functions.register(count.call());
    add_calls(&mut group, AFTER_FUNC, CALLS, AfterFunc::new, register, AfterFunc::cancel);
    for ours in ["raddle", "raddle-wakers"] {
        group.goal(
            (ours, &CALLS.to_string()),
            &[("tokio", &CALLS.to_string()), ("after_func", &CALLS.to_string())],
            1.0,
        );
    }
    group
}

/// Adds a benchmark of a cancel that has so many called, which are registered before.
pub(crate) fn add_calls<T: 'static, K>(
    group: &mut Group,
    (role, name): Who,
    calls: u64,
    new: fn() -> T,
    register: impl Fn(&T, &Arc<Count>) -> K + Copy + Send + Sync + 'static,
    cancel: fn(&T),
) {
    group.add(role, name, alone(&calls.to_string()), move || -> Op<Duration> {
        let round = move |_| {
            let (on, count) = (new(), Arc::<Count>::default());
            let registered: Vec<_> = (0..calls).map(|_| register(&on, &count)).collect();
            let start = Instant::now();
            cancel(&on);
            while count.0.load(Relaxed) != calls {
                spin_loop();
            }
            let time = start.elapsed();
            drop(registered);
            time
        };
        Box::new(move |_, iters| (0..iters).map(round).sum())
    });
}

/// A future that was polled, so that a waker of it is registered.
pub(crate) fn pending<F: Future>(future: F, count: &Arc<Count>) -> Pin<Box<F>> {
    let mut future = Box::pin(future);
    let waker = Waker::from(Arc::clone(count));
    assert!(future.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
    future
}

fn is_ready(future: Pin<&mut impl Future>) -> bool {
    future.poll(&mut Context::from_waker(Waker::noop())).is_ready()
}

/// `cancel/future`.
pub(crate) fn future() -> Group {
    let mut group = Group::new("cancel/future", &["tokio"]).in_turn();
    let cancelled = || {
        let token = CancelToken::new();
        token.cancel();
        token
    };
    add(&mut group, RADDLE, "ready", cancelled, |token| assert!(is_ready(pin!(token.cancelled()))));
    let cancelled = || {
        let token = CancellationToken::new();
        token.cancel();
        token
    };
    add(&mut group, TOKIO, "ready", cancelled, |token| assert!(is_ready(pin!(token.cancelled()))));
    add(&mut group, RADDLE, "dropped", CancelToken::new, |token| assert!(!is_ready(pin!(token.cancelled()))));
    add(&mut group, TOKIO, "dropped", CancellationToken::new, |token| assert!(!is_ready(pin!(token.cancelled()))));
    add(
        &mut group,
        RADDLE,
        "cancelled",
        || (),
        |()| {
            let token = black_box(CancelToken::new());
            let mut cancelled = pin!(token.cancelled());
            assert!(!is_ready(cancelled.as_mut()));
            token.cancel();
            assert!(is_ready(cancelled));
        },
    );
    add(
        &mut group,
        TOKIO,
        "cancelled",
        || (),
        |()| {
            let token = black_box(CancellationToken::new());
            let mut cancelled = pin!(token.cancelled());
            assert!(!is_ready(cancelled.as_mut()));
            token.cancel();
            assert!(is_ready(cancelled));
        },
    );
    for parameter in ["ready", "dropped", "cancelled"] {
        group.goal(("raddle", parameter), &[("tokio", parameter)], 1.0);
    }
    group
}
