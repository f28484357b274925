//! The figures of a report, group by group, and what follows from them: who is ahead, by how much, where we are not.

use std::path::Path;

use crate::bench_data::{Each, Entry, FAST, Figure, Gate, Goal, Group, Inventory, Result, Role, What};

/// A group of which every benchmark was measured, in one run.
pub(super) struct Section {
    pub(super) group: Group,
    pub(super) rows: Vec<Row>,
}

/// One benchmark's figure, which is never without what the gate saw.
pub(super) struct Row {
    pub(super) entry: Entry,
    pub(super) figure: Figure,
    pub(super) gate: Gate,
}

/// The intervals know one run only. From run to run, and with where the linker puts a loop, medians move by this much.
pub(super) const MARGIN: f64 = 1.02;

/// Reads every figure that the inventory names.
///
/// # Errors
/// If one is missing, or was measured in another run than its group: a ratio of either would be made up.
pub(super) fn collect(home: &Path, inventory: &Inventory) -> Result<Vec<Section>> {
    let (mut sections, mut wrong) = (Vec::new(), Vec::new());
    for group in &inventory.groups {
        let mut rows = Vec::new();
        for entry in &group.entries {
            let id = (group.name.as_str(), entry.name.as_str(), entry.parameter.as_str());
            let name = format!("{}/{}/{}", id.0, id.1, id.2);
            match Figure::read(home, id, "new")? {
                None => wrong.push(format!("{name}: not measured")),
                Some(Figure { gate: None, .. }) => {
                    wrong.push(format!("{name}: nobody wrote down what the gate rejected"))
                }
                Some(mut figure) => {
                    let gate = figure.gate.take().expect("it has one");
                    rows.push(Row { entry: entry.clone(), figure, gate });
                }
            }
        }
        for parameter in group.parameters() {
            for peer in group.peers.iter().filter(|peer| group.at(parameter).all(|entry| entry.name != **peer)) {
                wrong.push(format!("{}/{peer}/{parameter}: a peer that the group must hold, and does not", group.name));
            }
        }
        if rows.iter().any(|row| row.gate.run != rows[0].gate.run) {
            wrong.push(format!("{}: figures of different runs, which cannot be compared", group.name));
        }
        sections.push(Section { group: group.clone(), rows });
    }
    if wrong.is_empty() { Ok(sections) } else { Err(format!("no report:\n  {}", wrong.join("\n  "))) }
}

impl Row {
    /// As the threads are more than the cores, or cannot be pinned: a rough figure.
    pub(super) fn rough(&self) -> bool {
        !self.gate.gated()
    }

    /// The parameter as a number.
    pub(super) fn number(&self) -> Option<f64> {
        self.entry.parameter.parse().ok()
    }

    pub(super) fn of(&self, what: What) -> Option<f64> {
        match what {
            What::Time => Some(self.figure.median),
            What::Spread => self.gate.spread,
            What::Longest => self.gate.longest,
            What::Read | What::Write => Some(median(&self.each(what))).filter(|median| !median.is_nan()),
        }
    }

    /// Of each run, sorted; nothing of the time, of which the figure knows more.
    pub(super) fn each(&self, what: What) -> Vec<f64> {
        let Each { spread, longest, read, write } = &self.gate.each;
        let mut each = match what {
            What::Time => Vec::new(),
            What::Spread => spread.clone(),
            What::Longest => longest.clone(),
            What::Read => read.clone(),
            What::Write => write.clone(),
        };
        each.sort_by(f64::total_cmp);
        each
    }

    /// Million operations a second, least, median and most; of free threads.
    pub(super) fn rates(&self) -> [f64; 3] {
        [self.figure.most, self.figure.median, self.figure.least].map(|time| 1e3 / time)
    }

    /// Less, beyond what the intervals and the margin allow.
    pub(super) fn below(&self, other: &Row) -> bool {
        self.figure.high < other.figure.low && self.figure.median * MARGIN < other.figure.median
    }
}

