//! Why waiting for a group did not end well.

use std::error::Error;
use std::fmt;

use crate::Stopped;

/// A worker of the group was lost to a panic. Said by every wait until
/// [`WaitGroup::clear_panicked`](crate::WaitGroup::clear_panicked) is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct WorkerPanicked;

impl fmt::Display for WorkerPanicked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a worker of the group panicked; its work is not done")
    }
}

impl Error for WorkerPanicked {}

/// Why [`WaitGroup::wait_within`](crate::WaitGroup::wait_within) did not end well.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum WaitError {
    /// The limit came first: there are workers left.
    Stopped(Stopped),
    /// The wait is over, and a worker was lost to a panic.
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

// The cause is in the text already, so it is no `source` besides.
impl Error for WaitError {}

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
