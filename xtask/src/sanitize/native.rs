//! What both sanitizers of compiled code are run over: the integration tests, in release.

use std::process::Command;

use super::{Wish, tool};

/// What the tests and the models spend their time in, besides the crate itself. The other packages are compiled as quickly
/// as can be.
const OPTIMISED: [&str; 14] = [
    "alloc",
    "core",
    "crossbeam-channel",
    "crossbeam-utils",
    "generator",
    "lock_api",
    "loom",
    "parking_lot_core",
    "proptest",
    "rand",
    "rand_core",
    "rand_xorshift",
    "smallvec",
    "std",
];

pub(super) struct Sanitizer {
    /// Below `target`.
    pub(super) folder: &'static str,
    pub(super) rustflags: &'static str,
    pub(super) cargo_flags: &'static [&'static str],
    /// The name and the value of its variable.
    pub(super) options: (&'static str, &'static str),
    /// What it must notice, and how it names it.
    pub(super) mistakes: &'static [(&'static str, &'static str)],
}

impl Sanitizer {
    pub(super) fn cargo(&self, subcommand: &str) -> Command {
        let mut cargo = tool::cargo(self.folder);
        cargo.env("RUSTFLAGS", self.rustflags);
        cargo.arg(subcommand).args(self.cargo_flags).args(["--release", "--target", tool::TARGET]);
        let optimise = |package: &str, level| format!("profile.release.package.{package}.opt-level={level}");
        // The crate and its tests: more takes rustc twice as long, and no test is quicker for it.
        let levels = ["profile.release.opt-level=1".to_owned(), optimise("\"*\"", 0)];
        for level in levels.into_iter().chain(OPTIMISED.iter().map(|package| optimise(package, 3))) {
            cargo.args(["--config", &level]);
        }
        self.set(&mut cargo);
        cargo
    }

    fn set(&self, command: &mut Command) {
        let (name, value) = self.options;
        command.env(name, tool::options(name, value));
    }

    pub(super) fn canary(&self) -> Result<(), String> {
        tool::canary(self.folder, self.mistakes, || {
            let mut cargo = self.cargo("run");
            cargo.args(["--quiet", "--package", "xtask", "--example", "canary"]);
            cargo
        })
    }

    /// Runs them, and the long stress tests too if so many seconds are wanted.
    pub(super) fn integration_tests(&self, wish: &Wish) -> Result<String, String> {
        self.canary()?;
        // The programs that the tests of them start.
        tool::build(self.cargo("build").args(["--all-features", "--examples"]), self.folder, "the examples")?;
        let mut build = self.cargo("test");
        build.args(["--all-features", "--test", "it", "--no-run", "--message-format=json-render-diagnostics"]);
        let binary = tool::binary(&tool::build(&mut build, self.folder, "the integration tests")?)?;

        let tests = |name: &str, command: &mut Command| {
            self.set(command);
            let run = tool::run(command, self.folder, name);
            match run.tests() {
                Ok(counts) if run.ok && counts.len() == 1 => {
                    let [passed, ignored] = counts[0];
                    eprintln!("== {}: {name}: {passed} passed, {ignored} ignored, {} s", self.folder, run.seconds);
                    Ok(passed)
                }
                _ => {
                    run.show();
                    Err(format!("{name}: see above"))
                }
            }
        };
        let passed = tests("integration tests", &mut Command::new(&binary))?;
        let mut what = format!("{passed} integration tests");
        if let Some(seconds) = wish.number {
            let mut long = Command::new(&binary);
            long.args(["--ignored", "stress"]).env("RADDLE_STRESS_SECONDS", seconds.to_string());
            let passed = tests("long stress", &mut long)?;
            what += &format!(", {passed} stress tests of {seconds} s");
        }
        Ok(what)
    }
}
