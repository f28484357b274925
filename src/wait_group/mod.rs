//! Waiting until a number of workers are done: [`group`] and its [`worker`]s are the public types, [`state`] the word
//! that a group is made of.

mod error;
mod group;
mod state;
mod worker;

pub use error::{WaitError, WorkerPanicked};
pub use group::WaitGroup;
pub use worker::{OwnedWorker, Worker};
