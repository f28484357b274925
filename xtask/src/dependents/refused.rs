//! What does not compile, and what the compiler says of it: each program in `plain/refused` begins with parts of that.

use std::ffi::OsStr;
use std::fs;

use super::{Result, root};

/// What nobody should have to read who uses a macro of ours without knowing.
const INTERNALS: &str = "in this macro invocation";

pub(super) fn run() -> Result {
    let plain = root().join("tests/dependents/plain");
    let mut programs = 0;
    for entry in fs::read_dir(plain.join("refused")).map_err(|error| error.to_string())?.flatten() {
        let path = entry.path();
        let name = path.file_stem().and_then(OsStr::to_str).ok_or("a program without a name")?;
        let text = fs::read_to_string(&path).map_err(|error| error.to_string())?;
        let says = Vec::from_iter(text.lines().map_while(|line| line.strip_prefix("// says: ")));
        let mut cargo = crate::cargo();
        cargo.current_dir(&plain).args(["check", "--locked", "--features", "refused", "--example", name]);
        cargo.env("CARGO_TARGET_DIR", root().join("target/dependents/plain"));
        let output = cargo.output().map_err(|error| error.to_string())?;
        let said = String::from_utf8_lossy(&output.stderr);
        if output.status.success() {
            return Err(format!("{name} compiles"));
        }
        if let Some(part) = says.iter().find(|&&part| !said.contains(part)) {
            return Err(format!("{name}: nothing says {part:?} in\n{said}"));
        }
        if says.is_empty() || said.contains(INTERNALS) {
            return Err(format!("{name}: too little is asked for, or too much said in\n{said}"));
        }
        programs += 1;
    }
    if programs >= 8 { Ok(()) } else { Err(format!("there are {programs} programs only")) }
}
