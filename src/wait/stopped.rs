//! Why a call gave up.

use std::error::Error;
use std::fmt;
use std::io;

/// Why a call gave up waiting. What it waited for is as if it had never been called.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Stopped {
    /// The time of the call's [`Limit`](crate::Limit) has passed, be it a duration, an instant or a token's deadline.
    TimedOut,
    /// A [`CancelToken`](crate::CancelToken) of the call's limit was cancelled.
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
