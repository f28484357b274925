//! Who waits and who holds at a moment.

use super::asleep::{Call, Record, with_all};
use super::held::{self, Held};
use super::waits::{Holder, Waits};
use super::what::What;
use crate::sync::{Thread, each_shown, yield_now};

/// Who holds what, by key.
type Holds = Vec<(usize, Holder)>;

/// Returns all threads that wait in a call of this crate, and those that say so by [`waiting_for`](crate::waiting_for); those that
/// wait longest come first.
///
/// Each is shown with what it waits for, since when, the call, its limit, and who holds that. A holder is shown with the call that
/// acquired the lock, or that runs the initialiser, and with what it waits for itself, if it does so in a call of this crate.
///
/// It may be called from anywhere but a global allocator or a signal handler: while the thread holds locks, in a panic hook, in a
/// destructor. A forked child sees its own threads, and of the one that forked only what it waits for. It keeps threads from beginning and ending a sleep while it looks at
/// those that sleep, and a thread from ending while it looks at those that run; it never blocks a thread that does neither. With a
/// thousand threads asleep it takes about a millisecond, of which they are kept for a part.
///
/// What a thread waits for is of one moment for all. Holders that run are looked at one by one afterwards. Of such a one are not
/// shown: guards beyond the first twenty or so; the locks of a set of more than 32; and all of it if the thread has never
/// made a call that could wait, but `try_` calls only, or where thread-local storage is not native (see [Platforms](crate#platforms)).
///
/// # Memory ordering
/// None that a program may rely on.
///
/// # Examples
///
/// A watchdog prints what hangs:
///
/// ```
/// use raddle::{CancelToken, OrderedMutex, waits};
/// use std::time::Duration;
///
/// fn watch(shutdown: &CancelToken) {
///     while shutdown.sleep(Duration::from_secs(10)).is_ok() {
///         let long = waits().longer_than(Duration::from_secs(1));
///         if !long.is_empty() {
///             eprintln!("{long}");
///         }
///     }
/// }
///
/// let (beds, shutdown) = (OrderedMutex::new(1, 40), CancelToken::new());
/// std::thread::scope(|threads| {
///     threads.spawn(|| watch(&shutdown));
///     let guard = beds.lock().unwrap();
///     threads.spawn(|| drop(beds.lock()));
///     while !waits().iter().any(|wait| wait.what().to_string() == "lock 1") {}
///     let waits = waits();
///     let wait = waits.iter().find(|wait| wait.what().to_string() == "lock 1").unwrap();
///     assert_eq!(wait.holders()[0].thread(), std::thread::current().id());
///     shutdown.cancel();
///     drop(guard);
/// });
/// ```
pub fn waits() -> Waits {
    // Who calls this in a loop does not keep others from the list's lock, which goes to whoever runs.
    yield_now();
    held::make_known();
    let mut holds = Holds::new();
    let mut asleep = Vec::new();
    let mut notes = Vec::new();
    let mut waits: Vec<_> = with_all(|all| {
        for record in all.records().filter(|record| record.is_note()) {
            notes.push(Noted { held: record.held, thread: record.thread.clone(), what: record.call.what.clone() });
        }
        // The last note of a thread comes first.
        notes.reverse();
        notes.sort_by_key(|note| note.held);
        for record in all.records().filter(|record| record.holds) {
            asleep.push(record.held);
            held_by(record).each(|key, place| {
                let mut holder = record.holder(place);
                noted(&notes, record.held, &record.thread).into_iter().for_each(|what| holder.waits_for = Some(what));
                holds.push((key, holder));
            });
        }
        all.records().map(|record| (Wanted::by(&record.call), record.wait())).collect()
    });
    asleep.sort_unstable();
    // What has woken up since then is shown as it was.
    each_running(|held, thread| {
        if asleep.binary_search(&std::ptr::from_ref(held)).is_err() {
            let what = noted(&notes, held, thread);
            held.glimpse(|key, place| {
                holds.push((key, Holder { waits_for: what.clone(), ..Holder::running(thread, place) }))
            });
        }
    });
    holds.sort_by_key(|(key, _)| *key);
    for (wanted, wait) in &mut waits {
        let all = wanted.keys().flat_map(|key| {
            let from = holds.partition_point(|(other, _)| *other < key);
            let all = holds[from..].iter().take_while(move |(other, _)| *other == key);
            // One that was asleep may run by now, and another have what it held.
            all.take(if key == wanted.key { 1 } else { usize::MAX })
        });
        wait.set_holders(all.map(|(_, holder)| holder.clone()));
    }
    waits.sort_by_key(|(_, wait)| wait.since);
    waits.into_iter().map(|(_, wait)| wait).collect()
}

/// A thread that holds what a call waits for, if that can be seen now.
pub(crate) fn holder(call: &Call) -> Option<Holder> {
    let wanted = Wanted::by(call);
    let asleep = with_all(|all| {
        all.records().filter(|record| record.holds).find_map(|record| {
            let place = held_by(record).acquired(|key| wanted.has(key))?;
            Some(record.holder(place).for_error())
        })
    });
    asleep.or_else(|| {
        let mut found = None;
        each_running(|held, thread| {
            held.glimpse(|key, place| {
                if found.is_none() && wanted.has(key) {
                    found = Some(Holder::running(thread, place));
                }
            });
        });
        found
    })
}

/// The keys under which others hold what a call waits for.
#[derive(Clone, Copy)]
struct Wanted {
    key: usize,
    /// A writer waits for readers; so does a reader, if a writer is ahead of it.
    or_readers: bool,
}

impl Wanted {
    fn by(call: &Call) -> Self {
        Self { key: call.key, or_readers: call.what.is_of_readers_too() }
    }

    fn keys(self) -> impl Iterator<Item = usize> {
        let readers = self.or_readers.then_some(self.key + 1);
        [Some(self.key), readers].into_iter().flatten().filter(move |_| self.key != 0)
    }

    fn has(self, key: usize) -> bool {
        self.keys().any(|wanted| wanted == key)
    }
}

/// What a thread says that it waits for. It may have forgotten that and ended since, and another have its list's place.
struct Noted {
    held: *const Held,
    thread: Thread,
    what: What,
}

/// What the thread with this list says that it waits for.
fn noted(notes: &[Noted], held: *const Held, thread: &Thread) -> Option<What> {
    let at = notes.partition_point(|note| note.held < held);
    let mut of_list = notes[at..].iter().take_while(|note| note.held == held);
    of_list.find(|note| note.thread.id() == thread.id()).map(|note| note.what.clone())
}

/// What a thread holds that waits. The list's lock is held as long as the record is borrowed.
fn held_by(record: &Record) -> &Held {
    // SAFETY: that of a thread in the list, whose lock is held.
    unsafe { &*record.held }
}

/// Calls `f` with what each thread holds that is known, be it running or not.
fn each_running(f: impl FnMut(&Held, &Thread)) {
    // SAFETY: all threads show their lists.
    unsafe { each_shown(f) };
}
