//! A number of permits, for which threads wait in turn: [`semaphore`] and its [`permit`]s are the public types, [`raw`] the words
//! that a semaphore is made of, and the wait.

mod permit;
mod raw;
#[allow(clippy::module_inception, reason = "the type has the name of what it is")]
mod semaphore;

pub use permit::{OwnedPermit, Permit};
pub use semaphore::Semaphore;
