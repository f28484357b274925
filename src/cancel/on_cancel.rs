//! Callbacks.

use std::fmt;
use std::mem::ManuallyDrop;
use std::ptr::NonNull;

use super::CancelToken;
use super::deadline::enlist;
use crate::sync::cleanup;
use crate::wait::{Callback, Entry};

/// A callback that is registered with a [`CancelToken`]. Dropped, it takes the callback back.
///
/// [`CancelToken::on_cancel`] makes it.
///
/// To take a callback back never waits: if it has begun on another thread, it runs on. (To wait for it,
/// [`interrupting`](CancelToken::interrupting).) What the callback has captured is dropped by whoever takes it back.
///
/// It keeps the token: a callback of a token whose other handles are gone is called when an ancestor is cancelled.
///
/// # Examples
///
/// ```
/// use raddle::CancelToken;
/// use std::sync::mpsc;
///
/// let (ended, ends) = mpsc::channel();
/// let (first, second) = (ended.clone(), ended);
/// let request = CancelToken::new();
/// let stays = request.on_cancel(move || first.send("first").unwrap());
/// let goes = request.on_cancel(move || second.send("second").unwrap());
/// assert!(goes.take_back()); // and will not be called
/// request.cancel();
/// assert!(!stays.take_back()); // was called, on this thread
/// assert_eq!(ends.iter().collect::<Vec<_>>(), ["first"]);
/// ```
#[must_use = "the callback is taken back at once if this is not kept; `detach` leaves it to the token"]
pub struct OnCancel {
    token: CancelToken,
    /// From `Box::leak`, and in no list but the token's; there is none if the callback was called at once.
    entry: Option<NonNull<Entry>>,
}

// SAFETY: the entry is Send and Sync.
unsafe impl Send for OnCancel {}
// SAFETY: as above.
unsafe impl Sync for OnCancel {}

impl OnCancel {
    /// Registers the callback, or calls it.
    #[track_caller]
    pub(super) fn new(token: &CancelToken, callback: Callback) -> Self {
        let token = token.clone();
        // Owned by way of the pointer from here on: the list has a copy of it.
        let entry = NonNull::from(Box::leak(Box::new(Entry::new())));
        let mut this = Self { token, entry: Some(entry) };
        // SAFETY: it is new; in its box it does not move, and that ends after it was taken back, or is given to `detach`.
        if let Err(callback) = unsafe { enlist(&this.token.handle, entry.as_ref(), callback) } {
            drop(this.take());
            callback.call();
        }
        this
    }

    /// Leaves the callback to the token: it is called when that is cancelled or its deadline passes, and dropped with the token's last
    /// handle.
    ///
    /// A callback that has captured a handle of its own token, or of one below it, keeps both until it is called, like a cycle of
    /// `Arc`s. Callbacks that hold tokens whose callbacks hold tokens, and so on, are dropped recursively, on the stack.
    ///
    /// # Examples
    ///
    /// A cancel is passed on to a thread that waits for something else:
    ///
    /// ```
    /// use raddle::CancelToken;
    /// use std::sync::mpsc;
    ///
    /// let (orders, inbox) = mpsc::channel();
    /// let shutdown = CancelToken::new();
    /// shutdown.on_cancel({
    ///     let orders = orders.clone();
    ///     move || drop(orders.send("stop"))
    /// })
    /// .detach();
    /// shutdown.cancel();
    /// assert_eq!(inbox.recv(), Ok("stop"));
    /// ```
    pub fn detach(self) {
        let mut this = ManuallyDrop::new(self);
        // SAFETY: read once, as it is never dropped.
        let token = unsafe { std::ptr::read(&this.token) };
        if let Some(entry) = this.entry.take() {
            // SAFETY: the field's invariant, and it is used no more.
            unsafe { token.handle.node.detach(entry) };
        }
    }

    /// Takes the callback back. Returns whether it has not begun: it is never called then.
    ///
    /// Dropping the `OnCancel` does the same; this also tells.
    pub fn take_back(mut self) -> bool {
        self.take().is_some()
    }

    fn take(&mut self) -> Option<Callback> {
        let entry = self.entry.take()?;
        // SAFETY: the field's invariant.
        let callback = unsafe { self.token.handle.node.take_back(entry.as_ref()) };
        // SAFETY: the field's invariant, and it is in no list any more.
        drop(unsafe { Box::from_raw(entry.as_ptr()) });
        callback
    }
}

impl Drop for OnCancel {
    fn drop(&mut self) {
        cleanup(|| drop(self.take()));
    }
}

impl fmt::Debug for OnCancel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OnCancel").field("token", &self.token).finish_non_exhaustive()
    }
}
