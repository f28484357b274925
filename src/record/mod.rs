//! Who holds what, and who waits for it.

pub(crate) mod held;
mod hold;
mod id;
mod list;
mod spill;

pub(crate) use hold::Of;
pub use id::LockId;
pub(crate) use list::{Linked, Links, List};
