//! Waiting until a number of workers are done: [`group`] is what users see with its [`worker`]s, [`state`] the word
//! that it is made of.

mod error;
mod group;
mod state;
mod worker;

pub use error::{WaitError, WorkerPanicked};
pub use group::WaitGroup;
pub use worker::{OwnedWorker, Worker};
