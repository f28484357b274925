//! The workspace whose tests are run, as cargo knows it.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde::Deserialize;

use crate::args::Args;
use crate::loom::VERSIONS;

/// Where it is, and which loom it uses.
pub(crate) struct Project {
    pub(crate) root: PathBuf,
    /// The target folder.
    pub(crate) target: PathBuf,
    pub(crate) loom: String,
    /// The folder of loom's source as published.
    pub(crate) published: PathBuf,
}

#[derive(Deserialize)]
struct Metadata {
    workspace_root: PathBuf,
    target_directory: PathBuf,
    packages: Vec<Package>,
}

#[derive(Deserialize)]
struct Package {
    name: String,
    version: String,
    source: Option<String>,
    manifest_path: PathBuf,
    dependencies: Vec<Dependency>,
}

#[derive(Deserialize)]
struct Dependency {
    name: String,
    req: String,
}

/// Cargo, as it was called.
pub(crate) fn cargo() -> Command {
    Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
}

impl Project {
    /// Asks cargo. The lockfile has to be there, and stays as it is.
    pub(crate) fn find(args: &Args) -> Result<Self, String> {
        let Metadata { workspace_root: root, target_directory, .. } = metadata(args, &["--no-deps".into()], |_| {})?;
        let target = args
            .target
            .as_ref()
            .map_or(target_directory, |target| std::path::absolute(target).unwrap_or_else(|_| target.clone()));
        if !root.join("Cargo.lock").is_file() {
            return Err(format!(
                "{} has no Cargo.lock, and none is made here: `cargo generate-lockfile` does",
                root.display()
            ));
        }
        // For this platform only, so that nothing has to be fetched that is not built; and with the cfgs, where loom is asked for under
        // one of them.
        let host = host()?;
        let asked = [OsString::from("--all-features"), "--locked".into(), "--filter-platform".into(), host.into()];
        let metadata = metadata(args, &asked, |cargo| {
            cargo.env("CARGO_TARGET_DIR", target.join("loomed"));
            cargo.env("RUSTFLAGS", flags(&args.cfgs()));
            cargo.env_remove("CARGO_ENCODED_RUSTFLAGS");
        })?;
        let (loom, published) = the_one(&metadata.packages)?;
        Ok(Self { root, target, loom, published })
    }
}

impl Args {
    /// All that are set.
    pub(crate) fn cfgs(&self) -> Vec<String> {
        std::iter::once("loom".to_owned()).chain(self.cfgs.iter().cloned()).collect()
    }
}

/// Those of the environment, and the cfgs.
fn flags(cfgs: &[String]) -> String {
    let set = std::env::var("RUSTFLAGS").unwrap_or_default();
    cfgs.iter().fold(set, |flags, cfg| format!("{flags} --cfg {cfg}"))
}

/// The compiler's own platform.
pub(crate) fn host() -> Result<String, String> {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let output = Command::new(rustc).arg("-vV").output().map_err(|error| format!("rustc did not start: {error}"))?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let host = text.lines().find_map(|line| line.strip_prefix("host: "));
    host.map(str::to_owned).ok_or_else(|| "rustc does not say for which platform it is".to_owned())
}

fn metadata(args: &Args, asked: &[OsString], change: impl FnOnce(&mut Command)) -> Result<Metadata, String> {
    let mut cargo = cargo();
    cargo.args(["metadata", "--format-version=1"]).args(asked).args(args.of_project());
    change(&mut cargo);
    let output = cargo.output().map_err(|error| format!("cargo did not start: {error}"))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        return Err(format!("cargo metadata says:\n{}", said.trim_end()));
    }
    serde_json::from_slice(&output.stdout).map_err(|error| format!("cargo metadata cannot be read: {error}"))
}

