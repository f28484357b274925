//! Saved baselines as rounds: `NAME`, or `NAME-1`, `NAME-2` and so on.

use std::path::Path;

use super::Series;
use super::judge::Noise;
use crate::bench_data::{Entry, Figure, Group, Inventory, Result, Role};

type Id<'a> = (&'a str, &'a str, &'a str);

fn id<'a>(group: &'a Group, entry: &'a Entry) -> Id<'a> {
    (&group.name, &entry.name, &entry.parameter)
}

/// Whether any benchmark has such a baseline.
pub(super) fn exist(home: &Path, inventory: &Inventory, name: &str) -> bool {
    let mut entries = inventory.groups.iter().flat_map(|group| group.entries.iter().map(move |entry| id(group, entry)));
    entries.any(|id| rounds(home, id, name).is_ok_and(|rounds| !rounds.is_empty()))
}

/// That baseline of one benchmark; empty if it was not measured.
fn rounds(home: &Path, id: Id, name: &str) -> Result<Vec<Figure>> {
    if let Some(figure) = Figure::read(home, id, name)? {
        return Ok(vec![figure]);
    }
    let numbered = (1..).map(|round| Figure::read(home, id, &format!("{name}-{round}")).transpose());
    numbered.map_while(|figure| figure).collect()
}

/// Every benchmark that both have.
pub(super) fn series(home: &Path, inventory: &Inventory, base: &str, head: &str) -> Result<Vec<Series>> {
    if !exist(home, inventory, head) {
        return Err(format!("there is no saved baseline {head}"));
    }
    collect(inventory, |id| {
        let (base, head) = (rounds(home, id, base)?, rounds(home, id, head)?);
        let (group, name, parameter) = id;
        match (base.len(), head.len()) {
            (0, _) | (_, 0) => Ok(Vec::new()),
            (a, b) if a == b => Ok(base.into_iter().zip(head).collect()),
            (a, b) => Err(format!("{group}/{name}/{parameter}: {a} rounds against {b}")),
        }
    })
}

/// Every benchmark of which `rounds` has any.
pub(super) fn collect(
    inventory: &Inventory,
    mut rounds: impl FnMut(Id) -> Result<Vec<(Figure, Figure)>>,
) -> Result<Vec<Series>> {
    let mut all = Vec::new();
    for group in &inventory.groups {
        for entry in &group.entries {
            let rounds = rounds(id(group, entry))?;
            if !rounds.is_empty() {
                all.push(series_of(group, entry, &rounds));
            }
        }
    }
    Ok(all)
}

fn series_of(group: &Group, entry: &Entry, rounds: &[(Figure, Figure)]) -> Series {
    let squares = rounds.iter().map(|(base, head)| error(base).powi(2) + error(head).powi(2));
    // Where nothing was pinned, the harness says so in every tally; a baseline has none, and one thread always can be.
    let gate = rounds.iter().find_map(|(_, head)| head.gate.as_ref());
    let gated = gate.map_or(entry.threads == 1, |gate| gate.gated());
    Series {
        id: format!("{}/{}/{}", group.name, entry.name, entry.parameter),
        group: group.name.clone(),
        control: entry.role != Role::Ours,
        noise: match (group.free, gated) {
            (true, _) => Noise::Free,
            (false, true) => Noise::Gated,
            (false, false) => Noise::Ungated,
        },
        within: (squares.sum::<f64>() / rounds.len() as f64).sqrt(),
        rounds: rounds.iter().map(|(base, head)| (base.median, head.median)).collect(),
    }
}

/// The standard error of the median's logarithm, from its interval, which holds it with 95 %.
fn error(figure: &Figure) -> f64 {
    (figure.high / figure.low).ln() / (2.0 * 1.96)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench_data::recorded::{Recorded, recorded};
    use serde_json::{Value, json};
    use std::fs;

    /// Saves a baseline of the recording in which the counter of ours takes `factor` as long.
    fn save(home: &Recorded, name: &str, factor: f64) {
        for entry in &Inventory::all(home).unwrap().groups[0].entries {
            let folder = home.join(format!("counter_inc/{}/{}", entry.name, entry.parameter));
            fs::create_dir_all(folder.join(name)).unwrap();
            for file in ["benchmark.json", "estimates.json", "sample.json"] {
                let mut value: Value = crate::bench_data::read(&folder.join("new").join(file)).unwrap();
                let scale = |value: &mut Value| *value = json!(value.as_f64().unwrap() * factor);
                if entry.name == "counter" && file == "estimates.json" {
                    let median = &mut value["median"];
                    scale(&mut median["point_estimate"]);
                    scale(&mut median["confidence_interval"]["lower_bound"]);
                    scale(&mut median["confidence_interval"]["upper_bound"]);
                } else if entry.name == "counter" && file == "sample.json" {
                    value["times"].as_array_mut().unwrap().iter_mut().for_each(scale);
                }
                fs::write(folder.join(name).join(file), value.to_string()).unwrap();
            }
        }
    }

    #[test]
    fn a_baseline_is_a_round_and_numbered_ones_are_several() {
        let home = recorded();
        let inventory = Inventory::all(&home).unwrap();
        assert!(!exist(&home, &inventory, "before"));
        save(&home, "before", 1.0);
        save(&home, "after", 2.0);
        let series = super::series(&home, &inventory, "before", "after").unwrap();
        assert_eq!(series.len(), 28);
        for one in &series {
            assert_eq!(one.rounds.len(), 1);
            let ratio = one.rounds[0].1 / one.rounds[0].0;
            assert!((ratio - if one.id.contains("/counter/") { 2.0 } else { 1.0 }).abs() < 1e-9, "{one:?}");
            assert_eq!(one.control, !one.id.contains("/counter/") && !one.id.contains("/sharded/"));
        }
        (1..=6).for_each(|round| save(&home, &format!("many-{round}"), 1.0));
        assert!(super::series(&home, &inventory, "many", "after").unwrap_err().contains("6 rounds against 1"));
        let series = super::series(&home, &inventory, "many", "many").unwrap();
        assert!(series.iter().all(|one| one.rounds.len() == 6));
        // The same files on both sides.
        let judged = super::super::judge(&series);
        assert!(
            judged
                .iter()
                .all(|judged| judged.change == 0.0 && judged.verdict == super::super::Verdict::NotDistinguishable)
        );
    }

    #[test]
    fn what_was_not_saved_is_an_error() {
        let home = recorded();
        let inventory = Inventory::all(&home).unwrap();
        assert!(super::series(&home, &inventory, "new", "never").unwrap_err().contains("never"));
    }
}
