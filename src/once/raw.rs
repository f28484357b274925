//! The mechanism of a once-cell: the byte of its [`Slot`].
//!
//! | state | value | meaning |
//! | --- | --- | --- |
//! | `EMPTY` | none | nobody initialises |
//! | `EMPTY + PARKED` | none | nobody initialises, and watchers sleep |
//! | `RUNNING` | being written | one thread initialises |
//! | `RUNNING + PARKED` | being written | one thread initialises, others sleep |
//! | `READY` | there | for good, unless by `&mut` |
//!
//! Invariants:
//! 1. Only the thread that moved the state to `RUNNING` touches the value until it moves the state on.
//! 2. In `READY` the value is there, and nobody writes to it but through `&mut`.
//! 3. `PARKED` is set while anyone sleeps, from the step under the lock of the queue that comes before the sleep. It is
//!    cleared by the step to `READY`, which wakes all, or under the lock of the queue when nobody sleeps there any more
//!    (by the sleeper itself, if a canceller took it out).
//!
//! Two kinds of thread wait: a *candidate* would initialise the cell itself, a *watcher* would not. An initialiser that
//! fails wakes the first candidate of the queue and leaves watchers asleep. A woken candidate always tries first,
//! also when its limit has passed: it either becomes the initialiser or finds another at work, whose end wakes
//! the next. So no wake-up is lost.
//!
//! # Memory ordering
//! The step to `READY` is a Release and every look at it an Acquire, so the value and all that its initialiser did is
//! visible to every thread that gets it. The step back to `EMPTY` is a Release and the next step to `RUNNING` an
//! Acquire, so that an initialiser sees all that failed ones did.

use std::cell::Cell;
use std::panic::Location;

use crate::Stopped;
use crate::record::{Call, Cycle, What, flags, held};
use crate::sync::{
    AtomicU8, FilterOp, Ordering::Relaxed, ParkToken, Slot, UnparkToken, cleanup, covered, ord, step, unpark_filter,
};
use crate::wait::{Ended, Limit, Patience, Timer, Waiter, block, wake_all};

const EMPTY: u8 = 0;
const RUNNING: u8 = 1;
const READY: u8 = Slot::<()>::READY;
const PARKED: u8 = 4;

/// What park tokens say of a sleeper.
const WATCHER: usize = 0;
const CANDIDATE: usize = 1;

/// Wake-up: the state has changed, look again.
const LOOK: UnparkToken = UnparkToken(0);

/// The byte of one cell. It has the states of the table and no others, as the slot asks.
#[derive(Clone, Copy)]
pub(super) struct RawOnce<'c>(&'c AtomicU8);

/// Why a thread that came to a cell has to leave again.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Refused {
    Stopped(Stopped),
    Reentrant,
    Deadlock(Cycle),
}

/// The call that comes to a cell.
pub(super) struct By<'l> {
    pub(super) limit: &'l Limit<'l>,
    pub(super) place: &'static Location<'static>,
    /// It has no error for a deadlock.
    pub(super) panics: bool,
}

/// What a candidate finds.
pub(super) enum Entered<'a> {
    /// The value is there.
    Ready,
    /// The caller initialises.
    Initialise(Initialiser<'a>),
}

impl<'c> RawOnce<'c> {
    #[inline]
    pub(super) fn of<T>(slot: &'c Slot<T>) -> Self {
        Self(slot.state())
    }

    pub(super) fn key(self) -> usize {
        (&raw const *self.0).addr()
    }

    #[inline]
    pub(super) fn is_ready(self) -> bool {
        self.look() == READY
    }

    #[inline]
    fn look(self) -> u8 {
        // Acquire: pairs with the Release in `Initialiser::finish`; the value is visible.
        self.0.load(ord!("once.get", Acquire))
    }

    /// Whether the mark of a sleeper is set, for models.
    #[cfg(all(loom, test))]
    pub(super) fn someone_sleeps(self) -> bool {
        self.0.fetch_or(0, Relaxed) & PARKED != 0
    }

    /// Becomes the initialiser, or waits until the value is there.
    #[inline]
    pub(super) fn enter(self, by: By<'_>) -> Result<Entered<'c>, Refused> {
        match self.try_enter() {
            Ok(entered) => Ok(entered),
            Err(met) => self.wait(by, Candidate { once: self, met }),
        }
    }

    /// Waits until the value is there.
    pub(super) fn watch(self, by: By<'_>) -> Result<(), Refused> {
        match self.look() {
            READY => Ok(()),
            met => self.wait(by, Watcher { once: self, met }),
        }
    }

    #[cold]
    #[inline(never)]
    fn wait<W: Waiter>(self, by: By<'_>, mut waiter: W) -> Result<W::Output, Refused> {
        // Once is enough: while this thread waits it begins no initialiser.
        if held::is_initialising(self.key()) && step!("once.reentry") {
            return Err(Refused::Reentrant);
        }
        let By { limit, place, panics } = by;
        let timer = &mut Timer::new(limit, Call { what: What::Cell, key: self.key(), place, panics });
        block(&mut waiter, timer).map_err(|ended| match ended {
            Ended::Stopped(stopped) => Refused::Stopped(stopped),
            Ended::Deadlock => Refused::Deadlock(timer.cycle()),
        })
    }

    /// Becomes the initialiser, or says in which state another one is at work.
    #[inline]
    fn try_enter(self) -> Result<Entered<'c>, u8> {
        let mut state = EMPTY;
        loop {
            // Acquire on success: pairs with the Release in `fail`, so that this initialiser sees what a
            // failed one did. Acquire on failure, where it reads READY: as in `look`.
            match self.0.compare_exchange(
                state,
                state | RUNNING,
                ord!("once.enter", Acquire),
                ord!("once.find", Acquire),
            ) {
                Ok(_) => return Ok(Entered::Initialise(Initialiser(self))),
                Err(READY) => return Ok(Entered::Ready),
                Err(met) if met & RUNNING != 0 => return Err(met),
                Err(met) => state = met,
            }
        }
    }

