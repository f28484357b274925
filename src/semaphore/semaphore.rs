//! The semaphore.

use std::fmt;
use std::panic::Location;
use std::sync::Arc;

use super::raw::{Acquirer, MAX, RawSemaphore};
use super::{OwnedPermit, Permit};
use crate::record::{Call, What};
use crate::sync::const_fn;
use crate::wait::{Timer, block};
use crate::{Limit, Stopped};

/// Bounds how much is under way at once: a number of permits, which threads acquire, wait for in turn, and give back.
///
/// A [`Permit`] is a value. It is given back when it is dropped, at the end of its thread or by a panic; a panic poisons nothing.
/// One call acquires any number of permits, all or none: use as many as the work weighs, say in connections, threads or megabytes.
///
/// # Fairness
/// First come, first served, whatever the size. Threads get their permits in the order in which they began to sleep. As long as one
/// sleeps, permits that come back are kept for the one that has slept longest, until they suffice for it: a small request does not
/// overtake a large one, even if there would be enough for the small one, and [`try_acquire`](Semaphore::try_acquire) fails. So no thread
/// starves, and a large request holds up the small ones behind it. While none sleeps, permits go to whoever comes.
///
/// # Deadlock
/// A semaphore is no lock: it has no id, and the order of locks does not bind it. So it can deadlock, and this is not detected,
/// since nobody knows who will give permits back or add some:
/// * **A thread that holds permits and waits for more of the same semaphore** can wait for its like, which does the same. Acquire all in
///   one call, `acquire(n)`, or wait within a limit and give back what is held when that passes.
/// * A thread that holds a lock and waits for a permit, whose holder waits for that lock. Acquire permits before locks, and always in
///   the same order if there are several semaphores.
/// * More permits than there ever are: that waits until some are added.
///
/// [`waits`](crate::waits) shows a thread that waits, and for how many permits; who holds them is not known.
///
/// # Memory ordering
/// Everything before the drop of a permit, or before [`add_permits`](Semaphore::add_permits), happens-before the return of every later
/// call that acquires permits, in the order in which the semaphore's number of permits changes. A call that its limit ended, a
/// `try_` form that fails, a call for no permits, `forget` and [`available`](Semaphore::available) order nothing.
///
/// # `Semaphore`, a lock, a channel or a counter
/// * An [`OrderedMutex`](crate::OrderedMutex) if there is one permit and it guards a value.
/// * A [`Counter`](crate::Counter) with its bound, [`try_add`](crate::Counter::try_add), if nobody waits and the rest is turned away.
/// * A bounded channel if what is bounded are values on their way from one thread to another.
/// * tokio's `Semaphore` for tasks, which must not block their thread.
///
/// # Allocators and signal handlers
/// For neither: a thread that waits, or wakes another, acquires a lock and may allocate.
///
/// # Examples
///
/// Ten requests, of which no more than three are at work at once:
///
/// ```
/// use raddle::{Counter, Semaphore};
/// use std::time::Duration;
///
/// let (places, at_work) = (Semaphore::new(3), Counter::new(0));
/// std::thread::scope(|threads| {
///     for _ in 0..10 {
///         threads.spawn(|| {
///             let _place = places.acquire_within(1, Duration::from_secs(30))?;
///             assert!(at_work.inc() < 3);
///             std::thread::yield_now(); // stands for the work
///             at_work.dec();
///             Ok::<(), raddle::Stopped>(())
///         });
///     }
/// });
/// assert_eq!(places.available(), 3);
/// ```
pub struct Semaphore {
    raw: RawSemaphore,
}

impl Semaphore {
    /// The most permits that a semaphore can have, those that are given out included: `usize::MAX >> 3`.
    pub const MAX_PERMITS: usize = MAX;

    const_fn! {
        /// Creates a semaphore with so many permits.
        ///
        /// # Panics
        /// If there are more than [`MAX_PERMITS`](Semaphore::MAX_PERMITS).
        #[track_caller]
        pub const fn new(permits: usize) -> Self {
            assert!(permits <= MAX, "a Semaphore has at most usize::MAX >> 3 permits");
            Self { raw: RawSemaphore::new(permits) }
        }
    }

