//! Tokens in async tasks. [`wakers`](super::wakers) has what wakers may do.

use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use raddle::{CancelToken, CancelledFutureOwned, Stopped};

use super::{CANCELLED, LIVE, state};
use crate::heap::heap_taken;
use crate::stress::watched;
use crate::thread::{self, Thread};

pub(super) const READY: Poll<Stopped> = Poll::Ready(Stopped::Cancelled);
const EXPIRED: Poll<Stopped> = Poll::Ready(Stopped::TimedOut);

/// Counts how often it was woken.
#[derive(Default)]
pub(super) struct Count(AtomicUsize);

impl Wake for Count {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Relaxed);
    }
}

impl Count {
    pub(super) fn waker() -> (Waker, Arc<Count>) {
        let count = Arc::<Count>::default();
        (Waker::from(Arc::clone(&count)), count)
    }

    pub(super) fn get(&self) -> usize {
        self.0.load(Relaxed)
    }
}

pub(super) fn poll(future: Pin<&mut impl Future<Output = Stopped>>, waker: &Waker) -> Poll<Stopped> {
    future.poll(&mut Context::from_waker(waker))
}

/// The simplest executor.
pub(super) fn block_on<F: Future>(future: F) -> F::Output {
    struct Unparks(Thread);
    impl Wake for Unparks {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = Waker::from(Arc::new(Unparks(thread::current())));
    let mut future = pin!(future);
    loop {
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(output) => return output,
            Poll::Pending => thread::park(),
        }
    }
}

#[test]
fn a_cancel_completes_both_kinds() {
    let (waker, count) = Count::waker();
    let token = CancelToken::new();
    let (mut polled, mut unpolled) = (pin!(token.cancelled()), pin!(token.cancelled()));
    let (mut owned, mut unpolled_owned) =
        (pin!(token.clone().cancelled_owned()), pin!(token.clone().cancelled_owned()));
    assert_eq!((poll(polled.as_mut(), &waker), poll(owned.as_mut(), &waker)), (Poll::Pending, Poll::Pending));
    assert_eq!(count.get(), 0);
    token.cancel();
    assert_eq!(count.get(), 2);
    // Fused: it completes as often as it is polled, without any waker.
    for _ in 0..3 {
        assert_eq!([poll(polled.as_mut(), &waker), poll(unpolled.as_mut(), Waker::noop())], [READY; 2]);
        assert_eq!([poll(owned.as_mut(), &waker), poll(unpolled_owned.as_mut(), Waker::noop())], [READY; 2]);
    }
    assert_eq!((count.get(), Arc::strong_count(&count)), (2, 2), "no waker is left");
}

#[test]
fn with_an_ancestor_whatever_is_dropped_between() {
    let (waker, count) = Count::waker();
    let root = CancelToken::new();
    let (child, middle) = (root.child(), root.child());
    let grandchild = middle.child();
    drop(middle);
    let (mut above, mut below, mut far) =
        (pin!(root.cancelled()), pin!(child.cancelled()), pin!(grandchild.cancelled()));
    assert_eq!(
        [poll(above.as_mut(), &waker), poll(below.as_mut(), &waker), poll(far.as_mut(), &waker)],
        [Poll::Pending; 3]
    );
    root.cancel();
    assert_eq!(count.get(), 3);
    assert_eq!([poll(above.as_mut(), &waker), poll(below.as_mut(), &waker), poll(far.as_mut(), &waker)], [READY; 3]);
}

#[test]
fn a_childs_cancel_completes_its_own_alone() {
    let (waker, count) = Count::waker();
    let root = CancelToken::new();
    let [first, second] = [root.child(), root.child()];
    let mut above = pin!(root.cancelled());
    for (child, woken) in [(&first, 1), (&second, 2)] {
        let mut below = pin!(child.cancelled());
        assert_eq!([poll(below.as_mut(), &waker), poll(above.as_mut(), &waker)], [Poll::Pending; 2]);
        child.cancel();
        assert_eq!((count.get(), state(&root)), (woken, LIVE));
        assert_eq!([poll(below.as_mut(), &waker), poll(above.as_mut(), &waker)], [READY, Poll::Pending]);
    }
    root.cancel();
    assert_eq!((count.get(), poll(above, &waker)), (3, READY));
}

