//! Waiting, from the ground up; each imports only what stands before it: [`stopped`], why a wait ended early;
//! [`block`](mod@block), the one loop in which a thread sleeps; the raw locks; [`registration`], what cancellers know of
//! a sleeper; [`callback`], what they call besides; [`node`], the part of a cancel token that waits are under, with [`done`], its channel; [`limit`], how long a call may
//! wait; [`sleeper`], a thread under nodes; [`timer`], a limit in one call.

mod block;
mod callback;
#[cfg(feature = "crossbeam-channel")]
mod done;
mod limit;
mod node;
mod raw_mutex;
mod raw_rwlock;
mod registration;
mod sleeper;
mod stopped;
mod timer;

#[cfg(feature = "crossbeam-channel")]
pub(crate) use block::Stop;
pub(crate) use block::{Ended, Patience, Waiter, block, wake_all};
pub(crate) use callback::{Callback, Entry, Lent, Refused as RefusedCallback};
pub use limit::Limit;
pub(crate) use node::{Cancelled, Node};
pub(crate) use raw_mutex::{RawMutex, Refused};
pub(crate) use raw_rwlock::RawRwLock;
pub(crate) use registration::amount;
pub use stopped::Stopped;
pub(crate) use timer::Timer;
