//! The threads that wait, and what for.
//!
//! Each is a [`Record`] on its own stack, in one list for as long as it waits. Whoever has the list's lock knows: a thread in it
//! is in a call that waits, between what comes before and after. So it neither acquires nor releases anything that it has
//! [noted](super::held), and what it wants does not change. What may change is whether it sleeps.
//!
//! A thread has *joined* when it stands in the queue in which it sleeps; that, and how often, is known under the lock of the queue.
//! It has *looked* when it has asked afterwards whether a [cycle](super::cycle) is closed by its sleep; that is known under the
//! list's lock.
//!
//! Locks are taken in this order: the list's, that of a queue. Nobody who has the lock of a node, a tree or a queue takes the list's. (The
//! parking lot's callback before a sleep may: it is called without the queue's lock.)

use std::cell::Cell;
use std::marker::PhantomPinned;
use std::panic::Location;
use std::pin::Pin;
use std::ptr;

use super::Place;
use super::held::{self, Held};
use super::list::{Linked, Links, List};
use super::waits::{Cycle, Holder, How, Wait};
use super::what::What;
use crate::sync::{
    ForProcess, Instant, Lock, ParkToken, Thread, UnsafeCell, cleanup, current, is_recording, per_process, stamp, step,
};

/// Whether waits are recorded that are no part of a cycle, for the reports only.
const ALL: bool = cfg!(not(all(loom, any(test, feature = "loom"))));

/// A call that waits.
#[derive(Clone)]
pub(crate) struct Call {
    pub(crate) what: What,
    /// The key of what is wanted, if that has one.
    pub(crate) key: usize,
    pub(crate) place: &'static Location<'static>,
    /// The call has no error for a deadlock.
    pub(crate) panics: bool,
}

/// A thread that waits.
pub(crate) struct Record {
    pub(super) call: Call,
    /// When the call has to stop.
    pub(super) until: Option<Instant>,
    /// Something may end the wait.
    pub(super) limited: bool,
    pub(super) since: Instant,
    pub(super) thread: Thread,
    pub(super) held: *const Held,
    /// Others may wait for it: it holds something.
    pub(super) holds: bool,
    /// It initialises a cell, and waits for a lock or a cell.
    makes: bool,
    /// Where it sleeps, and its park token but for the flags.
    pub(super) queue: usize,
    pub(super) token: usize,
    /// How often it has joined the queue. Under the lock of the queue.
    pub(super) joined: UnsafeCell<u64>,
    /// The number of the sleep that it has looked in. Here and below, under the list's lock.
    pub(super) looked: UnsafeCell<u64>,
    pub(super) mark: Mark,
    /// The cycle for which it was taken out of its queue.
    pub(super) cycle: UnsafeCell<Option<Cycle>>,
    links: Links<Record>,
    /// Where it is published.
    pub(super) list: Option<ForProcess<Lock<Asleep>>>,
    /// Until then the list of what the thread holds does not change.
    sleeps: Cell<bool>,
    _pinned: PhantomPinned,
}

// SAFETY: a field.
unsafe impl Linked for Record {
    fn links(&self) -> &Links<Self> {
        &self.links
    }
}

/// What a [walk](super::cycle) knows of a thread. Under the lock of the list.
pub(super) struct Mark {
    /// The walk that came by last.
    pub(super) walk: Cell<u64>,
    /// Who waits for this thread, and where it acquired what that waits for.
    pub(super) before: Cell<*const Record>,
    pub(super) place: Cell<Option<Place>>,
    /// It was seen to wait already.
    pub(super) waits: Cell<bool>,
    /// Who is to be asked next.
    pub(super) next: Cell<*const Record>,
}

impl Mark {
    fn new() -> Self {
        Self {
            walk: Cell::new(0),
            before: Cell::new(ptr::null()),
            place: Cell::new(None),
            waits: Cell::new(false),
            next: Cell::new(ptr::null()),
        }
    }
}

/// All of them, under one lock.
pub(super) struct Asleep {
    records: List<Record>,
    /// How many of them initialise a cell and wait for a lock or a cell. Without such a one there is no cycle.
    pub(super) makers: usize,
    /// How many walks there were.
    pub(super) walks: Cell<u64>,
}

