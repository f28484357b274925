//! Toolchains, and running what was built with them.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

/// The only platform that these checks were tried on.
pub(crate) const TARGET: &str = "x86_64-unknown-linux-gnu";

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("xtask is in the repository")
}

/// An error elsewhere than where this was tried.
pub(crate) fn tried_here() -> Result<(), String> {
    match cfg!(all(target_os = "linux", target_arch = "x86_64", target_env = "gnu")) {
        true => Ok(()),
        false => Err(format!("only tried on {TARGET}")),
    }
}

/// What a command printed, if it ended well; else the last line of its complaint.
pub(crate) fn output(command: &mut Command) -> Result<String, String> {
    let name = command.get_program().to_string_lossy().into_owned();
    let output = command.stdin(Stdio::null()).output().map_err(|error| format!("{name} does not start: {error}"))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let text = String::from_utf8_lossy(&output.stderr);
    let args: Vec<_> = command.get_args().map(OsStr::to_string_lossy).collect();
    Err(format!("{name} {}: {}", args.join(" "), text.trim_end().lines().last().unwrap_or("no message")))
}

pub(crate) fn rustup(args: &[&str]) -> Result<String, String> {
    output(Command::new("rustup").args(args))
}

/// Sees to a nightly toolchain with these components. Else says why there is none.
pub(crate) fn install(components: &[&str]) -> Result<(), String> {
    tried_here()?;
    if rustup(&["run", "nightly", "rustc", "--version"]).is_err() {
        rustup(&["toolchain", "install", "nightly", "--profile", "minimal"])?;
    }
    let there = rustup(&["component", "list", "--toolchain", "nightly", "--installed"])?;
    for component in components {
        // `miri-x86_64-unknown-linux-gnu`, but `rust-src`.
        if !there.lines().any(|line| line.trim_end_matches(TARGET).trim_end_matches('-') == *component) {
            rustup(&["component", "add", "--toolchain", "nightly", component])?;
        }
    }
    Ok(())
}

/// Nightly cargo, in the root of the repository, with its output in this folder below `target`.
pub(crate) fn cargo(folder: &str) -> Command {
    let mut cargo = Command::new("rustup");
    cargo.args(["run", "nightly", "cargo"]).current_dir(root());
    for name in ["RUSTC", "RUSTDOC", "CARGO", "RUSTUP_TOOLCHAIN"] {
        cargo.env_remove(name);
    }
    apart(cargo, folder)
}

/// The cargo that runs this program, likewise.
pub(crate) fn same_cargo(folder: &str) -> Command {
    apart(crate::cargo(), folder)
}

fn apart(mut cargo: Command, folder: &str) -> Command {
    cargo.env("CARGO_TARGET_DIR", target(folder));
    // Whatever else is set would be built or run too.
    for name in ["RUSTFLAGS", "CARGO_ENCODED_RUSTFLAGS", "MIRIFLAGS"] {
        cargo.env_remove(name);
    }
    cargo
}

pub(crate) fn target(folder: &str) -> PathBuf {
    root().join("target").join(folder)
}

/// What a command printed, and whether it ended well. It is kept in a log, which is shown if it did not.
pub(crate) struct Run {
    pub(crate) ok: bool,
    pub(crate) text: String,
    pub(crate) log: PathBuf,
    pub(crate) seconds: u64,
}

/// Runs a command, with all that it prints in a log of this name.
pub(crate) fn run(command: &mut Command, folder: &str, name: &str) -> Run {
    let start = Instant::now();
    let log = target(folder).join("logs").join(format!("{name}.log"));
    let start_it = || {
        fs::create_dir_all(log.parent().expect("a log is in a folder"))?;
        let file = File::create(&log)?;
        command.stdin(Stdio::null()).stdout(file.try_clone()?).stderr(file).status()
    };
    let (ok, text) = match { start_it }() {
        Ok(status) => (status.success(), String::from_utf8_lossy(&fs::read(&log).unwrap_or_default()).into_owned()),
        Err(error) => (false, format!("{name} did not start: {error}")),
    };
    Run { ok, text, log, seconds: start.elapsed().as_secs() }
}

impl Run {
    /// Shows everything, after a failure.
    pub(crate) fn show(&self) {
        eprintln!("{}", self.text);
        eprintln!("== this log is {}", self.log.display());
    }

