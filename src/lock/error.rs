//! What can go wrong when locking.

use std::error::Error;
use std::fmt;
use std::io;

use super::LockId;
use crate::Stopped;
use crate::wait::Refused;

/// Why a lock, or a set of locks, was not taken. Nothing of the set is held when this is returned.
///
/// `Duplicate` and `OutOfOrder` are mistakes in the program, found on every run that comes there and not only when two
/// threads meet. `Poisoned` is another thread's panic. `WouldBlock` and `Stopped` belong to normal work.
///
/// # Examples
///
/// ```
/// use raddle::{LockError, OrderedMutex};
///
/// fn admit(beds: &OrderedMutex<u32>) -> Result<u32, LockError> {
///     let mut free = match beds.lock() {
///         Err(LockError::Poisoned { .. }) => {
///             beds.clear_poison_with(|free| *free = 0); // nothing is promised until they are counted again
///             beds.lock()?
///         }
///         other => other?,
///     };
///     *free = free.saturating_sub(1);
///     Ok(*free)
/// }
///
/// assert_eq!(admit(&OrderedMutex::new(1, 40)), Ok(39));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum LockError {
    /// The set names one lock twice, or two locks that carry the same id. Name each once, and give each its own id.
    Duplicate {
        /// The id that occurs twice.
        id: LockId,
    },
    /// The call would have to wait for a lock that does not come after all that this thread holds. The lock may be free
    /// or taken: this never depends on timing. Let go first, or take both in one [`lock_all`](crate::lock_all); for a
    /// lock that is found late, try a `try_` form.
    OutOfOrder {
        /// The lowest lock that the call wants.
        wanted: LockId,
        /// The highest lock that this thread holds. If it is `wanted`, that is the same lock or one with the same id.
        held: LockId,
    },
    /// A thread panicked while it held this lock; see
    /// [`OrderedMutex::clear_poison_with`](crate::OrderedMutex::clear_poison_with).
    Poisoned {
        /// The poisoned lock.
        id: LockId,
    },
    /// A `try_` call would have to wait for this lock: it is taken or, to be read, a writer waits for it. Let go of
    /// what is held and take all in one [`lock_all`](crate::lock_all), which may wait; or do without.
    WouldBlock {
        /// The lock that is not to be had now.
        id: LockId,
    },
    /// The call's limit came first.
    Stopped(Stopped),
}

impl LockError {
    /// What a raw lock's refusal means for the lock called `id`.
    pub(super) fn refused(id: LockId, why: Refused) -> Self {
        match why {
            Refused::Busy => LockError::WouldBlock { id },
            Refused::Poisoned => LockError::Poisoned { id },
            Refused::Stopped(stopped) => LockError::Stopped(stopped),
        }
    }
}

impl fmt::Display for LockError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LockError::Duplicate { id } => {
                write!(f, "lock {id} occurs twice in one lock_all; name each lock once and give each its own id")
            }
            LockError::OutOfOrder { wanted, held } if wanted == held => {
                write!(
                    f,
                    "lock {wanted} wanted while this thread holds it or a lock with the same id; \
                     pass the guard on instead of locking again, and give each lock its own id"
                )
            }
            LockError::OutOfOrder { wanted, held } => {
                write!(f, "lock {wanted} wanted while lock {held} is held; let go first, or take both in one lock_all")
            }
            LockError::Poisoned { id } => {
                write!(f, "lock {id} is poisoned: a thread panicked while holding it; mend it with clear_poison_with")
            }
            LockError::WouldBlock { id } => {
                write!(
                    f,
                    "lock {id} is taken; try again later, or let go of what is held and wait for all in one lock_all"
                )
            }
            LockError::Stopped(stopped) => write!(f, "lock not taken: {stopped}"),
        }
    }
}

impl Error for LockError {
    /// What stopped the call. (The text has it too, for who prints one line.)
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            LockError::Stopped(stopped) => Some(stopped),
            _ => None,
        }
    }
}

impl From<Stopped> for LockError {
    fn from(stopped: Stopped) -> Self {
        LockError::Stopped(stopped)
    }
}

impl From<LockError> for io::Error {
    /// [`Deadlock`](io::ErrorKind::Deadlock) for `Duplicate` and `OutOfOrder`, which could become one,
    /// [`WouldBlock`](io::ErrorKind::WouldBlock) for that, the kind of [`Stopped`] for that, else
    /// [`Other`](io::ErrorKind::Other).
    fn from(error: LockError) -> Self {
        let kind = match error {
            LockError::Duplicate { .. } | LockError::OutOfOrder { .. } => io::ErrorKind::Deadlock,
            LockError::WouldBlock { .. } => io::ErrorKind::WouldBlock,
            LockError::Stopped(stopped) => stopped.kind(),
            LockError::Poisoned { .. } => io::ErrorKind::Other,
        };
        io::Error::new(kind, error)
    }
}
