//! The error of a call that locks.

use std::error::Error;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::io;
use std::mem::{self, Discriminant};
use std::panic::Location;
use std::sync::Arc;

use super::LockId;
use crate::Stopped;
use crate::record::{Cycle, Holder, holder};
use crate::wait::{Refused, Timer};

/// Says why a call did not acquire a lock or a set of locks. The call holds nothing of the set when it returns this.
/// (A wait of a [`Condvar`](crate::Condvar) that returns this has released the lock whose guard it was given.)
///
/// `Duplicate` and `OutOfOrder` are mistakes in the program. Given the locks that the thread itself holds at the call,
/// the answer depends on ids alone: never on whether a lock is free, nor on what other threads do. (What a thread holds
/// may itself depend on timing in two cases; see the crate's [Errors](crate#errors).) `Deadlock` is one too, and does depend on timing:
/// it takes several threads that come together. `Poisoned` says that a thread
/// panicked while it held the lock. `WouldBlock` and `Stopped` are part of normal operation.
///
/// Two errors are equal if they say the same of the same locks. Places in the source do not count: a test would break when a
/// line is added. Nor do threads. Two `Stopped` are equal if they have the same reason, so `LockError::from(Stopped::TimedOut)` is
/// equal to the error of any lock.
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
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum LockError {
    /// The set names one lock twice, or two locks with the same id. Name each lock once, and give each its own id.
    Duplicate {
        /// The id that occurs twice.
        id: LockId,
    },
    /// The call would have to wait for a lock whose id is not above all that this thread holds. Given what this thread
    /// holds, the answer depends on ids alone, not on whether the lock is free. Release what is held first, or acquire
    /// both in one [`lock_all`](crate::lock_all); for a lock that is known only under the other, use a `try_` form.
    OutOfOrder {
        /// The lowest lock that the call requested.
        wanted: LockId,
        /// The highest lock that this thread holds. If it equals `wanted`, it is the same lock or one with the same id.
        held: LockId,
        /// The call that acquired `held`; if this thread reads one lock several times, any of those calls. If the crate called
        /// back while it held the lock (`Debug`, serde) it is a line of the crate. It does not count when errors are compared.
        place: &'static Location<'static>,
    },
    /// A thread panicked while it held this lock. Recover the value with
    /// [`clear_poison_with`](crate::OrderedMutex::clear_poison_with).
    Poisoned {
        /// The poisoned lock.
        id: LockId,
    },
    /// A `try_` call would have to wait for this lock: it is held or, for a read, a writer waits for it. Release what
    /// is held and acquire all in one [`lock_all`](crate::lock_all), which may wait; or do without.
    WouldBlock {
        /// The lock that is not available now.
        id: LockId,
    },
    /// The call's limit ended the wait.
    #[non_exhaustive]
    Stopped {
        /// What ended it.
        why: Stopped,
        /// The lock that the call waited for, unless the error was made of a bare [`Stopped`].
        id: Option<LockId>,
        /// Who held the lock as the wait ended, if that is known; of several readers, one. It does not count when errors are compared.
        holder: Option<Arc<Holder>>,
    },
    /// The wait would never have ended: this thread would have waited for another that waits, directly or through others, for
    /// something that this thread holds or makes. One of them is in an initialiser, as locks alone cannot deadlock.
    /// Acquire what the initialiser needs inside it only, or force the value first.
    #[non_exhaustive]
    Deadlock {
        /// The lock that the call would have waited for.
        id: LockId,
        /// Who waits for whom. The first is this call.
        cycle: Cycle,
    },
}

impl LockError {
    /// Converts a raw lock's refusal into the error for the lock with this id.
    pub(super) fn refused(id: LockId, why: Refused) -> Self {
        match why {
            Refused::Busy => LockError::WouldBlock { id },
            Refused::Poisoned => LockError::Poisoned { id },
            Refused::Stopped(why) => LockError::Stopped { why, id: Some(id), holder: None },
            Refused::Deadlock => unreachable!("the call did not wait"),
        }
    }

