//! All models, on loom as published and on the corrected one: `cargo xtask models`.
//!
//! `loomed/README.md` says what is corrected, and how that is tested.

mod acceptance;
mod build;
mod each;

pub(super) use each::unbounded;

use std::path::{Path, PathBuf};

/// Whose models they are.
const CRATE: &str = "raddle";

/// What is run besides the models that end within seconds, on both looms.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Extent {
    Usual,
    /// On the corrected loom only, for who has just run the others.
    Corrected,
    /// The models that are ignored otherwise, too.
    Slow,
    /// These as well; the table in docs/models.md is written from this run.
    Table,
}

/// Runs the acceptance tests of the corrected loom, then the models.
pub(super) fn run(extent: Extent) -> bool {
    match extent {
        Extent::Corrected => passing(true).is_some(),
        _ => all(extent).unwrap_or_else(|error| {
            eprintln!("{error}");
            false
        }),
    }
}

/// The test binary of the models on the corrected loom, and its models, quick ones first, if all of them pass; and before them,
/// where that is asked for, the acceptance tests of that loom.
pub(super) fn passing(acceptance: bool) -> Option<(PathBuf, Vec<String>)> {
    let binary = || {
        if acceptance {
            super::table::check()?;
            acceptance::run()?;
        }
        build::corrected(CRATE)
    };
    let binary = binary().map_err(|error| eprintln!("{error}")).ok()?;
    eprintln!("== models on corrected loom");
    let mut models = each::run(&binary, false);
    let failed = models.iter().filter(|model| !model.passed).count();
    println!("{} passed, {failed} failed", models.len() - failed);
    models.sort_by(|a, b| a.seconds.total_cmp(&b.seconds));
    let names: Vec<_> = models.into_iter().map(|model| model.name).collect();
    (failed == 0 && !names.is_empty()).then_some((binary, names))
}

/// Runs the models on loom as published, but for those that are ignored there.
///
/// Each in a process of its own: within one they hold each other up, as every execution maps its threads' stacks anew.
pub(super) fn published() -> bool {
    match build::published(CRATE) {
        Ok(binary) => {
            let models = each::run(&binary, false);
            let failed = models.iter().filter(|model| !model.passed).count();
            println!("models: {} passed, {failed} failed", models.len() - failed);
            failed == 0 && !models.is_empty()
        }
        Err(error) => {
            eprintln!("{error}");
            false
        }
    }
}

fn all(extent: Extent) -> Result<bool, String> {
    let table = extent == Extent::Table;
    let slow = table || extent == Extent::Slow;

    if !table {
        super::table::check()?;
    }
    acceptance::run()?;
    let binaries = [("published", build::published(CRATE)?), ("corrected", build::corrected(CRATE)?)];
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

    if table && failed == 0 {
        super::table::write(&output)?;
    }
    println!("{passed} passed, {failed} failed");
    Ok(failed == 0)
}

/// The models of a test binary that end within seconds.
pub(super) fn names(binary: &Path) -> Vec<String> {
    let slow = slow(binary);
    each::list(binary, &[]).into_iter().filter(|name| !slow.contains(name)).collect()
}

/// The others.
pub(super) fn slow(binary: &Path) -> Vec<String> {
    each::list(binary, &["--ignored"])
}
