//! What changed between two sides, and what only looks so.
//!
//! # The statistic
//! Samples of one run are no independent draws: a run has its memory layout, its neighbours and its clock speed, and keeps
//! them. So a run counts once, by its median, and runs are repeated (T. Kalibera, R. Jones: *Rigorous Benchmarking in
//! Reasonable Time*, ISMM 2013). Both sides run in every round, one right after the other, in alternating order, and what is
//! looked at is the logarithm of head's median over base's, one number a round: what slows both down cancels.
//!
//! Their mean is judged by the trimmed t of J. W. Tukey and D. H. McLaughlin (*Less Vulnerable Confidence and Significance
//! Procedures for Location Based on a Single Sample*, Sankhya A 25, 1963; R. Wilcox, *Introduction to Robust Estimation and
//! Hypothesis Testing*, section 4.3): the extreme rounds on either side are left out of the mean and stand in the variance
//! with the values of their neighbours, so that one disturbed round neither makes a change nor hides one.
//!
//! All intervals of a comparison hold together, with [`ALARM`] as the chance that *any* of them is wrong (Bonferroni: it is
//! divided by their number). So a hundred benchmarks that did not change stay quiet. That far out in its tails, with so few
//! rounds, the trimmed t is too sure by a factor of several: on made-up noise of six kinds the tests see none to two false
//! alarms in a hundred comparisons. The reports promise no more than that.
//!
//! # The controls
//! The peers and the limits are the same code on both sides. What moves there is not what was changed but the machine, or
//! where the linker put things, which changes loops by percents without any change to them (T. Mytkowicz et al.: *Producing
//! Wrong Data Without Doing Anything Obviously Wrong!*, ASPLOS 2009). A verdict on ours must be larger than what a control of
//! its group did beyond its own noise, and than [`MARGIN`] in any case.
//!
//! With fewer than [`ENOUGH`] rounds (two saved baselines are one), nothing tells how far two runs of one benchmark lie
//! apart. The controls stand in: a change must be beyond what all of them together make likely, and four times the largest
//! among them, as tails are heavy. That is coarse, finds large changes only, and where tails are as heavy
//! as Student's with three degrees of freedom one comparison in twenty is still wrong: rounds are better.

use statrs::distribution::{ContinuousCDF, StudentsT};

/// The chance that a comparison in which nothing changed has any verdict but "not distinguishable", were the tails exact.
const ALARM: f64 = 0.003;
/// Less than this is never called a change: two percent, as a logarithm.
const MARGIN: f64 = 0.02;
/// From so many rounds on they speak for themselves.
pub(super) const ENOUGH: usize = 6;
/// With fewer controls, less than that many rounds say nothing.
const CONTROLS: usize = 8;

/// One benchmark, on both sides.
#[derive(Clone, Debug)]
pub(super) struct Series {
    pub(super) id: String,
    pub(super) group: String,
    /// The same code on both sides.
    pub(super) control: bool,
    pub(super) noise: Noise,
    /// The medians of base and of head, round by round.
    pub(super) rounds: Vec<(f64, f64)>,
    /// The standard error of one round's logarithm of head over base, as far as the samples within the runs tell.
    pub(super) within: f64,
}

/// What a benchmark's noise is like, so that it is judged by its own kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Noise {
    /// Pinned and gated. Others are noisier by far.
    Gated,
    Ungated,
    /// Runs of free threads, a few of them.
    Free,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Slower,
    Faster,
    NotDistinguishable,
}

/// A change as a logarithm, with the half width of its interval.
#[derive(Clone, Copy, Debug)]
pub(super) struct Judged {
    pub(super) change: f64,
    pub(super) half: f64,
    pub(super) verdict: Verdict,
}

impl Judged {
    fn beyond_noise(&self) -> bool {
        self.change.abs() > self.half
    }
}

