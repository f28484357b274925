//! The package as it would be uploaded: built, and tested where it was unpacked, with the versions of its lockfile or with
//! the oldest that its manifest allows.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::{Result, root, succeed};

pub(crate) fn run() -> Result {
    succeed(cargo(&unpacked()?).args(["test", "--all-features", "--locked"]))
}

/// With the oldest versions of what it names itself.
pub(crate) fn minimal() -> Result {
    let folder = unpacked()?;
    // The option is unstable, what is built with it is not.
    succeed(cargo(&folder).args(["update", "-Zdirect-minimal-versions", "--quiet"]).env("RUSTC_BOOTSTRAP", "1"))?;
    let tests = ["test", "--all-features", "--locked", "--lib", "--test", "it", "--"];
    let skipped = ["stress", "transfer", "connection_pool"].map(|tests| format!("--skip={tests}"));
    succeed(cargo(&folder).args(tests).args(skipped))
}

/// Cargo unpacks what it made, builds it there, and leaves it.
pub(super) fn unpacked() -> Result<PathBuf> {
    let folder = root().join("target/package");
    let _ = fs::remove_dir_all(&folder);
    succeed(crate::cargo().args(["package", "--package", "raddle", "--locked", "--allow-dirty"]))?;
    let entries = fs::read_dir(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    let unpacked = entries.flatten().map(|entry| entry.path()).find(|path| path.join("Cargo.toml").is_file());
    unpacked.ok_or("cargo package has unpacked nothing".to_owned())
}

fn cargo(folder: &Path) -> Command {
    let mut cargo = crate::cargo();
    // What it has in common with the repository is built once.
    cargo.current_dir(folder).env("CARGO_TARGET_DIR", root().join("target"));
    cargo
}
