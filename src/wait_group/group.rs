//! The group and the wait for its end.

use std::fmt;
use std::panic::Location;
use std::sync::Arc;

use super::state::State;
use super::worker::{OwnedWorker, Worker};
use super::{WaitError, WorkerPanicked};
use crate::record::{Call, What};
use crate::sync::{AtomicU64, Ordering::Relaxed, UnparkToken, const_fn, covered, ord, step};
use crate::wait::{Timer, Waiter, block, wake_all};
use crate::{Limit, Stopped};

/// Waits for the workers of a group, and reports their panics.
///
/// A worker is a value: it is done when it is dropped, at the end of its thread or by a panic, which the wait reports.
/// A group is reusable: [`wait`](WaitGroup::wait) returns when the count of workers was zero at some moment since it
/// was called, even if new workers were made since.
///
/// Make the worker before the thread that it moves into. Otherwise a wait may find the group empty too early.
///
#[doc = include_str!("../../docs/wait-group.svg")]
///
/// # Deadlock
/// A thread that waits for a group while it holds one of its workers waits for itself. This is not detected; a limit
/// ends the wait. A worker that is leaked, by `mem::forget` or a cycle of `Arc`s, is never done: each wait blocks
/// until its limit.
///
/// # Memory ordering
/// Everything before the drop of a worker happens-before the return of every wait that waited for it or that found it
/// gone. A wait that its limit ended, and [`count`](WaitGroup::count), order nothing.
///
/// # `WaitGroup`, a scope, a barrier or crossbeam's
/// * [`std::thread::scope`] if the threads end with the work. A `WaitGroup` if they outlive it, if the wait needs a
///   limit, or if a panic must be reported and not propagated.
/// * [`std::sync::Barrier`] if a fixed number of threads all wait for each other.
/// * `crossbeam::sync::WaitGroup` is waited for once, which consumes the waiter's handle; it has no limits and does not
///   report panics, and its handles share a heap allocation.
/// * A [`Counter`](crate::Counter) if no thread waits.
///
/// # Allocators and signal handlers
/// For neither: the last worker to be dropped wakes the waiting threads, which acquires a lock and may allocate.
///
/// # Examples
///
/// The request returns when every entry is in the audit log:
///
/// ```
/// use raddle::WaitGroup;
/// use std::sync::Arc;
/// use std::time::Duration;
///
/// let entries = Arc::new(WaitGroup::new());
/// for action in ["opened record", "changed dose"] {
///     let worker = entries.worker_owned();
///     std::thread::spawn(move || {
///         println!("{action}"); // stands for writing it
///         drop(worker);
///     });
/// }
/// entries.wait_within(Duration::from_secs(10))?;
/// # Ok::<(), raddle::WaitError>(())
/// ```
pub struct WaitGroup {
    state: AtomicU64,
}

impl WaitGroup {
    const_fn! {
        /// Creates a group without workers.
        pub const fn new() -> Self {
            Self { state: AtomicU64::new(0) }
        }
    }

