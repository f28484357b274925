//! The token.

use std::error::Error;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::panic::{Location, RefUnwindSafe, UnwindSafe};
use std::time::Duration;

use super::calls::call_all;
use super::tree::{Cause, Handle};
use crate::record::{Call, What};
use crate::sync::{Instant, now};
use crate::wait::Timer;
use crate::{Limit, Stopped};

/// Cancels a tree of work, with deadlines and causes, and wakes every thread that blocks under it.
///
/// Pass a token down to all code that works for a request. Every blocking call of this crate takes it as a [`Limit`]:
/// `lock.lock_within(&token)`. [`cancel`](CancelToken::cancel) wakes at once the threads that sleep in such a call,
/// wherever that is; code that computes polls [`check`](CancelToken::check).
///
/// # The tree
#[doc = include_str!("../../docs/token-tree.svg")]
///
/// * A [`child`](CancelToken::child) is cancelled with its parent, and its deadline is never later than its parent's.
/// * Cancelling a child does not affect the parent.
/// * Clones are handles of one token. Dropping a handle cancels nothing;
///   [`cancel_on_drop`](CancelToken::cancel_on_drop) returns a guard that does.
/// * A child of a cancelled token is cancelled from the start.
///
/// # What a cancelled call leaves behind
/// Nothing. The call returns [`Stopped::Cancelled`] in its error. It has not acquired the lock and, of a set, none; no
/// other thread's wake-up is lost; the lock order is as it was. A call that can succeed without waiting succeeds under
/// a cancelled token, too, so a clean-up that acquires free locks still works. A running initialiser is never
/// interrupted; only the threads that wait for it are.
///
/// # Memory ordering
/// Everything before the cancel that took effect happens-before every return that reports it, from a check or from a
/// blocking call. A deadline that passes orders nothing.
///
/// # Token, duration or tokio's token
/// * A plain [`Duration`] if only time ends the wait: it costs nothing to make, and nothing is shared.
/// * A token if another thread may end the wait, if several calls share one budget
///   ([`child_within`](CancelToken::child_within)), or if the cause must be reported
///   ([`cancel_with`](CancelToken::cancel_with)). Both together: `Limit::from(duration).or(&token)`.
/// * `tokio_util::sync::CancellationToken` for tasks, which await it. It has neither deadlines nor causes, and wakes no
///   blocked thread. Where a task owns the work of a thread, have it cancel a token of this crate, for example by
///   [`cancel_on_drop`](CancelToken::cancel_on_drop).
///
/// # Costs
/// A check is one atomic load; if there is a deadline, it also reads the clock. A blocking call that need not wait does
/// not touch the token; one that waits registers itself in a list under a lock of the token. Cancelling takes time in
/// proportion to the tokens below, the threads that sleep under them, and the lengths of the queues in which they
/// sleep. Neither cancelling nor dropping uses the stack in proportion to the depth. Making a child, and dropping the
/// last handle of one, block while a cancel of the parent or of an ancestor is in progress.
///
/// A token keeps all its ancestors allocated: `token = token.child()` in a loop uses memory without bound.
///
/// # Allocators and signal handlers
/// A global allocator and a signal handler may call [`check`](CancelToken::check) and
/// [`is_cancelled`](CancelToken::is_cancelled), and nothing else: `cancel` allocates, and acquires locks that the
/// interrupted thread may hold. Have a handler set a flag or write to a pipe, and have a thread cancel the token.
///
/// # Examples
///
/// ```
/// use raddle::{CancelToken, LockError, OrderedMutex, Stopped};
/// use std::time::Duration;
///
/// let request = CancelToken::new();
/// let model = request.child_within(Duration::from_secs(30));
/// let beds = OrderedMutex::new(1, 40);
///
/// let guard = beds.lock()?;
/// std::thread::scope(|threads| {
///     let waits = threads.spawn(|| beds.lock_within(&model).map(drop));
///     request.cancel_with("the client hung up");
///     assert_eq!(waits.join().unwrap(), Err(LockError::from(Stopped::Cancelled)));
/// });
/// assert_eq!(model.cause().unwrap().to_string(), "the client hung up");
/// # drop(guard);
/// # Ok::<(), LockError>(())
/// ```
#[derive(Clone)]
pub struct CancelToken {
    pub(super) handle: Handle,
}

impl CancelToken {
    /// Creates a token that has neither a parent nor a deadline.
    pub fn new() -> Self {
        Self { handle: Handle::new(&[], None, None) }
    }

    /// Creates a child, which is cancelled with this token and has its deadline.
    ///
    /// # Examples
    ///
    /// ```
    /// let request = raddle::CancelToken::new();
    /// let (query, model) = (request.child(), request.child());
    /// query.cancel();
    /// assert!(query.is_cancelled() && !request.is_cancelled() && !model.is_cancelled());
    /// request.cancel();
    /// assert!(model.is_cancelled() && request.child().is_cancelled());
    /// ```
    pub fn child(&self) -> Self {
        self.child_of(None, None)
    }

