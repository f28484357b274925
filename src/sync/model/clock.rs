//! The model's clock: it stands still until a model thread moves it.

use std::cell::OnceCell;
use std::mem;
use std::rc::Rc;
use std::time::{Duration, Instant};

use loom::sync::Mutex;

use super::execution;

/// What is told when a point in time has passed.
pub(super) trait Due {
    fn due(&self);
}

#[derive(Default)]
struct Clock {
    /// The system's time when the clock was first asked for, so that an `Instant` taken in the model means something.
    start: OnceCell<Instant>,
    /// Loom's lock, so that loom explores every order of reading, moving and registering.
    inner: OnceCell<Mutex<Inner>>,
}

#[derive(Default)]
struct Inner {
    passed: Duration,
    due: Vec<(Instant, Rc<dyn Due>)>,
}

impl Clock {
    fn inner(&self) -> &Mutex<Inner> {
        self.inner.get_or_init(Mutex::default)
    }

    fn start(&self) -> Instant {
        *self.start.get_or_init(Instant::now)
    }
}

/// Has this be told once the clock passes `deadline`; whether it has already, and nothing will be.
pub(super) fn has_passed(deadline: Instant, due: impl FnOnce() -> Rc<dyn Due>) -> bool {
    let clock = execution::part::<Clock>();
    let mut inner = clock.inner().lock().unwrap();
    let passed = deadline <= clock.start() + inner.passed;
    if !passed {
        inner.due.push((deadline, due()));
    }
    passed
}

/// Takes the lock under which alarms go off, so that loom explores each order of that and of what the caller does next.
pub(super) fn meet() {
    drop(execution::part::<Clock>().inner().lock().unwrap());
}

/// Reads the model's clock.
pub(crate) fn now() -> Instant {
    let clock = execution::part::<Clock>();
    let passed = clock.inner().lock().unwrap().passed;
    clock.start() + passed
}

/// The clock's start, for a report: reading the clock would be a step of the model.
pub(crate) fn stamp() -> Instant {
    execution::part::<Clock>().start()
}

/// Moves the clock and wakes every sleeper whose deadline that passes.
pub(crate) fn advance(by: Duration) {
    let clock = execution::part::<Clock>();
    let mut inner = clock.inner().lock().unwrap();
    inner.passed += by;
    let now = clock.start() + inner.passed;
    let (due, later): (Vec<_>, _) = mem::take(&mut inner.due).into_iter().partition(|(deadline, _)| *deadline <= now);
    inner.due = later;
    drop(inner);
    for (_, due) in due {
        due.due();
    }
}
