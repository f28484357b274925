//! The command line.

use std::ffi::OsString;
use std::path::PathBuf;

/// What was asked for.
#[derive(Default)]
pub(crate) struct Args {
    pub(crate) compare: bool,
    pub(crate) complete: bool,
    pub(crate) json: bool,
    pub(crate) timeout: Option<u64>,
    pub(crate) cfgs: Vec<String>,
    /// Where cargo would build, if it was said here.
    pub(crate) target: Option<PathBuf>,
    /// For cargo, without what comes behind `--`.
    pub(crate) cargo: Vec<String>,
    /// For the test programs.
    pub(crate) tests: Vec<String>,
}

/// What to do.
pub(crate) enum Asked {
    Test(Args),
    Help,
    Version,
}

/// Cargo's options that say which programs are built. Without one of them all that have tests are, but not the doc tests.
const SELECTIONS: [&str; 9] =
    ["--lib", "--bins", "--bin", "--tests", "--test", "--examples", "--example", "--all-targets", "--benches"];

/// Those that say where the project is and what of it is built, with a value.
const PROJECT: [&str; 4] = ["--manifest-path", "--config", "--features", "-F"];
/// Those without one.
const FEATURES: [&str; 2] = ["--all-features", "--no-default-features"];

pub(crate) fn parse(arguments: Vec<OsString>) -> Result<Asked, String> {
    let mut arguments = arguments.into_iter().map(|argument| {
        argument.into_string().map_err(|argument| format!("{} is not UTF-8", argument.to_string_lossy()))
    });
    let mut next = || arguments.next().transpose();
    // Cargo passes the subcommand's name on.
    let command = match next()? {
        Some(name) if name == "loomed" => next()?,
        other => other,
    };
    match command.as_deref() {
        Some("test" | "t") => {}
        Some("--version" | "-V") => return Ok(Asked::Version),
        None | Some("--help" | "-h" | "help") => return Ok(Asked::Help),
        Some(other) => return Err(format!("no such command: {other} (there is `cargo loomed test`)")),
    }
    let mut args = Args::default();
    while let Some(argument) = next()? {
        let (name, value) = match argument.split_once('=') {
            Some((name, value)) if name.starts_with("--") => (name, Some(value.to_owned())),
            _ => (&*argument, None),
        };
        let mut value = || match value.clone() {
            Some(value) => Ok(value),
            None => next()?.ok_or_else(|| format!("{name} wants a value")),
        };
        match name {
            "--compare" => args.compare = true,
            "--complete" => args.complete = true,
            "--json" => args.json = true,
            "--timeout" => {
                let seconds = value()?;
                args.timeout = Some(seconds.parse().map_err(|_| format!("--timeout wants seconds, not {seconds}"))?);
            }
            "--cfg" => args.cfgs.push(value()?),
            "--target-dir" => args.target = Some(value()?.into()),
            "--help" | "-h" => return Ok(Asked::Help),
            "--doc" => return Err("doc tests are not run under loom".to_owned()),
            "--" => {
                while let Some(argument) = next()? {
                    args.tests.push(argument);
                }
            }
            _ => args.cargo.push(argument),
        }
    }
    if !args.cargo.iter().any(|argument| SELECTIONS.contains(&argument.split('=').next().unwrap_or_default())) {
        args.cargo.push("--tests".to_owned());
    }
    Ok(Asked::Test(args))
}

impl Args {
    /// Whether cargo was given this option.
    pub(crate) fn has(&self, option: &str) -> bool {
        self.cargo.iter().any(|argument| argument == option)
    }

    /// What comes behind an option.
    pub(crate) fn value(&self, option: &str) -> Option<&str> {
        self.cargo.iter().enumerate().find_map(|(at, argument)| match argument.split_once('=') {
            Some((name, value)) => (name == option).then_some(value),
            None if argument == option => self.cargo.get(at + 1).map(String::as_str),
            None => None,
        })
    }

    /// The options that cargo needs to find the same packages.
    pub(crate) fn of_project(&self) -> Vec<String> {
        let mut found = Vec::new();
        let mut arguments = self.cargo.iter();
        while let Some(argument) = arguments.next() {
            let name = argument.split('=').next().unwrap_or_default();
            if argument == "--offline" || argument == "--frozen" {
                found.push("--offline".to_owned());
            } else if FEATURES.contains(&&**argument) {
                found.push(argument.clone());
            } else if PROJECT.contains(&name) {
                found.push(argument.clone());
                if name.len() == argument.len() {
                    found.extend(arguments.next().cloned());
                }
            }
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &str) -> Args {
        match parse(line.split_whitespace().map(OsString::from).collect()) {
            Ok(Asked::Test(args)) => args,
            Ok(_) => panic!("not a test: {line}"),
            Err(why) => panic!("{line}: {why}"),
        }
    }

    #[test]
    fn own_options_are_not_cargos() {
        let args = parsed("loomed test --release --compare -p queue --cfg=fast --timeout 30 --lib name -- --skip slow");
        assert!(args.compare && !args.json && !args.complete);
        assert_eq!((args.timeout, args.cfgs), (Some(30), vec!["fast".to_owned()]));
        assert_eq!(args.cargo, ["--release", "-p", "queue", "--lib", "name"]);
        assert_eq!(args.tests, ["--skip", "slow"]);
    }

    #[test]
    fn doc_tests_are_left_out() {
        assert_eq!(parsed("test").cargo, ["--tests"]);
        assert_eq!(parsed("test --test=models").cargo, ["--test=models"]);
        assert!(parse(vec!["test".into(), "--doc".into()]).is_err());
    }

    #[test]
    fn what_says_where_the_project_is_is_for_metadata_too() {
        let args = parsed(
            "test --manifest-path a/Cargo.toml --config=net.retry=1 --frozen -p b --features c --no-default-features",
        );
        let expected = [
            "--manifest-path",
            "a/Cargo.toml",
            "--config=net.retry=1",
            "--offline",
            "--features",
            "c",
            "--no-default-features",
        ];
        assert_eq!(args.of_project(), expected);
        assert_eq!(
            (args.value("-p"), args.value("--config"), args.value("--target")),
            (Some("b"), Some("net.retry=1"), None)
        );
    }

    #[test]
    fn what_is_not_known_is_refused() {
        for line in ["loomed bench", "test --timeout", "test --timeout soon"] {
            assert!(parse(line.split_whitespace().map(OsString::from).collect()).is_err(), "{line}");
        }
    }
}
