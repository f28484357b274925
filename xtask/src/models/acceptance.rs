//! The acceptance tests of the corrected loom, which published loom must fail.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Instant;

use super::mirror::{self, Files};
use super::{build, each, loom};

const TESTS: &str = "xtask/loom/acceptance";

/// Runs them on the corrected loom, and enough of them on the published one to see it fail.
pub(super) fn run() -> Result<(), String> {
    let corrected = build("acceptance", Some(&loom::correct()?))?;
    let published = build("acceptance-on-published", None)?;

    eprintln!("== acceptance tests on corrected loom");
    if !passes(&corrected, &[]) {
        return Err("the corrected loom fails its acceptance tests".to_owned());
    }
    eprintln!("== acceptance tests on published loom, which must fail them");
    if passes(&published, &["random::interleavings_of_atomics"]) {
        return Err("published loom passes: the acceptance tests notice nothing".to_owned());
    }
    Ok(())
}

/// Runs the tests, and prints what they count.
fn passes(binary: &Path, tests: &[&str]) -> bool {
    let start = Instant::now();
    let mut command = each::unbounded(binary);
    command.args(tests).arg("--nocapture").env("RUST_BACKTRACE", "0").stderr(Stdio::piped());
    let output = command.output().expect("the acceptance tests start");
    let stdout = String::from_utf8_lossy(&output.stdout).into_owned();
    let counts = stdout.lines().filter(|line| line.contains(" programs ") || line.starts_with("test result"));
    counts.for_each(|line| println!("{line}"));
    println!("{:.1} s", start.elapsed().as_secs_f64());
    if tests.is_empty() && !output.status.success() {
        println!("{stdout}{}", String::from_utf8_lossy(&output.stderr));
    }
    output.status.success()
}

/// Builds a copy of the tests on the loom at that path, or on the published one.
fn build(name: &str, loom: Option<&Path>) -> Result<PathBuf, String> {
    let folder = super::corrected().join(name);
    let mut files = Files::new();
    for name in ["src", "Cargo.toml"] {
        mirror::collect(&super::root().join(TESTS), Path::new(name), &mut files)?;
    }
    if let Some(loom) = loom {
        let manifest = files.get_mut(Path::new("Cargo.toml")).expect("it was collected");
        *manifest = mirror::with_loom(&String::from_utf8_lossy(manifest), loom).into_bytes();
    }
    mirror::update(&folder, &files)?;
    mirror::lock(&folder)?;
    build::executable(build::below(&folder), &["--lib"])
}
