//! The package as it would be uploaded: built, and tested where it was unpacked, with the versions of its lockfile and with
//! the oldest that its manifest allows.

use std::fs;

use super::{Result, root, succeed};

pub(crate) fn run() -> Result {
    // Cargo unpacks what it made, builds it there, and leaves it.
    let folder = root().join("target/package");
    let _ = fs::remove_dir_all(&folder);
    succeed(crate::cargo().args(["package", "--package", "raddle", "--locked", "--allow-dirty"]))?;
    let unpacked = fs::read_dir(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    let unpacked = unpacked.flatten().map(|entry| entry.path()).find(|path| path.join("Cargo.toml").is_file());
    let unpacked = unpacked.ok_or("cargo package has unpacked nothing")?;
    let cargo = || {
        let mut cargo = crate::cargo();
        // What both have in common is built once.
        cargo.current_dir(&unpacked).env("CARGO_TARGET_DIR", root().join("target"));
        cargo
    };
    succeed(cargo().args(["test", "--all-features", "--locked"]))?;
    // The option is unstable, what is built with it is not.
    succeed(cargo().args(["update", "-Zdirect-minimal-versions", "--quiet"]).env("RUSTC_BOOTSTRAP", "1"))?;
    let tests = ["--lib", "--test", "it", "--", "--skip", "stress", "--skip", "examples", "--skip", "transfer"];
    succeed(cargo().args(["test", "--all-features", "--locked"]).args(tests))
}
