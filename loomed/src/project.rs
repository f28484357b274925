//! The workspace whose tests are run, as cargo knows it.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde::Deserialize;

use crate::args::Args;
use crate::loom::VERSIONS;
use crate::wrapper;

/// Where it is, and which loom it uses.
pub(crate) struct Project {
    pub(crate) root: PathBuf,
    /// The target folder.
    pub(crate) target: PathBuf,
    /// The compiler's own platform, on which the tests are run.
    pub(crate) host: String,
    pub(crate) loom: String,
    /// The folder of loom's source as published.
    pub(crate) published: PathBuf,
}

#[derive(Deserialize)]
struct Metadata {
    workspace_root: PathBuf,
    target_directory: PathBuf,
    packages: Vec<Package>,
    resolve: Option<Resolve>,
}

#[derive(Default, Deserialize)]
struct Resolve {
    nodes: Vec<Node>,
}

/// What a package depends on, by the ids of packages.
#[derive(Deserialize)]
struct Node {
    id: String,
    dependencies: Vec<String>,
}

#[derive(Deserialize)]
struct Package {
    id: String,
    name: String,
    version: String,
    source: Option<String>,
    manifest_path: PathBuf,
}

/// Cargo, as it was called.
pub(crate) fn cargo() -> Command {
    Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
}

impl Project {
    /// Asks cargo. The lockfile has to be there, and stays as it is.
    pub(crate) fn find(args: &Args) -> Result<Self, String> {
        let host = host()?;
        let asked = args.value("--target").map(str::to_owned).or_else(|| std::env::var("CARGO_BUILD_TARGET").ok());
        if let Some(other) = asked.filter(|asked| *asked != host) {
            return Err(format!("tests are run on {host} only, not for {other}"));
        }
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
        let asked = [OsString::from("--locked"), "--filter-platform".into(), host.clone().into()];
        let me = std::env::current_exe().map_err(|error| format!("this program does not know where it is: {error}"))?;
        let metadata = metadata(args, &asked, |cargo| {
            // What cargo has kept there was answered with other cfgs.
            cargo.env("CARGO_TARGET_DIR", target.join("loomed")).env("CARGO_CACHE_RUSTC_INFO", "0");
            // Nothing is compiled, but the compiler is asked which cfgs are set.
            cargo.env("RUSTC_WRAPPER", me).env(wrapper::SOURCE, "").env(wrapper::CFGS, args.cfgs().join("\n"));
        })
        .map_err(|why| match why.contains("--locked") {
            true => format!("{why}\n(Cargo.lock stays as it is here: `cargo metadata` brings it up to date.)"),
            false => why,
        })?;
        let (loom, published) = the_one(&metadata.packages, &metadata.resolve.unwrap_or_default())?;
        Ok(Self { root, target, host, loom, published })
    }
}

impl Args {
    /// The cfgs that are set.
    pub(crate) fn cfgs(&self) -> Vec<String> {
        if self.cfgs.is_empty() { vec!["loom".to_owned()] } else { self.cfgs.clone() }
    }
}

/// The compiler's own platform.
fn host() -> Result<String, String> {
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
fn the_one(packages: &[Package], resolve: &Resolve) -> Result<(String, PathBuf), String> {
    let mut looms: Vec<_> = packages.iter().filter(|package| package.name == "loom").collect();
    looms.sort_by(|a, b| a.version.cmp(&b.version));
    let [loom] = looms[..] else {
        if looms.is_empty() {
            return Err("no package here uses loom, as Cargo.lock has it".to_owned());
        }
        let listed = looms.iter().map(|loom| format!("loom {} for {}", loom.version, users(packages, resolve, loom)));
        let listed: Vec<_> = listed.collect();
        return Err(format!("Cargo.lock has several versions of loom, and one can be patched: {}", listed.join("; ")));
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

/// The names of the packages that depend on that one.
fn users(packages: &[Package], resolve: &Resolve, used: &Package) -> String {
    let nodes = resolve.nodes.iter().filter(|node| node.dependencies.contains(&used.id));
    let names = nodes.filter_map(|node| packages.iter().find(|package| package.id == node.id));
    names.map(|package| &*package.name).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn package(name: &str, version: &str, source: Option<&str>) -> Package {
        Package {
            id: format!("{name}@{version}"),
            name: name.to_owned(),
            version: version.to_owned(),
            source: source.map(str::to_owned),
            manifest_path: format!("/sources/{name}-{version}/Cargo.toml").into(),
        }
    }

    const REGISTRY: Option<&str> = Some("registry+https://github.com/rust-lang/crates.io-index");

    #[test]
    fn the_source_of_the_one_version() {
        let found = the_one(&[package("mine", "1.0.0", None), package("loom", "0.7.3", REGISTRY)], &Resolve::default());
        assert_eq!(found, Ok(("0.7.3".to_owned(), "/sources/loom-0.7.3".into())));
    }

    #[test]
    fn two_versions_are_named_with_who_asks_for_them() {
        let packages = [
            package("mine", "1.0.0", None),
            package("old", "2.0.0", REGISTRY),
            package("loom", "0.7.3", REGISTRY),
            package("loom", "0.5.6", REGISTRY),
        ];
        let node = |id: &str, dependency: &str| Node { id: id.to_owned(), dependencies: vec![dependency.to_owned()] };
        let nodes = vec![node("mine@1.0.0", "loom@0.7.3"), node("old@2.0.0", "loom@0.5.6")];
        let found = the_one(&packages, &Resolve { nodes });
        let why = found.unwrap_err();
        assert!(why.contains("loom 0.5.6 for old; loom 0.7.3 for mine"), "{why}");
    }

    #[test]
    fn others_are_refused() {
        for (loom, said) in [
            (package("loom", "0.7.1", REGISTRY), "the patch is for 0.7.3"),
            (package("loom", "0.7.3", None), "loom comes from a path"),
            (package("loom", "0.7.3", Some("git+https://example.org/loom")), "loom comes from git+"),
            (package("weft", "0.7.3", REGISTRY), "no package here uses loom"),
        ] {
            let why = the_one(&[loom], &Resolve::default()).unwrap_err();
            assert!(why.contains(said), "{why}");
        }
    }
}
