//! The workers of a group: what counts is that they are dropped.

use std::fmt;
use std::sync::Arc;

use super::WaitGroup;
use crate::sync::{PanicWatch, cleanup};

/// A worker of a [`WaitGroup`], which is done when it is dropped.
///
/// [`WaitGroup::worker`] makes it.
///
/// A worker that is dropped while its thread unwinds counts as panicked, unless that thread made it after the panic had
/// begun. A worker that another thread made meanwhile and sent to it cannot be distinguished, and counts, too.
///
/// It may be sent to another thread, and cannot outlive its group:
///
/// ```
/// let group = raddle::WaitGroup::new();
/// std::thread::scope(|threads| {
///     let worker = group.worker();
///     threads.spawn(move || drop(worker));
/// });
/// drop(group);
/// ```
///
/// ```compile_fail,E0505
/// let group = raddle::WaitGroup::new();
/// let worker = group.worker();
/// drop(group);
/// drop(worker);
/// ```
#[must_use = "a worker is done when it is dropped"]
pub struct Worker<'a> {
    group: &'a WaitGroup,
    watch: PanicWatch,
}

impl<'a> Worker<'a> {
    #[inline]
    pub(super) fn new(group: &'a WaitGroup) -> Self {
        Self { group, watch: PanicWatch::new() }
    }
}

impl Drop for Worker<'_> {
    #[inline]
    fn drop(&mut self) {
        cleanup(|| self.group.end(self.watch.panicked()));
    }
}

impl fmt::Debug for Worker<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Worker").finish_non_exhaustive()
    }
}

/// A worker that shares the ownership of its [`WaitGroup`], and is done when it is dropped.
///
/// [`WaitGroup::worker_owned`] makes it. A panic counts as for a [`Worker`].
///
/// It can go where a borrow cannot, and keeps the group alive:
///
/// ```
/// use raddle::WaitGroup;
/// use std::sync::Arc;
///
/// let group = Arc::new(WaitGroup::new());
/// let worker = group.worker_owned();
/// let thread = std::thread::spawn(move || drop(worker));
/// assert_eq!(group.wait(), Ok(()));
/// # thread.join().unwrap();
/// ```
#[must_use = "a worker is done when it is dropped"]
pub struct OwnedWorker {
    group: Arc<WaitGroup>,
    watch: PanicWatch,
}

impl OwnedWorker {
    #[inline]
    pub(super) fn new(group: Arc<WaitGroup>) -> Self {
        Self { group, watch: PanicWatch::new() }
    }
}

impl OwnedWorker {
    /// Returns the group.
    ///
    /// # Examples
    ///
    /// A worker that begins others needs no handle of the group beside itself:
    ///
    /// ```
    /// use raddle::WaitGroup;
    /// use std::sync::Arc;
    ///
    /// let group = Arc::new(WaitGroup::new());
    /// let worker = group.worker_owned();
    /// let other = worker.clone();
    /// assert_eq!(worker.group().count(), 2);
    /// drop((worker, other));
    /// assert_eq!(group.wait(), Ok(()));
    /// ```
    pub fn group(&self) -> &Arc<WaitGroup> {
        &self.group
    }
}

impl Clone for OwnedWorker {
    /// Creates another worker of the group, as [`WaitGroup::worker_owned`] does.
    ///
    /// # Panics
    /// As [`WaitGroup::worker_owned`].
    #[track_caller]
    fn clone(&self) -> Self {
        self.group.worker_owned()
    }
}

impl Drop for OwnedWorker {
    #[inline]
    fn drop(&mut self) {
        cleanup(|| self.group.end(self.watch.panicked()));
    }
}

impl fmt::Debug for OwnedWorker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OwnedWorker").finish_non_exhaustive()
    }
}
