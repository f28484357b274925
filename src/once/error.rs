//! Why a cell was not initialised.

use std::convert::Infallible;
use std::error::Error;
use std::fmt;

use crate::{Cycle, Stopped};

/// Tells why a `_within` form of [`OnceCell`](crate::OnceCell) returned no value.
///
/// The cell is as it would be without the call.
///
/// `E` is the initialiser's error. For [`get_or_init_within`](crate::OnceCell::get_or_init_within), whose initialiser
/// cannot fail, it is [`Infallible`], and there is no `Init`.
///
/// # Examples
///
/// ```
/// use raddle::{InitError, OnceCell};
/// use std::time::Duration;
///
/// fn answer(pool: &OnceCell<u8>) -> String {
///     match pool.get_or_try_init_within(|| "five".parse::<u8>(), Duration::from_secs(2)) {
///         Ok(connections) => format!("{connections} connections"),
///         Err(InitError::Init(error)) => format!("not opened: {error}"), // this call's; the next one tries again
///         Err(InitError::Stopped(_)) => "another call is still opening it, ask again".into(),
///         Err(bug) => panic!("{bug}"),
///     }
/// }
///
/// assert_eq!(answer(&OnceCell::new()), "not opened: invalid digit found in string");
/// assert_eq!(answer(&OnceCell::with_value(5)), "5 connections");
/// ```
///
/// `Stopped` is the limit of the call. A limit that ends a wait *inside* the initialiser is the initialiser's own error, and
/// comes as `Init`. A caller that answers a time-out differently from a failure matches both:
///
/// ```
/// use raddle::{CancelToken, InitError, OnceCell, Stopped};
/// use std::time::Duration;
///
/// fn status(pool: &OnceCell<u8>, opening: &CancelToken, request: &CancelToken) -> u16 {
///     let open = || {
///         opening.sleep(Duration::from_secs(2))?; // stands for a wait
///         Ok(5)
///     };
///     match pool.get_or_try_init_within(open, request) {
///         Ok(_) => 200,
///         Err(InitError::Stopped(Stopped::TimedOut) | InitError::Init(Stopped::TimedOut)) => 504,
///         Err(InitError::Stopped(_) | InitError::Init(_)) => 503,
///         Err(bug) => panic!("{bug}"),
///     }
/// }
///
/// let request = CancelToken::new();
/// let opening = request.child_within(Duration::ZERO); // is over before the pool is open
/// assert_eq!(status(&OnceCell::new(), &opening, &request), 504);
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum InitError<E = Infallible> {
    /// The limit came first, while another thread was initialising.
    Stopped(Stopped),
    /// The initialiser is re-entrant: the calling thread is initialising this cell, and would wait for itself. Pass to
    /// the initialiser what it needs.
    Reentrant,
    /// The wait would never have ended: this thread would have waited for another that waits, directly or through others, for
    /// something that this thread holds or makes. Acquire what the initialiser needs inside it only, or force the value first.
    #[non_exhaustive]
    Deadlock {
        /// Who waits for whom. The first is this call.
        cycle: Cycle,
    },
    /// The caller's own initialiser failed; a [`Stopped`] that it returned is in here, too. The cell is empty, and the next
    /// call tries again.
    Init(E),
}

impl<E: fmt::Display> fmt::Display for InitError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            InitError::Stopped(stopped) => write!(f, "cell not initialised: {stopped}"),
            InitError::Reentrant => f.write_str(REENTRANT),
            InitError::Deadlock { cycle } => Deadlocked(cycle).fmt(f),
            InitError::Init(error) => write!(f, "the cell's initialiser failed, the next call tries again: {error}"),
        }
    }
}

/// The message of a re-entrant initialiser, in an error or a panic.
pub(super) const REENTRANT: &str =
    "re-entrant: a cell's initialiser asked for the value that it is making; pass what it needs as an argument";

/// The message of a deadlock, in an error or a panic.
pub(super) struct Deadlocked<'c>(pub(super) &'c Cycle);

impl fmt::Display for Deadlocked<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "deadlock: the wait for a cell's value would never end; force the value before locking: {}", self.0)
    }
}

impl<E: Error + 'static> Error for InitError<E> {
    /// What stopped the wait, or the initialiser's error. (The text includes it, for callers that print one line.)
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            InitError::Stopped(stopped) => Some(stopped),
            InitError::Init(error) => Some(error),
            InitError::Reentrant | InitError::Deadlock { .. } => None,
        }
    }
}

impl<E> From<Stopped> for InitError<E> {
    fn from(stopped: Stopped) -> Self {
        InitError::Stopped(stopped)
    }
}
