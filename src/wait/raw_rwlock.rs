//! The raw read-write lock: one word, on the parking lot.
//!
//! | bits | meaning |
//! | --- | --- |
//! | `WRITER` | a writer holds |
//! | `READERS` | readers sleep |
//! | `WRITERS` | writers sleep: new readers wait |
//! | `POISONED` | refused to all until cleared; nobody holds or sleeps |
//! | from `READER` on | how many readers hold |
//!
//! `WRITER` and a number of readers exclude each other; `POISONED` excludes everything else.
//!
//! Readers and writers take turns, so that neither starve:
//! * While a writer sleeps no new reader is let in. The last reader to leave hands the lock to the first writer.
//! * A writer that leaves hands the lock to all readers that sleep. If none do, it wakes the first writer, which competes
//!   with those that just come, as in the raw mutex, and is handed the lock once it has lost [`MAX_LOSSES`] times.
//!
//! So a reader waits for the readers of now and for one turn of a writer; a writer for those before it, each with one turn of
//! readers. And while readers hold, a reader that sleeps has a writer ahead of it in the queue, or is about to be let in.
//!
//! Invariants:
//! 1. A thread joins the queue in a state with its bit and with who is in its way, which it meets or makes under the lock
//!    of the queue.
//! 2. Whoever lets go of the lock while a bit is set does so under the lock of the queue: a writer as it is; the last
//!    reader by first taking the place of a writer, unless another was quicker, who will then do it.
//! 3. A bit is set while anyone of its kind sleeps. It is cleared under the lock of the queue when none sleep there any
//!    more; that of a writer which has given up in the step in which readers are let in.
//! 4. A writer that gives up lets in the readers that sleep before the first writer that still does, unless another holds.
//!
//! # Memory ordering
//! Taking the lock is an Acquire that reads what the last holders' Releases wrote: every change of the word is a
//! read-modify-write, so that what one writes later ones pass on.

mod waiters;

use std::cell::Cell;

use self::waiters::{Reader, Writer};
use super::block::{Stop, Waiter, block};
use super::raw_mutex::{HANDED, MAX_LOSSES, RETRY, Refused};
use crate::record::{SHARED, flags};
use crate::sync::{
    AtomicU64, FilterOp, Ordering::Relaxed, ParkToken, UnparkResult, const_fn, covered, ord, step, unpark_filter,
};

const WRITER: u64 = 1;
const READERS: u64 = 2;
const WRITERS: u64 = 4;
const POISONED: u64 = 8;
const READER: u64 = 16;
/// What keeps a writer out.
const HELD: u64 = !(READERS | WRITERS | POISONED);

/// A sleeper's flags: a reader, or a writer that has lost so many times.
const READS: usize = SHARED;
const _: () = assert!(MAX_LOSSES < READS);

#[derive(Debug)]
pub(crate) struct RawRwLock(AtomicU64);

impl RawRwLock {
    const_fn! {
        pub(crate) const fn new() -> Self {
            Self(AtomicU64::new(0))
        }
    }

    fn key(&self) -> usize {
        (&raw const self.0).addr()
    }

    // ---- reading -----------------------------------------------------------------------------

    /// Joins the readers, waiting until something stops that.
    pub(crate) fn read(&self, stop: &mut impl Stop) -> Result<(), Refused> {
        self.try_read_fast().or_else(|state| self.read_slow(state, stop))
    }

    /// The same after the first try, which met this state.
    #[cold]
    pub(crate) fn read_slow(&self, state: u64, stop: &mut impl Stop) -> Result<(), Refused> {
        match self.try_read_slow(state) {
            Ok(end) => end,
            Err(_) => self.wait(Reader::new(self), stop),
        }
    }

    /// Joins the readers if neither a writer holds nor one waits.
    #[inline]
    pub(crate) fn try_read(&self) -> Result<(), Refused> {
        match self.try_read_fast() {
            Ok(()) => Ok(()),
            Err(state) => self.try_read_slow(state).unwrap_or(Err(Refused::Busy)),
        }
    }

