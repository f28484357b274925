//! What belongs to one process.
//!
//! A forked child has a copy of the parent's memory and none of its threads, so also a copy of a lock that nobody will ever
//! release, and of what was on the stacks of threads. It makes its own, and leaves alone what it inherited.

use std::ptr;

use super::{AtomicPtr, Ordering};

/// Tells processes apart that were forked from one another.
///
/// To ask the system for the process's id is a system call, which took 140 nanoseconds where it was measured (AMD EPYC, Linux 6.18, 2026-11-27): 7 % of
/// a sleep and a wake-up. So the child counts, where the system tells it.
#[cfg(all(unix, not(miri)))]
mod fork {
    use std::ffi::c_int;
    use std::process;
    use std::sync::OnceLock;

    use super::super::{AtomicU64, Ordering};

    unsafe extern "C" {
        fn pthread_atfork(
            before: Option<unsafe extern "C" fn()>,
            parent: Option<unsafe extern "C" fn()>,
            child: Option<unsafe extern "C" fn()>,
        ) -> c_int;
    }

    static FORKS: AtomicU64 = AtomicU64::new(0);

    extern "C" fn count() {
        // Relaxed: the child has one thread.
        FORKS.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn id() -> u64 {
        static COUNTS: OnceLock<bool> = OnceLock::new();
        // SAFETY: the handler may run at any time.
        let counts = *COUNTS.get_or_init(|| unsafe { pthread_atfork(None, None, Some(count)) } == 0);
        // Relaxed: changed before this process had a second thread.
        if counts { FORKS.load(Ordering::Relaxed) } else { process::id().into() }
    }
}

#[cfg(not(all(unix, not(miri))))]
mod fork {
    pub(super) fn id() -> u64 {
        // Where there are no forks one is as good as another.
        if cfg!(unix) { std::process::id().into() } else { 0 }
    }
}

/// One value for each process. Invariant: null, or from a leaked box.
pub(crate) struct PerProcess<T: 'static>(AtomicPtr<Own<T>>);

/// The value of one process.
pub(crate) struct Own<T> {
    process: u64,
    value: T,
}

impl<T: Sync> PerProcess<T> {
    pub(crate) const fn new() -> Self {
        Self(AtomicPtr::new(ptr::null_mut()))
    }

    /// That of the calling process, made by the first that asks.
    pub(crate) fn get(&self, make: impl Fn() -> T) -> &'static Own<T> {
        let process = fork::id();
        // Acquire, here and below: pairs with the Release of the exchange; what it points to was made before.
        let mut found = self.0.load(Ordering::Acquire);
        loop {
            // SAFETY: the invariant.
            if let Some(own) = unsafe { found.as_ref() }.filter(|own| own.process == process) {
                return own;
            }
            let made = Box::into_raw(Box::new(Own { process, value: make() }));
            match self.0.compare_exchange(found, made, Ordering::Release, Ordering::Acquire) {
                // SAFETY: leaked just now; what a parent left is not freed, as it may be used up to its end.
                Ok(_) => return unsafe { &*made },
                Err(other) => {
                    // SAFETY: it was made above, and nobody else has seen it.
                    drop(unsafe { Box::from_raw(made) });
                    found = other;
                }
            }
        }
    }
}

impl<T> Own<T> {
    /// Whether it is that of a process from which this one was forked.
    pub(crate) fn is_inherited(&self) -> bool {
        self.process != fork::id()
    }
}

impl<T> std::ops::Deref for Own<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}
