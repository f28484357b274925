//! What there is once in a process, in both worlds: no model depends on it.

use std::ops::Range;
use std::ptr;
use std::sync::atomic::{AtomicPtr, AtomicU64, Ordering};

/// Returns so many numbers that no other call in this process gets, from 1 on.
pub(crate) fn next_numbers(count: u64) -> Range<u64> {
    static NEXT: AtomicU64 = AtomicU64::new(1);

    // Relaxed: no other memory goes with it.
    let first = NEXT.fetch_add(count, Ordering::Relaxed);
    first..first + count
}

/// The name of a class. Once in the list it stays there.
struct Named {
    class: u32,
    name: &'static str,
    next: *const Named,
}

/// A stack of all names.
static NAMES: AtomicPtr<Named> = AtomicPtr::new(ptr::null_mut());

/// The first of the stack.
fn first() -> *const Named {
    // Acquire: pairs with the Release in `name_class`, also of those below, which later exchanges pass on.
    NAMES.load(Ordering::Acquire)
}

/// The names from this one down.
fn names(from: *const Named) -> impl Iterator<Item = &'static Named> {
    // SAFETY: null, or leaked by `name_class` and changed no more.
    std::iter::successors(unsafe { from.as_ref() }, |named| unsafe { named.next.as_ref() })
}

/// Returns the name of a class, if it has one.
pub(crate) fn class_name(class: u32) -> Option<&'static str> {
    names(first()).find(|named| named.class == class).map(|named| named.name)
}

/// Gives a class its name, unless it has one.
pub(crate) fn name_class(class: u32, name: &'static str) {
    let mut top = first();
    if names(top).any(|named| named.class == class) {
        return;
    }
    let named = Box::leak(Box::new(Named { class, name, next: top }));
    // Release: pairs with the Acquire in `first`. Acquire, if another was quicker: as there.
    while let Err(now) = NAMES.compare_exchange(top.cast_mut(), named, Ordering::Release, Ordering::Acquire) {
        top = now;
        named.next = top;
        if names(top).any(|other| other.class == class) {
            // Another thread was quicker.
            // SAFETY: leaked above, and not in the list.
            return drop(unsafe { Box::from_raw(named) });
        }
    }
}
