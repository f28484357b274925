//! Which benchmarks there are, as the benches themselves wrote it down (`benches/support/inventory.rs`): the peers that a
//! group must hold stand in its source, and nowhere else.

use std::fs;
use std::path::Path;

use serde::Deserialize;

use super::Result;

/// Whose implementation it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Role {
    Ours,
    Peer,
    /// The least that the machine can do.
    Limit,
}

#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Entry {
    pub(crate) role: Role,
    pub(crate) name: String,
    pub(crate) parameter: String,
    pub(crate) threads: usize,
}

/// What a goal is about; of each, less is better.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum What {
    #[default]
    Time,
    /// The operations of the thread that got most, over those of the one that got least.
    Spread,
    /// How long a thread waited at most.
    Longest,
    /// How long one that reads did, or one that writes, where there are both.
    Read,
    Write,
}

impl What {
    /// What ours is of theirs. Waits that take no longer than to fall asleep and be woken are all alike.
    pub(crate) fn ratio(self, ours: f64, theirs: f64) -> f64 {
        const NOTHING: f64 = 50_000.0;
        match self {
            Self::Time | Self::Spread => ours / theirs,
            Self::Longest | Self::Read | Self::Write => ours.max(NOTHING) / theirs.max(NOTHING),
        }
    }
}

/// `ours` takes at most `at_most` times as much as the best of `against`; each is a name and a parameter.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Goal {
    #[serde(default)]
    pub(crate) what: What,
    pub(crate) ours: (String, String),
    pub(crate) against: Vec<(String, String)>,
    /// Only those of them count that reach [`FAST`] of the best one's throughput.
    #[serde(default)]
    pub(crate) fast: bool,
    pub(crate) at_most: f64,
}

/// Who does less than that part of the most is no measure of how soon somebody is served.
pub(crate) const FAST: f64 = 0.95;

#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Group {
    pub(crate) name: String,
    pub(crate) peers: Vec<String>,
    /// Of free threads, neither pinned nor gated: a sample is a run, and its time that of all threads together.
    #[serde(default)]
    pub(crate) free: bool,
    /// How long a full run takes, about.
    pub(crate) seconds: f64,
    pub(crate) entries: Vec<Entry>,
    pub(crate) goals: Vec<Goal>,
}

impl Group {
    /// In the order in which they are measured, each once.
    pub(crate) fn parameters(&self) -> Vec<&str> {
        unique(self.entries.iter().map(|entry| entry.parameter.as_str()))
    }

    pub(crate) fn names(&self) -> Vec<&str> {
        unique(self.entries.iter().map(|entry| entry.name.as_str()))
    }

    pub(crate) fn at<'a>(&'a self, parameter: &'a str) -> impl Iterator<Item = &'a Entry> + Clone {
        self.entries.iter().filter(move |entry| entry.parameter == parameter)
    }
}

fn unique<'a>(all: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    let mut seen = Vec::new();
    all.for_each(|one| seen.extend((!seen.contains(&one)).then_some(one)));
    seen
}

#[derive(Deserialize)]
struct Program {
    groups: Vec<Group>,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Inventory {
    pub(crate) groups: Vec<Group>,
}

impl Inventory {
    /// What these programs wrote down in Criterion's folder. One that wrote nothing is an error.
    pub(crate) fn of(home: &Path, programs: &[String]) -> Result<Self> {
        let mut groups = Vec::new();
        for program in programs {
            let path = home.join("inventory").join(format!("{program}.json"));
            groups.extend(super::read::<Program>(&path)?.groups);
        }
        Ok(Self { groups })
    }

    /// What any program wrote down there.
    pub(crate) fn all(home: &Path) -> Result<Self> {
        let folder = home.join("inventory");
        let entries = fs::read_dir(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
        let names =
            entries.flatten().filter_map(|entry| Some(entry.file_name().to_str()?.strip_suffix(".json")?.to_owned()));
        let mut programs: Vec<_> = names.collect();
        programs.sort();
        Self::of(home, &programs)
    }

    /// How long a full run of the benchmark `group/name/parameter` takes, about; nothing if it is not among these.
    pub(crate) fn seconds(&self, id: &str) -> f64 {
        let of_it = |group: &&Group| id.strip_prefix(&group.name).is_some_and(|rest| rest.starts_with('/'));
        self.groups.iter().find(of_it).map_or(0.0, |group| group.seconds / group.entries.len() as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::super::recorded::recorded;
    use super::*;

    #[test]
    fn reads_what_the_benches_write() {
        let inventory = Inventory::all(&recorded()).unwrap();
        let group = inventory.groups.iter().find(|group| group.name == "counter/inc").expect("the recorded group");
        assert_eq!(group.parameters(), ["1", "2", "4", "8"]);
        assert_eq!(group.names(), ["counter", "sharded", "atomic", "shards", "std", "parking_lot", "plain"]);
        assert_eq!(group.peers, ["atomic", "shards", "std", "parking_lot", "plain"]);
        let roles: Vec<_> = group.at("2").map(|entry| (entry.role, entry.threads)).collect();
        assert_eq!(roles[..3], [(Role::Ours, 2), (Role::Ours, 2), (Role::Peer, 2)]);
        assert_eq!(roles[6], (Role::Limit, 2));
        assert_eq!(group.goals[0].ours, ("sharded".to_owned(), "1".to_owned()));
    }

    #[test]
    fn each_benchmark_has_its_share_of_the_groups_time() {
        let inventory = Inventory::all(&recorded()).unwrap();
        let group = &inventory.groups[0];
        let each = inventory.seconds("counter/inc/atomic/1");
        assert!(each > 0.0 && (each * group.entries.len() as f64 - group.seconds).abs() < 1e-9);
        assert_eq!(inventory.seconds("counter/include/atomic/1"), 0.0);
    }

    #[test]
    fn a_program_that_wrote_nothing_is_an_error() {
        let error = Inventory::of(&recorded(), &["nobody".to_owned()]).unwrap_err();
        assert!(error.contains("nobody.json"), "{error}");
    }
}
