//! What a run of the benches leaves below `target/criterion`: Criterion's own files, what the gate saw, and which
//! benchmarks there are.

mod figure;
mod inventory;
mod programs;

pub(super) use figure::{Each, Figure, Gate};
pub(super) use inventory::{Entry, FAST, Goal, Group, Inventory, Role, What};
pub(super) use programs::{Progress, listed, programs, succeed};

use std::fs;
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;

/// What goes wrong is for a person to read.
pub(super) type Result<T = ()> = std::result::Result<T, String>;

/// The root of the repository.
pub(super) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("xtask is a folder of the repository")
}

/// Where Cargo builds.
pub(super) fn target() -> PathBuf {
    // A relative one counts from where Cargo runs, which is the root.
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), |target| root().join(target))
}

/// Where the benches keep their figures, unless they are told.
pub(super) fn criterion_home() -> PathBuf {
    std::env::var_os("CRITERION_HOME").map_or_else(|| target().join("criterion"), |home| root().join(home))
}

/// A JSON file as `T`; a complaint names the file.
pub(super) fn read<T: DeserializeOwned>(path: &Path) -> Result<T> {
    let text = fs::read(path).map_err(|error| format!("{}: {error}", path.display()))?;
    serde_json::from_slice(&text).map_err(|error| format!("{}: {error}", path.display()))
}

pub(super) fn write(path: &Path, text: &str) -> Result {
    let folder = path.parent().expect("a file is in a folder");
    fs::create_dir_all(folder)
        .and_then(|()| fs::write(path, text))
        .map_err(|error| format!("{}: {error}", path.display()))
}

#[cfg(test)]
pub(super) mod recorded;
