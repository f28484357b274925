//! Cancellation. Each imports what stands before it: [`tree`], the tree that tokens form; [`calls`], how callbacks are called;
//! [`deadline`], what happens at one; [`token`], the public type. It is heard of by a guard, [`on_drop`]; in a callback, [`on_cancel`]; in what
//! blocks elsewhere, [`interrupting`]; in an async task, [`future`]; and in a `select!`, `done`. The flag of a token, and the lists of threads that
//! sleep under it and of callbacks, is a node of `wait`.

mod calls;
mod deadline;
#[cfg(feature = "crossbeam-channel")]
mod done;
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
