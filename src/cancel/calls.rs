//! Calling what is registered with tokens that have ended.

use super::tree::{Called, Handle};
use crate::sync::FirstPanic;

/// Calls the callbacks of these tokens, one after the other, each outside of every lock. Those that register meanwhile find their
/// token ended. A panic, of a callback or of what ends with a token, does not keep the others from being called.
pub(super) fn call_all(called: Called<'_>) -> FirstPanic {
    let mut panic = FirstPanic::NONE;
    if let Some(top) = called.top {
        call(top, &mut panic);
    }
    for handle in called.below {
        call(&handle, &mut panic);
        release(handle, &mut panic);
    }
    panic
}

/// The same for one token.
pub(super) fn call_and_release(handle: Handle) -> FirstPanic {
    let mut panic = FirstPanic::NONE;
    call(&handle, &mut panic);
    release(handle, &mut panic);
    panic
}

fn call(handle: &Handle, panic: &mut FirstPanic) {
    while let Some((callback, left)) = handle.node.next_callback() {
        panic.catch(|| callback.call());
        if !left {
            break;
        }
    }
}

/// It may be the last of its token, with which causes and callbacks are dropped.
fn release(handle: Handle, panic: &mut FirstPanic) {
    panic.catch(|| drop(handle));
}
