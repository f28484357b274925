//! What the calling thread holds: for each live guard the highest id that it covers, the locks, and the place of the call that
//! acquired them; and the cells that the thread initialises, which come before all locks and bind none.
//!
//! The first [`INLINE`] holds stand in the thread-local itself, sorted: a lock that was waited for is above all others
//! and goes to the end, only what a `try_` form took out of order is sorted in. The rest is on the [heap](super::spill), which is given
//! back when it is empty and the thread holds [few](FEW). So the thread-local needs no destructor, and locks work inside the destructors of others.
//!
//! Wherever the list allocates or frees it is whole, and what it read before it reads again: a global allocator may lock
//! there, and so change the list itself. For its guards there is always some [room to spare](SPARE), or the list would have to
//! grow for them while it grows.
//!
//! # Who else reads it
//! * Whoever has the lock of the [sleepers](super::asleep), while the thread is one of them: it changes nothing then.
//! * A [snapshot](super::snapshot), at any time, of what stands in the thread-local itself. Where holds are moved it is a sequence
//!   lock: a [version](VERSION) is counted before and after, each word is stored with Release and loaded with Acquire, so who
//!   loads a word of a later change loads a later version afterwards. A thread's only hold comes and goes without that. There a
//!   reader that reads twice the same may still see the place of another acquisition of the thread, if within this time it has
//!   released the lock, acquired another, and acquired the first again; and the same once more.

mod keys;
mod read;

use std::cell::Cell;
use std::mem::ManuallyDrop;
use std::panic::Location;

use super::hold::{Hold, Of, WORDS};
use super::spill::Spill;
use super::{LockId, Place};
use crate::sync::{Shown, local, show, step};
pub(crate) use keys::{keep_keys, pop_set, push_set, room_for_keys, set_key};

/// How many holds stand in the thread-local.
const INLINE: usize = 20;

/// Room for so many more guards is kept: those that a global allocator holds at once while the list allocates.
const SPARE: usize = 4;

/// The heap is given back when the thread holds no more than this.
const FEW: usize = INLINE / 2;

/// How many keys of sets of three locks and more stand in the thread-local.
const KEYS: usize = 32;

// The word of state. Zero: the thread holds nothing, and nothing else is to be done.
/// How many holds are inline.
const LEN: u64 = 0xff;
/// Some are on the heap.
const SPILLED: u64 = 1 << 8;
/// The thread is not in the list of threads yet: it is put there when it first waits, or could. A thread starts so, and so all of
/// its first steps take the slow way, on which that is seen to.
const UNKNOWN: u64 = 1 << 9;
/// The thread waits. What a global allocator acquires then it also releases then, and it is not noted.
const ASLEEP: u64 = 1 << 10;

// Where the words stand.
const STATE: usize = 0;
/// How often the holds have begun to change, or ended, on a way where some are moved.
const VERSION: usize = 1;
const HOLDS: usize = 2;
const FIRST_KEY: usize = HOLDS + INLINE * WORDS;
const ALL: usize = FIRST_KEY + KEYS;

/// The list of one thread.
pub(crate) struct Held {
    words: Shown<ALL>,
    /// How many of the words for keys are in use, if anything is held.
    keys: Cell<usize>,
    /// How many cells the thread initialises.
    cells: Cell<usize>,
    spill: ManuallyDrop<Spill>,
    spilled: Cell<usize>,
    /// While the list allocates.
    growing: Cell<bool>,
}

// SAFETY: other threads read `words` as its type allows, and all else only while the owner sleeps and changes nothing (see above).
unsafe impl Sync for Held {}

local! {
    static HELD: Held = Held {
        words: Shown::new(UNKNOWN),
        keys: Cell::new(0),
        cells: Cell::new(0),
        spill: ManuallyDrop::new(Spill::new()),
        spilled: Cell::new(0),
        growing: Cell::new(false),
    }
}

/// Whether the thread holds nothing. Perhaps false if it never waited for a lock.
#[inline]
pub(crate) fn is_empty() -> bool {
    HELD.with(|held| held.state() == 0)
}

