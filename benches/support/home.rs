//! Where figures are kept.

use std::env;
use std::path::{Path, PathBuf};

/// Has relative paths count from the root of the repository, as Cargo's do: it starts the benches in their own folder.
pub(crate) fn enter_root() {
    // A program that was taken elsewhere stays where it is.
    let _ = env::set_current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/.."));
}

/// As Criterion finds it, save that where Criterion asks `cargo metadata`, Cargo's `CARGO_TARGET_TMPDIR` tells as much.
pub(crate) fn criterion_home() -> PathBuf {
    if let Some(home) = env::var_os("CRITERION_HOME") {
        return home.into();
    }
    let target = env::var_os("CARGO_TARGET_DIR").map(PathBuf::from);
    let target = target.or_else(|| Path::new(env!("CARGO_TARGET_TMPDIR")).parent().map(Path::to_owned));
    target.unwrap_or_else(|| "target".into()).join("criterion")
}
