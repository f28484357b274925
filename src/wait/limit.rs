//! How long a call may wait.

use std::error::Error;
use std::fmt;
use std::io;
use std::marker::PhantomData;
use std::time::Duration;

use crate::sync::{Instant, now};

/// How long a blocking call may wait: for ever, for a [`Duration`], or until an [`Instant`].
///
/// Waiting comes as `op()`, which waits as long as it takes, and as `op_within(limit)`, which takes anything that converts
/// into a `Limit`.
///
/// * A `Duration` counts from the entry to each call that it is passed to. The clock is read when the call finds that it
///   has to wait, so a call that need not wait costs no reading of it.
/// * A `Duration` that reaches past the end of the clock is no limit.
/// * A limit that has passed already still lets the call try once: what can be had without waiting is had.
/// * A call that could both succeed and stop succeeds.
///
/// # Examples
///
/// ```
/// use raddle::{Limit, OrderedMutex};
/// use std::time::{Duration, Instant};
///
/// let stock = OrderedMutex::new(1, 12);
/// let request_ends = Instant::now() + Duration::from_secs(30);
///
/// // Half a second for this lock, but never past the end of the request.
/// let limit = Limit::from(Duration::from_millis(500)).or(request_ends);
/// let mut stock = stock.lock_within(limit)?;
/// *stock -= 1;
/// # Ok::<(), raddle::LockError>(())
/// ```
#[derive(Clone, Copy)]
#[must_use = "a limit does nothing until it is passed to a call"]
pub struct Limit<'a> {
    within: Option<Duration>,
    until: Option<Instant>,
    /// The lifetime of what a limit may borrow.
    borrowed: PhantomData<&'a ()>,
}

impl<'a> Limit<'a> {
    /// No limit: the call waits as long as it takes.
    pub const NEVER: Limit<'a> = Limit { within: None, until: None, borrowed: PhantomData };

    /// Whichever of the two comes first.
    ///
    /// # Examples
    ///
    /// ```
    /// use raddle::Limit;
    /// use std::time::Duration;
    ///
    /// let limit = Limit::from(Duration::from_secs(3)).or(Duration::from_secs(1));
    /// assert_eq!(format!("{limit:?}"), "Limit { within: 1s }");
    /// ```
    pub fn or(self, other: impl Into<Limit<'a>>) -> Limit<'a> {
        let other = other.into();
        Limit {
            within: earlier(self.within, other.within),
            until: earlier(self.until, other.until),
            borrowed: PhantomData,
        }
    }
}

/// The smaller of two bounds, either of which may be missing.
fn earlier<T: Ord>(a: Option<T>, b: Option<T>) -> Option<T> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    }
}

impl From<Duration> for Limit<'_> {
    /// A time that counts from the entry to each call.
    fn from(within: Duration) -> Self {
        Limit { within: Some(within), ..Limit::NEVER }
    }
}

impl From<Instant> for Limit<'_> {
    /// A fixed end, however many calls it is passed to.
    fn from(until: Instant) -> Self {
        Limit { until: Some(until), ..Limit::NEVER }
    }
}

impl fmt::Debug for Limit<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.within.is_none() && self.until.is_none() {
            return f.write_str("Limit::NEVER");
        }
        let mut out = f.debug_struct("Limit");
        if let Some(within) = &self.within {
            out.field("within", within);
        }
        if let Some(until) = &self.until {
            out.field("until", until);
        }
        out.finish()
    }
}

/// A limit at work in one call: a duration becomes an instant when the call first has to wait, and stays that instant
/// for the rest of the call.
pub(crate) struct Timer<'a> {
    limit: Limit<'a>,
    started: bool,
}

impl<'a> Timer<'a> {
    pub(crate) fn new(limit: Limit<'a>) -> Self {
        Timer { limit, started: false }
    }

    /// When the call has to stop; `None` is never.
    pub(crate) fn deadline(&mut self) -> Option<Instant> {
        if !self.started {
            self.started = true;
            // A sum past the end of the clock is no limit.
            let end = self.limit.within.and_then(|within| now().checked_add(within));
            self.limit.until = earlier(self.limit.until, end);
        }
        self.limit.until
    }
}

/// Why a call gave up waiting. What it waited for is as if it had never been called.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Stopped {
    /// The call's [`Limit`] has passed.
    TimedOut,
    /// The call was cancelled.
    Cancelled,
}

impl fmt::Display for Stopped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Stopped::TimedOut => "the limit passed before the wait was over",
            Stopped::Cancelled => "the wait was cancelled",
        })
    }
}

impl Error for Stopped {}

impl From<Stopped> for io::Error {
    /// [`TimedOut`](io::ErrorKind::TimedOut), or for a cancelled call [`Other`](io::ErrorKind::Other): std's own loops try
    /// again after `Interrupted`, which would swallow it.
    fn from(stopped: Stopped) -> Self {
        let kind = match stopped {
            Stopped::TimedOut => io::ErrorKind::TimedOut,
            Stopped::Cancelled => io::ErrorKind::Other,
        };
        io::Error::new(kind, stopped)
    }
}
