//! The model's clock: it stands still until a model thread moves it.

use std::cell::{OnceCell, RefCell};
use std::rc::Rc;
use std::time::{Duration, Instant};

use loom::sync::Mutex;
use loom::sync::atomic::{AtomicU64, Ordering::Relaxed};

use super::execution;
use super::lot::{Node, Queue};

#[derive(Default)]
pub(crate) struct Clock {
    /// The system's time when the clock was first asked for, so that an `Instant` taken in the model means something.
    start: OnceCell<Instant>,
    inner: OnceCell<Inner>,
}

struct Inner {
    /// Nanoseconds since `start`, for reading: relaxed, as a reader of a clock learns nothing else.
    passed: AtomicU64,
    /// Serialises moving the clock with registering a sleeper, as the deadline must be missed by neither.
    lock: Mutex<()>,
    sleepers: RefCell<Vec<(Instant, Rc<Queue>, Rc<Node>)>>,
}

impl Clock {
    fn inner(&self) -> &Inner {
        self.inner.get_or_init(|| Inner {
            passed: AtomicU64::new(0),
            lock: Mutex::new(()),
            sleepers: RefCell::default(),
        })
    }

    fn start(&self) -> Instant {
        *self.start.get_or_init(Instant::now)
    }

    /// Has the node expire once the clock passes `deadline`; called under the lock of the node's queue.
    pub(super) fn register(&self, deadline: Instant, queue: &Rc<Queue>, node: &Rc<Node>) {
        let inner = self.inner();
        let _held = inner.lock.lock().unwrap();
        // Under the lock, so this is the newest value.
        let now = self.start() + Duration::from_nanos(inner.passed.load(Relaxed));
        if deadline <= now {
            node.expired.set(true);
        } else {
            inner.sleepers.borrow_mut().push((deadline, queue.clone(), node.clone()));
        }
    }
}

/// Reads the model's clock. An old time may be read, as on a real machine.
pub(crate) fn now() -> Instant {
    let execution = execution::current();
    let clock = &execution.clock;
    clock.start() + Duration::from_nanos(clock.inner().passed.load(Relaxed))
}

/// Moves the clock and wakes every sleeper whose deadline that passes.
pub(crate) fn advance(by: Duration) {
    let execution = execution::current();
    let clock = &execution.clock;
    let inner = clock.inner();
    let nanos = u64::try_from(by.as_nanos()).expect("a model's clock runs for 584 years");
    let held = inner.lock.lock().unwrap();
    let now = clock.start() + Duration::from_nanos(inner.passed.fetch_add(nanos, Relaxed) + nanos);
    let mut due = Vec::new();
    inner.sleepers.borrow_mut().retain(|(deadline, queue, node)| {
        let passed = *deadline <= now;
        if passed {
            due.push((queue.clone(), node.clone()));
        }
        !passed
    });
    drop(held);
    for (queue, node) in due {
        queue.expire(&node);
    }
}
