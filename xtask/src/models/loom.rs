//! The corrected loom: the published source, as cargo has it, with the patch of `xtask/loom` applied.

use std::path::{Path, PathBuf};

use diffy::patch_set::{FileOperation, ParseOptions, PatchSet};

use super::mirror::{self, Files};

/// The one version that the patch was written for.
const VERSION: &str = "0.7.3";

const PATCH: &str = include_str!("../../loom/loom-0.7.3.patch");

/// Brings `target/corrected-loom/loom` up to date; its path.
pub(super) fn correct() -> Result<PathBuf, String> {
    let published = published()?;
    let mut files = Files::new();
    mirror::collect(&published, Path::new("src"), &mut files)?;
    for name in ["Cargo.toml", "LICENSE"] {
        mirror::collect(&published, Path::new(name), &mut files)?;
    }
    patch(&mut files)?;
    // Cargo keeps quiet about the code of a dependency only as long as that comes from a registry.
    let manifest = files.get_mut(Path::new("Cargo.toml")).expect("it was collected");
    manifest.extend_from_slice(b"\n[lints.rust]\nwarnings = \"allow\"\n");
    let folder = super::corrected().join("loom");
    mirror::update(&folder, &files)?;
    Ok(folder)
}

/// The folder of the published source that the crate's lockfile names.
fn published() -> Result<PathBuf, String> {
    let output = crate::cargo()
        .args(["metadata", "--locked", "--format-version=1"])
        .output()
        .map_err(|error| format!("cargo did not start: {error}"))?;
    if !output.status.success() {
        return Err(format!("cargo metadata: {}", String::from_utf8_lossy(&output.stderr)));
    }
    let metadata: serde_json::Value =
        serde_json::from_slice(&output.stdout).map_err(|error| format!("cargo metadata: {error}"))?;
    let packages = metadata["packages"].as_array().into_iter().flatten();
    let looms: Vec<_> = packages.filter(|package| package["name"] == "loom").collect();
    let [loom] = looms[..] else {
        return Err(format!("the lockfile names loom {} times", looms.len()));
    };
    if loom["version"] != VERSION {
        return Err(format!(
            "the lockfile has loom {}, and the patch is for {VERSION}: carry xtask/loom/loom-{VERSION}.patch over to \
             the new version first, or go back with `cargo update loom --precise {VERSION}`",
            loom["version"]
        ));
    }
    let manifest = loom["manifest_path"].as_str().map(Path::new).and_then(Path::parent);
    manifest.map(Path::to_owned).ok_or_else(|| "cargo metadata does not say where loom is".to_owned())
}

/// Applies the patch: every part of it, or none.
fn patch(files: &mut Files) -> Result<(), String> {
    // The same text on a system where git checks out other line ends.
    let text = PATCH.replace("\r\n", "\n");
    let mut patched = 0;
    for file in PatchSet::parse(&text, ParseOptions::unidiff()) {
        let file = file.map_err(|error| format!("the patch of loom cannot be read: {error}"))?;
        let (FileOperation::Modify { modified, .. }, Some(patch)) = (file.operation(), file.patch().as_text()) else {
            return Err("the patch of loom does more than change texts".to_owned());
        };
        let name = modified.strip_prefix("b/").unwrap_or(modified);
        let content = files.get_mut(Path::new(name)).ok_or_else(|| format!("loom has no {name} to be patched"))?;
        let published = String::from_utf8(content.clone()).map_err(|error| format!("{name}: {error}"))?;
        let corrected = diffy::apply(&published, patch).map_err(|error| format!("{name}: {error}"))?;
        *content = corrected.into_bytes();
        patched += 1;
    }
    let named = text.lines().filter(|line| line.starts_with("+++ ")).count();
    if patched == named { Ok(()) } else { Err(format!("{patched} of {named} files of loom were patched")) }
}
