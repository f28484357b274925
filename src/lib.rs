//! Blocking concurrency primitives for services that may not hang.
//!
//! | to | take |
//! | --- | --- |
//! | guard values, several of them at once, in any order, without deadlock | [`OrderedMutex`] and [`lock_all`] |
//! | let many read or one write, in the same order as the other locks | [`OrderedRwLock`] |
//! | make a value once, with a limit, or with an initialiser that may fail | [`OnceCell`]; [`Lazy`] |
//! | wait until a number of workers are done, and learn of their panics | [`WaitGroup`] |
//! | count exactly, or up to a bound | [`Counter`] |
//! | count from many threads at the price of a plain increment | [`ShardedCounter`] |
//! | bound any of these waits by time | [`Limit`] |
//! | end any of these waits from another thread | [`CancelToken`] |
//!
//! Waiting comes as `op()`, which waits as long as it takes, and as `op_within(limit)`, where the limit is a duration, an
//! instant, a cancel token, or whichever of these comes first. What can go wrong is an
//! error value: a lock out of order, a set with a lock twice, a poisoned lock, a limit that passed, a worker that
//! panicked, an initialiser that waits for itself.
//!
//! # Example
//!
//! ```
//! use raddle::{LockError, OrderedMutex, lock_all};
//!
//! struct Site {
//!     staff: OrderedMutex<Vec<&'static str>>,
//! }
//!
//! fn transfer(name: &str, from: &Site, to: &Site) -> Result<bool, LockError> {
//!     let mut both = lock_all((&from.staff, &to.staff))?; // in any order: no deadlock
//!     let (from, to) = both.split_mut(); // in the caller's order
//!     let Some(at) = from.iter().position(|&staff| staff == name) else { return Ok(false) };
//!     to.push(from.swap_remove(at));
//!     Ok(true)
//! }
//!
//! let xiehe = Site { staff: OrderedMutex::new(1, vec!["Li", "Zhao"]) };
//! let ruijin = Site { staff: OrderedMutex::new(2, vec!["Wang"]) };
//! std::thread::scope(|threads| {
//!     threads.spawn(|| transfer("Li", &xiehe, &ruijin));
//!     threads.spawn(|| transfer("Wang", &ruijin, &xiehe));
//! });
//! let staff = xiehe.staff.lock()?;
//! assert!(staff.contains(&"Wang") && !staff.contains(&"Li"));
//! # Ok::<(), LockError>(())
//! ```
//!
//! # Recipes
//! [`recipes`] has what to write for a given problem, with an example for each. [`moving`] sets the calls of `std`,
//! `parking_lot`, `once_cell`, `crossbeam`, `happylock` and of Go beside the ones here. (Both are pages of text.)
//!
//! # Why no order of locking can deadlock
//! Every lock has a [`LockId`], and a thread may only *wait* for a lock whose id is above all that it holds: `lock_all` sorts
//! its set, and a nested call that would have to wait below is refused at once, whether or not the lock is free. So
//! along any chain of threads, each waiting for a lock that the next one holds, the ids rise strictly: the holder of a lock, if
//! it waits at all, waits above everything it holds. A chain that rises cannot close.
//!
//! A reader of an [`OrderedRwLock`] may also wait for a writer that waits itself, for the same lock. Along such an
//! edge the id stays and the arrival in the queue is earlier. So along any chain the pair of id and arrival moves one way,
//! and none closes.
//!
//! The `try_` forms never wait, so they are free of the order, and what they take counts for later waits.
//!
//! The proof is about ordered locks. A thread that holds one while it waits for a cell, a group or a channel must know
//! that the other side does not need that lock. The recipe: let go first, or wait with a limit.
//!
//! # Model checking
//! Built with `--cfg loom` and the feature `loom`, the same types run under [loom](https://docs.rs/loom), so a dependent
//! crate's own loom tests go straight through them. Constructors are not `const` there, and `raddle::model::advance` moves
//! the clock that limits are measured by. The README has an example, section "Your own models".
//!
//! # Features
//! * `crossbeam-channel`: sending and receiving within a limit, and a token's channel for `select!`.
//! * `loom`: see above; no effect without `--cfg loom`.
//!
//! # Platforms
//! Everywhere that `std` has threads and 64-bit atomics.

mod cancel;
#[cfg(feature = "crossbeam-channel")]
mod channel;
mod counter;
mod lock;
#[cfg(all(loom, any(test, feature = "loom")))]
pub mod model;
mod once;
mod sync;
mod wait;
mod wait_group;

pub use cancel::{CancelOnDrop, CancelToken};
#[cfg(feature = "crossbeam-channel")]
pub use channel::{RecvWithin, RecvWithinError, SendWithin, SendWithinError};
pub use counter::{Counter, ShardedCounter};
pub use lock::{
    Guard, LockError, LockId, LockSet, Locked, OrderedMutex, OrderedMutexGuard, OrderedReadGuard, OrderedRwLock,
    OrderedWriteGuard, ReadRequest, WriteRequest, lock_all, lock_all_within, try_lock_all,
};
pub use once::{InitError, Lazy, OnceCell};
pub use wait::{Limit, Stopped};
pub use wait_group::{OwnedWorker, WaitError, WaitGroup, Worker, WorkerPanicked};

// Pages of text for rustdoc, whose examples are tested too.
#[cfg(any(doc, doctest))]
pub mod recipes;
#[cfg(any(doc, doctest))]
#[doc = include_str!("../docs/moving.md")]
pub mod moving {}

/// The examples of the README are tested along with the others.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

#[cfg(all(loom, test))]
#[path = "../tests/loom/mod.rs"]
mod models;
