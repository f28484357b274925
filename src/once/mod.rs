//! Values that are made once: [`cell`] and [`lazy`] are what users see, [`raw`] is the mechanism, [`running`] finds an
//! initialiser that calls itself.

mod cell;
mod error;
mod lazy;
mod raw;
mod running;

pub use cell::OnceCell;
pub use error::InitError;
pub use lazy::Lazy;
