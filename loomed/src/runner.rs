//! In place of a test program: each of its tests in a process of its own, with what loom tells of it.
//!
//! So a test's searches can be told apart from others', one that aborts takes no other with it, one that does not end can be ended,
//! and an execution that fails can be repeated.

use std::env;
use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::{Command, ExitStatus, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::thread;
use std::time::{Duration, Instant};

use crate::interleaving::{self, Interleaving};
use crate::search::{self, Ending, Search};
use crate::test::{Test, executions};
use crate::wrapper;

/// What tells that this program is called as a runner.
pub(crate) const CALL: &str = "run-tests-of";
/// The folder for what processes tell.
pub(crate) const FOLDER: &str = "LOOMED_FOLDER";
/// The file for how tests went, in that folder. It is there once a test program was to be run.
pub(crate) const RESULTS: &str = "results";
/// The file for settings that bound searches, in that folder.
pub(crate) const SETTINGS: &str = "settings";
/// The seconds after which a test is ended.
pub(crate) const TIMEOUT: &str = "LOOMED_TIMEOUT";
/// Which loom the tests are built on. On the corrected one, executions that fail are repeated.
pub(crate) const LOOM: &str = "LOOMED_LOOM";
/// The root of the workspace.
pub(crate) const ROOT: &str = "LOOMED_ROOT";

/// Settings that bound every search. They may come from the environment, or from cargo's configuration.
const BOUNDS: [&str; 4] = ["LOOM_MAX_PREEMPTIONS", "LOOM_MAX_PERMUTATIONS", "LOOM_MAX_DURATION", "LOOM_MAX_BRANCHES"];

/// How often it is said that a test is still running.
const PROGRESS: Duration = Duration::from_secs(10);

struct Runner {
    program: PathBuf,
    /// The arguments that say which tests run, for a list of them.
    listing: Vec<OsString>,
    include_ignored: bool,
    /// What tests print is shown although they pass.
    shows_output: bool,
    folder: PathBuf,
    timeout: Option<Duration>,
    loom: String,
    started: AtomicUsize,
}

/// Runs the tests of the program that the arguments name. Whether they pass is told in the results; the exit code says whether they could
/// be run.
pub(crate) fn main(arguments: &[OsString]) -> u8 {
    let Some((program, arguments)) = arguments.split_first() else {
        return crate::refuse("no test program was named");
    };
    let Some(folder) = env::var_os(FOLDER) else {
        return crate::refuse(format_args!("{CALL} is for `cargo loomed test`"));
    };
    let mut listing = arguments.to_vec();
    let threads = take_value(&mut listing, "--test-threads").or_else(|| env::var("RUST_TEST_THREADS").ok());
    let threads = threads.and_then(|threads| threads.parse().ok()).filter(|threads| *threads > 0);
    for option in ["--format", "--logfile", "--color"] {
        take_value(&mut listing, option);
    }
    listing.retain(|argument| !["-q", "--quiet", "--list"].iter().any(|option| argument == option));
    let is_there = |option: &str| listing.iter().any(|argument| argument == option);
    let runner = Runner {
        program: program.into(),
        include_ignored: is_there("--ignored") || is_there("--include-ignored"),
        shows_output: is_there("--nocapture") || is_there("--no-capture") || is_there("--show-output"),
        listing,
        folder: folder.into(),
        timeout: env::var(TIMEOUT).ok().and_then(|seconds| seconds.parse().ok()).map(Duration::from_secs),
        loom: env::var(LOOM).unwrap_or_default(),
        started: AtomicUsize::new(0),
    };
    match runner.run_all(threads.unwrap_or_else(|| thread::available_parallelism().map_or(1, usize::from))) {
        Ok(()) => crate::PASSED,
        Err(error) => crate::refuse(format_args!("{}: {error}", runner.program.display())),
    }
}

/// Takes an option with its value out of the arguments.
fn take_value(arguments: &mut Vec<OsString>, option: &str) -> Option<String> {
    let at = arguments
        .iter()
        .position(|argument| argument.to_str().is_some_and(|argument| argument.split('=').next() == Some(option)))?;
    let argument = arguments.remove(at).into_string().ok()?;
    match argument.split_once('=') {
        Some((_, value)) => Some(value.to_owned()),
        None if at < arguments.len() => arguments.remove(at).into_string().ok(),
        None => None,
    }
}

impl Runner {
    fn run_all(&self, threads: usize) -> io::Result<()> {
        let results = Mutex::new(File::options().append(true).create(true).open(self.folder.join(RESULTS))?);
        let done = |test: Test| -> io::Result<()> {
            println!("{test}");
            if self.shows_output && test.passed {
                print!("{}", test.output);
            }
            let line = serde_json::to_string(&test)?;
            writeln!(results.lock().unwrap(), "{line}")
        };
        self.tell_bounds()?;
        let Some(names) = self.names()? else {
            return done(self.run(&Asked::Whole)?);
        };
        let queue = Mutex::new(names.iter());
        thread::scope(|scope| {
            let workers: Vec<_> = (0..threads.min(names.len()))
                .map(|_| {
                    scope.spawn(|| -> io::Result<()> {
                        loop {
                            let Some(name) = queue.lock().unwrap().next() else { return Ok(()) };
                            done(self.run(&Asked::Test(name))?)?;
                        }
                    })
                })
                .collect();
            workers.into_iter().try_for_each(|worker| worker.join().expect("a worker does not panic"))
        })
    }

    /// Says which settings bound the searches.
    fn tell_bounds(&self) -> io::Result<()> {
        let mut file = File::options().append(true).create(true).open(self.folder.join(SETTINGS))?;
        for name in BOUNDS {
            if let Ok(value) = env::var(name) {
                println!("note: {name}={value} is set, which bounds every search");
                writeln!(file, "{name}={value}")?;
            }
        }
        Ok(())
    }

    /// The names of the tests to run, if it is a program that has such.
    fn names(&self) -> io::Result<Option<Vec<String>>> {
        let Some(all) = self.list(&[])? else { return Ok(None) };
        if self.include_ignored {
            return Ok(Some(all));
        }
        let ignored = self.list(&["--ignored"])?.unwrap_or_default();
        Ok(Some(all.into_iter().filter(|name| !ignored.contains(name)).collect()))
    }

    fn list(&self, also: &[&str]) -> io::Result<Option<Vec<String>>> {
        let asked: Vec<_> =
            self.listing.iter().cloned().chain(also.iter().map(OsString::from)).chain(["--list".into()]).collect();
        let process = self.start(&Asked::List(asked), None)?;
        let ended = self.wait("the list of tests", process)?;
        Ok(if ended.passed() { listed(&ended.stdout) } else { None })
    }

    fn run(&self, asked: &Asked) -> io::Result<Test> {
        let name = asked.name();
        let ended = self.wait(name, self.start(asked, None)?)?;
        let passed = ended.passed() && (matches!(asked, Asked::Whole) || has_passed(&ended.stdout));
        let searches = ended.searches(&self.loom)?;
        // What has failed before was caught, and is not why the test fails.
        let interleaving = match searches.last_key_value() {
            Some((number, Search { ending: Ending::Failed, path: Some(path), .. }))
                if !passed && self.loom == crate::loom::Kind::Corrected.name() =>
            {
                Some(self.repeat(asked, *number, path)?)
            }
            _ => None,
        };
        let how = match ended.status.code() {
            _ if !ended.in_time => Some(format!("no end in {:.0} s", ended.seconds)),
            // What libtest ends with when a test has failed.
            Some(0 | 101) => None,
            _ => Some(ended.status.to_string()),
        };
        let file = self.program.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        Ok(Test {
            package: env::var("CARGO_PKG_NAME").unwrap_or_default(),
            program: file.rsplit_once('-').map_or(&*file, |(program, _)| program).to_owned(),
            file,
            name: name.to_owned(),
            passed,
            ended: how,
            seconds: ended.seconds,
            searches: searches.into_values().collect(),
            output: if passed && !self.shows_output { String::new() } else { ended.stdout + &ended.stderr },
            interleaving,
        })
    }

    /// Has the one execution repeated that failed.
    fn repeat(&self, asked: &Asked, number: usize, path: &str) -> io::Result<Interleaving> {
        let ended = self.wait(asked.name(), self.start(asked, Some(&format!("{number}:{path}")))?)?;
        let searches = ended.searches(&self.loom)?;
        let same = searches.get(&number).and_then(|search| search.path.as_deref()) == Some(path);
        let root = PathBuf::from(env::var_os(ROOT).unwrap_or_default());
        Ok(Interleaving {
            steps: interleaving::read(&ended.report, ended.process, &root),
            said: ended.stderr,
            repeated: same && ended.in_time && !ended.status.success(),
        })
    }

    fn start(&self, asked: &Asked, path: Option<&str>) -> io::Result<Process> {
        let number = self.started.fetch_add(1, Relaxed);
        let file = |kind: &str| self.folder.join(format!("{}-{number}.{kind}", std::process::id()));
        let (report, stdout, stderr) = (file("report"), file("stdout"), file("stderr"));
        let mut command = Command::new(&self.program);
        match asked {
            Asked::List(arguments) => {
                command.args(arguments);
            }
            Asked::Whole => {
                command.args(&self.listing);
            }
            Asked::Test(name) => {
                command.args(["--exact", name, "--nocapture"]);
                if self.include_ignored {
                    command.arg("--include-ignored");
                }
            }
        }
        // What a test builds, if it does, is not this program's to change.
        for (name, _) in env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("LOOMED_")) {
            command.env_remove(name);
        }
        match env::var_os(wrapper::INNER) {
            Some(inner) => command.env("RUSTC_WRAPPER", inner),
            None => command.env_remove("RUSTC_WRAPPER"),
        };
        command.env("LOOMED_REPORT", &report);
        if let Some(path) = path {
            command.env("LOOMED_REPEAT", path).env("RUST_BACKTRACE", "0");
        }
        let start = Instant::now();
        let child =
            command.stdin(Stdio::null()).stdout(File::create(&stdout)?).stderr(File::create(&stderr)?).spawn()?;
        Ok(Process { child, start, report, stdout, stderr })
    }

    /// Waits until it ends, or until its time is over.
    fn wait(&self, name: &str, mut process: Process) -> io::Result<Ended> {
        let Process { child, start, report, .. } = &mut process;
        let mut told = *start;
        let mut pause = Duration::from_millis(1);
        let (status, in_time) = loop {
            if let Some(status) = child.try_wait()? {
                break (status, true);
            }
            if self.timeout.is_some_and(|timeout| start.elapsed() >= timeout) {
                child.kill()?;
                break (child.wait()?, false);
            }
            if told.elapsed() >= PROGRESS {
                told = Instant::now();
                let searches = search::read(report, child.id(), &self.loom).unwrap_or_default();
                let count = searches.values().map(|search| search.executions).sum();
                println!("     {name}: {} in {} s so far", executions(count), start.elapsed().as_secs());
            }
            thread::sleep(pause);
            pause = (pause * 2).min(Duration::from_millis(50));
        };
        let text = |path| fs::read(path).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default();
        Ok(Ended {
            status,
            in_time,
            seconds: process.start.elapsed().as_secs_f64(),
            process: process.child.id(),
            stdout: text(&process.stdout),
            stderr: text(&process.stderr),
            report: process.report,
        })
    }
}

