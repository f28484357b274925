//! What a canceller calls, besides waking threads: callbacks and wakers, as entries of a node's list.
//!
//! Invariants:
//! 1. An entry is in the list exactly while it has something to call. Both change under the lock of the list, that of the node's
//!    sleepers. So what is called is called by one who took it out, or by nobody.
//! 2. What was taken out is called or dropped outside of every lock: it is the user's.
//! 3. An entry that was detached belongs to the list, and ends with its place there. All others belong to who registered them.

use std::panic::{RefUnwindSafe, UnwindSafe};
use std::ptr::NonNull;
use std::task::Waker;

use crate::record::{Linked, Links, List};
use crate::sync::UnsafeCell;

/// What is called once.
pub(crate) enum Callback {
    Wake(Waker),
    Run(Box<dyn FnOnce() + Send>),
    Lent(Lent),
}

/// A function and what it is called with, which is borrowed.
pub(crate) struct Lent {
    call: unsafe fn(*const ()),
    with: *const (),
}

impl Lent {
    /// # Safety
    /// The function may be called with the pointer, once, on any thread, for as long as the callback is not taken back. If it is not taken back
    /// in time, until the function says itself that it has ended.
    pub(crate) unsafe fn new(call: unsafe fn(*const ()), with: *const ()) -> Self {
        Self { call, with }
    }
}

impl Callback {
    pub(crate) fn call(self) {
        match self {
            Callback::Wake(waker) => waker.wake(),
            Callback::Run(run) => run(),
            // SAFETY: the promise of `Lent::new`; this consumes the callback.
            Callback::Lent(Lent { call, with }) => unsafe { call(with) },
        }
    }
}

/// Why a callback was not registered; and the callback.
pub(crate) enum Refused {
    /// The flag is set or the deadline has passed.
    Ended(Callback),
    /// There is a deadline, and no alarm for it.
    Unarmed(Callback),
}

/// A place for a callback in a node's list.
pub(crate) struct Entry {
    callback: UnsafeCell<Option<Callback>>,
    /// The box that it is in, once it is the list's.
    detached: UnsafeCell<Option<NonNull<Entry>>>,
    links: Links<Entry>,
}

// SAFETY: all of it is used under the lock of its list only, and callbacks may be called and dropped on any thread.
unsafe impl Send for Entry {}
// SAFETY: as above.
unsafe impl Sync for Entry {}

// No user code runs while an entry is changed, so none is met half changed.
impl UnwindSafe for Entry {}
impl RefUnwindSafe for Entry {}

// SAFETY: a field.
unsafe impl Linked for Entry {
    fn links(&self) -> &Links<Self> {
        &self.links
    }
}

impl Entry {
    pub(crate) fn new() -> Self {
        Self { callback: UnsafeCell::new(None), detached: UnsafeCell::new(None), links: Links::new() }
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        // Also where models run, without debug assertions.
        assert!(self.callback.get_mut().is_none(), "an entry leaves its list before it ends");
    }
}

/// The entries of a node, in the order in which they were registered. Whoever uses them holds the node's lock.
pub(super) struct Callbacks(List<Entry>);

impl Callbacks {
    pub(super) fn new() -> Self {
        Self(List::new())
    }

    /// # Safety
    /// The lock is held.
    pub(super) unsafe fn is_empty(&self) -> bool {
        // SAFETY: passed on to the caller.
        unsafe { self.0.first() }.is_none()
    }

    /// # Safety
    /// The lock is held. The entry is in no list, and neither moves nor ends before it has left this one.
    pub(super) unsafe fn push(&self, entry: &Entry, callback: Callback) {
        // SAFETY: passed on to the caller.
        unsafe {
            *entry.callback.exclusive() = Some(callback);
            self.0.push(entry);
        }
    }

    /// Takes the callback of an entry out, if it is there still.
    ///
    /// # Safety
    /// The lock is held. The entry was pushed here.
    pub(super) unsafe fn remove(&self, entry: &Entry) -> Option<Callback> {
        // SAFETY: passed on to the caller; it is in the list as long as it has a callback (invariant 1).
        unsafe {
            let callback = entry.callback.exclusive().take()?;
            self.0.remove(entry);
            Some(callback)
        }
    }

    /// Takes the first callback out, and the box of its entry where that was the list's.
    ///
    /// # Safety
    /// The lock is held.
    pub(super) unsafe fn pop(&self) -> Option<(Callback, Option<Box<Entry>>)> {
        // SAFETY: passed on to the caller; the box was leaked (`detach`), and nothing refers to it any more.
        unsafe {
            let first = self.0.first()?;
            let detached = first.detached.shared().as_ref().copied();
            let callback = self.remove(first).expect("an entry in the list has a callback");
            Some((callback, detached.map(|entry| Box::from_raw(entry.as_ptr()))))
        }
    }

    /// Looks at the waker of an entry, or changes it, while it is there.
    ///
    /// # Safety
    /// The lock is held. The entry was pushed here.
    pub(super) unsafe fn with_waker<R>(&self, entry: &Entry, f: impl FnOnce(&mut Waker) -> R) -> Option<R> {
        // SAFETY: passed on to the caller.
        match unsafe { entry.callback.exclusive() } {
            Some(Callback::Wake(waker)) => Some(f(waker)),
            _ => None,
        }
    }

    /// Gives an entry to the list; or back to the caller, if it has left the list.
    ///
    /// # Safety
    /// The lock is held. The entry was pushed here, and its pointer is that of a leaked box.
    pub(super) unsafe fn detach(&self, entry: NonNull<Entry>) -> Option<Box<Entry>> {
        // SAFETY: passed on to the caller; the box is used by the list from here on, or by nobody but the caller.
        unsafe {
            if entry.as_ref().callback.shared().is_some() {
                *entry.as_ref().detached.exclusive() = Some(entry);
                None
            } else {
                Some(Box::from_raw(entry.as_ptr()))
            }
        }
    }
}