    /// Acquires so many permits at once, blocking until it is this thread's turn and they are there.
    ///
    /// No permits are acquired at once, whoever waits.
    ///
    /// # Panics
    /// If they are more than [`MAX_PERMITS`](Semaphore::MAX_PERMITS). Nothing is acquired.
    ///
    /// # Examples
    ///
    /// ```
    /// use raddle::Semaphore;
    ///
    /// let megabytes = Semaphore::new(100);
    /// let [image, thumbnail] = [60, 2].map(|size| megabytes.acquire(size));
    /// assert_eq!((image.permits(), megabytes.available()), (60, 38));
    /// drop(image);
    /// assert_eq!(megabytes.available(), 98);
    /// # drop(thumbnail);
    /// ```
    #[inline]
    #[track_caller]
    pub fn acquire(&self, permits: usize) -> Permit<'_> {
        self.take(permits);
        Permit::new(self, permits)
    }

    /// Acquires so many permits at once, no later than the limit.
    ///
    /// # Errors
    /// [`Stopped`] if the limit came first. Nothing is acquired, and the turn of those that wait behind it comes.
    ///
    /// # Panics
    /// As for [`acquire`](Semaphore::acquire).
    ///
    /// # Examples
    ///
    /// ```
    /// use raddle::{Semaphore, Stopped};
    /// use std::time::Duration;
    ///
    /// let semaphore = Semaphore::new(2);
    /// let one = semaphore.acquire(1);
    /// assert_eq!(semaphore.acquire_within(2, Duration::from_millis(5)).err(), Some(Stopped::TimedOut));
    /// drop(one);
    /// assert_eq!(semaphore.acquire_within(2, Duration::ZERO)?.permits(), 2);
    /// # Ok::<(), Stopped>(())
    /// ```
    #[inline]
    #[track_caller]
    pub fn acquire_within<'l>(&self, permits: usize, limit: impl Into<Limit<'l>>) -> Result<Permit<'_>, Stopped> {
        // The conversion is the caller's code. It comes after the look, so that nothing is taken if it panics.
        if !self.take_now(permits) {
            self.wait(permits, &limit.into())?;
        }
        Ok(Permit::new(self, permits))
    }

    /// Acquires so many permits if they are there and no thread waits; `None` otherwise.
    ///
    /// A thread whose wait has just been cancelled may still count as one that waits.
    ///
    /// # Panics
    /// As for [`acquire`](Semaphore::acquire).
    ///
    /// # Examples
    ///
    /// ```
    /// use raddle::Semaphore;
    ///
    /// let semaphore = Semaphore::new(1);
    /// let permit = semaphore.try_acquire(1).unwrap();
    /// assert!(semaphore.try_acquire(1).is_none());
    /// assert!(semaphore.try_acquire(0).is_some());
    /// drop(permit);
    /// ```
    #[inline]
    #[track_caller]
    pub fn try_acquire(&self, permits: usize) -> Option<Permit<'_>> {
        self.try_take(permits).then(|| Permit::new(self, permits))
    }

    /// Acquires so many permits that share the ownership of the semaphore, as [`acquire`](Semaphore::acquire) does.
    ///
    /// They are for threads that outlive the caller.
    ///
    /// # Panics
    /// As for [`acquire`](Semaphore::acquire).
    ///
    /// # Examples
    ///
    /// The thread that accepts waits for a place; the thread that serves gives it back:
    ///
    /// ```
    /// use raddle::Semaphore;
    /// use std::sync::Arc;
    ///
    /// let places = Arc::new(Semaphore::new(2));
    /// for request in 0..10 {
    ///     let place = places.acquire_owned(1);
    ///     std::thread::spawn(move || {
    ///         println!("request {request}"); // stands for serving it
    ///         drop(place);
    ///     });
    /// }
    /// drop(places.acquire(2)); // all are served
    /// ```
    #[inline]
    #[track_caller]
    pub fn acquire_owned(self: &Arc<Self>, permits: usize) -> OwnedPermit {
        self.take(permits);
        OwnedPermit::new(Arc::clone(self), permits)
    }

    /// Acquires so many permits that share the ownership of the semaphore, as [`acquire_within`](Semaphore::acquire_within) does.
    ///
    /// # Errors
    /// As for [`acquire_within`](Semaphore::acquire_within).
    ///
    /// # Panics
    /// As for [`acquire`](Semaphore::acquire).
    #[inline]
    #[track_caller]
    pub fn acquire_owned_within<'l>(
        self: &Arc<Self>,
        permits: usize,
        limit: impl Into<Limit<'l>>,
    ) -> Result<OwnedPermit, Stopped> {
        // As in `acquire_within`.
        if !self.take_now(permits) {
            self.wait(permits, &limit.into())?;
        }
        Ok(OwnedPermit::new(Arc::clone(self), permits))
    }

    /// Acquires so many permits that share the ownership of the semaphore, as [`try_acquire`](Semaphore::try_acquire) does.
    ///
    /// # Panics
    /// As for [`acquire`](Semaphore::acquire).
    #[inline]
    #[track_caller]
    pub fn try_acquire_owned(self: &Arc<Self>, permits: usize) -> Option<OwnedPermit> {
        self.try_take(permits).then(|| OwnedPermit::new(Arc::clone(self), permits))
    }

    /// Returns the current number of permits that are not given out, which may change before the caller uses it.
    ///
    /// They need not be free for a newcomer: they may be kept for a thread that waits for more of them.
    pub fn available(&self) -> usize {
        self.raw.available()
    }

    /// Adds so many new permits.
    ///
    /// # Panics
    /// If there were more than [`MAX_PERMITS`](Semaphore::MAX_PERMITS) then, those that are given out included. None is added.
    ///
    /// # Examples
    ///
    /// A semaphore without permits is a gate, which another thread opens:
    ///
    /// ```
    /// use raddle::Semaphore;
    ///
    /// let results = Semaphore::new(0);
    /// std::thread::scope(|threads| {
    ///     threads.spawn(|| results.add_permits(2));
    ///     results.acquire(2).forget();
    /// });
    /// assert_eq!(results.available(), 0);
    /// ```
    #[track_caller]
    pub fn add_permits(&self, permits: usize) {
        if !self.raw.make(permits) {
            too_many();
        }
    }

    /// Takes so many permits, for one that gives them back or forgets them.
    #[inline]
    #[track_caller]
    fn take(&self, permits: usize) {
        if !self.take_now(permits) {
            if let Err(stopped) = self.wait(permits, &Limit::NEVER) {
                unreachable!("no limit was given: {stopped}");
            }
        }
    }

    #[inline]
    #[track_caller]
    fn try_take(&self, permits: usize) -> bool {
        self.take_now(permits) || refuse(permits)
    }

    #[inline]
    fn take_now(&self, permits: usize) -> bool {
        permits == 0 || self.raw.try_take(permits)
    }

    /// Acquires a permit that does not come back. Who waits for it is shown to wait for this, at that place.
    pub(crate) fn acquire_for(&self, what: What, place: &'static Location<'static>) {
        if !self.take_now(1) {
            if let Err(stopped) = self.wait_for(what, place, 1, &Limit::NEVER) {
                unreachable!("no limit was given: {stopped}");
            }
        }
    }

    #[cold]
    #[track_caller]
    fn wait(&self, permits: usize, limit: &Limit<'_>) -> Result<(), Stopped> {
        refuse(permits);
        self.wait_for(What::Permits(permits), Location::caller(), permits, limit)
    }

    fn wait_for(
        &self,
        what: What,
        place: &'static Location<'static>,
        permits: usize,
        limit: &Limit<'_>,
    ) -> Result<(), Stopped> {
        let call = Call { what, key: 0, place, panics: false };
        block(&mut Acquirer::new(&self.raw, permits), &mut Timer::new(limit, call)).map_err(Timer::stopped)
    }

    /// So many permits, which are given out, come back.
    #[inline]
    pub(crate) fn give(&self, permits: usize) {
        if permits != 0 {
            self.raw.give(permits);
        }
    }

    /// So many permits, which are given out, do not come back.
    pub(super) fn unmake(&self, permits: usize) {
        self.raw.unmake(permits);
    }

    /// Whether somebody has marked that it sleeps, for models.
    #[cfg(all(loom, test))]
    pub(crate) fn someone_sleeps(&self) -> bool {
        self.raw.is_parked()
    }

    /// Takes the first of several sleepers out of the queue, as a late wake-up for something else would, for models. False: one at
    /// most was there.
    #[cfg(all(loom, test))]
    pub(crate) fn wake_first_of_several(&self) -> bool {
        self.raw.wake_first_of_several()
    }
}

/// False, for so many permits that were not to be had, unless they never are.
#[cold]
#[track_caller]
fn refuse(permits: usize) -> bool {
    if permits > MAX {
        too_many();
    }
    false
}

#[cold]
#[track_caller]
fn too_many() -> ! {
    panic!("a Semaphore has at most usize::MAX >> 3 permits")
}

impl fmt::Debug for Semaphore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Semaphore").field("available", &self.available()).finish()
    }
}
