//! A workspace of somebody else's.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

pub(crate) struct Fixture(PathBuf);

/// How a command went.
pub(crate) struct Output {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    stderr: String,
}

/// This repository, whose target folder is built in and whose versions are taken: so each of them is compiled once.
const REPOSITORY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

impl Fixture {
    /// An empty folder.
    pub(crate) fn new(name: &str) -> Self {
        let root = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        let _ = fs::remove_dir_all(&root);
        Self(root)
    }

    /// Makes it a workspace with one member, of that library, and a lockfile.
    pub(crate) fn member(&self, name: &str, loom: &str, source: &str) {
        let key = if loom.is_empty() { "loom" } else { "other" };
        let manifest = format!(
            "[package]\nname = \"{name}\"\nversion = \"0.1.0\"\nedition = \"2021\"\n\n\
             [target.'cfg(loom)'.dependencies]\n{key} = {{ {loom}version = \"0.7\" }}\n"
        );
        self.write("Cargo.toml", &format!("[workspace]\nmembers = [\"{name}\"]\nresolver = \"3\"\n"));
        self.write(&format!("{name}/Cargo.toml"), &manifest);
        self.write(&format!("{name}/src/lib.rs"), source);
        self.write("Cargo.lock", &lockfile(name));
    }

    pub(crate) fn write(&self, name: &str, content: &str) {
        let path = self.0.join(name);
        fs::create_dir_all(path.parent().expect("it is in the folder")).unwrap();
        fs::write(path, content).unwrap();
    }

    pub(crate) fn append(&self, name: &str, content: &str) {
        let path = self.0.join(name);
        fs::write(&path, fs::read_to_string(&path).unwrap() + content).unwrap();
    }

    pub(crate) fn remove(&self, name: &str) {
        fs::remove_file(self.0.join(name)).unwrap();
    }

    /// All files, with their contents.
    pub(crate) fn files(&self) -> BTreeMap<PathBuf, Vec<u8>> {
        let mut files = BTreeMap::new();
        let mut folders = vec![self.0.clone()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                } else {
                    files.insert(path.clone(), fs::read(&path).unwrap());
                }
            }
        }
        files
    }

    /// `cargo loomed test --release`, as cargo calls it, without anything that this process was given for cargo.
    pub(crate) fn loomed(&self, args: &[&str], env: &[(&str, &str)]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_cargo-loomed"));
        for (name, _) in std::env::vars_os() {
            let text = name.to_string_lossy();
            let is_kept = ["CARGO_HOME", "CARGO_NET_", "CARGO_HTTP_"].iter().any(|kept| text.starts_with(kept));
            if ["LOOM", "CARGO_", "RUSTFLAGS"].iter().any(|own| text.starts_with(own)) && !is_kept {
                command.env_remove(&name);
            }
        }
        command.args(["loomed", "test", "--release", "--target-dir", &format!("{REPOSITORY}/target")]);
        command.args(args).envs(env.iter().copied()).current_dir(&self.0);
        let output = command.output().unwrap();
        Output {
            code: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

impl Output {
    #[track_caller]
    pub(crate) fn expect(&self, text: &str) {
        assert!(self.stdout.contains(text) || self.stderr.contains(text), "no {text:?} in\n{self}");
    }

    #[track_caller]
    pub(crate) fn expect_not(&self, text: &str) {
        assert!(!self.stdout.contains(text), "there is {text:?} in\n{self}");
    }
}

impl fmt::Display for Output {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "exit code {}\n{}\n{}", self.code, self.stdout, self.stderr)
    }
}

/// What this repository's lockfile says of loom and all below it, and the member.
fn lockfile(member: &str) -> String {
    let text = fs::read_to_string(Path::new(REPOSITORY).join("Cargo.lock")).unwrap().replace("\r\n", "\n");
    let (head, packages) = text.split_once("[[package]]\n").unwrap();
    let packages: Vec<_> = packages.split("[[package]]\n").map(str::trim_end).collect();
    let mut wanted = BTreeSet::new();
    let mut open = vec!["loom".to_owned()];
    while let Some(dependency) = open.pop() {
        // A name, and the version where there are several.
        let (name, version) = dependency.split_once(' ').unwrap_or((&dependency, ""));
        let package = packages.iter().find(|package| {
            package.starts_with(&format!("name = \"{name}\"\n")) && package.contains(&format!("version = \"{version}"))
        });
        let package = *package.unwrap_or_else(|| panic!("{dependency} is not in the lockfile"));
        if wanted.insert(package) {
            open.extend(
                package.lines().filter_map(|line| line.strip_prefix(" \"")?.strip_suffix("\",")).map(str::to_owned),
            );
        }
    }
    let member = format!("name = \"{member}\"\nversion = \"0.1.0\"\ndependencies = [\n \"loom\",\n]");
    wanted.insert(&member);
    // Without the versions where this lockfile has only one of a name.
    let mut lockfile = wanted.iter().map(|package| format!("[[package]]\n{package}\n")).collect::<Vec<_>>().join("\n");
    for package in &wanted {
        let field = |name: &str| package.lines().find_map(|line| line.strip_prefix(name)?.trim().strip_suffix('"'));
        let (name, version) = (field("name = \"").unwrap(), field("version = \"").unwrap());
        let same = wanted.iter().filter(|other| other.starts_with(&format!("name = \"{name}\"\n"))).count();
        if same == 1 {
            lockfile = lockfile.replace(&format!(" \"{name} {version}\""), &format!(" \"{name}\""));
        }
    }
    format!("{head}{lockfile}")
}
