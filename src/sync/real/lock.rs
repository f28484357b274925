//! A lock that may be taken where the parking lot must not be called.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Something under the system's lock. Nothing panics under it.
pub(crate) struct Lock<T>(Mutex<T>);

impl<T> Lock<T> {
    pub(crate) const fn new(value: T) -> Self {
        Self(Mutex::new(value))
    }

    pub(crate) fn hold(&self) -> MutexGuard<'_, T> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
