//! What is seen from outside: who waits, for what, and who holds that.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use super::Place;
use super::asleep::{Call, Record, with_all};
use super::held::{self, Held};
use super::what::What;
use crate::sync::{Instant, Thread, ThreadId, each_shown, stamp};

/// A thread that waits in a call of this crate, as [`waits`] found it.
#[derive(Clone, Debug)]
pub struct Wait {
    thread: Thread,
    what: What,
    since: Instant,
    until: Option<Instant>,
    limited: bool,
    place: Place,
    holders: Vec<Holder>,
}

impl Wait {
    pub(super) fn new(record: &Record, holders: Vec<Holder>) -> Self {
        Self {
            thread: record.thread.clone(),
            what: record.call.what.clone(),
            since: record.since,
            until: record.until,
            limited: record.limited,
            place: record.call.place,
            holders,
        }
    }

    /// Returns the thread that waits.
    pub fn thread(&self) -> ThreadId {
        self.thread.id()
    }

    /// Returns the name of the thread that waits, if it has one.
    pub fn thread_name(&self) -> Option<&str> {
        self.thread.name()
    }

    /// Returns what the thread waits for.
    pub fn what(&self) -> &What {
        &self.what
    }

    /// Returns when the wait began.
    pub fn since(&self) -> Instant {
        self.since
    }

    /// Returns when the call's limit ends the wait: `None` if no time does.
    pub fn until(&self) -> Option<Instant> {
        self.until
    }

    /// Returns `true` if something ends the wait in any case, or may: the call's [`Limit`](crate::Limit) has a time or a token.
    pub fn is_limited(&self) -> bool {
        self.limited
    }

    /// Returns the call that waits.
    pub fn place(&self) -> &'static std::panic::Location<'static> {
        self.place
    }

    /// Returns who holds what the thread waits for: the holder or holders of a lock, the thread that initialises a cell.
    pub fn holders(&self) -> &[Holder] {
        &self.holders
    }
}

/// A thread that holds what another waits for.
#[derive(Clone, Debug)]
pub struct Holder {
    thread: Thread,
    place: Place,
    waits_for: Option<What>,
}

impl Holder {
    pub(super) fn asleep(record: &Record, place: Place) -> Self {
        Self { thread: record.thread.clone(), place, waits_for: Some(record.call.what.clone()) }
    }

    /// Returns the thread that holds it.
    pub fn thread(&self) -> ThreadId {
        self.thread.id()
    }

    /// Returns the name of the thread that holds it, if it has one.
    pub fn thread_name(&self) -> Option<&str> {
        self.thread.name()
    }

    /// Returns the call by which the thread acquired it, or initialises the cell.
    pub fn place(&self) -> &'static std::panic::Location<'static> {
        self.place
    }

    /// Returns what the holder itself waits for; `None` if it does not wait in a call of this crate.
    pub fn waits_for(&self) -> Option<&What> {
        self.waits_for.as_ref()
    }
}

/// Threads that wait, as [`waits`] found them; those that wait longest come first.
///
/// `Display` writes them for people to read.
#[derive(Clone, Debug, Default)]
pub struct Waits {
    waits: Vec<Wait>,
}

impl Waits {
    /// Keeps those of which `f` says so.
    pub fn retain(&mut self, f: impl FnMut(&Wait) -> bool) {
        self.waits.retain(f);
    }

    /// Keeps those that wait for this long, or longer.
    #[must_use]
    pub fn longer_than(mut self, time: Duration) -> Self {
        let now = stamp();
        self.retain(|wait| now.saturating_duration_since(wait.since) >= time);
        self
    }
}

impl Deref for Waits {
    type Target = [Wait];

    fn deref(&self) -> &[Wait] {
        &self.waits
    }
}

impl IntoIterator for Waits {
    type Item = Wait;
    type IntoIter = std::vec::IntoIter<Wait>;

    fn into_iter(self) -> Self::IntoIter {
        self.waits.into_iter()
    }
}

impl<'w> IntoIterator for &'w Waits {
    type Item = &'w Wait;
    type IntoIter = std::slice::Iter<'w, Wait>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl FromIterator<Wait> for Waits {
    fn from_iter<I: IntoIterator<Item = Wait>>(waits: I) -> Self {
        Self { waits: waits.into_iter().collect() }
    }
}

