//! The package, built and tested by the oldest compiler that its manifest promises, with the newest dependencies that this one
//! takes: so with the older of both versions of `parking_lot_core` that it works with.

use std::fs;
use std::process::{Command, Stdio};

use super::package::unpacked;
use super::{Result, root, succeed};

/// What the newest compilers do not get.
const CORE: &str = "name = \"parking_lot_core\"\nversion = \"0.9.";

/// Why it was not run, if the compiler cannot be had.
pub(crate) fn run() -> Result<Option<String>> {
    let manifest = fs::read_to_string(root().join("Cargo.toml")).map_err(|error| error.to_string())?;
    let version = manifest.lines().find_map(|line| line.strip_prefix("rust-version = \"")?.strip_suffix('"'));
    // A version of three numbers is one of rustup's names; one of two is its newest.
    let version = format!("{}.0", version.ok_or("Cargo.toml has no rust-version")?);
    if let Err(why) = install(&version) {
        return Ok(Some(why));
    }
    let folder = unpacked()?;
    let lockfile = folder.join("Cargo.lock");
    fs::remove_file(&lockfile).map_err(|error| format!("{}: {error}", lockfile.display()))?;
    let cargo = || {
        let mut cargo = Command::new("rustup");
        cargo.args(["run", &version, "cargo"]).current_dir(&folder).env("CARGO_TARGET_DIR", root().join("target/msrv"));
        // As it would be without this compiler's cargo around it.
        for name in ["CARGO", "RUSTC", "RUSTDOC", "RUSTUP_TOOLCHAIN"] {
            cargo.env_remove(name);
        }
        cargo
    };
    // As cargo resolves elsewhere than in this repository, whose own configuration it would find.
    let resolver = ("CARGO_RESOLVER_INCOMPATIBLE_RUST_VERSIONS", "fallback");
    succeed(cargo().args(["generate-lockfile", "--quiet"]).env(resolver.0, resolver.1))?;
    let locked = fs::read_to_string(&lockfile).map_err(|error| error.to_string())?;
    if !locked.contains(CORE) {
        return Err("it does not resolve to parking_lot_core 0.9".to_owned());
    }
    // For tests that set the crate beside a younger std.
    let flags = ("RUSTFLAGS", "--cfg oldest_compiler");
    succeed(cargo().args(["test", "--all-features", "--locked"]).env(flags.0, flags.1))?;
    // What those have who test their own code under loom.
    succeed(cargo().args(["check", "--all-features", "--locked", "--lib"]).env(flags.0, "--cfg loom"))?;
    Ok(None)
}

fn install(version: &str) -> Result {
    let rustup = |args: &[&str]| {
        let output = Command::new("rustup").args(args).stdin(Stdio::null()).output();
        output.map_err(|error| format!("rustup does not start: {error}"))
    };
    if rustup(&["run", version, "rustc", "--version"])?.status.success() {
        return Ok(());
    }
    let installed = rustup(&["toolchain", "install", version, "--profile", "minimal"])?;
    match installed.status.success() {
        true => Ok(()),
        false => Err(format!("no Rust {version}: {}", String::from_utf8_lossy(&installed.stderr).trim_end())),
    }
}
