//! Maintenance programs.
fn main() {}
