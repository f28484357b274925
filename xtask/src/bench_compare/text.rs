//! A comparison, for a terminal and for a pull request.

use std::fmt::Write;

use super::Sides;
use super::judge::{ENOUGH, Judged, Series, Verdict};

type Compared<'a> = (&'a Series, &'a Judged);

impl Verdict {
    fn label(self) -> &'static str {
        match self {
            Self::Slower => "slower",
            Self::Faster => "faster",
            Self::NotDistinguishable => "not distinguishable",
        }
    }
}

pub(super) fn plain(sides: &Sides, all: &[Compared]) -> String {
    let mut text = format!("{} against {}, nanoseconds per operation\n", sides.head, sides.base);
    let width = all.iter().map(|(series, _)| series.id.len()).max().unwrap_or_default();
    for one @ (series, judged) in ours(all) {
        let [base, head] = medians(series);
        let (change, interval, verdict) = (percent(judged.change), interval(judged), judged.verdict.label());
        let _ = writeln!(text, "{:width$} {base:>10.2} {head:>10.2} {change:>9} {interval:>24}  {verdict}", one.0.id);
    }
    let _ = writeln!(text, "{}", summary(all));
    notes(all).iter().for_each(|note| _ = writeln!(text, "{note}"));
    text
}

pub(super) fn markdown(sides: &Sides, all: &[Compared]) -> String {
    let mut text = format!("### Benchmarks: `{}` against `{}`\n\n{}\n", sides.head, sides.base, summary(all));
    let (told, untold): (Vec<_>, Vec<_>) =
        ours(all).partition(|(_, judged)| judged.verdict != Verdict::NotDistinguishable);
    if !told.is_empty() {
        text.push('\n');
        table(&mut text, &told);
    }
    if !untold.is_empty() {
        let _ = write!(text, "\n<details><summary>{} not distinguishable</summary>\n\n", untold.len());
        table(&mut text, &untold);
        text.push_str("\n</details>\n");
    }
    notes(all).iter().for_each(|note| _ = write!(text, "\n{note}\n"));
    text
}

fn table(text: &mut String, all: &[Compared]) {
    text.push_str("| benchmark | base, ns | head, ns | change | interval | verdict |\n");
    text.push_str("| --- | ---: | ---: | ---: | ---: | --- |\n");
    for (series, judged) in all {
        let [base, head] = medians(series);
        let verdict = match judged.verdict {
            Verdict::NotDistinguishable => judged.verdict.label().to_owned(),
            told => format!("**{}**", told.label()),
        };
        let (id, change, interval) = (&series.id, percent(judged.change), interval(judged));
        let _ = writeln!(text, "| `{id}` | {base:.2} | {head:.2} | {change} | {interval} | {verdict} |");
    }
}

fn ours<'a>(all: &'a [Compared]) -> impl Iterator<Item = Compared<'a>> {
    all.iter().copied().filter(|(series, _)| !series.control)
}

fn summary(all: &[Compared]) -> String {
    let count = |verdict| ours(all).filter(|(_, judged)| judged.verdict == verdict).count();
    let rounds = all.first().map_or(0, |(series, _)| series.rounds.len());
    let [slower, faster, untold] = [Verdict::Slower, Verdict::Faster, Verdict::NotDistinguishable]
        .map(|verdict| (count(verdict), verdict.label()));
    let told = [slower, faster, untold].map(|(count, label)| format!("{count} {label}")).join(", ");
    format!("{told}; rounds: {rounds}. All intervals hold together with about 98 % confidence.")
}

