//! The token.

use std::error::Error;
use std::fmt;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::time::Duration;

use super::CancelOnDrop;
use super::tree::Handle;
use crate::sync::{Instant, now};
use crate::{Limit, Stopped};

/// Says "stop" to every thread that works, or waits, under it.
///
/// A token is passed down to whatever works for a request, and every blocking call of this crate takes it as a
/// [`Limit`]: `lock.lock_within(&token)`. [`cancel`](CancelToken::cancel) wakes those that sleep in such a call at
/// once, wherever that is; code that computes asks [`check`](CancelToken::check) now and then.
///
/// # The tree
#[doc = include_str!("../../docs/token-tree.svg")]
///
/// * A [`child`](CancelToken::child) is cancelled with its parent, and never later than its parent's deadline.
/// * Cancelling a child leaves the parent alone.
/// * Clones are handles of one token. Dropping handles cancels nothing; [`cancel_on_drop`](CancelToken::cancel_on_drop)
///   gives a guard that does.
/// * A child of a cancelled token is cancelled from the start.
///
/// # What a cancelled call leaves behind
/// Nothing. The call returns [`Stopped::Cancelled`] in its error; the lock is not taken and, of a set, none is; nobody else's wake-up is
/// lost; the order of locks is as it was. A call that can succeed without waiting succeeds under a cancelled token too,
/// so a clean-up that takes free locks still works. An initialiser that runs is never interrupted, only those who wait
/// for it.
///
/// # Token, duration or tokio's token
/// * A plain [`Duration`] if nobody but time ends the wait: it costs nothing to make, and nothing is shared.
/// * A token if another thread may end it, if several calls share one budget
///   ([`child_within`](CancelToken::child_within)), or if the reason has to be told
///   ([`cancel_with`](CancelToken::cancel_with)). Both together: `Limit::from(duration).or(&token)`.
/// * `tokio_util::sync::CancellationToken` for tasks, which await it. It has neither deadlines nor causes, and wakes no
///   blocked thread. Where a task owns the work of a thread, have it cancel a token of this crate, by
///   [`cancel_on_drop`](CancelToken::cancel_on_drop) say.
///
/// # Memory ordering
/// Everything that came before the cancel which took effect happens-before every return that reports it, be it from a
/// check or from a blocking call. A deadline that passes orders nothing.
///
/// # Costs
/// A check is one atomic load as long as there is no deadline, and reads the clock besides if there is. A blocking call that
/// need not wait does not touch the token; one that waits enters itself in a list under a lock of the token.
/// Cancelling takes time in proportion to the tokens below, the threads that sleep under them, and the lengths of the queues in
/// which they sleep; neither it nor dropping uses the stack in proportion to the depth. Making a child and dropping the
/// last handle of one wait for a cancel of the parent, or of an ancestor, that is in progress.
///
/// A token keeps all its ancestors allocated: `token = token.child()` in a loop grows without bound.
///
/// # Allocators and signal handlers
/// A global allocator and a signal handler may call [`check`](CancelToken::check) and
/// [`is_cancelled`](CancelToken::is_cancelled), and nothing else: `cancel` allocates, and takes locks that the interrupted thread
/// may hold. Have a handler set a flag or write to a pipe, and a thread cancel.
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
///     assert_eq!(waits.join().unwrap(), Err(LockError::Stopped(Stopped::Cancelled)));
/// });
/// assert_eq!(model.cause().unwrap().to_string(), "the client hung up");
/// # drop(guard);
/// # Ok::<(), LockError>(())
/// ```
#[derive(Clone)]
pub struct CancelToken {
    handle: Handle,
}

impl CancelToken {
    /// A token that is nobody's child and has no deadline.
    pub fn new() -> Self {
        Self { handle: Handle::new(None, None) }
    }

