//! Limits on channels, and a token's own channel.

mod seen;

use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, TryRecvError, bounded, select, unbounded};
use raddle::{CancelToken, Limit, RecvWithin, RecvWithinError, SendWithin, SendWithinError, Stopped};

#[cfg(all(target_os = "linux", not(miri)))]
use crate::heap::heap_kept;
use crate::stress::watched;
use crate::thread;

const LONG: Duration = Duration::from_secs(100_000);

fn is_open<T>(channel: &Receiver<T>) -> bool {
    matches!(channel.try_recv(), Err(TryRecvError::Empty))
}

/// Fails if two that both have a limit wait for each other without meeting.
#[test]
fn both_ends_of_a_channel_without_room_have_limits() {
    const VALUES: u32 = if cfg!(miri) { 5 } else { 100 };
    watched(|roll| {
        for limit in [Limit::NEVER, Limit::from(LONG), Limit::from(&CancelToken::new())] {
            let (sender, receiver) = bounded(0);
            thread::scope(|threads| {
                roll.spawn(threads, "sender", move || {
                    (0..VALUES).for_each(|value| sender.send_within(value, limit).unwrap());
                });
                (0..VALUES).for_each(|value| assert_eq!(receiver.recv_within(limit), Ok(value)));
                assert_eq!(receiver.recv_within(limit), Err(RecvWithinError::Disconnected));
            });
        }
    });
}

/// Fails if a value gets lost, or is given back and sent as well, when senders are cancelled while a receiver takes.
#[test]
fn every_value_is_received_or_given_back() {
    const ROUNDS: usize = if cfg!(miri) { 3 } else { 50 };
    const VALUES: u32 = if cfg!(miri) { 5 } else { 50 };
    // Fewer than are sent, in the last round too.
    const SOME: usize = if cfg!(miri) { 8 } else { 20 };
    watched(|roll| {
        for round in 0..ROUNDS {
            let (sender, receiver) = bounded(round % 3);
            let token = CancelToken::new();
            let (sent, mut received) = thread::scope(|threads| {
                let senders: Vec<_> = (0..4)
                    .map(|first| {
                        let (sender, token) = (sender.clone(), &token);
                        roll.spawn(threads, "sender", move || {
                            let values = (0..VALUES).map(|at| VALUES * first + at);
                            let refused = |value: &u32| match sender.send_within(*value, token) {
                                Ok(()) => true,
                                Err(error) => {
                                    assert_eq!(
                                        error,
                                        SendWithinError::Stopped { value: *value, why: Stopped::Cancelled }
                                    );
                                    false
                                }
                            };
                            values.filter(refused).collect::<Vec<u32>>()
                        })
                    })
                    .collect();
                drop(sender);
                let taken = roll.spawn(threads, "receiver", || receiver.iter().take(SOME + round).collect::<Vec<_>>());
                let mut received = taken.join().unwrap();
                token.cancel();
                let sent: Vec<_> = senders.into_iter().flat_map(|sender| sender.join().unwrap()).collect();
                received.extend(receiver.try_iter());
                (sent, received)
            });
            let mut sent = sent;
            sent.sort_unstable();
            received.sort_unstable();
            assert_eq!(sent, received, "round {round}");
        }
    });
}

/// Fails if an end that is gone is not told from a limit, or the value is not given back.
#[test]
fn who_is_gone_is_told_apart() {
    let (sender, receiver) = bounded(0);
    let cancelled = CancelToken::new();
    cancelled.cancel();
    drop(receiver);
    assert_eq!(sender.send_within("value", &cancelled), Err(SendWithinError::Disconnected("value")));
    assert_eq!(sender.send_within("value", Limit::NEVER).unwrap_err().into_inner(), "value");
    let (sender, receiver) = unbounded();
    sender.send(1).unwrap();
    drop(sender);
    assert_eq!(receiver.recv_within(&cancelled), Ok(1));
    assert_eq!(receiver.recv_within(&cancelled), Err(RecvWithinError::Disconnected));
}

/// Fails if an end that goes while the other sleeps is not noticed.
#[test]
fn who_goes_meanwhile_is_noticed() {
    watched(|roll| {
        for limit in [Limit::NEVER, Limit::from(&CancelToken::new())] {
            let (sender, receiver) = bounded::<u32>(0);
            thread::scope(|threads| {
                roll.spawn(threads, "sender", move || {
                    assert_eq!(sender.send_within(1, limit), Err(SendWithinError::Disconnected(1)));
                });
                roll.spawn(threads, "receiver", move || drop(receiver));
            });
            let (sender, receiver) = bounded::<u32>(0);
            thread::scope(|threads| {
                roll.spawn(threads, "receiver", move || {
                    assert_eq!(receiver.recv_within(limit), Err(RecvWithinError::Disconnected));
                });
                roll.spawn(threads, "sender", move || drop(sender));
            });
        }
    });
}