    /// How many tests passed and were ignored, in each run of a test binary that had some. An error if one failed.
    pub(crate) fn tests(&self) -> Result<Vec<[u32; 2]>, String> {
        let results = self.text.lines().filter_map(|line| line.trim_start().strip_prefix("test result: "));
        let counts = results.map(|result| {
            let count =
                |what| result.split([';', '.']).find_map(|part| part.trim().strip_suffix(what)?.trim().parse().ok());
            match (result.starts_with("ok."), count("passed"), count("failed"), count("ignored")) {
                (true, Some(passed), Some(0), Some(ignored)) => Ok([passed, ignored]),
                _ => Err(result.to_owned()),
            }
        });
        counts.filter(|count| *count != Ok([0, 0])).collect()
    }

    /// The tests that it has left out, with their reasons: `test NAME ... ignored, REASON`
    pub(crate) fn ignored(&self) -> Vec<String> {
        let lines = self.text.lines().filter_map(|line| line.strip_prefix("test ")?.split_once(" ... ignored"));
        lines.map(|(name, reason)| format!("{name} ({})", reason.trim_start_matches(", "))).collect()
    }

    /// The names of the tests that it lists.
    pub(crate) fn listed(&self) -> Vec<String> {
        self.text.lines().filter_map(|line| line.trim_end().strip_suffix(": test")).map(str::to_owned).collect()
    }
}

/// Shows a tool the mistakes that it claims to see. `command` builds and runs the canary.
pub(crate) fn canary(folder: &str, mistakes: &[(&str, &str)], command: impl Fn() -> Command) -> Result<(), String> {
    for (mistake, report) in mistakes {
        let mut command = command();
        let run = run(command.args(["--", mistake]), folder, &format!("canary-{mistake}"));
        if run.ok || !run.text.contains(report) {
            run.show();
            return Err(format!("the planted mistake `{mistake}` was not reported"));
        }
    }
    Ok(())
}

/// Builds, prints what for, and says when that took long.
pub(crate) fn build(command: &mut Command, folder: &str, what: &str) -> Result<Run, String> {
    eprintln!("== {folder}: building {what}");
    let run = run(command, folder, "build");
    if !run.ok {
        run.show();
        return Err(format!("{what} cannot be built"));
    }
    eprintln!("== {folder}: built in {} s", run.seconds);
    Ok(run)
}

/// The path of the test binary that cargo's messages name.
pub(crate) fn binary(built: &Run) -> Result<PathBuf, String> {
    let lines = built.text.lines().rev();
    let mut paths = lines.filter_map(|line| Some(line.split_once("\"executable\":\"")?.1.split_once('"')?.0));
    paths.next().map(PathBuf::from).ok_or_else(|| "cargo names no test binary".to_owned())
}

/// The options of a sanitizer, after those of the environment.
pub(crate) fn options(name: &str, ours: &str) -> String {
    let theirs = std::env::var_os(name).unwrap_or_default();
    [theirs.as_os_str(), OsStr::new(ours)].map(|part| part.to_string_lossy().into_owned()).join(":")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn printed(text: &str) -> Run {
        Run { ok: true, text: text.to_owned(), log: PathBuf::new(), seconds: 0 }
    }

    #[test]
    fn results_are_counted() {
        let some = "test a ... ok\n\ntest result: ok. 12 passed; 0 failed; 3 ignored; 0 measured; 7 filtered out; finished in 1s\n";
        let none = "test result: ok. 0 passed; 0 failed; 0 ignored; 0 measured; 7 filtered out; finished in 0.00s\n";
        assert_eq!(printed(&format!("{none}{some}{some}")).tests(), Ok(vec![[12, 3]; 2]));
        assert_eq!(printed("killed").tests(), Ok(vec![]));
    }

    #[test]
    fn a_failure_is_none_that_passed() {
        let failed = "test result: FAILED. 12 passed; 1 failed; 3 ignored; 0 measured; 0 filtered out; finished in 1s";
        assert!(printed(failed).tests().is_err());
        assert!(printed("test result: ok. something new").tests().is_err());
    }

    #[test]
    fn what_a_command_prints_is_kept() {
        let run = run(Command::new("sh").args(["-c", "echo out; echo err >&2; exit 3"]), "logs-of-tests", "both");
        assert_eq!((run.ok, run.text.as_str()), (false, "out\nerr\n"));
        assert_eq!(fs::read_to_string(&run.log).unwrap(), run.text);
        assert!(!super::run(&mut Command::new("no-such-program"), "logs-of-tests", "none").ok);
    }
}
