//! The errors of waiting for a group.

use std::error::Error;
use std::fmt;
use std::io;

use crate::Stopped;

/// Reports that a panic dropped a worker of the group, so its work may be half done.
///
/// Every wait returns it until [`WaitGroup::clear_panicked`](crate::WaitGroup::clear_panicked) is called, which has an
/// example.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct WorkerPanicked;

impl fmt::Display for WorkerPanicked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a worker of the group panicked, its work may be half done; recover, then call clear_panicked")
    }
}

impl Error for WorkerPanicked {}

/// Tells why [`WaitGroup::wait_within`](crate::WaitGroup::wait_within) failed. That method has an example.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum WaitError {
    /// The limit came first: workers are left, and a later wait may see them done.
    Stopped(Stopped),
    /// The wait is over, and a panic dropped a worker.
    Panicked(WorkerPanicked),
}

impl fmt::Display for WaitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            WaitError::Stopped(stopped) => write!(f, "workers are still at work: {stopped}"),
            WaitError::Panicked(panicked) => panicked.fmt(f),
        }
    }
}

impl Error for WaitError {
    /// What stopped the wait, or the panic. (The text includes it, for callers that print one line.)
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            WaitError::Stopped(stopped) => Some(stopped),
            WaitError::Panicked(panicked) => Some(panicked),
        }
    }
}

impl From<Stopped> for WaitError {
    fn from(stopped: Stopped) -> Self {
        WaitError::Stopped(stopped)
    }
}

impl From<WorkerPanicked> for WaitError {
    fn from(panicked: WorkerPanicked) -> Self {
        WaitError::Panicked(panicked)
    }
}

impl From<WaitError> for io::Error {
    /// Of the kind of [`Stopped`], or [`Other`](io::ErrorKind::Other) for a panic.
    fn from(error: WaitError) -> Self {
        let kind = match error {
            WaitError::Stopped(stopped) => stopped.kind(),
            WaitError::Panicked(_) => io::ErrorKind::Other,
        };
        io::Error::new(kind, error)
    }
}

impl From<WorkerPanicked> for io::Error {
    /// Of the kind [`Other`](io::ErrorKind::Other).
    fn from(panicked: WorkerPanicked) -> Self {
        io::Error::other(panicked)
    }
}
