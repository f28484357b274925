//! Why a cell was not initialised.

use std::convert::Infallible;
use std::error::Error;
use std::fmt;

use crate::Stopped;

/// Why a `_within` form of [`OnceCell`](crate::OnceCell) has no value to give. The cell is as it would be without the
/// call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum InitError<E = Infallible> {
    /// The limit came first, while another thread was initialising.
    Stopped(Stopped),
    /// The calling thread is initialising this very cell: waiting for itself would never end.
    Reentrant,
    /// The caller's own initialiser failed.
    Init(E),
}

impl<E: fmt::Display> fmt::Display for InitError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            InitError::Stopped(stopped) => write!(f, "cell not initialised: {stopped}"),
            InitError::Reentrant => f.write_str(REENTRANT),
            InitError::Init(error) => write!(f, "the cell's initialiser failed: {error}"),
        }
    }
}

/// What an initialiser that waits for itself is told, be it by an error or by a panic.
pub(super) const REENTRANT: &str =
    "a cell's initialiser asked for the value that it is making; pass what it needs as an argument";

impl<E: Error + 'static> Error for InitError<E> {
    /// The initialiser's error is in the text already; this is what stands behind it.
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            InitError::Init(error) => error.source(),
            _ => None,
        }
    }
}

impl<E> From<Stopped> for InitError<E> {
    fn from(stopped: Stopped) -> Self {
        InitError::Stopped(stopped)
    }
}
