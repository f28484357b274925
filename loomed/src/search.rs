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

/// Reads what a process has told so far. The numbers are those that loom counts its searches by.
///
/// # Errors
/// If it was told by another loom than that.
pub(crate) fn read(report: &Path, process: u32, loom: &str) -> Result<BTreeMap<usize, Search>, String> {
    let text = fs::read_to_string(report).unwrap_or_default();
    parse(&text, process, loom)
}

fn parse(text: &str, process: u32, loom: &str) -> Result<BTreeMap<usize, Search>, String> {
    let mut searches = BTreeMap::new();
    for line in text.lines() {
        let fields: Vec<_> = line.split('\t').collect();
        // A process that it has started itself tells, too.
        if fields[0] != "search" || fields.get(1).and_then(|id| id.parse().ok()) != Some(process) {
            continue;
        }
        if fields.get(2) != Some(&loom) {
            return Err(format!("the tests were built on another loom than the {loom} one"));
        }
        searches.extend(search(&fields[3..]));
    }
    Ok(searches)
}

fn search(fields: &[&str]) -> Option<(usize, Search)> {
    let [number, ending, executions, micros, left_out, path] = fields[..] else { return None };
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

    const TOLD: &str = "search\t7\tcorrected\t0\tat\t100\t2000000\t\t\n\
        search\t7\tcorrected\t0\tcomplete\t150\t2500000\tyield,history\t\nnoise\n\
        search\t8\tcorrected\t0\tat\t1\t1\t\t\n\
        search\t7\tcorrected\t1\tfailed\t3\t40\t\t0a1+.\n\
        search\t7\tcorrected\t2\tat\t0\t1\t\t\n";

    #[test]
    fn the_last_line_of_each_search_of_the_process_counts() {
        let found = parse(TOLD, 7, "corrected").unwrap();
        assert_eq!(found.len(), 3);
        assert_eq!((found[&0].ending, found[&0].executions, found[&0].seconds), (Ending::Complete, 150, 2.5));
        assert_eq!(found[&0].left_out, ["yield", "history"]);
        assert_eq!(found[&1].path.as_deref(), Some("0a1+."));
        assert_eq!((found[&2].ending, found[&2].executions), (Ending::Interrupted, 0));
    }

    #[test]
    fn another_loom_is_noticed() {
        assert!(parse(TOLD, 7, "published").is_err());
        assert_eq!(parse(TOLD, 9, "published"), Ok(BTreeMap::new()));
    }
}
