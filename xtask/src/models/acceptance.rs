//! The acceptance tests of the corrected loom, which published loom must fail.

use std::path::Path;
use std::process::Stdio;
use std::time::Instant;

use super::{build, each};

const TESTS: &str = "loomed-acceptance";

/// Runs them on the corrected loom, and enough of them on the published one to see it fail.
pub(super) fn run() -> Result<(), String> {
    let corrected = build::corrected(TESTS)?;
    let published = build::published(TESTS)?;

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
