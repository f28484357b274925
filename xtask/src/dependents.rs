//! The crates of users that `tests/dependents` holds: `modelled` model-checks its own code through raddle's types, `plain`
//! has no models. Each is a workspace of its own, with its own lockfile. And the scenario that shows the same to a reader.

mod once_cell;
mod refused;
mod twice;

use std::ffi::OsStr;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::Stdio;

const LOOM: &str = "--cfg loom";

type Result<T = ()> = std::result::Result<T, String>;
type Check = fn() -> Result;

/// Checks both crates and the scenario, up to the first failure.
pub(super) fn run() -> bool {
    let checks: [(&str, Check); 10] = [
        ("the model in docs/models.md is one that runs", first_model),
        ("a user's models through raddle's types, and everyday tests beside them", modelled),
        ("each broken program fails for the reason it names, and its cured twin passes", pairs),
        ("a user without models, also where --cfg loom is set", plain),
        ("no loom in that user's lockfile, as it is and made anew", lockfile),
        ("neither is in the published package", package),
        ("what does not compile says what to write", refused::run),
        ("a second version in one program is refused", twice::run),
        ("once_cell's own tests with the import changed", once_cell::run),
        ("the scenario before_production under loom, with its cures and without", scenario),
    ];
    checks.into_iter().all(|(what, check)| {
        let result = check();
        match &result {
            Ok(()) => println!("== {what}: ok"),
            Err(why) => println!("== {what}: FAILED: {why}"),
        }
        result.is_ok()
    })
}

/// The section on a user's models in docs/models.md shows what `modelled` has: lines of its manifest (but for the path to raddle),
/// its `tests/models.rs`, and the command that runs that.
fn first_model() -> Result {
    let manifest = read("tests/dependents/modelled/Cargo.toml")?.replace(", path = \"../../..\"", "");
    if !manifest.contains(&snippet("toml")?) {
        return Err("its manifest is not modelled/Cargo.toml's".to_owned());
    }
    if read("tests/dependents/modelled/tests/models.rs")? != snippet("rust,ignore")? {
        return Err("its model is not modelled/tests/models.rs".to_owned());
    }
    let command = snippet("sh")?;
    let args = command.trim_end().strip_prefix("RUSTFLAGS=\"--cfg loom\" cargo ").ok_or("its command is another")?;
    cargo("modelled", &Vec::from_iter(args.split(' ')), LOOM)?.expect("opposite_moves")
}

/// The code block of that kind in that section.
fn snippet(kind: &str) -> Result<String> {
    let page = read("docs/models.md")?;
    let section = page.split("\n## ").find(|section| section.starts_with("Your own models\n"));
    let block = section.and_then(|section| section.split_once(&format!("```{kind}\n"))?.1.split_once("```"));
    Ok(block.ok_or(format!("the section \"Your own models\" of docs/models.md has no {kind}"))?.0.to_owned())
}

fn modelled() -> Result {
    cargo("modelled", &["fmt", "--check"], "")?;
    cargo("modelled", &["clippy", "--release", "--tests", "--", "-D", "warnings"], LOOM)?;
    cargo("modelled", &["test"], "")?.expect("src/lib.rs - transfer")?;
    let output =
        cargo("modelled", &["test", "--release", "--test", "library", "--test", "asleep", "--test", "statics"], LOOM)?;
    output.expect("time_passes")?;
    output.expect("every_type")?;
    output.expect("one_static_for_all")?;
    output.expect("a_thread_local_is_emptied_by_hand")
}

/// Every file of `tests/pairs` has a test `broken`, which must panic with the message that it names, and a test `cured`.
fn pairs() -> Result {
    let output = cargo("modelled", &["test", "--release", "--test", "pairs"], LOOM)?;
    let folder = root().join("tests/dependents/modelled/tests/pairs");
    let mut pairs = 0;
    for entry in fs::read_dir(folder).map_err(|error| error.to_string())?.flatten() {
        let path = entry.path();
        let Some(pair) = path.file_stem().and_then(OsStr::to_str).filter(|&stem| stem != "main") else { continue };
        output.expect(&format!("{pair}::broken - should panic"))?;
        output.expect(&format!("{pair}::cured"))?;
        let text = fs::read_to_string(&path).map_err(|error| error.to_string())?;
        if !text.contains("#[should_panic(expected = \"") {
            return Err(format!("{pair}::broken may panic for any reason"));
        }
        pairs += 1;
    }
    if pairs >= 4 { Ok(()) } else { Err(format!("there are {pairs} pairs only")) }
}

fn plain() -> Result {
    cargo("plain", &["fmt", "--check"], "")?;
    cargo("plain", &["clippy", "--all-targets", "--", "-D", "warnings"], "")?;
    cargo("plain", &["test"], "")?.expect("tests::works_every_day")?;
    cargo("plain", &["test"], LOOM)?.expect("tests::works_under_cfg_loom")
}

fn lockfile() -> Result {
    no_loom(&read("tests/dependents/plain/Cargo.lock")?)?;
    // The same manifest elsewhere, as far from raddle, without its lockfile. What it needs was just built, so it is there.
    let anew = root().join("target/dependents/anew");
    let _ = fs::remove_dir_all(&anew);
    fs::create_dir_all(anew.join("src")).map_err(|error| error.to_string())?;
    fs::write(anew.join("src/lib.rs"), "").map_err(|error| error.to_string())?;
    fs::copy(root().join("tests/dependents/plain/Cargo.toml"), anew.join("Cargo.toml"))
        .map_err(|error| error.to_string())?;
    let status = super::cargo().args(["generate-lockfile", "--offline"]).current_dir(&anew).status();
    if !status.is_ok_and(|status| status.success()) {
        return Err("cargo generate-lockfile failed".to_owned());
    }
    no_loom(&read("target/dependents/anew/Cargo.lock")?)
}

