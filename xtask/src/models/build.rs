//! Building test programs on either loom.

use std::path::PathBuf;
use std::process::{Command, Stdio};

/// What `cargo test` is told besides the package.
const BUILD: [&str; 5] = ["--release", "--lib", "--no-run", "--message-format=json-render-diagnostics", "--package"];

/// The test program of a package's library on loom as published.
pub(super) fn published(package: &str) -> Result<PathBuf, String> {
    let mut cargo = crate::cargo();
    cargo.envs(crate::LOOM.iter().copied()).arg("test");
    executable(cargo, package)
}

/// The same on the corrected loom.
pub(super) fn corrected(package: &str) -> Result<PathBuf, String> {
    let mut cargo = crate::cargo();
    cargo.args(["run", "--quiet", "--package=cargo-loomed", "--", "test"]);
    executable(cargo, package)
}

fn executable(mut test: Command, package: &str) -> Result<PathBuf, String> {
    let output = test.args(BUILD).arg(package).stderr(Stdio::inherit()).output();
    let output = output.map_err(|error| format!("cargo did not start: {error}"))?;
    if !output.status.success() {
        return Err(format!("cargo test --no-run --package {package}: {}", output.status));
    }
    let messages = String::from_utf8_lossy(&output.stdout).into_owned();
    let executable = messages.lines().rev().find_map(|line| {
        let message: serde_json::Value = serde_json::from_str(line).ok()?;
        message["executable"].as_str().map(PathBuf::from)
    });
    executable.ok_or_else(|| "cargo test --no-run named no executable".to_owned())
}
