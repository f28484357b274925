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

/// Has deadlocks through initialisers found from here on in this execution, as in shipped code: the call that closes a cycle ends
/// with [`LockError::Deadlock`](crate::LockError::Deadlock), [`InitError::Deadlock`](crate::InitError::Deadlock) or a panic.
///
/// Without this, loom reports them: all threads are blocked. That is what a model is for; call this only where the model is about
/// what the program does after such an error. The threads that wait while they hold something meet at one more lock, so
/// there may be a hundred times as many executions.
///
/// # Panics
/// If called outside of a model.
pub fn find_deadlocks() {
    crate::sync::model::execution::record_waits();
}
