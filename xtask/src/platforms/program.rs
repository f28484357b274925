//! The integration tests as a program of another system.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use super::{Platform, debian};
use crate::tool::{self, Run};

/// Below `target`.
pub(super) const FOLDER: &str = "platforms";

/// These start the example of that name.
const EXAMPLE: &str = "transfer";

/// This one starts itself again, to run a test that is ignored otherwise, which has `_alone` behind its name.
const ALONE: &str = "channel::no_thread_watches_closed_channels";

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
            let mut args = vec!["--exact"];
            args.extend(tests.iter().map(String::as_str));
            passed += self.tests(platform, &binary, &part, &args)?;
        }
        if self.emulated {
            eprintln!("== {}: left out: {EXAMPLE}::* (start another program)", platform.name);
            let alone = format!("{ALONE}_alone");
            passed += self.tests(platform, &binary, &alone, &["--exact", "--ignored", &alone])?;
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
            tool::build(cargo("build").args(["--example", EXAMPLE]), FOLDER, "the example")?;
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
        let mut parts = BTreeMap::<_, Vec<_>>::new();
        for test in run.listed() {
            let module = test.split("::").next().unwrap_or_default();
            if self.emulated && (module == EXAMPLE || test.starts_with(ALONE)) {
                continue;
            }
            let part = if self.emulated { module } else { "integration tests" };
            parts.entry(part.to_owned()).or_default().push(test);
        }
        if !run.ok || parts.is_empty() {
            run.show();
            return Err("the tests cannot be listed".to_owned());
        }
        Ok(parts)
    }

    /// Runs some tests, and says how many have passed.
    fn tests(&self, platform: &Platform, binary: &Path, part: &str, args: &[&str]) -> Result<u32, String> {
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