/// Whether the thread may wait for `wanted`: only above everything that it holds. Else the highest of that, and where it was
/// acquired.
#[inline]
pub(crate) fn may_wait(wanted: LockId) -> Result<(), (LockId, Place)> {
    HELD.with(|held| if held.state() == 0 || held.is_below(wanted) { Ok(()) } else { Err(held.in_the_way()) })
}

/// Notes that the thread holds a lock, or two.
#[inline]
pub(crate) fn push(id: LockId, of: Of, place: Place) {
    if step!("lock.note-held") {
        HELD.with(|held| held.push(Hold { id, of, place }));
    }
}

/// Notes that what [`push`] has noted is gone.
#[inline]
pub(crate) fn pop(id: LockId, of: Of) {
    if step!("lock.note-held") {
        HELD.with(|held| held.pop(Hold { id, of, place: Location::caller() }));
    }
}

/// Runs an initialiser of the cell that is known by `key`, and notes that.
#[inline]
pub(crate) fn initialising<R>(key: usize, place: Place, init: impl FnOnce() -> R) -> R {
    struct Pop(usize);
    impl Drop for Pop {
        #[inline]
        fn drop(&mut self) {
            crate::sync::cleanup(|| HELD.with(|held| held.pop_cell(self.0)));
        }
    }

    HELD.with(|held| held.push_cell(key, place));
    // By drop, so also when the initialiser panics.
    let _pop = Pop(key);
    init()
}

/// Whether the thread is in an initialiser of the cell that is known by `key`.
#[cold]
pub(crate) fn is_initialising(key: usize) -> bool {
    HELD.with(|held| held.cells.get() > 0 && held.any(|hold| hold.of == Of::Cell { key }))
}

/// What there is to know of a thread that is about to wait.
pub(super) struct Mine {
    pub(super) held: *const Held,
    /// It holds something.
    pub(super) holds: bool,
    /// It initialises a cell.
    pub(super) makes: bool,
}

/// What there is to know of the calling thread.
pub(super) fn mine() -> Mine {
    HELD.with(|held| {
        held.make_known();
        Mine { held, holds: held.count() > 0, makes: held.cells.get() > 0 }
    })
}

/// Whether the calling thread waits. While it does its list does not change.
pub(super) fn set_asleep(asleep: bool) {
    let asleep = if asleep { ASLEEP } else { 0 };
    HELD.with(|held| held.set_state(held.state() & !ASLEEP | asleep));
}

/// Shows the calling thread to [snapshots](super::snapshot).
pub(super) fn make_known() {
    HELD.with(Held::make_known);
}

// What is inlined wherever a lock is acquired and released is for a thread's first guard only.
impl Held {
    #[inline(always)]
    fn state(&self) -> u64 {
        self.words.get(STATE)
    }

    #[inline(always)]
    fn set_state(&self, state: u64) {
        self.words.set(STATE, state);
    }

    #[inline]
    fn push(&self, hold: Hold) {
        let state = self.state();
        if state == 0 {
            hold.store(|word, value| self.words.set(HOLDS + word, value));
            self.set_state(1);
        } else {
            // By its parts: as a whole it would be put in memory for this call, also where none is made.
            let [kind, key, also] = hold.of.words();
            self.insert(hold.id, kind, key, also, hold.place);
        }
    }

    #[inline]
    fn pop(&self, hold: Hold) {
        let state = self.state();
        // The only one, so its key is enough.
        if state == 1 && hold.has_key(|word| self.words.get(HOLDS + word)) {
            self.set_state(0);
        } else {
            let [kind, key, also] = hold.of.words();
            self.remove(hold.id, kind, key, also);
        }
    }

    #[inline]
    fn push_cell(&self, key: usize, place: Place) {
        if step!("once.note-running") {
            self.make_known();
            self.push(Hold { id: LockId::new(0), of: Of::Cell { key }, place });
            self.cells.set(self.cells.get() + 1);
        }
    }

    #[inline]
    fn pop_cell(&self, key: usize) {
        if step!("once.note-running") {
            self.pop(Hold { id: LockId::new(0), of: Of::Cell { key }, place: Location::caller() });
            self.cells.set(self.cells.get() - 1);
        }
    }

    /// How many holds are inline.
    fn len(&self) -> usize {
        (self.state() & LEN) as usize
    }

