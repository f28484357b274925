//! `cargo loomed test`: cargo builds and runs the tests, with this program in place of the compiler and of the test programs.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use crate::args::{self, Args, Asked};
use crate::loom::{self, Kind};
use crate::page::Page;
use crate::project::{self, Project};
use crate::runner::{self, CALL};
use crate::test::Test;
use crate::{FAILED, INCOMPLETE, PASSED, USAGE, refuse, wrapper};

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
    let me_as_toml = serde_json::Value::from(me.to_string_lossy());
    eprintln!("{:>12} loom {} {}", "Using", project.loom, kind.name());
    let mut cargo = project::cargo();
    cargo.args(["test", "--locked", "--no-fail-fast"]).args(&args.cargo).arg("--target-dir").arg(&source.target);
    let host = project::host()?;
    // A JSON string is a TOML string as well.
    cargo.arg("--config").arg(format!("target.{host}.runner=[{me_as_toml},\"{CALL}\"]"));
    cargo.arg("--").args(&args.tests);
    if let Some(inner) = std::env::var_os("RUSTC_WRAPPER") {
        cargo.env(wrapper::INNER, inner);
    }
    cargo.env("RUSTC_WRAPPER", &me).env(wrapper::SOURCE, &source.folder).env(wrapper::VERSION, &project.loom);
    cargo.env(wrapper::CFGS, cfgs.join("\n"));
    cargo.env(runner::FOLDER, &folder.0).env(runner::ROOT, &project.root);
    if let Some(seconds) = args.timeout {
        cargo.env(runner::TIMEOUT, seconds.to_string());
    }
    if kind == Kind::Corrected {
        cargo.env(runner::REPEATS, "1");
    }
    if args.json {
        cargo.stdout(Stdio::from(io::stderr()));
    }
    let status = cargo.status().map_err(|error| format!("cargo did not start: {error}"))?;
    if !status.success() {
        return Err(Stop::Cargo(wrapper::code(status)));
    }
    folder.results().map_err(Stop::Refused)
}

/// A folder for what runners tell, below the target folder, for as long as this is there.
struct Folder(PathBuf);

impl Folder {
    fn new(target: &Path) -> Result<Self, String> {
        let path = target.join("loomed").join(format!("run-{}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).map_err(|error| format!("{}: {error}", path.display()))?;
        Ok(Self(path))
    }

    /// How the tests went that were run since this was asked.
    fn results(&self) -> Result<Vec<Test>, String> {
        let path = self.0.join(runner::RESULTS);
        let text = fs::read_to_string(&path).unwrap_or_default();
        let _ = fs::remove_file(&path);
        let tests = text.lines().map(serde_json::from_str);
        let mut tests: Vec<Test> =
            tests.collect::<Result<_, _>>().map_err(|error| format!("{}: {error}", path.display()))?;
        tests.sort_by(|a, b| (&a.package, &a.program, &a.name).cmp(&(&b.package, &b.program, &b.name)));
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