/// What a process is started for.
enum Asked<'a> {
    List(Vec<OsString>),
    Test(&'a str),
    /// A program with a `main` of its own.
    Whole,
}

impl Asked<'_> {
    fn name(&self) -> &str {
        match self {
            Asked::Test(name) => name,
            Asked::List(_) | Asked::Whole => "main",
        }
    }
}

struct Process {
    child: std::process::Child,
    start: Instant,
    report: PathBuf,
    stdout: PathBuf,
    stderr: PathBuf,
}

struct Ended {
    status: ExitStatus,
    in_time: bool,
    seconds: f64,
    process: u32,
    stdout: String,
    stderr: String,
    report: PathBuf,
}

impl Ended {
    fn passed(&self) -> bool {
        self.in_time && self.status.success()
    }

    fn searches(&self, loom: &str) -> io::Result<std::collections::BTreeMap<usize, Search>> {
        search::read(&self.report, self.process, loom).map_err(io::Error::other)
    }
}

/// The names in a list as libtest prints it, which ends with their number. Another program prints something else, or nothing.
fn listed(text: &str) -> Option<Vec<String>> {
    let last = text.lines().rev().find(|line| !line.is_empty())?;
    let (count, rest) = last.split_once(" test")?;
    if count.parse::<usize>().is_err() || !rest.contains(" benchmark") {
        return None;
    }
    Some(text.lines().filter_map(|line| line.strip_suffix(": test")).map(str::to_owned).collect())
}

