//! The record of the public API, so that each change to it shows in review.

use std::fs;
use std::path::PathBuf;

use diffy::create_patch;
use public_api::Builder;
use serde::Deserialize;

use super::{Result, root, succeed};

/// How the record is made anew.
const RECORD: &str = "cargo xtask api --record";

/// Which form of rustdoc's output this version of `public-api` reads.
const FORM: u32 = 57;

#[derive(Deserialize)]
struct Form {
    format_version: u32,
}

fn path() -> PathBuf {
    root().join("docs/public-api.txt")
}

/// Whether the record is what the sources say, if this compiler can tell; if not, why. Shows the difference.
pub(crate) fn check() -> Result<Option<String>> {
    let recorded = fs::read_to_string(path()).map_err(|error| format!("{}: {error}", path().display()))?;
    let api = match api()? {
        Ok(api) => api,
        Err(why) => return Ok(Some(why)),
    };
    if recorded == api {
        return Ok(None);
    }
    println!("{}", create_patch(&recorded, &api));
    Err(format!("the public API is not the recorded one. If it should change: {RECORD}"))
}

/// Writes the record.
pub(crate) fn record() -> Result {
    fs::write(path(), api()??).map_err(|error| format!("{}: {error}", path().display()))
}

/// Every public item with all features, a line each. What every type has is left out. An error within: what this compiler
/// writes cannot be read.
fn api() -> Result<Result<String>> {
    // The output is unstable: its form comes with the compiler.
    let mut cargo = crate::cargo();
    cargo.args(["rustdoc", "--quiet", "--package", "raddle", "--lib", "--all-features"]).env("RUSTC_BOOTSTRAP", "1");
    succeed(cargo.args(["--", "-Zunstable-options", "--output-format=json", "--cap-lints=allow"]))?;
    let json = root().join("target/doc/raddle.json");
    let written: Form = serde_json::from_slice(&fs::read(&json).map_err(|error| error.to_string())?)
        .map_err(|error| format!("{}: {error}", json.display()))?;
    if written.format_version != FORM {
        return Ok(Err(format!(
            "this compiler's rustdoc writes form {} of its output, and form {FORM} is read: take rustc 1.95, or a \
             newer `public-api`",
            written.format_version
        )));
    }
    let api = Builder::from_rustdoc_json(json).omit_blanket_impls(true).build();
    api.map(|api| Ok(api.to_string())).map_err(|error| error.to_string())
}