/// Fails if a token's channel closes too early, or not with the token, an ancestor, or a token that is cancelled already.
#[test]
fn a_tokens_channel_closes_when_it_is_cancelled() {
    let parent = CancelToken::new();
    let (child, sibling) = (parent.child_within(LONG), CancelToken::new());
    let (done, others) = (child.done().clone(), sibling.done());
    assert!(is_open(&done) && is_open(child.done()) && is_open(parent.done()));
    child.child().cancel();
    assert!(is_open(&done));
    parent.cancel();
    assert!(!is_open(&done) && !is_open(child.done()) && !is_open(parent.done()));
    assert!(is_open(others));
    assert!(!is_open(parent.child().done()));
    assert!(done.same_channel(child.done()));
}

/// Fails if a deadline closes the channel of another token, or too early, or never; or if the thread that watches deadlines
/// is not there again after it had nothing to do.
#[test]
fn a_tokens_channel_closes_at_its_deadline() {
    watched(|_| {
        let root = CancelToken::new();
        for _ in 0..3 {
            let late = root.child_within(LONG);
            let ends = Instant::now() + Duration::from_millis(5);
            let soon = root.child_until(ends);
            let (dropped, expired) = (soon.child(), root.child_within(Duration::ZERO));
            let _ = (late.done(), dropped.done(), soon.done());
            drop(dropped);
            assert!(!is_open(expired.done()));
            assert!(soon.done().recv().is_err());
            assert!(Instant::now() >= ends);
            assert!(is_open(late.done()) && is_open(root.done()));
        }
    });
}

/// Fails if the thread that watches deadlines sleeps past one that comes later and is earlier.
#[test]
fn a_deadline_is_met_before_others_that_are_watched_already() {
    watched(|_| {
        let root = CancelToken::new();
        let late = root.child_within(LONG);
        assert!(is_open(late.done()));
        for round in 0..100 {
            let soon = root.child_within(Duration::from_millis(1));
            let _ = soon.done();
            // By itself, or with another behind it.
            let later = (round % 2 == 0).then(|| root.child_within(2 * LONG));
            assert!(later.iter().all(|later| is_open(later.done())));
            assert!(soon.done().recv().is_err());
            assert!(is_open(late.done()));
        }
    });
}

/// Fails if the deadlines of tokens that are gone are kept until they have passed.
#[test]
#[cfg(all(target_os = "linux", not(miri)))]
fn deadlines_of_tokens_that_are_gone_are_forgotten() {
    // Other tests leave deadlines behind too, and this thread may sweep them out.
    crate::alone("channel::deadlines_of_tokens_that_are_gone_are_forgotten_alone");
}

#[test]
#[ignore = "run by the test above"]
#[cfg(all(target_os = "linux", not(miri)))]
fn deadlines_of_tokens_that_are_gone_are_forgotten_alone() {
    let root = CancelToken::new();
    // Without any, the thread that watches would come and go, and this one leave it some heap each time.
    for live in [1, 8] {
        let live: Vec<_> = (0..live).map(|_| root.child_within(LONG)).collect();
        assert!(live.iter().all(|token| is_open(token.done())));
        let kept = heap_kept(|| {
            for _ in 0..1_000 {
                assert!(is_open(root.child_within(LONG).done()));
            }
        });
        assert!(kept < 16_000, "{kept} bytes, beside {}", live.len());
    }
}

/// Fails if the heap of deadlines keeps the room that it once had.
#[test]
#[cfg(all(target_os = "linux", not(miri)))]
fn many_deadlines_at_once_leave_no_room_behind() {
    crate::alone("channel::many_deadlines_at_once_leave_no_room_behind_alone");
}

#[test]
#[ignore = "run by the test above"]
#[cfg(all(target_os = "linux", not(miri)))]
fn many_deadlines_at_once_leave_no_room_behind_alone() {
    const MANY: usize = 20_000;
    let root = CancelToken::new();
    let live = root.child_within(LONG);
    assert!(is_open(live.done()));
    let kept = heap_kept(|| {
        let many: Vec<_> = (0..MANY).map(|_| root.child_within(LONG)).collect();
        assert!(many.iter().all(|token| is_open(token.done())));
    });
    assert!(kept < 100_000, "{kept} bytes");
}

