//! Interrupts of what blocks outside of this crate.

use std::panic::Location;

use super::CancelToken;
use super::deadline::enlist;
use crate::Limit;
use crate::record::{Call, What};
use crate::sync::{AtomicU8, Ordering::Relaxed, UnparkToken, UnsafeCell, cleanup, covered, ord, step};
use crate::wait::{Callback, Entry, Lent, Timer, Waiter, block, wake_all};

/// The interrupt has ended.
const ENDED: u8 = 1;
/// Somebody sleeps until it has.
const PARKED: u8 = 2;

/// An interrupt, in the frame of the call that it is for.
struct Interrupt<F> {
    /// Used by whoever has the callback: taken back, or taken out to be called.
    call: UnsafeCell<Option<F>>,
    running: Running,
}

/// Tells when an interrupt has ended that was taken out to be called.
struct Running(AtomicU8);

/// Calls `body`, and `interrupt` if the token ends meanwhile. When this returns or unwinds, the interrupt is not running and
/// never will.
#[track_caller]
pub(super) fn interrupting<R, F: FnOnce() + Send>(token: &CancelToken, interrupt: F, body: impl FnOnce() -> R) -> R {
    let interrupt = Interrupt { call: UnsafeCell::new(Some(interrupt)), running: Running(AtomicU8::new(0)) };
    let entry = Entry::new();
    // SAFETY: it is called while `interrupt` is there: until `Withdraws` has taken it back, or has waited for its end. `F` is Send.
    let lent = Callback::Lent(unsafe { Lent::new(run::<F>, (&raw const interrupt).cast()) });
    // SAFETY: the entry is new, and does not move until `Withdraws` has taken it back.
    let refused = unsafe { enlist(&token.handle, &entry, lent) };
    if let Err(lent) = refused {
        lent.call();
        return body();
    }
    let _withdraws = Withdraws { token, entry: &entry, running: &interrupt.running, place: Location::caller() };
    body()
}

/// Calls an interrupt, and says when it has ended, also by a panic.
///
/// Nothing here is an argument that borrows from the call: that may be over before this returns.
///
/// # Safety
/// The pointer is to an `Interrupt<F>`, which is there until this says that it has ended. This is called once, by who has the callback.
unsafe fn run<F: FnOnce()>(interrupt: *const ()) {
    // SAFETY: passed on to the caller.
    let Interrupt { call, running } = unsafe { &*interrupt.cast::<Interrupt<F>>() };
    // SAFETY: as above.
    let call = unsafe { call.exclusive() }.take();
    let _ends = Ends(running);
    call.expect("called once")();
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
        while !self.has_ended() {
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
