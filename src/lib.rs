//! Blocking concurrency primitives for services that must not hang.
//!
//! | to | use |
//! | --- | --- |
//! | guard values, and acquire several locks at once, in any order, without deadlock | [`OrderedMutex`] and [`lock_all`] |
//! | wait until another thread has changed what a lock guards | [`Condvar`] |
//! | let many threads read or one write, in the same order as the other locks | [`OrderedRwLock`] |
//! | lock records by key, one or several, where there is no object to guard | [`LockTable`] |
//! | initialise a value once, within a limit, or by an initialiser that may fail | [`OnceCell`]; [`Lazy`] |
//! | wait until a number of workers are done, and learn of their panics | [`WaitGroup`] |
//! | let no more than so many threads, or so much work, be under way at once | [`Semaphore`] |
//! | run threads that share a fate: the first failure cancels the others and is the result | [`scope`](scope()) |
//! | count exactly, or up to a bound | [`Counter`] |
//! | count on many threads at the cost of a plain increment | [`ShardedCounter`] |
//! | bound any of these waits by time | [`Limit`] |
//! | end any of these waits from another thread | [`CancelToken`] |
//! | end a call that takes no limit; hear of a cancel in a callback, or in an async task | [`CancelToken::interrupting`]; [`CancelToken::on_cancel`], [`CancelToken::cancelled`] |
//! | see who waits, for what, since when, and who holds that | [`waits`] |
//!
//! Blocking calls come as `op()`, which blocks as long as it takes, and as `op_within(limit)`. The limit is a duration,
//! an instant, a cancel token, or whichever of these comes first. A failure is an error value: a lock out of order, a
//! set that names a lock twice, a poisoned lock, a limit that has passed, a worker that panicked, a re-entrant
//! initialiser, a deadlock through initialisers. The tables below list [all errors](#errors) and [what happens-before what](#memory-ordering).
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
//! [`recipes`] says what to write for a given problem, with an example for each. [`moving`] maps the calls of `std`,
//! `parking_lot`, `once_cell`, `crossbeam`, `happylock`, `lockable`, `tokio-util` and Go to the ones here. (Both are pages of text.)
//!
//! # Why no order of locking can deadlock
//!
#![doc = include_str!("../docs/lock-order.svg")]
//!
//! Every lock has a [`LockId`], and a thread may only *wait* for a lock whose id is above all that it holds: `lock_all`
//! waits for its set in the order of the ids, and a nested call that would have to wait for a lower lock is refused at
//! once, whether or not that lock is free. So along any chain of threads, each of which waits for a lock that the next
//! one holds, the ids rise strictly: the holder of a lock, if it waits at all, waits for a lock above all that it
//! holds. A chain that rises cannot close into a cycle.
//!
#![doc = include_str!("../docs/lock-chain.svg")]
//!
//! A reader of an [`OrderedRwLock`] may also wait for a writer that itself waits for the same lock. The argument is
//! then one about locks: a thread that waits for a lock has its turn once the holders release it; and of all locks that
//! any thread waits for, the holders of the highest wait for none. So these run on and release it, and the turns
//! proceed.
//!
//! The `try_` forms never wait, so the order does not bind them. The locks that they acquire count for later waits.
//!
//! Ids are compared across the whole process, in all crates, as far as one copy of raddle is linked. Cargo refuses a
//! second, incompatible version in one build (`links = "raddle"`). A dynamic library that links its own copy is
//! separate: neither copy sees the locks of the other.
//!
//! # Deadlocks through initialisers
//! The proof is about ordered locks. With cells threads can wait for each other in a cycle: one holds a lock and waits for a cell
//! whose initialiser, on another thread, waits for that lock; or each of two initialisers asks for the other's value. Such a cycle,
//! of any length, through [`OrderedMutex`], [`OrderedRwLock`] (a writer waits for each reader; a reader may wait behind a writer that
//! waits), sets, [`OnceCell`] and [`Lazy`], is found as it closes. The call that would close it ends with [`LockError::Deadlock`] or
//! [`InitError::Deadlock`], which name all members, or with a panic where its type has no room for an error. It holds what it held
//! before, and the others go on once it lets go of that.
//!
//! * No such cycle is missed, and none is reported whose members did not all wait at one moment. One of them gets the error.
//! * A member that has a limit counts like any other. But a call that would panic leaves a cycle in which another member has a limit
//!   to a member that has an error, as if that one had come last; if there is none, a limit will end the wait.
//! * Not found, since nobody can know who will end the wait: cycles through groups, conditions, tokens, interrupts, channels, notes, joins, and
//!   other crates' locks. There the recipe is to release the lock first, or to wait within a limit; and [`waits`] shows who hangs.
//! * A guard that is forgotten (`mem::forget`) counts as held. If its lock is then moved or dropped, that may be taken for a hold
//!   of what is at its address later. Where a thread's thread-locals are made anew as it ends, what it holds is not known.
//!
//! # Memory ordering
//! What a thread did before the event on the left happens-before what follows the event on the right.
//!
//! <div style="overflow-x: auto"><div style="min-width: 46em">
//!
//! | of | before | after |
//! | --- | --- | --- |
//! | [`OrderedMutex`], one or in a set | a guard is dropped, also by a panic | the lock is acquired next, also to recover the value |
//! | [`Condvar`] | a thread changes the value under the lock | a wait with that lock returns or asks its condition, if it acquires it later |
//! | [`OrderedRwLock`] | a writer's guard is dropped | the lock is acquired later, to read or to write |
//! | | a reader's guard is dropped | the lock is acquired later, to write |
//! | | a writer becomes a reader | the lock is acquired later, to read or to write |
//! | [`LockTable`] | a guard of a key is dropped | the lock of the same key is acquired next |
//! | [`OnceCell`] | an initialiser returns a value, or `set` stores one | any call returns the value |
//! | | an initialiser fails or panics | the next initialiser begins |
//! | [`Lazy`] | the initialiser returns | any access returns the value |
//! | [`WaitGroup`] | a worker is dropped, also by a panic | a wait that it blocked, or that found it gone, returns |
//! | [`Semaphore`] | a permit is dropped, also by a panic; permits are added | permits are acquired later |
//! | [`scope`](scope()) | a call of `spawn` | the task begins |
//! | | all that a task does, the drop of its captures included | its `join` returns, `is_finished` says so, or the scope returns |
//! | [`CancelToken`] | the cancel that took effect | a call reports it: [`Stopped::Cancelled`], `is_cancelled`, `wait`, `cause`, a poll of `cancelled` |
//! | | the call of `on_cancel` or `interrupting`; the cancel that took effect | its callback or interrupt begins |
//! | | all that an interrupt does | `interrupting` returns |
//! | [`SendWithin`], [`RecvWithin`] | a value is sent | it is received, as in crossbeam-channel |
//! | [`Counter`], [`ShardedCounter`] | nothing | nothing: each change is one step and orders no other memory |
//!
//! </div></div>
//!
//! Nothing else orders: not a notification by itself, a `try_` form that fails, a limit or deadline that passes, `is_poisoned`, `clear_poison`,
//! `count`, `get` while there is no value, `take_back` of a callback that has begun, or `Debug`. After waiting for [`CancelToken::done`][done], call
//! [`CancelToken::check`].
//!
//! # Errors
//! A call that returns an error has acquired, sent and changed nothing. (Except for `Init` and `Panicked`, where an
//! initialiser or a worker has run, and for the waits of a [`Condvar`], which have released the lock that they were given.)
//!
//! <div style="overflow-x: auto"><div style="min-width: 50em">
//!
//! | error | what happened | what to do |
//! | --- | --- | --- |
//! | [`LockError::Duplicate`] | a set names a lock twice, or two locks with one id | name each lock once, give each its own id |
//! | [`LockError::OutOfOrder`] | `wanted` is not above `held`, which this thread holds | release that first, or acquire both in one `lock_all`; for a lock that is known only under the other: `try_lock` |
//! | [`LockError::Deadlock`], [`InitError::Deadlock`] | the wait would have closed a cycle through [initialisers](#deadlocks-through-initialisers) | release what is held; force the value before locking, or let the initialiser not lock |
//! | [`LockError::Poisoned`] | a thread panicked while it could change the value | recover the value with `clear_poison_with`, or give up |
//! | [`LockError::WouldBlock`] | a `try_` form would have to wait | release what is held and acquire all in one `lock_all`, or do without |
//! | [`Stopped::TimedOut`] (\*) | the limit's time has passed | try again later, allow more time, or answer "busy" |
//! | [`Stopped::Cancelled`] (\*) | the limit's token was cancelled | stop this work; `cause` of the token may say why |
//! | [`InitError::Reentrant`] | an initialiser asked for the value that it initialises | pass it what it needs |
//! | [`InitError::Init`] | the caller's own initialiser failed | as its error says; the next call tries again |
//! | [`WorkerPanicked`], [`WaitError::Panicked`] | all workers are done, at least one by a panic | make up for its work, then `clear_panicked` |
//! | [`SpawnError::System`] | the system refuses a thread for a task | bound the tasks with [`at_most`](Tasks::at_most), or give up |
//! | [`SpawnError::FromTask`] | a task spawns in its own scope, which `at_most` bounds | spawn from the body, or in a scope of the task's own |
//! | [`SendWithinError::Disconnected`] | the channel has no receiver any more | stop sending; the value is in the error |
//! | [`RecvWithinError::Disconnected`] | the channel is empty and has no sender any more | stop receiving: the normal end |
//!
//! </div></div>
//!
//! (\*) A token's `check`, `wait`, `sleep` and `remaining`, `Limit::remaining` and `OnceCell::wait_within` return it as
//! it is, those of a [`Condvar`] beside the guard, and a token's `cancelled` completes with it; the other calls return it in
//! the variant `Stopped` of their error. It converts into each of these errors but `SendWithinError`.
//!
//! All are [`std::error::Error`]s whose text says what happened, to which lock, and what to do. So `?` converts each
//! into a `Box<dyn Error>`, and, except for those that carry a value or an initialiser's error, into an
//! [`std::io::Error`] of the fitting kind.
//!
//! `Duplicate`, `OutOfOrder` and `Reentrant` are mistakes in the program. Given the locks that the thread itself holds
//! at the call, and the initialisers that it runs, the answer depends on ids alone: never on whether a lock is free,
//! nor on what other threads do. What a thread holds may itself depend on timing in two cases:
//! * Under work stealing (rayon's `join`, `scope` and parallel iterators) a thread that waits may run another job while
//!   it holds its guards. Hold none there; [the recipe](recipes::locks) says how.
//! * An initialiser that locks does so under the locks of the caller that comes first. In a [`Lazy`], an `OutOfOrder`
//!   is a panic, which poisons the value permanently: whether it does depends on which caller forces it first. Use
//!   [`OnceCell::get_or_try_init`], or force the value before locking; see [the recipe](recipes::values).
//!
//! The crate panics only where the return type has no room for an error, and the panic names the caller's line: a
//! re-entrant initialiser or a deadlock, in a form that has no error for it; an access to a [`Lazy`] value whose initialiser
//! panicked; a key of a [`LockTable`] whose `Eq` uses a table, or whose `Debug` keeps a lock; a third token in a
//! [`Limit`]; more than [`Semaphore::MAX_PERMITS`]; [`Tasks::at_most`] of zero, or while a task is at work; a task that would wait
//! for its own end; a NUL byte in the name of one; an index that is out of bounds for a set; more than 2^31 workers of one
//! group; and, if there is a deadline and the system cannot create the thread that watches it, `done`, `on_cancel`, `interrupting`,
//! and a poll of `cancelled`, which names a line of the crate. A panic of the caller's code is not the crate's: that of a callback
//! or an interrupt goes on out of the call that runs it, such as `cancel` (at a deadline only the panic hook tells of it), and that of a
//! task out of its `join` or the scope.
//!
//! # What hangs
//! [`waits`] returns every thread that waits in a call of this crate: for what, since when, at which line, and who holds that,
//! acquired at which line; its text reads like a thread dump. [`waiting_for`] tells of a wait that the crate does not know. The
//! error of a limit names the lock and its holder, too. Threads in a dynamic library that links its own copy are not seen.
//!
//! # Model checking
//! Built with `--cfg loom` and the feature `loom`, the same types run under [loom](https://docs.rs/loom), so a
//! dependent crate's own loom tests run through them. Constructors are not `const` there, and `raddle::model::advance`
//! moves the clock that limits are measured by. The repository's `docs/models.md` has an example, section "Your own
//! models".
//!
//! # Features
//! * `crossbeam-channel`: sending and receiving within a limit ([`SendWithin`], [`RecvWithin`]), and a token's channel
//!   for `select!` ([`CancelToken::done`][done]).
//! * `serde`: `Serialize` and `Deserialize` for [`OrderedMutex`], [`OrderedRwLock`] and their [`LockId`], [`OnceCell`]
//!   and [`Counter`].
//! * `loom`: see above; no effect without `--cfg loom`.
//!
//! # Global allocators and signal handlers
//! | what | in a global allocator | in a signal handler |
//! | --- | --- | --- |
//! | [`Counter`]; a token's [`check`](CancelToken::check) and [`is_cancelled`](CancelToken::is_cancelled); [`OnceCell::get`] | yes | yes |
//! | the `try_` forms of [`OrderedMutex`] and [`OrderedRwLock`], on a lock that no thread waits for (every thread acquires it by a `try_` form), up to four guards at once; [`try_lock_all`] of up to 16 | yes | no |
//! | everything else: waiting, waking, cancelling and [`waits`] allocate and acquire locks; a thread's first [`ShardedCounter::add`] allocates | no | no |
//!
//! An allocator that acquires locks may be called again while it holds them, as the record of what a thread holds may grow for them.
//!
//! # Forks
//! A forked child inherits the state of these types, and no thread but the one that forked; [`waits`] shows it its own threads only. Locks that other threads
//! held stay locked, and their workers stay counted, as for any lock. Nor may the child rely on a wait with a limit, as
//! with `parking_lot`: the table of sleeping threads that both use is the parent's copy, in which another thread may
//! have been in a critical section. Nor may the child wake or cancel threads that slept in the parent, whose stacks are
//! reused. So fork before there are threads, or call `exec` in the child. In a child, for a token that no other thread was using at the
//! fork, these work: [`CancelToken::done`][done], [`on_cancel`](CancelToken::on_cancel), [`interrupting`](CancelToken::interrupting), and
//! polls of [`cancelled`](CancelToken::cancelled). What is from before the fork (a callback, an interrupt, a future, a receiver of `done`)
//! is told of a cancel in the child, but not of the deadline, as the thread that watches that is the parent's: not before
//! something is registered, polled or asked for under the same token there. A child is told from its parent by
//! a handler of `pthread_atfork`, so not if it was made by a system call of its own; where there is none, by its id.
//!
//! # Platforms
//! Every platform on which `std` has threads and 64-bit atomics. The integration tests are run on Linux on x86-64 and i686; on
//! Linux on aarch64 under QEMU's user-mode emulation; on Windows (`x86_64-pc-windows-gnu`) under Wine. Those of what happens
//! between threads are also run under Miri for big-endian Linux (s390x), 32-bit FreeBSD, and macOS on aarch64.
//!
//! * Where thread-local storage is not native (Windows with the `gnu` toolchain, Android, OpenBSD, illumos), the record of what a
//!   thread holds may be lost while the destructors of its thread-locals run: keep no guard in a thread-local there.
//! * On Windows no other thread starts or ends while the destructor of a thread-local runs: wait for no other thread in one.
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
mod record;
mod semaphore;
#[cfg(feature = "serde")]
mod serialize;
mod sync;
mod table;
mod tasks;
mod wait;
mod wait_group;

