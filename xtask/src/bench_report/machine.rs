//! Where and when figures were measured, and how large the types are there.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use super::figures::Section;
use crate::bench_data::{Result, read, root, write};

/// One line of `sizes.json`.
#[derive(Deserialize)]
pub(super) struct Size {
    #[serde(rename = "type")]
    pub(super) name: String,
    pub(super) bytes: usize,
    #[serde(default)]
    pub(super) peers: Vec<Size>,
}

/// What is written down when a run begins.
#[derive(Serialize, Deserialize)]
struct Run {
    started: u64,
    facts: Vec<(String, String)>,
}

/// What a reader has to know about the figures.
pub(super) struct Conditions {
    /// The day on which they were measured.
    pub(super) date: String,
    pub(super) facts: Vec<(String, String)>,
}

/// Writes down the conditions of a run that begins now.
pub(super) fn record(folder: &Path, quick: bool) -> Result {
    let mode = if quick { "quick: ten short samples each" } else { "full" };
    let mut facts = here();
    facts.push(("Run".to_owned(), mode.to_owned()));
    facts.push(("Load before the run".to_owned(), load()));
    let run = Run { started: seconds(SystemTime::now()), facts };
    write(&folder.join("run.json"), &serde_json::to_string_pretty(&run).expect("plain data"))
}

impl Conditions {
    /// Of a run that was recorded, if the figures are that run's.
    pub(super) fn of(folder: &Path, sections: &[Section]) -> Self {
        let runs = || sections.iter().flat_map(|section| &section.rows).map(|row| row.gate.run);
        let (first, last) = (runs().min().unwrap_or_default(), runs().max().unwrap_or_default());
        let mut facts = vec![(
            "Measured".to_owned(),
            format!("{}, programs begun {} to {} UTC", date(first).0, date(first).1, date(last).1),
        )];
        match read::<Run>(&folder.join("run.json")) {
            // No program of it can have begun earlier.
            Ok(run) if run.started <= first => facts.extend(run.facts),
            _ => {
                let unknown = "not recorded (measured by cargo bench, not by cargo xtask bench-report)";
                facts.push(("Commit, compiler and load of the run".to_owned(), unknown.to_owned()));
            }
        }
        Self { date: date(last).0, facts }
    }
}

fn here() -> Vec<(String, String)> {
    let dirty = !say("git", &["status", "--porcelain", "--untracked-files=no"]).is_empty();
    let commit = say("git", &["describe", "--always", "--abbrev=12", "--exclude=*"]);
    let cores = std::thread::available_parallelism().map_or_else(|error| error.to_string(), |cores| cores.to_string());
    [
        ("Machine", processor()),
        ("Logical processors", cores),
        ("System", say("uname", &["-srm"])),
        ("Compiler", say("rustc", &["--version"])),
        ("Commit", if dirty { format!("{commit}, and changes that are not committed") } else { commit }),
    ]
    .map(|(name, value)| (name.to_owned(), if value.is_empty() { "unknown".to_owned() } else { value }))
    .into()
}

fn processor() -> String {
    let text = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let field = |name: &str| text.lines().find(|line| line.starts_with(name))?.split_once(": ").map(|(_, value)| value);
    let model = field("model name").map_or_else(|| say("sysctl", &["-n", "machdep.cpu.brand_string"]), str::to_owned);
    let virtual_machine = field("flags").is_some_and(|flags| flags.split(' ').any(|flag| flag == "hypervisor"));
    if virtual_machine { format!("{model}, in a virtual machine") } else { model }
}

fn load() -> String {
    let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    load.split(' ').next().filter(|load| !load.is_empty()).unwrap_or("unknown").to_owned()
}

/// What a program prints, if it is there.
fn say(program: &str, args: &[&str]) -> String {
    let output = Command::new(program).args(args).current_dir(root()).output();
    output.map_or_else(|_| String::new(), |output| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

fn seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

/// The day and the minute.
fn date(seconds: u64) -> (String, String) {
    let text = humantime::format_rfc3339_seconds(UNIX_EPOCH + Duration::from_secs(seconds)).to_string();
    let (day, time) = text.split_once('T').expect("a date and a time");
    (day.to_owned(), time[..5].to_owned())
}

#[cfg(test)]
mod tests {
    use super::super::figures::tests::sections;
    use super::*;
    use crate::bench_data::recorded::recorded;

    #[test]
    fn the_conditions_are_those_of_the_run() {
        let home = recorded();
        let sections = sections(&home).unwrap();
        let began = sections[0].rows[0].gate.run;
        let facts = |started| {
            let run = Run { started, facts: vec![("Commit".to_owned(), "abc".to_owned())] };
            fs::write(home.join("run.json"), serde_json::to_string(&run).unwrap()).unwrap();
            Conditions::of(&home, &sections).facts
        };
        assert!(facts(began - 5).contains(&("Commit".to_owned(), "abc".to_owned())));
        // Measured before that run began, so nothing is known about them.
        assert!(facts(began + 5).iter().any(|(_, value)| value.starts_with("not recorded")));
    }

    #[test]
    fn every_public_type_has_its_size_in_the_report() {
        let read = |path: &str| fs::read_to_string(root().join(path)).unwrap();
        let (library, sizes) = (read("src/lib.rs"), read("benches/sizes.rs"));
        let exports = library.split("\npub use ").skip(1).filter_map(|rest| rest.split(';').next());
        let names = exports.flat_map(|list| list.split(|c: char| !c.is_alphanumeric() && c != '_'));
        let types: Vec<_> = names.filter(|name| name.starts_with(char::is_uppercase)).collect();
        assert!(types.len() > 20, "{types:?}");
        // Traits have no size.
        for name in types.iter().filter(|name| !["Keys", "LockSet", "RecvWithin", "SendWithin"].contains(name)) {
            let listed = sizes.lines().any(|line| {
                let line = line.trim_start();
                line.strip_prefix(name).is_some_and(|rest| rest.starts_with(['<', ';', ' ']))
            });
            assert!(listed, "{name} is not in benches/sizes.rs");
        }
    }
}