impl Section {
    pub(super) fn at<'a>(&'a self, parameter: &'a str) -> impl Iterator<Item = &'a Row> + Clone {
        self.rows.iter().filter(move |row| row.entry.parameter == parameter)
    }

    pub(super) fn row(&self, name: &str, parameter: &str) -> Option<&Row> {
        self.rows.iter().find(|row| row.entry.name == name && row.entry.parameter == parameter)
    }

    pub(super) fn fastest(&self, parameter: &str, role: Role) -> Option<&Row> {
        let rows = self.rows.iter().filter(|row| row.entry.parameter == parameter && row.entry.role == role);
        rows.min_by(|a, b| a.figure.median.total_cmp(&b.figure.median))
    }

    /// What ratios are to: the best peer, or the limit where there is no peer.
    pub(super) fn best(&self, parameter: &str) -> Option<&Row> {
        self.fastest(parameter, Role::Peer).or_else(|| self.fastest(parameter, Role::Limit))
    }

    pub(super) fn ratio(&self, row: &Row) -> Option<f64> {
        Some(row.figure.median / self.best(&row.entry.parameter)?.figure.median)
    }

    /// Who is ahead, of ours and the peers, in a sentence.
    pub(super) fn winner(&self, parameter: &str) -> String {
        let ours = self.fastest(parameter, Role::Ours);
        match (ours, self.fastest(parameter, Role::Peer)) {
            (Some(ours), Some(peer)) if ours.below(peer) => format!("{} (ours) is ahead", ours.entry.name),
            (Some(ours), Some(peer)) if peer.below(ours) => format!("{} is ahead", peer.entry.name),
            (Some(ours), Some(peer)) => {
                format!("{} (ours) and {} cannot be told apart", ours.entry.name, peer.entry.name)
            }
            _ => "no peer here; ratios are to the limit".to_owned(),
        }
    }

    /// What ours takes of the best that the goal names.
    pub(super) fn against(&self, goal: &Goal) -> Option<f64> {
        let row = |(name, parameter): &(String, String)| self.row(name, parameter);
        let others = goal.against.iter().map(row).collect::<Option<Vec<_>>>()?;
        let others = if goal.fast { fast(others) } else { others };
        let others = others.into_iter().map(|row| row.of(goal.what)).collect::<Option<Vec<_>>>()?;
        Some(goal.what.ratio(row(&goal.ours)?.of(goal.what)?, others.into_iter().reduce(f64::min)?))
    }

    /// What was measured of waiting.
    pub(super) fn waits(&self) -> &'static [What] {
        let some = |what| self.rows.iter().any(|row| row.of(what).is_some());
        match (some(What::Read), some(What::Longest)) {
            (true, _) => &[What::Read, What::Write],
            (false, true) => &[What::Longest],
            (false, false) => &[],
        }
    }

    /// What the parameters count, if they are numbers and more than one.
    pub(super) fn counted(&self) -> Option<&str> {
        if self.group.parameters().len() < 2 || self.rows.iter().any(|row| row.number().is_none()) {
            return None;
        }
        let threads = self.rows.iter().all(|row| row.number() == Some(row.entry.threads as f64));
        Some(if threads { "threads" } else { self.group.name.rsplit('/').next().unwrap_or("") })
    }

    /// How evenly the threads were served was measured.
    pub(super) fn is_shared(&self) -> bool {
        self.rows.iter().any(|row| row.gate.spread.is_some())
    }
}

/// Those that reach [`FAST`] of the throughput of the best of them.
pub(super) fn fast(mut rows: Vec<&Row>) -> Vec<&Row> {
    let least = rows.iter().map(|row| row.figure.median).fold(f64::INFINITY, f64::min);
    rows.retain(|row| row.figure.median * FAST <= least);
    rows
}