    /// Marks that somebody sleeps, in this state or where it is marked so already. Under the lock of the queue.
    fn mark(self, state: u8) -> bool {
        let mark = if step!("once.mark") { PARKED } else { 0 };
        // Relaxed: the mark is looked at by the initialiser's read-modify-write. The queue's lock orders this behind every
        // change that was made under it; the step to `READY`, which is not, is followed by a wake-up of all.
        match self.0.compare_exchange(state, state | mark, Relaxed, Relaxed) {
            Ok(_) => true,
            Err(now) => now == state | PARKED,
        }
    }

    /// The caller's initialiser has failed.
    fn fail(self) {
        covered!("once.failed");
        let state = self.0;
        // Release: pairs with the Acquire of the next initialiser's compare-exchange in `try_enter`.
        if state.compare_exchange(RUNNING, EMPTY, ord!("once.fail-fast", Release), Relaxed).is_ok() {
            return;
        }
        let picked = Cell::new(false);
        let first_candidate = |token: ParkToken| {
            if picked.get() {
                FilterOp::Stop
            } else if flags(token) == CANDIDATE || !step!("once.fail-wakes-candidate") {
                picked.set(true);
                FilterOp::Unpark
            } else {
                FilterOp::Skip
            }
        };
        // SAFETY: the callbacks load and store atomics and cells only.
        unsafe {
            unpark_filter(self.key(), first_candidate, |result| {
                let parked = if result.have_more_threads { PARKED } else { 0 };
                // Release: pairs as above.
                state.swap(EMPTY | parked, ord!("once.fail-slow", Release));
                LOOK
            });
        }
    }

    fn leave(self, last: bool) {
        if last && step!("once.leave-clears") {
            covered!("once.leave-last");
            // Relaxed: a read-modify-write, which passes on the Release that it may stand behind.
            self.0.fetch_and(!PARKED, Relaxed);
        }
    }
}

/// The right to write the value. Dropped without [`finish`](Initialiser::finish) it has failed: the cell is empty again
/// and the next candidate takes over.
pub(super) struct Initialiser<'c>(RawOnce<'c>);

impl Initialiser<'_> {
    /// The value is written.
    #[inline]
    pub(super) fn finish(self) {
        let once = self.0;
        std::mem::forget(self);
        // Release: pairs with the Acquire in `look` and `try_enter`.
        let old = once.0.swap(READY, ord!("once.publish", Release));
        if old & PARKED != 0 && step!("once.finish-wakes") {
            covered!("once.finish-parked");
            // SAFETY: there is no callback.
            unsafe { wake_all(once.key(), LOOK) };
        }
    }
}

impl Drop for Initialiser<'_> {
    #[cold]
    fn drop(&mut self) {
        cleanup(|| self.0.fail());
    }
}

/// A thread that would initialise the cell.
struct Candidate<'a> {
    once: RawOnce<'a>,
    /// The state that the last attempt found: another is at work.
    met: u8,
}

impl<'a> Waiter for Candidate<'a> {
    type Output = Entered<'a>;

    fn key(&self) -> usize {
        self.once.key()
    }

    fn flags(&self) -> usize {
        CANDIDATE
    }

    fn attempt(&mut self) -> Option<Entered<'a>> {
        match self.once.try_enter() {
            Ok(entered) => Some(entered),
            Err(state) => {
                self.met = state;
                None
            }
        }
    }

    fn patience(&self) -> Patience {
        // Not past threads that sleep already: then it takes long.
        if self.met & PARKED == 0 { Patience::Short } else { Patience::None }
    }

    fn mark(&self) -> bool {
        self.once.mark(RUNNING)
    }

    fn leave(&self, last: bool) {
        self.once.leave(last);
    }
}

/// A thread that waits for others to initialise the cell.
struct Watcher<'a> {
    once: RawOnce<'a>,
    /// The state that the last attempt found: not READY.
    met: u8,
}

impl Waiter for Watcher<'_> {
    type Output = ();

    fn key(&self) -> usize {
        self.once.key()
    }

    fn flags(&self) -> usize {
        WATCHER
    }

    fn attempt(&mut self) -> Option<()> {
        self.met = self.once.look();
        (self.met == READY).then_some(())
    }

    fn patience(&self) -> Patience {
        // Not past threads that sleep already: then it takes long.
        if self.met & PARKED == 0 { Patience::Short } else { Patience::None }
    }

    fn mark(&self) -> bool {
        self.once.mark(self.met & !PARKED)
    }

    fn leave(&self, last: bool) {
        self.once.leave(last);
    }
}
