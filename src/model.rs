//! Steering a model: what code that runs under loom can do and shipped code cannot.

use std::time::Duration;

/// Moves the model's clock. Limits that it passes are over, and the threads that sleep until then wake.
///
/// The clock of a model stands still by itself, so that an execution does not depend on the speed of the machine: a call
/// with a limit waits without end unless a thread of the model moves the clock. It starts, in each execution, at the
/// system's time when it is first read: by a call that has to wait, a token with a deadline, or this one. So pass durations in
/// a model; an `Instant` is compared with that start.
///
/// # Panics
/// Outside of a model.
pub fn advance(by: Duration) {
    crate::sync::model::clock::advance(by);
}
