//! Those that wait for the lock: what each sleeps for, and what it makes of its wake-up.

use super::super::block::{Patience, Waiter};
use super::super::raw_mutex::{HANDED, MAX_LOSSES, Refused};
use super::{HELD, READER, READERS, READS, RawRwLock, WRITER, WRITERS};
use crate::sync::{Ordering::Relaxed, UnparkToken, covered, ord};

/// A thread that waits to read.
pub(super) struct Reader<'a> {
    lock: &'a RawRwLock,
    handed: bool,
}

impl<'a> Reader<'a> {
    pub(super) fn new(lock: &'a RawRwLock) -> Self {
        Self { lock, handed: false }
    }
}

impl Waiter for Reader<'_> {
    type Output = Result<(), Refused>;

    fn key(&self) -> usize {
        self.lock.key()
    }

    fn flags(&self) -> usize {
        READS
    }

    fn attempt(&mut self) -> Option<Self::Output> {
        if self.handed {
            // Acquire: pairs with the Release in `let_readers_in`; a read-modify-write, as in the raw mutex.
            let state = self.lock.0.fetch_or(0, ord!("rw.handed-read", Acquire));
            debug_assert!(state >= READER, "a lock that is handed to readers is held by them");
            return Some(Ok(()));
        }
        // Relaxed: the compare-exchange decides.
        self.lock.try_read_slow(self.lock.0.load(Relaxed)).ok()
    }

    fn patience(&self) -> Patience {
        // As in the raw mutex.
        Patience::Long
    }

    fn mark(&self) -> bool {
        self.lock.mark(READERS, WRITER | WRITERS)
    }

    fn woken(&mut self, why: UnparkToken) {
        self.handed = why == HANDED;
    }

    fn leave(&self, last: bool) {
        self.lock.leave(last);
    }
}

/// A thread that waits to write.
pub(super) struct Writer<'a> {
    lock: &'a RawRwLock,
    /// The state that the last attempt met: held by another.
    met: u64,
    /// How often this thread was woken and had to sleep again.
    losses: usize,
    handed: bool,
}

impl<'a> Writer<'a> {
    pub(super) fn new(lock: &'a RawRwLock, met: u64) -> Self {
        Self { lock, met, losses: 0, handed: false }
    }
}

impl Waiter for Writer<'_> {
    type Output = Result<(), Refused>;

    fn key(&self) -> usize {
        self.lock.key()
    }

    fn flags(&self) -> usize {
        self.losses
    }

    fn attempt(&mut self) -> Option<Self::Output> {
        if self.handed {
            // Acquire: pairs with the Release in `let_writer_in`; a read-modify-write, as in the raw mutex.
            let state = self.lock.0.fetch_or(0, ord!("rw.handed-write", Acquire));
            debug_assert_eq!(state & WRITER, WRITER, "a lock that is handed to a writer stays locked");
            return Some(Ok(()));
        }
        // Relaxed: the compare-exchange decides.
        match self.lock.try_write_slow(self.lock.0.load(Relaxed)) {
            Ok(end) => Some(end),
            Err(state) => {
                self.met = state;
                None
            }
        }
    }

    fn patience(&self) -> Patience {
        // One reader will be gone soon. Several, of which the next comes before the last one goes, keep coming until a writer
        // sleeps: it would yield to them in vain.
        let several = self.met & WRITER == 0 && self.met >= 2 * READER;
        if several { Patience::Short } else { Patience::Long }
    }

    fn mark(&self) -> bool {
        self.lock.mark(WRITERS, HELD)
    }

    fn woken(&mut self, why: UnparkToken) {
        if why == HANDED {
            covered!("rw.handed-write");
            self.handed = true;
        } else {
            // No further, as in the raw mutex; more would also pass for a reader.
            self.losses = (self.losses + 1).min(MAX_LOSSES);
        }
    }

    fn leave(&self, last: bool) {
        self.lock.leave(last);
    }

    fn left(&self) {
        self.lock.writer_left();
    }
}
