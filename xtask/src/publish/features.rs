//! Each set of features is checked, and tested, as if there were no other.

use super::{Result, succeed, tool};

/// What is in every such run. `loom` has no effect without its cfg, which has a run of its own.
const SETS: [&str; 3] = ["hack", "--feature-powerset", "--exclude-features=loom"];

pub(crate) fn run() -> Result {
    let hack = || tool::cargo("hack", "0.6.46");
    let tests = ["--lib", "--test", "it", "--", "--skip", "stress", "--skip", "properties", "--skip", "transfer"];
    succeed(hack()?.args(SETS).args(["clippy", "--all-targets", "--", "-D", "warnings"]))?;
    // Those that have no feature and those that have all are tested by `cargo xtask test`, whole.
    let some = ["--exclude-no-default-features", "--exclude-all-features"];
    succeed(hack()?.args(SETS).args(some).arg("test").args(tests).args(["--skip", "examples"]))?;
    let loom = ["hack", "--feature-powerset", "clippy", "--lib", "--", "-D", "warnings"];
    succeed(hack()?.args(loom).envs(crate::LOOM.iter().copied()))
}
