//! Each feature is checked, and tested, as if there were no other.

use super::{Result, succeed, tool};

pub(crate) fn run() -> Result {
    let hack = || tool::cargo("hack", "0.6.46");
    // `loom` has no effect without its cfg. What has all features is checked and tested by `cargo xtask test`, whole.
    let alone = ["hack", "--each-feature", "--exclude-features=loom", "--exclude-all-features"];
    succeed(hack()?.args(alone).args(["clippy", "--all-targets", "--", "-D", "warnings"]))?;
    let tests = ["test", "--lib", "--test", "it", "--"];
    let skipped = ["stress", "properties", "transfer", "connection_pool"].map(|tests| format!("--skip={tests}"));
    succeed(hack()?.args(alone).args(tests).args(skipped))?;
    let loom = ["hack", "--feature-powerset", "clippy", "--lib", "--", "-D", "warnings"];
    succeed(hack()?.args(loom).envs(crate::LOOM.iter().copied()))
}
