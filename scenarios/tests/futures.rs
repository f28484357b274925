//! The futures of tokens under tokio: its timer, its blocking threads, its token, its shutdown; and under an executor made by hand.

use std::future::{Future, pending, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::mpsc::RecvTimeoutError;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use futures_util::stream::{FuturesUnordered, StreamExt};
use raddle::{CancelToken, Limit, Semaphore, Stopped, What, waits};
use tokio::runtime::{Builder, Runtime};
use tokio::select;
use tokio::sync::{mpsc, oneshot};
use tokio::task::{JoinSet, spawn_blocking, yield_now};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

/// Nothing should take this long.
const SEAT_BELT: Duration = Duration::from_secs(60);

/// Two threads for tasks.
fn runtime() -> Runtime {
    Builder::new_multi_thread().worker_threads(2).enable_time().build().unwrap()
}

/// Runs it on tokio, with a limit.
fn run<F: Future>(future: F) -> F::Output {
    runtime().block_on(async { timeout(SEAT_BELT, future).await.expect("it hangs") })
}

/// Whichever comes first ends a `select!`, and the other is dropped.
#[test]
fn select_against_a_sleep() {
    run(async {
        let token = CancelToken::new();
        let longer = async |token: &CancelToken| {
            select! {
                stopped = token.cancelled() => Some(stopped),
                () = sleep(2 * SEAT_BELT) => None,
            }
        };
        let cancel = async {
            yield_now().await;
            token.cancel_with("the client hung up");
        };
        assert_eq!(tokio::join!(longer(&token), cancel).0, Some(Stopped::Cancelled));
        assert_eq!(longer(&token).await, Some(Stopped::Cancelled)); // at once

        let token = CancelToken::new();
        let shorter = select! {
            stopped = token.cancelled() => Some(stopped),
            () = sleep(Duration::from_millis(5)) => None,
        };
        assert_eq!(shorter, None);
        token.cancel(); // nobody is left to wake
    });
}

/// In a loop, one future for all rounds: it is polled again by each `select!`.
#[test]
fn one_future_for_a_loop() {
    run(async {
        let (token, (letters, mut mail)) = (CancelToken::new(), mpsc::channel(1));
        let reader = tokio::spawn({
            let token = token.clone();
            async move {
                let (mut cancelled, mut read) = (pin!(token.cancelled()), 0);
                loop {
                    select! {
                        biased;
                        letter = mail.recv() => read += letter.unwrap_or(0),
                        stopped = &mut cancelled => return (stopped, read),
                    }
                }
            }
        });
        for letter in 0..100 {
            letters.send(letter).await.unwrap();
        }
        token.cancel();
        assert_eq!(reader.await.unwrap(), (Stopped::Cancelled, 4950));
    });
}

/// Until a thread waits for so many permits.
fn until_waits(permits: usize) {
    let begun = Instant::now();
    while !waits().iter().any(|wait| matches!(wait.what(), What::Permits(wanted) if *wanted == permits)) {
        assert!(begun.elapsed() < SEAT_BELT);
        thread::yield_now();
    }
}

/// The same token ends the task and the thread that blocks for it.
#[test]
fn blocking_work_under_the_same_token() {
    run(async {
        let (request, permits) = (CancelToken::new(), Semaphore::new(0));
        let permits = Arc::new(permits);
        let work = spawn_blocking({
            let (request, permits) = (request.clone(), permits.clone());
            move || permits.acquire_within(7, &request).err()
        });
        let task = tokio::spawn(request.clone().cancelled_owned());
        spawn_blocking(|| until_waits(7)).await.unwrap();
        assert!(!task.is_finished());
        request.cancel();
        assert_eq!(work.await.unwrap(), Some(Stopped::Cancelled));
        assert_eq!(task.await.unwrap(), Stopped::Cancelled);
    });
}

/// A task that is aborted drops its future, and the guard in it cancels the work of a thread.
#[test]
fn aborted_tasks_cancel_their_threads() {
    run(async {
        let (request, (asleep, sleeps)) = (CancelToken::new(), oneshot::channel());
        let (end, ended) = oneshot::channel();
        let task = tokio::spawn(async move {
            let _gone = request.cancel_on_drop();
            let request = request.clone();
            spawn_blocking(move || {
                asleep.send(()).unwrap();
                end.send(request.sleep(2 * SEAT_BELT)).unwrap();
            })
            .await
        });
        sleeps.await.unwrap();
        task.abort();
        assert!(task.await.unwrap_err().is_cancelled());
        assert_eq!(ended.await.unwrap(), Err(Stopped::Cancelled));
    });
}

/// Both ways at once, which is no circle: a cancelled token is not cancelled again.
#[test]
fn bridges_to_tokio_util() {
    /// Cancelling `theirs` cancels `ours`. Ends with either.
    async fn into_ours(theirs: CancellationToken, ours: CancelToken) {
        select! {
            () = theirs.cancelled() => ours.cancel_with("tokio's token"),
            _ = ours.cancelled() => {}
        }
    }

    run(async {
        // Theirs cancels ours: and with it a thread.
        let (theirs, ours) = (CancellationToken::new(), CancelToken::new());
        let bridge = tokio::spawn(into_ours(theirs.clone(), ours.clone()));
        let thread = spawn_blocking({
            let ours = ours.clone();
            move || ours.wait(SEAT_BELT)
        });
        theirs.cancel();
        assert_eq!(thread.await.unwrap(), Ok(()));
        assert_eq!(ours.cause().unwrap().to_string(), "tokio's token");
        bridge.await.unwrap();

        // The bridge ends with ours as well, and leaves theirs alone.
        let (theirs, ours) = (CancellationToken::new(), CancelToken::new());
        let bridge = tokio::spawn(into_ours(theirs.clone(), ours.clone()));
        ours.cancel();
        bridge.await.unwrap();
        assert!(!theirs.is_cancelled());

        // Ours cancels theirs: no task is needed.
        let (theirs, ours) = (CancellationToken::new(), CancelToken::new());
        let task = tokio::spawn(theirs.clone().cancelled_owned());
        let bridge = ours.on_cancel({
            let theirs = theirs.clone();
            move || theirs.cancel()
        });
        ours.cancel();
        task.await.unwrap();
        drop(bridge);

        // Taken back.
        let (theirs, ours) = (CancellationToken::new(), CancelToken::new());
        let bridge = ours.on_cancel({
            let theirs = theirs.clone();
            move || theirs.cancel()
        });
        assert!(bridge.take_back());
        ours.cancel();
        assert!(!theirs.is_cancelled());

        // Both ways, begun at either end.
        for begins_with_ours in [false, true] {
            let (theirs, ours) = (CancellationToken::new(), CancelToken::new());
            let there = tokio::spawn(into_ours(theirs.clone(), ours.clone()));
            let back = theirs.clone();
            ours.on_cancel(move || back.cancel()).detach();
            if begins_with_ours {
                ours.cancel()
            } else {
                theirs.cancel()
            }
            there.await.unwrap();
            assert!(theirs.is_cancelled() && ours.is_cancelled());
        }
    });
}

/// No timer of tokio's is needed.
#[test]
fn deadlines_complete_it() {
    let (end, ends) = std::sync::mpsc::channel::<()>();
    let test = thread::spawn(move || {
        let _end = end;
        deadlines_without_a_timer();
    });
    assert_eq!(ends.recv_timeout(SEAT_BELT), Err(RecvTimeoutError::Disconnected), "it hangs");
    test.join().unwrap();
}

fn deadlines_without_a_timer() {
    let runtime = Builder::new_current_thread().build().unwrap();
    let within = Duration::from_millis(20);
    let begun = Instant::now();
    let page = CancelToken::new().child_within_because(within, "the page's 20 ms");
    assert_eq!(runtime.block_on(page.cancelled()), Stopped::TimedOut);
    assert!(begun.elapsed() >= within);
    assert_eq!(page.cause().unwrap().to_string(), "the page's 20 ms");
    assert_eq!(runtime.block_on(page.child().cancelled_owned()), Stopped::TimedOut);

    // The cancel comes first.
    let page = CancelToken::new().child_within(2 * SEAT_BELT);
    thread::scope(|threads| {
        threads.spawn(|| page.cancel());
        assert_eq!(runtime.block_on(page.cancelled()), Stopped::Cancelled);
    });
}

/// Counts how often it is woken.
#[derive(Default)]
struct Woken(AtomicUsize);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Relaxed);
    }
}