#[test]
fn only_those_below_are_woken() {
    let (waker, count) = Count::waker();
    let root = CancelToken::new();
    let [token, beside] = [root.child(), root.child()];
    let [first, second] = [token.child(), token.child()];
    let [third, fourth] = [first.child(), first.child()];
    let fifth = third.child();
    let below = [&token, &first, &second, &third, &fourth, &fifth];
    let futures = |tokens: &[&CancelToken]| {
        Vec::from_iter(tokens.iter().map(|token| Box::pin((*token).clone().cancelled_owned())))
    };
    let polls = |futures: &mut Vec<Pin<Box<CancelledFutureOwned>>>, waker: &Waker| {
        Vec::from_iter(futures.iter_mut().map(|future| poll(future.as_mut(), waker)))
    };
    let (mut inside, mut outside) = (futures(&below), futures(&[&root, &beside]));
    assert_eq!(polls(&mut inside, &waker), [Poll::Pending; 6]);
    assert_eq!(polls(&mut outside, &waker), [Poll::Pending; 2]);
    token.cancel();
    assert_eq!((count.get(), below.map(state)), (6, [CANCELLED; 6]));
    assert_eq!(polls(&mut inside, &waker), [READY; 6]);
    assert_eq!(polls(&mut outside, &waker), [Poll::Pending; 2]);
    assert_eq!(count.get(), 6);
}

#[test]
fn of_a_token_that_has_ended() {
    let (waker, count) = Count::waker();
    let root = CancelToken::new();
    root.cancel();
    let expired = CancelToken::new().child_within(Duration::ZERO);
    for (token, end) in [(root.child(), READY), (root, READY), (expired.child(), EXPIRED), (expired, EXPIRED)] {
        assert_eq!(poll(pin!(token.cancelled()), &waker), end);
        assert_eq!(poll(pin!(token.cancelled_owned()), &waker), end);
    }
    assert_eq!((count.get(), Arc::strong_count(&count)), (0, 2), "no waker was kept");
}

/// Fails if a future that is dropped leaves its waker with the token, or an owned one its token.
#[test]
fn dropped_while_pending() {
    let (waker, count) = Count::waker();
    let value = Arc::new(());
    let root = CancelToken::new();
    let token = root.child_within_because(Duration::from_secs(100_000), super::Counted(Arc::clone(&value)));
    let mut borrowed = Box::pin(token.cancelled());
    let mut owned = Box::pin(token.clone().cancelled_owned());
    let unpolled = token.clone().cancelled_owned();
    assert_eq!([poll(borrowed.as_mut(), &waker), poll(owned.as_mut(), &waker)], [Poll::Pending; 2]);
    assert_eq!(Arc::strong_count(&count), 4);
    drop(borrowed);
    assert_eq!(Arc::strong_count(&count), 3);
    drop((token, unpolled));
    assert_eq!((Arc::strong_count(&count), Arc::strong_count(&value)), (3, 2), "the future has a handle");
    drop(owned);
    assert_eq!((Arc::strong_count(&count), Arc::strong_count(&value)), (2, 1));
    root.cancel();
    assert_eq!(count.get(), 0);
}

/// Fails if an owned future does not hold its token, or its end is lost with the other handles.
#[test]
fn an_owned_future_is_enough() {
    let (waker, count) = Count::waker();
    let root = CancelToken::new();
    let mut future = Box::pin(root.child().cancelled_owned());
    assert_eq!(poll(future.as_mut(), &waker), Poll::Pending);
    root.cancel();
    assert_eq!((count.get(), poll(future.as_mut(), &waker)), (1, READY));
    let text = format!("{:?}, {:?}", root.cancelled(), root.clone().cancelled_owned());
    let token = "CancelToken { cancelled: true, .. }";
    assert_eq!(text, format!("CancelledFuture({token}), CancelledFutureOwned({token})"));
}

/// Fails if another waker than that of the last poll is woken, or that more than once; or if the old one is kept.
#[test]
fn the_last_waker_is_woken_once() {
    let wakers = [(); 4].map(|()| Count::waker());
    let token = CancelToken::new();
    let mut future = pin!(token.cancelled());
    for (waker, count) in &wakers {
        for _ in 0..3 {
            assert_eq!(poll(future.as_mut(), waker), Poll::Pending);
            assert_eq!(Arc::strong_count(count), 3);
        }
    }
    // Back to one that it had.
    assert_eq!(poll(future.as_mut(), &wakers[1].0), Poll::Pending);
    assert_eq!(wakers.each_ref().map(|(_, count)| Arc::strong_count(count)), [2, 3, 2, 2]);
    token.cancel();
    token.cancel();
    assert_eq!(wakers.each_ref().map(|(_, count)| count.get()), [0, 1, 0, 0]);
    assert_eq!(poll(future, &wakers[2].0), READY);
    assert_eq!(wakers.each_ref().map(|(_, count)| Arc::strong_count(count)), [2; 4]);
}

