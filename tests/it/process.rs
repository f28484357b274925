//! Programs of the package, run as processes.

use std::env;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// A run takes seconds at most, so one that takes this long hangs.
const PATIENCE: Duration = Duration::from_secs(120);

pub(crate) struct Run {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Run {
    pub(crate) fn code(self, code: i32) -> Self {
        let Self { stdout, stderr, .. } = &self;
        assert_eq!(self.code, Some(code), "{stdout}{stderr}");
        assert!(!stderr.contains("panicked"), "{stderr}");
        assert_eq!(stdout.contains("check passed"), code == 0, "{stdout}{stderr}");
        self
    }

    /// The value of a report line `key: value`.
    pub(crate) fn value(&self, key: &str) -> &str {
        let lines = &mut self.stdout.lines();
        let value = lines.find_map(|line| line.trim_start().strip_prefix(key)?.strip_prefix(": "));
        value.unwrap_or_else(|| panic!("no {key} in {}", self.stdout))
    }

    pub(crate) fn has_values(&self, values: &[(&str, &str)]) {
        for (key, value) in values {
            assert_eq!(self.value(key), *value, "{key} in {}", self.stdout);
        }
    }

    #[track_caller]
    pub(crate) fn reports(&self, part: &str) {
        assert!(self.stdout.contains(part), "no {part:?} in {}", self.stdout);
    }

    #[track_caller]
    pub(crate) fn complains(&self, part: &str) {
        assert_eq!(self.stdout, "");
        assert!(self.stderr.contains(part), "no {part:?} in {}", self.stderr);
    }
}

/// `cargo test` builds the package's programs, in the directory above that of the tests; examples in one beside it.
fn program(name: &str) -> PathBuf {
    let test = env::current_exe().unwrap();
    let profile = test.parent().and_then(Path::parent).unwrap();
    let program = profile.join(format!("{name}{}", env::consts::EXE_SUFFIX));
    assert!(program.exists(), "{} is not there: `cargo build` makes it, with `--examples` those", program.display());
    program
}

pub(crate) fn start(name: &str, args: &[&str]) -> Child {
    Command::new(program(name))
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

/// The end of a pipe, read to the end on a thread of its own.
struct Drain {
    text: Receiver<Vec<u8>>,
    reader: JoinHandle<()>,
}

impl Drain {
    fn new(mut from: impl Read + Send + 'static) -> Self {
        let (end, text) = mpsc::channel();
        let reader = thread::spawn(move || {
            let mut bytes = Vec::new();
            from.read_to_end(&mut bytes).unwrap();
            end.send(bytes).unwrap();
        });
        Self { text, reader }
    }

    /// What there was to read, if it comes to an end before that time.
    fn until(self, deadline: Instant) -> Option<String> {
        let bytes = self.text.recv_timeout(deadline.saturating_duration_since(Instant::now())).ok()?;
        self.reader.join().unwrap();
        Some(String::from_utf8(bytes).unwrap())
    }
}

pub(crate) fn run(name: &str, args: &[&str], stdin: &[u8]) -> Run {
    let mut child = start(name, args);
    let (mut pipe, input) = (child.stdin.take().unwrap(), stdin.to_vec());
    // A child that does not read it may be gone before it is written.
    let writer = thread::spawn(move || pipe.write_all(&input));
    let run = finish(child);
    let _ = writer.join().unwrap();
    run
}

pub(crate) fn finish(mut child: Child) -> Run {
    let stdout = child.stdout.take().map(Drain::new);
    let stderr = Drain::new(child.stderr.take().unwrap());
    let deadline = Instant::now() + PATIENCE;
    let mut text = |pipe: Drain| {
        pipe.until(deadline).unwrap_or_else(|| {
            child.kill().unwrap();
            panic!("no end after {PATIENCE:?}");
        })
    };
    let (stdout, stderr) = (stdout.map(&mut text).unwrap_or_default(), text(stderr));
    let status: ExitStatus = child.wait().unwrap();
    Run { code: status.code(), stdout, stderr }
}
