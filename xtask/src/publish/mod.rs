//! What strangers get: the package, on the oldest compiler too, its features one by one, the oldest versions it works with, and the record of its API.

mod api;
mod features;
mod msrv;
mod package;
mod tool;

use std::path::{Path, PathBuf};
use std::process::Command;

pub(super) use api::{check as api, record};
pub(super) use features::run as features;
pub(super) use msrv::run as msrv;
pub(super) use package::{minimal, run as package};

type Result<T = ()> = std::result::Result<T, String>;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("xtask is in the repository").to_owned()
}

/// Runs a command to its end, and shows what it is.
fn succeed(command: &mut Command) -> Result {
    let program = Path::new(command.get_program()).file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let args = command.get_args().map(|arg| arg.to_string_lossy().into_owned());
    let line = [program].into_iter().chain(args).collect::<Vec<_>>().join(" ");
    eprintln!("== {line}");
    match command.status() {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("{line}: {status}")),
        Err(error) => Err(format!("{line} did not start: {error}")),
    }
}
