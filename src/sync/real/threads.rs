//! What threads have put on show, for who wants to see all of them.
//!
//! A thread-local is taken out by the destructor of another one. That comes too late where the end of a thread frees
//! thread-locals one by one, in any order; so nothing is put on show there.
//!
//! Who comes waits for nobody: it is put on a stack, from which whoever has the lock moves it to the map. Invariant: what is on the
//! stack or in the map is shown by a thread that has not ended, which takes it out first, under the lock.

use std::cell::OnceCell;
use std::collections::BTreeMap;
use std::process;
use std::ptr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread::{self, Thread};

use super::{AtomicPtr, Ordering};

/// Whether thread-locals live as long as their thread.
const NATIVE: bool =
    cfg!(any(target_os = "linux", target_os = "freebsd", target_vendor = "apple", all(windows, target_env = "msvc")));

/// Those that have come since somebody looked.
static NEW: AtomicPtr<Shown> = AtomicPtr::new(ptr::null_mut());

/// All others: whose thread, by the address of what it shows.
static ALL: Mutex<BTreeMap<usize, Thread>> = Mutex::new(BTreeMap::new());

/// What a thread shows until it ends.
struct Shown {
    address: usize,
    thread: Thread,
    /// A forked child has the map of its parent, perhaps with the lock of a thread that it does not have.
    process: u32,
    /// The next on the stack, written before it is put there.
    next: AtomicPtr<Shown>,
}

impl Shown {
    fn new(address: usize) -> Self {
        let next = AtomicPtr::new(ptr::null_mut());
        Self { address, thread: thread::current(), process: process::id(), next }
    }

    fn put_on_show(&self) {
        // Relaxed: the compare-exchange decides.
        let mut next = NEW.load(Ordering::Relaxed);
        loop {
            self.next.store(next, Ordering::Relaxed);
            // Release: pairs with the Acquire in `all`.
            match NEW.compare_exchange(next, ptr::from_ref(self).cast_mut(), Ordering::Release, Ordering::Relaxed) {
                Ok(_) => return,
                Err(now) => next = now,
            }
        }
    }
}

impl Drop for Shown {
    fn drop(&mut self) {
        if self.process == process::id() {
            all().remove(&self.address);
        }
    }
}

/// All that is shown, which stays so meanwhile.
fn all() -> MutexGuard<'static, BTreeMap<usize, Thread>> {
    // Nothing panics under this lock.
    let mut all = ALL.lock().unwrap_or_else(PoisonError::into_inner);
    // Acquire: pairs with the Release in `put_on_show`, also of those below, which later exchanges pass on.
    let mut next = NEW.swap(ptr::null_mut(), Ordering::Acquire);
    // SAFETY: the invariant.
    while let Some(shown) = unsafe { next.as_ref() } {
        all.insert(shown.address, shown.thread.clone());
        // Relaxed: written before it was put on the stack.
        next = shown.next.load(Ordering::Relaxed);
    }
    all
}

/// Shows a thread-local of the calling thread to [`each_shown`] until the thread ends. One thread shows one thing.
///
/// # Safety
/// It is of the one type that all threads show, in a thread-local that needs no destructor.
pub(crate) unsafe fn show<T: Sync>(what: &T) {
    std::thread_local! {
        static MINE: OnceCell<Shown> = const { OnceCell::new() };
    }
    if NATIVE {
        // Not on a thread that is about to end.
        let _ = MINE.try_with(|mine| {
            if mine.get().is_none() {
                mine.get_or_init(|| Shown::new(ptr::from_ref(what).expose_provenance())).put_on_show();
            }
        });
    }
}

/// Calls `f` with what each thread shows, and keeps threads from ending meanwhile.
///
/// # Safety
/// As [`show`]; `T` is that type.
pub(crate) unsafe fn each_shown<T: Sync + 'static>(mut f: impl FnMut(&T, &Thread)) {
    for (&address, thread) in all().iter() {
        // SAFETY: shown, so a thread-local of that type, and not of a thread that has ended (the invariant).
        f(unsafe { &*ptr::with_exposed_provenance(address) }, thread);
    }
}
