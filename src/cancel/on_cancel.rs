//! Callbacks.

use std::fmt;
use std::mem::ManuallyDrop;
use std::ptr::NonNull;

use super::CancelToken;
use super::deadline::arm;
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
    /// From `Box::into_raw`, and enlisted with the token; there is none if the callback was called at once.
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
        if token.check().is_err() {
            callback.call();
            return Self { token, entry: None };
        }
        arm(&token.handle);
        // Out of its box before the list has its address: to move the box would be to lay claim to it alone.
        let entry = NonNull::from(Box::leak(Box::new(Entry::new())));
        // SAFETY: it is new and does not move, and it ends after it was taken back or by `detach`.
        match unsafe { token.handle.node.enlist(entry.as_ref(), callback) } {
            Ok(()) => Self { token, entry: Some(entry) },
            Err(callback) => {
                // SAFETY: leaked above, and in no list.
                drop(unsafe { Box::from_raw(entry.as_ptr()) });
                callback.call();
                Self { token, entry: None }
            }
        }
    }

    /// Leaves the callback to the token: it is called when that is cancelled or its deadline passes, and dropped with the token's last
    /// handle.
    ///
    /// A callback that has captured a handle of its own token, or of one below it, keeps both until it is called, like a cycle of
    /// `Arc`s.
    ///
    /// # Examples
    ///
    /// A token of tokio's is cancelled with one of raddle's, and the other way round:
    ///
    /// ```
    /// # #[derive(Clone, Default)]
    /// # struct CancellationToken(std::sync::Arc<std::sync::atomic::AtomicBool>);
    /// # impl CancellationToken {
    /// #     fn cancel(&self) { self.0.store(true, std::sync::atomic::Ordering::Relaxed) }
    /// # }
    /// # let theirs = CancellationToken::default();
    /// let ours = raddle::CancelToken::new();
    /// ours.on_cancel({
    ///     let theirs = theirs.clone();
    ///     move || theirs.cancel()
    /// })
    /// .detach();
    /// ours.cancel();
    /// # assert!(theirs.0.load(std::sync::atomic::Ordering::Relaxed));
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
        // SAFETY: from `Box::into_raw`, and in no list any more.
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
