//! What a thread waits for.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use super::LockId;

/// What a thread waits for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum What {
    /// To acquire a mutex, by itself or as one of a set.
    Lock(LockId),
    /// To acquire the lock of a key of a [`LockTable`](crate::LockTable); and the key, as `Debug` writes it.
    Key(LockId, Arc<str>),
    /// To acquire a read-write lock to read.
    Read(LockId),
    /// To acquire a read-write lock to write.
    Write(LockId),
    /// For the value of a cell, to make it or to have it made.
    Cell,
    /// For the workers of a group.
    Group,
    /// For so many permits of a semaphore.
    Permits(usize),
    /// For a notification of a [`Condvar`](crate::Condvar).
    Condition,
    /// For a token to be cancelled.
    Token,
    /// For time to pass, in [`CancelToken::sleep`](crate::CancelToken::sleep).
    Sleep,
    /// For an interrupt of [`CancelToken::interrupting`](crate::CancelToken::interrupting), which is running, to end.
    Interrupt,
    /// For room in a channel.
    Send,
    /// For a value from a channel.
    Receive,
    /// For the end of a task of this name, to [join](crate::Task::join) it or at the end of its [`scope`](crate::scope()).
    Task(Arc<str>),
    /// For what the program [says](crate::waiting_for).
    Other(Cow<'static, str>),
}

impl What {
    /// The same for an error, which may be kept: without the text of a key.
    pub(super) fn for_error(&self) -> Self {
        match self {
            What::Key(id, _) => What::Lock(*id),
            other => other.clone(),
        }
    }

    /// Whether readers may be in the way of who waits for it.
    pub(super) fn is_of_readers_too(&self) -> bool {
        matches!(self, What::Read(_) | What::Write(_))
    }
}

impl fmt::Display for What {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            What::Lock(id) => write!(f, "lock {id}"),
            What::Key(id, key) => write!(f, "lock {id} of key {key}"),
            What::Read(id) => write!(f, "lock {id}, to read"),
            What::Write(id) => write!(f, "lock {id}, to write"),
            What::Cell => f.write_str("the value of a cell"),
            What::Group => f.write_str("the workers of a group"),
            What::Permits(1) => f.write_str("1 permit of a semaphore"),
            What::Permits(permits) => write!(f, "{permits} permits of a semaphore"),
            What::Condition => f.write_str("a condition to be notified"),
            What::Token => f.write_str("a token to be cancelled"),
            What::Sleep => f.write_str("time to pass"),
            What::Interrupt => f.write_str("an interrupt to end"),
            What::Send => f.write_str("room in a channel"),
            What::Receive => f.write_str("a value from a channel"),
            What::Task(name) => write!(f, "task '{name}' to end"),
            What::Other(what) => f.write_str(what),
        }
    }
}
