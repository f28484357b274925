//! Wakers that do what executors should not, and may: cancel, panic, or drop the future, when they are cloned, woken or dropped.

use std::mem::ManuallyDrop;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::task::{Poll, RawWaker, RawWakerVTable, Waker};

use raddle::{CancelToken, CancelledFutureOwned};

use super::callbacks::{Calls, expected};
use super::futures::{Count, READY, poll};
use super::{CANCELLED, LIVE, state};
use crate::lock::panics;
use crate::stress::watched;
use crate::thread;

/// What a waker does when something is done to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum When {
    Cloned,
    Woken,
    Dropped,
}

const ALWAYS: [When; 3] = [When::Cloned, When::Woken, When::Dropped];

struct Hook {
    when: When,
    does: Box<dyn Fn() + Send + Sync>,
}

impl Hook {
    fn happens(&self, what: When) {
        if self.when == what {
            (self.does)();
        }
    }

    fn waker(when: When, does: impl Fn() + Send + Sync + 'static) -> Waker {
        let hook = Arc::new(Hook { when, does: Box::new(does) });
        // SAFETY: the table's functions keep the contract, on a pointer from `Arc::into_raw`.
        unsafe { Waker::from_raw(RawWaker::new(Arc::into_raw(hook).cast(), &TABLE)) }
    }
}

static TABLE: RawWakerVTable = RawWakerVTable::new(
    |hook| {
        // SAFETY: one of the table's, which stays.
        let hook = ManuallyDrop::new(unsafe { Arc::<Hook>::from_raw(hook.cast()) });
        let clone = Arc::clone(&hook);
        hook.happens(When::Cloned);
        RawWaker::new(Arc::into_raw(clone).cast(), &TABLE)
    },
    |hook| {
        // SAFETY: one of the table's, which ends.
        let hook = unsafe { Arc::<Hook>::from_raw(hook.cast()) };
        hook.happens(When::Woken);
    },
    |hook| {
        // SAFETY: one of the table's, which stays.
        let hook = ManuallyDrop::new(unsafe { Arc::<Hook>::from_raw(hook.cast()) });
        hook.happens(When::Woken);
    },
    |hook| {
        // SAFETY: one of the table's, which ends.
        let hook = unsafe { Arc::<Hook>::from_raw(hook.cast()) };
        hook.happens(When::Dropped);
    },
);

type Future = Pin<Box<CancelledFutureOwned>>;

/// Fails if a waker is cloned, woken or dropped under a lock of the token: what it does there then waits for its own thread. Or if the end that
/// comes meanwhile is lost.
#[test]
fn wakers_that_cancel() {
    watched(|_| {
        for when in ALWAYS {
            let root = CancelToken::new();
            let token = root.child();
            let calls = Arc::new(AtomicUsize::new(0));
            let waker = Hook::waker(when, {
                let (root, token, calls) = (root.clone(), token.clone(), Arc::clone(&calls));
                move || {
                    calls.fetch_add(1, Relaxed);
                    drop(token.child());
                    token.on_cancel(|| ()).detach();
                    token.cancel();
                    root.cancel_with("from a waker");
                }
            });
            let (other, count) = Count::waker();
            let mut beside = Box::pin(token.clone().cancelled_owned());
            let mut future: Future = Box::pin(token.clone().cancelled_owned());
            assert_eq!(poll(beside.as_mut(), &other), Poll::Pending);
            match when {
                // It has ended by the time that the clone is enlisted.
                When::Cloned => assert_eq!(poll(future.as_mut(), &waker), READY),
                When::Woken => {
                    assert_eq!(poll(future.as_mut(), &waker), Poll::Pending);
                    token.cancel();
                }
                When::Dropped => {
                    assert_eq!(poll(future.as_mut(), &waker), Poll::Pending);
                    // The one that is replaced.
                    let _ = poll(future.as_mut(), &other);
                }
            }
            assert_eq!(poll(future.as_mut(), &waker), READY, "{when:?}");
            assert!(calls.load(Relaxed) >= 1 && count.get() >= 1, "{when:?}");
            assert_eq!((state(&token), state(&root)), (CANCELLED, CANCELLED));
        }
    });
}

/// The same while another waker is being replaced by this one.
#[test]
fn a_waker_that_cancels_as_it_replaces_another() {
    watched(|_| {
        for when in [When::Cloned, When::Dropped] {
            let token = CancelToken::new();
            let waker = Hook::waker(when, {
                let token = token.clone();
                move || token.cancel()
            });
            let (other, count) = Count::waker();
            let mut future: Future = Box::pin(token.clone().cancelled_owned());
            assert_eq!(poll(future.as_mut(), &other), Poll::Pending);
            let first = poll(future.as_mut(), &waker);
            // The old one was woken, and it was not replaced in vain.
            let expected = if when == When::Cloned { (READY, 1) } else { (Poll::Pending, 0) };
            assert_eq!((first, count.get()), expected, "{when:?}");
            drop(waker);
            assert_eq!((poll(future.as_mut(), &other), state(&token)), (READY, CANCELLED), "{when:?}");
        }
    });
}