/// An executor of a few lines: it polls, and sleeps until it is woken.
#[test]
fn hand_made_executor() {
    struct Unpark(Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    fn block_on<F: Future>(future: F) -> F::Output {
        let (waker, mut future) = (Waker::from(Arc::new(Unpark(thread::current()))), pin!(future));
        loop {
            match future.as_mut().poll(&mut Context::from_waker(&waker)) {
                Poll::Ready(output) => return output,
                Poll::Pending => thread::park_timeout(SEAT_BELT),
            }
        }
    }

    for _ in 0..1000 {
        let begun = Instant::now();
        let token = CancelToken::new();
        thread::scope(|threads| {
            threads.spawn(|| token.cancel_with("the client hung up"));
            assert_eq!(block_on(token.cancelled()), Stopped::Cancelled);
            assert_eq!(token.cause().unwrap().to_string(), "the client hung up");
        });
        assert!(begun.elapsed() < SEAT_BELT, "it was not woken");
    }
    let page = CancelToken::new().child_within(Duration::from_millis(5));
    assert_eq!(block_on(page.cancelled_owned()), Stopped::TimedOut);
}

/// A future goes from one task to another: only the waker of the last poll is woken, once.
#[test]
fn futures_that_move() {
    let token = CancelToken::new();
    let mut future = Box::pin(token.clone().cancelled_owned());
    let wakers = [(); 3].map(|()| Arc::new(Woken::default()));
    for woken in &wakers {
        let waker = Waker::from(woken.clone());
        assert!(future.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
    }
    token.cancel();
    assert_eq!(wakers.map(|woken| woken.0.load(Relaxed)), [0, 0, 1]);

    run(async {
        for _ in 0..100 {
            let token = CancelToken::new();
            let mut future = Box::pin(token.clone().cancelled_owned());
            // The first task polls it once, and hands it on.
            let first = tokio::spawn(async move {
                let polled = poll_fn(|context| Poll::Ready(future.as_mut().poll(context)));
                assert!(polled.await.is_pending());
                (future,)
            });
            let (handed,) = first.await.unwrap();
            let second = tokio::spawn(handed);
            let canceller = spawn_blocking(move || token.cancel()); // while the second may be polling it
            assert_eq!(second.await.unwrap(), Stopped::Cancelled);
            canceller.await.unwrap();
        }
    });
}

/// Many at once, of a tree of tokens: in one task, each with a waker of its own; and in as many tasks.
#[test]
fn many_futures_of_a_tree() {
    const MANY: usize = 1000;
    run(async {
        let service = CancelToken::new();
        let mut all: FuturesUnordered<_> = (0..MANY).map(|_| service.child().cancelled_owned()).collect();
        let canceller = service.clone();
        let mut tasks: JoinSet<_> = (0..MANY).map(|_| service.child().cancelled_owned()).collect();
        let canceller = spawn_blocking(move || canceller.cancel());
        for _ in 0..MANY {
            assert_eq!(all.next().await, Some(Stopped::Cancelled));
            assert_eq!(tasks.join_next().await.unwrap().unwrap(), Stopped::Cancelled);
        }
        assert_eq!(all.next().await, None);
        canceller.await.unwrap();
    });
}

/// A runtime that is shut down drops what was not awaited to the end. The token goes on.
#[test]
fn runtimes_that_shut_down() {
    let token = CancelToken::new();
    let runtime = runtime();
    let (polled, polls) = std::sync::mpsc::channel();
    for _ in 0..10 {
        let (token, polled) = (token.clone(), polled.clone());
        runtime.spawn(async move {
            let mut cancelled = pin!(token.cancelled());
            let first = poll_fn(|context| Poll::Ready(cancelled.as_mut().poll(context)));
            assert!(first.await.is_pending());
            polled.send(()).unwrap();
            select! {
                _ = cancelled => unreachable!("the runtime is gone"),
                () = pending() => {}
            }
        });
    }
    polls.iter().take(10).for_each(drop);
    drop(runtime);
    drop(polled);
    assert!(polls.recv().is_err(), "all tasks are dropped");
    token.cancel(); // wakes nobody
    assert!(token.wait(Limit::NEVER).is_ok());

    // And the other way round: cancelled as it shuts down.
    for _ in 0..20 {
        let (runtime, token) = (self::runtime(), CancelToken::new());
        for _ in 0..4 {
            runtime.spawn(token.clone().cancelled_owned());
        }
        thread::scope(|threads| {
            threads.spawn(|| token.cancel());
            drop(runtime);
        });
    }
}
