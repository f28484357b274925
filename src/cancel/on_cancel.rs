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

impl CancelToken {
    /// Registers a callback, which is called once: when this token is cancelled, or when its deadline has passed.
    ///
    /// * If the token is cancelled or its deadline has passed already, the callback is called at once, by this call.
    /// * A cancel calls it on the thread that cancels, before [`cancel`](CancelToken::cancel) returns, after the threads under all tokens
    ///   concerned were woken, outside of every lock. At a deadline it is called on the thread that watches the deadlines of the
    ///   process. So it should not block: other callbacks wait for it, and at a deadline those of all other deadlines as well.
    /// * One cancel calls the callbacks of one token in the order of their registration, and those of a token before those of its children.
    ///   If a deadline and a cancel come at the same time, the callbacks are divided between them, and neither waits for what the other has
    ///   begun with. Until it has begun, a callback can be taken back.
    /// * It may use tokens as it likes: cancel, register, drop. A callback that cancels another token, whose callback cancels another, and
    ///   so on, uses the stack in proportion.
    /// * A panic does not keep the others from being called. Then the first is resumed out of `cancel`, unless that runs as its thread
    ///   panics. At a deadline, it is told by the panic hook only.
    ///
    /// To drop the [`OnCancel`] takes the callback back, without waiting; [`detach`](OnCancel::detach) leaves it to the token.
    ///
    /// A forked child has none of its parent's threads. There a cancel calls what was registered before the fork, too; a deadline does if
    /// somebody registers, polls or asks for `done` under the same token there before it.
    ///
    /// # `on_cancel` or `interrupting`
    /// [`interrupting`](CancelToken::interrupting) around a call that blocks: its interrupt may borrow, and is not running any more when the
    /// call is over. `on_cancel` where there is no such call.
    ///
    /// # Memory ordering
    /// What precedes the registration, and what precedes the cancel that took effect, happens-before the callback.
    ///
    /// # Panics
    /// If there is a deadline and the operating system fails to create the thread that watches it; and where the callback is called at once, if
    /// it does.
    ///
    /// # Examples
    ///
    /// ```
    /// use raddle::{CancelToken, ShardedCounter};
    /// use std::sync::Arc;
    ///
    /// let (request, aborted) = (CancelToken::new(), Arc::new(ShardedCounter::new()));
    /// let counts = request.on_cancel({
    ///     let aborted = aborted.clone();
    ///     move || aborted.inc()
    /// });
    /// request.cancel();
    /// assert_eq!(aborted.sum(), 1);
    /// # drop(counts);
    /// ```
    #[track_caller]
    pub fn on_cancel(&self, callback: impl FnOnce() + Send + 'static) -> OnCancel {
        OnCancel::new(self, Callback::Run(Box::new(callback)))
    }
}

impl OnCancel {
    /// Registers the callback, or calls it.
    #[track_caller]
    fn new(token: &CancelToken, callback: Callback) -> Self {
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
    /// If two callbacks of one token that goes are dropped uncalled and the drops of both panic, the process aborts, as it does for
    /// the elements of a `Vec`.
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
