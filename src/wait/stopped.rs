//! Why a call stopped waiting.

use std::error::Error;
use std::fmt;
use std::io;

/// Tells why a call stopped waiting: its time passed, or it was cancelled.
///
/// What the call waited for is as if the call had never been made.
///
/// The errors of the `_within` calls hold it in their variant `Stopped`. It converts into each of them but
/// [`SendWithinError`], which also holds the value, and into [`io::Error`]. So `?` works for `token.check()` and
/// `token.sleep(..)` beside these calls.
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
/// assert_eq!(count(&patients, &request), Err(LockError::from(Stopped::Cancelled)));
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
    /// The time of the call's [`Limit`](crate::Limit) has passed: a duration, an instant or a token's deadline. If the
    /// work can wait, try again later or allow more time; otherwise answer "busy".
    TimedOut,
    /// A [`CancelToken`](crate::CancelToken) of the call's limit was cancelled. Stop the work;
    /// [`cause`](crate::CancelToken::cause) may say why. Later calls under this token do not block.
    Cancelled,
}

impl fmt::Display for Stopped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Stopped::TimedOut => "the limit passed before the wait was over; try again later or allow more time",
            Stopped::Cancelled => "the wait was cancelled; stop this work, the cause of its token may say why",
        })
    }
}

impl Error for Stopped {}

impl From<Stopped> for io::Error {
    /// Of the kind [`TimedOut`](io::ErrorKind::TimedOut), or [`Other`](io::ErrorKind::Other) for a cancelled call. Not
    /// `Interrupted`: std's own loops retry after that, which would lose the error.
    fn from(stopped: Stopped) -> Self {
        io::Error::new(stopped.kind(), stopped)
    }
}

impl Stopped {
    /// Returns the `Stopped` in an error: the error itself, or one in the chain of its [`source`](Error::source)s.
    ///
    /// All errors of this crate return theirs as their source, and so do an [`io::Error`] that was made of one and an
    /// [`InitError`](crate::InitError) whose initialiser was stopped.
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
    /// assert_eq!(made, Err(InitError::Init(LockError::from(Stopped::Cancelled))));
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
