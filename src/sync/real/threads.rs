//! What threads have put on show, for who wants to see all of them.
//!
//! A thread-local is taken out by the destructor of another one. That comes too late where the end of a thread frees
//! thread-locals one by one, in any order; so nothing is put on show there.

use std::cell::OnceCell;
use std::collections::BTreeMap;
use std::process;
use std::ptr;
use std::sync::{Mutex, PoisonError, TryLockError};
use std::thread::{self, Thread};

/// Whether thread-locals live as long as their thread.
const NATIVE: bool =
    cfg!(any(target_os = "linux", target_os = "freebsd", target_vendor = "apple", all(windows, target_env = "msvc")));

/// What each thread shows, by its address.
static SHOWN: Mutex<BTreeMap<usize, Thread>> = Mutex::new(BTreeMap::new());

/// What the thread shows until it ends.
struct Mine {
    address: usize,
    /// A forked child has the map of its parent, perhaps with the lock of a thread that it does not have.
    process: u32,
}

impl Drop for Mine {
    fn drop(&mut self) {
        if self.process == process::id() {
            // Nothing panics under this lock.
            SHOWN.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.address);
        }
    }
}

/// Shows a thread-local of the calling thread to [`each_shown`] until the thread ends. One thread shows one thing. False: try again
/// later. It waits for nobody.
///
/// # Safety
/// It is of the one type that all threads show, in a thread-local that needs no destructor.
pub(crate) unsafe fn show<T: Sync>(what: &T) -> bool {
    std::thread_local! {
        static MINE: OnceCell<Mine> = const { OnceCell::new() };
    }
    if !NATIVE {
        return true;
    }
    let show = |mine: &OnceCell<Mine>| {
        let mut shown = match SHOWN.try_lock() {
            Ok(shown) => shown,
            Err(TryLockError::Poisoned(shown)) => shown.into_inner(),
            Err(TryLockError::WouldBlock) => return false,
        };
        let address = ptr::from_ref(what).expose_provenance();
        if mine.set(Mine { address, process: process::id() }).is_ok() {
            shown.insert(address, thread::current());
        }
        true
    };
    // Not on a thread that is about to end.
    MINE.try_with(show).unwrap_or(true)
}

/// Calls `f` with what each thread shows, and keeps threads from ending meanwhile.
///
/// # Safety
/// As [`show`]; `T` is that type.
pub(crate) unsafe fn each_shown<T: Sync + 'static>(mut f: impl FnMut(&T, &Thread)) {
    for (&address, thread) in SHOWN.lock().unwrap_or_else(PoisonError::into_inner).iter() {
        // SAFETY: shown, so a thread-local of that type, and not of a thread that has ended.
        f(unsafe { &*ptr::with_exposed_provenance(address) }, thread);
    }
}
