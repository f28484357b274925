//! Threads that wait for each other through locks and cells.
//!
//! Locks alone cannot deadlock: their order sees to that. So a cycle has a member that waits inside an initialiser. It is found
//! by the member that closes it, once it stands in its queue: it walks from thread to thread, from who waits to all who hold what is
//! waited for. This is exact:
//!
//! * *Who holds what* is true during the whole walk, of threads in the [list](super::asleep), whose lock is held. And while the next
//!   holds what one waits for, that one's wait does not succeed.
//! * *Who waits* is a thread that stands in its queue, in the sleep in which it has looked. Since it looks under the list's lock, it has
//!   stood there from before the walk until it was found there. So at the beginning of the walk all members were waiting.
//! * Who is not found so, is awake or has not looked yet. If it sleeps on, it will look, and find the cycle itself. So of members that all
//!   sleep the last to look finds all others.
//! * A reader that stands in its queue behind a writer waits for what that writer waits for. The writer came before the reader and is
//!   there when the reader is found, so it was there meanwhile.
//! * The member that finds the cycle takes itself out of its queue, under the list's lock. If it is not there any more, it was woken, and
//!   there is none. So one member gets the error, and once it is gone others find no cycle with it.
//!
//! A member that has a limit counts like any other; but a call that has no error to return leaves such a cycle alone, as the limit
//! will end it.

use std::cell::Cell;
use std::ptr;

use super::asleep::{Asleep, Record, with_all};
use super::waits::{Cycle, Holder, Wait};
use super::what::What;
use super::{FLAGS, Place, SHARED};
use crate::sync::{FilterOp, ParkToken, UnparkToken, covered, step, unpark_filter};

/// Wake-up: the sleep would have closed a cycle.
pub(crate) const DEADLOCK: UnparkToken = UnparkToken(usize::MAX - 1);

/// The cycle that this thread, which has looked, closes by its sleep. It has been taken out of its queue, if there is one.
pub(super) fn closed_by(closer: &Record, all: &mut Asleep) -> Option<Cycle> {
    all.walks += 1;
    let walk = Walk { closer, number: all.walks, last: Cell::new(closer) };
    // Breadth first, so the cycle that is found is a shortest one.
    closer.mark.next.set(ptr::null());
    let mut at = closer;
    loop {
        if ptr::eq(at, closer) || at.mark.waits.get() || at.waits() || !step!("cycle.waits") {
            let ahead = at.writer_ahead();
            for to in all.records() {
                let held = at.waits_for(to);
                let is_ahead = ahead == Some(to.token);
                if (held.is_some() || is_ahead) && walk.reaches(at, to, held, is_ahead) {
                    return closer.leaves().then(|| walk.describe());
                }
            }
        }
        // SAFETY: a record in the list, whose lock is held.
        at = unsafe { at.mark.next.get().as_ref() }?;
    }
}

struct Walk<'r> {
    closer: &'r Record,
    number: u64,
    /// Who is to be asked last.
    last: Cell<&'r Record>,
}

impl<'r> Walk<'r> {
    /// One waits for another. Whether that closes a cycle.
    fn reaches(&self, from: &Record, to: &'r Record, place: Option<Place>, waits: bool) -> bool {
        let mark = &to.mark;
        if ptr::eq(to, self.closer) {
            if ptr::eq(from, to) {
                return false;
            }
        } else if mark.walk.get() == self.number || self.closer.call.panics && to.limited {
            return false;
        }
        mark.walk.set(self.number);
        mark.before.set(from);
        mark.place.set(place);
        if ptr::eq(to, self.closer) {
            return true;
        }
        mark.waits.set(waits);
        mark.next.set(ptr::null());
        self.last.replace(to).mark.next.set(to);
        false
    }

    /// The cycle, from the closer on.
    fn describe(&self) -> Cycle {
        let mut waits = Vec::new();
        let mut to = self.closer;
        loop {
            // SAFETY: set by this walk; a record in the list, whose lock is held.
            let from = unsafe { &*to.mark.before.get() };
            // A writer that is ahead of a reader holds nothing that the reader waits for.
            let place = to.mark.place.get().unwrap_or(to.call.place);
            waits.push(Wait::new(from, vec![Holder::asleep(to, place)]));
            to = from;
            if ptr::eq(to, self.closer) {
                waits.reverse();
                return Cycle::new(waits);
            }
        }
    }
}

impl Record {
    /// The thread sleeps, and asks whether it closes a cycle. If so, it has been taken out of its queue.
    pub(crate) fn look(&self) -> Option<Cycle> {
        if !self.counts() || !self.published.get() || !step!("record.look") {
            return None;
        }
        with_all(|all| {
            // SAFETY: the list's lock is held; `joined` is changed by this thread alone, which reads it here.
            unsafe { *self.looked.exclusive() = *self.joined.shared() };
            if all.makers == 0 { None } else { closed_by(self, all) }
        })
    }

    /// Whether it waits for something that another holds, and where that was acquired.
    fn waits_for(&self, other: &Record) -> Option<Place> {
        let key = self.call.key;
        if key == 0 || !other.holds {
            return None;
        }
        // SAFETY: that of a thread in the list, whose lock is held.
        let held = unsafe { &*other.held };
        // A writer waits for readers, too.
        let or_readers = key + usize::from(matches!(self.call.what, What::Write(_)) || !step!("cycle.mode"));
        held.acquired(|other| other == key || other == or_readers)
    }

    /// Whether it stands in its queue, in the sleep in which it has looked.
    fn waits(&self) -> bool {
        let mut waits = false;
        self.in_queue(|token| {
            if token.0 & !FLAGS != self.token {
                return FilterOp::Skip;
            }
            // SAFETY: the locks of the queue and of the list are held.
            waits = unsafe { *self.joined.shared() == *self.looked.shared() } || !step!("cycle.looked");
            FilterOp::Stop
        });
        waits
    }

    /// The token of the first writer that sleeps ahead of it, if it is a reader.
    fn writer_ahead(&self) -> Option<usize> {
        if !matches!(self.call.what, What::Read(_)) || !step!("cycle.writer-ahead") {
            return None;
        }
        let mut first = None;
        let mut found = false;
        self.in_queue(|token| {
            if token.0 & !FLAGS == self.token {
                found = true;
                return FilterOp::Stop;
            }
            if token.0 & FLAGS != SHARED {
                first.get_or_insert(token.0 & !FLAGS);
            }
            FilterOp::Skip
        });
        first.filter(|_| found)
    }

    /// Takes itself out of its queue, if it stands there.
    fn leaves(&self) -> bool {
        let mine = |token: ParkToken| {
            if token.0 & !FLAGS == self.token { FilterOp::Unpark } else { FilterOp::Skip }
        };
        if !step!("cycle.leave") {
            return true;
        }
        // SAFETY: the callbacks load and store cells only.
        let result = unsafe { unpark_filter(self.queue, mine, |_| DEADLOCK) };
        if result.unparked_threads == 0 {
            covered!("cycle.woken");
        }
        result.unparked_threads > 0
    }

    fn in_queue(&self, look: impl FnMut(ParkToken) -> FilterOp) {
        // SAFETY: the callbacks load and store cells only, and wake nobody. The queue is that of a primitive whose waiter is in the
        // list, whose lock is held.
        unsafe { unpark_filter(self.queue, look, |_| UnparkToken(0)) };
    }
}
