//! Blocking concurrency primitives for services that may not hang.

mod counter;
mod lock;
#[cfg(all(loom, any(test, feature = "loom")))]
pub mod model;
mod once;
mod sync;
mod wait;
mod wait_group;

pub use counter::{Counter, ShardedCounter};
pub use lock::{
    LockError, LockId, LockSet, Locked, OrderedMutex, OrderedMutexGuard, lock_all, lock_all_within, try_lock_all,
};
pub use once::{InitError, Lazy, OnceCell};
pub use wait::{Limit, Stopped};
pub use wait_group::{OwnedWorker, WaitError, WaitGroup, Worker, WorkerPanicked};

#[cfg(all(loom, test))]
#[path = "../tests/loom/mod.rs"]
mod models;