    /// Becomes the only reader if nobody holds or sleeps: the first try of every way to read. Else the state that it met.
    ///
    /// It does not look first: where others read as well, the word has to come over for the change anyway, once.
    #[inline]
    pub(crate) fn try_read_fast(&self) -> Result<(), u64> {
        // Acquire: pairs with the Release of the writer that let go last, and of a poisoner.
        self.0.compare_exchange(0, READER, ord!("rw.read-fast", Acquire), Relaxed).map(drop)
    }

    /// Joins the readers, or says in which state it may not.
    fn try_read_slow(&self, mut state: u64) -> Result<Result<(), Refused>, u64> {
        loop {
            if state & (WRITER | WRITERS | POISONED) != 0 {
                return if state & POISONED != 0 { Ok(Err(Refused::Poisoned)) } else { Err(state) };
            }
            // Acquire: pairs as in `try_read_fast`.
            match self.0.compare_exchange(state, state + READER, ord!("rw.read-slow", Acquire), Relaxed) {
                Ok(_) => return Ok(Ok(())),
                Err(now) => state = now,
            }
        }
    }

    /// Leaves the readers, of whom the caller is one.
    #[inline]
    pub(crate) fn unlock_read(&self) {
        // Release: pairs with the Acquire of the next writer.
        let state = self.0.fetch_sub(READER, ord!("rw.unlock-read", Release)) - READER;
        if state != 0 && state < READER {
            self.last_reader_left(state);
        }
    }

    /// The lock was left to itself while somebody sleeps, or did a moment ago.
    #[cold]
    fn last_reader_left(&self, mut state: u64) {
        // The lock is taken for those who sleep. Whoever takes it first, or comes as a reader, looks after them as well.
        while state != 0 && state & !(READERS | WRITERS) == 0 && step!("rw.last-reader-wakes") {
            covered!("rw.last-reader");
            // Relaxed: whoever the lock is handed to reads the Releases of all readers through this read-modify-write.
            match self.0.compare_exchange(state, state | WRITER, Relaxed, Relaxed) {
                Ok(_) => return self.hand_on(state | WRITER, Turn::Writers),
                Err(now) => state = now,
            }
        }
    }

    // ---- writing -----------------------------------------------------------------------------

    /// Takes the lock if it is free and nobody sleeps: the first try of every way to write. Else the state that it met.
    #[inline]
    pub(crate) fn try_write_fast(&self) -> Result<(), u64> {
        // Acquire: pairs with the Release of the holders before.
        self.0.compare_exchange(0, WRITER, ord!("rw.write-fast", Acquire), Relaxed).map(drop)
    }

    /// Takes the lock, waiting until something stops that.
    pub(crate) fn write(&self, stop: &mut impl Stop) -> Result<(), Refused> {
        self.try_write_fast().or_else(|state| self.write_slow(state, stop))
    }

    /// The same after the first try, which met this state.
    #[cold]
    pub(crate) fn write_slow(&self, state: u64, stop: &mut impl Stop) -> Result<(), Refused> {
        match self.try_write_slow(state) {
            Ok(end) => end,
            Err(met) => self.wait(Writer::new(self, met), stop),
        }
    }

    /// Takes the lock if nobody holds it.
    #[inline]
    pub(crate) fn try_write(&self) -> Result<(), Refused> {
        match self.try_write_fast() {
            Ok(()) => Ok(()),
            Err(state) => self.try_write_slow(state).unwrap_or(Err(Refused::Busy)),
        }
    }

    /// Takes the lock whether or not others sleep, or says in which state it is held.
    fn try_write_slow(&self, mut state: u64) -> Result<Result<(), Refused>, u64> {
        loop {
            if state & POISONED != 0 {
                return Ok(Err(Refused::Poisoned));
            }
            if state & HELD != 0 {
                return Err(state);
            }
            // Acquire: pairs as in `try_fast`.
            match self.0.compare_exchange(state, state | WRITER, ord!("rw.write-slow", Acquire), Relaxed) {
                Ok(_) => return Ok(Ok(())),
                Err(now) => state = now,
            }
        }
    }

