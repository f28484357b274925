//! How a test went.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::interleaving::Interleaving;
use crate::search::{Ending, Search, is_of_the_test, meaning};

/// One run of a test, in a process of its own.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Test {
    /// Of which package.
    pub(crate) package: String,
    /// In which test program.
    pub(crate) program: String,
    /// The name of its file: a library, a program and a test of one name differ in its end.
    pub(crate) file: String,
    pub(crate) name: String,
    pub(crate) passed: bool,
    /// How the process ended, if it is not that the test passed or failed.
    pub(crate) ended: Option<String>,
    pub(crate) seconds: f64,
    pub(crate) searches: Vec<Search>,
    /// What it printed, if it failed.
    pub(crate) output: String,
    pub(crate) interleaving: Option<Interleaving>,
}

impl Test {
    pub(crate) fn executions(&self) -> u64 {
        self.searches.iter().map(|search| search.executions).sum()
    }

    /// Whether it is the same test, of another run.
    pub(crate) fn is(&self, other: &Test) -> bool {
        (&self.package, &self.file, &self.name) == (&other.package, &other.file, &other.name)
    }

    /// Why executions were left out, each reason once.
    pub(crate) fn left_out(&self) -> Vec<&str> {
        let mut words: Vec<_> =
            self.searches.iter().flat_map(|search| search.left_out.iter().map(String::as_str)).collect();
        words.sort_unstable();
        words.dedup();
        words
    }

    /// Whether every search came to its end, or to the failure that the test expects, and nothing bounded it.
    pub(crate) fn is_complete(&self) -> bool {
        self.searches.iter().all(|search| matches!(search.ending, Ending::Complete | Ending::Failed))
            && self.left_out().iter().all(|word| is_of_the_test(word))
    }

    /// Whether it is known how often it was executed.
    pub(crate) fn is_model(&self) -> bool {
        !self.searches.is_empty()
    }
}

impl fmt::Display for Test {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verdict = if self.passed { "ok" } else { "FAILED" };
        write!(f, "test {} ... {verdict}", self.name)?;
        if let Some(ended) = &self.ended {
            write!(f, " ({ended})")?;
        }
        if self.is_model() {
            write!(f, ", {} in {:.1} s", executions(self.executions()), self.seconds)?;
        }
        self.left_out().iter().try_for_each(|word| write!(f, "; {}", meaning(word)))
    }
}

pub(crate) fn executions(count: u64) -> String {
    if count == 1 { "1 execution".to_owned() } else { format!("{} executions", grouped(count)) }
}

/// With commas between the thousands.
pub(crate) fn grouped(count: u64) -> String {
    let digits = count.to_string();
    let mut text = String::new();
    for (at, digit) in digits.char_indices() {
        if at > 0 && (digits.len() - at) % 3 == 0 {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_are_grouped() {
        let shown: Vec<_> = [0, 12, 999, 1_000, 1_234_567].into_iter().map(grouped).collect();
        assert_eq!(shown, ["0", "12", "999", "1,000", "1,234,567"]);
    }

    #[test]
    fn yields_do_not_make_a_search_incomplete_and_bounds_do() {
        let search = |left_out: &[&str]| Search {
            ending: Ending::Complete,
            executions: 1,
            seconds: 0.0,
            left_out: left_out.iter().map(|word| (*word).to_owned()).collect(),
            path: None,
        };
        let test = |searches: Vec<Search>| Test {
            package: String::new(),
            program: String::new(),
            file: String::new(),
            name: "name".to_owned(),
            passed: true,
            ended: None,
            seconds: 0.0,
            searches,
            output: String::new(),
            interleaving: None,
        };
        assert!(test(vec![search(&["yield"])]).is_complete());
        let bounded = test(vec![search(&[]), search(&["history", "yield"])]);
        assert!(!bounded.is_complete());
        assert_eq!(
            bounded.to_string(),
            "test name ... ok, 2 executions in 0.0 s; an atomic was stored to more often than loom remembers; a thread yielded, and \
             others ran first"
        );
    }
}
