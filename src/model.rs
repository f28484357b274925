//! Controls a model: what code under loom can do and shipped code cannot.

use std::time::Duration;

/// Advances the model's clock. Limits that it passes are over, and the threads that block until then wake.
///
/// The clock of a model does not advance by itself, so that an execution does not depend on the speed of the machine: a
/// time limit passes only if a thread of the model advances the clock. In each execution, the clock starts at the
/// system's time when it is first read: by a call that has to wait, by a token with a deadline, or by this call. So
/// pass durations in a model; an `Instant` is compared with that start.
///
/// # Panics
/// If called outside of a model.
pub fn advance(by: Duration) {
    crate::sync::model::clock::advance(by);
}
