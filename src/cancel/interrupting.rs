//! Interrupts of what blocks outside of this crate.

use std::mem;
use std::panic::Location;

use super::CancelToken;
use super::deadline::arm;
use crate::Limit;
use crate::record::{Call, What};
use crate::sync::{AtomicU8, Ordering::Relaxed, UnparkToken, cleanup, covered, ord, step};
use crate::wait::{Callback, Entry, Timer, Waiter, block, wake_all};

/// The interrupt has ended.
const ENDED: u8 = 1;
/// Somebody sleeps until it has.
const PARKED: u8 = 2;

/// Tells when an interrupt has ended that was taken out to be called.
struct Running(AtomicU8);

/// Calls `body`, and `interrupt` if the token ends meanwhile. When this returns or unwinds, the interrupt is not running and
/// never will.
#[track_caller]
pub(super) fn interrupting<R>(token: &CancelToken, interrupt: impl FnOnce() + Send, body: impl FnOnce() -> R) -> R {
    let place = Location::caller();
    if token.check().is_err() {
        interrupt();
        return body();
    }
    arm(&token.handle);
    let running = Running(AtomicU8::new(0));
    let run: Box<dyn FnOnce() + Send + '_> = Box::new(|| {
        let _ends = Ends(&running); // also by a panic
        interrupt();
    });
    // SAFETY: only its lifetime is changed. What it borrows is there for as long as `Withdraws`, which takes it back or waits until
    // it has ended.
    let run = Callback::Run(unsafe { mem::transmute::<Box<dyn FnOnce() + Send + '_>, Box<dyn FnOnce() + Send>>(run) });
    let entry = Entry::new();
    // SAFETY: it is new, and does not move until `Withdraws` has taken it back.
    if let Err(run) = unsafe { token.handle.node.enlist(&entry, run) } {
        run.call();
        return body();
    }
    let _withdraws = Withdraws { token, entry: &entry, running: &running, place };
    body()
}

/// Ends the interrupt's time, before anything that it borrows ends.
struct Withdraws<'a> {
    token: &'a CancelToken,
    /// Enlisted with the token.
    entry: &'a Entry,
    running: &'a Running,
    place: &'static Location<'static>,
}

impl Drop for Withdraws<'_> {
    fn drop(&mut self) {
        cleanup(|| {
            // SAFETY: the field's invariant.
            let callback = unsafe { self.token.handle.node.take_back(self.entry) };
            if callback.is_none() && step!("interrupting.waits") {
                self.running.wait(self.place);
            }
            drop(callback);
        });
    }
}

/// Says that the interrupt has ended.
struct Ends<'a>(&'a Running);

impl Drop for Ends<'_> {
    fn drop(&mut self) {
        cleanup(|| {
            let key = self.0.key();
            // Release: pairs with the Acquire in `has_ended`; what the interrupt did is seen by who has waited for it.
            let old = self.0.0.fetch_or(ENDED, ord!("interrupting.end", Release));
            // From here on it may be gone.
            if old & PARKED != 0 && step!("interrupting.end-wakes") {
                covered!("interrupting.woke");
                // SAFETY: as it says.
                unsafe { wake_all(key, UnparkToken(0)) };
            }
        });
    }
}

impl Running {
    fn key(&self) -> usize {
        (&raw const self.0).addr()
    }

    fn has_ended(&self) -> bool {
        // Acquire: pairs with the Release of the end.
        self.0.load(ord!("interrupting.has-ended", Acquire)) & ENDED != 0
    }

    /// Waits until the interrupt has ended.
    fn wait(&self, place: &'static Location<'static>) {
        if !self.has_ended() {
            let call = Call { what: What::Interrupt, key: 0, place, panics: false };
            let ended = block(&mut UntilEnded(self), &mut Timer::new(&Limit::NEVER, call));
            debug_assert!(ended.is_ok(), "nothing ends this wait");
        }
    }
}

/// A thread whose interrupt is running.
struct UntilEnded<'a>(&'a Running);

impl Waiter for UntilEnded<'_> {
    type Output = ();

    fn key(&self) -> usize {
        self.0.key()
    }

    fn attempt(&mut self) -> Option<()> {
        self.0.has_ended().then_some(())
    }

    fn mark(&self) -> bool {
        let mark = if step!("interrupting.mark") { PARKED } else { 0 };
        // Relaxed: the mark is looked at by the read-modify-write of the end.
        match self.0.0.compare_exchange(0, mark, Relaxed, Relaxed) {
            Ok(_) => true,
            Err(state) => state == PARKED,
        }
    }

    fn leave(&self, _last: bool) {}
}
