//! The integration tests as a program of another system.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use super::{Platform, debian};
use crate::tool::{self, Run};

/// Below `target`.
pub(super) const FOLDER: &str = "platforms";

/// What the names of tests begin with that an emulator cannot run, and why.
const BEYOND_EMULATOR: [(&str, &str); 3] = [
    ("transfer::", "start another program"),
    ("connection_pool::", "start another program"),
    ("channel::deadlines_in_a_forked_child", "QEMU 7.2 aborts when a forked child starts a thread"),
];

/// A test starts the tests' program again to run an ignored one by itself, which has its name and this.
const ALONE: &str = "_alone";

/// Seconds after which tests that have not ended are ended, so that their log is shown. All together take two minutes.
const PATIENCE: &str = "1200";

pub(super) struct Program {
    pub(super) linker: &'static str,
    /// What is to be done before programs can be started.
    pub(super) prepare: fn() -> Result<(), String>,
    /// Adds to a command what starts a program.
    pub(super) start: fn(&mut Command, &Path),
    /// By a program that does not know how to start others, and keeps some memory for each thread that has ended (QEMU 7.2:
    /// 280 KiB, which came to more than 10 GiB for all tests).
    pub(super) emulated: bool,
}

/// Sees to what builds and starts programs for it.
pub(super) fn install(platform: &Platform) -> Result<(), String> {
    tool::tried_here()?;
    debian::install(platform.packages)?;
    tool::rustup(&["target", "add", platform.target]).map(drop)
}

impl Program {
    pub(super) fn run(&self, platform: &Platform) -> Result<String, String> {
        (self.prepare)()?;
        let binary = self.build(platform)?;
        let start = Instant::now();
        let mut passed = 0;
        for (part, tests) in self.parts(platform, &binary)? {
            let ignored: &[&str] = if part.ends_with(ALONE) { &["--ignored"] } else { &[] };
            let args = ["--exact"].iter().chain(ignored).copied().chain(tests.iter().map(String::as_str));
            passed += self.tests(platform, &binary, &part, args)?;
        }
        for (tests, why) in BEYOND_EMULATOR.iter().filter(|_| self.emulated) {
            eprintln!("== {}: left out: {tests}* ({why})", platform.name);
        }
        Ok(format!("{passed} integration tests in {} s", start.elapsed().as_secs()))
    }

    /// The path of the tests' program.
    fn build(&self, platform: &Platform) -> Result<PathBuf, String> {
        let cargo = |subcommand| {
            let mut cargo = tool::same_cargo(FOLDER);
            let variable = platform.target.to_uppercase().replace('-', "_");
            cargo.env(format!("CARGO_TARGET_{variable}_LINKER"), self.linker);
            cargo.args([subcommand, "--package", "raddle", "--target", platform.target, "--all-features"]);
            cargo
        };
        if !self.emulated {
            // The programs that some tests start.
            tool::build(cargo("build").args(["--examples"]), FOLDER, "the examples")?;
        }
        let mut tests = cargo("test");
        tests.args(["--test", "it", "--no-run", "--message-format=json-render-diagnostics"]);
        let what = format!("the integration tests for {}", platform.target);
        tool::binary(&tool::build(&mut tests, FOLDER, &what)?)
    }

    fn start(&self, binary: &Path) -> Command {
        let mut command = Command::new("timeout");
        command.args(["--signal=KILL", PATIENCE]);
        (self.start)(&mut command, binary);
        command
    }

    /// Which tests to run in one process, and what to call them.
    fn parts(&self, platform: &Platform, binary: &Path) -> Result<BTreeMap<String, Vec<String>>, String> {
        let run = tool::run(self.start(binary).arg("--list"), FOLDER, platform.name);
        let listed = run.listed();
        let mut parts = BTreeMap::<_, Vec<_>>::new();
        for test in &listed {
            let module = test.split("::").next().unwrap_or_default();
            let part = match self.emulated {
                false => "integration tests",
                true if BEYOND_EMULATOR.iter().any(|(tests, _)| test.starts_with(tests)) => continue,
                true if listed.contains(&format!("{test}{ALONE}")) => continue,
                true if test.ends_with(ALONE) => test,
                true => module,
            };
            parts.entry(part.to_owned()).or_default().push(test.clone());
        }
        if !run.ok || parts.is_empty() {
            run.show();
            return Err("the tests cannot be listed".to_owned());
        }
        Ok(parts)
    }

    /// Runs some tests, and says how many have passed.
    fn tests<'a>(
        &self,
        platform: &Platform,
        binary: &Path,
        part: &str,
        args: impl Iterator<Item = &'a str>,
    ) -> Result<u32, String> {
        let name = format!("{}, {part}", platform.name);
        let run: Run = tool::run(self.start(binary).args(args), FOLDER, &name);
        match run.tests().as_deref() {
            Ok([[passed, ignored]]) if run.ok => {
                eprintln!("== {name}: {passed} passed, {ignored} ignored, {} s", run.seconds);
                for test in run.ignored() {
                    eprintln!("== {}: left out: {test}", platform.name);
                }
                Ok(*passed)
            }
            _ => {
                run.show();
                Err(format!("{name}: see above"))
            }
        }
    }
}
