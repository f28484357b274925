//! Cancels that call many: callbacks and wakers, beside tokio-util's wakers.

use std::future::Future;
use std::hint::spin_loop;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::task::{Context, Wake, Waker};
use std::time::{Duration, Instant};

use raddle::CancelToken;
use tokio_util::sync::CancellationToken;

use crate::support::{Group, Op, Role, Shape};

pub(crate) type Who = (Role, &'static str);

pub(crate) const RADDLE: Who = (Role::Ours, "raddle");
pub(crate) const TOKIO: Who = (Role::Peer, "tokio");
/// Counts its calls.
#[derive(Default)]
pub(crate) struct Count(AtomicU64);

impl Count {
    pub(crate) fn call(self: &Arc<Self>) -> impl FnOnce() + Send + use<> {
        let count = Arc::clone(self);
        move || _ = count.0.fetch_add(1, Relaxed)
    }
}

impl Wake for Count {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Relaxed);
    }
}

pub(crate) fn raddle(group: &mut Group, calls: u64) {
    add_calls(
        group,
        RADDLE,
        calls,
        CancelToken::new,
        |token, count| token.on_cancel(count.call()),
        CancelToken::cancel,
    );
}

pub(crate) fn tokio(group: &mut Group, calls: u64) {
    let (new, future, cancel) = (CancellationToken::new, CancellationToken::cancelled_owned, CancellationToken::cancel);
    add_calls(group, TOKIO, calls, new, move |token, count| pending(future(token.clone()), count), cancel);
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
    group.add(role, name, Shape::named(&calls.to_string(), 1), move || -> Op<Duration> {
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
