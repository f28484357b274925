//! Blocking concurrency primitives for services that must not hang.
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
//! panicked, an initialiser that waits for itself. [All of them](#errors) stand in one table below, and so does [what
//! happens-before what](#memory-ordering).
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
//!
#![doc = include_str!("../docs/lock-order.svg")]
//!
//! Every lock has a [`LockId`], and a thread may only *wait* for a lock whose id is above all that it holds: `lock_all` sorts
//! its set, and a nested call that would have to wait below is refused at once, whether or not the lock is free. So
//! along any chain of threads, each waiting for a lock that the next one holds, the ids rise strictly: the holder of a lock, if
//! it waits at all, waits above everything it holds. A chain that rises cannot close.
//!
#![doc = include_str!("../docs/lock-chain.svg")]
//!
//! A reader of an [`OrderedRwLock`] may also wait for a writer that waits itself, for the same lock. Seen from the
//! locks it is as simple: whoever waits for a lock has a turn once those that hold it let go; and of all locks that
//! anybody waits for, the holders of the highest wait for none. So they go on and let go, and the turns come round.
//!
//! The `try_` forms never wait, so they are free of the order, and what they take counts for later waits.
//!
//! Ids are compared across the whole process, in all crates, as far as one copy of raddle is linked. Cargo refuses a second,
//! incompatible version in one build (`links = "raddle"`). A dynamic library that links its own copy is separate: its locks
//! and those of the program know nothing of each other.
//!
//! The proof is about ordered locks. A thread that holds one while it waits for a cell, a group or a channel must know
//! that the other side does not need that lock. The recipe: let go first, or wait with a limit.
//!
//! # Memory ordering
//! What a thread did before the left happens-before what follows the right.
//!
//! <div style="overflow-x: auto"><div style="min-width: 46em">
//!
//! | of | before | after |
//! | --- | --- | --- |
//! | [`OrderedMutex`], one or in a set | a guard is dropped, be it by a panic | the lock is taken next, to be mended or otherwise |
//! | [`OrderedRwLock`] | a writer's guard is dropped | the lock is taken later, to read or to write |
//! | | a reader's guard is dropped | the lock is taken later, to write |
//! | [`OnceCell`] | an initialiser ends with a value, or `set` does | any call returns the value |
//! | | an initialiser fails or panics | the next initialiser begins |
//! | [`Lazy`] | the initialiser ends | any access returns the value |
//! | [`WaitGroup`] | a worker is dropped, be it by a panic | a wait returns that it let go, or that found it gone |
//! | [`CancelToken`] | the cancel that took effect | a call reports it: [`Stopped::Cancelled`], `is_cancelled`, `wait`, `cause` |
//! | [`SendWithin`], [`RecvWithin`] | a value is sent | it is received, as in crossbeam-channel |
//! | [`Counter`], [`ShardedCounter`] | nothing | nothing: each change is one step and orders no other memory |
//!
//! </div></div>
//!
//! Nor does anything else order: a `try_` form that fails, a limit or deadline that passes, `is_poisoned`,
//! `clear_poison`, `count`, `get` while there is no value, `Debug`. After waiting for [`CancelToken::done`][done], ask
//! [`CancelToken::check`].
//!
//! # Errors
//! A call that returns one has taken, sent and changed nothing. (But for `Init` and `Panicked`: there somebody's work
//! has begun.)
//!
//! <div style="overflow-x: auto"><div style="min-width: 50em">
//!
//! | error | what happened | what to do |
//! | --- | --- | --- |
//! | [`LockError::Duplicate`] | a set names a lock twice, or two locks with one id | name each lock once, give each its own id |
//! | [`LockError::OutOfOrder`] | `wanted` is not above `held`, which this thread holds | let go first, or take both in one `lock_all`; a lock found late: `try_lock` |
//! | [`LockError::Poisoned`] | a thread panicked while it could change the value | mend the value with `clear_poison_with`, or give up |
//! | [`LockError::WouldBlock`] | a `try_` form would have to wait | let go of what is held and take all in one `lock_all`, or do without |
//! | [`Stopped::TimedOut`] (\*) | the limit's time has passed | try again later, allow more time, or answer "busy" |
//! | [`Stopped::Cancelled`] (\*) | the limit's token was cancelled | stop this work; `cause` of the token may say why |
//! | [`InitError::Reentrant`] | an initialiser asked for the value that it makes | pass it what it needs |
//! | [`InitError::Init`] | the caller's own initialiser failed | as its error says; the next call tries again |
//! | [`WorkerPanicked`], [`WaitError::Panicked`] | all workers are done, one of them by a panic | make up for its work, then `clear_panicked` |
//! | [`SendWithinError::Disconnected`] | there is no receiver any more | stop sending; the value is in the error |
//! | [`RecvWithinError::Disconnected`] | the channel is empty and has no sender any more | stop receiving: the normal end |
//!
//! </div></div>
//!
//! (\*) By itself from a token's `check`, `wait` and `sleep` and from `OnceCell::wait_within`; elsewhere in the variant
//! `Stopped` of the call's error. It converts into each of these errors but `SendWithinError`.
//!
//! All are [`std::error::Error`]s whose text says what happened, to which lock, and what to do; so `?` takes each into
//! a `Box<dyn Error>`, and, but for those that carry a value or an initialiser's error, into an [`std::io::Error`]
//! of the fitting kind.
//!
//! `Duplicate`, `OutOfOrder` and `Reentrant` are mistakes in the program. Given the locks that the thread itself holds at the
//! call, and the initialisers that it runs, the answer depends on ids alone: never on whether a lock is free, nor on what
//! other threads do. What a thread holds may itself depend on timing in two cases:
//! * Under work stealing (rayon's `join`, `scope` and parallel iterators) a thread that waits may run another job, under the
//!   guards that it holds. Hold none there; [the recipe](recipes::locks) says how.
//! * An initialiser that locks does so under the locks of the caller that comes first. In a [`Lazy`], an `OutOfOrder` is a
//!   panic, and poisons the value for good: whether it does depends on which caller forces it first. Use
//!   [`OnceCell::get_or_try_init`], or force the value before locking; see [the recipe](recipes::values).
//!
//! The crate panics only where the return type has no room for an error, and the panic names the caller's line: an
//! initialiser that asks for its own value in a form without an error for that, an access to a [`Lazy`] value whose
//! initialiser panicked, a third token in a [`Limit`], an index that a set does not have, more than 2^31 workers of one
//! group, and `done` where the system gives no thread.
//!
//! # Model checking
//! Built with `--cfg loom` and the feature `loom`, the same types run under [loom](https://docs.rs/loom), so a dependent
//! crate's own loom tests go straight through them. Constructors are not `const` there, and `raddle::model::advance` moves
//! the clock that limits are measured by. The repository's `docs/models.md` has an example, section "Your own models".
//!
//! # Features
//! * `crossbeam-channel`: sending and receiving within a limit ([`SendWithin`], [`RecvWithin`]), and a token's channel
//!   for `select!` ([`CancelToken::done`][done]).
//! * `serde`: [`OrderedMutex`], [`OrderedRwLock`] and their [`LockId`], [`OnceCell`] and [`Counter`] can be written and read.
//! * `loom`: see above; no effect without `--cfg loom`.
//!
//! # Global allocators and signal handlers
//! | what | in a global allocator | in a signal handler |
//! | --- | --- | --- |
//! | [`Counter`]; a token's [`check`](CancelToken::check) and [`is_cancelled`](CancelToken::is_cancelled); [`OnceCell::get`] | yes | yes |
//! | the `try_` forms of [`OrderedMutex`] and [`OrderedRwLock`], on a lock that no thread waits for (each takes it by a `try_` form); [`try_lock_all`] of up to 16 | yes | no |
//! | everything else: waiting, waking and cancelling allocate and take locks; a thread's first [`ShardedCounter::add`] allocates | no | no |
//!
//! # Forks
//! A forked child inherits what these types hold, and no thread but the one that forked. Locks that other threads held stay locked,
//! and workers of theirs stay counted, as for any lock. Nor may the child rely on a wait with a limit, and neither may it with
//! `parking_lot`: the table of sleeping threads that both use is the parent's copy, in which another thread may have been in a
//! critical section. So fork before there are threads, or call `exec` in the child. [`CancelToken::done`][done] works in a child.
//!
//! # Platforms
//! Everywhere that `std` has threads and 64-bit atomics. Where thread-locals are none of the linker's (Windows with the `gnu`
//! toolchain, Android, OpenBSD, illumos), a thread's destructors of thread-locals may find that what it holds is forgotten:
//! keep no guard in a thread-local there.
//!
#![cfg_attr(
    not(feature = "crossbeam-channel"),
    doc = "\
[`SendWithin`]: https://docs.rs/raddle/latest/raddle/trait.SendWithin.html
[`RecvWithin`]: https://docs.rs/raddle/latest/raddle/trait.RecvWithin.html
[`SendWithinError::Disconnected`]: https://docs.rs/raddle/latest/raddle/enum.SendWithinError.html#variant.Disconnected
[`RecvWithinError::Disconnected`]: https://docs.rs/raddle/latest/raddle/enum.RecvWithinError.html#variant.Disconnected
[done]: https://docs.rs/raddle/latest/raddle/struct.CancelToken.html#method.done"
)]
#![cfg_attr(feature = "crossbeam-channel", doc = "[done]: CancelToken::done")]

mod cancel;
#[cfg(feature = "crossbeam-channel")]
mod channel;
mod counter;
mod lock;
#[cfg(all(loom, any(test, feature = "loom")))]
pub mod model;
mod once;
#[cfg(feature = "serde")]
mod serialize;
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
#[doc = "[recipes for waiting]: crate::recipes::waiting\n"]
#[doc = include_str!("../docs/moving.md")]
pub mod moving {}

// The examples of the README and of the page on models are tested along with the others.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
#[cfg(doctest)]
#[doc = include_str!("../docs/models.md")]
struct Models;

#[cfg(all(loom, test))]
#[path = "../tests/loom/mod.rs"]
mod models;
