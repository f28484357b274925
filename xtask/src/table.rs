//! The table of all models in docs/models.md, made from their sources and from what a run printed.
//!
//! Names, threads, numbers of executions (which the models assert) and texts come from the sources, seconds from a run on
//! the corrected loom. So all but the seconds can be checked without a run.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use super::generated::Part;

const PART: Part = Part { page: "docs/models.md", name: "models", by: "cargo xtask models --table" };

type Result<T = ()> = std::result::Result<T, String>;

/// By model.
type Seconds = BTreeMap<String, String>;

/// Writes the table, with the seconds that a run printed. A model that was not run keeps those that it had.
pub(super) fn write(output: &str) -> Result {
    let mut seconds = seconds_of(&PART.get()?);
    for line in output.lines() {
        // models::once::lazy: 40 executions in 0.0 s, corrected loom
        if let Some((name, rest)) = line.split_once(": ")
            && let Some((_, name)) = name.split_once("models::")
            && let Some((_, rest)) = rest.split_once(" executions in ")
            && let Some(time) = rest.strip_suffix(" s, corrected loom")
        {
            seconds.insert(name.to_owned(), time.to_owned());
        }
    }
    PART.set(&table_of(&seconds)?)
}

/// Whether that table is the one of the sources.
pub(super) fn check() -> Result {
    let table = PART.get()?;
    if table == table_of(&seconds_of(&table))? {
        return Ok(());
    }
    Err("docs/models.md's table is not that of the models: cargo xtask models --table writes it".to_owned())
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn read(path: &Path) -> Result<String> {
    fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))
}

/// The seconds in a table.
fn seconds_of(table: &str) -> Seconds {
    let cells = |line: &str| {
        let mut cells = line.split(" | ");
        Some((cells.next()?.trim_matches(['|', ' ', '`']).to_owned(), cells.nth(3)?.to_owned()))
    };
    table.lines().skip(2).filter_map(cells).collect()
}

fn table_of(seconds: &Seconds) -> Result<String> {
    let mut table =
        "| model | threads | executions on published loom | on the corrected one | seconds there | it fails if |\n\
        | --- | ---: | ---: | ---: | ---: | --- |\n"
            .to_owned();
    let mut files: Vec<_> = fs::read_dir(root().join("tests/loom"))
        .map_err(|error| error.to_string())?
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<std::io::Result<_>>()
        .map_err(|error| error.to_string())?;
    files.sort();
    for file in files {
        let room = file.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        if room == "mod" || room == "explore" {
            continue;
        }
        for model in models(&read(&file)?).map_err(|error| format!("{}: {error}", file.display()))? {
            let name = format!("{room}::{}", model.name);
            let seconds = seconds.get(&name).map_or("", String::as_str);
            let Model { threads, published, corrected, fails_if, .. } = model;
            table += &format!("| `{name}` | {threads} | {published} | {corrected} | {seconds} | {fails_if} |\n");
        }
    }
    Ok(table)
}

/// A model as its source has it.
struct Model {
    name: String,
    threads: u8,
    published: String,
    corrected: String,
    fails_if: String,
}

/// The models of a file. Each test there has a comment of the form "Fails if … . Two threads." and one call of `explore`.
fn models(source: &str) -> Result<Vec<Model>> {
    let mut models = Vec::new();
    for (code, before) in source.split("\n#[test]\n").skip(1).zip(source.split("\n#[test]\n")) {
        let comment = before.lines().rev().map_while(|line| line.strip_prefix("/// "));
        let comment = comment.collect::<Vec<_>>().into_iter().rev().collect::<Vec<_>>().join(" ");
        let name = between(code, "fn ", "()").ok_or("a test without a name")?;
        let wrong = |what| format!("{name}: {what}");
        let threads = [("One thread", 1), ("Two threads", 2), ("Three threads", 3), ("Four threads", 4)];
        let (at, threads) = threads
            .into_iter()
            .find_map(|(text, threads)| Some((comment.find(text)?, threads)))
            .ok_or_else(|| wrong("its comment does not say how many threads"))?;
        let fails_if = comment[..at].trim().strip_prefix("Fails if ");
        let fails_if = fails_if.ok_or_else(|| wrong("its comment does not say what it would find"))?;
        let call = between(code, "explore", "]").and_then(|call| call.split_once('['));
        let (head, counts) = call.ok_or_else(|| wrong("no call of explore"))?;
        let (published, corrected) = counts.split_once(", ").ok_or_else(|| wrong("not two numbers of executions"))?;
        // How far the search goes on each of the two.
        let bounds = match head.strip_suffix(", ").and_then(|head| head.split_once('(')) {
            None => [None, None],
            Some(("_bounded", most)) => [Some(most), None],
            Some(("_bounded_on_both", most)) => [Some(most), Some(most)],
            Some(_) => return Err(wrong("an unknown way to explore")),
        };
        let [published, corrected] = [(published, bounds[0]), (corrected, bounds[1])].map(|(executions, bound)| {
            let bound = bound.map_or(String::new(), |most| format!(", bounded to {most} preemptions"));
            executions.replace('_', ",") + &bound
        });
        models.push(Model {
            name: name.to_owned(),
            threads,
            published,
            corrected,
            fails_if: fails_if.trim_end_matches('.').to_owned(),
        });
    }
    Ok(models)
}

fn between<'t>(text: &'t str, from: &str, to: &str) -> Option<&'t str> {
    Some(text.split_once(from)?.1.split_once(to)?.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOURCE: &str = "
/// Fails if a sleeper is left behind; or if
/// it sees too little. Three threads.
#[test]
fn sleepers() {
    explore_bounded(4, [38_515, 434_647], &[\"wait.woken\"], || {
";

    #[test]
    fn a_model_is_read_from_its_source() {
        let [model] = <[Model; 1]>::try_from(models(SOURCE).unwrap()).ok().unwrap();
        assert_eq!((model.name.as_str(), model.threads), ("sleepers", 3));
        assert_eq!(model.published, "38,515, bounded to 4 preemptions");
        assert_eq!(model.corrected, "434,647");
        assert_eq!(model.fails_if, "a sleeper is left behind; or if it sees too little");
    }

    #[test]
    fn a_comment_that_does_not_fit_is_an_error() {
        assert!(models(&SOURCE.replace("Three threads", "Many threads")).is_err());
        assert!(models(&SOURCE.replace("Fails if", "Works if")).is_err());
    }

    #[test]
    fn seconds_are_kept() {
        let table = table_of(&Seconds::from([("once::lazy".to_owned(), "1.5".to_owned())])).unwrap();
        assert_eq!(seconds_of(&table)["once::lazy"], "1.5");
    }
}
