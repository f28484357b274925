//! Loom's source, patched, below the target folder.

use std::collections::BTreeMap;
use std::collections::hash_map::DefaultHasher;
use std::fs;
use std::hash::{Hash, Hasher};
use std::path::{Path, PathBuf};

use diffy::patch_set::{FileOperation, ParseOptions, PatchSet};

/// The versions that the patch is for.
pub(crate) const VERSIONS: [&str; 1] = ["0.7.3"];

/// Tells of each search, and repeats one execution.
const REPORT: &str = include_str!("../loom-0.7.3/report.patch");
/// Corrects the search.
const SEARCH: &str = include_str!("../loom-0.7.3/search.patch");

#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Kind {
    /// As published, with reports.
    Published,
    Corrected,
}

impl Kind {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Kind::Published => "published",
            Kind::Corrected => "corrected",
        }
    }
}

/// Contents by path.
type Files = BTreeMap<PathBuf, String>;

/// A source below the target folder.
pub(crate) struct Source {
    pub(crate) folder: PathBuf,
    /// Where what depends on it is built: cargo does not know that it is another source.
    pub(crate) target: PathBuf,
}

/// Brings the source of that kind up to date.
pub(crate) fn prepare(published: &Path, target: &Path, kind: Kind, cfgs: &[String]) -> Result<Source, String> {
    let mut files = Files::new();
    collect(published, Path::new("src"), &mut files)?;
    for name in ["Cargo.toml", "LICENSE"] {
        collect(published, Path::new(name), &mut files)?;
    }
    patch(&mut files, REPORT)?;
    if kind == Kind::Corrected {
        patch(&mut files, SEARCH)?;
    }
    let mut hasher = DefaultHasher::new();
    (&files, env!("CARGO_PKG_VERSION")).hash(&mut hasher);
    let source = format!("loom-{}-{:016x}", kind.name(), hasher.finish());
    cfgs.hash(&mut hasher);
    let built = format!("{}-{:016x}", kind.name(), hasher.finish());
    let loomed = target.join("loomed");
    let folder = loomed.join(source);
    write(&folder, &files).map_err(|error| format!("{}: {error}", folder.display()))?;
    Ok(Source { folder, target: loomed.join(built) })
}

/// Reads a file, or all files in a folder.
fn collect(root: &Path, name: &Path, files: &mut Files) -> Result<(), String> {
    let path = root.join(name);
    let failed = |error| format!("{}: {error}", path.display());
    if !path.is_dir() {
        files.insert(name.to_owned(), fs::read_to_string(&path).map_err(failed)?);
        return Ok(());
    }
    for entry in fs::read_dir(&path).map_err(failed)? {
        collect(root, &name.join(entry.map_err(failed)?.file_name()), files)?;
    }
    Ok(())
}

/// Applies a patch: every part of it, or none.
fn patch(files: &mut Files, text: &str) -> Result<(), String> {
    // The same text on a system where git checks out other line ends.
    let text = text.replace("\r\n", "\n");
    let mut patched = 0;
    for file in PatchSet::parse(&text, ParseOptions::unidiff()) {
        let file = file.map_err(|error| format!("the patch of loom cannot be read: {error}"))?;
        let (operation, Some(patch)) = (file.operation(), file.patch().as_text()) else {
            return Err("the patch of loom does more than change texts".to_owned());
        };
        let (name, before) = match operation {
            FileOperation::Modify { modified, .. } => (modified, None),
            FileOperation::Create(created) => (created, Some(String::new())),
            _ => return Err("the patch of loom does more than change and add files".to_owned()),
        };
        let name = Path::new(name.strip_prefix("b/").unwrap_or(name));
        let before = before.or_else(|| files.remove(name));
        let before = before.ok_or_else(|| format!("loom has no {} to be patched", name.display()))?;
        let after = diffy::apply(&before, patch);
        let after = after.map_err(|error| format!("loom's {} is not what was published: {error}", name.display()))?;
        files.insert(name.to_owned(), after);
        patched += 1;
    }
    let named = text.lines().filter(|line| line.starts_with("+++ ")).count();
    if patched == named { Ok(()) } else { Err(format!("{patched} of {named} files of loom were patched")) }
}

/// Makes the folder contain these files. It appears as a whole, so that one who was interrupted has left nothing that another takes for
/// the source.
fn write(folder: &Path, files: &Files) -> std::io::Result<()> {
    let is_there = |(name, content): (&PathBuf, &String)| {
        fs::read_to_string(folder.join(name)).is_ok_and(|present| present == *content)
    };
    if files.iter().all(is_there) {
        return Ok(());
    }
    let partial = folder.with_extension(format!("partial-{}", std::process::id()));
    for (name, content) in files {
        let path = partial.join(name);
        fs::create_dir_all(path.parent().expect("it is in the folder"))?;
        fs::write(path, content)?;
    }
    if folder.exists() {
        fs::remove_dir_all(folder)?;
    }
    match fs::rename(&partial, folder) {
        // Another was faster with the same.
        Err(_) if files.iter().all(is_there) => fs::remove_dir_all(&partial),
        renamed => renamed,
    }
}
