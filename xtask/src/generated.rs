//! The parts of the README that commands make.

use std::fs;
use std::path::{Path, PathBuf};

type Result<T = ()> = std::result::Result<T, String>;

pub(super) struct Part {
    pub(super) name: &'static str,
    /// The command.
    pub(super) by: &'static str,
}

impl Part {
    /// What it is now.
    pub(super) fn get(&self) -> Result<String> {
        let readme = read(&path())?;
        Ok(self.cut(&readme)?.1.to_owned())
    }

    pub(super) fn set(&self, text: &str) -> Result {
        let readme = read(&path())?;
        let (before, _, after) = self.cut(&readme)?;
        fs::write(path(), format!("{before}{text}{after}")).map_err(|error| error.to_string())
    }

    /// What stands before it, itself, and what stands behind it.
    fn cut<'r>(&self, readme: &'r str) -> Result<(&'r str, &'r str, &'r str)> {
        let Self { name, by } = self;
        let (begin, end) = (format!("<!-- {name}: made by {by} -->\n"), format!("<!-- {name}: end -->"));
        let from = readme.find(&begin).ok_or(format!("the README has no place for {name}"))? + begin.len();
        let to = from + readme[from..].find(&end).ok_or(format!("{name} has no end in the README"))?;
        Ok((&readme[..from], &readme[from..to], &readme[to..]))
    }
}

fn path() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../README.md")
}

fn read(path: &Path) -> Result<String> {
    fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))
}
