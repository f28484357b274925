//! What is seen from outside of who waits, for what, and who holds that.

use std::hash::{Hash, Hasher};
use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use super::Place;
use super::what::What;
use crate::sync::{Instant, Thread, ThreadId, stamp};

/// A thread that waits in a call of this crate, as [`waits`](crate::waits) found it.
#[derive(Clone, Debug)]
pub struct Wait {
    pub(super) thread: Thread,
    pub(super) what: What,
    pub(super) since: Instant,
    pub(super) until: Option<Instant>,
    pub(super) limited: bool,
    pub(super) place: Place,
    pub(super) holders: Vec<Holder>,
}

impl Wait {
    pub(super) fn set_holders(&mut self, holders: impl Iterator<Item = Holder>) {
        self.holders = holders.collect();
        if self.what == What::Cell {
            self.holders.iter_mut().for_each(|holder| holder.how = How::Initialises);
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
    pub(super) thread: Thread,
    pub(super) place: Place,
    pub(super) how: How,
    pub(super) waits_for: Option<What>,
}

/// How a thread is in the way of another.
#[derive(Clone, Copy, Debug)]
pub(super) enum How {
    Holds,
    Initialises,
    /// It waits to write, and sleeps ahead of a reader.
    IsAhead,
}

impl Holder {
    pub(super) fn running(thread: &Thread, place: Place) -> Self {
        Self { thread: thread.clone(), place, how: How::Holds, waits_for: None }
    }

    /// The same for an error, which may be kept.
    pub(super) fn for_error(mut self) -> Self {
        self.waits_for = self.waits_for.map(|what| what.for_error());
        self
    }

    /// Returns the thread that holds it.
    pub fn thread(&self) -> ThreadId {
        self.thread.id()
    }

    /// Returns the name of the thread that holds it, if it has one.
    pub fn thread_name(&self) -> Option<&str> {
        self.thread.name()
    }

    /// Returns the call by which the thread acquired it, or initialises the cell. In a deadlock also that of a writer which
    /// waits ahead of a reader.
    pub fn place(&self) -> &'static std::panic::Location<'static> {
        self.place
    }

    /// Returns what the holder itself waits for; `None` if it does not wait in a call of this crate.
    pub fn waits_for(&self) -> Option<&What> {
        self.waits_for.as_ref()
    }
}

/// Threads that wait, as [`waits`](crate::waits) found them; those that wait longest come first.
///
/// `Display` writes them for people to read.
#[derive(Clone, Debug, Default)]
pub struct Waits {
    pub(super) waits: Vec<Wait>,
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

/// Who waits for whom in a deadlock: each for what the next holds, and the last for what the first does.
#[derive(Clone, Debug)]
pub struct Cycle(Arc<Vec<Wait>>);

impl Cycle {
    pub(super) fn new(waits: Vec<Wait>) -> Self {
        Self(Arc::new(waits))
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
