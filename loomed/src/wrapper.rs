//! In place of the compiler: loom is compiled from the patched source, and all is compiled with the cfgs.
//!
//! So the lockfile stays as it is, names loom as it did, and cargo has nothing to ignore: a `[patch]` changes the lockfile, and is
//! ignored, with a warning only, where that names another version.

use std::env;
use std::ffi::{OsStr, OsString};
use std::path::Path;
use std::process::{Command, ExitStatus};

/// The folder of the patched source.
pub(crate) const SOURCE: &str = "LOOMED_SOURCE";
/// Its version.
pub(crate) const VERSION: &str = "LOOMED_VERSION";
/// The cfgs to set, one in a line.
pub(crate) const CFGS: &str = "LOOMED_CFGS";
/// The wrapper that would have been called instead.
pub(crate) const INNER: &str = "LOOMED_INNER_WRAPPER";

/// Whether this program was called as a wrapper: then the first argument is a compiler.
pub(crate) fn is_meant(first: &OsStr) -> bool {
    let name = Path::new(first).file_stem().unwrap_or_default().to_string_lossy().into_owned();
    env::var_os(SOURCE).is_some() && name != "loomed" && !name.starts_with('-')
}

pub(crate) fn main(arguments: &[OsString]) -> u8 {
    let mut arguments = arguments.to_vec();
    if arguments.iter().any(|argument| argument.to_string_lossy().starts_with('@')) {
        return crate::refuse(
            "the compiler is to read its arguments from a file, in which loom's source cannot be replaced",
        );
    }
    if let Some(krate) = value(&arguments, "--crate-name") {
        if krate == "loom" && env::var_os("CARGO_PKG_NAME").is_some_and(|name| name == "loom") {
            if let Err(why) = replace_source(&mut arguments) {
                return crate::refuse(why);
            }
        }
        let cfgs = env::var(CFGS).unwrap_or_default();
        for cfg in cfgs.lines() {
            if !sets(&arguments, cfg) {
                arguments.extend(["--cfg".into(), cfg.into()]);
            }
        }
    }
    let inner = env::var_os(INNER).filter(|inner| !inner.is_empty());
    let line: Vec<_> = inner.into_iter().chain(arguments).collect();
    match Command::new(&line[0]).args(&line[1..]).status() {
        Ok(status) => code(status),
        Err(error) => crate::refuse(format_args!("{} did not start: {error}", line[0].to_string_lossy())),
    }
}

/// What comes behind that option.
fn value<'a>(arguments: &'a [OsString], option: &str) -> Option<&'a OsString> {
    arguments.iter().position(|argument| argument == option).and_then(|at| arguments.get(at + 1))
}

/// Whether the compiler is told that cfg already.
fn sets(arguments: &[OsString], cfg: &str) -> bool {
    arguments.windows(2).any(|pair| pair[0] == "--cfg" && pair[1] == cfg)
        || arguments.iter().any(|argument| argument.to_str().and_then(|text| text.strip_prefix("--cfg=")) == Some(cfg))
}

fn replace_source(arguments: &mut [OsString]) -> Result<(), String> {
    let built = env::var("CARGO_PKG_VERSION").unwrap_or_default();
    let patched = env::var(VERSION).unwrap_or_default();
    if built != patched {
        return Err(format!("loom {built} is to be compiled, and the patched source is of {patched}"));
    }
    let source = Path::new(&env::var_os(SOURCE).unwrap_or_default()).join("src").join("lib.rs");
    let root = Path::new("src").join("lib.rs");
    let at = arguments.iter().position(|argument| Path::new(argument).ends_with(&root));
    arguments[at.ok_or("loom is compiled from no src/lib.rs")?] = source.into();
    Ok(())
}

/// The exit code to pass on.
pub(crate) fn code(status: ExitStatus) -> u8 {
    status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(crate::FAILED)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cfg_is_set_once() {
        let line = |text: &str| text.split(' ').map(OsString::from).collect::<Vec<_>>();
        assert!(sets(&line("rustc --cfg loom -O"), "loom"));
        assert!(sets(&line("rustc --cfg=loom"), "loom"));
        assert!(!sets(&line("rustc --cfg loomed loom"), "loom"));
    }
}
