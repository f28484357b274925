//! Waiting: how long ([`limit`], and [`timer`] in one call), under which cancel tokens (their [`node`]s, and the
//! [`sleeper`]s there), how ([`block`](mod@block), the one loop in which a thread sleeps), and the raw locks.

mod block;
#[cfg(feature = "crossbeam-channel")]
mod done;
mod limit;
mod list;
mod node;
mod raw_mutex;
mod raw_rwlock;
mod sleeper;
mod stopped;
mod timer;

pub(crate) use block::{Patience, Waiter, block};
pub use limit::Limit;
pub(crate) use list::{Linked, Links, List};
pub(crate) use node::{Cancelled, Node};
pub(crate) use raw_mutex::{RawMutex, Refused};
pub(crate) use raw_rwlock::RawRwLock;
pub(crate) use sleeper::flags;
pub use stopped::Stopped;
pub(crate) use timer::Timer;
