//! In place of a test program: each of its tests in a process of its own, with what loom tells of it.
//!
//! So a test's searches can be told apart from others', one that aborts takes no other with it, one that does not end can be ended,
//! and an execution that fails can be repeated.

use std::env;
use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::thread;
use std::time::{Duration, Instant};

use crate::interleaving::{self, Interleaving};
use crate::search::{self, Ending};
use crate::test::{Test, executions};
use crate::wrapper::code;

/// What tells that this program is called as a runner.
pub(crate) const CALL: &str = "run-tests-of";
/// The folder for what processes tell.
pub(crate) const FOLDER: &str = "LOOMED_FOLDER";
/// The file for how tests went, in that folder.
pub(crate) const RESULTS: &str = "results";
/// The file for settings that bound searches, in that folder.
pub(crate) const SETTINGS: &str = "settings";
/// The seconds after which a test is ended.
pub(crate) const TIMEOUT: &str = "LOOMED_TIMEOUT";
/// Whether executions that fail are to be repeated: on the corrected loom.
pub(crate) const REPEATS: &str = "LOOMED_REPEATS";
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
    folder: PathBuf,
    timeout: Option<Duration>,
    repeats: bool,
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
    let only_ignored = listing.iter().any(|argument| argument == "--ignored");
    let runner = Runner {
        program: program.into(),
        include_ignored: only_ignored || listing.iter().any(|argument| argument == "--include-ignored"),
        listing,
        folder: folder.into(),
        timeout: env::var(TIMEOUT).ok().and_then(|seconds| seconds.parse().ok()).map(Duration::from_secs),
        repeats: env::var_os(REPEATS).is_some(),
        started: AtomicUsize::new(0),
    };
    let Some(names) = runner.names() else {
        return run_whole(&runner.program, arguments);
    };
    match runner.run_all(&names, threads.unwrap_or_else(|| thread::available_parallelism().map_or(1, usize::from))) {
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

/// A program that is not made of tests, with a `main` of its own.
fn run_whole(program: &Path, arguments: &[OsString]) -> u8 {
    match Command::new(program).args(arguments).status() {
        Ok(status) => code(status),
        Err(error) => crate::refuse(format_args!("{}: {error}", program.display())),
    }
}

impl Runner {
    /// The names of the tests to run, if the program can list them.
    fn names(&self) -> Option<Vec<String>> {
        let all = self.list(&[])?;
        if self.include_ignored {
            return Some(all);
        }
        let ignored = self.list(&["--ignored"])?;
        Some(all.into_iter().filter(|name| !ignored.contains(name)).collect())
    }

    fn list(&self, also: &[&str]) -> Option<Vec<String>> {
        let output =
            Command::new(&self.program).args(&self.listing).args(["--list", "--format=terse"]).args(also).output();
        let output = output.ok().filter(|output| output.status.success())?;
        let text = String::from_utf8(output.stdout).ok()?;
        let mut names = Vec::new();
        for line in text.lines().filter(|line| !line.is_empty()) {
            match line.rsplit_once(": ")? {
                (name, "test") => names.push(name.to_owned()),
                (_, "benchmark") => {}
                _ => return None,
            }
        }
        Some(names)
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

    fn run_all(&self, names: &[String], threads: usize) -> io::Result<()> {
        self.tell_bounds()?;
        let results = Mutex::new(File::options().append(true).create(true).open(self.folder.join(RESULTS))?);
        let queue = Mutex::new(names.iter());
        thread::scope(|scope| {
            let workers: Vec<_> = (0..threads.min(names.len()))
                .map(|_| {
                    scope.spawn(|| -> io::Result<()> {
                        loop {
                            let Some(name) = queue.lock().unwrap().next() else { return Ok(()) };
                            let test = self.run(name)?;
                            println!("{test}");
                            let line = serde_json::to_string(&test)?;
                            writeln!(results.lock().unwrap(), "{line}")?;
                        }
                    })
                })
                .collect();
            workers.into_iter().try_for_each(|worker| worker.join().expect("a worker does not panic"))
        })
    }

    fn run(&self, name: &str) -> io::Result<Test> {
        let start = Instant::now();
        let process = self.start(name, None)?;
        let (status, in_time) = self.wait(name, process.child, &process.report, start)?;
        let seconds = start.elapsed().as_secs_f64();
        let (stdout, stderr) = (text(&process.stdout), text(&process.stderr));
        // A filter that meets no test would pass.
        let passed = in_time && status.success() && stdout.contains("test result: ok. 1 passed");
        let searches = search::read(&process.report);
        let failed = searches.iter().find(|(_, search)| search.ending == Ending::Failed && search.path.is_some());
        let interleaving = match failed {
            Some((number, search)) if !passed && self.repeats => {
                let path = search.path.as_deref().unwrap_or_default();
                Some(self.repeat(name, &format!("{number}:{path}"))?)
            }
            _ => None,
        };
        let ended = match status.code() {
            _ if !in_time => Some(format!("no end in {:.0} s", seconds)),
            // What libtest ends with when a test has failed.
            Some(0 | 101) => None,
            _ => Some(status.to_string()),
        };
        let stem = self.program.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        Ok(Test {
            package: env::var("CARGO_PKG_NAME").unwrap_or_default(),
            program: stem.rsplit_once('-').map_or(&*stem, |(program, _)| program).to_owned(),
            name: name.to_owned(),
            passed,
            ended,
            seconds,
            searches: searches.into_values().collect(),
            output: if passed { String::new() } else { stdout + &stderr },
            interleaving,
        })
    }

    /// Has the one execution repeated that failed.
    fn repeat(&self, name: &str, path: &str) -> io::Result<Interleaving> {
        let process = self.start(name, Some(path))?;
        let (status, _) = self.wait(name, process.child, &process.report, Instant::now())?;
        let folders = [env::current_dir()?, PathBuf::from(env::var_os(ROOT).unwrap_or_default())];
        Ok(Interleaving {
            steps: interleaving::read(&process.report, &folders),
            said: text(&process.stderr),
            repeated: !status.success(),
        })
    }

    fn start(&self, name: &str, path: Option<&str>) -> io::Result<Process> {
        let number = self.started.fetch_add(1, Relaxed);
        let file = |kind: &str| self.folder.join(format!("{}-{number}.{kind}", std::process::id()));
        let (report, stdout, stderr) = (file("report"), file("stdout"), file("stderr"));
        let mut command = Command::new(&self.program);
        command.args(["--exact", name, "--nocapture"]).env("LOOMED_REPORT", &report);
        if self.include_ignored {
            command.arg("--include-ignored");
        }
        if let Some(path) = path {
            // The other tests of the process would not be, but the other searches of this one are run as before.
            command.env("LOOMED_REPEAT", path).env("RUST_BACKTRACE", "0");
        }
        let child =
            command.stdin(Stdio::null()).stdout(File::create(&stdout)?).stderr(File::create(&stderr)?).spawn()?;
        Ok(Process { child, report, stdout, stderr })
    }

    /// Whether it ended in time, and how.
    fn wait(&self, name: &str, mut child: Child, report: &Path, start: Instant) -> io::Result<(ExitStatus, bool)> {
        let mut told = start;
        let mut pause = Duration::from_millis(1);
        loop {
            if let Some(status) = child.try_wait()? {
                return Ok((status, true));
            }
            if self.timeout.is_some_and(|timeout| start.elapsed() >= timeout) {
                child.kill()?;
                return Ok((child.wait()?, false));
            }
            if told.elapsed() >= PROGRESS {
                told = Instant::now();
                let count = search::read(report).values().map(|search| search.executions).sum();
                println!("     {name}: {} in {} s so far", executions(count), start.elapsed().as_secs());
            }
            thread::sleep(pause);
            pause = (pause * 2).min(Duration::from_millis(50));
        }
    }
}

struct Process {
    child: Child,
    report: PathBuf,
    stdout: PathBuf,
    stderr: PathBuf,
}

fn text(path: &Path) -> String {
    String::from_utf8_lossy(&fs::read(path).unwrap_or_default()).into_owned()
}
