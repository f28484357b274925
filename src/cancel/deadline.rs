//! What happens at the deadline of a token, where somebody waits who does not sleep.

use std::ptr::NonNull;

use super::calls::call_and_release;
use super::tree::{Branch, Handle};
use crate::sync::{Due, Lock, alarm};
use crate::wait::{Callback, Entry, RefusedCallback};

/// The branch whose deadline it is. Invariant: it is not freed before it was taken out of here.
struct AtDeadline(Lock<Option<NonNull<Branch>>>);

// SAFETY: the branch is used by way of a handle, which is Send and Sync.
unsafe impl Send for AtDeadline {}
// SAFETY: as above.
unsafe impl Sync for AtDeadline {}

/// Has the callbacks called at the deadline, if there is one, and the channel closed.
///
/// # Panics
/// If the system gives no thread.
#[track_caller]
pub(super) fn arm(handle: &Handle) {
    let at = |deadline| alarm(deadline, AtDeadline(Lock::new(Some(handle.branch()))));
    // Here, as a closure would not tell the caller's line.
    if let Err(error) = handle.node.arm(at) {
        panic!("no thread for the deadlines of tokens: {error}");
    }
}

/// Registers a callback with the token, to be called when that is cancelled or its deadline passes. It is given back if that is so already.
///
/// # Safety
/// As for [`enlist`](crate::wait::Node::enlist) of the node.
#[track_caller]
pub(super) unsafe fn enlist(handle: &Handle, entry: &Entry, mut callback: Callback) -> Result<(), Callback> {
    loop {
        // SAFETY: passed on to the caller.
        callback = match unsafe { handle.node.enlist(entry, callback) } {
            Ok(()) => return Ok(()),
            Err(RefusedCallback::Ended(callback)) => return Err(callback),
            Err(RefusedCallback::Unarmed(callback)) => {
                arm(handle);
                callback
            }
        }
    }
}

impl Due for AtDeadline {
    fn due(&self) {
        let handle = {
            let branch = self.0.hold();
            // SAFETY: the invariant. Who takes it out waits for the lock.
            branch.and_then(|branch| unsafe { Handle::upgrade(branch) })
        };
        if let Some(handle) = handle {
            handle.node.expire();
            // There is nobody to whom a panic could be passed on.
            call_and_release(handle).discard();
        }
    }

    fn disarm(&self) {
        *self.0.hold() = None;
    }
}
