//! Tokens in async tasks.

use std::borrow::Borrow;
use std::fmt;
use std::future::Future;
use std::marker::PhantomPinned;
use std::pin::Pin;
use std::task::{Context, Poll};

use super::CancelToken;
use super::deadline::{arm, enlist};
use crate::Stopped;
use crate::sync::cleanup;
use crate::wait::{Callback, Entry};

/// Completes when a [`CancelToken`] is cancelled or its deadline has passed, with what [`CancelToken::check`] says then.
///
/// [`CancelToken::cancelled`] makes it, and says more.
#[must_use = "futures do nothing unless polled"]
pub struct CancelledFuture<'t>(Until<&'t CancelToken>);

/// Completes when its [`CancelToken`] is cancelled or its deadline has passed, with what [`CancelToken::check`] says then.
///
/// [`CancelToken::cancelled_owned`] makes it, and [`CancelToken::cancelled`] says more.
#[must_use = "futures do nothing unless polled"]
pub struct CancelledFutureOwned(Until<CancelToken>);

/// A task that waits for a token.
struct Until<T: Borrow<CancelToken>> {
    /// Whether the entry was enlisted with the token.
    enlisted: bool,
    entry: Entry,
    token: T,
    /// The token's list points to the entry.
    _pinned: PhantomPinned,
}

impl CancelToken {
    /// Returns a future that completes when this token is cancelled or its deadline has passed, with what [`check`](CancelToken::check) says
    /// then. It runs under any executor.
    ///
    /// * It is fused: polled again after it has completed, it completes again.
    /// * A waker that changes from one poll to the next is honoured: the last one is woken, once.
    /// * To poll it allocates nothing, but for the first poll under a deadline that nobody has waited for so: that is then watched by a thread
    ///   of the process. To drop it never waits.
    /// * The waker is called by the thread that cancels, or that watches the deadlines, as a callback of [`on_cancel`](CancelToken::on_cancel).
    ///
    /// # Memory ordering
    /// A cancel happens-before the poll that reports it.
    ///
    /// # Panics
    /// A poll panics if there is a deadline and the operating system fails to create the thread that watches it.
    ///
    /// # Examples
    ///
    /// ```
    /// use raddle::{CancelToken, Stopped};
    /// use std::future::Future;
    /// use std::pin::pin;
    /// use std::task::{Context, Poll, Waker};
    ///
    /// let token = CancelToken::new();
    /// let mut cancelled = pin!(token.cancelled());
    /// let mut context = Context::from_waker(Waker::noop()); // an executor's, in earnest
    /// assert_eq!(cancelled.as_mut().poll(&mut context), Poll::Pending);
    /// token.cancel();
    /// assert_eq!(cancelled.as_mut().poll(&mut context), Poll::Ready(Stopped::Cancelled));
    /// ```
    pub fn cancelled(&self) -> CancelledFuture<'_> {
        CancelledFuture(Until::new(self))
    }

    /// Returns the same as [`cancelled`](CancelToken::cancelled), for a future that must not borrow: it holds this handle.
    pub fn cancelled_owned(self) -> CancelledFutureOwned {
        CancelledFutureOwned(Until::new(self))
    }
}

impl<T: Borrow<CancelToken>> Until<T> {
    fn new(token: T) -> Self {
        Self { enlisted: false, entry: Entry::new(), token, _pinned: PhantomPinned }
    }

    fn poll(self: Pin<&mut Self>, context: &Context<'_>) -> Poll<Stopped> {
        // SAFETY: nothing is moved out of it.
        let this = unsafe { self.get_unchecked_mut() };
        let token = this.token.borrow();
        loop {
            if let Err(stopped) = token.check() {
                this.take_back();
                return Poll::Ready(stopped);
            }
            if this.enlisted {
                // In a forked child the alarm is the parent's.
                arm(&token.handle);
                // SAFETY: it was enlisted below.
                if unsafe { token.handle.node.renew(&this.entry, context.waker()) } {
                    return Poll::Pending;
                }
                // Its waker was taken to be called, since the token has ended.
                this.enlisted = false;
            } else {
                let waker = Callback::Wake(context.waker().clone());
                // SAFETY: it is in no list: new, or taken out. Pinned it does not move, and `drop` takes it back.
                match unsafe { enlist(&token.handle, &this.entry, waker) } {
                    Ok(()) => {
                        this.enlisted = true;
                        return Poll::Pending;
                    }
                    // Outside of the lock.
                    Err(waker) => drop(waker),
                }
            }
        }
    }

    fn take_back(&mut self) {
        if std::mem::take(&mut self.enlisted) {
            // SAFETY: it was enlisted in `poll`.
            drop(unsafe { self.token.borrow().handle.node.take_back(&self.entry) });
        }
    }
}

impl<T: Borrow<CancelToken>> Drop for Until<T> {
    fn drop(&mut self) {
        cleanup(|| self.take_back());
    }
}

impl Future for CancelledFuture<'_> {
    type Output = Stopped;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Stopped> {
        // SAFETY: the field is pinned with the whole.
        unsafe { self.map_unchecked_mut(|this| &mut this.0) }.poll(context)
    }
}

impl Future for CancelledFutureOwned {
    type Output = Stopped;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Stopped> {
        // SAFETY: the field is pinned with the whole.
        unsafe { self.map_unchecked_mut(|this| &mut this.0) }.poll(context)
    }
}

impl fmt::Debug for CancelledFuture<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("CancelledFuture").field(self.0.token).finish()
    }
}

impl fmt::Debug for CancelledFutureOwned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("CancelledFutureOwned").field(&self.0.token).finish()
    }
}
