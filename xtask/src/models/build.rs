//! Building test binaries with cargo.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Cargo, in a folder below `target/`, for a build under loom. What it has in common with the crate's own is built once.
pub(super) fn below(folder: &Path) -> Command {
    let mut cargo = crate::cargo();
    cargo.current_dir(folder).envs(crate::LOOM.iter().copied());
    cargo.env("CARGO_TARGET_DIR", super::root().join("target/loom"));
    cargo
}

/// Builds the test binary that the arguments name, in release; its path.
pub(super) fn executable(mut cargo: Command, args: &[&str]) -> Result<PathBuf, String> {
    cargo.args(["test", "--release", "--no-run", "--message-format=json-render-diagnostics"]).args(args);
    let output = cargo.stderr(Stdio::inherit()).output().map_err(|error| format!("cargo did not start: {error}"))?;
    if !output.status.success() {
        return Err(format!("cargo test --no-run: {}", output.status));
    }
    let messages = String::from_utf8_lossy(&output.stdout).into_owned();
    let executable = messages.lines().rev().find_map(|line| {
        let message: serde_json::Value = serde_json::from_str(line).ok()?;
        message["executable"].as_str().map(PathBuf::from)
    });
    executable.ok_or_else(|| "cargo test --no-run named no executable".to_owned())
}
