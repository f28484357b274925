//! What the threads of a scope share.
//!
//! All of it is under one lock, under which none of the user's code runs: values, errors and payloads are dropped, and the token is
//! cancelled, outside of it.
//!
//! Invariants:
//! 1. A thread that was started is in the list until somebody takes it out and joins it: the scope's end, which joins all; who joins
//!    the task; or who sweeps out those that have ended. That is the scope's own thread, or one that ends before the scope.
//! 2. A task is marked as ended when its thread has stored the result and uses nothing of the task any more.
//! 3. The entry of a task is in the list from when it is started until its thread is joined, or was seen to have ended.

use std::any::Any;
use std::collections::BTreeMap;
use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::Arc;

use super::chain::Chain;
use super::error::SpawnError;
use crate::record::{Call, Record, What};
use crate::sync::{Lock, ParkToken, Running, ThreadId, covered, never_unwind, step, thread_id};
use crate::{CancelToken, Semaphore};

/// What a panic carries.
pub(super) type Payload = Box<dyn Any + Send>;

/// A line of the program.
pub(super) type Place = &'static std::panic::Location<'static>;

/// How a task or the body failed.
pub(super) enum Failure<E> {
    Error(E),
    Panic(Payload),
}

pub(super) struct State<E> {
    pub(super) token: CancelToken,
    /// The thread that runs the body.
    owner: ThreadId,
    /// What that thread is of.
    above: Chain,
    shared: Lock<Shared<E>>,
}

struct Shared<E> {
    /// How many numbers of tasks were given out.
    numbers: usize,
    /// How many tasks have not ended, those included that wait for a place or for their thread.
    at_work: usize,
    places: Option<Arc<Semaphore>>,
    threads: BTreeMap<usize, Entry>,
    /// With so many threads, look for those that have ended.
    sweep_at: usize,
    /// Those that nobody has taken, in the order of time.
    failures: BTreeMap<usize, Failure<E>>,
    /// How many there were.
    failed: usize,
    /// The first that the body's thread has taken.
    seen: Option<usize>,
    /// Which task waits for the end of which.
    joins: Vec<(usize, usize)>,
}

/// A task that has begun.
#[derive(Default)]
struct Entry {
    /// There from when it is known that it was started until somebody joins it.
    thread: Option<Running>,
    /// What somebody waits for who joins it.
    name: Option<Arc<str>>,
    ended: bool,
    /// A task waits for this while another thread joins the thread.
    waiter: Option<Arc<Semaphore>>,
}

/// With fewer threads it does not pay to look for those that have ended.
const FEW: usize = 32;

impl<E> State<E> {
    pub(super) fn new(token: CancelToken) -> Self {
        let shared = Shared {
            numbers: 0,
            at_work: 0,
            places: None,
            threads: BTreeMap::new(),
            sweep_at: FEW,
            failures: BTreeMap::new(),
            failed: 0,
            seen: None,
            joins: Vec::new(),
        };
        Self { token, owner: thread_id(), above: Chain::current(), shared: Lock::new(shared) }
    }

    /// By which chains know it.
    fn address(&self) -> usize {
        (&raw const *self).addr()
    }

    /// What the thread of a task is of.
    pub(super) fn chain(&self, task: usize) -> Chain {
        self.above.with(self.address(), task)
    }

    pub(super) fn at_work(&self) -> usize {
        self.shared.hold().at_work
    }

    /// Has no more tasks at work at once. False, and nothing is changed, if one is.
    #[track_caller]
    pub(super) fn set_places(&self, places: usize) -> bool {
        let places = Some(Arc::new(Semaphore::new(places)));
        let mut shared = self.shared.hold();
        let idle = shared.at_work == 0;
        let old = if idle { mem::replace(&mut shared.places, places) } else { places };
        drop(shared);
        drop(old);
        idle
    }

    /// A task is asked for: its number, and where it has to have a place.
    pub(super) fn begin(&self) -> Result<(Begun<'_, E>, Option<Arc<Semaphore>>), SpawnError> {
        let from_task = Chain::task_of(self.address()).is_some();
        let mut shared = self.shared.hold();
        if from_task && shared.places.is_some() {
            return Err(SpawnError::FromTask);
        }
        let number = shared.numbers;
        shared.numbers += 1;
        shared.at_work += 1;
        Ok((Begun { state: self, number }, shared.places.clone()))
    }

    /// The thread of a task was started.
    pub(super) fn started(&self, task: usize, thread: Running) {
        let mut swept = Vec::new();
        let mut shared = self.shared.hold();
        shared.threads.entry(task).or_default().thread = Some(thread);
        if shared.threads.len() >= shared.sweep_at {
            let ended = |entry: &Entry| entry.ended && entry.thread.is_some();
            let tasks: Vec<_> =
                shared.threads.iter().filter(|(_, entry)| ended(entry)).map(|(&task, _)| task).collect();
            swept.extend(tasks.iter().filter_map(|task| shared.threads.remove(task)?.thread));
            shared.sweep_at = FEW.max(2 * shared.threads.len());
        }
        drop(shared);
        swept.into_iter().for_each(Running::join);
    }

    /// A task has ended (invariant 2).
    pub(super) fn ended(&self, task: usize) {
        let mut shared = self.shared.hold();
        shared.at_work -= 1;
        let entry = shared.threads.entry(task).or_default();
        entry.ended = true;
        let waiter = entry.waiter.take();
        drop(shared);
        if let Some(waiter) = waiter.filter(|_| step!("tasks.ended-wakes")) {
            covered!("tasks.joined-twice");
            waiter.add_permits(1);
        }
    }

    pub(super) fn has_ended(&self, task: usize) -> bool {
        self.shared.hold().threads.get(&task).is_none_or(|entry| entry.ended)
    }

