//! The keys of sets of three locks and more: in the thread-local, where others may read them, or on the heap.

use std::panic::Location;

use super::super::Place;
use super::super::hold::{Hold, Of};
use super::{FIRST_KEY, HELD, Held, KEYS};
use crate::record::LockId;

/// Where the keys of three locks or more may stand, if there is room. They are stored there by [`set_key`], then [`push_set`]
/// notes them.
#[inline(always)]
pub(crate) fn room_for_keys(len: usize) -> Option<usize> {
    HELD.with(|held| held.room_for_keys(len))
}

#[inline(always)]
pub(crate) fn set_key(at: usize, key: usize) {
    HELD.with(|held| held.words.set(FIRST_KEY + at, key as u64));
}

/// Where the keys stand for which there was no room.
#[cold]
pub(crate) fn keep_keys(keys: Vec<usize>) -> usize {
    Box::into_raw(keys.into_boxed_slice()).cast::<usize>().expose_provenance()
}

/// Notes that the thread holds three locks or more, whose keys stand there.
#[inline]
pub(crate) fn push_set(id: LockId, at: usize, len: usize, place: Place) {
    HELD.with(|held| {
        if at < KEYS {
            held.keys.set(at + len);
        }
        held.push(Hold { id, of: Of::More { at, len }, place });
    });
}

/// Notes that what [`push_set`] has noted is gone.
#[inline]
pub(crate) fn pop_set(id: LockId, at: usize, len: usize) {
    HELD.with(|held| {
        held.pop(Hold { id, of: Of::More { at, len }, place: Location::caller() });
        if at >= KEYS {
            free_keys(at, len);
        } else if at + len == held.keys.get() {
            held.keys.set(at);
        }
    });
}

impl Held {
    #[inline(always)]
    fn room_for_keys(&self, len: usize) -> Option<usize> {
        // What a set leaves below another stays unused until that is gone, or the thread holds nothing.
        let at = if self.state() == 0 { 0 } else { self.keys.get() };
        (at + len <= KEYS).then_some(at)
    }
}

#[cold]
fn free_keys(at: usize, len: usize) {
    let keys = std::ptr::with_exposed_provenance_mut::<usize>(at);
    // SAFETY: made by `keep_keys`, for a set that is gone.
    drop(unsafe { Box::from_raw(std::ptr::slice_from_raw_parts_mut(keys, len)) });
}
