//! One thing that a thread holds, as five words: a lock, a set of locks, or a cell that it initialises.
//!
//! | word | lock | two locks | more | cell |
//! | --- | --- | --- | --- | --- |
//! | `id` | its id | the higher id | the highest id | zero |
//! | `key` | its key | that of the lock named first | where the keys are | its key |
//! | `also` | | that of the other lock | how many they are | |
//! | `place` | the call, and in the last bits which of these it is | | | |
//!
//! A *key* is the address by which a lock or a cell is known, and one more for who only reads a lock: no other lock can
//! be there.

use std::cmp::Ordering;
use std::panic::Location;

use super::{LockId, Place};

/// How many words it is.
pub(super) const WORDS: usize = 5;

const ID: usize = 0;
const KEY: usize = 2;
const ALSO: usize = 3;
const PLACE: usize = 4;

/// What a hold is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Of {
    Lock {
        key: usize,
    },
    Two {
        keys: [usize; 2],
    },
    /// The [keys](super::held::set_key) stand elsewhere.
    More {
        at: usize,
        len: usize,
    },
    Cell {
        key: usize,
    },
}

/// What a thread holds, and since which call.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Hold {
    /// The highest lock; of a cell zero.
    pub(super) id: LockId,
    pub(super) of: Of,
    pub(super) place: Place,
}

const LOCK: usize = 0;
const TWO: usize = 1;
const MORE: usize = 2;
const CELL: usize = 3;
const KINDS: usize = 3;
const _: () = assert!(align_of::<Location<'_>>() > KINDS);

impl Hold {
    /// Stores it by words. Those that say nothing stay as they are.
    #[inline(always)]
    pub(super) fn store(self, mut store: impl FnMut(usize, u64)) {
        let [class, number] = self.id.words();
        let [kind, key, also] = self.of.words();
        store(ID, class);
        store(ID + 1, number);
        store(KEY, key as u64);
        if matches!(self.of, Of::Two { .. } | Of::More { .. }) {
            store(ALSO, also as u64);
        }
        store(PLACE, ((self.place as *const Location<'_>).expose_provenance() | kind) as u64);
    }

    /// Loads what [`store`](Hold::store) has stored.
    ///
    /// # Safety
    /// All words are of one store.
    #[inline(always)]
    pub(super) unsafe fn load(words: [u64; WORDS]) -> Self {
        let place = words[PLACE] as usize;
        let of = Of::of_words([place & KINDS, words[KEY] as usize, words[ALSO] as usize]);
        // SAFETY: the word was made of such a reference, and the kind.
        let place = unsafe { &*std::ptr::with_exposed_provenance::<Location<'static>>(place & !KINDS) };
        Self { id: LockId::of_words([words[ID], words[ID + 1]]), of, place }
    }

    /// Whether `words` are of this hold, whatever its place.
    #[inline(always)]
    pub(super) fn has_key(self, load: impl FnOnce(usize) -> u64) -> bool {
        load(KEY) as usize == self.of.words()[1]
    }

    pub(super) fn is_cell(self) -> bool {
        matches!(self.of, Of::Cell { .. })
    }
}

impl Of {
    /// The kind, and the words that tell it from others.
    #[inline(always)]
    pub(super) fn words(self) -> [usize; 3] {
        match self {
            Of::Lock { key } => [LOCK, key, 0],
            Of::Two { keys: [key, also] } => [TWO, key, also],
            Of::More { at, len } => [MORE, at, len],
            Of::Cell { key } => [CELL, key, 0],
        }
    }

    #[inline(always)]
    pub(super) fn of_words([kind, key, also]: [usize; 3]) -> Self {
        match kind {
            LOCK => Of::Lock { key },
            TWO => Of::Two { keys: [key, also] },
            MORE => Of::More { at: key, len: also },
            _ => Of::Cell { key },
        }
    }
}

/// Cells first, then by id. Where it was acquired makes no difference.
impl Ord for Hold {
    fn cmp(&self, other: &Self) -> Ordering {
        let cells = other.is_cell().cmp(&self.is_cell());
        cells.then(self.id.cmp(&other.id)).then_with(|| self.of.words().cmp(&other.of.words()))
    }
}

impl PartialOrd for Hold {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Hold {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Hold {}
