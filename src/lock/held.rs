//! What the calling thread holds: one id per live guard, the highest that the guard covers.
//!
//! The ids are kept sorted, so that the maximum is the last and a guard's entry is found wherever it stands. A lock that
//! was waited for is above all others and goes to the end; only what a `try_` form took out of order is sorted in.
//!
//! The first [`INLINE`] ids stand in the thread-local itself, the rest in a vector that is given back when it is empty
//! again. So the thread-local needs no destructor, and locks work inside the destructors of others.
//!
//! Wherever the list allocates or frees it is whole, and what it read before it reads again: a global allocator may lock
//! there, and so change the list itself.

use std::cell::Cell;
use std::mem::{self, ManuallyDrop};

use super::{LockError, LockId};
use crate::sync::{local, step};

/// How many guards a thread holds at once before the list of ids takes heap.
const INLINE: usize = 16;

struct Held {
    len: Cell<usize>,
    inline: [Cell<LockId>; INLINE],
    /// The ids from `INLINE` on; without heap while there are none.
    spill: ManuallyDrop<Cell<Vec<LockId>>>,
}

local! {
    static HELD: Held = Held {
        len: Cell::new(0),
        inline: [const { Cell::new(LockId::new(0)) }; INLINE],
        spill: ManuallyDrop::new(Cell::new(Vec::new())),
    }
}

/// Whether the thread may wait for `wanted`: only above everything that it holds.
#[inline]
pub(super) fn may_wait(wanted: LockId) -> Result<(), LockError> {
    HELD.with(|held| match held.highest() {
        Some(held) if wanted <= held && step!("lock.check-order") => Err(LockError::OutOfOrder { wanted, held }),
        _ => Ok(()),
    })
}

/// Notes that the thread has a guard whose highest id is `id`.
#[inline]
pub(super) fn push(id: LockId) {
    if step!("lock.note-held") {
        HELD.with(|held| held.push(id));
    }
}

/// Notes that the guard is gone.
#[inline]
pub(super) fn pop(id: LockId) {
    if step!("lock.note-held") {
        HELD.with(|held| held.pop(id));
    }
}

// What is inlined wherever a lock is acquired and released changes the list for a thread's first guard only.
impl Held {
    #[inline]
    fn highest(&self) -> Option<LockId> {
        self.len.get().checked_sub(1).map(|last| self.get(last))
    }

    #[inline]
    fn push(&self, id: LockId) {
        if self.len.get() == 0 {
            self.inline[0].set(id);
            self.len.set(1);
        } else {
            self.insert(id);
        }
    }

    #[inline]
    fn pop(&self, id: LockId) {
        if self.len.get() == 1 && self.inline[0].get() == id {
            self.len.set(0);
        } else {
            self.remove(id);
        }
    }

    #[inline(never)]
    fn insert(&self, id: LockId) {
        if self.len.get() >= INLINE {
            self.reserve();
            // Within the capacity: nothing is allocated while the vector is out of its cell.
            self.spilled(|ids| ids.push(id));
        }
        let mut at = self.len.get();
        self.len.set(at + 1);
        while at > 0 && self.get(at - 1) > id {
            self.set(at, self.get(at - 1));
            at -= 1;
        }
        self.set(at, id);
    }

    #[inline(never)]
    fn remove(&self, id: LockId) {
        let len = self.len.get();
        // Every guard has an entry, as guards do not leave their thread: but where thread-locals are no matter of the linker,
        // the thread's end may make this one anew under a guard that another thread-local keeps.
        let Some(at) = (0..len).rev().find(|&at| self.get(at) == id) else { return };
        let last = len - 1;
        for next in at..last {
            self.set(next, self.get(next + 1));
        }
        self.len.set(last);
        if last >= INLINE {
            self.spilled(Vec::pop);
        }
        if last == INLINE {
            // Freed once the list is without it.
            drop(self.spill.take());
        }
    }

    /// Makes room for one more id in the vector.
    fn reserve(&self) {
        loop {
            let (len, capacity) = self.spilled(|ids| (ids.len(), ids.capacity()));
            if len < capacity {
                return;
            }
            // The allocator may lock and unlock meanwhile, and so make room itself, or need more: only the larger of both
            // vectors is kept, with what is in the list by now.
            let mut larger = Vec::with_capacity((2 * capacity).max(INLINE));
            let unused = self.spilled(|ids| {
                if larger.capacity() > ids.capacity() {
                    larger.extend_from_slice(ids);
                    mem::swap(&mut larger, ids);
                }
                larger
            });
            // Freed once the list is without it; the allocator may take the room that was just made.
            drop(unused);
        }
    }

    #[inline]
    fn get(&self, at: usize) -> LockId {
        match self.inline.get(at) {
            Some(id) => id.get(),
            None => self.spilled(|ids| ids[at - INLINE]),
        }
    }

    #[inline]
    fn set(&self, at: usize, id: LockId) {
        match self.inline.get(at) {
            Some(slot) => slot.set(id),
            None => self.spilled(|ids| ids[at - INLINE] = id),
        }
    }

    #[cold]
    fn spilled<R>(&self, f: impl FnOnce(&mut Vec<LockId>) -> R) -> R {
        let mut ids = self.spill.take();
        let result = f(&mut ids);
        self.spill.set(ids);
        result
    }
}

/// How many guards the thread holds, for models.
#[cfg(all(loom, test))]
pub(crate) fn depth() -> usize {
    HELD.with(|held| held.len.get())
}
