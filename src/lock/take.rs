//! Acquiring the locks of a set in order, or none of them.
//!
//! A thread that does not wait may acquire locks in any order. So each lock is first tried, two locks in the order of their ids,
//! more as the set names them, and in most calls that is all. Only if one cannot be had at once is the set sorted, to wait for its
//! locks in the order of their ids.

use std::mem::{self, MaybeUninit};
use std::panic::Location;

use super::raw::Raw;
use super::set::{Entry, LockSet};
use super::swap::Swap;
use super::{LockError, LockId, held};
use crate::record::Of;
use crate::sync::{cleanup, covered, step};
use crate::wait::{Limit, Timer};

/// Sets of up to this many locks are sorted on the stack.
const INLINE: usize = 16;

/// Sets of up to this many locks are looked through for equal ids without being sorted.
const DISTINCT: usize = 64;

/// How the locks of a set may be acquired.
#[derive(Clone, Copy)]
pub(super) enum How<'a> {
    Try,
    Within(&'a Limit<'a>),
}

/// What the guard of a set has to know of the locks that were acquired for it.
pub(super) struct Acquired {
    /// The highest id.
    highest: LockId,
    /// Where the keys of three or more stand, once they are noted.
    keys: usize,
    /// They are two, of which the upper was named first.
    swap: Swap,
}

/// Acquires the locks of a set, waiting for them in the order of their ids, or none of them; none if it is empty.
///
/// What is not `cold` here is inlined wherever a set is locked, as a lock by itself is: else the set, the guard and the result
/// go through memory, and a pair takes up to twice as long in a program that locks pairs in several places. For the same reason
/// there is no limit at work in it before the first try of some lock has failed; nor, for a thread that holds nothing and a pair or
/// ids that rise, a call.
#[inline(always)]
pub(super) fn take_all<S: LockSet>(
    set: &S,
    how: How<'_>,
    place: &'static Location<'static>,
) -> Result<Option<Acquired>, LockError> {
    if let Some([one, other]) = pair(set) {
        let swapped = other.id < one.id;
        let swap = Swap::when(swapped);
        let [lowest, highest] = swap.ids(one.id, other.id);
        how.may_acquire(|| lowest)?;
        if one.id == other.id {
            return Err(LockError::Duplicate { id: one.id });
        }
        // The lower one first, here too: where threads meet at two locks, who tries the upper one first keeps it from the
        // one that has the lower already.
        let [lower, upper] = swap.locks(one.raw, other.raw);
        if lower.try_fast().is_err() {
            in_order(set, 0, how, place)?;
        } else if upper.try_fast().is_err() {
            in_order(set, 1, how, place)?;
        }
        return Ok(Some(Acquired { highest, keys: 0, swap }));
    }
    let mut ends: Option<(LockId, LockId)> = None;
    let mut rising = true;
    set.each(|Entry { id, .. }| {
        ends = Some(ends.map_or((id, id), |(first, last)| {
            rising &= last < id;
            (first, id)
        }));
    });
    let Some((first, last)) = ends else { return Ok(None) };
    how.may_acquire(|| if rising { first } else { lowest(set, first) })?;
    let Survey { highest, distinct } =
        if rising { Survey { highest: last, distinct: true } } else { survey(set, first) };
    let mut taken = 0;
    if distinct {
        let all = set.all(|lock| {
            let had = lock.raw.try_fast().is_ok();
            taken += usize::from(had);
            had
        });
        if all {
            return Ok(Some(Acquired { highest, keys: 0, swap: Swap::NONE }));
        }
    }
    not_at_once(set, taken, rising, how, place)?;
    Ok(Some(Acquired { highest, keys: 0, swap: Swap::NONE }))
}

/// Releases the locks that were acquired for a set. Of two the upper one first: who waits for both waits for the lower one.
#[inline(always)]
pub(super) fn release_all<S: LockSet>(set: &S, acquired: &Acquired) {
    if let Some([one, other]) = pair(set) {
        let [lower, upper] = acquired.swap.locks(one.raw, other.raw);
        upper.unlock();
        lower.unlock();
    } else {
        release_each(set);
    }
}

/// Not inlined: most of it would be calls that are rarely made.
#[inline(never)]
fn release_each<S: LockSet>(set: &S) {
    set.each(|lock| lock.raw.unlock());
}

/// Notes that the thread holds the locks of a set.
#[inline(always)]
pub(super) fn note<S: LockSet>(set: &S, acquired: &mut Acquired, place: &'static Location<'static>) {
    if set.set_len() > 2 {
        acquired.keys = note_many(set, acquired.highest, place);
    } else {
        held::push(acquired.highest, few(set), place);
    }
}