fn no_loom(lock: &str) -> Result {
    if !lock.contains("name = \"raddle\"") {
        return Err("raddle is not in the lockfile".to_owned());
    }
    if lock.contains("\"loom\"") { Err("loom is in the lockfile".to_owned()) } else { Ok(()) }
}

fn package() -> Result {
    let output = super::cargo().args(["package", "--package", "raddle", "--list", "--allow-dirty", "--quiet"]).output();
    let output = output.map_err(|error| error.to_string())?;
    let list = String::from_utf8_lossy(&output.stdout);
    if !list.lines().any(|file| file == "tests/loom/mod.rs") {
        return Err("cargo package --list does not list the tests".to_owned());
    }
    match list.lines().find(|file| file.starts_with("tests/dependents")) {
        Some(file) => Err(format!("{file} is in it")),
        None => Ok(()),
    }
}

/// Runs the command that the scenario names, by which every fault is found, and the same with the cures.
fn scenario() -> Result {
    let text = read("scenarios/src/bin/before_production.rs")?;
    let command = text.lines().find_map(|line| line.strip_prefix("//! RUSTFLAGS=\"--cfg loom\" cargo "));
    let command = command.ok_or("it names no command")?;
    let cured = command.strip_suffix(" -- --naive").ok_or("its command is another")?;
    let well = [
        "opposite moves: well in ",
        " orders of its steps\nthe last bed: well in ",
        " orders of its steps\ncheck passed: ",
    ];
    expect_of(cured, 0, &well)?;
    let found = [
        "opposite moves: fails after these steps\n",
        " has locked Xiehe\n",
        " has locked Ruijin\n",
        "\ndeadlock; threads = [",
        "the last bed: fails after these steps\n",
        " has seen 19 of 20 beds taken\n",
        "\ntwo patients in one bed\n",
        "\nfailure shown: deadlock; ",
    ];
    expect_of(command, 3, &found)
}

/// Runs cargo in the root, under loom: it ends with that status, and writes all of that.
fn expect_of(args: &str, code: i32, parts: &[&str]) -> Result {
    println!("== RUSTFLAGS=\"{LOOM}\" cargo {args}");
    let mut cargo = super::cargo();
    cargo.args(args.split(' ')).env("CARGO_TARGET_DIR", "target/loom");
    cargo.env("RUSTFLAGS", LOOM).env_remove("CARGO_ENCODED_RUSTFLAGS");
    let output = cargo.stderr(Stdio::inherit()).output().map_err(|error| error.to_string())?;
    let text = String::from_utf8_lossy(&output.stdout);
    println!("{text}");
    if output.status.code() != Some(code) {
        return Err(format!("{}, and not {code}", output.status));
    }
    match parts.iter().find(|&&part| !text.contains(part)) {
        Some(part) => Err(format!("there is no {part:?}")),
        None => Ok(()),
    }
}

/// What a run of cargo wrote to its standard output.
struct Output(Vec<String>);

impl Output {
    /// The test passed, and was not left out.
    fn expect(&self, test: &str) -> Result {
        let passed = |line: &String| line.starts_with(&format!("test {test}")) && line.ends_with(" ... ok");
        if self.0.iter().any(passed) { Ok(()) } else { Err(format!("no test \"{test}\" has passed")) }
    }
}

/// Runs cargo in one of the two, with its lockfile as it is, and shows what it writes.
fn cargo(dependent: &str, args: &[&str], rustflags: &str) -> Result<Output> {
    let text = format!("{dependent}: RUSTFLAGS=\"{rustflags}\" cargo {}", args.join(" "));
    println!("== {text}");
    let mut cargo = super::cargo();
    let (command, rest) = args.split_first().ok_or("no command")?;
    cargo.current_dir(root().join("tests/dependents").join(dependent)).arg(command);
    if *command != "fmt" {
        cargo.arg("--locked"); // after the command: clippy does not pass on what stands before
    }
    cargo.args(rest);
    cargo.env("CARGO_TARGET_DIR", root().join("target/dependents").join(dependent));
    cargo.env("RUSTFLAGS", rustflags).env_remove("CARGO_ENCODED_RUSTFLAGS");
    let mut child = cargo.stdout(Stdio::piped()).spawn().map_err(|error| error.to_string())?;
    let mut lines = Vec::new();
    for line in BufReader::new(child.stdout.take().expect("it is piped")).lines() {
        let line = line.map_err(|error| error.to_string())?;
        println!("{line}");
        lines.push(line);
    }
    let status = child.wait().map_err(|error| error.to_string())?;
    if status.success() { Ok(Output(lines)) } else { Err(format!("{text}: {status}")) }
}

fn write(path: &Path, text: &str) -> Result {
    let failed = |error| format!("{}: {error}", path.display());
    fs::create_dir_all(path.parent().expect("it is in a folder")).map_err(failed)?;
    fs::write(path, text).map_err(failed)
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("xtask is a folder of the repository")
}

fn read(path: &str) -> Result<String> {
    fs::read_to_string(root().join(path)).map_err(|error| format!("{path}: {error}"))
}
