//! A model of `parking_lot_core`: the same calls, the same promises, scheduled by loom.
//!
//! A queue belongs to an address and is made when that address is first used in an execution. Its lock is loom's, so
//! that everything under it is ordered and each race for it explored. Nothing is done by `try_lock`, whose failures
//! loom does not explore. A thread sleeps in loom's `park`; it is unparked only once it has left the queue (or its time
//! has passed) and never twice for one sleep, so loom's park token cannot go astray. The loom that `cargo loomed` uses has `block` and
//! `wake` for that, which have no token, and pass nothing on.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;
use std::time::Instant;

use loom::sync::Mutex;
use loom::thread::{self, Thread};
pub(crate) use parking_lot_core::{FilterOp, ParkResult, ParkToken, UnparkResult, UnparkToken};

use super::clock::{self, Due};
use super::execution;

/// One queue for each address that was ever parked on or unparked in an execution. Never iterated, so that nothing depends on the
/// order of addresses.
type Queues = RefCell<BTreeMap<usize, Rc<Queue>>>;

struct Queue {
    lock: Mutex<()>,
    waiting: RefCell<VecDeque<Rc<Node>>>,
}

/// A sleeping thread.
struct Node {
    thread: Thread,
    token: ParkToken,
    /// Set by the unparker that took the node from the queue.
    woken: Cell<Option<UnparkToken>>,
    /// Set by the clock when the deadline has passed.
    expired: Cell<bool>,
    /// It is in loom's `park`, and not in a lock of the call before the sleep: loom would take it out of that, too.
    parked: Cell<bool>,
}

impl Queue {
    fn of(key: usize) -> Rc<Self> {
        let queues = execution::part::<Queues>();
        let mut queues = queues.borrow_mut();
        let make = || Rc::new(Queue { lock: Mutex::new(()), waiting: RefCell::default() });
        queues.entry(key).or_insert_with(make).clone()
    }
}

/// A sleeper whose time may pass.
struct Timed(Rc<Queue>, Rc<Node>);

impl Due for Timed {
    /// Wakes the sleeper. It stays in the queue until it takes itself out, so a wake-up may still reach it first. Taking the lock
    /// orders this against an unpark, so that loom explores both orders.
    fn due(&self) {
        let Self(queue, node) = self;
        let _held = queue.lock.lock().unwrap();
        if node.woken.get().is_none() {
            node.expired.set(true);
            node.unpark();
        }
    }
}

impl Node {
    /// Called under the queue's lock, after the node has left the queue.
    fn wake(&self, token: UnparkToken) {
        self.woken.set(Some(token));
        // An expired thread is awake already, and may be waiting for the lock that this thread holds.
        if !self.expired.get() {
            self.unpark();
        }
    }

    fn unpark(&self) {
        if self.parked.get() {
            // The parking lot promises no edge from the waker to the thread that it wakes.
            #[cfg(loomed)]
            self.thread.wake();
            #[cfg(not(loomed))]
            self.thread.unpark();
        }
    }
}

/// Sleeps in the queue of `key`, as `parking_lot_core::park` does.
///
/// # Safety
/// As there: the callbacks neither panic nor call into the parking lot.
pub(crate) unsafe fn park(
    key: usize,
    validate: impl FnOnce() -> bool,
    before_sleep: impl FnOnce(),
    timed_out: impl FnOnce(usize, bool),
    token: ParkToken,
    deadline: Option<Instant>,
) -> ParkResult {
    let queue = Queue::of(key);
    let held = queue.lock.lock().unwrap();
    if !validate() {
        return ParkResult::Invalid;
    }
    let node = Rc::new(Node {
        thread: thread::current(),
        token,
        woken: Cell::new(None),
        expired: Cell::new(false),
        parked: Cell::new(false),
    });
    queue.waiting.borrow_mut().push_back(node.clone());
    if let Some(deadline) = deadline {
        node.expired.set(clock::has_passed(deadline, || Rc::new(Timed(queue.clone(), node.clone()))));
    }
    drop(held);
    before_sleep();
    // No other thread runs between these two lines.
    node.parked.set(true);
    while node.woken.get().is_none() && !node.expired.get() {
        #[cfg(loomed)]
        thread::block();
        #[cfg(not(loomed))]
        thread::park();
    }
    node.parked.set(false);
    if !node.expired.get() {
        return ParkResult::Unparked(node.woken.get().expect("the loop ended for one of the two"));
    }
    // Also when it was woken meanwhile: what the waker did is seen by way of this lock.
    let _held = queue.lock.lock().unwrap();
    if let Some(token) = node.woken.get() {
        return ParkResult::Unparked(token);
    }
    let last = {
        let mut waiting = queue.waiting.borrow_mut();
        waiting.retain(|other| !Rc::ptr_eq(other, &node));
        waiting.is_empty()
    };
    timed_out(key, last);
    ParkResult::TimedOut
}

/// Wakes the sleepers that `filter` picks, oldest first, as `parking_lot_core::unpark_filter` does.
///
/// # Safety
/// As there: the callbacks neither panic nor call into the parking lot.
pub(crate) unsafe fn unpark_filter(
    key: usize,
    mut filter: impl FnMut(ParkToken) -> FilterOp,
    callback: impl FnOnce(UnparkResult) -> UnparkToken,
) -> UnparkResult {
    let queue = Queue::of(key);
    let _held = queue.lock.lock().unwrap();
    let mut picked = Vec::new();
    let mut stopped = false;
    queue.waiting.borrow_mut().retain(|node| {
        let op = if stopped { FilterOp::Stop } else { filter(node.token) };
        stopped |= op == FilterOp::Stop;
        if op == FilterOp::Unpark {
            picked.push(node.clone());
        }
        op != FilterOp::Unpark
    });
    let mut result = UnparkResult::default();
    result.unparked_threads = picked.len();
    result.have_more_threads = !queue.waiting.borrow().is_empty();
    let token = callback(result);
    for node in picked {
        node.wake(token);
    }
    result
}

/// Wakes every sleeper, as `parking_lot_core::unpark_all` does.
///
/// # Safety
/// None needed here; unsafe for the sake of the same signature.
pub(crate) unsafe fn unpark_all(key: usize, token: UnparkToken) -> usize {
    // SAFETY: neither callback panics or calls into the parking lot.
    unsafe { unpark_filter(key, |_| FilterOp::Unpark, |_| token) }.unparked_threads
}
