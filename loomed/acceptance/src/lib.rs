//! What a loom must find that a claim rests on: the acceptance tests of the corrected loom.
//!
//! Random programs, the same ones every time, are explored by loom and by brute force; [`litmus`] has those that are
//! worth a name. `cargo xtask models` runs this on the corrected loom, which must pass, and on the published one, which
//! must not. [`traps`] has what a model may do in destructors and while it fails.
#![cfg(all(test, loom))]

mod c11;
mod explore;
mod interleavings;
mod litmus;
mod parking;
mod program;
mod random;
mod traps;
