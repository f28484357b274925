//! AddressSanitizer: over the integration tests, and over the models.
//!
//! Loom does not see plain memory: a box that a model's thread reads after another has freed it looks well to it. Here
//! every interleaving that loom explores is also watched for that.

use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::thread;
use std::time::{Duration, Instant};

use super::{Failed, NotRun, Outcome, Passed, Wish, native, tool};
use crate::models;

const ASAN: native::Sanitizer = native::Sanitizer {
    folder: "asan",
    rustflags: "-Zsanitizer=address",
    cargo_flags: &[],
    options: ("ASAN_OPTIONS", "detect_leaks=1"),
    mistakes: &[("freed", "heap-use-after-free"), ("leak", "detected memory leaks")],
};

/// The threads of a model are coroutines. Their stacks are not known as such to the sanitizer, which must not move
/// locals to fake ones of its own: that made some models 20 times slower. The models leak what they share on purpose:
/// loom would have to trace the drop.
const MODELS: native::Sanitizer = native::Sanitizer {
    folder: "asan-loom",
    rustflags: "--cfg loom -Zsanitizer=address",
    options: ("ASAN_OPTIONS", "detect_leaks=0:detect_stack_use_after_return=0"),
    mistakes: &[("freed", "heap-use-after-free")],
    ..ASAN
};

/// How long a model is watched. All that there are come to their end in a fraction of it; one that does not is named.
const PATIENCE: Duration = Duration::from_secs(600);

pub(super) fn run(wish: &Wish) -> Outcome {
    if let Err(why) = tool::install(&[]) {
        return NotRun(why);
    }
    let models = || if wish.quick { Ok("not the models".to_owned()) } else { models() };
    match ASAN.integration_tests(wish).and_then(|what| Ok((what, models()?))) {
        Ok((tests, models)) => Passed(format!("{tests}; {models}")),
        Err(what) => Failed(what),
    }
}

fn models() -> Result<String, String> {
    MODELS.canary()?;
    let mut build = MODELS.cargo("test");
    build.args(["--lib", "--no-run", "--message-format=json-render-diagnostics"]);
    let binary = tool::binary(&tool::build(&mut build, MODELS.folder, "the models")?)?;

    let names = models::names(&binary);
    let (queue, ends) = (Mutex::new(names.iter()), Mutex::new(Vec::new()));
    let start = Instant::now();
    thread::scope(|threads| {
        for _ in 0..thread::available_parallelism().map_or(1, usize::from) {
            threads.spawn(|| {
                loop {
                    let Some(name) = queue.lock().unwrap().next() else { return };
                    let end = model(&binary, name);
                    ends.lock().unwrap().push((name, end));
                }
            });
        }
    });
    let ends = ends.into_inner().unwrap();
    let named = |wanted| ends.iter().filter(move |(_, end)| *end == wanted).map(|(name, _)| name.as_str()).collect();
    let (failed, left): (Vec<&str>, Vec<&str>) = (named(Some(false)), named(None));
    for name in &failed {
        // Once more, to be read.
        let _ = command(&binary, name).arg("--nocapture").status();
    }
    if !failed.is_empty() || ends.is_empty() {
        return Err(format!("of {} models: {}", ends.len(), failed.join(", ")));
    }
    if !left.is_empty() {
        eprintln!(
            "== asan: not to the end within {} s each, without a report: {}",
            PATIENCE.as_secs(),
            left.join(", ")
        );
    }
    eprintln!("== asan: left out: {}", models::slow(&binary).join(", "));
    eprintln!("== asan: {} models in {} s", ends.len(), start.elapsed().as_secs());
    Ok(match left.len() {
        0 => format!("{} models", ends.len()),
        left => format!("{} of {} models to the end", ends.len() - left, ends.len()),
    })
}

fn command(binary: &Path, name: &str) -> Command {
    let mut command = Command::new(binary);
    let (variable, value) = MODELS.options;
    command.args(["--exact", name]).env(variable, tool::options(variable, value));
    // Whoever bounds loom's search would otherwise see the models refuse to run.
    for name in ["LOOM_MAX_PREEMPTIONS", "LOOM_MAX_PERMUTATIONS", "LOOM_MAX_DURATION", "LOOM_CHECKPOINT_FILE"] {
        command.env_remove(name);
    }
    command
}

/// Whether a model passed; nothing if it did not come to an end.
fn model(binary: &Path, name: &str) -> Option<bool> {
    let start = Instant::now();
    let mut command = command(binary, name);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let mut child = command.spawn().expect("the model binary starts");
    loop {
        match child.try_wait().expect("a child can be waited for") {
            Some(status) => return Some(status.success()),
            None if start.elapsed() > PATIENCE => {
                let _ = child.kill();
                let _ = child.wait();
                return None;
            }
            None => thread::sleep(Duration::from_millis(5)),
        }
    }
}
