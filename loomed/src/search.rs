//! What the patched loom tells of its searches: see `src/report.rs` in `loom-0.7.3/report.patch`.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde::{Deserialize, Serialize};

/// One search: a call of `loom::model`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Search {
    pub(crate) ending: Ending,
    pub(crate) executions: u64,
    pub(crate) seconds: f64,
    /// Why executions were left out, a word for each reason.
    pub(crate) left_out: Vec<String>,
    /// The path to the execution that failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) path: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Ending {
    Complete,
    /// By a setting that bounds it.
    Stopped,
    Failed,
    /// The process ended in the middle.
    Interrupted,
}

/// What it means that executions were left out for that reason.
pub(crate) fn meaning(word: &str) -> &str {
    match word {
        "preemptions" => "the bound of preemptions was reached",
        "permutations" => "ended by the bound of permutations",
        "duration" => "ended by the bound of time",
        "told" => "the test told loom not to explore a part",
        "history" => "an atomic was stored to more often than loom remembers",
        "yield" => "a thread yielded, and others ran first",
        other => other,
    }
}

/// Whether that leaves out less than what a bound that was set leaves out: the test is as loom can have it.
pub(crate) fn is_of_the_test(word: &str) -> bool {
    word == "yield"
}

/// Reads what was told so far. The numbers are those that loom counts the searches of a process by.
pub(crate) fn read(report: &Path) -> BTreeMap<usize, Search> {
    let text = fs::read_to_string(report).unwrap_or_default();
    text.lines().filter_map(line).collect()
}

fn line(line: &str) -> Option<(usize, Search)> {
    let fields: Vec<_> = line.split('\t').collect();
    let ["search", number, ending, executions, micros, left_out, path] = fields[..] else { return None };
    let ending = match ending {
        "at" => Ending::Interrupted,
        "complete" | "repeated" => Ending::Complete,
        "stopped" => Ending::Stopped,
        "failed" => Ending::Failed,
        _ => return None,
    };
    let search = Search {
        ending,
        executions: executions.parse().ok()?,
        seconds: micros.parse::<f64>().ok()? / 1e6,
        left_out: left_out.split(',').filter(|word| !word.is_empty()).map(str::to_owned).collect(),
        path: (!path.is_empty()).then(|| path.to_owned()),
    };
    Some((number.parse().ok()?, search))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_line_of_each_search_counts() {
        let text = "search\t0\tat\t100\t2000000\t\t\nsearch\t0\tcomplete\t150\t2500000\tyield,history\t\nnoise\n\
                    search\t1\tfailed\t3\t40\t\t0a1+.\n";
        let found: BTreeMap<_, _> = text.lines().filter_map(line).collect();
        assert_eq!(found.len(), 2);
        assert_eq!((found[&0].ending, found[&0].executions, found[&0].seconds), (Ending::Complete, 150, 2.5));
        assert_eq!(found[&0].left_out, ["yield", "history"]);
        assert_eq!(found[&1].path.as_deref(), Some("0a1+."));
    }
}
