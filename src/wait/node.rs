//! The part of a cancel token that calls wait under: a flag, and who sleeps under it.
//!
//! | bit | meaning |
//! | --- | --- |
//! | `CANCELLED` | for good |
//! | `OWN` | cancelled by itself, not along with an ancestor |
//! | `TIMED` | there is a deadline; set from the start or never |
//! | `PARKED` | somebody sleeps in `wait` for this flag |
//! | `LATE` | it was cancelled after its deadline had passed; set with `CANCELLED` where somebody may ask for that |
//!
//! Invariants:
//! 1. The flag is set before its canceller looks for sleepers: in the queue of those that wait for the flag itself, then
//!    in the list of those that wait for something else.
//! 2. A sleeper is in the list of each node that it waits under before it joins its queue, and it looks at their flags
//!    under the lock of that queue. So it either sees the flag, or the canceller finds it there.
//! 3. A sleeper leaves the list before its call returns. The canceller keeps the list's lock while it uses what stands
//!    there, so the address of a queue is not used after its primitive is gone.
//! 4. A callback is registered under the list's lock, by one that has found there that the flag is not set and that the
//!    deadline has not passed. So it either sees that, or who comes for the callbacks finds it: after the canceller has taken
//!    that lock, or at the deadline. They are called outside of every lock.
//!
//! A canceller takes out of a queue those that sleep under its node, as their park tokens say, so it wakes nobody else, and
//! takes no wake-up that was meant for another. All that sleep in one queue it takes at once: for each by itself it would
//! go past all that stand before it.
//!
//! Locks are taken in this order: list, queue. Neither is held while anything else is waited for.
//!
//! [`waiter`] is a thread that waits for the flag itself; [`calls`] are the callbacks, and the alarm that goes off for them.

mod calls;
mod waiter;

use std::cell::Cell;
use std::fmt;
use std::panic::{RefUnwindSafe, UnwindSafe};

use super::block::{CANCEL, Ended, Stop, block};
use super::callback::Callbacks;
use super::raw_mutex::RawMutex;
use super::registration::{Registration, registration};
use super::stopped::Stopped;
use crate::record::List;
use crate::sync::{
    Alarm, AtomicU8, FilterOp, Instant, ParkToken, UnparkToken, UnsafeCell, covered, now, ord, step, unpark_all,
    unpark_filter,
};
use waiter::UntilCancelled;

const CANCELLED: u8 = 1;
const OWN: u8 = 2;
const TIMED: u8 = 4;
const PARKED: u8 = 8;
const LATE: u8 = 16;

/// How a node comes to be cancelled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cancelled {
    /// By a call for this very node.
    Itself,
    /// Along with an ancestor.
    WithAncestor,
}

pub(crate) struct Node {
    state: AtomicU8,
    /// The lock of `sleepers`, `callbacks` and `alarm`.
    lock: RawMutex,
    sleepers: List<Registration>,
    callbacks: Callbacks,
    /// Goes off at the deadline, once somebody has asked for that.
    alarm: UnsafeCell<Option<Box<Alarm>>>,
    deadline: Option<Instant>,
    #[cfg(feature = "crossbeam-channel")]
    done: super::done::Done,
}

// SAFETY: the lists and the alarm are only touched under their lock, and callbacks may be called and dropped on any thread.
unsafe impl Send for Node {}
// SAFETY: as above.
unsafe impl Sync for Node {}
// No user code runs while the list is changed, so none is met half changed.
impl UnwindSafe for Node {}
impl RefUnwindSafe for Node {}