/// Fails if a waker that panics leaves a lock held, keeps others from being woken, or has the future complete too early or never.
#[test]
fn wakers_that_panic() {
    watched(|_| {
        // When it is cloned: nothing has happened.
        let token = CancelToken::new();
        let (other, count) = Count::waker();
        let mut future: Future = Box::pin(token.clone().cancelled_owned());
        let waker = Hook::waker(When::Cloned, expected);
        panics(|| _ = poll(future.as_mut(), &waker));
        assert_eq!(poll(future.as_mut(), &other), Poll::Pending);
        panics(|| _ = poll(future.as_mut(), &waker));
        assert_eq!((state(&token), Arc::strong_count(&count)), (LIVE, 3), "the old one stays");
        token.cancel();
        assert_eq!((count.get(), poll(future.as_mut(), &waker)), (1, READY));

        // When it is woken: others are, too.
        let token = CancelToken::new();
        let (waker, calls) = (Hook::waker(When::Woken, expected), Calls::default());
        let mut futures = [(); 3].map(|()| Box::pin(token.clone().cancelled_owned()));
        for (future, waker) in futures.iter_mut().zip([&other, &waker, &other]) {
            assert_eq!(poll(future.as_mut(), waker), Poll::Pending);
        }
        token.on_cancel(calls.note("last")).detach();
        panics(|| token.cancel());
        assert_eq!((count.get(), calls.take()), (3, vec!["last"]));
        futures.iter_mut().for_each(|future| assert_eq!(poll(future.as_mut(), &other), READY));

        // When it is dropped: as it is replaced, with its future, with the end.
        let token = CancelToken::new();
        let waker = ManuallyDrop::new(Hook::waker(When::Dropped, expected));
        let mut future: Future = Box::pin(token.clone().cancelled_owned());
        assert_eq!(poll(future.as_mut(), &waker), Poll::Pending);
        panics(|| _ = poll(future.as_mut(), &other));
        assert_eq!((poll(future.as_mut(), &other), state(&token)), (Poll::Pending, LIVE));
        assert_eq!(poll(future.as_mut(), &waker), Poll::Pending);
        panics(|| drop(future));
        token.cancel();
        assert_eq!(count.get(), 3, "it was taken back");
        panics(|| drop(ManuallyDrop::into_inner(waker)));
    });
}

/// Fails if a waker cannot drop the future that it wakes, or another of the same token.
#[test]
fn a_waker_that_drops_futures() {
    watched(|_| {
        let token = CancelToken::new();
        let held: Arc<Mutex<Vec<Future>>> = Arc::default();
        let waker = Hook::waker(When::Woken, {
            let held = Arc::downgrade(&held);
            move || drop(held.upgrade().map(|held| std::mem::take(&mut *held.lock().unwrap())))
        });
        let (other, count) = Count::waker();
        let mut futures = [(); 3].map(|()| Box::pin(token.clone().cancelled_owned()));
        for (future, waker) in futures.iter_mut().zip([&other, &waker, &other]) {
            assert_eq!(poll(future.as_mut(), waker), Poll::Pending);
        }
        *held.lock().unwrap() = futures.into();
        token.cancel();
        assert_eq!(count.get(), 1, "the third was taken back before its turn");
        assert!(held.lock().unwrap().is_empty());
    });
}

/// Fails if a future cannot be dropped while its thread unwinds, or the wakers of a cancel there be woken.
#[test]
fn while_unwinding() {
    let token = CancelToken::new();
    let (waker, count) = Count::waker();
    let mut kept = Box::pin(token.clone().cancelled_owned());
    assert_eq!(poll(kept.as_mut(), &waker), Poll::Pending);
    let panicking = Hook::waker(When::Woken, || panic!("on purpose, while unwinding"));
    let mut other = Box::pin(token.clone().cancelled_owned());
    assert_eq!(poll(other.as_mut(), &panicking), Poll::Pending);
    let end = catch_unwind(AssertUnwindSafe(|| {
        let _stop = token.cancel_on_drop();
        let mut future = Box::pin(token.cancelled());
        assert_eq!(poll(future.as_mut(), &waker), Poll::Pending);
        expected();
    }));
    assert_eq!(end.unwrap_err().downcast_ref(), Some(&"expected"));
    assert_eq!((count.get(), Arc::strong_count(&count), poll(kept.as_mut(), &waker)), (1, 2, READY));
}

/// Fails if a waker that is replaced while its token is cancelled gets lost: the old one or the new one is woken.
#[test]
fn polled_again_while_the_token_is_cancelled() {
    watched(|roll| {
        for round in 0..if cfg!(miri) { 5 } else { 2_000 } {
            let token = CancelToken::new();
            let wakers = [(); 2].map(|()| Count::waker());
            let mut future = Box::pin(token.cancelled());
            assert_eq!(poll(future.as_mut(), &wakers[0].0), Poll::Pending);
            thread::scope(|threads| {
                roll.spawn(threads, format!("round {round}"), || {
                    (0..round % 50 * 4).for_each(|_| std::hint::spin_loop());
                    token.cancel();
                });
                let again = poll(future.as_mut(), &wakers[1].0);
                let woken = || wakers.each_ref().map(|(_, count)| count.get());
                match again {
                    // The new one is all there is.
                    Poll::Pending => {
                        while woken()[1] == 0 {
                            thread::yield_now();
                        }
                    }
                    end => assert_eq!(end, READY),
                }
            });
            let woken: usize = wakers.iter().map(|(_, count)| count.get()).sum();
            assert!(woken <= 1, "round {round}: {woken}");
            assert_eq!(poll(future.as_mut(), &wakers[0].0), READY);
        }
    });
}
