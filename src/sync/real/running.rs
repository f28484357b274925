//! A thread of the crate's own that runs a caller's code.

use std::io;
use std::thread::{Builder, JoinHandle, Thread};

/// A thread that was started. It has to be joined.
pub(crate) struct Running(JoinHandle<()>);

/// Starts a thread of this name.
///
/// # Safety
/// It is joined before anything ends that `f` borrows. The name has no NUL byte.
pub(crate) unsafe fn spawn(name: String, f: impl FnOnce() + Send) -> io::Result<Running> {
    // SAFETY: the caller's promise.
    unsafe { Builder::new().name(name).spawn_unchecked(f) }.map(Running)
}

impl Running {
    pub(crate) fn thread(&self) -> &Thread {
        self.0.thread()
    }

    /// Waits until the thread has ended, its thread-locals included.
    pub(crate) fn join(self) {
        // It has caught every panic.
        let _ = self.0.join();
    }
}

/// Calls `f`, and ends the process if it panics: what follows is needed for others to be sound.
pub(crate) fn never_unwind<R>(f: impl FnOnce() -> R) -> R {
    struct Abort;
    impl Drop for Abort {
        fn drop(&mut self) {
            std::process::abort();
        }
    }
    let abort = Abort;
    let result = f();
    std::mem::forget(abort);
    result
}