/// The same for three or more. Where their keys stand.
#[inline(never)]
fn note_many<S: LockSet>(set: &S, highest: LockId, place: &'static Location<'static>) -> usize {
    let len = set.set_len();
    let keys = match held::room_for_keys(len) {
        Some(at) => {
            let mut next = at;
            set.each(|lock| {
                held::set_key(next, lock.raw.key());
                next += 1;
            });
            at
        }
        None => keys_elsewhere(set, len),
    };
    held::push_set(highest, keys, len, place);
    keys
}

/// Notes that what [`note`] has noted is gone.
#[inline(always)]
pub(super) fn forget<S: LockSet>(set: &S, acquired: &Acquired) {
    let len = set.set_len();
    if len > 2 {
        held::pop_set(acquired.highest, acquired.keys, len);
    } else {
        held::pop(acquired.highest, few(set));
    }
}

#[cold]
#[inline(never)]
fn keys_elsewhere<S: LockSet>(set: &S, len: usize) -> usize {
    let mut keys = Vec::with_capacity(len);
    set.each(|lock| keys.push(lock.raw.key()));
    held::keep_keys(keys)
}

/// The keys of one lock or two.
#[inline(always)]
fn few<S: LockSet>(set: &S) -> Of {
    if let Some(pair) = pair(set) {
        return Of::Two { keys: pair.map(|lock| lock.raw.key()) };
    }
    let mut key = 0;
    set.all(|lock| {
        key = lock.raw.key();
        false
    });
    Of::Lock { key }
}

/// The locks of a set of two.
#[inline(always)]
fn pair<S: LockSet>(set: &S) -> Option<[Entry<'_>; 2]> {
    if set.set_len() != 2 {
        return None;
    }
    let (mut one, mut other) = (None, None);
    set.each(|lock| if one.is_none() { one = Some(lock) } else { other = Some(lock) });
    Some([one?, other?])
}

/// Whether the thread may wait for this lock.
#[inline(always)]
pub(super) fn may_wait(wanted: LockId) -> Result<(), LockError> {
    held::may_wait(wanted).map_err(|(held, place)| LockError::OutOfOrder { wanted, held, place })
}

/// Whether the thread may wait for this lock, of a class of which it must hold none.
pub(crate) fn may_wait_in_class(wanted: LockId) -> Result<(), LockError> {
    held::may_wait(wanted.floor()).map_err(|(held, place)| LockError::OutOfOrder { wanted, held, place })
}

impl Entry<'_> {
    /// Whether the thread may wait for this lock.
    pub(super) fn may_wait(self) -> Result<(), LockError> {
        if let Raw::Keyed(_) = self.raw { may_wait_in_class(self.id) } else { may_wait(self.id) }
    }
}

impl How<'_> {
    /// Whether the thread may acquire a set in this way whose lowest id is this one.
    #[inline(always)]
    fn may_acquire(self, lowest: impl FnOnce() -> LockId) -> Result<(), LockError> {
        match self {
            How::Within(_) if !held::is_empty() => may_wait(lowest()),
            // It never waits, or may wait for any lock.
            _ => Ok(()),
        }
    }
}

/// The lowest id of a set, of which this is one.
#[cold]
#[inline(never)]
fn lowest<S: LockSet>(set: &S, mut lowest: LockId) -> LockId {
    set.each(|lock| lowest = lowest.min(lock.id));
    lowest
}

/// What there is to know of the ids of a set.
struct Survey {
    highest: LockId,
    /// No two locks have one id; perhaps false for equal numbers in different classes, and for a set that is large.
    distinct: bool,
}

/// Looks through a set whose ids do not rise, and of which this is one.
#[inline(never)]
fn survey<S: LockSet>(set: &S, first: LockId) -> Survey {
    let mut survey = Survey { highest: first, distinct: true };
    let mut seen = 0_u64;
    set.each(|lock| {
        survey.highest = survey.highest.max(lock.id);
        // Numbers are mostly given one after the other: their last bits collide least.
        let bit = 1 << (lock.id.number() % 64);
        survey.distinct &= seen & bit == 0;
        seen |= bit;
    });
    survey.distinct = survey.distinct || differ(set);
    survey
}

/// Whether no two locks of a set have one number; perhaps false for a set that is large. A hash table: comparing each with each takes
/// longer, and so does sorting.
#[inline(never)]
fn differ<S: LockSet>(set: &S) -> bool {
    const SLOTS: usize = 2 * DISTINCT;
    if set.set_len() > DISTINCT {
        return false;
    }
    let mut numbers = [const { MaybeUninit::<u64>::uninit() }; SLOTS];
    let mut used = [false; SLOTS];
    set.all(|lock| {
        let number = lock.id.number();
        let mut at = number as usize % SLOTS;
        while used[at] {
            // SAFETY: a slot that is used was written below.
            if unsafe { numbers[at].assume_init() } == number {
                return false;
            }
            // There is a free one, as half of them are.
            at = (at + 1) % SLOTS;
        }
        used[at] = true;
        numbers[at].write(number);
        true
    })
}