/// Fails if the thread that watches deadlines stays for a channel that is closed already, or comes for one.
#[test]
#[cfg(all(target_os = "linux", not(miri)))]
fn no_thread_watches_closed_channels() {
    // Other tests have deadlines too.
    crate::alone("channel::no_thread_watches_closed_channels_alone");
}

#[test]
#[ignore = "run by the test above"]
#[cfg(all(target_os = "linux", not(miri)))]
fn no_thread_watches_closed_channels_alone() {
    use crate::threads;

    watched(move |_| {
        let before = threads();
        let token = CancelToken::new().child_within(LONG);
        assert!(is_open(token.done()));
        assert_eq!(threads(), before + 1);
        token.cancel();
        while threads() != before {
            thread::yield_now();
        }
        assert!(!is_open(token.done()));
        assert_eq!(threads(), before);
    });
}

/// Fails if a forked child takes its parent's thread, or its parent's alarms, for its own.
#[test]
#[cfg(all(target_os = "linux", not(miri)))]
fn deadlines_in_a_forked_child() {
    // No other thread is to be in the middle of anything when it forks.
    crate::alone("channel::deadlines_in_a_forked_child_alone");
}

#[test]
#[ignore = "run by the test above"]
#[cfg(all(target_os = "linux", not(miri)))]
fn deadlines_in_a_forked_child_alone() {
    use nix::sys::wait::{WaitStatus, waitpid};
    use nix::unistd::{ForkResult, fork};

    let (late, soon) = (CancelToken::new().child_within(LONG), CancelToken::new().child_within(Duration::from_secs(1)));
    assert!(is_open(late.done()) && is_open(soon.done()));
    // SAFETY: the only other threads are the harness's, which waits for this one, and that of the deadlines, which sleeps.
    match unsafe { fork() }.unwrap() {
        ForkResult::Child => {
            let own = CancelToken::new().child_within(Duration::from_millis(20));
            let closed = |token: &CancelToken| {
                let end = token.done().recv_timeout(Duration::from_secs(60));
                end == Err(crossbeam_channel::RecvTimeoutError::Disconnected)
            };
            // Its own first: what it inherited has to be watched for its own sake too.
            let well = closed(&own) && closed(&soon) && is_open(late.done());
            drop((late, soon, own));
            // SAFETY: it ends the process, without what the parent would do at its end.
            unsafe { nix::libc::_exit(if well { 0 } else { 1 }) }
        }
        ForkResult::Parent { child } => {
            assert_eq!(waitpid(child, None).unwrap(), WaitStatus::Exited(child, 0));
            assert!(soon.done().recv().is_err() && is_open(late.done()));
        }
    }
}

/// Fails if forgetting them takes along the deadlines of others.
#[test]
fn deadlines_of_tokens_that_are_there_are_kept() {
    // One that is forgotten is enough to have the others swept.
    const ROUNDS: usize = if cfg!(miri) { 1 } else { 20 };
    const FORGOTTEN: usize = if cfg!(miri) { 3 } else { 100 };
    watched(|_| {
        let root = CancelToken::new();
        for _ in 0..ROUNDS {
            let soon = root.child_within(Duration::from_millis(20));
            let _ = soon.done();
            for _ in 0..FORGOTTEN {
                assert!(is_open(root.child_within(LONG).done()));
            }
            assert!(soon.done().recv().is_err());
        }
    });
}

/// Fails if a cancel that comes while the channel is being made leaves it open.
#[test]
fn a_channel_is_made_while_its_token_is_cancelled() {
    watched(|roll| {
        for _ in 0..if cfg!(miri) { 5 } else { 500 } {
            let token = CancelToken::new();
            thread::scope(|threads| {
                roll.spawn(threads, "canceller", || token.cancel());
                assert!(token.done().recv().is_err());
            });
        }
    });
}

/// Fails if the two answers of a page cannot be had together with the token that bounds both.
#[test]
fn select_with_a_token() {
    watched(|_| {
        let page = CancelToken::new().child_within(Duration::from_millis(5));
        let (subjects, drugs) = (bounded::<u32>(1), bounded::<u32>(1));
        subjects.0.send(1).unwrap();
        let mut answers = Vec::new();
        loop {
            select! {
                recv(subjects.1) -> answer => answers.push(answer.unwrap()),
                recv(drugs.1) -> answer => answers.push(answer.unwrap()),
                recv(page.done()) -> end => {
                    assert!(end.is_err());
                    break;
                }
            }
        }
        assert_eq!((answers, page.check()), (vec![1], Err(Stopped::TimedOut)));
    });
}
