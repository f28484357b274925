//! Taking the locks of a set in order, or none of them.

use std::mem::{self, MaybeUninit};

use super::raw::Raw;
use super::set::{Entry, LockSet};
use super::{LockError, LockId};
use crate::sync::{cleanup, covered, step};
use crate::wait::Refused;

/// Sets of up to this many locks are sorted on the stack.
const INLINE: usize = 16;

/// Takes the locks of a set in the order of their ids, or none of them; returns the highest id. First asks `may`, with the
/// lowest id.
#[inline]
pub(super) fn take_all<S: LockSet>(
    set: &S,
    may: impl FnOnce(LockId) -> Result<(), LockError>,
    acquire: impl FnMut(Raw<'_>) -> Result<(), Refused>,
) -> Result<Option<LockId>, LockError> {
    let len = set.set_len();
    if len > INLINE {
        let mut locks = Vec::with_capacity(len);
        set.each(|lock| locks.push(lock));
        // Not the locks themselves: moving those took twice as long.
        let mut sorted: Vec<_> = locks.iter().collect();
        sorted.sort_unstable_by_key(|lock| lock.id);
        let twice = || sorted.windows(2).find(|pair| pair[0].id == pair[1].id).map(|pair| pair[0].id);
        return take(&sorted, twice, may, acquire);
    }
    let mut space = [const { MaybeUninit::<Entry<'_>>::uninit() }; INLINE];
    let mut at = 0;
    set.each(|lock| {
        space[at].write(lock);
        at += 1;
    });
    // SAFETY: a set has `len` locks (`LockSet`'s contract), which were written to the first places.
    let locks = unsafe { &*(&raw const space[..len] as *const [Entry<'_>]) };
    let mut space = [const { MaybeUninit::<&Entry<'_>>::uninit() }; INLINE];
    for (place, lock) in space.iter_mut().zip(locks) {
        place.write(lock);
    }
    // SAFETY: the loop has written the first `len`.
    let sorted = unsafe { &mut *(&raw mut space[..len] as *mut [&Entry<'_>]) };
    // This branch is worth predicting: a program has most sets of more than two in order, or hardly any.
    if !(len > 2 && ascending(sorted)) && step!("lock.sort") {
        // Without a branch on how two compare: orders that change from call to call cannot be predicted, and an insertion
        // sort doubled what eight locks took.
        if let [first, second] = locks {
            // Where each stands is known, what it refers to is found out: so nothing waits for a store to either.
            let low = usize::from(second.id < first.id);
            (sorted[0], sorted[1]) = (&locks[low], &locks[1 - low]);
        } else {
            // Each goes behind as many as are below it. Of equal ones the last takes the place of all, and the others' stay
            // as they were; such a set is refused.
            for lock in locks {
                sorted[locks.iter().filter(|other| other.id < lock.id).count()] = lock;
            }
        }
    }
    take(sorted, || twice(locks), may, acquire)
}

#[inline]
fn ascending(locks: &[&Entry<'_>]) -> bool {
    locks.windows(2).fold(true, |so_far, pair| so_far & (pair[0].id < pair[1].id))
}

/// The lowest id that two of a few locks have.
#[cold]
fn twice(locks: &[Entry<'_>]) -> Option<LockId> {
    let again = locks.iter().enumerate().filter(|(at, lock)| locks[..*at].iter().any(|other| other.id == lock.id));
    again.map(|(_, lock)| lock.id).min()
}

/// Takes the locks in this order, which is that of their ids, or none of them. If two ids are equal `twice` says which; else it
/// is called only where a model leaves out the sorting.
#[inline]
fn take<'r>(
    locks: &[&Entry<'r>],
    twice: impl FnOnce() -> Option<LockId>,
    may: impl FnOnce(LockId) -> Result<(), LockError>,
    mut acquire: impl FnMut(Raw<'r>) -> Result<(), Refused>,
) -> Result<Option<LockId>, LockError> {
    if let Some(lowest) = locks.first() {
        may(lowest.id)?;
    }
    if !ascending(locks) {
        if let Some(id) = twice() {
            return Err(LockError::Duplicate { id });
        }
    }
    let mut taken = Taken { locks, len: 0 };
    for lock in locks {
        if let Err(why) = acquire(lock.raw) {
            return Err(LockError::refused(lock.id, why));
        }
        taken.len += 1;
    }
    mem::forget(taken);
    Ok(locks.last().map(|lock| lock.id))
}

/// Lets go of the locks that were taken so far when the whole set cannot be had, by an error or a panic.
struct Taken<'e, 'r> {
    locks: &'e [&'e Entry<'r>],
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
