//! One benchmark's figures, from `benchmark.json`, `estimates.json`, `sample.json` and `gate.json`.

use std::fs;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::{Result, read};

/// Nanoseconds per operation.
#[derive(Clone, Debug)]
pub(crate) struct Figure {
    pub(crate) median: f64,
    /// The interval that holds the median with 95 % confidence, as far as the samples of this one run tell.
    pub(crate) low: f64,
    pub(crate) high: f64,
    /// Of all samples.
    pub(crate) least: f64,
    pub(crate) most: f64,
    /// So many samples.
    pub(crate) samples: usize,
    /// What the gate saw; none where only Criterion's files are (a saved baseline).
    pub(crate) gate: Option<Gate>,
}

#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Gate {
    /// The second at which the run began.
    pub(crate) run: u64,
    pub(crate) gating: String,
    pub(crate) samples: u64,
    pub(crate) chunks: u64,
    pub(crate) rejected: Rejected,
    pub(crate) unclean_samples: u64,
    /// Where the threads shared their operations, medians over the samples: see [`What`](super::What).
    pub(crate) spread: Option<f64>,
    /// In nanoseconds.
    pub(crate) longest: Option<f64>,
    /// The same of each sample.
    #[serde(default)]
    pub(crate) each: Each,
}

/// Of each sample, or empty.
#[derive(Clone, Debug, Default, Deserialize)]
pub(crate) struct Each {
    pub(crate) spread: Vec<f64>,
    pub(crate) longest: Vec<f64>,
    pub(crate) read: Vec<f64>,
    pub(crate) write: Vec<f64>,
}

#[derive(Clone, Copy, Debug, Deserialize)]
pub(crate) struct Rejected {
    pub(crate) switched_out: u64,
    pub(crate) uneven_starts: u64,
}

impl Gate {
    pub(crate) fn gated(&self) -> bool {
        self.gating == "gated"
    }

    pub(crate) fn rejected(&self) -> u64 {
        self.rejected.switched_out + self.rejected.uneven_starts
    }

    /// Of all chunks that were run, the part that was rejected.
    pub(crate) fn share(&self) -> f64 {
        self.rejected() as f64 / (self.rejected() + self.chunks).max(1) as f64
    }
}

#[derive(Deserialize)]
struct Estimates {
    median: Estimate,
}

#[derive(Deserialize)]
struct Estimate {
    confidence_interval: Interval,
    point_estimate: f64,
}

#[derive(Deserialize)]
struct Interval {
    lower_bound: f64,
    upper_bound: f64,
}

#[derive(Deserialize)]
struct Sample {
    iters: Vec<f64>,
    times: Vec<f64>,
}

#[derive(Deserialize)]
struct Benchmark {
    full_id: String,
}

impl Figure {
    /// What `folder` of Criterion's (`new`, or a baseline) holds for that benchmark. None if nothing was measured.
    pub(crate) fn read(
        home: &Path,
        (group, name, parameter): (&str, &str, &str),
        folder: &str,
    ) -> Result<Option<Self>> {
        let path = path(home, group, name, parameter).join(folder);
        // The last that Criterion writes; without it the rest is not whole.
        if !path.join("benchmark.json").exists() {
            return Ok(None);
        }
        let id = read::<Benchmark>(&path.join("benchmark.json"))?.full_id;
        if id != format!("{group}/{name}/{parameter}") {
            return Err(format!("{} is about {id}", path.display()));
        }
        let Estimate { point_estimate: median, confidence_interval: Interval { lower_bound: low, upper_bound: high } } =
            read::<Estimates>(&path.join("estimates.json"))?.median;
        let Sample { iters, times } = read(&path.join("sample.json"))?;
        let samples: Vec<_> = times.iter().zip(&iters).map(|(time, iters)| time / iters).collect();
        let sound = samples.len() == iters.len() && times.len() == iters.len();
        if !sound || samples.iter().chain([&median]).any(|time| !time.is_finite() || *time <= 0.0) {
            return Err(format!("{}: samples that are no times", path.display()));
        }
        let least = samples.iter().copied().fold(f64::INFINITY, f64::min);
        let most = samples.iter().copied().fold(0.0, f64::max);
        if !(least..=most).contains(&median) {
            return Err(format!("{}: estimates of other samples", path.display()));
        }
        Ok(Some(Self { median, low, high, least, most, samples: samples.len(), gate: gate(&path)? }))
    }
}

/// What the gate saw of these very samples: a tally that is older than them belongs to an earlier run.
fn gate(path: &Path) -> Result<Option<Gate>> {
    let written = |file| fs::metadata(path.join(file)).and_then(|meta| meta.modified()).ok();
    match (written("gate.json"), written("sample.json")) {
        (Some(gate), Some(sample)) if gate >= sample => read(&path.join("gate.json")).map(Some),
        _ => Ok(None),
    }
}

/// As Criterion names its folders.
fn path(home: &Path, group: &str, name: &str, parameter: &str) -> PathBuf {
    let safe = |name: &str| name.replace(['/', '?', '"', '\\', '*', '<', '>', ':', '|', '^'], "_");
    home.join(safe(group)).join(safe(name)).join(safe(parameter))
}

#[cfg(test)]
mod tests {
    use super::super::recorded::{recorded, touch};
    use super::*;

    const STD: (&str, &str, &str) = ("counter/inc", "std", "2");

    #[test]
    fn reads_what_criterion_and_the_gate_write() {
        let figure = Figure::read(&recorded(), STD, "new").unwrap().expect("recorded");
        assert_eq!(figure.samples, 10);
        assert!(figure.low <= figure.median && figure.median <= figure.high, "{figure:?}");
        let gate = figure.gate.expect("recorded with it");
        assert!(gate.gated() && gate.samples > 0 && gate.run > 1_700_000_000);
        assert!((0.0..1.0).contains(&gate.share()));
    }

    #[test]
    fn what_was_not_measured_is_none() {
        assert!(Figure::read(&recorded(), ("counter/inc", "std", "3"), "new").unwrap().is_none());
    }

    #[test]
    fn a_tally_of_an_earlier_run_does_not_count() {
        let home = recorded();
        let seen = || Figure::read(&home, STD, "new").unwrap().unwrap().gate.is_some();
        assert!(seen());
        touch(&home.join("counter_inc/std/2/new/sample.json"), 2);
        assert!(!seen());
    }

    #[test]
    fn a_cut_file_is_an_error_that_names_it() {
        let home = recorded();
        fs::write(home.join("counter_inc/std/2/new/sample.json"), "{\"iters\":[1.0,").unwrap();
        let error = Figure::read(&home, STD, "new").unwrap_err();
        assert!(error.contains("sample.json"), "{error}");
    }
    #[test]
    fn estimates_of_other_samples_are_an_error() {
        let home = recorded();
        let other = home.join("counter_inc/plain/1/new/sample.json");
        fs::copy(other, home.join("counter_inc/std/2/new/sample.json")).unwrap();
        let error = Figure::read(&home, STD, "new").unwrap_err();
        assert!(error.contains("other samples"), "{error}");
    }
}
