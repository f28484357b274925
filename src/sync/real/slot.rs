//! A value that is written once, and the byte that says so.

use core::cell::UnsafeCell;
use core::sync::atomic::AtomicU8;

/// A byte of state, accessed as an atomic, and a value that is there in one of its states, [`READY`](Slot::READY).
///
/// The byte is the tag of an enum. So the compiler's own drop glue drops the value, and drop check asks nothing of `T`: a
/// cell may hold a reference to its neighbour, or to itself, as long as nobody's destructor looks at it.
#[derive(Debug)]
#[repr(transparent)]
pub(crate) struct Slot<T>(UnsafeCell<Tagged<T>>);

const READY: u8 = 2;

/// The states. `repr(u8)` fixes the layout: a union of `repr(C)` structs, each of which begins with the tag.
#[repr(u8)]
#[allow(dead_code, reason = "most variants are only ever made by a store to the tag")]
enum Tagged<T> {
    Empty = 0,
    Running = 1,
    Ready(T) = READY,
    EmptyParked = 4,
    RunningParked = 5,
}

/// The variant `Ready`, as the layout of a `repr(u8)` enum defines it.
#[repr(C)]
struct Ready<T> {
    tag: u8,
    value: T,
}

impl<T> Slot<T> {
    /// The state in which the value is there. The others are 0, 1, 4 and 5, in which it is not; the byte never has another.
    pub(crate) const READY: u8 = READY;

    /// A slot in state 0.
    pub(crate) const fn new() -> Self {
        Self(UnsafeCell::new(Tagged::Empty))
    }

    /// A slot with its value.
    pub(crate) const fn with_value(value: T) -> Self {
        Self(UnsafeCell::new(Tagged::Ready(value)))
    }

    /// The byte. Whoever has it stores no state but those named above, and `READY` only after [`write`](Slot::write).
    #[inline(always)]
    pub(crate) fn state(&self) -> &AtomicU8 {
        // SAFETY: the tag is the enum's first byte, which lives as long as `self` and, while that is shared, is accessed as an
        // atomic only.
        unsafe { AtomicU8::from_ptr(self.0.get().cast()) }
    }

    #[inline(always)]
    fn value(&self) -> *mut T {
        let ready: *mut Ready<T> = self.0.get().cast();
        // SAFETY: the place is within the enum, which is as large and as aligned as its largest variant.
        unsafe { &raw mut (*ready).value }
    }

    /// # Safety
    /// The state is `READY`.
    #[inline(always)]
    pub(crate) unsafe fn shared(&self) -> &T {
        // SAFETY: the value is there, and nobody writes it while the slot is shared.
        unsafe { &*self.value() }
    }

    /// Writes the value that `make` returns, with no copy of it but the one that it returns: each is on the stack.
    ///
    /// # Safety
    /// The state is not `READY`, and nobody else writes until it is.
    #[inline(always)]
    pub(crate) unsafe fn write(&self, make: impl FnOnce() -> T) {
        // SAFETY: nobody else accesses the place.
        unsafe { self.value().write(make()) }
    }

    /// The same for a `make` that may fail.
    ///
    /// # Safety
    /// As `write`.
    #[inline(always)]
    pub(crate) unsafe fn try_write<E>(&self, make: impl FnOnce() -> Result<T, E>) -> Result<(), E> {
        match make() {
            // SAFETY: as in `write`.
            Ok(value) => unsafe { self.value().write(value) },
            Err(error) => return Err(error),
        }
        Ok(())
    }

    #[inline]
    pub(crate) fn get_mut(&mut self) -> Option<&mut T> {
        match self.0.get_mut() {
            Tagged::Ready(value) => Some(value),
            _ => None,
        }
    }

    /// The value; the slot is in state 0 again.
    #[inline]
    pub(crate) fn take(&mut self) -> Option<T> {
        std::mem::replace(self, Self::new()).into_inner()
    }

    #[inline]
    pub(crate) fn into_inner(self) -> Option<T> {
        match self.0.into_inner() {
            Tagged::Ready(value) => Some(value),
            _ => None,
        }
    }
}
