//! The words that a semaphore is, on the parking lot.
//!
//! | bits of `word` | meaning |
//! | --- | --- |
//! | 0 | *parked*: somebody sleeps, or one that gives up was the last to sleep |
//! | 1 to 63 | *available*: how many permits are there to be had |
//!
//! | from | to | by |
//! | --- | --- | --- |
//! | available `a`, not parked | available `a - n` | a thread that acquires `n <= a` without a wait |
//! | available `a` | available `a + n` | permits that come back or are added; who meets a parked word then hands out |
//! | not parked | parked | a thread that is about to sleep, for more than there is |
//! | available `a`, parked | available `a - n` | `n` permits that are handed to the threads that slept longest |
//! | parked | not parked | whoever hands out to the last sleeper, or finds none; the last sleeper to give up |
//!
//! Invariants:
//! 1. *Parked* is set and cleared only under the lock of the queue. A thread joins the queue while it is set.
//! 2. Of a parked word permits are taken under that lock only, by a thread that hands out. They are added without it.
//! 3. While the lock is free, there is not enough for the thread that sleeps longest; or another is about to take the lock to hand
//!    out: one that has added permits to a parked word, or that was taken out of the queue without any.
//! 4. The permits that are available or given out are no more than `total`, and that no more than [`MAX`].
//!
//! # Order
//! A thread that hands out goes through the queue from the front, and stops at the first sleeper for whom there is not enough. So
//! permits for a large request come together while smaller ones wait behind it. Nobody who has not slept overtakes: a parked
//! word refuses. Permits that are handed to a thread have left the word before it wakes.
//!
//! # Memory ordering
//! All changes of `word` are read-modify-writes, so one that acquires (or the look of a thread that permits were handed to)
//! reads a value that carries the Release of every permit that came back before.

use std::cell::Cell;

use crate::sync::{
    AtomicU64, FilterOp, Ordering::Relaxed, ParkToken, UnparkResult, UnparkToken, const_fn, covered, ord, step,
    unpark_filter,
};
use crate::wait::{Patience, Waiter, amount};

const PARKED: u64 = 1;
const ONE: u64 = 2;

/// The most permits. A quarter of what has room in the word.
pub(super) const MAX: usize = usize::MAX >> 3;

/// Wake-up: the permits are yours.
const HANDED: UnparkToken = UnparkToken(1);

pub(super) struct RawSemaphore {
    word: AtomicU64,
    /// Permits that are available or given out.
    total: AtomicU64,
}

impl RawSemaphore {
    const_fn! {
        pub(super) const fn new(permits: usize) -> Self {
            Self { word: AtomicU64::new(permits as u64 * ONE), total: AtomicU64::new(permits as u64) }
        }
    }

    fn key(&self) -> usize {
        (&raw const self.word).addr()
    }

    pub(super) fn available(&self) -> usize {
        // Relaxed: a hint. It is at most `MAX`.
        (self.word.load(Relaxed) / ONE) as usize
    }

    /// Takes so many permits, if they are there and nobody sleeps.
    #[inline]
    pub(super) fn try_take(&self, permits: usize) -> bool {
        // Relaxed: the compare-exchange decides.
        let mut word = self.word.load(Relaxed);
        loop {
            if !has(word, permits) {
                return false;
            }
            let less = word - permits as u64 * ONE;
            // Acquire: pairs with the Release in `give`.
            match self.word.compare_exchange_weak(word, less, ord!("semaphore.take", Acquire), Relaxed) {
                Ok(_) => return true,
                Err(now) => word = now,
            }
        }
    }

    /// Gives so many permits that are out, or have just been made.
    #[inline]
    pub(super) fn give(&self, permits: usize) {
        // Release: pairs with the Acquire in `try_take` and of those that permits are handed to. No overflow (invariant 4).
        let old = self.word.fetch_add(permits as u64 * ONE, ord!("semaphore.give", Release));
        if old & PARKED != 0 && step!("semaphore.give-hands-out") {
            self.hand_out();
        }
    }

    /// Makes so many permits. False: they would be too many.
    pub(super) fn make(&self, permits: usize) -> bool {
        // Relaxed, here and in `unmake`: the count orders nothing.
        let mut total = self.total.load(Relaxed);
        loop {
            // No overflow: both are far below the word's end, `total` by invariant 4.
            if permits > MAX || total + permits as u64 > MAX as u64 {
                return false;
            }
            match self.total.compare_exchange_weak(total, total + permits as u64, Relaxed, Relaxed) {
                Ok(_) => break,
                Err(now) => total = now,
            }
        }
        self.give(permits);
        true
    }

    /// So many permits that are out do not come back.
    pub(super) fn unmake(&self, permits: usize) {
        self.total.fetch_sub(permits as u64, Relaxed);
    }

