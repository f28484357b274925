//! Locks that carry an id, of which a thread acquires any number at once, in an order that cannot deadlock.
//!
//! [`mutex`] and [`rwlock`] are one lock with its [`guard`], [`raw`] is what these have in common, [`set`] is what [`lock_all`] accepts, [`take`] how it acquires that
//! in order, [`locked`] the call and the guard that it returns, [`iter`] the iterators over the values, [`condvar`] what waits with
//! the guard of a mutex, [`error`] the error.

mod condvar;
mod error;
mod guard;
mod iter;
mod locked;
mod mutex;
mod raw;
mod rwlock;
mod set;
mod swap;
mod take;

pub(crate) use crate::record::{LockId, held};
pub use condvar::Condvar;
pub use error::LockError;
pub use guard::Guard;
pub use locked::{Locked, lock_all, lock_all_within, try_lock_all};
pub use mutex::{OrderedMutex, OrderedMutexGuard};
pub use rwlock::{OrderedReadGuard, OrderedRwLock, OrderedWriteGuard, ReadRequest, WriteRequest};
pub use set::LockSet;
