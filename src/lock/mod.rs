//! Locks that carry an id, of which a thread acquires any number at once, in an order that cannot deadlock.
//!
//! [`error`] is the error, [`raw`] a lock and the way in which it is wanted; [`set`] is what [`lock_all`] accepts, [`take`] how it acquires
//! that in order; [`guard`] is one lock that is held, also by a [part](mapped) of its value; [`mutex`] and [`rwlock`] are the locks, [`request`]
//! and [`any`] name one in a set; [`locked`] are the calls for sets and the guard that they return, [`iter`] the iterators over the values;
//! [`condvar`] is what
//! waits with the guard of a mutex; [`class`] names classes of locks.

mod any;
mod class;
mod condvar;
mod error;
mod guard;
mod iter;
mod locked;
mod mapped;
mod mutex;
mod raw;
mod request;
mod rwlock;
mod set;
mod swap;
mod take;

pub(crate) use crate::record::{LockId, held};
pub use any::{AnyMut, AnyRequest};
pub use class::LockClass;
pub use condvar::Condvar;
pub use error::LockError;
pub use guard::Guard;
pub use locked::{Locked, lock_all, lock_all_within, try_lock_all};
pub use mapped::{MappedGuard, MappedRefGuard};
pub use mutex::{OrderedMutex, OrderedMutexArcGuard, OrderedMutexGuard};
pub(crate) use raw::{Keyed, Raw, Show};
pub(crate) use request::owned_lock;
pub use request::{ReadArcRequest, ReadRequest, WriteArcRequest, WriteRequest};
pub use rwlock::{OrderedReadArcGuard, OrderedReadGuard, OrderedRwLock, OrderedWriteArcGuard, OrderedWriteGuard};
pub use set::LockSet;
pub(crate) use set::{Entry, Exclusive, Handle, Mappable, MutexRequest, Request, Sealed};
pub(crate) use take::may_wait_in_class;
