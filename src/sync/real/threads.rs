//! What threads have put on show, for who wants to see all of them.
//!
//! A thread-local is taken out by the destructor of another one. That comes too late where the end of a thread frees
//! thread-locals one by one, in any order; so nothing is put on show there.
//!
//! Who comes waits for nobody: it is put on a stack, from which whoever has the lock moves it to the map. Invariant: what is on the
//! stack or in the map is shown by a thread that has not ended, which takes it out first, under the lock.

use std::cell::{Cell, OnceCell};
use std::collections::BTreeMap;
use std::mem::ManuallyDrop;
use std::ptr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread::{self, Thread};

use super::process::{Own, PerProcess};
use super::{AtomicPtr, Ordering};

/// Whether thread-locals live as long as their thread.
const NATIVE: bool =
    cfg!(any(target_os = "linux", target_os = "freebsd", target_vendor = "apple", all(windows, target_env = "msvc")));

/// What the threads of one process show.
struct All {
    /// Those that have come since somebody looked.
    new: AtomicPtr<Shown>,
    /// All others: whose thread, by the address of what it shows.
    known: Mutex<BTreeMap<usize, Thread>>,
}

static ALL: PerProcess<All> = PerProcess::new();

/// What one thread shows until it ends. Written before it is put on the stack, and then read by whoever takes it from there.
struct Shown {
    address: Cell<usize>,
    thread: Cell<Option<Thread>>,
    /// The next on the stack.
    next: AtomicPtr<Shown>,
}

impl Shown {
    const fn new() -> Self {
        Self { address: Cell::new(0), thread: Cell::new(None), next: AtomicPtr::new(ptr::null_mut()) }
    }
}

impl All {
    fn new() -> Self {
        Self { new: AtomicPtr::new(ptr::null_mut()), known: Mutex::default() }
    }

    fn show(&self, shown: &Shown) {
        // Relaxed: the compare-exchange decides.
        let mut first = self.new.load(Ordering::Relaxed);
        loop {
            shown.next.store(first, Ordering::Relaxed);
            // Release: pairs with the Acquire in `known`.
            match self.new.compare_exchange(
                first,
                ptr::from_ref(shown).cast_mut(),
                Ordering::Release,
                Ordering::Relaxed,
            ) {
                Ok(_) => return,
                Err(now) => first = now,
            }
        }
    }

    /// All that is shown, which stays so meanwhile.
    fn known(&self) -> MutexGuard<'_, BTreeMap<usize, Thread>> {
        // Nothing panics under this lock.
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        // Acquire: pairs with the Release in `show`, also of those below, which later exchanges pass on.
        let mut next = self.new.swap(ptr::null_mut(), Ordering::Acquire);
        // SAFETY: the invariant.
        while let Some(shown) = unsafe { next.as_ref() } {
            // The owner leaves it alone as long as it is here.
            let thread = shown.thread.take();
            known.extend(thread.clone().map(|thread| (shown.address.get(), thread)));
            shown.thread.set(thread);
            // Relaxed: written before it was put on the stack.
            next = shown.next.load(Ordering::Relaxed);
        }
        known
    }
}

/// Takes out what the thread shows.
struct Mine(&'static Own<All>);

std::thread_local! {
    /// Outlives `MINE`: it needs no destructor.
    static SHOWN: ManuallyDrop<Shown> = const { ManuallyDrop::new(Shown::new()) };
    static MINE: OnceCell<Mine> = const { OnceCell::new() };
}

impl Drop for Mine {
    fn drop(&mut self) {
        SHOWN.with(|shown| {
            if !self.0.is_inherited() {
                self.0.known().remove(&shown.address.get());
            }
            // Nobody looks at it any more, but for those of the process from which this one was forked.
            drop(shown.thread.take());
        });
    }
}

/// Shows a thread-local of the calling thread to [`each_shown`] until the thread ends. One thread shows one thing.
///
/// # Safety
/// It is of the one type that all threads show, in a thread-local that needs no destructor.
pub(crate) unsafe fn show<T: Sync>(what: &T) {
    if !NATIVE {
        return;
    }
    // Not on a thread that is about to end.
    let _ = MINE.try_with(|mine| {
        if mine.get().is_none() {
            let all = ALL.get(All::new);
            SHOWN.with(|shown| {
                shown.address.set(ptr::from_ref(what).expose_provenance());
                shown.thread.set(Some(thread::current()));
                if mine.set(Mine(all)).is_ok() {
                    all.show(shown);
                }
            });
        }
    });
}

/// Calls `f` with what each thread shows, and keeps threads from ending meanwhile.
///
/// # Safety
/// As [`show`]; `T` is that type.
pub(crate) unsafe fn each_shown<T: Sync + 'static>(mut f: impl FnMut(&T, &Thread)) {
    for (&address, thread) in ALL.get(All::new).known().iter() {
        // SAFETY: shown, so a thread-local of that type, and not of a thread that has ended (the invariant).
        f(unsafe { &*ptr::with_exposed_provenance(address) }, thread);
    }
}
