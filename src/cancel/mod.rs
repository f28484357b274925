//! Cancelling: [`token`] is what users see, [`tree`] how tokens hang together, [`on_drop`] a guard. The flag of a token,
//! and who sleeps under it, is a node of `wait`.

mod on_drop;
mod token;
pub(crate) mod tree;

pub use on_drop::CancelOnDrop;
pub use token::CancelToken;
