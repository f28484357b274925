//! All models, on loom as published and on the corrected one: `cargo xtask models`.
//!
//! The corrected loom, a copy of the crate that depends on it, and the acceptance tests of that loom are kept up to date
//! in `target/corrected-loom`. `xtask/loom/README.md` says what is corrected, and how that is tested.

mod acceptance;
mod build;
mod each;
mod loom;
mod mirror;

pub(super) use each::unbounded;

use std::fs;
use std::path::{Path, PathBuf};

/// Runs the acceptance tests of the corrected loom, then the models on both looms.
///
/// `slow` includes the models that are ignored otherwise; `table` has the README's table made anew from this run.
pub(super) fn run(slow: bool, table: bool) -> bool {
    all(slow, table).unwrap_or_else(|error| {
        eprintln!("{error}");
        false
    })
}

fn all(slow: bool, table: bool) -> Result<bool, String> {
    let lock = root().join("Cargo.lock");
    let locked = fs::read(&lock).map_err(|error| format!("Cargo.lock: {error}"))?;

    if !table {
        super::table::check()?;
    }
    acceptance::run()?;
    let binaries = [("published", published_binary()?), ("corrected", corrected_binary()?)];
    let (mut passed, mut failed) = (0, 0);
    let mut output = String::new();
    for (loom, binary) in binaries {
        eprintln!("== models on {loom} loom");
        for model in each::run(&binary, slow) {
            if model.passed {
                passed += 1
            } else {
                failed += 1
            }
            output += &model.searches();
        }
    }

    if fs::read(&lock).ok().as_ref() != Some(&locked) {
        return Err("Cargo.lock has changed meanwhile".to_owned());
    }
    if table && failed == 0 {
        super::table::write(&output)?;
    }
    println!("{passed} passed, {failed} failed");
    Ok(failed == 0)
}

/// The models on loom as published; the path of the test binary.
fn published_binary() -> Result<PathBuf, String> {
    let mut cargo = super::cargo();
    cargo.envs(super::LOOM.iter().copied());
    build::executable(cargo, &["--lib"])
}

/// The models on the corrected loom, brought up to date; the path of the test binary.
pub(super) fn corrected_binary() -> Result<PathBuf, String> {
    let loom = loom::correct()?;
    let folder = corrected().join("raddle");
    mirror::of_the_crate(&folder, &loom)?;
    build::executable(build::below(&folder), &["--lib"])
}

/// The models of a test binary.
pub(super) fn names(binary: &Path) -> Vec<String> {
    each::list(binary, &[])
}

/// The root of the repository.
fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("xtask is in the repository")
}

/// Where everything about the corrected loom is kept.
fn corrected() -> PathBuf {
    root().join("target/corrected-loom")
}
