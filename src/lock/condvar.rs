//! Waiting for a condition on what a mutex guards.
//!
//! A byte, which says whether anyone may sleep, on the parking lot; the sleepers stand in its queue and are never moved to another.
//!
//! Invariants:
//! 1. The lock is released by a sleeper that has joined the queue. So whoever acquires it afterwards finds the sleeper there, unless
//!    it was taken out.
//! 2. `PARKED` is set while anyone stands in the queue. It is set and cleared under the lock of the queue.
//! 3. A sleeper leaves the queue for one reason: a notification, a cancel, or its time. The lock of the queue decides which; who was
//!    taken out by a notification has used it, whatever else comes.
//!
//! # Who holds what
//! The thread stops to note its hold before its wait is published, and releases the lock a little later, when it has joined the queue.
//! In between it waits for nobody, so a [walk](crate::record) that does not see the hold misses no cycle. While it sleeps it holds the
//! rest, and waits for nothing that anybody holds: no cycle goes through it. Taking the lock back is an ordinary wait for that lock.

mod waiter;

use std::cell::Cell;
use std::fmt;
use std::panic::Location;

use self::waiter::Wait;
use super::set::{Entry, MutexRequest};
use super::{Guard, LockError, held};
use crate::record::{Call, Of, What};
use crate::sync::{AtomicU8, FilterOp, Ordering::Relaxed, UnparkToken, const_fn, covered, step, unpark_filter};
use crate::wait::{Timer, Waiter as _, block};
use crate::{Limit, Stopped};

/// Somebody sleeps, or did a moment ago.
const PARKED: u8 = 1;
/// One in the count of notifications that have woken somebody; it wraps around. Who is still awake sees by it that it may be over.
const ONE: u8 = 2;

/// Wake-up: a notification.
const NOTIFIED: UnparkToken = UnparkToken(2);

/// A condition variable: threads wait until another says that what a mutex guards has changed.
///
/// A wait takes the guard of an [`OrderedMutex`](crate::OrderedMutex), releases the lock and sleeps, in one step as seen by all who
/// acquire the lock; when it is notified it acquires the lock again and returns a guard. What is waited for is mostly a condition on
/// the value: [`wait_while`](Condvar::wait_while) asks for it under the lock.
///
/// The limit of the `_within` forms bounds the wait for the notification, not the time until the lock is acquired again: the guard
/// is returned in any case. (This is the one wait of the crate that a limit does not end. It ends as soon as critical sections do.)
///
/// One variable may be used with several locks at once; who is notified then does not depend on the lock. A variable is one byte;
/// threads sleep in the parking lot of `parking_lot_core`.
///
/// # Notifications
/// * [`notify_one`](Condvar::notify_one) wakes one thread and [`notify_all`](Condvar::notify_all) all that wait at that moment. A
///   notification is not remembered if nobody waits.
/// * It reaches every thread whose release of the lock, in its wait, happens-before the call: so it is enough to change what is
///   waited for under the lock, and to notify then or after the release. Who changes it without the lock, and does not acquire the
///   lock between that and the notification, may come in the moment between another's look at the condition and its wait, and
///   that one sleeps on.
/// * None is lost: a thread that is notified just when its limit passes or its token is cancelled has been notified, and returns
///   `Ok(())`; one that has been stopped takes no notification from another. One that was notified and then gets an error, as it cannot
///   acquire the lock again, passes the notification on.
/// * There are no spurious wake-ups: [`wait`](Condvar::wait) returns when it has been notified. The condition may be gone by then,
///   since other threads may acquire the lock first. (A call of `parking_lot_core`'s own that unparks by the address of the variable
///   counts as a notification.)
///
/// # Fairness
/// `notify_one` wakes the thread that waits longest. For the lock, running threads and those that sleep for it may come before a
/// thread that was woken, as the type of the lock says. A thread that joins an empty queue stays awake in it for some microseconds,
/// then it sleeps.
///
/// # Order of locks
/// A thread that waits for a condition acquires its lock anew, so it may do so only while every other lock that it holds is below that
/// one; else the wait is [`OutOfOrder`](LockError::OutOfOrder), whether or not the lock would be free or the condition is false already.
///
/// # Deadlock
/// Who will notify is not known, so a wait for a notification that never comes is not detected: a limit ends it, and
/// [`waits`](crate::waits) shows it. The other locks that the thread holds stay held while it sleeps; whoever is to notify must not need
/// them.
///
/// # Errors
/// Any error of a wait means that the lock is released, and no guard is returned.
///
/// # Poisoning
/// A lock that another thread poisons while this one waits is [`Poisoned`](LockError::Poisoned) for it, once it is notified or its limit
/// passes: the poison itself wakes nobody. (So let a destructor notify where a panic would otherwise leave waiters behind.) A wait that a destructor makes,
/// with a guard that the panic under way would otherwise have dropped, poisons the lock instead of waiting.
///
/// # Memory ordering
/// A notification orders nothing by itself; the lock does, which the waiter releases and acquires like any other thread.
///
/// # Allocators and signal handlers
/// For neither: a wait acquires locks and may allocate, and so does a notification.
///
/// # `Condvar` or another primitive
/// * [`WaitGroup`](crate::WaitGroup) to wait for the end of work, [`OnceCell`](crate::OnceCell) for a value that is made once,
///   [`CancelToken::wait`](crate::CancelToken::wait) for an event that happens once.
/// * A channel, if it is values that are passed on.
///
/// # Examples
///
/// ```
/// use raddle::{Condvar, LockError, OrderedMutex};
///
/// let (beds, freed) = (OrderedMutex::new(1, 0), Condvar::new());
/// std::thread::scope(|threads| {
///     let patient = threads.spawn(|| {
///         let mut free = freed.wait_while(beds.lock()?, |free| *free == 0)?;
///         *free -= 1;
///         Ok::<_, LockError>(*free)
///     });
///     *beds.lock()? += 1;
///     freed.notify_one();
///     assert_eq!(patient.join().unwrap(), Ok(0));
///     Ok::<_, LockError>(())
/// })?;
/// # Ok::<(), LockError>(())
/// ```
///
/// Readers and writers of an [`OrderedRwLock`](crate::OrderedRwLock) do not wait for conditions:
///
/// ```compile_fail,E0277
/// let (lock, changed) = (raddle::OrderedRwLock::new(1, 0), raddle::Condvar::new());
/// let _ = changed.wait(lock.read().unwrap());
/// ```
///
/// ```compile_fail,E0277
/// let (lock, changed) = (raddle::OrderedRwLock::new(1, 0), raddle::Condvar::new());
/// let _ = changed.wait_while(lock.write().unwrap(), |value| *value == 0);
/// ```
pub struct Condvar {
    state: AtomicU8,
}

