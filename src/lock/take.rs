//! Acquiring the locks of a set in order, or none of them.
//!
//! A thread that does not wait may acquire locks in any order. So each lock is first tried as the set names it, and in most
//! calls that is all. Only if one cannot be had at once is the set sorted, to wait for its locks in the order of their ids.

use std::mem::{self, MaybeUninit};

use super::raw::Raw;
use super::set::{Entry, LockSet};
use super::{LockError, LockId};
use crate::sync::{cleanup, covered, step};
use crate::wait::Refused;

/// Sets of up to this many locks are sorted on the stack.
const INLINE: usize = 16;

/// Sets of up to this many locks are looked through for equal ids without being sorted.
const DISTINCT: usize = 64;

/// Acquires the locks of a set, waiting for them in the order of their ids, or none of them; returns the highest id. First asks
/// `may`, with the lowest id.
///
/// What is not `cold` here is inlined wherever a set is locked, as a lock by itself is: else the set, the guard and the result
/// go through memory, and a pair takes up to twice as long in a program that locks pairs in several places.
#[inline(always)]
pub(super) fn take_all<S: LockSet>(
    set: &S,
    may: impl FnOnce(LockId) -> Result<(), LockError>,
    mut acquire: impl FnMut(Raw<'_>) -> Result<(), Refused>,
) -> Result<Option<LockId>, LockError> {
    let mut ends: Option<(LockId, LockId)> = None;
    let mut rising = true;
    set.each(|Entry { id, .. }| {
        ends = Some(ends.map_or((id, id), |(lowest, highest)| {
            // While they rise, the highest is the one before.
            rising &= highest < id;
            (lowest.min(id), highest.max(id))
        }));
    });
    let Some((lowest, highest)) = ends else { return Ok(None) };
    may(lowest)?;
    let mut taken = 0;
    if rising || set.set_len() == 2 && lowest != highest || distinct(set) {
        let all = set.all(|lock| {
            let had = lock.raw.try_lock().is_ok();
            taken += usize::from(had);
            had
        });
        if all {
            return Ok(Some(highest));
        }
    }
    in_order(set, taken, rising, &mut acquire)?;
    Ok(Some(highest))
}

/// Whether no two locks of a set have one id; perhaps false for equal numbers in different classes, and for a set that is large.
/// A hash table of the numbers: comparing each with each takes longer, and so does sorting.
#[inline(never)]
fn distinct<S: LockSet>(set: &S) -> bool {
    const SLOTS: usize = 2 * DISTINCT;
    if set.set_len() > DISTINCT {
        return false;
    }
    let mut numbers = [const { MaybeUninit::<u64>::uninit() }; SLOTS];
    let mut used = [false; SLOTS];
    set.all(|lock| {
        let number = lock.id.number();
        // Numbers are mostly given one after the other: as they are they collide least.
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

/// The way that may wait. The first `taken` locks of the set are held already.
#[cold]
#[inline(never)]
fn in_order<S: LockSet>(
    set: &S,
    mut taken: usize,
    rising: bool,
    acquire: &mut dyn FnMut(Raw<'_>) -> Result<(), Refused>,
) -> Result<(), LockError> {
    if !rising {
        // Held out of order: no wait before they are released.
        release(set, taken);
        taken = 0;
    }
    let len = set.set_len();
    if len > INLINE {
        let mut locks = Vec::with_capacity(len);
        set.each(|lock| locks.push(lock));
        return take_sorted(&mut locks, taken, rising, acquire);
    }
    let mut space = [const { MaybeUninit::<Entry<'_>>::uninit() }; INLINE];
    let mut at = 0;
    set.each(|lock| {
        space[at].write(lock);
        at += 1;
    });
    // SAFETY: a set has `len` locks (`LockSet`'s contract), which were written to the first places.
    let locks = unsafe { &mut *(&raw mut space[..len] as *mut [Entry<'_>]) };
    take_sorted(locks, taken, rising, acquire)
}

/// Releases the first locks of a set, as many as `taken`.
fn release<S: LockSet>(set: &S, mut taken: usize) {
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
}

/// Sorts the locks, unless they are so already, and acquires those behind the first `taken`.
fn take_sorted(
    locks: &mut [Entry<'_>],
    taken: usize,
    rising: bool,
    acquire: &mut dyn FnMut(Raw<'_>) -> Result<(), Refused>,
) -> Result<(), LockError> {
    if !rising {
        if step!("lock.sort") {
            locks.sort_unstable_by_key(|lock| lock.id);
        }
        if let Some(pair) = locks.windows(2).find(|pair| pair[0].id == pair[1].id) {
            return Err(LockError::Duplicate { id: pair[0].id });
        }
    }
    let mut taken = Taken { locks, len: taken };
    for lock in &locks[taken.len..] {
        if let Err(why) = acquire(lock.raw) {
            return Err(LockError::refused(lock.id, why));
        }
        taken.len += 1;
    }
    mem::forget(taken);
    Ok(())
}

/// Releases the locks that were acquired so far when the whole set cannot be had, by an error or a panic.
struct Taken<'e, 'r> {
    locks: &'e [Entry<'r>],
    len: usize,
}

impl Drop for Taken<'_, '_> {
    fn drop(&mut self) {
        cleanup(|| {
            for lock in &self.locks[..self.len] {
                covered!("lock.roll-back");
                if step!("lock.roll-back") {
                    lock.raw.unlock();
                }
            }
        });
    }
}
