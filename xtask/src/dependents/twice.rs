//! Two versions in one program would know nothing of each other's locks. Cargo refuses them, as both claim one `links` key.

use std::fs;
use std::path::Path;

use super::{Result, root, write};

pub(super) fn run() -> Result {
    let folder = root().join("target/dependents/twice");
    let _ = fs::remove_dir_all(&folder);
    let manifest = fs::read_to_string(root().join("Cargo.toml")).map_err(|error| error.to_string())?;
    // All that cargo looks at: who it is, and what it needs. The other's version is one that no requirement unites with this.
    let package = manifest.split("\n[").next().ok_or("no package")?;
    let version = package.lines().find(|line| line.starts_with("version = ")).ok_or("no version")?;
    let other = package.replace(version, "version = \"99.0.0\"");
    write(&folder.join("other/Cargo.toml"), &other)?;
    write(&folder.join("other/src/lib.rs"), "")?;
    write(&folder.join("other/build.rs"), "fn main() {}\n")?;
    let both = |this: &str| {
        format!(
            "[package]\nname = \"twice\"\nversion = \"0.0.0\"\nedition = \"2024\"\n\n[dependencies]\n{this}\
             other = {{ package = \"raddle\", path = \"other\" }}\n\n[workspace]\n"
        )
    };
    write(&folder.join("src/lib.rs"), "")?;
    // One alone is fine, so it is the second that is refused.
    write(&folder.join("Cargo.toml"), &both(""))?;
    let (alone, said) = resolves(&folder)?;
    if !alone {
        return Err(format!("a copy alone is refused:\n{said}"));
    }
    write(&folder.join("Cargo.toml"), &both("raddle = { path = \"../../..\" }\n"))?;
    let (together, said) = resolves(&folder)?;
    let reason = "links to the native library `raddle`";
    if !together && said.contains(reason) { Ok(()) } else { Err(format!("two versions are not refused:\n{said}")) }
}

fn resolves(folder: &Path) -> Result<(bool, String)> {
    let output = crate::cargo().args(["generate-lockfile", "--offline"]).current_dir(folder).output();
    let output = output.map_err(|error| error.to_string())?;
    Ok((output.status.success(), String::from_utf8_lossy(&output.stderr).into_owned()))
}
