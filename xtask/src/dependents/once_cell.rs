//! The tests that `once_cell` has of its own for `sync::OnceCell` and `sync::Lazy`, as cargo unpacked them, with nothing but the
//! import changed.

use std::fs;
use std::path::{Path, PathBuf};

use super::{Result, root, write};

/// Asserts that an initialiser which asks for its own value hangs. Here it panics.
const HANGS: &str = "reentrant_init";

pub(super) fn run() -> Result {
    let theirs = unpacked()?.join("tests/it");
    let folder = root().join("target/dependents/once_cell");
    let manifest = "[package]\nname = \"once_cell_on_raddle\"\nversion = \"0.0.0\"\nedition = \"2021\"\n\n\
                    [features]\ndefault = [\"std\"]\nstd = []\n\n\
                    [dependencies]\nraddle = { path = \"../../..\" }\n\n[workspace]\n";
    write(&folder.join("Cargo.toml"), manifest)?;
    write(&folder.join("src/lib.rs"), "")?;
    write(&folder.join("tests/it/main.rs"), "mod sync_lazy;\nmod sync_once_cell;\n")?;
    for name in ["sync_lazy.rs", "sync_once_cell.rs"] {
        let text = fs::read_to_string(theirs.join(name)).map_err(|error| format!("{name}: {error}"))?;
        let import = "use once_cell::sync::{Lazy, OnceCell};";
        if !text.contains(import) {
            return Err(format!("{name} has no {import}"));
        }
        write(&folder.join("tests/it").join(name), &text.replace(import, "use raddle::{Lazy, OnceCell};"))?;
    }
    let mut cargo = crate::cargo();
    cargo.current_dir(&folder).env("CARGO_TARGET_DIR", root().join("target/dependents/plain"));
    let output = cargo.args(["test", "--test", "it", "--", "--skip", HANGS]).output();
    let output = output.map_err(|error| error.to_string())?;
    let said = String::from_utf8_lossy(&output.stdout);
    println!("{said}");
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned());
    }
    // All that the current version has, less the one.
    if said.contains("31 passed") { Ok(()) } else { Err("their number has changed".to_owned()) }
}

/// Where cargo has the version that the lockfile names.
fn unpacked() -> Result<PathBuf> {
    let mut cargo = crate::cargo();
    cargo.args(["metadata", "--format-version=1", "--locked", "--all-features"]);
    let output = cargo.output().map_err(|error| error.to_string())?;
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout).map_err(|error| error.to_string())?;
    let packages = metadata["packages"].as_array().ok_or("cargo metadata has no packages")?;
    let package = packages.iter().find(|package| package["name"] == "once_cell").ok_or("no once_cell")?;
    let manifest = Path::new(package["manifest_path"].as_str().ok_or("no path")?);
    Ok(manifest.parent().expect("it is in a folder").to_owned())
}
