//! Threads that share a token and a fate. Each imports what stands before it: [`error`], why a task was not begun; [`chain`], whose
//! task a thread is; [`state`], what the threads of a scope share; [`task`] is one of them, and its handle; [`scope`](mod@scope) is
//! the call,
//! and what its body is lent.

mod chain;
mod error;
mod scope;
mod state;
mod task;

pub use error::SpawnError;
pub use scope::{Tasks, scope};
pub use task::Task;
