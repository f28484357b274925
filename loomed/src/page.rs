//! What a person is told at the end, and a program.

use std::fmt::{self, Write};

use serde::Serialize;

use crate::search::meaning;
use crate::test::{Test, grouped};

/// All that was run.
#[derive(Serialize)]
pub(crate) struct Page {
    /// Of this form.
    pub(crate) version: u32,
    /// Loom's version.
    pub(crate) loom: String,
    /// Settings of the environment that bound searches.
    pub(crate) settings: Vec<String>,
    /// On the loom as published, if that was asked for.
    pub(crate) published: Option<Vec<Test>>,
    pub(crate) corrected: Vec<Test>,
}

impl Page {
    /// How the test went on the loom as published.
    fn on_published(&self, test: &Test) -> Option<&Test> {
        self.published.as_ref()?.iter().find(|published| published.is(test))
    }

    pub(crate) fn failed(&self) -> impl Iterator<Item = &Test> {
        self.corrected.iter().filter(|test| !test.passed)
    }

    pub(crate) fn incomplete(&self) -> impl Iterator<Item = &Test> {
        self.corrected.iter().filter(|test| !test.is_complete())
    }

    fn table(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = |test: &Test| format!("{}: {}", test.program, test.name);
        let width = self.corrected.iter().map(|test| name(test).len()).max().unwrap_or(0).max(4);
        writeln!(f, "\n{:width$}  {:>22}  {:>22}", "", "published", "corrected")?;
        writeln!(
            f,
            "{:width$}  {:>11} {:>10}  {:>11} {:>10}",
            "test", "executions", "seconds", "executions", "seconds"
        )?;
        for test in &self.corrected {
            let mut line = format!("{:width$}", name(test));
            let published = self.on_published(test);
            for run in [published, Some(test)] {
                match run {
                    Some(run) if run.is_model() => {
                        write!(line, "  {:>11} {:>10.2}", grouped(run.executions()), run.seconds)?
                    }
                    Some(run) => write!(line, "  {:>11} {:>10.2}", "-", run.seconds)?,
                    None => write!(line, "  {:>11} {:>10}", "-", "-")?,
                }
            }
            let ended = |run: &Test| run.ended.as_deref().unwrap_or("fails").to_owned();
            match published {
                None if test.passed => line += "  is not there on published loom",
                None => write!(line, "  FAILS ({}), and is not there on published loom", ended(test))?,
                Some(run) if run.passed && test.passed => {}
                Some(run) if run.passed => match &test.ended {
                    None => line += "  FAILS, and passes on published loom",
                    Some(ended) => write!(line, "  FAILS ({ended}), and passes on published loom")?,
                },
                Some(run) if test.passed => write!(line, "  passes; on published loom: {}", ended(run))?,
                Some(run) => write!(line, "  {}; on published loom: {}", ended(test), ended(run))?,
            }
            writeln!(f, "{line}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Page {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for test in self.failed() {
            writeln!(f, "\n---- {}: {}", test.program, test.name)?;
            match &test.interleaving {
                Some(interleaving) if interleaving.repeated => {
                    let missed = self.on_published(test).is_some_and(|published| published.passed);
                    let missed = if missed { ", which loom as published does not look at" } else { "" };
                    writeln!(f, "  The execution that fails{missed}:\n{interleaving}")?;
                }
                other => {
                    writeln!(f, "{}", test.output.trim_end())?;
                    if other.is_some() {
                        writeln!(
                            f,
                            "  The execution did not fail in the same way again. Does the test depend on anything outside of loom?"
                        )?;
                    }
                }
            }
        }
        if self.published.is_some() {
            self.table(f)?;
        }
        let incomplete: Vec<_> = self.incomplete().filter(|test| test.passed).collect();
        if !incomplete.is_empty() {
            writeln!(f, "\nNot explored completely:")?;
            for test in incomplete {
                let reasons: Vec<_> = test.left_out().into_iter().map(meaning).collect();
                writeln!(f, "  {}: {}: {}", test.program, test.name, reasons.join("; "))?;
            }
        }
        for setting in &self.settings {
            writeln!(f, "\n{setting} was set, which bounds every search.")?;
        }
        let (models, failed) = (self.corrected.iter().filter(|test| test.is_model()).count(), self.failed().count());
        let total = self.corrected.len();
        write!(
            f,
            "\n{} passed, {failed} failed; {models} of {total} are models, run on loom {} corrected",
            total - failed,
            self.loom
        )
    }
}
