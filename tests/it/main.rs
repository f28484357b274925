//! The integration tests, on real threads and the shipped code.
#![cfg(not(all(loom, feature = "loom")))]

mod asleep;
mod blocking;
mod cancel;
#[cfg(feature = "crossbeam-channel")]
mod channel;
mod counter;
mod hostile;
mod lock;
mod once;
mod properties;
mod rwlock;
mod stress;
#[cfg(not(miri))]
mod transfer;
mod trees;
mod types;
mod wait_group;