impl Condvar {
    const_fn! {
        /// Creates a condition variable for which nobody waits.
        pub const fn new() -> Self {
            Self { state: AtomicU8::new(0) }
        }
    }

    /// Releases the lock, waits until it is notified, and acquires the lock again.
    ///
    /// # Errors
    /// The lock is released. [`OutOfOrder`](LockError::OutOfOrder) if this thread holds another lock that is not below this one;
    /// then it has not waited. As it acquires the lock again, [`Poisoned`](LockError::Poisoned), and
    /// [`Deadlock`](LockError::Deadlock) if the wait for the lock would never have ended.
    ///
    /// # Examples
    ///
    /// ```
    /// use raddle::{Condvar, LockError, OrderedMutex};
    ///
    /// let (round, next) = (OrderedMutex::new(1, 0), Condvar::new());
    /// std::thread::scope(|threads| {
    ///     let mut guard = round.lock()?;
    ///     threads.spawn(|| {
    ///         *round.lock().unwrap() += 1; // not before the other thread waits
    ///         next.notify_all();
    ///     });
    ///     guard = next.wait(guard)?;
    ///     assert_eq!(*guard, 1);
    ///     Ok::<_, LockError>(())
    /// })?;
    /// # Ok::<(), LockError>(())
    /// ```
    #[track_caller]
    pub fn wait<R: MutexRequest>(&self, guard: Guard<R>) -> Result<Guard<R>, LockError> {
        Ok(self.sleep(guard, &mut timer(&Limit::NEVER))?.0)
    }

    /// Waits as long as the condition is true.
    ///
    /// The condition is asked under the lock: at the beginning, and after each notification. If it panics the guard is dropped,
    /// which poisons the lock as a panic under any guard does.
    ///
    /// # Errors
    /// As [`wait`](Condvar::wait). `OutOfOrder` also if the condition is false already.
    ///
    /// # Examples
    ///
    /// See [the type](Condvar#examples).
    #[track_caller]
    pub fn wait_while<R: MutexRequest>(
        &self,
        guard: Guard<R>,
        mut condition: impl FnMut(&mut R::Target) -> bool,
    ) -> Result<Guard<R>, LockError> {
        Ok(self.sleep_while(guard, &mut condition, &Limit::NEVER)?.0)
    }

