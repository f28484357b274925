//! Why a task was not begun.

use std::error::Error;
use std::fmt;
use std::io;

use crate::Stopped;

/// Tells why [`Tasks::spawn`](crate::Tasks::spawn) failed. Nothing of the task was run, and its closure was dropped.
#[derive(Debug)]
#[non_exhaustive]
pub enum SpawnError {
    /// The scope's token is cancelled, or its deadline has passed: before the call, or while it waited for a place.
    Stopped(Stopped),
    /// The system refused the thread.
    System(io::Error),
    /// The scope has a [bound](crate::Tasks::at_most), and the call came from one of its own tasks, or from a task of a scope that is
    /// nested in one: tasks that all wait for a place, which none of them gives back before, would wait for each other.
    FromTask,
}

impl fmt::Display for SpawnError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SpawnError::Stopped(stopped) => write!(f, "the task was not begun: {stopped}"),
            SpawnError::System(error) => write!(f, "the system refused a thread for the task: {error}"),
            SpawnError::FromTask => f.write_str(
                "a task must not spawn in its own scope while at_most bounds that; spawn from the scope's body, or in a scope of \
                 the task's own",
            ),
        }
    }
}

impl Error for SpawnError {
    /// What stopped the scope, or the system's error. (The text includes it, for callers that print one line.)
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            SpawnError::Stopped(stopped) => Some(stopped),
            SpawnError::System(error) => Some(error),
            SpawnError::FromTask => None,
        }
    }
}

impl From<Stopped> for SpawnError {
    fn from(stopped: Stopped) -> Self {
        SpawnError::Stopped(stopped)
    }
}

impl From<SpawnError> for io::Error {
    /// The system's error as it is. Else the error is wrapped, of the kind of [`Stopped`], or
    /// [`Deadlock`](io::ErrorKind::Deadlock) for `FromTask`, which could become one.
    fn from(error: SpawnError) -> Self {
        let kind = match error {
            SpawnError::Stopped(stopped) => stopped.kind(),
            SpawnError::System(error) => return error,
            SpawnError::FromTask => io::ErrorKind::Deadlock,
        };
        io::Error::new(kind, error)
    }
}
