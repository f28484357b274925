//! What the threads of a scope share.
//!
//! All of it is under one lock, under which none of the user's code runs: values, errors and payloads are dropped, and the token is
//! cancelled, outside of it.
//!
//! Invariants:
//! 1. A thread that was started is in the list, or among those that are over, until somebody takes it out and joins it: the scope's end,
//!    or, once its task has ended, who starts another. That is the scope's own thread, or one for which a task waits that has not ended;
//!    so whatever waits for whatever, the scope's end finds all.
//! 2. A task is marked as ended when its thread has stored the result and uses nothing of the task any more.
//! 3. The entry of a task is in the list from when it is started until the task has ended.

use std::collections::BTreeMap;
use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::Arc;

use super::chain::Chain;
use super::error::SpawnError;
use crate::record::{Call, Record, What};
use crate::sync::{Lock, ParkToken, Payload, Running, ThreadId, covered, step, thread_id};
use crate::{CancelToken, Semaphore};

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
    /// Threads of tasks that have ended.
    over: Vec<Running>,
    /// Those that nobody has taken, in the order of time.
    failures: BTreeMap<usize, Failure<E>>,
    /// How many there were.
    failed: usize,
    /// The first that the body's thread has taken.
    seen: Option<usize>,
}

/// With fewer threads that are over it does not pay to join them.
const FEW: usize = 32;

/// A task that has begun.
#[derive(Default)]
struct Entry {
    /// There from when it is known that it was started until the scope's end joins it.
    thread: Option<Running>,
    /// Told with it.
    name: Arc<str>,
    ended: bool,
    /// Who joins the task waits for this.
    waiter: Option<Arc<Semaphore>>,
    /// The task that does. There is one handle of each, so there is no other.
    joined_by: Option<usize>,
}

impl<E> State<E> {
    pub(super) fn new(token: CancelToken) -> Self {
        let shared = Shared {
            numbers: 0,
            at_work: 0,
            places: None,
            threads: BTreeMap::new(),
            over: Vec::new(),
            failures: BTreeMap::new(),
            failed: 0,
            seen: None,
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
        let mut shared = self.shared.hold();
        let entry = shared.threads.entry(task).or_default();
        if entry.ended {
            shared.threads.remove(&task);
            shared.over.push(thread);
        } else {
            entry.name = thread.thread().name().unwrap_or_default().into();
            entry.thread = Some(thread);
        }
        let many = shared.over.len() >= FEW.max(shared.threads.len());
        let over = if many { mem::take(&mut shared.over) } else { Vec::new() };
        drop(shared);
        over.into_iter().for_each(Running::join);
    }

    /// A task has ended (invariant 2).
    pub(super) fn ended(&self, task: usize) {
        let mut shared = self.shared.hold();
        shared.at_work -= 1;
        let entry = shared.threads.entry(task).or_default();
        entry.ended = true;
        let waiter = entry.waiter.take();
        if let Some(thread) = entry.thread.take() {
            shared.threads.remove(&task);
            shared.over.push(thread);
        }
        drop(shared);
        if let Some(waiter) = waiter.filter(|_| step!("tasks.ended-wakes")) {
            covered!("tasks.joined");
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
        let mut above = mine;
        while let Some(at) = above {
            if at == task {
                return false;
            }
            above = shared.threads.get(&at).and_then(|entry| entry.joined_by);
        }
        // Otherwise it has ended (invariant 3).
        let Some(entry) = shared.threads.get_mut(&task).filter(|entry| !entry.ended) else { return true };
        entry.joined_by = mine;
        let waiter = entry.waiter.insert(Arc::new(Semaphore::new(0))).clone();
        let name = entry.name.clone();
        drop(shared);
        waiter.acquire_for(What::Task(name), place);
        true
    }

    /// Waits until all threads have ended. No other thread starts one any more whose own is not in the list.
    pub(super) fn join_all(&self, place: Place) {
        loop {
            let mut shared = self.shared.hold();
            let over = mem::take(&mut shared.over);
            let next = shared
                .threads
                .iter_mut()
                .find_map(|(&task, entry)| Some((task, entry.name.clone(), entry.thread.take()?)));
            drop(shared);
            let done = over.is_empty() && next.is_none();
            over.into_iter().for_each(Running::join);
            if let Some((task, name, thread)) = next {
                let call = Call { what: What::Task(name), key: 0, place, panics: false };
                let mut record = pin!(Record::new(call, None, false, 0));
                record.as_mut().publish(ParkToken(0));
                thread.join();
                self.shared.hold().threads.remove(&task);
            }
            if done {
                return;
            }
        }
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