    fn get(&self, at: usize) -> Hold {
        // SAFETY: `set` stored it.
        unsafe { Hold::load(std::array::from_fn(|word| self.words.read(HOLDS + at * WORDS + word))) }
    }

    fn set(&self, at: usize, hold: Hold) {
        hold.store(|word, value| self.words.set(HOLDS + at * WORDS + word, value));
    }

    /// How many holds there are.
    fn count(&self) -> usize {
        self.len() + self.spilled.get()
    }

    fn highest(&self) -> Option<Hold> {
        let inline = self.len().checked_sub(1).map(|last| self.get(last));
        if self.spilled.get() > 0 { inline.max(self.spill.highest()) } else { inline }
    }

    #[inline(never)]
    fn is_below(&self, wanted: LockId) -> bool {
        self.make_known();
        let highest = self.highest().filter(|highest| !highest.is_cell());
        highest.is_none_or(|highest| highest.id.ceiling() < wanted || !step!("lock.check-order"))
    }

    #[cold]
    fn in_the_way(&self) -> (LockId, Place) {
        let Hold { id, place, .. } = self.highest().expect("else it may wait");
        (id, place)
    }

    /// Puts the thread in the list of threads, unless it is there. Not under a `try_` form, which a global allocator may call.
    #[inline]
    fn make_known(&self) {
        if self.state() & UNKNOWN != 0 {
            self.become_known();
        }
    }

    #[cold]
    #[inline(never)]
    fn become_known(&self) {
        // First: what is called may allocate, and so lock.
        self.set_state(self.state() & !UNKNOWN);
        // SAFETY: all threads show their `HELD` and nothing else.
        unsafe { show(self) };
    }

    /// Makes room for one more hold.
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
    fn insert(&self, id: LockId, kind: usize, key: usize, also: usize, place: Place) {
        if self.state() & ASLEEP != 0 {
            return;
        }
        let hold = Hold { id, of: Of::of_words([kind, key, also]), place };
        self.make_room();
        let len = self.len();
        if len == INLINE {
            self.spill.push(hold);
            self.spilled.set(self.spilled.get() + 1);
            return self.set_state(self.state() | SPILLED);
        }
        let mut at = len;
        while at > 0 && self.get(at - 1) > hold {
            at -= 1;
        }
        self.change(len + 1, |held| {
            for to in (at..len).rev() {
                held.set(to + 1, held.get(to));
            }
            held.set(at, hold);
        });
    }

    #[inline(never)]
    fn remove(&self, id: LockId, kind: usize, key: usize, also: usize) {
        if self.state() & ASLEEP != 0 {
            return;
        }
        let hold = Hold { id, of: Of::of_words([kind, key, also]), place: Location::caller() };
        let len = self.len();
        if let Some(at) = (0..len).rev().find(|&at| self.get(at) == hold) {
            self.change(len - 1, |held| {
                for from in at + 1..len {
                    held.set(from - 1, held.get(from));
                }
            });
            if self.len() != FEW {
                return;
            }
        } else if self.spilled.get() > 0 {
            self.spill.remove(hold);
            self.spilled.set(self.spilled.get() - 1);
            let left = if self.spilled.get() > 0 { SPILLED } else { 0 };
            self.set_state(self.state() & !SPILLED | left);
        } else {
            // Every guard is here, as guards do not leave their thread: but where thread-locals are no matter of the linker, the
            // thread's end may make this one anew under a guard that another thread-local keeps.
            return;
        }
        if self.spilled.get() == 0 && self.len() <= FEW {
            self.spill.free();
        }
    }

    /// Moves holds, after which there are so many.
    fn change(&self, len: usize, change: impl FnOnce(&Self)) {
        let count = || self.words.set(VERSION, self.words.get(VERSION) + 1);
        count();
        change(self);
        self.set_state(self.state() & !LEN | len as u64);
        count();
    }

    /// Whether there is such a hold.
    fn any(&self, mut is_it: impl FnMut(Hold) -> bool) -> bool {
        (0..self.len()).any(|at| is_it(self.get(at))) || self.spilled.get() > 0 && self.spill.any(is_it)
    }
}

/// How much the thread holds.
pub(crate) fn count() -> usize {
    HELD.with(Held::count)
}