/// As the benches take it, of sorted ones; no number if there is none.
pub(super) fn median(sorted: &[f64]) -> f64 {
    sorted.get(sorted.len() / 2).copied().unwrap_or(f64::NAN)
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::bench_data::recorded::{Recorded, recorded, touch};
    use std::fs;

    /// The recorded group as if its threads had been free, all equally fast and fair.
    pub(in super::super) fn free(home: &Recorded) -> Section {
        let mut sections = sections(home).unwrap();
        let at = sections.iter().position(|section| section.group.name == "counter/inc").unwrap();
        let mut section = sections.swap_remove(at);
        section.group.free = true;
        for row in &mut section.rows {
            let Figure { median, low, high, least, most, .. } = &mut row.figure;
            [*median, *low, *high, *least, *most] = [20.0, 19.0, 21.0, 10.0, 40.0];
            row.gate.gating = "free".to_owned();
            wait(row, 1e6);
            (row.gate.spread, row.gate.each.spread) = (Some(2.0), vec![2.0; 10]);
        }
        section
    }

    /// Has somebody wait for so many nanoseconds in each run.
    pub(in super::super) fn wait(row: &mut Row, time: f64) {
        (row.gate.longest, row.gate.each.longest) = (Some(time), vec![time; 10]);
    }

    pub(in super::super) fn sections(home: &Recorded) -> Result<Vec<Section>> {
        collect(home, &Inventory::all(home).unwrap())
    }

    #[test]
    fn ratios_are_to_the_best_peer() {
        let sections = sections(&recorded()).unwrap();
        let section = sections.iter().find(|section| section.group.name == "counter/inc").unwrap();
        for parameter in ["1", "2", "4", "8"] {
            let best = section.best(parameter).unwrap();
            assert_eq!(best.entry.role, Role::Peer, "not the plain increment, which is the limit");
            assert_eq!(section.ratio(best), Some(1.0));
            let peers = section.at(parameter).filter(|row| row.entry.role == Role::Peer);
            assert!(peers.into_iter().all(|peer| section.ratio(peer).unwrap() >= 1.0));
        }
        assert_eq!(section.counted(), Some("threads"));
    }

    #[test]
    fn a_missing_peer_is_named() {
        let home = recorded();
        fs::remove_dir_all(home.join("counter_inc/parking_lot/2")).unwrap();
        let error = sections(&home).err().expect("no report without it");
        assert!(error.contains("counter/inc/parking_lot/2: not measured"), "{error}");
        assert_eq!(error.lines().count(), 2, "{error}");
    }

    #[test]
    fn a_peer_that_is_no_longer_in_the_group_is_named() {
        let home = recorded();
        let mut inventory = Inventory::all(&home).unwrap();
        let group = inventory.groups.iter_mut().find(|group| group.name == "counter/inc").unwrap();
        group.entries.retain(|entry| entry.name != "std" || entry.parameter != "4");
        let error = collect(&home, &inventory).err().expect("no report without it");
        assert!(error.contains("counter/inc/std/4: a peer that the group must hold"), "{error}");
    }

    #[test]
    fn a_figure_without_what_was_rejected_is_not_shown() {
        let home = recorded();
        fs::remove_file(home.join("counter_inc/std/2/new/gate.json")).unwrap();
        let error = sections(&home).err().expect("no report");
        assert!(error.contains("counter/inc/std/2: nobody wrote down what the gate rejected"), "{error}");
    }

    #[test]
    fn figures_of_two_runs_are_not_compared() {
        let home = recorded();
        let path = home.join("counter_inc/std/2/new/gate.json");
        let text = fs::read_to_string(&path).unwrap().replace("\"run\": 1", "\"run\": 2");
        fs::write(&path, text).unwrap();
        touch(&path, 1);
        let error = sections(&home).err().expect("no report");
        assert!(error.contains("counter/inc: figures of different runs"), "{error}");
    }
}
