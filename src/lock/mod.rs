//! Locks that carry an id and can be taken many at once, in an order that cannot deadlock.
//!
//! [`id`] names a lock, [`held`] is what a thread holds, [`mutex`] one lock, [`set`] what [`lock_all`] takes,
//! [`locked`] how it takes it and the guard that it returns, [`iter`] the values one by one, [`error`] what can go wrong.

mod error;
pub(crate) mod held;
mod id;
mod iter;
mod locked;
mod mutex;
mod set;

pub use error::LockError;
pub use id::LockId;
pub use locked::{Locked, lock_all, lock_all_within, try_lock_all};
pub use mutex::{OrderedMutex, OrderedMutexGuard};
pub use set::LockSet;