pub use cancel::{CancelOnDrop, CancelToken, CancelledFuture, CancelledFutureOwned, OnCancel};
#[cfg(feature = "crossbeam-channel")]
pub use channel::{RecvWithin, RecvWithinError, SendWithin, SendWithinError};
pub use counter::{Counter, ShardedCounter};
pub use lock::{
    AnyMut, AnyRequest, Condvar, Guard, LockClass, LockError, LockSet, Locked, MappedGuard, MappedRefGuard,
    OrderedMutex, OrderedMutexArcGuard, OrderedMutexGuard, OrderedReadArcGuard, OrderedReadGuard, OrderedRwLock,
    OrderedWriteArcGuard, OrderedWriteGuard, ReadArcRequest, ReadRequest, WriteArcRequest, WriteRequest, lock_all,
    lock_all_within, try_lock_all,
};
pub use once::{InitError, Lazy, OnceCell};
pub use record::{Cycle, Holder, LockId, Note, Wait, Waits, What, waiting_for, waits};
pub use semaphore::{OwnedPermit, Permit, Semaphore};
pub use table::{Keys, LockTable, TableGuard, TableRequest};
pub use tasks::{SpawnError, Task, Tasks, scope};
pub use wait::{Limit, Stopped};
pub use wait_group::{OwnedWorker, WaitError, WaitGroup, Worker, WorkerPanicked};

// Pages of text for rustdoc, whose examples are tested too.
#[cfg(any(doc, doctest))]
pub mod recipes;
#[cfg(any(doc, doctest))]
#[doc = "[recipes for waiting]: crate::recipes::waiting\n[when to write ids]: crate::LockId#when-to-write-ids-and-when-not\n"]
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