/// A verdict for each, in their order; none on a control.
pub(super) fn judge(all: &[Series]) -> Vec<Judged> {
    let ours = all.iter().filter(|series| !series.control).count().max(1);
    let mut quantiles = Quantiles { alarm: ALARM / ours as f64, known: Vec::new() };
    let mut judged: Vec<_> = all.iter().map(|series| estimate(series, all, &mut quantiles)).collect();
    for (index, series) in all.iter().enumerate() {
        let pairs = all.iter().zip(&judged);
        let controls = pairs.filter(|(other, _)| other.control && other.group == series.group);
        let moved = controls.filter(|(_, judged)| judged.beyond_noise()).map(|(_, judged)| judged.change.abs());
        let least = moved.fold(MARGIN, f64::max);
        let this = &mut judged[index];
        // A control did not change, whatever it looks like.
        if !series.control && this.beyond_noise() && this.change.abs() > least {
            this.verdict = if this.change > 0.0 { Verdict::Slower } else { Verdict::Faster };
        }
    }
    judged
}

fn estimate(series: &Series, all: &[Series], quantiles: &mut Quantiles) -> Judged {
    let changes = changes(series);
    let (change, half) = if changes.len() >= ENOUGH {
        let Trimmed { mean, error, freedom } = Trimmed::of(&changes);
        // Rounds that agree by chance know no more than their samples do.
        let error = error.max(series.within / (changes.len() as f64).sqrt());
        (mean, quantiles.at(freedom) * error)
    } else {
        (mean(&changes), few_rounds(series, all, quantiles))
    };
    Judged { change, half, verdict: Verdict::NotDistinguishable }
}

/// The logarithm of head over base, for each round.
fn changes(series: &Series) -> Vec<f64> {
    series.rounds.iter().map(|(base, head)| (head / base).ln()).collect()
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

/// The half width of an interval where only the controls tell the noise.
fn few_rounds(series: &Series, all: &[Series], quantiles: &mut Quantiles) -> f64 {
    let controls = all.iter().filter(|other| other.control && other.noise == series.noise);
    let moved: Vec<_> = controls.map(|other| mean(&changes(other)).abs()).collect();
    if moved.len() < CONTROLS {
        return f64::INFINITY;
    }
    let square = mean(&moved.iter().map(|change| change * change).collect::<Vec<_>>());
    let error = (square + series.within.powi(2) / series.rounds.len() as f64).sqrt();
    let largest = moved.iter().copied().fold(0.0, f64::max);
    (quantiles.at(moved.len() as f64) * error).max(4.0 * largest)
}

/// What Student's t stays within on both sides, but for `alarm`.
struct Quantiles {
    alarm: f64,
    /// By their degrees of freedom, which are few: each takes a search.
    known: Vec<(f64, f64)>,
}

impl Quantiles {
    fn at(&mut self, freedom: f64) -> f64 {
        if let Some((_, quantile)) = self.known.iter().find(|(known, _)| *known == freedom) {
            return *quantile;
        }
        let student = StudentsT::new(0.0, 1.0, freedom).expect("a scale and some freedom");
        let quantile = student.inverse_cdf(1.0 - self.alarm / 2.0);
        self.known.push((freedom, quantile));
        quantile
    }
}

struct Trimmed {
    mean: f64,
    /// The standard error of the mean.
    error: f64,
    freedom: f64,
}

impl Trimmed {
    /// One in eight is left out, at each end.
    fn of(values: &[f64]) -> Self {
        let mut sorted = values.to_vec();
        sorted.sort_by(f64::total_cmp);
        let (count, cut) = (sorted.len(), sorted.len() / 8);
        let kept = &sorted[cut..count - cut];
        let mean_kept = mean(kept);
        let winsorized: Vec<_> = sorted.iter().map(|value| value.clamp(kept[0], kept[kept.len() - 1])).collect();
        let centre = mean(&winsorized);
        let squares: f64 = winsorized.iter().map(|value| (value - centre).powi(2)).sum();
        let deviation = (squares / (count - 1) as f64).sqrt();
        let share = kept.len() as f64 / count as f64;
        Self { mean: mean_kept, error: deviation / (share * (count as f64).sqrt()), freedom: kept.len() as f64 - 1.0 }
    }
}

#[cfg(test)]
#[path = "judge_tests.rs"]
mod tests;
