//! The model's clock: it stands still until a model thread moves it.

use std::cell::OnceCell;
use std::mem;
use std::rc::Rc;
use std::time::{Duration, Instant};

use loom::sync::Mutex;

use super::execution;
use super::lot::{Node, Queue};

#[derive(Default)]
pub(crate) struct Clock {
    /// The system's time when the clock was first asked for, so that an `Instant` taken in the model means something.
    start: OnceCell<Instant>,
    /// Loom's lock, so that loom explores every order of reading, moving and registering.
    inner: OnceCell<Mutex<Inner>>,
}

#[derive(Default)]
struct Inner {
    passed: Duration,
    sleepers: Vec<(Instant, Rc<Queue>, Rc<Node>)>,
}

impl Clock {
    fn inner(&self) -> &Mutex<Inner> {
        self.inner.get_or_init(Mutex::default)
    }

    fn start(&self) -> Instant {
        *self.start.get_or_init(Instant::now)
    }

    /// Has the node expire once the clock passes `deadline`; called under the lock of the node's queue.
    pub(super) fn register(&self, deadline: Instant, queue: &Rc<Queue>, node: &Rc<Node>) {
        let mut inner = self.inner().lock().unwrap();
        if deadline <= self.start() + inner.passed {
            node.expired.set(true);
        } else {
            inner.sleepers.push((deadline, queue.clone(), node.clone()));
        }
    }
}

/// Reads the model's clock.
pub(crate) fn now() -> Instant {
    let execution = execution::current();
    let clock = &execution.clock;
    let passed = clock.inner().lock().unwrap().passed;
    clock.start() + passed
}

/// Moves the clock and wakes every sleeper whose deadline that passes.
pub(crate) fn advance(by: Duration) {
    let execution = execution::current();
    let clock = &execution.clock;
    let mut inner = clock.inner().lock().unwrap();
    inner.passed += by;
    let now = clock.start() + inner.passed;
    let (due, later): (Vec<_>, _) =
        mem::take(&mut inner.sleepers).into_iter().partition(|(deadline, ..)| *deadline <= now);
    inner.sleepers = later;
    drop(inner);
    for (_, queue, node) in due {
        queue.expire(&node);
    }
}
