//! The cells that the calling thread is initialising, so that a re-entrant initialiser is detected instead of hanging.
//!
//! A list through the stack frames of the running initialisers. It is looked at only by a thread that is about to sleep.

use std::cell::Cell;
use std::ptr;

use crate::sync::{cleanup, local, step};

struct Frame {
    key: usize,
    below: *const Frame,
}

local! {
    /// The innermost frame. Invariant: it and all below it live on this thread's stack, in frames of [`run`] that have
    /// not returned.
    static TOP: Cell<*const Frame> = Cell::new(ptr::null())
}

/// Runs an initialiser of the cell that is known by `key`.
#[inline]
pub(super) fn run<R>(key: usize, init: impl FnOnce() -> R) -> R {
    struct Pop(*const Frame);
    impl Drop for Pop {
        fn drop(&mut self) {
            cleanup(|| TOP.with(|top| top.set(self.0)));
        }
    }

    let below = TOP.with(Cell::get);
    let frame = Frame { key, below };
    // By drop, so also when the initialiser panics: the frame leaves the list before it leaves the stack.
    let _pop = Pop(below);
    if step!("once.note-running") {
        TOP.with(|top| top.set(&raw const frame));
    }
    init()
}

/// Whether this thread is in an initialiser of the cell that is known by `key`.
#[cold]
pub(super) fn is_running(key: usize) -> bool {
    let mut at = TOP.with(Cell::get);
    while !at.is_null() {
        // SAFETY: the invariant of `TOP`: the frame is alive, and never changes.
        let frame = unsafe { &*at };
        if frame.key == key {
            return true;
        }
        at = frame.below;
    }
    false
}