    /// Hands what is available to those that sleep, from the front of the queue on, as far as it suffices for each.
    #[cold]
    fn hand_out(&self) {
        let left = Cell::new(None);
        let given = Cell::new(0);
        let next = |token: ParkToken| {
            // SAFETY: this is called under the queue's lock, and all that sleep there came by `block`.
            let wanted = unsafe { amount(token) } as u64;
            // Relaxed: since the word is parked, what is not under the queue's lock adds to it. What is added at this moment may be
            // missed here; who adds it comes to hand it out (invariant 3).
            let there = left.get().unwrap_or_else(|| self.word.load(Relaxed) / ONE);
            if there < wanted {
                left.set(Some(there));
                covered!("semaphore.not-enough");
                return if step!("semaphore.in-turn") { FilterOp::Stop } else { FilterOp::Skip };
            }
            left.set(Some(there - wanted));
            given.set(given.get() + wanted);
            FilterOp::Unpark
        };
        let hand = |result: UnparkResult| {
            let nobody = !result.have_more_threads && step!("semaphore.hand-out-clears");
            // Relaxed: set and cleared only under the lock of the queue, which is held here.
            let parked = if nobody { self.word.load(Relaxed) & PARKED } else { 0 };
            let change = given.get() * ONE + parked;
            if change != 0 {
                // Relaxed: a read-modify-write, which passes on the Releases that it stands behind.
                self.word.fetch_sub(change, Relaxed);
            }
            HANDED
        };
        // SAFETY: the callbacks load and change atomics and cells only.
        unsafe { unpark_filter(self.key(), next, hand) };
    }

    /// A thread has left the queue without permits. Those behind it may have been waiting for its sake.
    fn left(&self) {
        // Relaxed: the thread has had the lock of the queue since it left. If nobody slept then, there is nobody to be handed anything;
        // and who has come to sleep since found too little.
        if self.word.load(Relaxed) & PARKED != 0 && step!("semaphore.leaver-hands-out") {
            covered!("semaphore.left-others");
            self.hand_out();
        }
    }

    /// Whether somebody has marked that it sleeps, for models.
    #[cfg(all(loom, test))]
    pub(super) fn is_parked(&self) -> bool {
        self.word.fetch_or(0, Relaxed) & PARKED != 0
    }

    /// Takes the first of several sleepers out of the queue, for models.
    #[cfg(all(loom, test))]
    pub(super) fn wake_first_of_several(&self) -> bool {
        let first = Cell::new(true);
        let next = |_| if first.replace(false) { FilterOp::Unpark } else { FilterOp::Stop };
        // SAFETY: the callbacks change cells only.
        unsafe { unpark_filter(self.key(), next, |_| UnparkToken(0)) }.have_more_threads
    }
}

/// Whether so many permits can be taken from a word.
#[inline]
fn has(word: u64, permits: usize) -> bool {
    word & PARKED == 0 && word / ONE >= permits as u64
}

/// A thread that waits for so many permits.
pub(super) struct Acquirer<'a> {
    semaphore: &'a RawSemaphore,
    permits: usize,
    handed: bool,
}

impl<'a> Acquirer<'a> {
    pub(super) fn new(semaphore: &'a RawSemaphore, permits: usize) -> Self {
        Self { semaphore, permits, handed: false }
    }
}

impl Waiter for Acquirer<'_> {
    type Output = ();

    fn key(&self) -> usize {
        self.semaphore.key()
    }

    fn amount(&self) -> usize {
        self.permits
    }

    fn attempt(&mut self) -> Option<()> {
        if self.handed {
            // Acquire: pairs with the Release in `give`. A wake promises no order: a load could read an older word, a
            // read-modify-write comes behind the step that handed the permits over.
            self.semaphore.word.fetch_or(0, ord!("semaphore.handed", Acquire));
            return Some(());
        }
        self.semaphore.try_take(self.permits).then_some(())
    }

    fn patience(&self) -> Patience {
        // Its turn is that in which it joins the queue.
        Patience::None
    }

    fn mark(&self) -> bool {
        let mark = if step!("semaphore.mark") { PARKED } else { 0 };
        // Relaxed: the mark is looked at by the read-modify-write that adds permits. The queue's lock orders this behind every change
        // that was made under it, so a parked word is known for one. What was added to such a word is handed out under this lock,
        // and what was added to another is in the newest word, of which the compare-exchange makes sure.
        let mut word = self.semaphore.word.load(Relaxed);
        loop {
            if word & PARKED != 0 {
                return true;
            }
            if has(word, self.permits) {
                return false;
            }
            match self.semaphore.word.compare_exchange(word, word | mark, Relaxed, Relaxed) {
                Ok(_) => return true,
                Err(now) => word = now,
            }
        }
    }

    fn woken(&mut self, why: UnparkToken) {
        if why == HANDED {
            covered!("semaphore.handed");
            self.handed = true;
        } else {
            // By a late wake-up for what was at this address before.
            self.semaphore.left();
        }
    }

    fn leave(&self, last: bool) {
        if last && step!("semaphore.leave-clears") {
            covered!("semaphore.leave-last");
            // Relaxed: a read-modify-write, which passes on the Releases that it stands behind.
            self.semaphore.word.fetch_and(!PARKED, Relaxed);
        }
    }

    fn left(&self) {
        self.semaphore.left();
    }
}