    /// A token that is cancelled with this one, and has its deadline.
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
        self.child_of(self.deadline())
    }

    /// A token that is cancelled with this one, and whose time is over after this long or at this one's deadline, whichever
    /// comes first. A duration that reaches past the end of the clock adds no deadline.
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
        match now().checked_add(within) {
            Some(until) => self.child_until(until),
            None => self.child(),
        }
    }

    /// A token that is cancelled with this one, and whose time is over then or at this one's deadline, whichever comes first.
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
        self.child_of(Some(self.deadline().map_or(until, |deadline| deadline.min(until))))
    }

    fn child_of(&self, deadline: Option<Instant>) -> Self {
        Self { handle: Handle::new(Some(&self.handle), deadline) }
    }

    /// Cancels this token and all below it, and wakes those who sleep under them. When this returns, every one of them is
    /// cancelled, also if another thread began it. Later calls do nothing.
    pub fn cancel(&self) {
        self.handle.cancel(None);
    }

    /// Cancels like [`cancel`](CancelToken::cancel), and says why. If the token is cancelled already its
    /// [`cause`](CancelToken::cause) stays, and this one is dropped.
    ///
    /// The cause is dropped with the token. One that holds a handle of its own token, or of one below it, keeps both forever, like a
    /// cycle of `Arc`s. Causes that hold tokens with causes that hold tokens, and so on, are dropped recursively, on the stack.
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
        self.handle.cancel(Some(cause.into()));
    }

    /// What the token was cancelled with: by [`cancel_with`](CancelToken::cancel_with) on it or on the nearest ancestor that
    /// was cancelled. `None` if that was cancelled without a cause, if the token is not cancelled, or if it merely expired.
    /// [`cancel_with`](CancelToken::cancel_with) has an example.
    pub fn cause(&self) -> Option<&(dyn Error + Send + Sync + 'static)> {
        self.handle.cause()
    }

    /// When the token's time is over: its own or an ancestor's deadline, whichever comes first.
    pub fn deadline(&self) -> Option<Instant> {
        self.handle.node.deadline()
    }

    /// How much time is left, for a call that knows nothing but a duration; `None` if there is no deadline.
    /// [`Limit::remaining`] has more, and an example.
    ///
    /// # Errors
    /// As [`check`](CancelToken::check). So what is returned is never zero.
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

    /// Whether to stop: the token was cancelled, or its deadline has passed.
    #[inline]
    pub fn is_cancelled(&self) -> bool {
        self.check().is_err()
    }

    /// Whether to go on.
    ///
    /// # Errors
    /// [`Cancelled`](Stopped::Cancelled) if the token was cancelled, otherwise [`TimedOut`](Stopped::TimedOut) if its
    /// deadline has passed. So the answer can change once: a cancel that comes after the deadline wins.
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

    /// Waits until this token is cancelled or its deadline has passed.
    ///
    /// # Errors
    /// If the limit came first.
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
    pub fn wait<'l>(&self, limit: impl Into<Limit<'l>>) -> Result<(), Stopped> {
        self.handle.node.wait(limit.into())
    }

    /// Sleeps for this long, unless the token is cancelled or expires meanwhile.
    ///
    /// A time that is over at once, such as zero, succeeds under a cancelled token too: a loop whose pause may be zero also asks
    /// [`check`](CancelToken::check).
    ///
    /// # Errors
    /// As [`check`](CancelToken::check), at once when that happens.
    ///
    /// # Examples
    ///
    /// ```
    /// use raddle::{CancelToken, Stopped};
    /// use std::time::Duration;
    ///
    /// let token = CancelToken::new().child_within(Duration::from_millis(5));
    /// assert_eq!(token.sleep(Duration::from_millis(1)), Ok(()));
    /// assert_eq!(token.sleep(Duration::from_secs(3600)), Err(Stopped::TimedOut));
    /// ```
    pub fn sleep(&self, time: Duration) -> Result<(), Stopped> {
        let end = now().checked_add(time);
        let limit = end.map_or(Limit::NEVER, Limit::from);
        match self.wait(limit) {
            Err(_) => Ok(()),
            // Over the same moment as the sleep, or later: it succeeded.
            Ok(()) if end.is_some_and(|end| end <= now()) => Ok(()),
            Ok(()) => self.check(),
        }
    }

    /// A channel that closes when this token is cancelled or its deadline has passed, for crossbeam-channel's `select!`.
    /// Nothing is ever sent through it. Needs the feature `crossbeam-channel`.
    ///
    /// It is made when it is first asked for. A deadline is watched by one thread for the whole process, which ends when no
    /// such channel is left open. A clone of the receiver that outlives all handles of the token and of those below it closes
    /// with the last of them, so keep the token beside it.
    ///
    /// Under loom it closes on cancel only, and is no model's channel.
    ///
    /// A forked child has none of its parent's threads: call `done` there again, also for a token that it inherited, and its
    /// channel closes at the deadline. A receiver that is kept from before the fork closes on cancel only.
    ///
    /// # Panics
    /// If there is a deadline and the system gives no thread.
    ///
    /// # Examples
    ///
    /// ```
    /// use crossbeam_channel::{bounded, select};
    /// use raddle::CancelToken;
    /// use std::time::Duration;
    ///
    /// let page = CancelToken::new().child_within(Duration::from_millis(20));
    /// let (_answer, answers) = bounded::<String>(1);
    /// let said = select! {
    ///     recv(answers) -> answer => answer.ok(),
    ///     recv(page.done()) -> _ => None,
    /// };
    /// assert_eq!(said, None);
    /// ```
    #[cfg(feature = "crossbeam-channel")]
    #[track_caller]
    pub fn done(&self) -> &crossbeam_channel::Receiver<std::convert::Infallible> {
        self.handle.node.done()
    }

    /// A guard that cancels this token when it is dropped; [`CancelOnDrop`] has an example.
    pub fn cancel_on_drop(&self) -> CancelOnDrop {
        CancelOnDrop::new(self.clone())
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

// Nothing of a user's runs while a token changes, so none is met half changed.
impl UnwindSafe for CancelToken {}
impl RefUnwindSafe for CancelToken {}

impl Default for CancelToken {
    /// The same as [`CancelToken::new`].
    fn default() -> Self {
        Self::new()
    }
}

impl<'a> From<&'a CancelToken> for Limit<'a> {
    /// Until the token is cancelled or its deadline has passed.
    fn from(token: &'a CancelToken) -> Self {
        Limit::of(&token.handle.node)
    }
}

impl fmt::Debug for CancelToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.handle.node.fmt(f)
    }
}