/// What a reader should know before believing it.
fn notes(all: &[Compared]) -> Vec<String> {
    let mut notes = Vec::new();
    if all.iter().any(|(series, _)| series.rounds.len() < ENOUGH) {
        notes.push(format!(
            "With fewer than {ENOUGH} rounds the noise from run to run is guessed from the peers': only large changes are found."
        ));
    }
    let moved = all.iter().filter(|(series, judged)| series.control && judged.change.abs() > judged.half);
    let moved: Vec<_> = moved.map(|(series, judged)| format!("{} {}", series.id, percent(judged.change))).collect();
    if !moved.is_empty() {
        notes.push(format!(
            "Peers that moved, although their code is the same (unless Cargo.lock changed them); nothing smaller in their \
             groups is called a change: {}.",
            moved.join(", ")
        ));
    }
    let mut halves: Vec<_> = ours(all).map(|(_, judged)| judged.half).collect();
    halves.sort_by(f64::total_cmp);
    if let (Some(half), Some(worst)) = (halves.get(halves.len() / 2), halves.last()) {
        let seen =
            |half: f64| if half > WIDEST { "nothing short of a factor of ten".to_owned() } else { percent(half) };
        notes.push(format!(
            "A change is seen from about {} in half of the benchmarks, {} in the noisiest.",
            seen(*half),
            seen(*worst)
        ));
    }
    notes
}

/// Of all rounds, on either side.
fn medians(series: &Series) -> [f64; 2] {
    let median = |mut values: Vec<f64>| {
        values.sort_by(f64::total_cmp);
        let middle = values.len() / 2;
        if values.len().is_multiple_of(2) { f64::midpoint(values[middle - 1], values[middle]) } else { values[middle] }
    };
    let (base, head) = series.rounds.iter().copied().unzip();
    [median(base), median(head)]
}

fn percent(change: f64) -> String {
    format!("{:+.1} %", 100.0 * change.exp_m1())
}

/// Where an interval reaches further than a factor of ten either way, its ends mean nothing any more.
const WIDEST: f64 = std::f64::consts::LN_10;

fn interval(judged: &Judged) -> String {
    if judged.half > WIDEST {
        return "too noisy".to_owned();
    }
    let [low, high] = [judged.change - judged.half, judged.change + judged.half].map(percent);
    if low == high { low } else { format!("{low} to {high}") }
}

#[cfg(test)]
mod tests {
    use super::super::judge;
    use super::*;

    fn all() -> Vec<Series> {
        let series = |name: &str, control, factor: f64| Series {
            id: format!("group/{name}/1"),
            group: "group".to_owned(),
            control,
            noise: judge::Noise::Gated,
            rounds: (0..10).map(|round| (20.0 + 0.01 * f64::from(round), 20.0 * factor)).collect(),
            within: 0.001,
        };
        vec![series("slow", false, 1.2), series("same", false, 1.0), series("peer", true, 1.04)]
    }

    #[test]
    fn tells_what_changed_and_hides_the_rest() {
        let (series, sides) = (all(), Sides { base: "aaa".to_owned(), head: "bbb".to_owned() });
        let judged = judge::judge(&series);
        let compared: Vec<_> = series.iter().zip(&judged).collect();
        let text = markdown(&sides, &compared);
        assert!(text.contains("1 slower, 0 faster, 1 not distinguishable"), "{text}");
        let (told, hidden) = text.split_once("<details>").unwrap();
        assert!(told.contains("| `group/slow/1` | 20.05 | 24.00 | +19.7 % |") && told.contains("**slower**"), "{text}");
        assert!(hidden.contains("group/same/1") && !told.contains("same"), "{text}");
        assert!(text.contains("Peers that moved") && text.contains("group/peer/1 +3.8 %"), "{text}");
        assert!(!text.contains("| `group/peer/1`"), "{text}");
        let text = plain(&sides, &compared);
        assert!(text.lines().any(|line| line.starts_with("group/slow/1") && line.ends_with("slower")), "{text}");
    }

    #[test]
    fn logarithms_become_percents() {
        assert_eq!([0.0, 2.0_f64.ln(), 0.5_f64.ln()].map(percent), ["+0.0 %", "+100.0 %", "-50.0 %"]);
        let judged = |half| Judged { change: 0.0, half, verdict: Verdict::NotDistinguishable };
        assert_eq!(interval(&judged(2.0_f64.ln())), "-50.0 % to +100.0 %");
        assert_eq!([interval(&judged(3.0)), interval(&judged(f64::INFINITY))], ["too noisy", "too noisy"]);
    }
}