    /// Lets go of the lock, which the caller holds as the writer.
    #[inline]
    pub(crate) fn unlock_write(&self) {
        // Release: pairs with the Acquire of the next to take the lock.
        if let Err(state) = self.0.compare_exchange(WRITER, 0, ord!("rw.unlock-fast", Release), Relaxed) {
            self.hand_on(state, Turn::Readers);
        }
    }

    /// Makes the caller a reader, which holds the lock as the writer. Readers that sleep are let in along with it, as when a writer leaves.
    #[inline]
    pub(crate) fn downgrade(&self) {
        // Release: pairs with the Acquire of other readers, who see what was written.
        if self.0.compare_exchange(WRITER, READER, ord!("rw.downgrade-fast", Release), Relaxed).is_err() {
            self.downgrade_slow();
        }
    }

    #[cold]
    fn downgrade_slow(&self) {
        let readers = |token| {
            let let_in = flags(token) == READS && step!("rw.downgrade-lets-in");
            if let_in { FilterOp::Unpark } else { FilterOp::Skip }
        };
        let join = |result: UnparkResult| {
            let readers = result.unparked_threads as u64;
            if readers > 0 {
                covered!("rw.downgrade-let-in");
            }
            // Whoever is left is a writer.
            let over = if result.have_more_threads { READERS } else { READERS | WRITERS };
            // Relaxed: the bits are set and cleared only under the lock of the queue, which is held here.
            let over = self.0.load(Relaxed) & over;
            // Release: pairs with the Acquire of those that are let in, and of readers that come.
            self.0.fetch_add(((readers + 1) * READER).wrapping_sub(WRITER | over), ord!("rw.downgrade", Release));
            HANDED
        };
        // SAFETY: the callbacks load and store atomics only.
        unsafe { unpark_filter(self.key(), readers, join) };
    }

    /// Lets go of the lock, which the caller holds as the writer, and refuses it to everybody until it is mended.
    #[cold]
    pub(crate) fn poison(&self) {
        let all = |_| if step!("rw.poison-wakes") { FilterOp::Unpark } else { FilterOp::Skip };
        // Under the lock of the queue, so that nobody finds sleepers there whose bits are gone.
        let poison = |result: UnparkResult| {
            if result.unparked_threads > 0 {
                covered!("rw.poison-parked");
            }
            // Release: pairs with the Acquire of the first to take the lock after the poison was cleared.
            self.0.swap(POISONED, ord!("rw.poison", Release));
            RETRY
        };
        // SAFETY: the callbacks load and store atomics only.
        unsafe { unpark_filter(self.key(), all, poison) };
    }

    pub(crate) fn is_poisoned(&self) -> bool {
        // Relaxed: a hint; who needs the data takes the lock.
        self.0.load(Relaxed) & POISONED != 0
    }

    pub(crate) fn is_locked(&self) -> bool {
        // Relaxed: a hint.
        self.0.load(Relaxed) & HELD != 0
    }

    /// Takes the lock as a writer if it is poisoned, and is then as if it had never been.
    pub(crate) fn write_poisoned(&self) -> bool {
        // Acquire: pairs with the Release in `poison`; what the poisoner did is visible.
        self.0.compare_exchange(POISONED, WRITER, ord!("rw.write-poisoned", Acquire), Relaxed).is_ok()
    }

    pub(crate) fn clear_poison(&self) {
        // Relaxed: a read-modify-write passes the poisoner's Release on to the next to take the lock.
        self.0.fetch_and(!POISONED, Relaxed);
    }

    /// The newest state, for models: a load could be old.
    #[cfg(all(loom, test))]
    pub(crate) fn state(&self) -> u64 {
        self.0.fetch_or(0, Relaxed)
    }

    /// Whether a reader sleeps, for models.
    #[cfg(all(loom, test))]
    pub(crate) fn a_reader_sleeps(&self) -> bool {
        self.state() & READERS != 0
    }

    // ---- waiting -----------------------------------------------------------------------------