/// The version of the one loom, and the folder of its source.
fn the_one(packages: &[Package]) -> Result<(String, PathBuf), String> {
    let looms: Vec<_> = packages.iter().filter(|package| package.name == "loom").collect();
    let [loom] = looms[..] else {
        if looms.is_empty() {
            return Err("no package here uses loom, as Cargo.lock has it".to_owned());
        }
        let users: BTreeMap<_, _> = looms.iter().map(|loom| (&loom.version, users(packages, &loom.version))).collect();
        let listed: Vec<_> = users.iter().map(|(version, users)| format!("loom {version}{users}")).collect();
        return Err(format!(
            "Cargo.lock has several versions of loom, and only one can be patched: {}",
            listed.join("; ")
        ));
    };
    if !VERSIONS.contains(&&*loom.version) {
        let known = VERSIONS.join(", ");
        return Err(format!(
            "Cargo.lock has loom {}, and the patch is for {known}: if the requirements allow, `cargo update -p loom --precise {}`",
            loom.version, VERSIONS[0]
        ));
    }
    match &loom.source {
        Some(source) if source.starts_with("registry+") || source.starts_with("sparse+") => {}
        source => {
            let from = source.as_deref().unwrap_or("a path");
            return Err(format!("loom comes from {from}, and the patch is for what was published"));
        }
    }
    let folder = loom.manifest_path.parent().unwrap_or(Path::new("")).to_owned();
    Ok((loom.version.clone(), folder))
}

/// Who asks for a version like that.
fn users(packages: &[Package], version: &str) -> String {
    let line = |version: &str| version.split('.').take(2).map(str::to_owned).collect::<Vec<_>>();
    let asks = |dependency: &Dependency| {
        dependency.name == "loom" && line(dependency.req.trim_start_matches(['^', '=', '~', ' '])) == line(version)
    };
    let names: Vec<_> =
        packages.iter().filter(|package| package.dependencies.iter().any(asks)).map(|package| &*package.name).collect();
    if names.is_empty() { String::new() } else { format!(" (for {})", names.join(", ")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn package(name: &str, version: &str, source: Option<&str>, asks: &[(&str, &str)]) -> Package {
        let dependencies =
            asks.iter().map(|(name, req)| Dependency { name: (*name).to_owned(), req: (*req).to_owned() }).collect();
        Package {
            name: name.to_owned(),
            version: version.to_owned(),
            source: source.map(str::to_owned),
            manifest_path: format!("/sources/{name}-{version}/Cargo.toml").into(),
            dependencies,
        }
    }

    const REGISTRY: Option<&str> = Some("registry+https://github.com/rust-lang/crates.io-index");

    #[test]
    fn the_source_of_the_one_version() {
        let found = the_one(&[package("mine", "1.0.0", None, &[]), package("loom", "0.7.3", REGISTRY, &[])]);
        assert_eq!(found, Ok(("0.7.3".to_owned(), "/sources/loom-0.7.3".into())));
    }

    #[test]
    fn two_versions_are_named_with_who_asks_for_them() {
        let found = the_one(&[
            package("mine", "1.0.0", None, &[("loom", "^0.7")]),
            package("old", "2.0.0", REGISTRY, &[("loom", "^0.5.6")]),
            package("loom", "0.7.3", REGISTRY, &[]),
            package("loom", "0.5.6", REGISTRY, &[]),
        ]);
        let why = found.unwrap_err();
        assert!(why.contains("loom 0.5.6 (for old); loom 0.7.3 (for mine)"), "{why}");
    }

    #[test]
    fn others_are_refused() {
        for (loom, said) in [
            (package("loom", "0.7.1", REGISTRY, &[]), "the patch is for 0.7.3"),
            (package("loom", "0.7.3", None, &[]), "loom comes from a path"),
            (package("loom", "0.7.3", Some("git+https://example.org/loom"), &[]), "loom comes from git+"),
            (package("weft", "0.7.3", REGISTRY, &[]), "no package here uses loom"),
        ] {
            let why = the_one(&[loom]).unwrap_err();
            assert!(why.contains(said), "{why}");
        }
    }
}
