//! Calls at a point in time, for who cannot sleep until then: from one thread for the whole process, which runs only while
//! a call is outstanding.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::thread;
use std::time::Instant;

use crate::sync::now;

/// What is called.
pub(crate) trait Due: Send + Sync {
    /// Called when the time has come, from the thread of the alarms. Does not block or panic.
    fn due(&self);
}

/// Dropped, it goes off no more.
pub(crate) struct Alarm(Option<Arc<dyn Due>>);

struct Entry {
    at: Instant,
    what: Weak<dyn Due>,
}

struct Alarms {
    entries: BinaryHeap<Reverse<Entry>>,
    /// How many alarms were dropped since the dead entries were swept out; their time may have come before.
    dropped: usize,
    running: bool,
}

static ALARMS: Mutex<Alarms> = Mutex::new(Alarms { entries: BinaryHeap::new(), dropped: 0, running: false });
static CHANGED: Condvar = Condvar::new();

fn alarms() -> MutexGuard<'static, Alarms> {
    // Nothing under this lock panics half-way.
    ALARMS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Has `what` called at that time, or soon after, unless the alarm is dropped before.
///
/// # Panics
/// If the system gives no thread.
#[track_caller]
pub(crate) fn alarm(at: Instant, what: impl Due + 'static) -> Alarm {
    let what: Arc<dyn Due> = Arc::new(what);
    let mut alarms = alarms();
    if !alarms.running {
        // Spawned and detached under the lock that it takes first. So it cannot end while it is being detached, which
        // glibc's `pthread_detach` does not withstand.
        let thread = thread::Builder::new().name("raddle deadlines".into()).spawn(run);
        if let Err(error) = thread {
            drop(alarms);
            panic!("no thread for the deadlines of done(): {error}");
        }
        alarms.running = true;
    }
    let first = alarms.entries.peek().is_none_or(|Reverse(first)| at < first.at);
    alarms.entries.push(Reverse(Entry { at, what: Arc::downgrade(&what) }));
    if first {
        CHANGED.notify_one();
    }
    Alarm(Some(what))
}

impl Drop for Alarm {
    fn drop(&mut self) {
        self.0 = None;
        let mut alarms = alarms();
        alarms.dropped += 1;
        // Dead entries are never more than live ones for long, and sweeping them out costs each drop a constant.
        if 2 * alarms.dropped >= alarms.entries.len() {
            alarms.entries.retain(|Reverse(entry)| entry.what.strong_count() > 0);
            alarms.dropped = 0;
            if alarms.entries.is_empty() {
                CHANGED.notify_one();
            }
        }
    }
}

/// The thread: until no call is outstanding.
fn run() {
    let mut alarms = alarms();
    while let Some(Reverse(first)) = alarms.entries.peek() {
        let now = now();
        if first.at > now {
            let rest = first.at - now;
            alarms = CHANGED.wait_timeout(alarms, rest).unwrap_or_else(PoisonError::into_inner).0;
            continue;
        }
        let due = alarms.entries.pop().and_then(|Reverse(entry)| entry.what.upgrade());
        // Not under the lock: what is called takes a lock of its own.
        drop(alarms);
        if let Some(what) = due {
            what.due();
        }
        alarms = self::alarms();
    }
    alarms.running = false;
}

impl PartialEq for Entry {
    fn eq(&self, other: &Self) -> bool {
        self.at == other.at
    }
}

impl Eq for Entry {}

impl PartialOrd for Entry {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Entry {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.at.cmp(&other.at)
    }
}
