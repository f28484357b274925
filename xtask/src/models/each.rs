//! Running the models of a test binary, each in a process of its own.

use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::time::Instant;

/// How a model ended.
pub(super) struct Model {
    pub(super) name: String,
    pub(super) passed: bool,
    pub(super) seconds: f64,
    /// What it printed about its search.
    explored: Vec<String>,
}

/// Runs all models, as many at a time as there are processors, and prints how each ended.
pub(super) fn run(binary: &Path, slow: bool) -> Vec<Model> {
    let names = if slow { list(binary, &[]) } else { super::names(binary) };
    let left_out = super::slow(binary);
    if !slow && !left_out.is_empty() {
        println!("left out, for --slow: {}", left_out.join(", "));
    }
    let queue = Mutex::new(names.iter());
    let done = Mutex::new(Vec::new());
    let workers = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|threads| {
        for _ in 0..workers {
            threads.spawn(|| {
                loop {
                    let Some(name) = queue.lock().unwrap().next() else { return };
                    let model = run_one(binary, name);
                    println!("{model}");
                    done.lock().unwrap().push(model);
                }
            });
        }
    });
    done.into_inner().unwrap()
}

fn run_one(binary: &Path, name: &str) -> Model {
    let start = Instant::now();
    let output = unbounded(binary).args(["--exact", name, "--include-ignored", "--nocapture"]).output();
    let output = output.expect("the model binary starts");
    let seconds = start.elapsed().as_secs_f64();
    let stdout = String::from_utf8_lossy(&output.stdout).into_owned();
    let about = |line: &str| line.split_once(&format!("{name}: ")).map(|(_, rest)| rest.to_owned());
    let explored = stdout.lines().filter_map(about).collect();
    if !output.status.success() {
        eprint!("{}", String::from_utf8_lossy(&output.stderr));
    }
    // A filter that meets no test would pass.
    let passed = output.status.success() && stdout.contains("test result: ok. 1 passed");
    Model { name: name.to_owned(), passed, seconds, explored }
}

impl Model {
    /// What it printed about its searches, a line each.
    pub(super) fn searches(&self) -> String {
        self.explored.iter().map(|search| format!("{}: {search}\n", self.name)).collect()
    }
}

impl std::fmt::Display for Model {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let verdict = if self.passed { "ok" } else { "FAILED" };
        write!(f, "{}: {verdict} in {:.1} s", self.name, self.seconds)?;
        self.explored.iter().try_for_each(|search| write!(f, "; {search}"))
    }
}

/// The names of the models.
pub(super) fn list(binary: &Path, args: &[&str]) -> Vec<String> {
    let list = unbounded(binary).args(["--list", "models::"]).args(args).stderr(Stdio::inherit()).output();
    let list = list.expect("the model binary lists its tests");
    let list = String::from_utf8_lossy(&list.stdout).into_owned();
    list.lines().filter_map(|line| line.strip_suffix(": test")).map(str::to_owned).collect()
}

/// The binary, with nothing in its environment that would bound loom's search or change the model.
pub(crate) fn unbounded(binary: &Path) -> Command {
    let mut command = Command::new(binary);
    crate::BOUNDS.iter().chain(&["RADDLE_MUTANT"]).for_each(|name| {
        command.env_remove(name);
    });
    command
}
