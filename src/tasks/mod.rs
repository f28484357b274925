//! Threads that share a token and a fate. Each imports what stands before it: [`error`], why a task was not begun; [`chain`], whose
//! task a thread is; [`state`], what the threads of a scope share; [`task`] is one of them, and its handle; [`spawn`], what begins them;
//! [`scope`](mod@scope) is the call.

mod chain;
mod error;
mod scope;
mod spawn;
mod state;
mod task;

pub use error::SpawnError;
pub use scope::scope;
pub use spawn::Tasks;
pub use task::Task;
