//! What the calling thread holds: for each live guard the highest id that it covers, and the place of the call that acquired it.
//!
//! The first [`INLINE`] guards stand in the thread-local itself, sorted by their ids: a lock that was waited for is above all others
//! and goes to the end, only what a `try_` form took out of order is sorted in. The rest is on the [heap](super::spill), which is given
//! back when it is empty and the thread holds [few](FEW). So the thread-local needs no destructor, and locks work inside the destructors of others.
//!
//! Wherever the list allocates or frees it is whole, and what it read before it reads again: a global allocator may lock
//! there, and so change the list itself. For its guards there is always some [room to spare](SPARE), or the list would have to
//! grow for them while it grows.

use std::cell::Cell;
use std::mem::ManuallyDrop;
use std::panic::Location;

use super::spill::{Acquisition, Spill};
use super::{LockError, LockId};
use crate::sync::{local, step};

/// How many guards stand in the thread-local.
const INLINE: usize = 20;

/// Room for so many more guards is kept: those that a global allocator holds at once while the list allocates.
const SPARE: usize = 4;

/// The heap is given back when the thread holds no more guards than these.
const FEW: usize = INLINE / 2;

/// One guard on the heap, in the count.
const SPILLED: u64 = 1 << 8;

struct Held {
    /// How many guards stand in `inline`, and on the heap in units of [`SPILLED`].
    count: Cell<u64>,
    inline: [Cell<Acquisition>; INLINE],
    spill: ManuallyDrop<Spill>,
    /// While the list allocates.
    growing: Cell<bool>,
}

local! {
    static HELD: Held = Held {
        count: Cell::new(0),
        inline: [const { Cell::new(Acquisition { id: LockId::new(0), lock: 0, place: Location::caller() }) }; INLINE],
        spill: ManuallyDrop::new(Spill::new()),
        growing: Cell::new(false),
    }
}

/// Whether the thread holds nothing.
#[inline]
pub(super) fn is_empty() -> bool {
    HELD.with(|held| held.count.get() == 0)
}

/// Whether the thread may wait for `wanted`: only above everything that it holds.
#[inline]
pub(super) fn may_wait(wanted: LockId) -> Result<(), LockError> {
    HELD.with(|held| if held.count.get() == 0 || held.is_below(wanted) { Ok(()) } else { Err(held.refuse(wanted)) })
}

/// Notes that the thread has a guard.
#[inline]
pub(super) fn push(guard: Acquisition) {
    if step!("lock.note-held") {
        HELD.with(|held| held.push(guard));
    }
}

/// Notes that the guard of this id and lock is gone.
#[inline]
pub(super) fn pop(id: LockId, lock: usize) {
    if step!("lock.note-held") {
        HELD.with(|held| held.pop(id, lock));
    }
}

// What is inlined wherever a lock is acquired and released is for a thread's first guard only.
impl Held {
    #[inline]
    fn push(&self, guard: Acquisition) {
        if self.count.get() == 0 {
            self.inline[0].set(guard);
            self.count.set(1);
        } else {
            // By its parts: as a whole it would be put in memory for this call, also where none is made.
            self.insert(guard.id, guard.lock, guard.place);
        }
    }

    #[inline]
    fn pop(&self, id: LockId, lock: usize) {
        // One lock has one id, so its address is enough.
        if self.count.get() == 1 && self.inline[0].get().lock == lock {
            self.count.set(0);
        } else {
            self.remove(id, lock);
        }
    }

    /// How many guards are in `inline`.
    fn len(&self) -> usize {
        (self.count.get() % SPILLED) as usize
    }

    fn is_spilled(&self) -> bool {
        self.count.get() >= SPILLED
    }

    fn highest(&self) -> Option<Acquisition> {
        let inline = self.len().checked_sub(1).map(|last| self.inline[last].get());
        if self.is_spilled() { inline.max(self.spill.highest()) } else { inline }
    }

    #[inline(never)]
    fn is_below(&self, wanted: LockId) -> bool {
        self.highest().is_none_or(|highest| highest.id < wanted || !step!("lock.check-order"))
    }

    #[cold]
    fn refuse(&self, wanted: LockId) -> LockError {
        let Acquisition { id, place, .. } = self.highest().expect("else it may wait");
        LockError::OutOfOrder { wanted, held: id, place }
    }

    /// Makes room for one more guard.
    fn make_room(&self) {
        if self.len() + SPARE < INLINE {
            return;
        }
        let growing = self.growing.replace(true);
        if !growing {
            self.spill.reserve(SPARE + 1);
        } else if self.len() == INLINE && !self.spill.has_room() {
            self.spill.reserve(1);
        }
        self.growing.set(growing);
    }

    #[inline(never)]
    fn insert(&self, id: LockId, lock: usize, place: &'static Location<'static>) {
        let guard = Acquisition { id, lock, place };
        self.make_room();
        let mut at = self.len();
        if at == INLINE {
            self.spill.push(guard);
            return self.count.set(self.count.get() + SPILLED);
        }
        while at > 0 && self.inline[at - 1].get() > guard {
            self.inline[at].set(self.inline[at - 1].get());
            at -= 1;
        }
        self.inline[at].set(guard);
        self.count.set(self.count.get() + 1);
    }

    #[inline(never)]
    fn remove(&self, id: LockId, lock: usize) {
        let len = self.len();
        let is_it = |at: &usize| {
            let guard = self.inline[*at].get();
            guard.lock == lock && guard.id == id
        };
        if let Some(at) = (0..len).rev().find(is_it) {
            for next in at + 1..len {
                self.inline[next - 1].set(self.inline[next].get());
            }
            self.count.set(self.count.get() - 1);
            if self.len() != FEW {
                return;
            }
        } else if self.is_spilled() {
            self.spill.remove(Acquisition { id, lock, place: Location::caller() });
            self.count.set(self.count.get() - SPILLED);
        } else {
            // Every guard is here, as guards do not leave their thread: but where thread-locals are no matter of the linker, the
            // thread's end may make this one anew under a guard that another thread-local keeps.
            return;
        }
        if !self.is_spilled() && self.len() <= FEW {
            self.spill.free();
        }
    }
}

/// How many guards the thread holds, for models.
#[cfg(all(loom, test))]
pub(crate) fn depth() -> usize {
    HELD.with(|held| held.len() + (held.count.get() / SPILLED) as usize)
}
