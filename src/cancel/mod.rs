//! Cancellation: [`token`] is the public type, [`tree`] the tree that tokens form, [`on_drop`] a guard. The flag of a
//! token, and the list of threads that sleep under it, is a node of `wait`.

mod on_drop;
mod token;
pub(crate) mod tree;

pub use on_drop::CancelOnDrop;
pub use token::CancelToken;
