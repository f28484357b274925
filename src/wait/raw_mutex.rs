//! The raw lock: one byte, on the parking lot.
//!
//! | state | meaning |
//! | --- | --- |
//! | `0` | free |
//! | `LOCKED` | held, nobody sleeps |
//! | `LOCKED + PARKED` | held, and a thread sleeps |
//! | `PARKED` | free, one sleeper was woken and more sleep |
//! | `POISONED` | refused to all until cleared; who still sleeps is about to be woken by the poisoner |
//!
//! Invariants:
//! 1. `POISONED` excludes the other bits: it is set only by the holder, in the step that lets go, and a thread takes the
//!    lock or marks itself as a sleeper only from a state without it; but for the one who mends it.
//! 2. A thread joins the queue in the state `LOCKED + PARKED`, which it meets or makes under the lock of the queue. The
//!    holder lets go of a `PARKED` lock under that lock, or it poisons the lock and then wakes all under it: no sleeper is
//!    left behind.
//! 3. `PARKED` is set while anyone sleeps whom no poisoner is about to wake. It is cleared under the lock of the queue
//!    when nobody sleeps there any more, or by the poisoner. A sleeper that a canceller or a late waker took out of the
//!    queue looks after it itself.
//!
//! # Memory ordering
//! Taking the lock is an Acquire that reads what the last holder's Release wrote; setting `PARKED` and clearing
//! `POISONED` in between are read-modify-writes, which pass that Release on.
//!
//! # Overtaking
//! A running thread may take a lock that was just released ahead of the sleeper that was woken for it: that keeps the
//! lock busy. A sleeper counts how often it was woken in vain, and after [`MAX_LOSSES`] times it is handed the lock
//! without its ever being free. The count travels in the park token, where the unlocking thread sees it. So a thread sleeps at most
//! `MAX_LOSSES + 1` times for one lock, but for sleeps that a late mark or a poisoner ends.

use std::cell::Cell;

use super::block::{Ended, Never, Patience, Stop, Waiter, block, wake_all};
use super::stopped::Stopped;
use crate::record::flags;
use crate::sync::{
    AtomicU8, FilterOp, Ordering::Relaxed, ParkToken, UnparkToken, cleanup, const_fn, covered, ord, step, unpark_filter,
};

const LOCKED: u8 = 1;
const PARKED: u8 = 2;
const POISONED: u8 = 4;

/// How often a sleeper may be woken and find the lock taken again before it is handed the lock.
pub(crate) const MAX_LOSSES: usize = if cfg!(all(loom, any(test, feature = "loom"))) { 1 } else { 4 };

/// Wake-up: the lock may be free, try.
pub(super) const RETRY: UnparkToken = UnparkToken(0);
/// Wake-up: the lock is yours.
pub(super) const HANDED: UnparkToken = UnparkToken(1);

/// Why the lock was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    Busy,
    Poisoned,
    Stopped(Stopped),
    Deadlock,
}

impl From<Ended> for Refused {
    fn from(ended: Ended) -> Self {
        match ended {
            Ended::Stopped(stopped) => Refused::Stopped(stopped),
            Ended::Deadlock => Refused::Deadlock,
        }
    }
}

#[derive(Debug)]
pub(crate) struct RawMutex(AtomicU8);

impl RawMutex {
    const_fn! {
        pub(crate) const fn new() -> Self {
            Self(AtomicU8::new(0))
        }
    }

    fn key(&self) -> usize {
        (&raw const self.0).addr()
    }

    /// Takes the lock if it is free and nobody sleeps: the first try of every way to lock. Else the state that it met.
    #[inline]
    pub(crate) fn try_fast(&self) -> Result<(), u8> {
        // Acquire: pairs with the Release in `unlock`, `unlock_slow` and `poison`, after `clear_poison`.
        self.0.compare_exchange(0, LOCKED, ord!("raw.lock-fast", Acquire), Relaxed).map(drop)
    }

    /// Takes the lock, waiting until something stops that.
    pub(crate) fn lock(&self, stop: &mut impl Stop) -> Result<(), Refused> {
        self.try_fast().or_else(|state| self.lock_slow(state, stop))
    }