    /// Creates a child whose deadline is this long from now, or this token's deadline, whichever comes first.
    ///
    /// It is cancelled with this token. A duration that reaches past the end of the clock adds no deadline.
    ///
    /// # Examples
    ///
    /// All calls for a page share 800 ms, however many they are:
    ///
    /// ```
    /// use raddle::{CancelToken, LockError, OrderedMutex};
    /// use std::time::Duration;
    ///
    /// fn page(subjects: &OrderedMutex<u32>, drugs: &OrderedMutex<u32>, request: &CancelToken) -> Result<u32, LockError> {
    ///     let page = request.child_within(Duration::from_millis(800));
    ///     let subjects = *subjects.lock_within(&page)?;
    ///     let drugs = *drugs.lock_within(&page)?;
    ///     Ok(subjects + drugs)
    /// }
    ///
    /// let (subjects, drugs) = (OrderedMutex::new(1, 30), OrderedMutex::new(2, 4));
    /// assert_eq!(page(&subjects, &drugs, &CancelToken::new()), Ok(34));
    /// ```
    pub fn child_within(&self, within: Duration) -> Self {
        self.child_of(now().checked_add(within), None)
    }

    /// Creates a child whose deadline is this instant, or this token's deadline, whichever comes first.
    ///
    /// It is cancelled with this token.
    ///
    /// # Examples
    ///
    /// ```
    /// use raddle::CancelToken;
    /// use std::time::{Duration, Instant};
    ///
    /// let now = Instant::now();
    /// let request = CancelToken::new().child_until(now + Duration::from_secs(30));
    /// let model = request.child_until(now + Duration::from_secs(40));
    /// assert_eq!(model.deadline(), request.deadline());
    /// ```
    pub fn child_until(&self, until: Instant) -> Self {
        self.child_of(Some(until), None)
    }

    /// Creates a child as [`child_within`](CancelToken::child_within) does, with a cause for its deadline.
    ///
    /// [`child_until_because`](CancelToken::child_until_because) says more.
    ///
    /// # Examples
    ///
    /// ```
    /// use raddle::{CancelToken, Stopped};
    /// use std::time::Duration;
    ///
    /// let request = CancelToken::new().child_within_because(Duration::from_secs(30), "the request's 30 s");
    /// let page = request.child_within_because(Duration::from_millis(5), "the page's 5 ms");
    /// let query = page.child_within(Duration::from_secs(60));
    /// assert_eq!(query.sleep(Duration::from_secs(1)), Err(Stopped::TimedOut));
    /// assert_eq!(query.cause().unwrap().to_string(), "the page's 5 ms");
    /// assert!(request.cause().is_none());
    /// ```
    pub fn child_within_because(&self, within: Duration, cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        self.child_of(now().checked_add(within), Some(cause.into()))
    }

    /// Creates a child as [`child_until`](CancelToken::child_until) does, with a cause for its deadline.
    ///
    /// Once the deadline has passed, [`cause`](CancelToken::cause) returns it, here and for all tokens below whose deadline this is. If this
    /// token's deadline comes first, or at the same instant, the cause is dropped at once: that deadline, and its cause, if it has one, is the child's.
    pub fn child_until_because(&self, until: Instant, cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        self.child_of(Some(until), Some(cause.into()))
    }

    fn child_of(&self, until: Option<Instant>, cause: Option<Cause>) -> Self {
        Self { handle: Handle::new(&[&self.handle], until, cause) }
    }