    /// A task has failed: the number of the failure. When this returns, the scope is cancelled.
    pub(super) fn fail(&self, failure: Failure<E>) -> usize {
        self.note(failure, |_| None)
    }

    /// The body has failed: when the first failure happened that it has taken, if it has taken any.
    pub(super) fn fail_body(&self, failure: Failure<E>) {
        self.note(failure, |shared| shared.seen);
    }

    fn note(&self, failure: Failure<E>, at: impl FnOnce(&Shared<E>) -> Option<usize>) -> usize {
        let mut shared = self.shared.hold();
        let number = at(&shared).unwrap_or(shared.failed);
        shared.failed += 1;
        shared.failures.insert(number, failure);
        drop(shared);
        if step!("tasks.cancel") {
            // Who is told of it may panic.
            if let Err(payload) = catch_unwind(AssertUnwindSafe(|| self.token.cancel())) {
                let mut shared = self.shared.hold();
                let next = shared.failed;
                shared.failed += 1;
                shared.failures.insert(next, Failure::Panic(payload));
            }
        }
        number
    }

    /// Takes a failure, which is the caller's from here on.
    pub(super) fn take(&self, failure: usize) -> Option<Failure<E>> {
        let by_body = thread_id() == self.owner;
        let mut shared = self.shared.hold();
        if by_body {
            shared.seen = Some(shared.seen.map_or(failure, |seen| seen.min(failure)));
        }
        shared.failures.remove(&failure)
    }

    /// All failures that nobody has taken, in the order of time. The tasks have ended.
    pub(super) fn take_all(&self) -> impl Iterator<Item = Failure<E>> + use<E> {
        mem::take(&mut self.shared.hold().failures).into_values()
    }

    /// Waits until a task has ended. False: it would wait for the calling thread.
    pub(super) fn join(&self, task: usize, place: Place) -> bool {
        let mine = Chain::task_of(self.address());
        let mut shared = self.shared.hold();
        if mine.is_some_and(|mine| shared.waits_for(task, mine)) {
            return false;
        }
        // Otherwise it was seen to have ended (invariant 3).
        let Some(entry) = shared.threads.get_mut(&task) else { return true };
        let join = entry.joining().ok_or_else(|| entry.await_end());
        shared.joins.extend(mine.map(|mine| (mine, task)));
        drop(shared);
        match &join {
            Ok(_) => {}
            // Its thread is being joined at the end of the scope, to which this thread belongs.
            Err(None) => {}
            Err(Some((waiter, name))) => waiter.acquire_for(What::Task(name.clone()), place),
        }
        let joined = join.map(|joining| joining.join(place)).is_ok();
        let mut shared = self.shared.hold();
        if joined {
            shared.threads.remove(&task);
        }
        if let Some(mine) = mine {
            let at = shared.joins.iter().position(|&join| join == (mine, task));
            at.map(|at| shared.joins.swap_remove(at));
        }
        true
    }

    /// Waits until all threads have ended. No other thread starts one any more whose own is not in the list.
    pub(super) fn join_all(&self, place: Place) {
        let mut joined = None;
        loop {
            let mut shared = self.shared.hold();
            joined.map(|task| shared.threads.remove(&task));
            let next = shared.threads.iter_mut().find_map(|(&task, entry)| Some((task, entry.joining()?)));
            drop(shared);
            let Some((task, joining)) = next else { return };
            joining.join(place);
            joined = Some(task);
        }
    }
}

impl<E> Shared<E> {
    /// Whether the end of a task waits for that of another, or is the same.
    fn waits_for(&self, task: usize, other: usize) -> bool {
        let mut next = vec![task];
        let mut seen = 0;
        while let Some(&task) = next.get(seen) {
            if task == other {
                return true;
            }
            seen += 1;
            for &(_, joined) in self.joins.iter().filter(|&&(who, _)| who == task) {
                if !next.contains(&joined) {
                    next.push(joined);
                }
            }
        }
        false
    }
}

impl Entry {
    /// Its thread, if nobody joins it yet. The caller does.
    fn joining(&mut self) -> Option<Joining> {
        let thread = self.thread.take()?;
        let name: Arc<str> = thread.thread().name().unwrap_or_default().into();
        self.name = Some(name.clone());
        Some(Joining { thread, name, ended: self.ended })
    }

    /// What to wait for, and its name, as another joins the thread; nothing if the task has ended.
    fn await_end(&mut self) -> Option<(Arc<Semaphore>, Arc<str>)> {
        if self.ended {
            return None;
        }
        let waiter = self.waiter.get_or_insert_with(|| Arc::new(Semaphore::new(0)));
        Some((waiter.clone(), self.name.clone().unwrap_or_else(|| "".into())))
    }
}

/// A thread that was taken out of the list (invariant 1).
struct Joining {
    thread: Running,
    name: Arc<str>,
    ended: bool,
}

impl Joining {
    fn join(self, place: Place) {
        // Nobody else joins it.
        never_unwind(|| {
            if self.ended {
                return self.thread.join();
            }
            let call = Call { what: What::Task(self.name), key: 0, place, panics: false };
            let mut record = pin!(Record::new(call, None, false, 0));
            record.as_mut().publish(ParkToken(0));
            self.thread.join();
        });
    }
}

/// A task that was asked for, and that has not begun if this is dropped.
pub(super) struct Begun<'s, E> {
    state: &'s State<E>,
    pub(super) number: usize,
}

impl<E> Begun<'_, E> {
    /// It has begun.
    pub(super) fn keep(self) {
        mem::forget(self);
    }
}

impl<E> Drop for Begun<'_, E> {
    fn drop(&mut self) {
        self.state.shared.hold().at_work -= 1;
    }
}
