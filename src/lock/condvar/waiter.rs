//! A thread that waits: what it sleeps for, and what it makes of its wake-up.

use std::cell::Cell;

use super::super::raw::Raw;
use super::{Condvar, PARKED};
use crate::record::CONDITION;
use crate::sync::{Ordering::Relaxed, Spin, UnparkToken, covered, step};
use crate::wait::Waiter;

/// A thread that waits for a notification.
pub(super) struct Wait<'a> {
    condvar: &'a Condvar,
    lock: Raw<'a>,
    /// The thread holds the lock. Until it has joined the queue for the first time.
    held: Cell<bool>,
    /// The state in which it met the queue that it joined.
    joined: Cell<u8>,
    notified: bool,
}

impl<'a> Wait<'a> {
    /// With a lock that the thread holds or, in models, with none.
    pub(super) fn new(condvar: &'a Condvar, lock: Raw<'a>, held: bool) -> Self {
        Self { condvar, lock, held: Cell::new(held), joined: Cell::new(0), notified: false }
    }

    /// Whether the thread holds the lock still.
    pub(super) fn holds(&self) -> bool {
        self.held.get()
    }
}

impl Waiter for Wait<'_> {
    type Output = ();

    fn key(&self) -> usize {
        self.condvar.key()
    }

    fn flags(&self) -> usize {
        CONDITION
    }

    fn attempt(&mut self) -> Option<()> {
        self.notified.then_some(())
    }

    fn mark(&self) -> bool {
        let mark = if step!("condvar.mark") { PARKED } else { 0 };
        // Relaxed: what orders the mark before the load of a notifier is the release of the mutex in `joined`.
        self.joined.set(self.condvar.state.fetch_or(mark, Relaxed));
        true
    }

    fn joined(&self) {
        if self.held.replace(false) && step!("condvar.release") {
            // Whoever acquires it finds this thread in the queue (invariant 1).
            self.lock.unlock();
        }
        // It is in the queue, so a notification finds it there all the same. Where others wait it is theirs first.
        let joined = self.joined.get();
        if joined & PARKED == 0 {
            Spin::pause_while(|| self.condvar.state.load(Relaxed) == joined | PARKED);
        }
    }

    fn woken(&mut self, _why: UnparkToken) {
        // Mostly `NOTIFIED`. A late waker of what was at this address before spares those who wait for a condition; where it is another
        // crate's that does not, a notification may have come since, so this counts as one.
        self.notified = true;
    }

    fn leave(&self, last: bool) {
        if last && step!("condvar.leave-clears") {
            covered!("condvar.leave-last");
            // Relaxed: under the lock of the queue, as all changes.
            self.condvar.state.fetch_and(!PARKED, Relaxed);
        }
    }
}
