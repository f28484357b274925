//! What a program measures, written down for those who read its figures: whose each benchmark is, its threads, and the
//! peers without which a group says nothing. So that list stands in the groups and nowhere else.

use std::fs;

use serde_json::{Value, json};

use super::goal::Goal;
use super::group::{Entry, Group};
use super::home::criterion_home;

/// Writes `inventory/<program>.json` beside Criterion's folders.
pub(crate) fn save(groups: &[Group]) -> std::io::Result<()> {
    let folder = criterion_home().join("inventory");
    fs::create_dir_all(&folder)?;
    let inventory = json!({
        "benchmarks": groups.iter().map(Group::len).sum::<u32>(),
        "groups": groups.iter().map(group).collect::<Value>(),
    });
    // Not in place: whoever reads it meanwhile finds the old one or the new one.
    let new = folder.join(concat!(env!("CARGO_CRATE_NAME"), ".new"));
    fs::write(&new, format!("{inventory:#}\n"))?;
    fs::rename(new, folder.join(concat!(env!("CARGO_CRATE_NAME"), ".json")))
}

fn group(group: &Group) -> Value {
    json!({
        "name": group.name,
        "peers": group.peers,
        "free": group.is_free(),
        "seconds": group.time().as_secs_f64(),
        "entries": group.entries.iter().map(entry).collect::<Value>(),
        "goals": group.goals.iter().map(goal).collect::<Value>(),
    })
}

fn entry(entry: &Entry) -> Value {
    json!({
        "role": entry.role.label(),
        "name": entry.name,
        "parameter": entry.shape.parameter,
        "threads": entry.shape.threads,
    })
}

fn goal(goal: &Goal) -> Value {
    json!({ "what": goal.what.label(), "ours": goal.ours, "against": goal.against, "fast": goal.fast, "at_most": goal.at_most })
}
