//! Values that are initialised once: [`cell`] and [`lazy`] are the public types, [`raw`] is the mechanism, [`running`]
//! detects re-entrant initialisers.

mod cell;
mod error;
mod lazy;
mod raw;
mod running;

pub use cell::OnceCell;
pub use error::InitError;
pub use lazy::Lazy;
