//! Interrupts of what blocks outside of this crate.

use std::panic::Location;
use std::ptr;

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

impl CancelToken {
    /// Calls `body`, which blocks where no token reaches: in a read from a socket, a query, a wait for another process. When the token is cancelled or its
    /// deadline passes meanwhile, `interrupt` is called, on another thread, to end that.
    ///
    /// Both may borrow. The interrupt is called at most once, and when this returns or unwinds, it is not running and never will: if it is
    /// running, it is waited for. So it must not wait for `body` to return. If the token is cancelled or its deadline has passed already, the interrupt is
    /// called first, by this call, and then `body`, which will find it done: a socket that is shut down, for example.
    ///
    /// It may come at any moment of `body`, also when that has done its work already: let it end what this call does and nothing that others do with the same
    /// thing later or elsewhere.
    ///
    /// The result is that of `body`, whether it was interrupted or not; what it says of an interrupt is not this crate's to know. Mostly the token is
    /// [checked](CancelToken::check) first, as in the example.
    ///
    /// [`on_cancel`](CancelToken::on_cancel) says more of when and where the interrupt is called, and of panics. [The recipes](crate::recipes::waiting) interrupt
    /// a child process and an SQLite query.
    ///
    /// # Memory ordering
    /// As for [`on_cancel`](CancelToken::on_cancel). And what the interrupt did happens-before the return.
    ///
    /// # Panics
    /// If there is a deadline and the operating system fails to create the thread that watches it; and where the interrupt is called at once, if
    /// it does.
    ///
    /// # Examples
    ///
    /// ```
    /// use raddle::CancelToken;
    /// use std::io::{self, Read};
    /// use std::net::{Shutdown, TcpListener, TcpStream};
    /// use std::time::Duration;
    ///
    /// fn read(mut stream: &TcpStream, token: &CancelToken) -> io::Result<String> {
    ///     let mut answer = String::new();
    ///     let interrupt = || drop(stream.shutdown(Shutdown::Both)); // wakes whoever reads from it
    ///     let read = token.interrupting(interrupt, || stream.read_to_string(&mut answer));
    ///     token.check()?; // a Stopped, which becomes an io::Error
    ///     read.map(|_| answer)
    /// }
    ///
    /// let silent = TcpListener::bind("127.0.0.1:0")?; // never answers
    /// let token = CancelToken::new().child_within(Duration::from_millis(20));
    /// let stopped = read(&TcpStream::connect(silent.local_addr()?)?, &token).unwrap_err();
    /// assert_eq!(stopped.kind(), io::ErrorKind::TimedOut);
    /// # Ok::<(), io::Error>(())
    /// ```
    #[track_caller]
    pub fn interrupting<R>(&self, interrupt: impl FnOnce() + Send, body: impl FnOnce() -> R) -> R {
        let interrupt = Interrupt { call: UnsafeCell::new(Some(interrupt)), running: Running(AtomicU8::new(0)) };
        let entry = Entry::new();
        // SAFETY: it is called while `interrupt` is there: until `Withdraws` has taken it back, or has waited for its end.
        let lent = unsafe { interrupt.lend() };
        // SAFETY: the entry is new, and does not move until `Withdraws` has taken it back.
        let refused = unsafe { enlist(&self.handle, &entry, lent) };
        if let Err(lent) = refused {
            lent.call();
            return body();
        }
        let _withdraws =
            Withdraws { token: self, entry: &entry, running: &interrupt.running, place: Location::caller() };
        body()
    }
}

impl<F: FnOnce() + Send> Interrupt<F> {
    /// # Safety
    /// The callback is called or dropped while this is there; if it was called, until `running` says that it has ended.
    unsafe fn lend(&self) -> Callback {
        // SAFETY: passed on to the caller; the closure is Send.
        Callback::Lent(unsafe { Lent::new(run::<F>, ptr::from_ref(self).cast()) })
    }
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
