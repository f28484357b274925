//! A value that is written once, and the byte that says so: loom's atomic, and a cell that loom checks.

use loom::sync::atomic::AtomicU8;

use super::UnsafeCell;

/// As the shipped one, and without a destructor of its own like that.
#[derive(Debug)]
pub(crate) struct Slot<T> {
    state: AtomicU8,
    value: UnsafeCell<Option<T>>,
}

impl<T> Slot<T> {
    pub(crate) const READY: u8 = 2;

    #[track_caller]
    pub(crate) fn new() -> Self {
        Self { state: AtomicU8::new(0), value: UnsafeCell::new(None) }
    }

    #[track_caller]
    pub(crate) fn with_value(value: T) -> Self {
        Self { state: AtomicU8::new(Self::READY), value: UnsafeCell::new(Some(value)) }
    }

    pub(crate) fn state(&self) -> &AtomicU8 {
        &self.state
    }

    /// # Safety
    /// As the shipped one; loom checks it.
    #[track_caller]
    pub(crate) unsafe fn shared(&self) -> &T {
        // SAFETY: the caller's promise.
        unsafe { self.value.shared() }.as_ref().expect("the state says that the value is there")
    }

    /// # Safety
    /// As the shipped one; loom checks it.
    #[track_caller]
    pub(crate) unsafe fn write(&self, make: impl FnOnce() -> T) {
        let value = make();
        // SAFETY: the caller's promise.
        *unsafe { self.value.exclusive() } = Some(value);
    }

    /// # Safety
    /// As the shipped one; loom checks it.
    #[track_caller]
    pub(crate) unsafe fn try_write<E>(&self, make: impl FnOnce() -> Result<T, E>) -> Result<(), E> {
        let value = make()?;
        // SAFETY: the caller's promise.
        *unsafe { self.value.exclusive() } = Some(value);
        Ok(())
    }

    #[track_caller]
    pub(crate) fn get_mut(&mut self) -> Option<&mut T> {
        self.value.get_mut().as_mut()
    }

    #[track_caller]
    pub(crate) fn take(&mut self) -> Option<T> {
        std::mem::replace(self, Self::new()).into_inner()
    }

    #[track_caller]
    pub(crate) fn into_inner(self) -> Option<T> {
        self.value.into_inner()
    }
}
