//! Cancellation. Each imports what stands before it: [`tree`], the tree that tokens form; [`calls`], how callbacks are called;
//! [`deadline`], what happens at one; [`token`], the public type, with [`on_drop`], a guard, [`on_cancel`], callbacks, [`interrupting`], those
//! around a call, and [`future`], those for async tasks. The flag of a token, and the lists of threads that sleep under it and of
//! callbacks, is a node of `wait`.

mod calls;
mod deadline;
mod future;
mod interrupting;
mod on_cancel;
mod on_drop;
mod token;
pub(crate) mod tree;

pub use future::{CancelledFuture, CancelledFutureOwned};
pub use on_cancel::OnCancel;
pub use on_drop::CancelOnDrop;
pub use token::CancelToken;
