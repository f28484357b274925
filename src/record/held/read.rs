//! What others read of what a thread holds.

use super::super::Place;
use super::super::hold::{Hold, Of, WORDS};
use super::{ALL, FIRST_KEY, HOLDS, Held, KEYS, LEN, STATE, VERSION};
use crate::sync::yield_now;

impl Held {
    /// Where something with such a key was acquired, and with all its keys if it is a set. For who may read all.
    pub(in crate::record) fn acquired(&self, mut is_it: impl FnMut(usize) -> bool) -> Option<Place> {
        let mut place = None;
        self.any(|hold| {
            let found = self.keys_of(hold, &mut is_it);
            if found {
                place = Some(hold.place);
            }
            found
        });
        place
    }

    /// Calls `f` with all keys and where they were acquired. For who may read all.
    pub(in crate::record) fn each(&self, mut f: impl FnMut(usize, Place)) {
        self.any(|hold| {
            self.keys_of(hold, |key| {
                f(key, hold.place);
                false
            })
        });
    }

    /// Whether a key of the hold is such a one.
    fn keys_of(&self, hold: Hold, mut is_it: impl FnMut(usize) -> bool) -> bool {
        match hold.of {
            Of::Lock { key } | Of::Cell { key } => is_it(key),
            Of::Two { keys } => keys.into_iter().any(is_it),
            Of::More { at, len } if at < KEYS => {
                (at..at + len).any(|at| is_it(self.words.read(FIRST_KEY + at) as usize))
            }
            Of::More { at, len } => {
                let keys = std::ptr::with_exposed_provenance::<usize>(at);
                // SAFETY: made by `keep_keys`, and freed by the owner once the hold is gone, which changes nothing meanwhile.
                unsafe { std::slice::from_raw_parts(keys, len) }.iter().any(|&key| is_it(key))
            }
        }
    }

    /// Calls `f` with the keys of what stands here and where they were acquired, while the owner may be running.
    pub(in crate::record) fn glimpse(&self, mut f: impl FnMut(usize, Place)) {
        let mut last = [0; ALL];
        // One that changes what it holds all the time does not keep anybody waiting for long.
        for attempt in 0..100 {
            let mut words = [0; ALL];
            let mut read = |at: usize| words[at] = self.words.read(at);
            read(VERSION);
            read(STATE);
            let len = (self.words.read(STATE) & LEN) as usize;
            (HOLDS..HOLDS + len * WORDS).for_each(&mut read);
            if len > 0 {
                (FIRST_KEY..ALL).for_each(&mut read);
            }
            // Odd while holds are moved.
            let at_once = words[VERSION] % 2 == 0
                && [VERSION, STATE].into_iter().all(|at| words[at] == self.words.read(at))
                && len == (words[STATE] & LEN) as usize;
            if attempt > 0 && at_once && words == last {
                for at in 0..len {
                    // SAFETY: these words were stored as a hold.
                    let hold = unsafe { Hold::load(std::array::from_fn(|word| words[HOLDS + at * WORDS + word])) };
                    match hold.of {
                        Of::Lock { key } | Of::Cell { key } => f(key, hold.place),
                        Of::Two { keys } => keys.into_iter().for_each(|key| f(key, hold.place)),
                        // What stands elsewhere may be gone.
                        Of::More { at, len } => {
                            let keys = words[FIRST_KEY..].iter().skip(at).take(len);
                            keys.for_each(|&key| f(key as usize, hold.place));
                        }
                    }
                }
                return;
            }
            last = words;
            // It may be moving holds, and wait for a core.
            if attempt % 10 == 9 {
                yield_now();
            }
        }
    }
}
