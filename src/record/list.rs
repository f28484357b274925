//! A list through its items, which need not move and are not owned. Whoever uses it brings the lock.

use std::ptr;

use crate::sync::{UnsafeCell, const_fn};

/// What makes a type an item of lists.
///
/// # Safety
/// `links` returns the same links for as long as the item lives.
pub(crate) unsafe trait Linked: Sized {
    fn links(&self) -> &Links<Self>;
}

/// An item's place in its list. Invariant: while the item is in a list, both point to live items of it or nowhere.
pub(crate) struct Links<T>(UnsafeCell<Neighbours<T>>);

struct Neighbours<T> {
    before: *const T,
    after: *const T,
}

/// The ends of a list: what is after its start, and before its end. Invariant: both point to live items or nowhere.
pub(crate) struct List<T>(UnsafeCell<Neighbours<T>>);

impl<T> Links<T> {
    pub(crate) fn new() -> Self {
        Self(UnsafeCell::new(Neighbours::NONE))
    }
}

impl<T> Neighbours<T> {
    const NONE: Self = Self { before: ptr::null(), after: ptr::null() };
}

impl<T: Linked> List<T> {
    const_fn! {
        pub(crate) const fn new() -> Self {
            Self(UnsafeCell::new(Neighbours::NONE))
        }
    }

    /// Puts an item behind all others: the order in which it will be found in a queue as well.
    ///
    /// # Safety
    /// The caller holds the lock of the list. The item is in no list, and neither moves nor ends before it is removed.
    pub(crate) unsafe fn push(&self, item: &T) {
        // SAFETY: the lock excludes every other access to the list and to the links of its items, to which the item
        // belongs from here on; the pointers are to live items (the invariants).
        unsafe {
            let before = self.0.shared().before;
            *item.links().0.exclusive() = Neighbours { before, after: ptr::null() };
            match before.as_ref() {
                Some(before) => before.links().0.exclusive().after = item,
                None => self.0.exclusive().after = item,
            }
            self.0.exclusive().before = item;
        }
    }

    /// Takes an item out, wherever it stands.
    ///
    /// # Safety
    /// The caller holds the lock of the list, and the item is in it.
    pub(crate) unsafe fn remove(&self, item: &T) {
        // SAFETY: as in `push`.
        unsafe {
            let &Neighbours { before, after } = item.links().0.shared();
            match before.as_ref() {
                Some(before) => before.links().0.exclusive().after = after,
                None => self.0.exclusive().after = after,
            }
            match after.as_ref() {
                Some(after) => after.links().0.exclusive().before = before,
                None => self.0.exclusive().before = before,
            }
        }
    }

    /// The first item.
    ///
    /// # Safety
    /// The caller holds the lock of the list for as long as it uses the item.
    pub(crate) unsafe fn first(&self) -> Option<&T> {
        // SAFETY: as in `push`.
        unsafe { self.0.shared().after.as_ref() }
    }

    /// The item behind this one.
    ///
    /// # Safety
    /// The item is in a list, whose lock the caller holds for as long as it uses the next.
    pub(crate) unsafe fn after(item: &T) -> Option<&T> {
        // SAFETY: as in `push`.
        unsafe { item.links().0.shared().after.as_ref() }
    }
}
