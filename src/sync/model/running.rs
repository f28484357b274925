//! A thread of the model that runs a caller's code.

use std::io;
use std::mem;

use loom::thread::{Builder, JoinHandle, Thread};

/// A thread that was started. It has to be joined.
pub(crate) struct Running(JoinHandle<()>);

/// Starts a thread of this name.
///
/// # Safety
/// As for the shipped one.
pub(crate) unsafe fn spawn(name: String, f: impl FnOnce() + Send) -> io::Result<Running> {
    let f: Box<dyn FnOnce() + Send + '_> = Box::new(f);
    // SAFETY: the same type but for the lifetime, of which the caller promises that the thread ends first.
    let f = unsafe { mem::transmute::<Box<dyn FnOnce() + Send + '_>, Box<dyn FnOnce() + Send + 'static>>(f) };
    Builder::new().name(name).spawn(f).map(Running)
}

impl Running {
    pub(crate) fn thread(&self) -> &Thread {
        self.0.thread()
    }

    /// Waits until the thread has ended.
    pub(crate) fn join(self) {
        let _ = self.0.join();
    }
}

/// Calls `f`. It panics where the model has failed, and that is to be reported.
pub(crate) fn never_unwind<R>(f: impl FnOnce() -> R) -> R {
    f()
}
