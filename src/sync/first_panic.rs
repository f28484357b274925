//! Running several pieces of the user's code, all of them, though one panics.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use super::panicking;

/// What a panic carries.
pub(crate) type Payload = Box<dyn Any + Send>;

/// The first panic of several; the others are dropped.
#[must_use]
pub(crate) struct FirstPanic(Option<Payload>);

impl FirstPanic {
    pub(crate) const NONE: Self = Self(None);

    /// Calls `f`. A panic of that is kept if it is the first.
    pub(crate) fn catch(&mut self, f: impl FnOnce()) {
        if let Err(payload) = catch_unwind(AssertUnwindSafe(f)) {
            self.add(payload);
        }
    }

    /// Keeps a payload if it is the first.
    pub(crate) fn add(&mut self, payload: Payload) {
        match self.0 {
            None => self.0 = Some(payload),
            Some(_) => discard(payload),
        }
    }

    pub(crate) fn is_none(&self) -> bool {
        self.0.is_none()
    }

    /// The payload, if there was a panic.
    pub(crate) fn take(&mut self) -> Option<Payload> {
        self.0.take()
    }

    /// Goes on with the panic, unless this thread is panicking already: a second panic would end the process.
    pub(crate) fn resume(self) {
        match self.0 {
            Some(payload) if !panicking() => resume_unwind(payload),
            _ => self.discard(),
        }
    }

    /// Leaves it at what the panic hook has told.
    pub(crate) fn discard(self) {
        self.0.into_iter().for_each(discard);
    }
}

/// Drops a payload. Its drop may panic with another, and that with a third, which is left alone.
fn discard(payload: Payload) {
    let drop = |payload| catch_unwind(AssertUnwindSafe(|| drop::<Payload>(payload)));
    drop(payload).or_else(drop).unwrap_or_else(std::mem::forget);
}