// SAFETY: the records are only used under the lock.
unsafe impl Send for Asleep {}

per_process! {
    fn asleep() -> Lock<Asleep> = Lock::new(Asleep { records: List::new(), makers: 0, walks: Cell::new(0) })
}

/// All threads that wait, which nobody joins or leaves meanwhile.
pub(super) fn with_all<R>(f: impl FnOnce(&mut Asleep) -> R) -> R {
    let asleep = asleep();
    let mut all = asleep.hold();
    f(&mut all)
}

impl Asleep {
    pub(super) fn records(&self) -> impl Iterator<Item = &Record> {
        // SAFETY: the list's lock is held as long as `self` is borrowed.
        std::iter::successors(unsafe { self.records.first() }, |record| unsafe { List::after(record) })
    }
}

impl Record {
    /// As it is seen from outside.
    pub(super) fn wait(&self) -> Wait {
        Wait {
            thread: self.thread.clone(),
            what: self.call.what.clone(),
            since: self.since,
            until: self.until,
            limited: self.limited,
            place: self.call.place,
            holders: Vec::new(),
        }
    }

    /// The same for an error, which may be kept.
    pub(super) fn wait_for_error(&self) -> Wait {
        Wait { what: self.call.what.for_error(), ..self.wait() }
    }

    /// The thread as the holder of something that it has acquired there.
    pub(super) fn holder(&self, place: Place) -> Holder {
        Holder { thread: self.thread.clone(), place, how: How::Holds, waits_for: Some(self.call.what.clone()) }
    }

    /// A thread in a call, not published yet.
    pub(crate) fn new(call: Call, until: Option<Instant>, limited: bool, queue: usize) -> Self {
        Self {
            call,
            until,
            limited,
            since: stamp(),
            thread: current(),
            held: ptr::null(),
            holds: false,
            makes: false,
            queue,
            token: 0,
            joined: UnsafeCell::new(0),
            looked: UnsafeCell::new(0),
            mark: Mark::new(),
            cycle: UnsafeCell::new(None),
            links: Links::new(),
            list: None,
            sleeps: Cell::new(false),
            _pinned: PhantomPinned,
        }
    }

    pub(super) fn is_note(&self) -> bool {
        matches!(self.call.what, What::Other(_))
    }

    /// Whether it can be part of a cycle.
    pub(super) fn counts(&self) -> bool {
        self.call.key != 0 && self.holds
    }

    /// Has the thread seen from here on, by this park token if it sleeps in a queue, until this is dropped.
    pub(crate) fn publish(self: Pin<&mut Self>, token: ParkToken) {
        // SAFETY: nothing is moved out.
        let this = unsafe { self.get_unchecked_mut() };
        this.token = token.0;
        let mine = held::mine();
        this.held = mine.held;
        // A thread that has a note runs on, so what it holds may change.
        if !this.is_note() {
            held::set_asleep(true);
            this.sleeps.set(true);
            this.holds = mine.holds;
            this.makes = mine.makes && this.call.key != 0;
        }
        // Writers keep out readers, whatever they hold.
        if !ALL && !this.counts() && !matches!(this.call.what, What::Write(_)) {
            return;
        }
        if !is_recording() || !step!("record.publish") {
            return;
        }
        let list = asleep();
        this.list = Some(ForProcess::clone(&list));
        let mut all = list.hold();
        // SAFETY: the list's lock is held; it is in no list yet, and pinned until `drop` takes it out.
        unsafe { all.records.push(this) };
        all.makers += usize::from(this.makes);
    }

    /// The thread has joined the queue. Under its lock.
    pub(crate) fn join(&self) {
        // SAFETY: the lock of the queue is held.
        unsafe { *self.joined.exclusive() += 1 };
    }
}

impl Drop for Record {
    fn drop(&mut self) {
        cleanup(|| {
            // A forked child inherits notes of its thread, and a list that nobody uses there.
            if let Some(list) = self.list.as_ref().filter(|list| !self.is_note() || !list.is_inherited()) {
                let mut all = list.hold();
                // SAFETY: the list's lock is held, and `publish` has put it there.
                unsafe { all.records.remove(self) };
                all.makers -= usize::from(self.makes);
            }
            if self.sleeps.get() {
                held::set_asleep(false);
            }
        });
    }
}