    #[cold]
    fn wait(&self, mut waiter: impl Waiter<Output = Result<(), Refused>>, stop: &mut impl Stop) -> Result<(), Refused> {
        block(&mut waiter, stop).unwrap_or_else(|ended| Err(ended.into()))
    }

    /// Lets go of the lock, which the caller holds as the writer, in favour of those whose turn it is.
    #[cold]
    fn hand_on(&self, mut state: u64, turn: Turn) {
        loop {
            let readers = state & READERS != 0 && (turn == Turn::Readers || state & WRITERS == 0);
            let done = if readers { self.let_readers_in() } else { self.let_writer_in(turn == Turn::Writers) };
            if done {
                return;
            }
            // Relaxed: who sleeps is looked at under the queue's lock.
            state = self.0.load(Relaxed);
        }
    }

    /// Makes all readers that sleep hold the lock, in place of the caller, who holds it as the writer. If nobody sleeps at all the
    /// lock is let go of. False: writers sleep, but no readers.
    fn let_readers_in(&self) -> bool {
        let readers = |token| if flags(token) == READS { FilterOp::Unpark } else { FilterOp::Skip };
        let let_in = |result: UnparkResult| {
            let readers = result.unparked_threads as u64;
            if readers == 0 {
                self.nobody(READERS, result);
            } else {
                covered!("rw.readers-let-in");
                // Only writers could be left, and if none is, their bit is from one that has given up, or whose last try has
                // taken the lock: it must not keep out readers.
                // Relaxed: it is set and cleared only under the lock of the queue, which is held here.
                let left = result.have_more_threads || !step!("rw.no-writers-left");
                let over = READERS | if left { 0 } else { self.0.load(Relaxed) & WRITERS };
                let change = (readers * READER).wrapping_sub(WRITER | over);
                // Release: pairs with the Acquire of those that are let in.
                self.0.fetch_add(change, ord!("rw.readers-let-in", Release));
            }
            HANDED
        };
        // SAFETY: the callbacks load and store atomics only.
        let result = unsafe { unpark_filter(self.key(), readers, let_in) };
        result.unparked_threads != 0 || !result.have_more_threads
    }

    /// Wakes the first writer that sleeps, and lets go of the lock or hands it over. If nobody sleeps at all the lock is let
    /// go of. False: readers sleep, and no writers, or it is their turn.
    fn let_writer_in(&self, hand_over: bool) -> bool {
        let first = Cell::new(None);
        let more = Cell::new(false);
        let readers_came = Cell::new(false);
        let first_writer = |token: ParkToken| {
            let losses = flags(token);
            // Relaxed: set and cleared only under the lock of the queue, which is held here. A reader that has just gone to sleep:
            // were the lock free now, others could read, and it would wait for them behind nobody.
            let readers = !hand_over && self.0.load(Relaxed) & READERS != 0 && step!("rw.readers-first");
            if readers {
                readers_came.set(true);
                FilterOp::Stop
            } else if losses == READS {
                FilterOp::Skip
            } else if first.get().is_none() {
                first.set(Some(losses));
                FilterOp::Unpark
            } else {
                more.set(true);
                FilterOp::Stop
            }
        };
        let let_in = |result: UnparkResult| {
            let bit = if more.get() { 0 } else { WRITERS };
            match first.get() {
                None if readers_came.get() => covered!("rw.readers-came"),
                None => self.nobody(WRITERS, result),
                Some(losses) if hand_over || losses >= MAX_LOSSES && step!("rw.hand-over-at-last") => {
                    // Release: pairs with the Acquire of the writer that it is handed to.
                    self.0.fetch_and(!bit, ord!("rw.hand-over", Release));
                    return HANDED;
                }
                Some(_) => {
                    covered!("rw.writer-woken");
                    // Release: pairs with the Acquire of the next to take the lock.
                    self.0.fetch_and(!(WRITER | bit), ord!("rw.wake-writer", Release));
                }
            }
            RETRY
        };
        // SAFETY: the callbacks load and store atomics and cells only.
        let result = unsafe { unpark_filter(self.key(), first_writer, let_in) };
        result.unparked_threads != 0 || !result.have_more_threads
    }

