//! The two worlds that everything above is written against.
//!
//! This is the only place that names atomics, the parking lot, the clock, thread-locals or loom. The shipped build takes
//! `real`; a build that model-checks takes `model`. Both export the same names, so that the lines above are the very
//! same lines in both:
//!
//! | name | shipped | under loom |
//! | --- | --- | --- |
//! | `AtomicU8`, `AtomicU64`, `AtomicPtr`, `Ordering` | core's | loom's |
//! | `Slot` | a byte and a value in one enum | loom's atomic and cell |
//! | `UnsafeCell` | core's, by reference | loom's, each access checked for races |
//! | `park`, `unpark_one`, `unpark_all`, `unpark_filter` | `parking_lot_core` | a queue per address, scheduled by loom |
//! | `now` | the system's monotonic clock | a clock that `raddle::model::advance` moves |
//! | `local!`, `global!`, `per_process!`, `panicking` | thread-locals, statics, one for each process over forks, `std::thread::panicking` | the same per model thread and per execution |
//! | `Spin` | a bounded spin | none: spinning finds nothing that parking does not |
//! | `alarm` | a call at a point in time, from a helper thread | from the thread that moves the clock |
//! | `cleanup` | runs the body of a drop | the same, and survives that loom tears a failed model down |
//! | `Lock` | std's mutex | loom's |
//! | `spawn`, `Running` | a thread that may borrow, as std's | loom's |
//! | `never_unwind` | ends the process on a panic | nothing: a model that has failed unwinds |
//! | `Shown`, `show`, `each_shown` | words that others may read while their thread writes; those of all threads | cells that loom checks; none |
//! | `is_recording` | always | where the model asks for it |
//! | `stamp` | `now` | the clock's start |
//! | `yield_now` | std's | nothing |
//! | `in_register` | keeps an address from being folded into an instruction | the pointer |
//! | `opaque` | a word that is not made into a branch | the word |
//! | `ord!`, `step!`, `covered!` | the literal, `true`, nothing | names that a mutation run can weaken or see |
//! | `HashState` | hashes that nobody can foresee | the same in each execution |
//! | `next_numbers`, `name_class`, `class_name` | numbers and names of the process | the same |
//! | `const_fn!`, `array!` | a `const fn`, an array | a `fn`, since loom's constructors are not const |

#[cfg(all(loom, any(test, feature = "loom")))]
pub(crate) mod model;
#[cfg(all(loom, any(test, feature = "loom")))]
use model as world;

#[cfg(not(all(loom, any(test, feature = "loom"))))]
mod real;
#[cfg(not(all(loom, any(test, feature = "loom"))))]
use real as world;

pub(crate) use world::{
    Alarm, AtomicPtr, AtomicU8, AtomicU64, Due, FilterOp, ForProcess, Global, HashState, Lock, Ordering, ParkResult,
    ParkToken, Running, Shown, Slot, Spin, Thread, ThreadId, UnparkResult, UnparkToken, UnsafeCell, alarm, array,
    cleanup, const_fn, covered, current, each_shown, global, in_register, is_recording, local, never_unwind, now,
    opaque, ord, owned_load, park, per_process, show, spawn, stamp, step, unpark_all, unpark_filter, yield_now,
};

#[cfg(not(all(loom, any(test, feature = "loom"))))]
pub(crate) use world::PerProcess;

mod first_panic;
mod names;
mod panic_watch;

pub(crate) use first_panic::{FirstPanic, Payload};
pub(crate) use names::{class_name, name_class, next_numbers};
pub(crate) use panic_watch::PanicWatch;
pub(crate) use std::time::Instant;
use world::panicking;
pub(crate) use world::thread_id;
