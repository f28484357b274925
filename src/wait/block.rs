//! The one loop in which a thread sleeps.
//!
//! A primitive says how it waits by implementing [`Waiter`]; `block` does the waiting. Every sleep follows the same
//! protocol, which cannot lose a wake-up:
//!
//! 1. *attempt*: take what is waited for, if it is there. (The first attempt is the caller's, on its fast path.)
//! 2. *mark*: under the lock of the queue, look once more, and in the same step mark in the primitive's state that
//!    somebody sleeps. Whoever changes a marked state takes the same lock to look for sleepers: so either this look sees the
//!    change, or the one who makes it sees the mark and finds the sleeper.
//! 3. sleep; then back to 1. A wake carries no promise.
//!
//! A mark that fails means that the state has moved on, by another thread's progress.
//!
//! A sleeper whose limit has passed tries once more before it gives up: a call that could both succeed and stop
//! succeeds. It leaves under the lock of the queue, so a wake-up that was meant for it has either reached it (and is
//! used by that last attempt) or goes to another.
//!
//! What may end a wait before it has succeeded the loop knows by a trait, [`Stop`]. Who may be cancelled registers with the
//! cancellers before it joins the queue, and looks at their flags under its lock; what that guarantees stands in
//! [`node`](super::node). A canceller takes the sleeper out of the queue; the mark that it leaves behind it takes back itself,
//! under the lock of the queue.

use std::cell::Cell;
use std::pin::{Pin, pin};

use super::stopped::Stopped;
use crate::record::{CONDITION, DEADLOCK, FLAGS, flags};
use crate::sync::{
    FilterOp, Instant, ParkResult, ParkToken, Spin, UnparkResult, UnparkToken, covered, now, park, step, unpark_filter,
};

/// Wake-up: the wait is cancelled. No primitive's own wake-up.
pub(super) const CANCEL: UnparkToken = UnparkToken(usize::MAX);

/// What a thread waits for, and how it says so.
///
/// `mark` and `leave` run under the lock of the queue: they only load and change atomics, and never panic.
pub(crate) trait Waiter {
    /// What the wait ends with.
    type Output;

    /// The address that sleepers and wakers agree upon.
    fn key(&self) -> usize;

    /// What wakers may know of this sleeper: none but [`FLAGS`]. They read it as [`flags`] of its park token.
    fn flags(&self) -> usize {
        0
    }

    /// How much this sleeper waits for. Wakers may ask for it as [`amount`](super::registration::amount) of its park token.
    fn amount(&self) -> usize {
        0
    }

    /// Takes what is waited for, if it can be had now.
    fn attempt(&mut self) -> Option<Self::Output>;

    /// Whether to stay awake for a moment before sleeping, after `attempt` has failed.
    fn patience(&self) -> Patience {
        Patience::None
    }

    /// Marks that somebody sleeps, if it is still right to. False: the state has moved on and is as it was, attempt again.
    fn mark(&self) -> bool;

    /// The thread has joined the queue, whose lock is free again, and is about to sleep. It may have been taken out already. This may
    /// wake other threads, and neither waits nor panics.
    fn joined(&self) {}

    /// A waker took this thread from the queue and said why.
    fn woken(&mut self, _why: UnparkToken) {}

    /// This thread gives up, and is not in the queue (any more); `last` if nobody sleeps there now.
    fn leave(&self, last: bool);

    /// This thread has given up: its last attempt has failed too. Outside the lock of the queue.
    fn left(&self) {}
}

/// How long a thread stays awake before it sleeps.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Patience {
    /// Not at all.
    None,
    /// For some pauses.
    Short,
    /// For some pauses, and while other threads get its core some times.
    Long,
}

/// Why a wait ended without success.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    Stopped(Stopped),
    /// It would have closed a cycle, which the [`Stop`] knows.
    Deadlock,
}

/// What may end a call's waits before they have succeeded.
pub(crate) trait Stop {
    type Sleeper<'s>: Sleeper
    where
        Self: 's;

    /// When the call has to stop; `None` is never. Asked when the call first has to wait.
    fn deadline(&mut self) -> Option<Instant>;

    /// The thread as it is about to sleep in the queue known by `key`, for so much.
    fn sleeper(&self, key: usize, amount: usize) -> Self::Sleeper<'_>;
}

/// A thread that sleeps, or is about to, as its cancellers see it.
pub(crate) trait Sleeper {
    /// Has the cancellers look for this sleeper from here on, until it is dropped.
    fn register(self: Pin<&mut Self>);

    /// Whether the wait is cancelled.
    fn is_cancelled(&self) -> bool;

    /// What its park token is. The bits of [`FLAGS`] are the primitive's.
    fn token(self: Pin<&Self>, flags: usize) -> ParkToken;

    /// The thread has joined the queue. Under its lock.
    fn join(&self) {}

    /// The thread sleeps, in effect: it has joined the queue, whose lock is free again. It may be taken out here for [`DEADLOCK`],
    /// or another from its queue.
    fn look(&self) {}

    /// The thread was taken out for [`DEADLOCK`].
    fn deadlocked(&self) {}
}

/// Nothing ends the wait, for the crate's own short critical sections.
pub(super) struct Never;

