//! The guard of one lock.

use std::fmt;
use std::marker::PhantomData;
use std::mem::ManuallyDrop;
use std::ops::{Deref, DerefMut};
use std::panic::Location;
use std::ptr;

use super::set::{Downgrade, Entry, Exclusive, Request};
use super::take::may_wait;
use super::{LockError, held};
use crate::Limit;
use crate::record::Of;
use crate::sync::{PanicWatch, cleanup, step};

/// Gives access to the value of one lock, and releases the lock when dropped.
///
/// It is an [`OrderedMutexGuard`](crate::OrderedMutexGuard), an [`OrderedReadGuard`](crate::OrderedReadGuard) or an
/// [`OrderedWriteGuard`](crate::OrderedWriteGuard).
///
/// A guard never leaves its thread. If a panic that began while the guard lived drops it, the lock is poisoned, unless
/// the guard only reads.
///
/// To end the critical section early, call `drop(guard)`. The types of the single guards have examples.
#[must_use = "if the guard is not kept, the lock is released at once"]
pub struct Guard<R: Request> {
    /// The lock that this names is held while this lives, in the way that it names, and no other guard stands for that.
    request: R,
    watch: PanicWatch,
    /// Not Send: `held` is the thread's own.
    thread: PhantomData<*const ()>,
}

// SAFETY: a shared guard gives out `&T` only, and of the request what `Also` says.
unsafe impl<R: Request> Sync for Guard<R>
where
    R::Target: Sync,
    R::Also: Sync,
{
}

impl<R: Request> Guard<R> {
    /// # Safety
    /// The calling thread has just acquired the lock in the way that is requested, and no other guard stands for that.
    #[inline(always)]
    #[track_caller]
    pub(crate) unsafe fn new(request: R) -> Self {
        let Entry { id, raw } = request.entry();
        held::push(id, Of::Lock { key: raw.key() }, Location::caller());
        Self { request, watch: PanicWatch::new(), thread: PhantomData }
    }

    /// Makes a guard that writes one that reads, without releasing the lock: no other writer comes between. Readers that wait are
    /// admitted along with it; new ones wait if a writer does.
    ///
    /// As the guard is not dropped, this poisons nothing: not even where a destructor calls it in a panic, with a guard that was made
    /// before that.
    ///
    /// # Memory ordering
    /// What was done before the call happens-before what readers do that acquire the lock after it.
    ///
    /// # Examples
    ///
    /// ```
    /// use raddle::{OrderedRwLock, OrderedWriteGuard};
    ///
    /// let rates = OrderedRwLock::from(vec![3]);
    /// let mut guard = rates.write()?;
    /// guard.push(5);
    /// let guard = OrderedWriteGuard::downgrade(guard);
    /// assert_eq!(*rates.try_read()?, *guard);
    /// # Ok::<(), raddle::LockError>(())
    /// ```
    ///
    /// A guard that reads cannot become one that writes: two that tried would wait for each other. Nor is there anything to
    /// downgrade in the guard of a mutex:
    ///
    /// ```compile_fail,E0277
    /// let lock = raddle::OrderedRwLock::from(1);
    /// let _ = raddle::Guard::downgrade(lock.read().unwrap());
    /// ```
    #[track_caller]
    pub fn downgrade(guard: Self) -> Guard<R::Read>
    where
        R: Downgrade,
    {
        let request = Self::into_request(guard);
        request.entry().raw.downgrade();
        // SAFETY: the thread holds the lock to read from here on, and the guard that stood for it is gone.
        unsafe { Guard::new(request.into_read()) }
    }

    pub(crate) fn request(guard: &Self) -> &R {
        &guard.request
    }

    /// Whether its drop would poison the lock now.
    pub(super) fn panicked(guard: &Self) -> bool {
        guard.watch.panicked()
    }

    /// Ends the guard, and leaves the lock held by the thread, which does not note that any more.
    pub(super) fn into_request(guard: Self) -> R {
        let Entry { id, raw } = guard.request.entry();
        held::pop(id, Of::Lock { key: raw.key() });
        Self::into_parts(guard).0
    }

    /// Ends the guard, and leaves the lock held by the thread.
    pub(super) fn into_parts(guard: Self) -> (R, PanicWatch) {
        let guard = ManuallyDrop::new(guard);
        // SAFETY: the guard is neither used nor dropped from here on.
        unsafe { (ptr::read(&raw const guard.request), ptr::read(&raw const guard.watch)) }
    }

    /// Recovers the value with `recover`. If that panics the lock is poisoned, even on a thread that is unwinding already.
    pub(crate) fn recover<T>(mut self, recover: impl FnOnce(&mut R::Target) -> T) -> T
    where
        R: Exclusive,
    {
        self.watch = PanicWatch::any();
        let recovered = recover(&mut self);
        self.watch = PanicWatch::new();
        recovered
    }

    /// Acquires the lock, if the order allows it. (The limit is converted already: the conversion may run the caller's
    /// code, which could lock.)
    #[inline(always)]
    #[track_caller]
    pub(crate) fn lock(request: R, limit: &Limit<'_>) -> Result<Self, LockError> {
        let lock = request.entry();
        may_wait(lock.id)?;
        if let Err(met) = lock.raw.try_fast() {
            lock.raw.lock_slow(met, lock.id, limit, Location::caller())?;
        }
        // SAFETY: the lock was just acquired.
        Ok(unsafe { Self::new(request) })
    }

    /// Acquires the lock if it is available now.
    #[inline]
    #[track_caller]
    pub(crate) fn try_lock(request: R) -> Result<Self, LockError> {
        let lock = request.entry();
        match lock.raw.try_lock() {
            // SAFETY: the lock was just acquired.
            Ok(()) => Ok(unsafe { Self::new(request) }),
            Err(why) => Err(LockError::refused(lock.id, why)),
        }
    }
}

impl Entry<'_> {
    /// Releases the lock, which the thread holds; poisons it if a panic does that.
    #[inline(always)]
    pub(super) fn release(self, watch: &PanicWatch) {
        held::pop(self.id, Of::Lock { key: self.raw.key() });
        if watch.panicked() && step!("lock.poison") { self.raw.poison() } else { self.raw.unlock() }
    }
}

impl<R: Request> Deref for Guard<R> {
    type Target = R::Target;

    #[inline]
    fn deref(&self) -> &R::Target {
        // SAFETY: this guard stands for the lock (`request`), and `&self` keeps `deref_mut` out.
        unsafe { self.request.shared() }
    }
}

impl<R: Exclusive> DerefMut for Guard<R> {
    #[inline]
    fn deref_mut(&mut self) -> &mut R::Target {
        // SAFETY: this guard stands for the lock (`request`), and `&mut self` keeps every other access out.
        unsafe { self.request.exclusive() }
    }
}

impl<R: Request> Drop for Guard<R> {
    #[inline(always)]
    fn drop(&mut self) {
        cleanup(|| self.request.entry().release(&self.watch));
    }
}

impl<R: Request> fmt::Debug for Guard<R>
where
    R::Target: fmt::Debug,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

impl<R: Request> fmt::Display for Guard<R>
where
    R::Target: fmt::Display,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}
