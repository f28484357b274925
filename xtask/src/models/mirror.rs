//! Copies below `target/` that are built instead of the originals.
//!
//! Only what differs is written, so that cargo builds only that again.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// Contents by path, relative to the folder of the copy.
pub(super) type Files = BTreeMap<PathBuf, Vec<u8>>;

/// A copy of the crate alone, without its workspace, that depends on the loom at that path.
pub(super) fn of_the_crate(folder: &Path, loom: &Path) -> Result<(), String> {
    let root = super::root();
    let mut files = Files::new();
    for name in ["build.rs", "src", "tests", "examples", "docs", "README.md", "Cargo.toml"] {
        collect(root, Path::new(name), &mut files)?;
    }
    let manifest = files.get_mut(Path::new("Cargo.toml")).expect("it was collected");
    let text = String::from_utf8_lossy(manifest).into_owned();
    let (package, _) =
        text.split_once("[workspace]\n").ok_or("Cargo.toml has no workspace to be left out of the copy")?;
    *manifest = with_loom(package, loom).into_bytes();
    update(folder, &files)?;
    lock(folder)
}

/// The manifest, so that it takes loom from that path.
pub(super) fn with_loom(manifest: &str, loom: &Path) -> String {
    // A JSON string is a TOML string as well.
    let path = serde_json::Value::from(loom.to_string_lossy());
    format!("{manifest}\n[patch.crates-io]\nloom = {{ path = {path} }}\n")
}

/// Starts the copy off with the crate's own lockfile: the same versions of everything but loom. Cargo writes to it.
pub(super) fn lock(folder: &Path) -> Result<(), String> {
    let copied = fs::copy(super::root().join("Cargo.lock"), folder.join("Cargo.lock"));
    copied.map(drop).map_err(|error| format!("{}: {error}", folder.display()))
}

/// Reads a file, or all files in a folder.
pub(super) fn collect(root: &Path, name: &Path, files: &mut Files) -> Result<(), String> {
    let path = root.join(name);
    let failed = |error| format!("{}: {error}", path.display());
    if !path.is_dir() {
        files.insert(name.to_owned(), fs::read(&path).map_err(failed)?);
        return Ok(());
    }
    for entry in fs::read_dir(&path).map_err(failed)? {
        collect(root, &name.join(entry.map_err(failed)?.file_name()), files)?;
    }
    Ok(())
}

/// Makes the folder contain these files and, lockfile and builds apart, no others.
pub(super) fn update(folder: &Path, files: &Files) -> Result<(), String> {
    if folder.is_dir() {
        let mut present = Files::new();
        collect(folder, Path::new(""), &mut present)?;
        for name in present.keys().filter(|name| *name != Path::new("Cargo.lock") && !files.contains_key(*name)) {
            fs::remove_file(folder.join(name)).map_err(|error| format!("{}: {error}", name.display()))?;
        }
    }
    for (name, content) in files {
        let path = folder.join(name);
        let failed = |error| format!("{}: {error}", path.display());
        if fs::read(&path).is_ok_and(|present| present == *content) {
            continue;
        }
        fs::create_dir_all(path.parent().expect("it is in the folder")).map_err(failed)?;
        fs::write(&path, content).map_err(failed)?;
    }
    Ok(())
}
