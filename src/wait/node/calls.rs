//! What a canceller calls besides waking threads, and what calls it at the deadline.

use std::io;
use std::ptr::NonNull;
use std::task::Waker;

use super::Node;
use crate::sync::{Alarm, Instant, covered, step};
use crate::wait::callback::{Callback, Entry, Refused};

impl Node {
    /// Whether an alarm of this process goes off at the deadline.
    ///
    /// # Safety
    /// The lock is held.
    unsafe fn is_armed(&self) -> bool {
        // SAFETY: passed on to the caller.
        unsafe { self.alarm.shared() }.as_ref().is_some_and(|alarm| !alarm.is_inherited())
    }

    /// Has `alarm` go off at the deadline, if there is one and nobody has yet seen to that.
    ///
    /// # Errors
    /// What `alarm` says: then there is none.
    pub(crate) fn arm(&self, alarm: impl FnOnce(Instant) -> io::Result<Alarm>) -> io::Result<()> {
        let Some(deadline) = self.deadline else { return Ok(()) };
        let held = self.lock.hold();
        // SAFETY: the lock is held.
        let is_armed = unsafe { self.is_armed() };
        drop(held);
        if is_armed || self.is_flagged() {
            return Ok(());
        }
        // Making it takes a lock, and may start a thread.
        let mut alarm = Some(Box::new(alarm(deadline)?));
        let held = self.lock.hold();
        // SAFETY: the lock is held. A canceller looks for the alarm under it, after it has set the flag. What is replaced was inherited, or is
        // none.
        unsafe {
            if !self.is_armed() && !self.is_flagged() {
                alarm = std::mem::replace(self.alarm.exclusive(), alarm);
            }
        }
        drop(held);
        drop(alarm);
        Ok(())
    }

    /// The alarm does not go off any more.
    ///
    /// # Safety
    /// No other thread uses the node any more, nor will.
    pub(crate) unsafe fn disarm(&self) {
        // SAFETY: passed on to the caller.
        drop(unsafe { self.alarm.exclusive() }.take());
    }

    /// The deadline has passed: closes the channel. The callbacks are for the caller to [call](Node::next_callback).
    pub(crate) fn expire(&self) {
        #[cfg(feature = "crossbeam-channel")]
        self.done.close();
    }

    /// Registers a callback, unless the flag is set or the deadline has passed.
    ///
    /// # Safety
    /// The entry is in no list, and neither moves nor ends before it was taken back, or is in a box that is given to `detach`.
    pub(crate) unsafe fn enlist(&self, entry: &Entry, callback: Callback) -> Result<(), Refused> {
        let _held = self.lock.hold();
        if step!("node.enlist-looks") && self.check().is_err() {
            covered!("node.enlist-late");
            return Err(Refused::Ended(callback));
        }
        // SAFETY: the lock is held; the rest is passed on to the caller.
        unsafe {
            if self.deadline.is_some() && !self.is_armed() {
                return Err(Refused::Unarmed(callback));
            }
            self.callbacks.push(entry, callback);
        }
        Ok(())
    }

    /// Takes a callback back, which is then never called by anybody else. `None` if that is too late.
    ///
    /// # Safety
    /// The entry was enlisted here.
    pub(crate) unsafe fn take_back(&self, entry: &Entry) -> Option<Callback> {
        let _held = self.lock.hold();
        if !step!("node.take-back") {
            return None;
        }
        // SAFETY: the lock is held; the rest is passed on to the caller.
        unsafe { self.callbacks.remove(entry) }
    }

    /// Takes the next callback out, for the caller to call; and whether it has left others. The flag is set or the deadline has passed, so
    /// none comes after the last.
    pub(crate) fn next_callback(&self) -> Option<(Callback, bool)> {
        let held = self.lock.hold();
        // SAFETY: the lock is held, here and below.
        let (callback, entry) = unsafe { self.callbacks.pop() }?;
        // SAFETY: as above.
        let left = !unsafe { self.callbacks.is_empty() };
        drop(held);
        drop(entry);
        Some((callback, left))
    }

    /// Has a waker that was enlisted replaced by this one, if they differ. Whether it is enlisted still.
    ///
    /// # Safety
    /// The entry was enlisted here, with a waker.
    pub(crate) unsafe fn renew(&self, entry: &Entry, waker: &Waker) -> bool {
        let held = self.lock.hold();
        // SAFETY: the lock is held; the rest is passed on to the caller.
        match unsafe { self.callbacks.with_waker(entry, |old| old.will_wake(waker)) } {
            None => return false,
            Some(true) => return true,
            Some(false) => {}
        }
        // To clone and to drop a waker is the executor's code.
        drop(held);
        let mut waker = waker.clone();
        let held = self.lock.hold();
        let renew = |old: &mut Waker| {
            if step!("node.renew") {
                std::mem::swap(old, &mut waker);
            }
        };
        // SAFETY: as above.
        let renewed = unsafe { self.callbacks.with_waker(entry, renew) };
        drop(held);
        renewed.is_some()
    }

    /// Leaves an entry and its callback to the node.
    ///
    /// # Safety
    /// The entry was enlisted here, its pointer is that of a leaked box, and the caller uses it no more.
    pub(crate) unsafe fn detach(&self, entry: NonNull<Entry>) {
        let held = self.lock.hold();
        // SAFETY: the lock is held; the rest is passed on to the caller.
        let left = unsafe { self.callbacks.detach(entry) };
        drop(held);
        drop(left);
    }

    /// A channel that closes when the flag is set. If it is set already, it is closed.
    #[cfg(feature = "crossbeam-channel")]
    pub(crate) fn flag_channel(&self) -> &crossbeam_channel::Receiver<std::convert::Infallible> {
        if self.done.get().is_none() {
            // A canceller takes this lock between setting the flag and looking for a channel.
            let _held = self.lock.hold();
            self.done.make();
        }
        if self.is_flagged() {
            // The canceller may not have come so far.
            self.done.close();
        }
        self.done.get().expect("made above")
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        // SAFETY: nobody else can reach the node.
        let left = std::iter::from_fn(|| unsafe { self.callbacks.pop() });
        // Dropped as a whole: where one panics, the others are dropped too.
        let left: Vec<_> = left.collect();
        drop(left);
    }
}
