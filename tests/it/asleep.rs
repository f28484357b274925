//! Whether a thread sleeps already. The primitives do not tell, but the kernel does.
//!
//! Where it does not (elsewhere than on Linux, and under Miri), the observer yields for a while. For most tests that will
//! do: a thread that is stopped just before it falls asleep has to end as one that is stopped in its sleep. Those that
//! hang on the answer are ignored there.

use std::hint;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::mpsc;
use std::time::Duration;

use crate::stress::watched;
use crate::thread;

/// Where a thread is going to sleep, for its observers.
#[derive(Default)]
pub(crate) struct Bed(AtomicU64);

impl Bed {
    /// The calling thread makes next the call in which it sleeps, and nothing before that.
    pub(crate) fn enter(&self) {
        self.0.store(kernel::own_id(), Relaxed);
    }

    /// Returns when the thread sleeps, or is gone.
    pub(crate) fn until_asleep(&self) {
        loop {
            match self.0.load(Relaxed) {
                0 => pause(),
                id => match kernel::is_awake(id) {
                    Some(true) => pause(),
                    Some(false) => return,
                    None => return (0..100).for_each(|_| thread::yield_now()),
                },
            }
        }
    }

    /// Returns as soon as the thread is about to make its call, or has made it.
    pub(crate) fn until_entered(&self) {
        while self.0.load(Relaxed) == 0 {
            thread::yield_now();
        }
    }
}

/// Until the next look. On a busy machine, one that only yields waits for the others' whole slices of time.
fn pause() {
    thread::sleep(Duration::from_micros(10));
}

#[cfg(all(target_os = "linux", not(miri)))]
mod kernel {
    use std::fs;

    /// Never 0.
    pub(super) fn own_id() -> u64 {
        nix::unistd::gettid().as_raw().unsigned_abs().into()
    }

    /// Whether a thread of this process computes, or would if it had a processor. None that is gone does.
    pub(super) fn is_awake(id: u64) -> Option<bool> {
        // "id (name) state …", and a name may have anything in it. A thread that is gone has no file.
        let stat = fs::read_to_string(format!("/proc/self/task/{id}/stat")).unwrap_or_default();
        Some(stat.rsplit(") ").next().is_some_and(|rest| rest.starts_with(['R', 'D'])))
    }
}

#[cfg(not(all(target_os = "linux", not(miri))))]
mod kernel {
    pub(super) fn own_id() -> u64 {
        1
    }

    pub(super) fn is_awake(_: u64) -> Option<bool> {
        None
    }
}

/// Fails if a thread that computes passes for one that sleeps, or the other way round: then the tests that stop a thread
/// in its sleep stop it before, or hang.
#[test]
fn who_computes_does_not_sleep() {
    watched(|roll| {
        let (bed, computes) = (Bed::default(), AtomicBool::new(true));
        let (over, end) = mpsc::channel::<()>();
        thread::scope(|threads| {
            let (bed, computes) = (&bed, &computes);
            roll.spawn(threads, "sleeper", move || {
                bed.enter();
                while computes.load(Relaxed) {
                    hint::spin_loop();
                }
                assert!(end.recv().is_err());
            });
            bed.until_entered();
            let seen_asleep = (0..100).any(|_| kernel::is_awake(bed.0.load(Relaxed)) == Some(false));
            computes.store(false, Relaxed);
            assert!(!seen_asleep);
            bed.until_asleep();
            drop(over);
        });
    });
}