/// Whether one test was run and has passed: a filter that meets none passes, too.
fn has_passed(stdout: &str) -> bool {
    stdout.lines().any(|line| line.starts_with("test result: ok. 1 passed; 0 failed;"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_libtest_lists_tests() {
        assert_eq!(
            listed("a::b: test\nc: test\nd: benchmark\n\n2 tests, 1 benchmark\n"),
            Some(vec!["a::b".into(), "c".into()])
        );
        assert_eq!(listed("0 tests, 0 benchmarks\n"), Some(Vec::new()));
        assert_eq!(listed("1 test, 0 benchmarks\n"), Some(Vec::new()));
        for other in ["", "main: test\n", "all fine\n", "some tests, no benchmarks"] {
            assert_eq!(listed(other), None, "{other:?}");
        }
    }

    #[test]
    fn options_with_values_are_taken_out() {
        let mut arguments: Vec<OsString> =
            ["a", "--test-threads", "3", "--format=json", "b"].map(OsString::from).into();
        assert_eq!(take_value(&mut arguments, "--test-threads").as_deref(), Some("3"));
        assert_eq!(take_value(&mut arguments, "--format").as_deref(), Some("json"));
        assert_eq!(take_value(&mut arguments, "--logfile"), None);
        assert_eq!(arguments, ["a", "b"]);
    }
}
