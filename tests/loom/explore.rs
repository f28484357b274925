//! How the models are run.

use std::mem::ManuallyDrop;
use std::ops::Deref;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Instant;

use loom::sync::atomic::{AtomicU64, Ordering::Relaxed};

use crate::sync::model::marks;

/// Settings that end loom's search early, or bound it, without saying so.
const SILENT_BOUNDS: [&str; 5] =
    ["LOOM_MAX_PREEMPTIONS", "LOOM_MAX_PERMUTATIONS", "LOOM_MAX_DURATION", "LOOM_MAX_BRANCHES", "LOOM_CHECKPOINT_FILE"];

/// Explores every execution of the model, and asserts their number and that they reached the marks.
///
/// A mutation run (`RADDLE_MUTANT`) changes the number, so that only the marks and what the model itself asserts count
/// there.
pub(super) fn explore(executions: [usize; 2], reaches: &[&str], model: impl Fn() + Send + Sync + 'static) {
    run([None, None], executions, reaches, model);
}

/// The same; but published loom, which does not end this model within a minute, explores only what interrupts a running
/// thread no more often than so, and the output says "bounded". The corrected one has no bound.
pub(super) fn explore_bounded(
    preemptions: usize,
    executions: [usize; 2],
    reaches: &[&str],
    model: impl Fn() + Send + Sync + 'static,
) {
    run([Some(preemptions), None], executions, reaches, model);
}

/// The same for a model that no loom ends in minutes: it is bounded on both, and says so.
pub(super) fn explore_bounded_on_both(
    preemptions: usize,
    executions: [usize; 2],
    reaches: &[&str],
    model: impl Fn() + Send + Sync + 'static,
) {
    run([Some(preemptions); 2], executions, reaches, model);
}

/// Which loom this is, found out by what it explores: the published one is blind to a store that its own thread's load
/// comes before.
fn is_corrected() -> bool {
    static CORRECTED: OnceLock<bool> = OnceLock::new();
    *CORRECTED.get_or_init(|| {
        let executions = check(None, || {
            let word = Arc::new(AtomicU64::new(0));
            let other = word.clone();
            loom::thread::spawn(move || {
                other.load(Relaxed);
                other.store(1, Relaxed);
            });
            word.load(Relaxed);
        });
        match executions {
            1 => false,
            2.. => true,
            0 => unreachable!("a model is run"),
        }
    })
}

/// The pairs are for published and for corrected loom.
fn run(
    preemptions: [Option<usize>; 2],
    executions: [usize; 2],
    reaches: &[&str],
    model: impl Fn() + Send + Sync + 'static,
) {
    for name in SILENT_BOUNDS {
        assert!(std::env::var_os(name).is_none(), "{name} is set: the search would be bounded silently");
    }
    let (loom, at) = if is_corrected() { ("corrected", 1) } else { ("published", 0) };
    let (expected, preemptions) = (executions[at], preemptions[at]);
    marks::take_covered();
    let start = Instant::now();
    let count = check(preemptions, model);
    let thread = std::thread::current();
    let name = thread.name().unwrap_or("model");
    let bound = preemptions.map_or(String::new(), |most| format!(", bounded to {most} preemptions"));
    println!("{name}: {count} executions in {:.1} s, {loom} loom{bound}", start.elapsed().as_secs_f64());
    let covered = marks::take_covered();
    for mark in reaches {
        assert!(covered.contains(mark), "no execution reached {mark}; reached were {covered:?}");
    }
    if std::env::var_os("RADDLE_MUTANT").is_none() {
        assert_eq!(count, expected, "{name} explored another number of executions");
    }
}

/// Runs loom; the number of executions.
fn check(preemptions: Option<usize>, model: impl Fn() + Send + Sync + 'static) -> usize {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = preemptions;
    builder.max_permutations = None;
    builder.max_duration = None;
    builder.max_branches = 100_000;
    let count = Arc::new(AtomicUsize::new(0));
    builder.check({
        let count = count.clone();
        move || {
            count.fetch_add(1, Ordering::Relaxed);
            model();
        }
    });
    count.load(Ordering::Relaxed)
}

/// Shares a value among a model's threads without a trace: loom's `Arc` would add its own interleavings. The value is
/// not dropped, since the order of that against the threads' accesses would have no trace either.
pub(super) struct Shared<T>(Arc<ManuallyDrop<T>>);

impl<T> Shared<T> {
    pub(super) fn new(value: T) -> Self {
        Self(Arc::new(ManuallyDrop::new(value)))
    }
}

impl<T> Clone for Shared<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<T> Deref for Shared<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

/// Starts a thread of the model.
pub(super) fn spawn(f: impl FnOnce() + 'static) {
    loom::thread::spawn(f);
}

/// Judges what the threads noted once the last of them has let go of it: no join is needed to wait for that.
pub(super) struct Judge<T: Ord>(Arc<Noted<T>>);

struct Noted<T: Ord> {
    notes: std::sync::Mutex<Vec<T>>,
    verdict: Box<dyn Fn(Vec<T>)>,
}

impl<T: Ord> Judge<T> {
    /// `verdict` gets the notes sorted.
    pub(super) fn new(verdict: impl Fn(Vec<T>) + 'static) -> Self {
        Self(Arc::new(Noted { notes: Default::default(), verdict: Box::new(verdict) }))
    }

    /// The notes must be these, in whatever order they were made.
    pub(super) fn expect(notes: Vec<T>) -> Self
    where
        T: std::fmt::Debug + 'static,
    {
        Self::new(move |noted| assert_eq!(noted, notes))
    }

    pub(super) fn note(&self, note: T) {
        self.0.notes.lock().unwrap().push(note);
    }
}

impl<T: Ord> Clone for Judge<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<T: Ord> Drop for Noted<T> {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            let mut notes = std::mem::take(self.notes.get_mut().unwrap());
            notes.sort();
            (self.verdict)(notes);
        }
    }
}
