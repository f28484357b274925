//! Why a call gave up.

use std::error::Error;
use std::fmt;
use std::io;

/// Why a call gave up waiting. What it waited for is as if it had never been called.
///
/// It is the `Stopped` variant of the errors of the `_within` calls, and converts into each of them but
/// [`SendWithinError`], which has the value too; and into [`io::Error`]. So `token.check()?` and `token.sleep(..)?` fit in
/// beside them.
///
/// # Examples
///
/// ```
/// use raddle::{CancelToken, LockError, OrderedMutex, Stopped};
///
/// fn count(patients: &OrderedMutex<Vec<&str>>, request: &CancelToken) -> Result<usize, LockError> {
///     let patients = patients.lock_within(request)?;
///     request.check()?; // a Stopped, which becomes a LockError
///     Ok(patients.len())
/// }
///
/// let (patients, request) = (OrderedMutex::new(1, vec!["Li", "Zhao"]), CancelToken::new());
/// assert_eq!(count(&patients, &request), Ok(2));
/// request.cancel();
/// assert_eq!(count(&patients, &request), Err(LockError::Stopped(Stopped::Cancelled)));
/// ```
///
#[cfg_attr(feature = "crossbeam-channel", doc = "[`SendWithinError`]: crate::SendWithinError")]
#[cfg_attr(
    not(feature = "crossbeam-channel"),
    doc = "[`SendWithinError`]: https://docs.rs/raddle/latest/raddle/enum.SendWithinError.html"
)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Stopped {
    /// The time of the call's [`Limit`](crate::Limit) has passed, be it a duration, an instant or a token's deadline.
    /// Try again later or allow more time, if the work can wait; else answer that it is too busy.
    TimedOut,
    /// A [`CancelToken`](crate::CancelToken) of the call's limit was cancelled. Stop the work;
    /// [`cause`](crate::CancelToken::cause) may say why. Under this token no call waits any more.
    Cancelled,
}

impl fmt::Display for Stopped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Stopped::TimedOut => "the limit passed before the wait was over; try again later or allow more time",
            Stopped::Cancelled => "the wait was cancelled; stop this work, its token may have the cause",
        })
    }
}

impl Error for Stopped {}

impl From<Stopped> for io::Error {
    /// [`TimedOut`](io::ErrorKind::TimedOut), or for a cancelled call [`Other`](io::ErrorKind::Other): std's own loops try
    /// again after `Interrupted`, which would swallow it.
    fn from(stopped: Stopped) -> Self {
        io::Error::new(stopped.kind(), stopped)
    }
}

impl Stopped {
    /// Finds out whether an error says that a call gave up waiting: it, or what stands behind it
    /// ([`source`](Error::source)), is a `Stopped`. All errors of this crate name theirs as their source, and so do an
    /// [`io::Error`] that was made of one and an [`InitError`](crate::InitError) whose initialiser was stopped.
    ///
    /// # Examples
    ///
    /// A service tells time-outs from other failures, wherever in the call they happened:
    ///
    /// ```
    /// use raddle::{CancelToken, InitError, LockError, OnceCell, OrderedMutex, Stopped};
    /// use std::error::Error;
    ///
    /// fn status(error: &(dyn Error + 'static)) -> u16 {
    ///     match Stopped::of(error) {
    ///         Some(Stopped::TimedOut) => 504,
    ///         Some(_) => 503, // cancelled
    ///         None => 502,
    ///     }
    /// }
    ///
    /// let (beds, pool, request) = (OrderedMutex::new(1, 40), OnceCell::new(), CancelToken::new());
    /// request.cancel();
    /// let open = || {
    ///     request.check()?; // stops the initialiser, which comes as its failure
    ///     beds.lock_within(&request).map(|beds| *beds)
    /// };
    /// let made: Result<&u8, InitError<LockError>> = pool.get_or_try_init_within(open, &request);
    /// assert_eq!(made, Err(InitError::Init(LockError::Stopped(Stopped::Cancelled))));
    /// assert_eq!(status(&made.unwrap_err()), 503);
    /// assert_eq!(status(&std::io::Error::from(Stopped::TimedOut)), 504);
    /// assert_eq!(status(&std::fmt::Error), 502);
    /// ```
    pub fn of(error: &(dyn Error + 'static)) -> Option<Stopped> {
        let mut next = Some(error);
        while let Some(error) = next {
            if let Some(stopped) = error.downcast_ref() {
                return Some(*stopped);
            }
            // Its source is that of what it was made of, which is left out.
            let made_of = error.downcast_ref().and_then(io::Error::get_ref);
            next = made_of.map_or_else(|| error.source(), |inner| Some(inner));
        }
        None
    }

    /// What it is among the errors of `std::io`.
    pub(crate) fn kind(self) -> io::ErrorKind {
        match self {
            Stopped::TimedOut => io::ErrorKind::TimedOut,
            Stopped::Cancelled => io::ErrorKind::Other,
        }
    }
}