    /// Creates a token that is cancelled with the first of these, and has the earliest of their deadlines: a child of each of them.
    ///
    /// A [`Limit`] combines two tokens at no cost. Use this for more, or for a token to pass on. Its [`cause`](CancelToken::cause) is that of the
    /// token that came first. (Of those that had ended before, the first in the list that was cancelled; if none was, the one whose deadline came
    /// first.) To cancel it affects none of them. Without any, it is [`new`](CancelToken::new).
    ///
    /// # Examples
    ///
    /// ```
    /// use raddle::CancelToken;
    ///
    /// let (client, server, admin) = (CancelToken::new(), CancelToken::new(), CancelToken::new());
    /// let request = CancelToken::any([&client, &server, &admin]);
    /// server.cancel_with("shutdown");
    /// client.cancel_with("hung up");
    /// assert_eq!(request.cause().unwrap().to_string(), "shutdown");
    /// assert!(!admin.is_cancelled());
    /// ```
    pub fn any<'t>(tokens: impl IntoIterator<Item = &'t CancelToken>) -> Self {
        let parents: Vec<_> = tokens.into_iter().map(|token| &token.handle).collect();
        Self { handle: Handle::new(&parents, None, None) }
    }

    /// A token that is cancelled when the limit passes, which begins now.
    pub(crate) fn under(limit: &Limit<'_>) -> Self {
        let (nodes, until) = limit.parts();
        // SAFETY: a limit has its nodes from the tokens that it is made of, and borrows those.
        let parents = nodes.map(|node| node.map(|node| unsafe { Handle::of(node) }));
        let parents: Vec<_> = parents.iter().flatten().collect();
        Self { handle: Handle::new(&parents, until, None) }
    }

    /// Cancels this token and all tokens below it, wakes the threads that sleep under them, then calls their callbacks.
    ///
    /// When this returns, all of them are cancelled, even if another thread's call began it. Later calls do nothing, and do not wait for
    /// callbacks that the first is yet to call.
    ///
    /// # Panics
    /// If a callback panics: with the first such panic, when all others were called.
    pub fn cancel(&self) {
        self.cancel_for(None);
    }

    /// Cancels like [`cancel`](CancelToken::cancel), and records the cause.
    ///
    /// If the token is already cancelled, its [`cause`](CancelToken::cause) stays, and this one is dropped.
    ///
    /// The cause is dropped with the token. A cause that holds a handle of its own token, or of one below it, leaks
    /// both, like a cycle of `Arc`s. Causes that hold tokens with causes that hold tokens, and so on, are dropped
    /// recursively, on the stack.
    ///
    /// # Examples
    ///
    /// ```
    /// use raddle::CancelToken;
    ///
    /// let request = CancelToken::new();
    /// let query = request.child();
    /// query.cancel_with(std::io::Error::from(std::io::ErrorKind::ConnectionReset));
    /// request.cancel_with("too late for the query");
    /// assert!(query.cause().unwrap().downcast_ref::<std::io::Error>().is_some());
    /// ```
    pub fn cancel_with(&self, cause: impl Into<Box<dyn Error + Send + Sync>>) {
        self.cancel_for(Some(cause.into()));
    }

    fn cancel_for(&self, cause: Option<Cause>) {
        call_all(self.handle.cancel(cause)).resume();
    }

    /// Returns the cause: what [`cancel_with`](CancelToken::cancel_with) was given for this token, or for the nearest ancestor that was
    /// cancelled; or what [`child_within_because`](CancelToken::child_within_because) was given for the deadline that has passed, this
    /// token's or that of the ancestor from which it has it.
    ///
    /// If both have happened, the one that came first: a deadline's cause stays when the token is cancelled later, as a guard does
    /// that cancels at the end. (Should a cancel come within the same moment as the deadline, the answer may change once, from the deadline's cause
    /// to the cancel's.) A deadline without a cause is none: then a later cancel's cause is returned.
    ///
    /// `None` if what came first has no cause, and if nothing has. [`cancel_with`](CancelToken::cancel_with) and
    /// [`child_within_because`](CancelToken::child_within_because) have examples.
    pub fn cause(&self) -> Option<&(dyn Error + Send + Sync + 'static)> {
        self.handle.cause()
    }

    /// Returns the deadline: the token's own or an ancestor's, whichever comes first. `None` if there is none.
    pub fn deadline(&self) -> Option<Instant> {
        self.handle.node.deadline()
    }

    /// Returns the time left, for a call that takes only a duration. `None` if there is no deadline.
    ///
    /// [`Limit::remaining`] has more, and an example.
    ///
    /// # Errors
    /// As for [`check`](CancelToken::check). So the time returned is never zero.
    ///
    /// # Examples
    ///
    /// ```
    /// use raddle::CancelToken;
    /// use std::time::Duration;
    ///
    /// let request = CancelToken::new().child_within(Duration::from_secs(30));
    /// assert!(request.remaining()?.unwrap() <= Duration::from_secs(30));
    /// # Ok::<(), raddle::Stopped>(())
    /// ```
    pub fn remaining(&self) -> Result<Option<Duration>, Stopped> {
        Limit::from(self).remaining()
    }

    /// Returns `true` if the token was cancelled or its deadline has passed.
    #[inline]
    pub fn is_cancelled(&self) -> bool {
        self.check().is_err()
    }

    /// Checks that the token was not cancelled and that its deadline has not passed.
    ///
    /// # Errors
    /// [`Cancelled`](Stopped::Cancelled) if the token was cancelled, otherwise [`TimedOut`](Stopped::TimedOut) if its
    /// deadline has passed. So the error can change once: a cancel after the deadline turns the second into the first.
    ///
    /// # Examples
    ///
    /// ```
    /// use raddle::{CancelToken, Stopped};
    ///
    /// fn sum(values: &[u64], token: &CancelToken) -> Result<u64, Stopped> {
    ///     values.iter().try_fold(0, |sum, value| token.check().map(|()| sum + value))
    /// }
    ///
    /// let token = CancelToken::new();
    /// assert_eq!(sum(&[1, 2, 3], &token), Ok(6));
    /// token.cancel();
    /// assert_eq!(sum(&[1, 2, 3], &token), Err(Stopped::Cancelled));
    /// ```
    #[inline]
    pub fn check(&self) -> Result<(), Stopped> {
        self.handle.node.check()
    }

    /// Blocks until this token is cancelled or its deadline has passed.
    ///
    /// # Errors
    /// [`Stopped`] if the limit came first.
    ///
    /// # Examples
    ///
    /// ```
    /// use raddle::{CancelToken, Limit, Stopped};
    /// use std::time::Duration;
    ///
    /// let shutdown = CancelToken::new();
    /// std::thread::scope(|threads| {
    ///     threads.spawn(|| shutdown.cancel());
    ///     assert_eq!(shutdown.wait(Limit::NEVER), Ok(()));
    /// });
    /// let other = CancelToken::new();
    /// assert_eq!(other.wait(&shutdown), Err(Stopped::Cancelled));
    /// assert_eq!(other.wait(Duration::from_millis(5)), Err(Stopped::TimedOut));
    /// ```
    #[track_caller]
    pub fn wait<'l>(&self, limit: impl Into<Limit<'l>>) -> Result<(), Stopped> {
        self.wait_for(What::Token, limit.into())
    }

    #[track_caller]
    fn wait_for(&self, what: What, limit: Limit<'_>) -> Result<(), Stopped> {
        let node = &self.handle.node;
        if node.check().is_err() {
            return Ok(());
        }
        let limit = match node.deadline() {
            Some(deadline) => limit.or(deadline),
            None => limit,
        };
        let call = Call { what, key: 0, place: Location::caller(), panics: false };
        node.wait(&mut Timer::new(&limit, call)).map_err(Timer::stopped)
    }

    /// Sleeps for this time, unless the token is cancelled or its deadline passes meanwhile.
    ///
    /// A sleep that is over at once, such as one of zero, succeeds under a cancelled token, too: a loop whose pause may
    /// be zero must also call [`check`](CancelToken::check).
    ///
    /// # Errors
    /// As for [`check`](CancelToken::check), as soon as that happens.
    ///
    /// # Examples
    ///
    /// ```
    /// use raddle::{CancelToken, Stopped};
    /// use std::time::Duration;
    ///
    /// let token = CancelToken::new().child_within(Duration::from_millis(100));
    /// assert_eq!(token.sleep(Duration::from_millis(1)), Ok(()));
    /// assert_eq!(token.sleep(Duration::from_secs(3600)), Err(Stopped::TimedOut));
    /// ```
    #[track_caller]
    pub fn sleep(&self, time: Duration) -> Result<(), Stopped> {
        let end = now().checked_add(time);
        let limit = end.map_or(Limit::NEVER, Limit::from);
        match self.wait_for(What::Sleep, limit) {
            Err(_) => Ok(()),
            // Over the same moment as the sleep, or later: it succeeded.
            Ok(()) if end.is_some_and(|end| end <= now()) => Ok(()),
            Ok(()) => self.check(),
        }
    }
}

