//! Calls at a point in time, for who cannot sleep until then: from one thread for the whole process, which runs only while
//! a call is outstanding.
//!
//! A forked child has alarms of its own, as it does not have the parent's thread.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::thread;
use std::time::Instant;

use super::process::{Own, PerProcess};
use crate::sync::now;

/// What is called.
pub(crate) trait Due: Send + Sync {
    /// Called when the time has come, from the thread of the alarms. Does not panic.
    fn due(&self);

    /// The alarm is dropped. After this `due` begins with nothing any more; what it has begun with goes on.
    fn disarm(&self);
}

/// Dropped, it goes off no more.
pub(crate) struct Alarm {
    what: Option<Arc<dyn Due>>,
    of: &'static Own<Process>,
}

/// The alarms of one process.
struct Process {
    alarms: Mutex<Alarms>,
    changed: Condvar,
}

static PROCESS: PerProcess<Process> = PerProcess::new();

struct Alarms {
    entries: BinaryHeap<Reverse<Entry>>,
    /// How many alarms were dropped since the dead entries were swept out; their time may have come before.
    dropped: usize,
    running: bool,
}

struct Entry {
    at: Instant,
    what: Weak<dyn Due>,
}

impl Process {
    fn new() -> Self {
        let alarms = Alarms { entries: BinaryHeap::new(), dropped: 0, running: false };
        Self { alarms: Mutex::new(alarms), changed: Condvar::new() }
    }

    fn alarms(&self) -> MutexGuard<'_, Alarms> {
        // Nothing under this lock panics half-way.
        self.alarms.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The thread: until no call is outstanding.
    fn run(&self) {
        let mut alarms = self.alarms();
        while let Some(Reverse(first)) = alarms.entries.peek() {
            let now = now();
            if first.at > now {
                let rest = first.at - now;
                alarms = self.changed.wait_timeout(alarms, rest).unwrap_or_else(PoisonError::into_inner).0;
                continue;
            }
            let due = alarms.entries.pop().and_then(|Reverse(entry)| entry.what.upgrade());
            // Not under the lock: what is called takes locks of its own, and calls what users have registered.
            drop(alarms);
            if let Some(what) = due {
                what.due();
            }
            alarms = self.alarms();
        }
        alarms.entries = BinaryHeap::new();
        alarms.running = false;
    }
}

/// Has `what` called at that time, or soon after, unless the alarm is dropped before.
///
/// # Errors
/// If the system gives no thread.
pub(crate) fn alarm(at: Instant, what: impl Due + 'static) -> io::Result<Alarm> {
    let what: Arc<dyn Due> = Arc::new(what);
    let of = PROCESS.get(Process::new);
    let mut alarms = of.alarms();
    if !alarms.running {
        // Spawned and detached under the lock that it takes first. So it cannot end while it is being detached, which
        // glibc's `pthread_detach` does not withstand.
        thread::Builder::new().name("raddle deadlines".into()).spawn(|| of.run())?;
        alarms.running = true;
    }
    let first = alarms.entries.peek().is_none_or(|Reverse(first)| at < first.at);
    alarms.entries.push(Reverse(Entry { at, what: Arc::downgrade(&what) }));
    if first {
        of.changed.notify_one();
    }
    Ok(Alarm { what: Some(what), of })
}

impl Alarm {
    /// Whether it was inherited over a fork, and so never goes off in this process.
    pub(crate) fn is_inherited(&self) -> bool {
        self.of.is_inherited()
    }
}

impl Drop for Alarm {
    fn drop(&mut self) {
        let what = self.what.take();
        // Nothing calls what was inherited; its locks may be those of a thread that is not here.
        if self.is_inherited() {
            return;
        }
        if let Some(what) = what {
            what.disarm();
        }
        let mut alarms = self.of.alarms();
        alarms.dropped += 1;
        // Dead entries are never more than live ones for long, and sweeping them out costs each drop a constant.
        if 2 * alarms.dropped >= alarms.entries.len() {
            alarms.entries.retain(|Reverse(entry)| entry.what.strong_count() > 0);
            alarms.dropped = 0;
            // Nor is the room for them, so that a great number of them once is not paid for ever.
            let room = 2 * alarms.entries.len();
            alarms.entries.shrink_to(room);
            if alarms.entries.is_empty() {
                self.of.changed.notify_one();
            }
        }
    }
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
