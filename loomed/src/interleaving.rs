//! The execution that failed, for a person to follow.

use std::fmt::{self, Write};
use std::fs;
use std::path::Path;

use serde::{Deserialize, Serialize};

/// The operations of an execution, in their order.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Interleaving {
    pub(crate) steps: Vec<Step>,
    /// What the panics said, with the source lines that loom knows when it repeats an execution.
    pub(crate) said: String,
    /// Whether it failed this time, too.
    pub(crate) repeated: bool,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Step {
    pub(crate) thread: usize,
    /// `file:line:column`, or nothing where loom does not know.
    pub(crate) place: String,
    /// With the value that was read or written.
    pub(crate) operation: String,
    /// What it is done to: `#` and a number.
    pub(crate) object: String,
    /// Where that was made.
    pub(crate) made_at: String,
    /// The line of the source.
    pub(crate) source: String,
    /// A panic was under way.
    pub(crate) unwinding: bool,
}

/// Reads the steps that loom told of a process. Places are relative to the root of the workspace.
pub(crate) fn read(report: &Path, process: u32, root: &Path) -> Vec<Step> {
    let text = fs::read_to_string(report).unwrap_or_default();
    text.lines().filter_map(|told| step(told, process, root)).collect()
}

fn step(told: &str, process: u32, root: &Path) -> Option<Step> {
    let fields: Vec<_> = told.split('\t').collect();
    let ["step", id, unwinding, thread, place, operation, ref object @ ..] = fields[..] else { return None };
    if id.parse() != Ok(process) {
        return None;
    }
    Some(Step {
        thread: thread.parse().ok()?,
        place: place.to_owned(),
        operation: operation.to_owned(),
        object: object.first().copied().unwrap_or_default().to_owned(),
        made_at: object.get(1).copied().unwrap_or_default().to_owned(),
        source: source(place, root).unwrap_or_default(),
        unwinding: !unwinding.is_empty(),
    })
}

/// The line of the source at `file:line:column`.
fn source(place: &str, root: &Path) -> Option<String> {
    let mut parts = place.rsplitn(3, ':');
    let (_, line, file) = (parts.next()?, parts.next()?.parse::<usize>().ok()?, parts.next()?);
    let text = fs::read_to_string(root.join(file)).ok()?;
    text.lines().nth(line.checked_sub(1)?).map(|line| line.trim().to_owned())
}

/// Without the column, without the folder of the registry, and nothing within std, whose code drops things for others.
fn line_of(place: &str) -> &str {
    if place.starts_with("/rustc/") {
        return "";
    }
    let line = place.rsplit_once(':').map_or(place, |(line, _)| line);
    line.split_once("/registry/src/").and_then(|(_, rest)| Some(rest.split_once('/')?.1)).unwrap_or(line)
}

/// More of a source line is not shown.
const WIDTH: usize = 70;

/// Of an execution with more steps, this many are shown of its begin and of its end.
const ENDS: usize = 150;

impl fmt::Display for Interleaving {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // What comes behind the panic that nobody caught is of no interest.
        let end = self.steps.iter().rposition(|step| !step.unwinding).map_or(0, |last| last + 1);
        let steps = &self.steps[..end];
        let operations = steps.iter().map(|step| format!("{} {}", step.operation, step.object).trim_end().to_owned());
        let operations: Vec<_> = operations.collect();
        let widest = |texts: &mut dyn Iterator<Item = usize>| texts.max().unwrap_or(0);
        let places = widest(&mut steps.iter().map(|step| line_of(&step.place).len()));
        let width = widest(&mut operations.iter().map(String::len));
        let mut last = None;
        for (at, (step, operation)) in steps.iter().zip(&operations).enumerate() {
            if steps.len() > 2 * ENDS && (ENDS..steps.len() - ENDS).contains(&at) {
                if at == ENDS {
                    writeln!(f, "    -- {} operations are not shown", steps.len() - 2 * ENDS)?;
                }
                last = Some(step.thread);
                continue;
            }
            if last.is_some_and(|last| last != step.thread) {
                writeln!(f, "    -- thread {} runs", step.thread)?;
            }
            last = Some(step.thread);
            let mut line = format!("    {}  {:places$}  {operation:width$}", step.thread, line_of(&step.place));
            if !step.source.is_empty() {
                write!(line, "  | {}", step.source.chars().take(WIDTH).collect::<String>())?;
            }
            writeln!(f, "{}", line.trim_end())?;
        }
        let mut objects: Vec<_> =
            steps.iter().filter(|step| !step.made_at.is_empty()).map(|step| (&step.object, &step.made_at)).collect();
        objects.sort_by_key(|(object, _)| object[1..].parse::<usize>().unwrap_or_default());
        objects.dedup();
        for (object, made_at) in objects {
            writeln!(f, "    ({object} is that of {})", line_of(made_at))?;
        }
        if steps.iter().any(|step| step.operation.contains("SeqCst")) {
            writeln!(
                f,
                "    (loom takes SeqCst accesses for AcqRel: what only their total order forbids is no error)"
            )?;
        }
        for line in self.said.lines().filter(|line| !line.trim().is_empty()) {
            writeln!(f, "    > {line}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_shown_as_short_as_they_are_clear() {
        assert_eq!(line_of("src/lib.rs:3:9"), "src/lib.rs:3");
        assert_eq!(
            line_of("/home/x/.cargo/registry/src/index.crates.io-1/slab-0.1.0/src/a.rs:3:9"),
            "slab-0.1.0/src/a.rs:3"
        );
        assert_eq!(line_of("/rustc/abc/library/core/src/ptr/mod.rs:805:1"), "");
    }

    #[test]
    fn a_line_for_each_operation_and_each_switch() {
        let told = "step\t7\t\t0\tno/such.rs:3:9\tspawns thread 1\n\
                    step\t7\t\t1\tno/such.rs:4:9\tloads 0 (Relaxed)\t#2\tno/such.rs:1:1\n\
                    step\t8\t\t1\tno/such.rs:9:9\tends\n\
                    step\t7\t\t0\tno/such.rs:5:9\tstores 1 (Release)\t#2\tno/such.rs:1:1\nstep\t7\t!\t0\t\tends\nnoise\n";
        let steps: Vec<_> = told.lines().filter_map(|line| step(line, 7, Path::new(""))).collect();
        assert_eq!(steps.len(), 4);
        let shown = Interleaving { steps, said: "lost\n".to_owned(), repeated: true }.to_string();
        let expected = "    0  no/such.rs:3  spawns thread 1\n    -- thread 1 runs\n    1  no/such.rs:4  loads 0 (Relaxed) #2\n\
                        \x20   -- thread 0 runs\n    0  no/such.rs:5  stores 1 (Release) #2\n    (#2 is that of no/such.rs:1)\n    > lost\n";
        assert_eq!(shown, expected);
    }
}
