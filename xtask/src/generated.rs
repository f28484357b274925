//! The parts of the documentation that commands write.

use std::fs;
use std::path::{Path, PathBuf};

type Result<T = ()> = std::result::Result<T, String>;

pub(super) struct Part {
    /// The page, below the root of the repository.
    pub(super) page: &'static str,
    pub(super) name: &'static str,
    /// The command.
    pub(super) by: &'static str,
}

impl Part {
    /// What it is now.
    pub(super) fn get(&self) -> Result<String> {
        let page = read(&self.path())?;
        Ok(self.cut(&page)?.1.to_owned())
    }

    pub(super) fn set(&self, text: &str) -> Result {
        let page = read(&self.path())?;
        let (before, _, after) = self.cut(&page)?;
        fs::write(self.path(), format!("{before}{text}{after}")).map_err(|error| error.to_string())
    }

    /// What stands before it, itself, and what stands behind it.
    fn cut<'p>(&self, text: &'p str) -> Result<(&'p str, &'p str, &'p str)> {
        let Self { page, name, by } = self;
        let (begin, end) = (format!("<!-- {name}: made by {by} -->\n"), format!("<!-- {name}: end -->"));
        let from = text.find(&begin).ok_or(format!("{page} has no place for {name}"))? + begin.len();
        let to = from + text[from..].find(&end).ok_or(format!("{name} has no end in {page}"))?;
        Ok((&text[..from], &text[from..to], &text[to..]))
    }

    fn path(&self) -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(self.page)
    }
}

fn read(path: &Path) -> Result<String> {
    fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_stands_between_its_marks() {
        let part = Part { page: "docs/a.md", name: "a", by: "cargo xtask a" };
        let text = "before\n<!-- a: made by cargo xtask a -->\n| it |\n<!-- a: end -->\nafter\n";
        let (before, it, after) = part.cut(text).unwrap();
        assert_eq!((before.len() + it.len() + after.len(), it), (text.len(), "| it |\n"));
        assert_eq!(part.cut("").unwrap_err(), "docs/a.md has no place for a");
        assert_eq!(part.cut(&text.replace("end", "")).unwrap_err(), "a has no end in docs/a.md");
    }
}
