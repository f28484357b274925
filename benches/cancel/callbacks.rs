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
use std::hint::black_box;
use std::mem;
use std::pin::{Pin, pin};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, LazyLock, Mutex};
use std::task::{Context, Waker};
use std::thread;

use raddle::CancelToken;
use tokio_util::sync::CancellationToken;

use super::add;
use super::called::{Count, RADDLE, TOKIO, Who, add_calls, pending, raddle, tokio};
use crate::support::{Group, Role};

const AFTER_FUNC: Who = (Role::Peer, "after_func");
const RADDLE_WAKERS: Who = (Role::Ours, "raddle-wakers");

type Call = Box<dyn FnOnce() + Send>;

/// Calls its functions on a thread when it is cancelled.
#[derive(Default)]
struct AfterFunc(Mutex<(u64, HashMap<u64, Call>)>);

/// That thread. The main thread starts it: one that a worker starts would be pinned to its processor.
static THREAD: LazyLock<Sender<Call>> = LazyLock::new(|| {
    let (thread, calls) = channel::<Call>();
    thread::spawn(move || calls.iter().for_each(|call| call()));
    thread
});

impl AfterFunc {
    fn register(&self, call: impl FnOnce() + Send + 'static) -> u64 {
        let (next, functions) = &mut *self.0.lock().expect("no panic");
        *next += 1;
        functions.insert(*next, Box::new(call));
        *next
    }

    fn stop(&self, function: u64) -> bool {
        self.0.lock().expect("no panic").1.remove(&function).is_some()
    }

    fn cancel(&self) {
        let functions = mem::take(&mut self.0.lock().expect("no panic").1);
        functions.into_values().for_each(|call| THREAD.send(call).expect("it stands ready"));
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
            let functions = AfterFunc::default();
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
    LazyLock::force(&THREAD);
    let mut group = Group::new("cancel/callbacks", &["tokio", "after_func"]).in_turn();
    raddle(&mut group, CALLS);
    tokio(&mut group, CALLS);
    let (new, future, cancel) = (CancelToken::new, CancelToken::cancelled_owned, CancelToken::cancel);
    add_calls(&mut group, RADDLE_WAKERS, CALLS, new, move |token, count| pending(future(token.clone()), count), cancel);
    let register = |functions: &AfterFunc, count: &Arc<Count>| functions.register(count.call());
    add_calls(&mut group, AFTER_FUNC, CALLS, AfterFunc::default, register, AfterFunc::cancel);
    for ours in ["raddle", "raddle-wakers"] {
        group.goal(
            (ours, &CALLS.to_string()),
            &[("tokio", &CALLS.to_string()), ("after_func", &CALLS.to_string())],
            1.0,
        );
    }
    group
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