impl Node {
    pub(crate) fn new(deadline: Option<Instant>) -> Self {
        Self {
            state: AtomicU8::new(if deadline.is_some() { TIMED } else { 0 }),
            lock: RawMutex::new(),
            sleepers: List::new(),
            callbacks: Callbacks::new(),
            alarm: UnsafeCell::new(None),
            deadline,
            #[cfg(feature = "crossbeam-channel")]
            done: Default::default(),
        }
    }

    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.deadline
    }

    /// The state in which it is not cancelled and nobody sleeps.
    fn bare(&self) -> u8 {
        if self.deadline.is_some() { TIMED } else { 0 }
    }

    #[inline]
    fn load(&self) -> u8 {
        // Acquire: pairs with the Release in `cancel`; what came before it is visible.
        self.state.load(ord!("node.check", Acquire))
    }

    /// Whether the flag is set, and how it came to be.
    pub(crate) fn cancelled(&self) -> Option<Cancelled> {
        let state = self.load();
        if state & CANCELLED == 0 {
            None
        } else if state & OWN != 0 {
            Some(Cancelled::Itself)
        } else {
            Some(Cancelled::WithAncestor)
        }
    }

    /// Whether it was cancelled after its deadline, if whoever cancelled it has looked.
    pub(crate) fn is_late(&self) -> bool {
        self.load() & LATE != 0
    }

    /// Whether the deadline has passed.
    pub(crate) fn has_expired(&self) -> bool {
        self.deadline.is_some_and(|deadline| deadline <= now())
    }

    /// Whether to go on: one load, while there is no deadline.
    #[inline]
    pub(crate) fn check(&self) -> Result<(), Stopped> {
        match self.load() {
            0 => Ok(()),
            state => self.check_slow(state),
        }
    }

    #[cold]
    fn check_slow(&self, state: u8) -> Result<(), Stopped> {
        if state & CANCELLED != 0 {
            Err(Stopped::Cancelled)
        } else if self.has_expired() {
            Err(Stopped::TimedOut)
        } else {
            Ok(())
        }
    }

    /// Sets the flag and wakes all who sleep under it. Called once for a node: the tree sees to that. Whether there are callbacks,
    /// which whoever cancels has to [call](Node::next_callback).
    #[must_use]
    pub(crate) fn cancel(&self, how: Cancelled, late: bool) -> bool {
        let own = if how == Cancelled::Itself { OWN } else { 0 };
        let late = if late { LATE } else { 0 };
        // Release: pairs with the Acquire in `load`.
        let old = self.state.fetch_or(CANCELLED | own | late, ord!("node.cancel", Release));
        // Also where models run, without debug assertions.
        assert_eq!(old & CANCELLED, 0, "a node is cancelled once");
        if old & PARKED != 0 && step!("node.cancel-wakes-waiters") {
            covered!("node.cancel-parked");
            // SAFETY: there is no callback.
            unsafe { unpark_all(self.key(), UnparkToken(0)) };
        }
        let held = self.lock.hold();
        // SAFETY: the list's lock is held until after the loop.
        let mut next = unsafe { self.sleepers.first() };
        let mut last = None;
        while let Some(sleeper) = next {
            // SAFETY: the list's lock is held.
            let woken = unsafe { *sleeper.woken.shared() };
            // Who was not found in the queue is not there: looking again at once, for another of it, is in vain.
            if !woken && last != Some(sleeper.key) {
                last = Some(sleeper.key);
                // SAFETY: the list's lock is held, and the sleeper is in the list.
                unsafe { self.wake(sleeper.key) };
            }
            // SAFETY: as above; the sleeper is in this list.
            next = unsafe { List::after(sleeper) };
        }
        // SAFETY: the lock is held.
        let (alarm, calls) =
            unsafe { (self.alarm.exclusive().take(), !self.callbacks.is_empty() && step!("node.cancel-calls")) };
        drop(held);
        drop(alarm);
        #[cfg(feature = "crossbeam-channel")]
        self.done.close();
        calls
    }

    /// Waits until the flag is set. Its deadline is for the caller to look at.
    pub(crate) fn wait(&self, stop: &mut impl Stop) -> Result<(), Ended> {
        block(&mut UntilCancelled::new(self), stop)
    }

    /// By which registrations know it.
    pub(super) fn address(&self) -> usize {
        (&raw const *self).addr()
    }

    /// Has the canceller wake a sleeper.
    ///
    /// # Safety
    /// The registration is in no list, and neither moves nor ends before it is withdrawn.
    pub(super) unsafe fn register(&self, registration: &Registration) {
        let _held = self.lock.hold();
        // SAFETY: the list's lock is held; the rest is passed on to the caller.
        unsafe { self.sleepers.push(registration) };
    }

    /// The sleeper's call is about to return. Waits for a canceller that is waking this node's sleepers.
    ///
    /// # Safety
    /// The registration is in this node's list.
    pub(super) unsafe fn withdraw(&self, registration: &Registration) {
        let _held = self.lock.hold();
        // SAFETY: the list's lock is held; the rest is passed on to the caller.
        unsafe { self.sleepers.remove(registration) };
    }

    /// Takes all that sleep under this node out of the queue known by `key`, and wakes them.
    ///
    /// # Safety
    /// The lock of the node's list is held, and one who sleeps in that queue is in the list.
    unsafe fn wake(&self, key: usize) {
        let found = Cell::new(false);
        let mine = |token: ParkToken| {
            // SAFETY: this is called under the queue's lock, and all that sleep there came by `block`.
            let registration = unsafe { registration(token, self.address()) };
            if let Some(registration) = registration {
                // SAFETY: the lock of this node's list is held.
                *unsafe { registration.woken.exclusive() } = true;
            }
            if registration.is_some() || !step!("node.cancel-wakes-its-own") {
                found.set(true);
                FilterOp::Unpark
            } else {
                FilterOp::Skip
            }
        };
        if step!("node.cancel-wakes-sleepers") {
            // SAFETY: the callbacks load and store cells only. The primitive is alive: the call of a sleeper there has not
            // returned (invariant 3).
            unsafe { unpark_filter(key, mine, |_| CANCEL) };
        }
        if found.get() {
            covered!("node.cancel-woke");
        }
    }

    /// The flag, for a sleeper that has registered.
    pub(crate) fn is_flagged(&self) -> bool {
        self.load() & CANCELLED != 0
    }

    /// Where those sleep who wait for the flag itself.
    fn key(&self) -> usize {
        (&raw const self.state).addr()
    }

    /// Whether the mark of a sleeper is set, for models.
    #[cfg(all(loom, test))]
    pub(crate) fn someone_waits(&self) -> bool {
        self.state.load(crate::sync::Ordering::Relaxed) & PARKED != 0
    }

    /// Calls `f` while another sleeper is registered, who came first and is not asleep, for models.
    #[cfg(all(loom, test))]
    pub(crate) fn behind_another<R>(&self, f: impl FnOnce() -> R) -> R {
        let place = 0_u8;
        let other = Registration::new(self.address(), (&raw const place).addr());
        // SAFETY: it is in no list, and withdrawn before it ends; where `f` panics the model has failed.
        unsafe { self.register(&other) };
        let result = f();
        // SAFETY: it was registered above.
        unsafe { self.withdraw(&other) };
        result
    }

    /// Whether nobody is registered, for models.
    #[cfg(all(loom, test))]
    pub(crate) fn nobody_registered(&self) -> bool {
        let _held = self.lock.hold();
        // SAFETY: the list's lock is held.
        unsafe { self.sleepers.first() }.is_none()
    }
}

impl fmt::Debug for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = f.debug_struct("CancelToken");
        out.field("cancelled", &self.is_flagged());
        if let Some(deadline) = self.deadline {
            out.field("deadline", &deadline);
        }
        out.finish_non_exhaustive()
    }
}
