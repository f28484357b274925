//! Calling what is registered with tokens that have ended.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use super::tree::Handle;
use crate::sync::panicking;

/// What a panic was called with.
type Payload = Box<dyn Any + Send>;

/// The first panic of the callbacks of one call.
#[must_use]
pub(super) struct Panicked(Option<Payload>);

/// Calls the callbacks of these tokens, one after the other, each outside of every lock. Those that register meanwhile find their
/// token ended. A panic does not keep the others from being called.
pub(super) fn call_all<'h>(handles: impl Iterator<Item = &'h Handle>) -> Panicked {
    let mut first = Panicked(None);
    for handle in handles {
        while let Some(callback) = handle.node.next_callback() {
            if let Err(payload) = catch_unwind(AssertUnwindSafe(|| callback.call())) {
                match &first.0 {
                    None => first.0 = Some(payload),
                    Some(_) => discard(payload),
                }
            }
        }
    }
    first
}

impl Panicked {
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

/// Calls `f`, of whose panic the hook has told.
pub(super) fn quietly(f: impl FnOnce()) {
    if let Err(payload) = catch_unwind(AssertUnwindSafe(f)) {
        discard(payload);
    }
}

/// Drops a payload, whatever its drop does.
fn discard(payload: Payload) {
    if let Err(payload) = catch_unwind(AssertUnwindSafe(|| drop(payload))) {
        std::mem::forget(payload);
    }
}
