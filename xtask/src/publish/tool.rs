//! Cargo subcommands that are installed where the machine does not have them.

use std::env;
use std::process::{Command, Stdio};

use super::{Result, root, succeed};

/// Cargo, with this subcommand to be found. A missing one is installed below `target/tools`.
pub(super) fn cargo(subcommand: &str, version: &str) -> Result<Command> {
    let tools = root().join("target/tools");
    let mut path = vec![tools.join("bin")];
    path.extend(env::split_paths(&env::var_os("PATH").unwrap_or_default()));
    let path = env::join_paths(path).map_err(|error| error.to_string())?;
    let cargo = || {
        let mut cargo = crate::cargo();
        cargo.env("PATH", &path);
        cargo
    };
    let there = cargo().args([subcommand, "--version"]).stdout(Stdio::null()).stderr(Stdio::null()).status();
    if !there.is_ok_and(|status| status.success()) {
        let (name, folder) = (format!("cargo-{subcommand}@{version}"), tools.to_string_lossy().into_owned());
        succeed(cargo().args(["install", "--quiet", "--locked", "--root", &folder, &name]))?;
    }
    Ok(cargo())
}
