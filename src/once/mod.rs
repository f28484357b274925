//! Values that are initialised once: [`cell`] and [`lazy`] are the public types, [`raw`] is the mechanism.

mod cell;
mod error;
mod lazy;
mod raw;

pub use cell::OnceCell;
pub use error::InitError;
pub use lazy::Lazy;
