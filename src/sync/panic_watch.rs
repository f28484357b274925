//! Whether a panic has begun since.

use super::{ThreadId, panicking, thread_id};

/// Made with a guard or a worker, and asked when that is dropped: was it a panic that dropped it? One that was under way
/// already when it was made, on the thread that made it, does not count.
///
/// A worker may be dropped by another thread than the one that made it. One that is taken over by a thread that is
/// unwinding already cannot be told from one that this panic has dropped, and counts.
#[derive(Debug)]
pub(crate) struct PanicWatch {
    /// The thread that made this, if it was unwinding then.
    unwinding: Option<ThreadId>,
}

impl PanicWatch {
    #[inline]
    pub(crate) fn new() -> Self {
        Self { unwinding: if panicking() { Some(thread_id()) } else { None } }
    }

    /// Counts every panic, also one that is under way: for what only a panic can drop.
    pub(crate) const fn any() -> Self {
        Self { unwinding: None }
    }

    #[inline]
    pub(crate) fn panicked(&self) -> bool {
        panicking() && self.unwinding.is_none_or(|thread| thread != thread_id())
    }
}