    /// Under the lock of the queue, nobody of the kind of this bit was found there. Clears the bit; and if nobody sleeps at
    /// all, lets go of what the caller holds in the same step: were the lock free with a bit left, its next holders would have
    /// to look for sleepers again.
    fn nobody(&self, bit: u64, result: UnparkResult) {
        let clear = if result.have_more_threads { bit } else { READERS | WRITERS | WRITER };
        // Release: pairs with the Acquire of the next to take the lock.
        self.0.fetch_and(!clear, ord!("rw.unlock-slow", Release));
    }

    /// A writer has given up. The readers before the first that still sleeps, which only it held back, are let in.
    #[cold]
    fn writer_left(&self) {
        // Relaxed: the compare-exchange decides.
        let mut state = self.0.load(Relaxed);
        loop {
            // Whoever holds as a writer looks after those who sleep. Without its bit, which goes when this thread is the last writer to be
            // woken, there may be readers all the same: they slept for the writer that woke it, and others read since.
            let asleep = state & (READERS | WRITERS) != 0;
            if state & (WRITER | POISONED) != 0 || !asleep || !step!("rw.writer-left") {
                return;
            }
            // As a reader among them, so that no writer can come in between.
            // Relaxed: it reads nothing, and is a read-modify-write.
            match self.0.compare_exchange(state, state + READER, Relaxed, Relaxed) {
                Ok(_) => break,
                Err(now) => state = now,
            }
        }
        // Who sleeps behind the readers that are let in.
        let left = Cell::new(0);
        let readers_before_a_writer = |token| {
            let bit = if flags(token) == READS { READERS } else { WRITERS };
            if bit == READERS && left.get() == 0 {
                return FilterOp::Unpark;
            }
            left.set(left.get() | bit);
            FilterOp::Skip
        };
        // Which bits go and who comes in is one step, under one hold of the queue's lock: there is no state between in which
        // readers sleep and nobody is in their way.
        let let_in = |result: UnparkResult| {
            let readers = result.unparked_threads as u64;
            if left.get() & WRITERS == 0 {
                covered!("rw.reopened");
            }
            if readers > 0 {
                covered!("rw.let-in-by-a-leaver");
            }
            // Relaxed: set and cleared only under the lock of the queue, which is held here.
            let over = self.0.load(Relaxed) & (READERS | WRITERS) & !left.get();
            // Relaxed: this thread has written nothing; the read-modify-write passes on the Releases that it stands behind.
            self.0.fetch_add((readers * READER).wrapping_sub(over), Relaxed);
            HANDED
        };
        // SAFETY: the callbacks load and store atomics and cells only.
        unsafe { unpark_filter(self.key(), readers_before_a_writer, let_in) };
        self.unlock_read();
    }

    /// Marks that a thread of this kind sleeps, unless nobody is in its way any more. Under the lock of the queue.
    fn mark(&self, bit: u64, in_the_way: u64) -> bool {
        let mark = if step!("rw.mark") { bit } else { 0 };
        // Relaxed: the mark is looked at by the holders' read-modify-writes. The queue's lock orders this behind every change
        // that was made under it, and a bit that is set is cleared only there: whoever has let go since without that lock
        // has seen the bit, and will take the lock to look for this thread (invariant 2). An unset bit is set by the
        // compare-exchange, in the newest state.
        let mut state = self.0.load(Relaxed);
        loop {
            if state & in_the_way == 0 {
                return false;
            }
            if state & bit != 0 {
                return true;
            }
            match self.0.compare_exchange(state, state | mark, Relaxed, Relaxed) {
                Ok(_) => return true,
                Err(now) => state = now,
            }
        }
    }

    fn leave(&self, last: bool) {
        if last && step!("rw.leave-clears") {
            covered!("rw.leave-last");
            // Relaxed: a read-modify-write, which passes on the Release that it may stand behind.
            self.0.fetch_and(!(READERS | WRITERS), Relaxed);
        }
    }
}

/// Who goes first when a lock changes hands.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Turn {
    Readers,
    Writers,
}
