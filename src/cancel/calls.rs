//! Calling what is registered with tokens that have ended.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use super::tree::{Called, Handle};
use crate::sync::panicking;

/// What a panic was called with.
type Payload = Box<dyn Any + Send>;

/// The first panic of what users have given to tokens, in one call.
#[must_use]
pub(super) struct Panicked(Option<Payload>);

/// Calls the callbacks of these tokens, one after the other, each outside of every lock. Those that register meanwhile find their
/// token ended. A panic does not keep the others from being called.
pub(super) fn call_all(called: Called<'_>) -> Panicked {
    let mut panicked = Panicked(None);
    if let Some(top) = called.top {
        panicked.call(top);
    }
    for handle in called.below {
        panicked.call(&handle);
        panicked.release(handle);
    }
    panicked
}

/// The same for one token.
pub(super) fn call_and_release(handle: Handle) -> Panicked {
    let mut panicked = Panicked(None);
    panicked.call(&handle);
    panicked.release(handle);
    panicked
}

impl Panicked {
    fn call(&mut self, handle: &Handle) {
        while let Some((callback, left)) = handle.node.next_callback() {
            self.catch(|| callback.call());
            if !left {
                break;
            }
        }
    }

    /// It may be the last of its token, with which causes and callbacks are dropped.
    fn release(&mut self, handle: Handle) {
        self.catch(|| drop(handle));
    }

    fn catch(&mut self, f: impl FnOnce()) {
        if let Err(payload) = catch_unwind(AssertUnwindSafe(f)) {
            match &self.0 {
                None => self.0 = Some(payload),
                Some(_) => discard(payload),
            }
        }
    }

    /// Goes on with the panic, unless this thread is panicking already: a second panic would end the process.
    pub(super) fn resume(self) {
        match self.0 {
            Some(payload) if !panicking() => resume_unwind(payload),
            _ => self.discard(),
        }
    }

    /// Leaves it at what the panic hook has told.
    pub(super) fn discard(self) {
        if let Some(payload) = self.0 {
            discard(payload);
        }
    }
}

/// Drops a payload, whatever its drop does.
fn discard(payload: Payload) {
    if let Err(payload) = catch_unwind(AssertUnwindSafe(|| drop(payload))) {
        std::mem::forget(payload);
    }
}
