//! The one loop in which a thread sleeps.
//!
//! A primitive says how it waits by implementing [`Waiter`]; `block` does the waiting. Every sleep follows the same
//! protocol, which cannot lose a wake-up:
//!
//! 1. *attempt*: take what is waited for, if it is there. (The first attempt is the caller's, on its fast path.)
//! 2. *announce*: mark in the primitive's state that a sleeper is coming, so that whoever changes the state wakes it.
//! 3. *validate*: under the lock of the queue, look once more. A waker takes the same lock after it has changed the
//!    state, so either this look sees the change or the waker sees the sleeper.
//! 4. sleep; then back to 1. A wake carries no promise.
//!
//! An announcement that fails means that the state has moved on, by another thread's progress; the limit is looked at by
//! the sleep that follows.
//!
//! A sleeper whose limit has passed tries once more before it gives up: a call that could both succeed and stop
//! succeeds. It leaves under the lock of the queue, so a wake-up that was meant for it has either reached it (and is
//! used by that last attempt) or goes to another.

use super::limit::{Stopped, Timer};
use crate::sync::{ParkResult, ParkToken, Spin, UnparkToken, covered, park, step};

/// What a thread waits for, and how it says so.
///
/// `validate` and `leave` run under the lock of the queue: they only load and store atomics, and never panic.
pub(crate) trait Waiter {
    /// What the wait ends with.
    type Output;

    /// The address that sleepers and wakers agree upon.
    fn key(&self) -> usize;

    /// What wakers may know of this sleeper.
    fn token(&self) -> ParkToken {
        ParkToken(0)
    }

    /// Takes what is waited for, if it can be had now; else keeps the state that spoke against it, for `announce`.
    fn attempt(&mut self) -> Option<Self::Output>;

    /// Whether a short spin may be worth while before sleeping, in the state that `attempt` met.
    fn may_spin(&self) -> bool {
        false
    }

    /// Marks that a sleeper is coming, in the state that `attempt` met. False: it has moved on, attempt again.
    fn announce(&mut self) -> bool;

    /// Whether it is still right to sleep.
    fn validate(&self) -> bool;

    /// A waker took this thread from the queue and said why.
    fn woken(&mut self, _why: UnparkToken) {}

    /// This sleeper has left the queue without being woken; `last` if nobody sleeps there now.
    fn leave(&self, last: bool);
}

/// Waits until an attempt succeeds or the limit passes. The caller has attempted once already.
pub(crate) fn block<W: Waiter>(waiter: &mut W, timer: &mut Timer<'_>) -> Result<W::Output, Stopped> {
    let mut spin = Spin::new();
    // Before spinning: from here on the call waits.
    let deadline = timer.deadline();
    loop {
        if !(waiter.may_spin() && spin.spin()) && waiter.announce() {
            // SAFETY: the callbacks only load and store atomics (`Waiter`'s contract), so they neither panic nor call
            // into the parking lot; the key is the address of a live part of the primitive, which nobody else parks on.
            let result = unsafe {
                park(
                    waiter.key(),
                    || !step!("wait.validate") || waiter.validate(),
                    || (),
                    |_, last| waiter.leave(last),
                    waiter.token(),
                    deadline,
                )
            };
            match result {
                ParkResult::Unparked(why) => {
                    covered!("wait.woken");
                    waiter.woken(why);
                    spin.reset();
                }
                ParkResult::Invalid => covered!("wait.invalid"),
                ParkResult::TimedOut => {
                    covered!("wait.timed-out");
                    let last_try = if step!("wait.last-try") { waiter.attempt() } else { None };
                    return last_try.ok_or(Stopped::TimedOut);
                }
            }
        }
        if let Some(output) = waiter.attempt() {
            return Ok(output);
        }
    }
}
