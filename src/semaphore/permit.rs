//! Permits that are given out: what counts is that they are dropped.

use std::fmt;
use std::mem;
use std::sync::Arc;

use super::Semaphore;
use crate::sync::cleanup;

/// Permits of a [`Semaphore`], which are given back when this is dropped.
///
/// [`Semaphore::acquire`], its `_within` form and its `try_` form make it.
///
/// A panic gives them back like any other drop, and poisons nothing. A permit may be sent to another thread, and cannot outlive its
/// semaphore:
///
/// ```
/// let semaphore = raddle::Semaphore::new(1);
/// std::thread::scope(|threads| {
///     let permit = semaphore.acquire(1);
///     threads.spawn(move || drop(permit));
/// });
/// assert_eq!(semaphore.available(), 1);
/// drop(semaphore);
/// ```
///
/// ```compile_fail,E0505
/// let semaphore = raddle::Semaphore::new(1);
/// let permit = semaphore.acquire(1);
/// drop(semaphore);
/// drop(permit);
/// ```
#[must_use = "if the permits are not kept, they are given back at once"]
pub struct Permit<'a> {
    semaphore: &'a Semaphore,
    permits: usize,
}

impl<'a> Permit<'a> {
    /// So many permits, which have just been taken.
    #[inline]
    pub(super) fn new(semaphore: &'a Semaphore, permits: usize) -> Self {
        Self { semaphore, permits }
    }

    /// Returns how many permits these are.
    #[inline]
    pub fn permits(&self) -> usize {
        self.permits
    }

    /// Keeps the permits for good: the semaphore has so many fewer from now on.
    ///
    /// [`add_permits`](Semaphore::add_permits) makes new ones. (`mem::forget` keeps them, too, but they still count towards
    /// [`MAX_PERMITS`](Semaphore::MAX_PERMITS).)
    ///
    /// # Examples
    ///
    /// ```
    /// use raddle::Semaphore;
    ///
    /// let semaphore = Semaphore::new(3);
    /// semaphore.acquire(2).forget();
    /// assert_eq!(semaphore.available(), 1);
    /// ```
    pub fn forget(mut self) {
        self.semaphore.unmake(mem::take(&mut self.permits));
    }
}

impl Drop for Permit<'_> {
    #[inline]
    fn drop(&mut self) {
        cleanup(|| self.semaphore.give(self.permits));
    }
}

impl fmt::Debug for Permit<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Permit").field("permits", &self.permits).finish_non_exhaustive()
    }
}

/// Permits that share the ownership of their [`Semaphore`], and are given back when this is dropped.
///
/// [`Semaphore::acquire_owned`], its `_within` form and its `try_` form make it. In all else it is a [`Permit`].
///
/// It can go where a borrow cannot, and keeps the semaphore alive:
///
/// ```
/// use raddle::Semaphore;
/// use std::sync::Arc;
///
/// let semaphore = Arc::new(Semaphore::new(1));
/// let permit = semaphore.acquire_owned(1);
/// let thread = std::thread::spawn(move || drop(permit));
/// assert_eq!(semaphore.acquire(1).permits(), 1); // waits for that thread
/// # thread.join().unwrap();
/// ```
#[must_use = "if the permits are not kept, they are given back at once"]
pub struct OwnedPermit {
    semaphore: Arc<Semaphore>,
    permits: usize,
}

impl OwnedPermit {
    /// So many permits, which have just been taken.
    #[inline]
    pub(super) fn new(semaphore: Arc<Semaphore>, permits: usize) -> Self {
        Self { semaphore, permits }
    }

    /// Returns how many permits these are.
    #[inline]
    pub fn permits(&self) -> usize {
        self.permits
    }

    /// Keeps the permits for good: the semaphore has so many fewer from now on.
    ///
    /// The share in the ownership ends. [`Permit::forget`] has an example.
    pub fn forget(mut self) {
        self.semaphore.unmake(mem::take(&mut self.permits));
    }
}

impl Drop for OwnedPermit {
    #[inline]
    fn drop(&mut self) {
        cleanup(|| self.semaphore.give(self.permits));
    }
}

impl fmt::Debug for OwnedPermit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OwnedPermit").field("permits", &self.permits).finish_non_exhaustive()
    }
}