impl Stop for Never {
    type Sleeper<'s> = Never;

    fn deadline(&mut self) -> Option<Instant> {
        None
    }

    fn sleeper(&self, _key: usize, _amount: usize) -> Never {
        Never
    }
}

impl Sleeper for Never {
    fn register(self: Pin<&mut Self>) {}

    fn is_cancelled(&self) -> bool {
        false
    }

    fn token(self: Pin<&Self>, flags: usize) -> ParkToken {
        ParkToken(flags)
    }
}

/// Waits until an attempt succeeds or the limit passes. The caller has attempted once already.
pub(crate) fn block<W: Waiter>(waiter: &mut W, stop: &mut impl Stop) -> Result<W::Output, Ended> {
    let mut spin = Spin::new();
    // Before spinning: from here on the call waits.
    let deadline = stop.deadline();
    let mut sleeper = pin!(stop.sleeper(waiter.key(), waiter.amount()));
    loop {
        let patience = waiter.patience();
        // A yield may take as long as others' slices of time.
        let over = || sleeper.is_cancelled() || deadline.is_some_and(|deadline| deadline <= now());
        if patience == Patience::None || !spin.spin(patience == Patience::Long, over) {
            sleeper.as_mut().register();
            let slept = sleep(waiter, sleeper.as_ref(), deadline);
            match slept {
                Slept::Woken(why) => {
                    covered!("wait.woken");
                    waiter.woken(why);
                    spin.reset();
                }
                Slept::Invalid => covered!("wait.invalid"),
                Slept::Over | Slept::Deadlock => {
                    let last_try = if step!("wait.last-try") { waiter.attempt() } else { None };
                    return last_try.ok_or_else(|| {
                        waiter.left();
                        match slept {
                            Slept::Deadlock => Ended::Deadlock,
                            _ if sleeper.is_cancelled() => Ended::Stopped(Stopped::Cancelled),
                            _ => Ended::Stopped(Stopped::TimedOut),
                        }
                    });
                }
            }
        }
        if let Some(output) = waiter.attempt() {
            return Ok(output);
        }
    }
}

/// Wakes all who sleep in the queue of a primitive, which may be gone already: what is at its address now may be a condition
/// variable, whose sleepers are spared. They would not notice a notification that comes before they sleep again. (All others look at
/// their state again, and lose nothing.)
///
/// # Safety
/// None of its own; it calls into the parking lot.
pub(crate) unsafe fn wake_all(key: usize, why: UnparkToken) {
    let theirs = |token| {
        if flags(token) == CONDITION && step!("wait.spare-conditions") { FilterOp::Skip } else { FilterOp::Unpark }
    };
    // SAFETY: the callbacks change nothing.
    unsafe { unpark_filter(key, theirs, |_| why) };
}

/// How a sleep ended.
#[derive(Clone, Copy)]
enum Slept {
    Woken(UnparkToken),
    /// The state has moved on.
    Invalid,
    /// The time has passed or a token was cancelled. The thread has left.
    Over,
    /// It would have closed a cycle. The thread has left.
    Deadlock,
}

fn sleep(waiter: &impl Waiter, sleeper: Pin<&impl Sleeper>, deadline: Option<Instant>) -> Slept {
    debug_assert!(waiter.flags() <= FLAGS, "the flags of a primitive fit");
    let cancelled = Cell::new(false);
    let validate = || {
        cancelled.set(step!("wait.validate-flag") && sleeper.is_cancelled());
        let marked = !cancelled.get() && (!step!("wait.mark") || waiter.mark());
        if marked {
            sleeper.join();
        }
        marked
    };
    let look = || {
        waiter.joined();
        sleeper.look();
    };
    let leave = |_, last| waiter.leave(last);
    // SAFETY: the callbacks only load and change atomics and cells (`Waiter`'s contract), so they neither panic nor call
    // into the parking lot, but for `look`, which may take sleepers out of queues, and neither parks nor panics; the key is
    // the address of a live part of the primitive, which nobody else parks on.
    let over = match unsafe { park(waiter.key(), validate, look, leave, sleeper.token(waiter.flags()), deadline) } {
        ParkResult::TimedOut => {
            covered!("wait.timed-out");
            return Slept::Over;
        }
        ParkResult::Unparked(DEADLOCK) => {
            sleeper.deadlocked();
            Slept::Deadlock
        }
        ParkResult::Unparked(CANCEL) => {
            covered!("wait.cancelled-asleep");
            Slept::Over
        }
        ParkResult::Unparked(why) => return Slept::Woken(why),
        // Not in the queue, but a late wake-up may have taken it from there and left its mark.
        ParkResult::Invalid if cancelled.get() => {
            covered!("wait.cancelled-awake");
            Slept::Over
        }
        ParkResult::Invalid => return Slept::Invalid,
    };
    // The canceller knows nothing of the primitive, nor has a late waker cleared the mark, so this thread looks itself whom
    // it leaves behind.
    let leave = |result: UnparkResult| {
        waiter.leave(!result.have_more_threads);
        UnparkToken(0)
    };
    // SAFETY: as above.
    unsafe { unpark_filter(waiter.key(), |_| FilterOp::Stop, leave) };
    over
}
