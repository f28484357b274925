//! `cargo loomed test`: cargo builds and runs the tests, with this program in place of the compiler and of the test programs.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::args::{self, Args, Asked};
use crate::loom::{self, Kind};
use crate::page::Page;
use crate::project::{self, Project};
use crate::runner::{self, CALL};
use crate::test::Test;
use crate::{FAILED, INCOMPLETE, NOT_RUN, PASSED, USAGE, refuse, wrapper};

/// Longer is nothing run.
const A_DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// The exit code.
pub(crate) fn main(arguments: Vec<OsString>) -> u8 {
    let args = match args::parse(arguments) {
        Ok(Asked::Test(args)) => args,
        Ok(Asked::Help) => {
            println!("{USAGE}");
            return PASSED;
        }
        Ok(Asked::Version) => {
            println!("cargo-loomed {}, for loom {}", env!("CARGO_PKG_VERSION"), loom::VERSIONS.join(", "));
            return PASSED;
        }
        Err(why) => return refuse(format_args!("{why}\n\n{USAGE}")),
    };
    if std::env::var_os("LOOM_CHECKPOINT_FILE").is_some() {
        return refuse("LOOM_CHECKPOINT_FILE is set: all tests, and both looms, would go on from the same file");
    }
    let project = match Project::find(&args) {
        Ok(project) => project,
        Err(why) => return refuse(why),
    };
    match test(&args, &project) {
        Ok(code) => code,
        Err(Stop::Refused(why)) => refuse(why),
        Err(Stop::Cargo(code)) => code,
    }
}

/// Why there is nothing to report.
enum Stop {
    Refused(String),
    /// Cargo has said it, and ended with this code: what is to be tested does not compile, for example.
    Cargo(u8),
}

impl From<String> for Stop {
    fn from(why: String) -> Self {
        Stop::Refused(why)
    }
}

fn test(args: &Args, project: &Project) -> Result<u8, Stop> {
    let folder = Folder::new(&project.target)?;
    let published = if args.compare { Some(run(args, project, &folder, Kind::Published)?) } else { None };
    let corrected = run(args, project, &folder, Kind::Corrected)?;
    if args.has("--no-run") {
        return Ok(PASSED);
    }
    let page = Page { version: 1, loom: project.loom.clone(), settings: folder.settings(), published, corrected };
    if args.json {
        println!("{}", serde_json::to_string_pretty(&page).expect("all of it can be written as JSON"));
    } else {
        println!("{page}");
    }
    let (failed, incomplete) = (page.failed().count(), page.incomplete().count());
    Ok(match () {
        () if failed > 0 => FAILED,
        () if args.complete && incomplete > 0 => INCOMPLETE,
        () => PASSED,
    })
}

/// Builds and runs the tests on that loom.
fn run(args: &Args, project: &Project, folder: &Folder, kind: Kind) -> Result<Vec<Test>, Stop> {
    let mut cfgs = args.cfgs();
    if kind == Kind::Corrected {
        // For what only this loom has.
        cfgs.push("loomed".to_owned());
    }
    let source = loom::prepare(&project.published, &project.target, kind, &cfgs)?;
    let me = std::env::current_exe().map_err(|error| format!("this program does not know where it is: {error}"))?;
    eprintln!("{:>12} loom {} {}", "Using", project.loom, kind.name());
    let mut cargo = project::cargo();
    cargo.arg("test").args(&args.cargo).arg("--target-dir").arg(&source.target);
    for option in ["--locked", "--no-fail-fast"] {
        if !args.has(option) {
            cargo.arg(option);
        }
    }
    // Where the configuration has a folder for what is built on the way, that is another one, too: cargo would take what it finds
    // there for what it is about to build.
    cargo.arg("--config").arg(format!("build.build-dir={}", toml(&source.target)));
    set_runner(&mut cargo, &me, &project.host);
    cargo.arg("--").args(&args.tests);
    if let Some(inner) = std::env::var_os("RUSTC_WRAPPER") {
        cargo.env(wrapper::INNER, inner);
    }
    cargo.env("RUSTC_WRAPPER", &me).env(wrapper::SOURCE, &source.folder).env(wrapper::VERSION, &project.loom);
    cargo.env(wrapper::CFGS, cfgs.join("\n"));
    cargo.env(runner::FOLDER, &folder.0).env(runner::ROOT, &project.root).env(runner::LOOM, kind.name());
    if let Some(seconds) = args.timeout {
        cargo.env(runner::TIMEOUT, seconds.to_string());
    }
    if args.json {
        cargo.stdout(Stdio::from(io::stderr()));
    }
    let status = cargo.status().map_err(|error| format!("cargo did not start: {error}"))?;
    match wrapper::code(status) {
        PASSED => {}
        // Wrong options, for example. It is not that a test has failed.
        FAILED => return Err(Stop::Cargo(NOT_RUN)),
        code => return Err(Stop::Cargo(code)),
    }
    if args.has("--no-run") {
        return Ok(Vec::new());
    }
    folder.results().map_err(Stop::Refused)
}

/// Has cargo call this program in place of test programs.
fn set_runner(cargo: &mut Command, me: &Path, host: &str) {
    let path = me.to_string_lossy();
    if path.contains(char::is_whitespace) {
        // The variable would be split there.
        cargo.arg("--config").arg(format!("target.{host}.runner=[{},{CALL:?}]", toml(me)));
    } else {
        // Unlike that option, this goes with every form that a runner may have in the configuration.
        let name = host.to_uppercase().replace(['-', '.'], "_");
        cargo.env(format!("CARGO_TARGET_{name}_RUNNER"), format!("{path} {CALL}"));
    }
}

/// As a value in cargo's configuration: a JSON string is one of TOML, too.
fn toml(path: &Path) -> serde_json::Value {
    path.to_string_lossy().into()
}

/// A folder for what runners tell, below the target folder, for as long as this is there.
struct Folder(PathBuf);

impl Folder {
    fn new(target: &Path) -> Result<Self, String> {
        let loomed = target.join("loomed");
        // Of those who were interrupted.
        for entry in fs::read_dir(&loomed).into_iter().flatten().flatten() {
            let is_run = entry.file_name().to_string_lossy().starts_with("run-");
            let age = entry
                .metadata()
                .and_then(|metadata| metadata.modified())
                .map(|since| since.elapsed().unwrap_or_default());
            if is_run && age.is_ok_and(|age| age > A_DAY) {
                let _ = fs::remove_dir_all(entry.path());
            }
        }
        let path = loomed.join(format!("run-{}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).map_err(|error| format!("{}: {error}", path.display()))?;
        Ok(Self(path))
    }

    /// How the tests went that were run since this was asked.
    fn results(&self) -> Result<Vec<Test>, String> {
        let path = self.0.join(runner::RESULTS);
        let text = fs::read_to_string(&path).map_err(|_| {
            "no test program was run: cargo has built none, or for another platform than this one (build.target)"
                .to_owned()
        })?;
        let _ = fs::remove_file(&path);
        let tests = text.lines().map(serde_json::from_str);
        let mut tests: Vec<Test> =
            tests.collect::<Result<_, _>>().map_err(|error| format!("{}: {error}", path.display()))?;
        tests.sort_by(|a, b| (&a.package, &a.file, &a.name).cmp(&(&b.package, &b.file, &b.name)));
        Ok(tests)
    }

    /// What bounded every search, in some test program.
    fn settings(&self) -> Vec<String> {
        let text = fs::read_to_string(self.0.join(runner::SETTINGS)).unwrap_or_default();
        let lines: BTreeSet<_> = text.lines().map(str::to_owned).collect();
        lines.into_iter().collect()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
