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
//! A member that has a limit counts like any other. But a call that has no error to return, and would panic, leaves such a cycle to
//! another member: one that has an error gets it, as if it had come last. If none has, a limit will end the wait.

use std::cell::Cell;
use std::iter;
use std::ptr;

use super::asleep::{Asleep, Record};
use super::waits::{Cycle, Holder, How};
use super::what::What;
use super::{FLAGS, Place, SHARED};
use crate::sync::{FilterOp, ParkToken, UnparkToken, covered, step, unpark_filter};

/// Wake-up: the sleep would have closed a cycle.
pub(crate) const DEADLOCK: UnparkToken = UnparkToken(usize::MAX - 1);

/// Looks for a cycle that this thread, which has looked, closes by its sleep. The member that gets the error has been taken out of
/// its queue.
fn close(closer: &Record, all: &Asleep) {
    let panics = closer.call.panics;
    let mut walk = Walk::take(closer, all, !panics);
    if walk.is_none() && panics {
        walk = Walk::take(closer, all, true);
    }
    let Some(walk) = walk else { return };
    // The closer, unless it has no error to return while something else would end the wait.
    let gets = if panics && walk.with_limited {
        let others = iter::successors(Some(before(closer)), |member| Some(before(member)));
        let mut others = others.take_while(|member| !ptr::eq(*member, closer));
        let Some(member) = others.find(|member| !member.call.panics) else { return };
        member
    } else {
        closer
    };
    if gets.leaves() {
        // SAFETY: the list's lock is held.
        *unsafe { gets.cycle.exclusive() } = Some(describe(gets));
    }
}

/// Who waits for this thread, in the cycle that a walk has found.
fn before(record: &Record) -> &Record {
    // SAFETY: set by the walk; a record in the list, whose lock is held.
    unsafe { &*record.mark.before.get() }
}

/// The cycle that a walk has found, from this member on.
fn describe(first: &Record) -> Cycle {
    let mut waits = Vec::new();
    let mut to = first;
    loop {
        let from = before(to);
        // A writer that is ahead of a reader holds nothing that the reader waits for.
        let holder = match to.mark.place.get() {
            Some(place) => to.holder(place).for_error(),
            None => Holder { how: How::IsAhead, ..to.holder(to.call.place).for_error() },
        };
        let mut wait = from.wait_for_error();
        wait.set_holders([holder].into_iter());
        waits.push(wait);
        to = from;
        if ptr::eq(to, first) {
            waits.reverse();
            return Cycle::new(waits);
        }
    }
}

struct Walk<'r> {
    closer: &'r Record,
    number: u64,
    /// Other members may have a limit.
    with_limited: bool,
    /// Who is to be asked last.
    last: Cell<&'r Record>,
}

impl<'r> Walk<'r> {
    /// Walks until it is back at the closer.
    fn take(closer: &'r Record, all: &'r Asleep, with_limited: bool) -> Option<Self> {
        let number = all.walks.get() + 1;
        all.walks.set(number);
        let walk = Self { closer, number, with_limited, last: Cell::new(closer) };
        // Breadth first, so the cycle that is found is a shortest one.
        closer.mark.next.set(ptr::null());
        let mut at = closer;
        loop {
            if ptr::eq(at, closer) || at.mark.waits.get() || at.waits() || !step!("cycle.waits") {
                // A writer that holds the lock lets in readers past all others.
                let held = |to: &Record| at.waits_for(to);
                let ahead = if all.records().any(|to| held(to).is_some()) { None } else { at.writer_ahead() };
                for to in all.records() {
                    let (held, is_ahead) = (held(to), ahead == Some(to.token));
                    if (held.is_some() || is_ahead) && walk.reaches(at, to, held, is_ahead) {
                        return Some(walk);
                    }
                }
            }
            // SAFETY: a record in the list, whose lock is held.
            at = unsafe { at.mark.next.get().as_ref() }?;
        }
    }

    /// One waits for another. Whether that closes a cycle.
    fn reaches(&self, from: &Record, to: &'r Record, place: Option<Place>, waits: bool) -> bool {
        let mark = &to.mark;
        if ptr::eq(to, self.closer) {
            if ptr::eq(from, to) {
                return false;
            }
        } else if mark.walk.get() == self.number || !self.with_limited && to.limited {
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
}

impl Record {
    /// The thread sleeps, and asks whether it closes a cycle. If so, a member has been taken out of its queue, mostly this one.
    pub(crate) fn look(&self) {
        let Some(list) = self.list.as_ref().filter(|_| self.counts() && step!("record.look")) else { return };
        let all = list.hold();
        // SAFETY: the list's lock is held; `joined` is changed by this thread alone, which reads it here.
        unsafe { *self.looked.exclusive() = *self.joined.shared() };
        if all.makers > 0 {
            close(self, &all);
        }
    }

    /// The cycle for which it was taken out of its queue.
    pub(crate) fn take_cycle(&self) -> Option<Cycle> {
        let _all = self.list.as_ref()?.hold();
        // SAFETY: the list's lock is held.
        unsafe { self.cycle.exclusive() }.take()
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