/// Returns all threads that wait in a call of this crate.
pub fn waits() -> Waits {
    held::make_known();
    with_all(|all| {
        // What everybody holds, by key.
        let mut holds: Vec<(usize, Holder)> = Vec::new();
        let mut asleep: Vec<*const Held> = Vec::new();
        for record in all.records().filter(|record| record.holds) {
            asleep.push(record.held);
            // SAFETY: that of a thread in the list, whose lock is held.
            let held = unsafe { &*record.held };
            held.each(|key, place| holds.push((key, Holder::asleep(record, place))));
        }
        asleep.sort_unstable();
        let running = |held: &Held, thread: &Thread| {
            if asleep.binary_search(&std::ptr::from_ref(held)).is_err() {
                held.glimpse(|key, place| {
                    let thread = thread.clone();
                    holds.push((key, Holder { thread, place, waits_for: None }));
                });
            }
        };
        // SAFETY: all threads show their lists.
        unsafe { each_shown(running) };
        holds.sort_by_key(|(key, _)| *key);
        let mut waits: Vec<_> = all.records().map(|record| Wait::new(record, holders(record, &holds))).collect();
        waits.sort_by_key(|wait| wait.since);
        Waits { waits }
    })
}

/// A thread that holds what a call waits for, if that can be seen now.
pub(crate) fn holder(call: &Call) -> Option<Holder> {
    with_all(|all| {
        let wanted = |key| call.wants(key);
        let asleep = all.records().filter(|record| record.holds).find_map(|record| {
            // SAFETY: that of a thread in the list, whose lock is held.
            let place = unsafe { &*record.held }.acquired(wanted)?;
            Some(Holder::asleep(record, place))
        });
        asleep.or_else(|| {
            let mut found = None;
            let running = |held: &Held, thread: &Thread| {
                held.glimpse(|key, place| {
                    if found.is_none() && wanted(key) {
                        found = Some(Holder { thread: thread.clone(), place, waits_for: None });
                    }
                });
            };
            // SAFETY: all threads show their lists.
            unsafe { each_shown(running) };
            found
        })
    })
}

/// Those of the holds, which are sorted, that the thread waits for.
fn holders(record: &Record, holds: &[(usize, Holder)]) -> Vec<Holder> {
    let key = record.call.key;
    let of = |key: usize| {
        let from = holds.partition_point(|(other, _)| *other < key);
        holds[from..].iter().take_while(move |(other, _)| *other == key).map(|(_, holder)| holder.clone())
    };
    [key, key + 1].into_iter().filter(|key| record.call.wants(*key)).flat_map(of).collect()
}

/// Who waits for whom in a deadlock: each for what the next holds, and the last for what the first does.
#[derive(Clone, Debug)]
pub struct Cycle(Arc<[Wait]>);

impl Cycle {
    pub(super) fn new(waits: Vec<Wait>) -> Self {
        Self(waits.into())
    }
}

impl Deref for Cycle {
    type Target = [Wait];

    fn deref(&self) -> &[Wait] {
        &self.0
    }
}

/// Equal if the threads wait for the same. Who they are, where and since when, does not count.
impl PartialEq for Cycle {
    fn eq(&self, other: &Self) -> bool {
        self.iter().map(Wait::what).eq(other.iter().map(Wait::what))
    }
}

impl Eq for Cycle {}

impl Hash for Cycle {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.iter().for_each(|wait| wait.what.hash(state));
    }
}

/// A thread, for people to read.
struct Named<'t>(&'t Thread);

impl fmt::Display for Named<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.name() {
            Some(name) => write!(f, "thread '{name}'"),
            None => write!(f, "thread {:?}", self.0.id()),
        }
    }
}

impl fmt::Display for Holder {
    /// `held by thread 'main' since src/main.rs:7:3`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "held by {} since {}", Named(&self.thread), self.place)
    }
}

impl fmt::Display for Cycle {
    /// One line.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, wait) in self.iter().enumerate() {
            if at > 0 {
                f.write_str("; ")?;
            }
            write!(f, "{} waits for {} at {}", Named(&wait.thread), wait.what, wait.place)?;
            for holder in &wait.holders {
                write!(f, ", {holder}")?;
            }
        }
        Ok(())
    }
}

impl fmt::Display for Waits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let now = stamp();
        for wait in &self.waits {
            write!(f, "{} waits for {}", Named(&wait.thread), wait.what)?;
            write!(f, ", {:.1?}, at {}", now.saturating_duration_since(wait.since), wait.place)?;
            match wait.until {
                Some(until) => write!(f, ", for {:.1?} more at most", until.saturating_duration_since(now))?,
                None if wait.limited => f.write_str(", or until a token is cancelled")?,
                None => {}
            }
            writeln!(f)?;
            for holder in &wait.holders {
                write!(f, "    {holder}, ")?;
                match &holder.waits_for {
                    Some(what) => writeln!(f, "which waits for {what}")?,
                    None => writeln!(f, "which runs")?,
                }
            }
        }
        Ok(())
    }
}
