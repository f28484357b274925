//! What one benchmark left behind: Criterion's estimates, and beside them what the gate saw.

use std::fs;
use std::path::PathBuf;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

use super::goal::What;
use super::home::criterion_home;
use super::shape::Shape;
use super::tally::{Fairness, Tally};
use super::team::Gating;

pub(crate) struct Outcome {
    pub(crate) group: &'static str,
    pub(crate) name: &'static str,
    pub(crate) shape: Shape,
    pub(crate) gating: Gating,
    pub(crate) tally: Tally,
}

impl Outcome {
    /// The median, of a time in nanoseconds; none if this run wrote no estimate (`--test`, `--list`), so that a figure of an older
    /// run is never quoted.
    pub(crate) fn median(&self, what: What, started: SystemTime) -> Option<f64> {
        let path = self.folder().join("estimates.json");
        let written = fs::metadata(&path).and_then(|meta| meta.modified()).ok()?;
        if written < started {
            return None;
        }
        let estimates: Value = serde_json::from_slice(&fs::read(path).ok()?).ok()?;
        match what {
            What::Time => estimates["median"]["point_estimate"].as_f64(),
            what => median(self.fairness(what)),
        }
    }

    /// Of each chunk, or run of free threads; times in nanoseconds.
    fn fairness(&self, what: What) -> Vec<f64> {
        let nanoseconds = |time: Duration| time.as_nanos() as f64;
        let of = |chunk: &Fairness| match what {
            What::Time => None,
            What::Spread => Some(chunk.spread),
            What::Longest => Some(nanoseconds(chunk.longest)),
            What::Read => chunk.read.map(nanoseconds),
            What::Write => chunk.write.map(nanoseconds),
        };
        self.tally.fairness.iter().filter_map(of).collect()
    }

    /// Writes the gate's tally beside the estimates that it belongs to, as `gate.json`. `run` tells which figures were
    /// measured by one run: the second at which that began.
    pub(crate) fn save_tally(&self, started: SystemTime) -> std::io::Result<()> {
        let Tally { samples, chunks, switched_out, uneven_starts, unclean_samples, .. } = self.tally;
        let tally = json!({
            "run": started.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs(),
            "gating": self.gating.label(),
            "threads": self.shape.threads,
            "samples": samples,
            "chunks": chunks,
            "rejected": { "switched_out": switched_out, "uneven_starts": uneven_starts },
            "unclean_samples": unclean_samples,
            "spread": self.median(What::Spread, started),
            "longest": self.median(What::Longest, started),
            "each": {
                "spread": self.fairness(What::Spread),
                "longest": self.fairness(What::Longest),
                "read": self.fairness(What::Read),
                "write": self.fairness(What::Write),
            },
        });
        fs::write(self.folder().join("gate.json"), format!("{tally:#}\n"))
    }

    /// Where Criterion puts this benchmark's latest figures.
    fn folder(&self) -> PathBuf {
        let safe = |name: &str| name.replace('/', "_");
        let mut folder = criterion_home();
        folder.extend([&safe(self.group), self.name, &safe(&self.shape.parameter), "new"]);
        folder
    }
}

fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied()
}