    /// Takes a lock that is never poisoned, for the crate's own short use, and lets go of it by drop.
    pub(crate) fn hold(&self) -> Hold<'_> {
        self.lock(&mut Never).expect("never poisoned, no limit");
        Hold(self)
    }

    /// Takes the lock if it is free.
    #[inline]
    pub(crate) fn try_lock(&self) -> Result<(), Refused> {
        match self.try_fast() {
            Ok(()) => Ok(()),
            Err(state) => self.try_slow(state).unwrap_or(Err(Refused::Busy)),
        }
    }

    /// The same after the first try, which met this state.
    #[cold]
    pub(crate) fn lock_slow(&self, state: u8, stop: &mut impl Stop) -> Result<(), Refused> {
        match self.try_slow(state) {
            Ok(end) => end,
            Err(_) => block(&mut Locker { mutex: self, losses: 0, handed: false }, stop)
                .unwrap_or_else(|ended| Err(ended.into())),
        }
    }

    /// Takes the lock whether or not others sleep, or says in which state it is held.
    fn try_slow(&self, mut state: u8) -> Result<Result<(), Refused>, u8> {
        loop {
            if state & POISONED != 0 {
                return Ok(Err(Refused::Poisoned));
            }
            if state & LOCKED != 0 {
                return Err(state);
            }
            // Acquire: pairs as in `try_fast`.
            match self.0.compare_exchange(state, state | LOCKED, ord!("raw.lock-slow", Acquire), Relaxed) {
                Ok(_) => return Ok(Ok(())),
                Err(now) => state = now,
            }
        }
    }

    /// Lets go of the lock, which the caller holds.
    #[inline]
    pub(crate) fn unlock(&self) {
        // Release: pairs with the Acquire of the next to take the lock, who sees all that was done under it.
        if self.0.compare_exchange(LOCKED, 0, ord!("raw.unlock-fast", Release), Relaxed).is_err() {
            self.unlock_slow();
        }
    }

    #[cold]
    fn unlock_slow(&self) {
        covered!("raw.unlock-parked");
        let first = Cell::new(None);
        let wake_first = |token: ParkToken| {
            if first.get().is_some() {
                return FilterOp::Stop;
            }
            first.set(Some(flags(token)));
            FilterOp::Unpark
        };
        // SAFETY: the callbacks load and store atomics and cells only.
        unsafe {
            unpark_filter(self.key(), wake_first, |result| {
                let parked = if result.have_more_threads { PARKED } else { 0 };
                let hand_over = first.get().is_some_and(|losses| losses >= MAX_LOSSES) && step!("raw.hand-over");
                let (state, why) = if hand_over { (LOCKED | parked, HANDED) } else { (parked, RETRY) };
                // Release: pairs with the Acquire of the next to take the lock, or of the thread it is handed to.
                self.0.swap(state, ord!("raw.unlock-slow", Release));
                why
            });
        }
    }

    /// Lets go of the lock, which the caller holds, and refuses it to everybody until [`clear_poison`].
    ///
    /// [`clear_poison`]: RawMutex::clear_poison
    #[cold]
    pub(crate) fn poison(&self) {
        // Release: pairs with the Acquire of the first to take the lock after the poison was cleared.
        let old = self.0.swap(POISONED, ord!("raw.poison", Release));
        if old & PARKED != 0 && step!("raw.poison-wakes") {
            covered!("raw.poison-parked");
            // SAFETY: there is no callback.
            unsafe { wake_all(self.key(), RETRY) };
        }
    }

    pub(crate) fn is_poisoned(&self) -> bool {
        // Relaxed: a hint; who needs the data takes the lock.
        self.0.load(Relaxed) & POISONED != 0
    }

    pub(crate) fn is_locked(&self) -> bool {
        // Relaxed: a hint.
        self.0.load(Relaxed) & LOCKED != 0
    }

    /// Takes the lock if it is poisoned, and is then as if it had never been.
    pub(crate) fn lock_poisoned(&self) -> bool {
        // Acquire: pairs with the Release in `poison`; what the poisoner did is visible.
        self.0.compare_exchange(POISONED, LOCKED, ord!("raw.lock-poisoned", Acquire), Relaxed).is_ok()
    }

    /// The newest state, for models: a load could be old.
    #[cfg(all(loom, test))]
    pub(crate) fn state(&self) -> u8 {
        self.0.fetch_or(0, Relaxed)
    }

    pub(crate) fn clear_poison(&self) {
        // Relaxed: a read-modify-write passes the poisoner's Release on to the next to take the lock.
        self.0.fetch_and(!POISONED, Relaxed);
    }
}

/// The lock is held as long as this lives.
pub(crate) struct Hold<'a>(&'a RawMutex);

impl Drop for Hold<'_> {
    #[inline]
    fn drop(&mut self) {
        cleanup(|| self.0.unlock());
    }
}

/// A thread that waits for the lock.
struct Locker<'a> {
    mutex: &'a RawMutex,
    /// How often this thread was woken and had to sleep again.
    losses: usize,
    handed: bool,
}

impl Waiter for Locker<'_> {
    type Output = Result<(), Refused>;

    fn key(&self) -> usize {
        self.mutex.key()
    }

    fn flags(&self) -> usize {
        self.losses
    }

    fn attempt(&mut self) -> Option<Self::Output> {
        if self.handed {
            // Acquire: pairs with the Release in `unlock_slow`. A wake promises no order: a load could read an older
            // state, a read-modify-write comes behind the step that handed the lock over.
            let state = self.mutex.0.fetch_or(0, ord!("raw.handed", Acquire));
            debug_assert_eq!(state & LOCKED, LOCKED, "a lock that is handed over stays locked");
            return Some(Ok(()));
        }
        // Relaxed: the compare-exchange decides.
        self.mutex.try_slow(self.mutex.0.load(Relaxed)).ok()
    }

    fn patience(&self) -> Patience {
        // Past threads that sleep, too: once one does, all others would have to, and each would be woken for its turn.
        Patience::Long
    }

    fn mark(&self) -> bool {
        let mark = if step!("raw.mark") { PARKED } else { 0 };
        // Relaxed: the mark is looked at by the unlocker's read-modify-write. The queue's lock orders this behind every
        // change that was made under it; a poisoner, who is not under it, wakes all afterwards.
        match self.mutex.0.compare_exchange(LOCKED, LOCKED | mark, Relaxed, Relaxed) {
            Ok(_) => true,
            Err(state) => state == LOCKED | PARKED,
        }
    }

    fn woken(&mut self, why: UnparkToken) {
        if why == HANDED {
            covered!("raw.handed");
            self.handed = true;
        } else {
            // No further: poisoners wake without handing over, however often, and the count shares a word with a mark.
            self.losses = (self.losses + 1).min(MAX_LOSSES);
        }
    }

    fn leave(&self, last: bool) {
        if last && step!("raw.leave-clears") {
            covered!("raw.leave-last");
            // Relaxed: a read-modify-write, which passes on the Release that it may stand behind.
            self.mutex.0.fetch_and(!PARKED, Relaxed);
        }
    }
}