    /// The same for a wait that has ended.
    pub(super) fn ended(id: LockId, why: Refused, timer: &mut Timer<'_>) -> Self {
        match why {
            Refused::Deadlock => LockError::Deadlock { id, cycle: timer.cycle() },
            Refused::Stopped(why) => {
                LockError::Stopped { why, id: Some(id), holder: holder(timer.call()).map(Arc::new) }
            }
            _ => Self::refused(id, why),
        }
    }
}

impl LockError {
    /// All that counts when errors are compared.
    fn key(&self) -> (Discriminant<Self>, [Option<LockId>; 2], Option<Stopped>) {
        let (ids, stopped) = match *self {
            LockError::Deadlock { id, .. } => ([Some(id), None], None),
            LockError::Duplicate { id } | LockError::Poisoned { id } | LockError::WouldBlock { id } => {
                ([Some(id), None], None)
            }
            LockError::OutOfOrder { wanted, held, place: _ } => ([Some(wanted), Some(held)], None),
            LockError::Stopped { why, .. } => ([None; 2], Some(why)),
        };
        (mem::discriminant(self), ids, stopped)
    }
}

impl PartialEq for LockError {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}

impl Eq for LockError {}

impl Hash for LockError {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.key().hash(state);
    }
}

impl fmt::Display for LockError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LockError::Duplicate { id } => {
                write!(f, "lock {id} occurs twice in one lock_all; name each lock once and give each its own id")
            }
            LockError::OutOfOrder { wanted, held, place } if wanted == held => {
                write!(
                    f,
                    "lock {wanted} wanted while this thread holds it or a lock with the same id, acquired at {place}; \
                     pass the guard on instead of locking again, and give each lock its own id"
                )
            }
            LockError::OutOfOrder { wanted, held, place } if wanted.is_unordered_with(*held) => {
                write!(
                    f,
                    "lock {wanted} wanted while lock {held} is held, acquired at {place}; release that first; \
                     locks of this class are waited for together only, by one lock_all"
                )
            }
            LockError::OutOfOrder { wanted, held, place } => {
                write!(
                    f,
                    "lock {wanted} wanted while lock {held} is held, acquired at {place}; release that first, or acquire \
                     both in one lock_all"
                )
            }
            LockError::Poisoned { id } => {
                write!(
                    f,
                    "lock {id} is poisoned: a thread panicked while holding it; recover the value with clear_poison_with"
                )
            }
            LockError::WouldBlock { id } => {
                write!(
                    f,
                    "lock {id} is not available; try again later, or release what is held and acquire all in one lock_all"
                )
            }
            LockError::Stopped { why, id, holder } => {
                match id {
                    Some(id) => write!(f, "lock {id} not acquired: {why}")?,
                    None => write!(f, "lock not acquired: {why}")?,
                }
                holder.iter().try_for_each(|holder| write!(f, "; it was {holder}"))
            }
            LockError::Deadlock { id, cycle } => {
                write!(
                    f,
                    "deadlock: the wait for lock {id} would never end; acquire what an initialiser needs inside it only, or \
                     force its value before locking: {cycle}"
                )
            }
        }
    }
}

impl Error for LockError {
    /// Returns the [`Stopped`] that ended the call. (The `Display` text includes it, for a message of one line.)
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            LockError::Stopped { why, .. } => Some(why),
            _ => None,
        }
    }
}

impl From<Stopped> for LockError {
    fn from(why: Stopped) -> Self {
        LockError::Stopped { why, id: None, holder: None }
    }
}

impl From<LockError> for io::Error {
    /// Wraps the error. Its kind is [`Deadlock`](io::ErrorKind::Deadlock) for `Duplicate` and `OutOfOrder`, which could
    /// become one; [`WouldBlock`](io::ErrorKind::WouldBlock) for `WouldBlock`; that of the [`Stopped`] for `Stopped`;
    /// and [`Other`](io::ErrorKind::Other) for the rest.
    fn from(error: LockError) -> Self {
        let kind = match error {
            LockError::Duplicate { .. } | LockError::OutOfOrder { .. } | LockError::Deadlock { .. } => {
                io::ErrorKind::Deadlock
            }
            LockError::WouldBlock { .. } => io::ErrorKind::WouldBlock,
            LockError::Stopped { why, .. } => why.kind(),
            LockError::Poisoned { .. } => io::ErrorKind::Other,
        };
        io::Error::new(kind, error)
    }
}