    /// Creates a worker that borrows the group.
    ///
    /// # Panics
    /// If there are 2^31 workers, most of them leaked. The group is unchanged.
    #[track_caller]
    #[inline]
    pub fn worker(&self) -> Worker<'_> {
        self.begin();
        Worker::new(self)
    }

    /// Creates a worker that shares the ownership of the group.
    ///
    /// It is for threads that outlive the caller; the type's example has some.
    ///
    /// # Panics
    /// If there are 2^31 workers, most of them leaked. The group is unchanged.
    #[track_caller]
    #[inline]
    pub fn worker_owned(self: &Arc<Self>) -> OwnedWorker {
        self.begin();
        OwnedWorker::new(Arc::clone(self))
    }

    /// Returns the current number of workers, which may change before the caller uses it.
    pub fn count(&self) -> usize {
        // Relaxed: a caller that needs what the workers did waits for them.
        State(self.state.load(Relaxed)).count() as usize
    }

    /// Blocks until every worker is done.
    ///
    /// # Errors
    /// [`WorkerPanicked`] if a worker was dropped by a panic that began after the worker was made, in this use of the
    /// group or in an earlier one, and [`clear_panicked`](WaitGroup::clear_panicked) was not called since. All workers
    /// are done in this case, too.
    ///
    /// # Examples
    ///
    /// ```
    /// use raddle::WaitGroup;
    ///
    /// let (group, total) = (WaitGroup::new(), raddle::Counter::new(0));
    /// std::thread::scope(|threads| {
    ///     for part in 1..=3 {
    ///         let (worker, total) = (group.worker(), &total);
    ///         threads.spawn(move || {
    ///             total.add(part);
    ///             drop(worker); // the thread may go on
    ///         });
    ///     }
    ///     assert_eq!(group.wait(), Ok(()));
    ///     assert_eq!(total.get(), 6);
    /// });
    /// ```
    #[inline]
    #[track_caller]
    pub fn wait(&self) -> Result<(), WorkerPanicked> {
        let state = self.look();
        if state.count() == 0 {
            return state.verdict();
        }
        match self.wait_slow(state, &Limit::NEVER) {
            Ok(end) => end.verdict(),
            Err(stopped) => unreachable!("no limit was given: {stopped}"),
        }
    }

    /// Blocks until every worker is done, no longer than the limit.
    ///
    /// # Errors
    /// [`Stopped`](WaitError::Stopped) if the limit came first, [`Panicked`](WaitError::Panicked) as for
    /// [`wait`](WaitGroup::wait).
    ///
    /// # Examples
    ///
    /// ```
    /// use raddle::{Stopped, WaitError, WaitGroup};
    /// use std::time::Duration;
    ///
    /// let group = WaitGroup::new();
    /// let worker = group.worker();
    /// let early = group.wait_within(Duration::from_millis(5));
    /// assert_eq!(early, Err(WaitError::Stopped(Stopped::TimedOut)));
    /// drop(worker);
    /// assert_eq!(group.wait_within(Duration::ZERO), Ok(()));
    /// ```
    #[inline]
    #[track_caller]
    pub fn wait_within<'l>(&self, limit: impl Into<Limit<'l>>) -> Result<(), WaitError> {
        let state = self.look();
        // The conversion is the caller's code. It comes after the look, so that a zero in between is not missed.
        let end = if state.count() == 0 { state } else { self.wait_slow(state, &limit.into())? };
        Ok(end.verdict()?)
    }

    #[inline]
    fn look(&self) -> State {
        // Acquire: pairs with the Release in `end`, as in `Wait::attempt`.
        State(self.state.load(ord!("group.wait-zero", Acquire)))
    }

    #[cold]
    #[track_caller]
    fn wait_slow(&self, state: State, limit: &Limit<'_>) -> Result<State, Stopped> {
        let call = Call { what: What::Group, key: 0, place: Location::caller(), panics: false };
        block(&mut Wait { group: self, generation: state.generation() }, &mut Timer::new(limit, call))
            .map_err(Timer::stopped)
    }

    /// Clears the record of a worker's panic, so that waits no longer report it.
    ///
    /// # Memory ordering
    /// This call orders nothing. The waits order what the worker did.
    ///
    /// # Examples
    ///
    /// ```
    /// use raddle::{WaitGroup, WorkerPanicked};
    ///
    /// let group = WaitGroup::new();
    /// std::thread::scope(|threads| {
    ///     let worker = group.worker();
    ///     let lost = threads.spawn(move || {
    ///         let _worker = worker;
    ///         panic!("the disk is full");
    ///     });
    ///     assert!(lost.join().is_err());
    /// });
    /// assert_eq!(group.wait(), Err(WorkerPanicked));
    /// assert_eq!(group.wait(), Err(WorkerPanicked)); // until it is cleared
    /// group.clear_panicked();
    /// assert_eq!(group.wait(), Ok(()));
    /// ```
    pub fn clear_panicked(&self) {
        // Relaxed: a read-modify-write, which passes on the Release that it may stand behind.
        self.state.fetch_and(!State::PANICKED, Relaxed);
    }

    #[track_caller]
    #[inline]
    fn begin(&self) {
        // Relaxed: what sends the worker to another thread makes this visible with it; a read-modify-write passes on
        // the Release that it stands behind.
        let old = State(self.state.fetch_add(State::ONE, Relaxed));
        if old.count() >= State::MAX_COUNT {
            self.state.fetch_sub(State::ONE, Relaxed);
            panic!("a WaitGroup has at most {} workers", State::MAX_COUNT);
        }
    }

    /// Whether somebody has marked that it waits, for models.
    #[cfg(all(loom, test))]
    pub(crate) fn someone_waits(&self) -> bool {
        State(self.state.fetch_or(0, Relaxed)).is_parked()
    }

    /// A worker is done.
    #[inline]
    pub(crate) fn end(&self, panicked: bool) {
        // Relaxed: the compare-exchange decides.
        let mut state = State(self.state.load(Relaxed));
        loop {
            // Release: pairs with the Acquire of the waiters. Every worker's step is a read-modify-write, so the last
            // one's value carries all of them.
            match self.state.compare_exchange_weak(
                state.0,
                state.ended(panicked).0,
                ord!("group.end", Release),
                Relaxed,
            ) {
                Ok(_) => break,
                Err(now) => state = State(now),
            }
        }
        if state.count() == 1 && state.is_parked() && step!("group.end-wakes") {
            covered!("group.end-parked");
            // SAFETY: there is no callback.
            unsafe { wake_all((&raw const self.state).addr(), UnparkToken(0)) };
        }
    }
}

/// A thread that waits for the end of a generation, or for any moment without workers.
struct Wait<'a> {
    group: &'a WaitGroup,
    generation: u64,
}

impl Wait<'_> {
    fn is_over(&self, state: State) -> bool {
        // A count of zero has moved the generation, unless that has wrapped around.
        state.count() == 0 || (state.generation() != self.generation && step!("group.generation"))
    }
}

impl Waiter for Wait<'_> {
    /// The state in which the wait was found to be over.
    type Output = State;

    fn key(&self) -> usize {
        (&raw const self.group.state).addr()
    }

    fn attempt(&mut self) -> Option<State> {
        // Acquire: pairs with the Release in `end`; all that the workers did is visible.
        let state = State(self.group.state.load(ord!("group.wait", Acquire)));
        self.is_over(state).then_some(state)
    }

    fn mark(&self) -> bool {
        let mark = if step!("group.mark") { State::PARKED } else { 0 };
        // Relaxed: the mark is looked at by the last worker's compare-exchange. The queue's lock orders this behind the step
        // of every worker that has woken this queue.
        let mut state = State(self.group.state.load(Relaxed));
        loop {
            if self.is_over(state) {
                return false;
            }
            if state.is_parked() {
                return true;
            }
            match self.group.state.compare_exchange(state.0, state.0 | mark, Relaxed, Relaxed) {
                Ok(_) => return true,
                Err(now) => state = State(now),
            }
        }
    }

    fn leave(&self, last: bool) {
        if last && step!("group.leave-clears") {
            covered!("group.leave-last");
            // Relaxed: a read-modify-write, which passes on the Release that it may stand behind.
            self.group.state.fetch_and(!State::PARKED, Relaxed);
        }
    }
}

impl Default for WaitGroup {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for WaitGroup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = State(self.state.load(Relaxed));
        f.debug_struct("WaitGroup").field("count", &state.count()).field("panicked", &state.is_panicked()).finish()
    }
}