    /// Releases the lock, waits until it is notified, no longer than the limit, and acquires the lock again.
    ///
    /// The inner result is `Ok` if it was notified, and [`Stopped`] if the limit came first. The limit does not bound the time in
    /// which the lock is acquired again.
    ///
    /// # Errors
    /// As [`wait`](Condvar::wait).
    ///
    /// # Examples
    ///
    /// ```
    /// use raddle::{Condvar, LockError, OrderedMutex, Stopped};
    /// use std::time::Duration;
    ///
    /// let (lock, changed) = (OrderedMutex::new(1, 7), Condvar::new());
    /// let (guard, end) = changed.wait_within(lock.lock()?, Duration::from_millis(5))?;
    /// assert_eq!((*guard, end), (7, Err(Stopped::TimedOut)));
    /// # Ok::<(), LockError>(())
    /// ```
    #[track_caller]
    pub fn wait_within<'l, R: MutexRequest>(
        &self,
        guard: Guard<R>,
        limit: impl Into<Limit<'l>>,
    ) -> Result<(Guard<R>, Result<(), Stopped>), LockError> {
        // The conversion is the caller's code, which may lock.
        let limit = limit.into();
        self.sleep(guard, &mut timer(&limit))
    }

    /// Waits as long as the condition is true, no longer than the limit.
    ///
    /// The inner result is `Ok` if the condition is false, which is asked once more when the limit has passed, and [`Stopped`] if it
    /// is still true then. A `Duration` is for all sleeps of the call together. The limit bounds neither the condition's own time nor
    /// that in which the lock is acquired again.
    ///
    /// # Errors
    /// As [`wait_while`](Condvar::wait_while).
    ///
    /// # Examples
    ///
    /// ```
    /// use raddle::{CancelToken, Condvar, LockError, OrderedMutex, Stopped};
    ///
    /// let (jobs, added, service) = (OrderedMutex::new(1, vec!["mail"]), Condvar::new(), CancelToken::new());
    /// let next = || {
    ///     let (mut jobs, end) = added.wait_while_within(jobs.lock()?, |jobs| jobs.is_empty(), &service)?;
    ///     end.map(|()| jobs.pop().expect("there is one")).map_err(LockError::from)
    /// };
    /// service.cancel();
    /// assert_eq!(next(), Ok("mail")); // nothing to wait for
    /// assert_eq!(next(), Err(Stopped::Cancelled.into()));
    /// # Ok::<(), LockError>(())
    /// ```
    #[track_caller]
    pub fn wait_while_within<'l, R: MutexRequest>(
        &self,
        guard: Guard<R>,
        mut condition: impl FnMut(&mut R::Target) -> bool,
        limit: impl Into<Limit<'l>>,
    ) -> Result<(Guard<R>, Result<(), Stopped>), LockError> {
        let limit = limit.into();
        self.sleep_while(guard, &mut condition, &limit)
    }

    /// Wakes the thread that waits longest, if any does. Whether one was woken.
    ///
    /// It may be called with the lock held or without it.
    #[inline]
    pub fn notify_one(&self) -> bool {
        self.may_have_sleepers() && self.wake(1) > 0
    }

    /// Wakes all threads that wait. How many they were.
    ///
    /// It may be called with the lock held or without it.
    #[inline]
    pub fn notify_all(&self) -> usize {
        if self.may_have_sleepers() { self.wake(usize::MAX) } else { 0 }
    }

    #[inline]
    fn may_have_sleepers(&self) -> bool {
        // Relaxed: who sleeps has set the mark before it released the lock (invariant 1). Whoever acquires the lock afterwards, by the
        // lock's own Release and Acquire, reads the mark or what came later; and it is cleared only once nobody is in the queue
        // (invariant 2). That holds for whatever else orders this load behind the release. To who comes before that or beside it
        // nothing is promised.
        self.state.load(Relaxed) & PARKED != 0
    }

    /// Wakes the first so many.
    #[cold]
    fn wake(&self, most: usize) -> usize {
        let picked = Cell::new(0);
        let first = |_| {
            if picked.get() == most && step!("condvar.no-more") {
                return FilterOp::Stop;
            }
            picked.set(picked.get() + 1);
            FilterOp::Unpark
        };
        // SAFETY: the callbacks load and store atomics and cells only.
        let result = unsafe {
            unpark_filter(self.key(), first, |result| {
                let over = if result.have_more_threads || !step!("condvar.notify-clears") { 0 } else { PARKED };
                // Relaxed: the state orders nothing but its own changes; `may_have_sleepers` says why that is enough.
                if picked.get() > 0 {
                    // The mark of who was in the queue is set (invariant 2).
                    self.state.fetch_add(ONE - over, Relaxed);
                } else {
                    self.state.fetch_and(!over, Relaxed);
                }
                NOTIFIED
            })
        };
        result.unparked_threads
    }

    fn key(&self) -> usize {
        (&raw const self.state).addr()
    }

    /// Sleeps until the condition is asked and is false, or the limit has passed.
    #[track_caller]
    fn sleep_while<R: MutexRequest>(
        &self,
        mut guard: Guard<R>,
        condition: &mut impl FnMut(&mut R::Target) -> bool,
        limit: &Limit<'_>,
    ) -> Result<(Guard<R>, Result<(), Stopped>), LockError> {
        guard = in_order(guard)?;
        let mut end = Ok(());
        if condition(&mut guard) {
            // One for all sleeps, so that a duration is for all of them.
            let mut timer = timer(limit);
            loop {
                (guard, end) = self.sleep(guard, &mut timer)?;
                if !condition(&mut guard) {
                    end = Ok(());
                } else if end.is_ok() {
                    covered!("condvar.in-vain");
                    continue;
                }
                break;
            }
        }
        Ok((guard, end))
    }

    /// Sleeps once, without the lock.
    #[track_caller]
    fn sleep<R: MutexRequest>(
        &self,
        guard: Guard<R>,
        timer: &mut Timer<'_>,
    ) -> Result<(Guard<R>, Result<(), Stopped>), LockError> {
        if Guard::panicked(&guard) {
            // The value may be half changed: others are not to see it unawares while this waits.
            let id = Guard::request(&guard).entry().id;
            drop(guard);
            return Err(LockError::Poisoned { id });
        }
        let request = Guard::into_request(guard);
        let end = self.sleep_without(request.entry(), timer)?;
        // SAFETY: the thread holds the lock: it is held still, or again. The guard that stood for it is gone.
        Ok((unsafe { Guard::new(request) }, end))
    }

    /// Sleeps without the lock, which the thread holds and does not note. It holds it afterwards, unless this is an error.
    #[cold]
    #[track_caller]
    fn sleep_without(&self, lock: Entry<'_>, timer: &mut Timer<'_>) -> Result<Result<(), Stopped>, LockError> {
        if let Err(out_of_order) = lock.may_wait() {
            lock.raw.unlock();
            return Err(out_of_order);
        }
        let mut wait = Wait::new(self, lock.raw, true);
        if !step!("condvar.join-first") {
            wait.joined();
        }
        let end = block(&mut wait, timer).map_err(Timer::stopped);
        // Who is cancelled before it has joined the queue holds the lock still.
        if !wait.holds() {
            if let Err(met) = lock.raw.try_fast() {
                if let Err(error) = lock.raw.lock_slow(met, lock.id, &Limit::NEVER, Location::caller()) {
                    // The caller does not get to look at what has changed: another does.
                    if end.is_ok() && step!("condvar.pass-on") {
                        self.notify_one();
                    }
                    return Err(error);
                }
            }
        } else {
            covered!("condvar.never-joined");
        }
        Ok(end)
    }

    /// Whether the mark of a sleeper is set, for models. Under the lock of the queue: a wake-up alone does not order who was woken
    /// behind the waker's change.
    #[cfg(all(loom, test))]
    pub(crate) fn someone_waits(&self) -> bool {
        let marked = Cell::new(false);
        let look = |_| {
            marked.set(self.may_have_sleepers());
            UnparkToken(0)
        };
        // SAFETY: the callbacks load and store atomics and cells only.
        unsafe { unpark_filter(self.key(), |_| FilterOp::Stop, look) };
        marked.get()
    }

    /// Waits without a lock, for models.
    #[cfg(all(loom, test))]
    pub(crate) fn wait_bare(&self, limit: &Limit<'_>) -> Result<(), Stopped> {
        let none = crate::wait::RawMutex::new();
        block(&mut Wait::new(self, super::raw::Raw::Mutex(&none), false), &mut timer(limit)).map_err(Timer::stopped)
    }

    /// What a late waker of a primitive does that was at this address before, for models.
    #[cfg(all(loom, test))]
    pub(crate) fn wake_late(&self) {
        // SAFETY: none is needed.
        unsafe { crate::wait::wake_all(self.key(), UnparkToken(0)) };
    }
}

/// Releases the lock unless the thread may wait for it with what else it holds.
#[inline]
#[track_caller]
fn in_order<R: MutexRequest>(guard: Guard<R>) -> Result<Guard<R>, LockError> {
    if held::count() > 1 {
        let lock = Guard::request(&guard).entry();
        let of = Of::Lock { key: lock.raw.key() };
        held::pop(lock.id, of);
        let may_wait = lock.may_wait();
        held::push(lock.id, of, Location::caller());
        may_wait?;
    }
    Ok(guard)
}

/// A limit at work in one call.
#[track_caller]
fn timer<'l>(limit: &'l Limit<'l>) -> Timer<'l> {
    Timer::new(limit, Call { what: What::Condition, key: 0, place: Location::caller(), panics: false })
}

impl Default for Condvar {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Condvar {
    /// Says nothing of who waits.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Condvar").finish_non_exhaustive()
    }
}