#[cfg(all(loom, test))]
impl CancelToken {
    /// Whether a thread has marked that it waits for the token, for models.
    pub(crate) fn someone_waits(&self) -> bool {
        self.handle.node.someone_waits()
    }

    /// Calls `f` while another sleeper is registered before all others, for models.
    pub(crate) fn behind_another<R>(&self, f: impl FnOnce() -> R) -> R {
        self.handle.node.behind_another(f)
    }

    /// Whether no thread is registered, for models.
    pub(crate) fn nobody_registered(&self) -> bool {
        self.handle.node.nobody_registered()
    }
}

// No user code runs while a token changes, so no panic leaves one half changed.
impl UnwindSafe for CancelToken {}
impl RefUnwindSafe for CancelToken {}

impl PartialEq for CancelToken {
    /// Whether both are handles of one token.
    fn eq(&self, other: &Self) -> bool {
        self.handle.branch() == other.handle.branch()
    }
}

impl Eq for CancelToken {}

impl Hash for CancelToken {
    /// Hashes which token it is a handle of.
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.handle.branch().hash(state);
    }
}

impl Default for CancelToken {
    /// The same as [`CancelToken::new`].
    fn default() -> Self {
        Self::new()
    }
}

impl<'a> From<&'a CancelToken> for Limit<'a> {
    /// A limit that ends the wait when the token is cancelled or its deadline passes.
    fn from(token: &'a CancelToken) -> Self {
        Limit::of(&token.handle.node)
    }
}

impl fmt::Debug for CancelToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.handle.node.fmt(f)
    }
}