/// The way that may wait. The first `taken` locks in the order of the ids are held already.
#[cold]
#[inline(never)]
fn in_order<S: LockSet>(
    set: &S,
    taken: usize,
    how: How<'_>,
    place: &'static Location<'static>,
) -> Result<(), LockError> {
    let len = set.set_len();
    if len > INLINE {
        let mut locks = Vec::with_capacity(len);
        set.each(|lock| locks.push(lock));
        return take_sorted(&mut locks, taken, how, place);
    }
    let mut space = [const { MaybeUninit::<Entry<'_>>::uninit() }; INLINE];
    let mut at = 0;
    set.each(|lock| {
        space[at].write(lock);
        at += 1;
    });
    // SAFETY: a set has `len` locks (`LockSet`'s contract), which were written to the first places.
    let locks = unsafe { &mut *(&raw mut space[..len] as *mut [Entry<'_>]) };
    take_sorted(locks, taken, how, place)
}

/// The way that may wait. The first `taken` locks as the set names them are held already.
#[cold]
#[inline(never)]
fn not_at_once<S: LockSet>(
    set: &S,
    mut taken: usize,
    rising: bool,
    how: How<'_>,
    place: &'static Location<'static>,
) -> Result<(), LockError> {
    if rising {
        return in_order(set, taken, how, place);
    }
    // Held out of order: no wait before they are released.
    set.all(|lock| {
        if taken == 0 {
            return false;
        }
        taken -= 1;
        covered!("lock.let-go");
        if step!("lock.let-go") {
            lock.raw.unlock();
        }
        true
    });
    in_order(set, 0, how, place)
}

/// Sorts the locks, unless they are so already, and acquires those behind the first `taken`.
fn take_sorted(
    locks: &mut [Entry<'_>],
    taken: usize,
    how: How<'_>,
    place: &'static Location<'static>,
) -> Result<(), LockError> {
    if !locks.is_sorted_by(|one, next| one.id < next.id) {
        if step!("lock.sort") {
            locks.sort_unstable_by_key(|lock| lock.id);
        }
        if let Some(pair) = locks.windows(2).find(|pair| pair[0].id == pair[1].id) {
            return Err(LockError::Duplicate { id: pair[0].id });
        }
    }
    let Some(first) = locks.get(taken) else { return Ok(()) };
    // Each is noted while this thread may wait for the next: others may wait for it meanwhile. And before the call is described: the
    // key of a lock is written by its own code.
    let mut taken = Taken { locks, len: taken, noted: matches!(how, How::Within(_)) };
    if taken.noted {
        locks[..taken.len].iter().for_each(|lock| lock.note(place));
    }
    let begun = taken.len;
    let mut timer = match how {
        How::Try => None,
        How::Within(limit) => Some(Timer::new(limit, first.raw.call(first.id, place))),
    };
    for (at, lock) in locks.iter().enumerate().skip(taken.len) {
        match &mut timer {
            None => lock.raw.try_lock().map_err(|why| LockError::refused(lock.id, why))?,
            Some(timer) => {
                if at > begun {
                    *timer.call() = lock.raw.call(lock.id, place);
                }
                lock.raw.lock(timer).map_err(|why| LockError::ended(lock.id, why, timer))?;
                lock.note(place);
            }
        }
        taken.len += 1;
    }
    if taken.noted {
        // From here on the guard of the set stands for them.
        locks.iter().rev().for_each(|lock| lock.forget());
    }
    mem::forget(taken);
    Ok(())
}

/// Releases the locks that were acquired so far when the whole set cannot be had, by an error or a panic.
struct Taken<'e, 'r> {
    locks: &'e [Entry<'r>],
    len: usize,
    /// They are noted, as this thread waits for more.
    noted: bool,
}

impl Entry<'_> {
    fn note(self, place: &'static Location<'static>) {
        if step!("lock.note-half-taken") {
            held::push(self.id, Of::Lock { key: self.raw.key() }, place);
        }
    }

    fn forget(self) {
        if step!("lock.note-half-taken") {
            held::pop(self.id, Of::Lock { key: self.raw.key() });
        }
    }
}

impl Drop for Taken<'_, '_> {
    fn drop(&mut self) {
        cleanup(|| {
            for lock in self.locks[..self.len].iter().rev() {
                if self.noted {
                    lock.forget();
                }
                covered!("lock.roll-back");
                if step!("lock.roll-back") {
                    lock.raw.unlock();
                }
            }
        });
    }
}
