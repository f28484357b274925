//! The integration tests, on real threads and the shipped code.
#![cfg(not(all(loom, feature = "loom")))]

#[cfg(not(miri))]
mod transfer;
