//! Windows programs under Wine.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::program::FOLDER;
use crate::tool;

/// `bcryptprimitives.dll`, of which std calls this for its hash maps' keys. Wine 8 does not have it.
const PROCESS_PRNG: &str = "\
__declspec(dllimport) unsigned char __stdcall SystemFunction036(void *, unsigned long);
__declspec(dllexport) int __stdcall ProcessPrng(unsigned char *buffer, unsigned long long length)
{ return SystemFunction036(buffer, length); }
";

/// Makes that library.
pub(super) fn prepare() -> Result<(), String> {
    let folder = libraries();
    let source = folder.join("bcryptprimitives.c");
    let written = std::fs::create_dir_all(&folder).and_then(|()| std::fs::write(&source, PROCESS_PRNG));
    written.map_err(|error| format!("{}: {error}", source.display()))?;
    let mut compiler = Command::new("x86_64-w64-mingw32-gcc-posix");
    compiler.args(["-shared", "-o"]).arg(source.with_extension("dll")).arg(&source).arg("-ladvapi32");
    tool::output(&mut compiler).map(drop)
}

pub(super) fn start(command: &mut Command, program: &Path) {
    // Where Debian has it; there is no name for it in the path.
    command.arg("/usr/lib/wine/wine64").arg(program).env("WINEPREFIX", tool::target(FOLDER).join("wine"));
    // Where programs look for libraries: this machine's root is drive Z.
    command.env("WINEPATH", [OsString::from("Z:"), libraries().into_os_string()].join("".as_ref()));
    // Errors, but not what is unfinished in Wine; no questions for what else it could install, no menus.
    command.env("WINEDEBUG", "fixme-all").env("WINEDLLOVERRIDES", "mscoree,mshtml,winemenubuilder.exe=");
}

fn libraries() -> PathBuf {
    tool::target(FOLDER).join("dll")
}
