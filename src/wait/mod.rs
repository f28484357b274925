//! Waiting: how long ([`limit`]), how (`block`, the one loop in which a thread sleeps), and the raw lock.

mod block;
mod limit;
mod raw_mutex;

pub(crate) use block::{Waiter, block};
pub(crate) use limit::Timer;
pub use limit::{Limit, Stopped};
pub(crate) use raw_mutex::{RawMutex, Refused};