/// Fails if a poll allocates, with the same waker or another.
#[test]
fn a_poll_takes_no_heap() {
    let token = CancelToken::new();
    let timed = token.child_within(Duration::from_secs(100_000));
    let [(one, _one), (other, _other)] = [(); 2].map(|()| Count::waker());
    // The first that waits so has the deadline watched.
    assert_eq!(poll(pin!(timed.cancelled()), &one), Poll::Pending);
    let taken = heap_taken(|| {
        for token in [&token, &timed] {
            let mut future = pin!(token.cancelled());
            for waker in [&one, &one, &other, &one] {
                assert_eq!(poll(future.as_mut(), waker), Poll::Pending);
            }
            assert_eq!(poll(pin!(token.clone().cancelled_owned()), &other), Poll::Pending);
        }
    });
    assert_eq!(taken, 0);
    token.cancel();
    assert_eq!(heap_taken(|| assert_eq!(poll(pin!(token.cancelled()), &one), READY)), 0);
}

/// Fails if a task sleeps through the end, whenever that comes.
#[test]
fn on_an_executor() {
    watched(|roll| {
        for round in 0..if cfg!(miri) { 5 } else { 1_000 } {
            let root = CancelToken::new();
            let child = root.child();
            thread::scope(|threads| {
                let spawn = |token: CancelToken| {
                    roll.spawn(threads, format!("round {round}"), move || block_on(token.cancelled_owned()))
                };
                let tasks = [spawn(root.clone()), spawn(child.clone()), spawn(CancelToken::any([&child, &root]))];
                (0..round % 50 * 40).for_each(|_| std::hint::spin_loop());
                root.cancel();
                assert_eq!(tasks.map(|task| task.join().unwrap()), [Stopped::Cancelled; 3]);
            });
        }
    });
}

/// Fails if a deadline does not wake tasks, its own token's or another's below, or says something else than a check.
#[test]
fn at_a_deadline() {
    watched(|_| {
        let root = CancelToken::new();
        let late = root.child_within(Duration::from_secs(100_000));
        let mut pending = pin!(late.cancelled());
        assert_eq!(poll(pending.as_mut(), Waker::noop()), Poll::Pending);
        for _ in 0..5 {
            let soon = root.child_within(Duration::from_millis(5));
            assert_eq!(block_on(soon.cancelled()), Stopped::TimedOut);
            assert_eq!(
                block_on(root.child_within(Duration::from_millis(5)).child().cancelled_owned()),
                Stopped::TimedOut
            );
            soon.cancel();
            assert_eq!(block_on(soon.cancelled()), Stopped::Cancelled, "as `check` says then");
        }
        assert_eq!(poll(pending, Waker::noop()), Poll::Pending);
    });
}

/// Runs a future until it or the token completes, as a task would; the token goes first.
async fn until_cancelled<F: Future>(token: &CancelToken, future: F) -> Result<F::Output, Stopped> {
    let (mut future, mut cancelled) = (pin!(future), pin!(token.cancelled()));
    std::future::poll_fn(|context| match cancelled.as_mut().poll(context) {
        Poll::Ready(stopped) => Poll::Ready(Err(stopped)),
        Poll::Pending => future.as_mut().poll(context).map(Ok),
    })
    .await
}

/// A future of another's beside a token: whichever comes first, and the other is not polled when the token has ended.
#[test]
fn beside_another_future() {
    let token = CancelToken::new();
    assert_eq!(block_on(until_cancelled(&token, async { 42 })), Ok(42));
    let (waker, count) = Count::waker();
    let mut context = Context::from_waker(&waker);
    let mut pending = pin!(until_cancelled(&token, std::future::pending::<()>()));
    assert!(pending.as_mut().poll(&mut context).is_pending());
    token.cancel();
    assert_eq!((count.get(), pending.poll(&mut context)), (1, Poll::Ready(Err(Stopped::Cancelled))));
    let polled = async { panic!("polled though the token has ended") };
    let end: Result<(), _> = block_on(until_cancelled(&token, polled));
    assert_eq!(end, Err(Stopped::Cancelled));
}

/// Fails if a future cannot be moved between threads from one poll to the next.
#[test]
fn polled_by_one_thread_after_another() {
    watched(|_| {
        let token = CancelToken::new();
        let (waker, count) = Count::waker();
        let mut future = Box::pin(token.clone().cancelled_owned());
        for _ in 0..3 {
            let waker = waker.clone();
            future = thread::spawn(move || {
                assert_eq!(poll(future.as_mut(), &waker), Poll::Pending);
                future
            })
            .join()
            .unwrap();
        }
        thread::spawn(move || token.cancel()).join().unwrap();
        assert_eq!((count.get(), poll(future.as_mut(), &waker)), (1, READY));
    });
}
