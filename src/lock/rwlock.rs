//! One ordered read-write lock.

use std::fmt;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::sync::Arc;

use super::request::{ReadArcRequest, ReadRequest, WriteArcRequest, WriteRequest};
use super::{Guard, LockError, LockId};
use crate::Limit;
use crate::sync::{UnsafeCell, const_fn};
use crate::wait::RawRwLock;

/// A read-write lock with a place in the order of all locks: many readers or one writer.
///
/// The order is that of [`OrderedMutex`](crate::OrderedMutex), and covers both together: a thread may only *wait* for a
/// lock whose id is above all that it holds, to read or to write. So a second read by a thread that reads already
/// returns [`OutOfOrder`](LockError::OutOfOrder). (A lock that allows re-entrant reads deadlocks as soon as a writer
/// queues in between.) To name such a lock in [`lock_all`](crate::lock_all), beside mutexes, use
/// [`as_read`](OrderedRwLock::as_read) or [`as_write`](OrderedRwLock::as_write).
///
/// # Fairness
/// Readers and writers take turns. While a writer sleeps, no new reader acquires the lock, and the last reader hands it
/// off to that writer. A writer that releases the lock admits all waiting readers, or wakes the next writer; readers
/// may still barge ahead of that writer a few times. So neither starves. A writer that gives up (its limit passes, or
/// it is cancelled) admits the readers that only it held back.
///
/// # Poisoning
/// A panic that drops the guard of a writer poisons the lock, as for a mutex. A panic in a reader does not, as in
/// `std`: the lock does not guard what a reader can change.
///
/// # `OrderedRwLock` or `OrderedMutex`
/// Use a mutex, unless reads take long (some microseconds) and are far more frequent than writes: readers contend for
/// the word that counts them. Keep a value that is replaced as a whole and read all the time as an `Arc` in a mutex.
///
/// # Allocators and signal handlers
/// A global allocator may use the `try_` forms of a lock that no thread waits for; what it holds counts like everything
/// else. A signal handler may use none: it may interrupt its own thread in the middle of a call.
///
/// # Memory ordering
/// Everything that a writer did before it released the lock happens-before everything that later readers and writers
/// do. Everything that a reader did before it released the lock happens-before everything that later writers do. One
/// reader is not ordered with another.
///
/// # Examples
///
/// ```
/// use raddle::{OrderedMutex, OrderedRwLock, lock_all};
///
/// let rates = OrderedRwLock::new(1, vec![3, 5]);
/// let account = OrderedMutex::new(2, 100);
///
/// {
///     let mut both = lock_all((&account, rates.as_read()))?;
///     let (account, rates) = both.split_mut(); // &mut i32, &Vec<i32>
///     *account += rates[1];
/// }
/// rates.write()?.push(7);
/// assert_eq!((rates.read()?.len(), *account.lock()?), (3, 105));
/// # Ok::<(), raddle::LockError>(())
/// ```
pub struct OrderedRwLock<T: ?Sized> {
    pub(super) id: LockId,
    pub(super) raw: RawRwLock,
    pub(super) value: UnsafeCell<T>,
}

// SAFETY: the value goes where the lock goes, and is reached from other threads only as the lock allows.
unsafe impl<T: ?Sized + Send> Send for OrderedRwLock<T> {}
// SAFETY: as above: `&OrderedRwLock` gives out `&mut T` to one thread at a time, which needs `T: Send`, or `&T` to many,
// which needs `T: Sync`.
unsafe impl<T: ?Sized + Send + Sync> Sync for OrderedRwLock<T> {}
// A panic while the value is borrowed for change poisons the lock, so no thread sees a broken value unawares.
impl<T: ?Sized> UnwindSafe for OrderedRwLock<T> {}
impl<T: ?Sized> RefUnwindSafe for OrderedRwLock<T> {}

impl<T> OrderedRwLock<T> {
    const_fn! {
        /// Creates a lock with this number in class 0; see [`LockId::new`].
        pub const fn new(id: u64, value: T) -> Self {
            Self::with_id(LockId::new(id), value)
        }
    }

    const_fn! {
        /// Creates a lock with this id.
        pub const fn with_id(id: LockId, value: T) -> Self {
            Self { id, raw: RawRwLock::new(), value: UnsafeCell::new(value) }
        }
    }

    /// Returns the value, poisoned or not, and consumes the lock.
    pub fn into_inner(self) -> T {
        self.value.into_inner()
    }
}

impl<T: ?Sized> OrderedRwLock<T> {
    /// Returns the lock's id.
    pub fn id(&self) -> LockId {
        self.id
    }

    /// Requests this lock to read, in a set for [`lock_all`](crate::lock_all).
    #[inline]
    pub fn as_read(&self) -> ReadRequest<'_, T> {
        ReadRequest::new(self)
    }

    /// Requests this lock to write, in a set for [`lock_all`](crate::lock_all).
    #[inline]
    pub fn as_write(&self) -> WriteRequest<'_, T> {
        WriteRequest::new(self)
    }

    /// Requests this lock to read, in a set that then shares the ownership of it.
    #[inline]
    pub fn as_read_arc(self: &Arc<Self>) -> ReadArcRequest<T> {
        ReadArcRequest::new(Arc::clone(self))
    }

    /// Requests this lock to write, in a set that then shares the ownership of it.
    #[inline]
    pub fn as_write_arc(self: &Arc<Self>) -> WriteArcRequest<T> {
        WriteArcRequest::new(Arc::clone(self))
    }

    /// Acquires the lock to read, blocking until it is available.
    ///
    /// # Errors
    /// [`OutOfOrder`](LockError::OutOfOrder) if this thread holds a lock that is not below this one (this one itself
    /// included, to read or to write), [`Poisoned`](LockError::Poisoned), [`Deadlock`](LockError::Deadlock) if the wait would never
    /// have ended.
    #[inline]
    #[track_caller]
    pub fn read(&self) -> Result<OrderedReadGuard<'_, T>, LockError> {
        Guard::lock(self.as_read(), &Limit::NEVER)
    }

    /// Acquires the lock to read, blocking no longer than the limit.
    ///
    /// # Errors
    /// As [`read`](OrderedRwLock::read), and [`Stopped`](LockError::Stopped) if the limit ended the wait.
    ///
    /// # Examples
    ///
    /// ```
    /// use raddle::{LockError, OrderedRwLock, Stopped};
    /// use std::time::Duration;
    ///
    /// let lock = OrderedRwLock::new(1, 0);
    /// let guard = lock.write()?;
    /// std::thread::scope(|threads| {
    ///     threads.spawn(|| {
    ///         let late = lock.read_within(Duration::from_millis(5));
    ///         assert_eq!(late.err(), Some(LockError::from(Stopped::TimedOut)));
    ///     });
    /// });
    /// # drop(guard);
    /// # Ok::<(), LockError>(())
    /// ```
    #[inline]
    #[track_caller]
    pub fn read_within<'l>(&self, limit: impl Into<Limit<'l>>) -> Result<OrderedReadGuard<'_, T>, LockError> {
        Guard::lock(self.as_read(), &limit.into())
    }

    /// Acquires the lock to read if no writer holds it or waits for it.
    ///
    /// The call never waits, so the order does not bind it. The lock counts for later waits like any other.
    ///
    /// # Errors
    /// [`WouldBlock`](LockError::WouldBlock), [`Poisoned`](LockError::Poisoned).
    ///
    /// # Examples
    ///
    /// ```
    /// use raddle::{LockError, OrderedRwLock};
    ///
    /// let rates = OrderedRwLock::new(1, vec![3, 5]);
    /// let reads = rates.try_read()?;
    /// assert!(rates.try_read().is_ok()); // another reader
    /// assert_eq!(rates.try_write().err(), Some(LockError::WouldBlock { id: rates.id() }));
    /// # drop(reads);
    /// # Ok::<(), LockError>(())
    /// ```
    #[inline]
    #[track_caller]
    pub fn try_read(&self) -> Result<OrderedReadGuard<'_, T>, LockError> {
        Guard::try_lock(self.as_read())
    }

    /// Acquires the lock to write, blocking until it is available.
    ///
    /// A reader cannot become a writer. Release, acquire the lock to write, and check again: another writer may come
    /// between.
    ///
    /// # Errors
    /// As [`read`](OrderedRwLock::read).
    #[inline]
    #[track_caller]
    pub fn write(&self) -> Result<OrderedWriteGuard<'_, T>, LockError> {
        Guard::lock(self.as_write(), &Limit::NEVER)
    }

    /// Acquires the lock to write, blocking no longer than the limit.
    ///
    /// # Errors
    /// As [`read_within`](OrderedRwLock::read_within).
    #[inline]
    #[track_caller]
    pub fn write_within<'l>(&self, limit: impl Into<Limit<'l>>) -> Result<OrderedWriteGuard<'_, T>, LockError> {
        Guard::lock(self.as_write(), &limit.into())
    }

    /// Acquires the lock to write if no thread holds it.
    ///
    /// The call never waits, so the order does not bind it. The lock counts for later waits like any other.
    ///
    /// # Errors
    /// [`WouldBlock`](LockError::WouldBlock), [`Poisoned`](LockError::Poisoned).
    #[inline]
    #[track_caller]
    pub fn try_write(&self) -> Result<OrderedWriteGuard<'_, T>, LockError> {
        Guard::try_lock(self.as_write())
    }

    /// Acquires the lock as [`read`](OrderedRwLock::read) does. The guard shares the ownership of the lock, for where a borrow cannot go.
    ///
    /// # Errors
    /// As [`read`](OrderedRwLock::read).
    #[inline]
    #[track_caller]
    pub fn read_arc(self: &Arc<Self>) -> Result<OrderedReadArcGuard<T>, LockError> {
        Guard::lock(self.as_read_arc(), &Limit::NEVER)
    }

    /// Acquires the lock as [`read_within`](OrderedRwLock::read_within) does; the guard shares the ownership of the lock.
    ///
    /// # Errors
    /// As [`read_within`](OrderedRwLock::read_within).
    #[inline]
    #[track_caller]
    pub fn read_arc_within<'l>(
        self: &Arc<Self>,
        limit: impl Into<Limit<'l>>,
    ) -> Result<OrderedReadArcGuard<T>, LockError> {
        Guard::lock(self.as_read_arc(), &limit.into())
    }

    /// Acquires the lock as [`try_read`](OrderedRwLock::try_read) does; the guard shares the ownership of the lock.
    ///
    /// # Errors
    /// As [`try_read`](OrderedRwLock::try_read).
    #[inline]
    #[track_caller]
    pub fn try_read_arc(self: &Arc<Self>) -> Result<OrderedReadArcGuard<T>, LockError> {
        Guard::try_lock(self.as_read_arc())
    }

    /// Acquires the lock as [`write`](OrderedRwLock::write) does. The guard shares the ownership of the lock, for where a borrow cannot go.
    ///
    /// # Errors
    /// As [`write`](OrderedRwLock::write).
    #[inline]
    #[track_caller]
    pub fn write_arc(self: &Arc<Self>) -> Result<OrderedWriteArcGuard<T>, LockError> {
        Guard::lock(self.as_write_arc(), &Limit::NEVER)
    }

    /// Acquires the lock as [`write_within`](OrderedRwLock::write_within) does; the guard shares the ownership of the lock.
    ///
    /// # Errors
    /// As [`write_within`](OrderedRwLock::write_within).
    #[inline]
    #[track_caller]
    pub fn write_arc_within<'l>(
        self: &Arc<Self>,
        limit: impl Into<Limit<'l>>,
    ) -> Result<OrderedWriteArcGuard<T>, LockError> {
        Guard::lock(self.as_write_arc(), &limit.into())
    }

    /// Acquires the lock as [`try_write`](OrderedRwLock::try_write) does; the guard shares the ownership of the lock.
    ///
    /// # Errors
    /// As [`try_write`](OrderedRwLock::try_write).
    #[inline]
    #[track_caller]
    pub fn try_write_arc(self: &Arc<Self>) -> Result<OrderedWriteArcGuard<T>, LockError> {
        Guard::try_lock(self.as_write_arc())
    }

    /// Returns whether a thread holds the lock, to read or to write, this one or another. The answer may be stale on return.
    pub fn is_locked(&self) -> bool {
        self.raw.is_locked()
    }

    /// Returns a mutable reference to the value, poisoned or not, without locking: the exclusive reference shows that
    /// no thread holds the lock.
    pub fn get_mut(&mut self) -> &mut T {
        self.value.get_mut()
    }

    /// Returns whether the lock is poisoned: a thread panicked while it held the lock to write.
    ///
    /// Unless this thread knows that no other thread is about to panic, the answer may be stale on return.
    pub fn is_poisoned(&self) -> bool {
        self.raw.is_poisoned()
    }

    /// Clears the poison, with the value as the panic left it. The lock can then be acquired again.
    ///
    /// To recover the value before another thread can acquire the lock, use
    /// [`clear_poison_with`](OrderedRwLock::clear_poison_with).
    pub fn clear_poison(&self) {
        self.raw.clear_poison();
    }

    /// Recovers the value with `recover` and clears the poison, as
    /// [`OrderedMutex::clear_poison_with`](crate::OrderedMutex::clear_poison_with) does.
    ///
    /// # Panics
    /// If `recover` panics.
    ///
    /// # Examples
    ///
    /// ```
    /// # use raddle::{LockError, OrderedRwLock};
    /// # use std::panic::catch_unwind;
    /// let lock = OrderedRwLock::new(4, vec![1, 2]);
    /// let _ = catch_unwind(|| {
    ///     let _guard = lock.write();
    ///     panic!("in the middle of a change");
    /// });
    /// assert!(matches!(lock.read(), Err(LockError::Poisoned { .. })));
    /// assert_eq!(lock.clear_poison_with(|value| value.clear()), Some(()));
    /// assert!(lock.read()?.is_empty());
    /// # Ok::<(), LockError>(())
    /// ```
    #[track_caller]
    pub fn clear_poison_with<R>(&self, recover: impl FnOnce(&mut T) -> R) -> Option<R> {
        if !self.raw.write_poisoned() {
            return None;
        }
        // SAFETY: the lock was just acquired.
        let guard = unsafe { Guard::new(self.as_write()) };
        Some(guard.recover(recover))
    }

    /// The state of the raw lock, for models.
    #[cfg(all(loom, test))]
    pub(crate) fn state(&self) -> u64 {
        self.raw.state()
    }
}

impl<T> From<T> for OrderedRwLock<T> {
    /// Creates a lock with a fresh id; see [when that will do](LockId#when-to-write-ids-and-when-not).
    fn from(value: T) -> Self {
        Self::with_id(LockId::fresh(), value)
    }
}

impl<T: Default> Default for OrderedRwLock<T> {
    /// Creates a lock of the default value, with a fresh id as [`From`] does.
    fn default() -> Self {
        Self::from(T::default())
    }
}

impl<T: ?Sized + fmt::Debug> fmt::Debug for OrderedRwLock<T> {
    /// Writes the id, and the value if the lock can be read at once. Never waits.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = f.debug_struct("OrderedRwLock");
        out.field("id", &self.id);
        match self.try_read() {
            Ok(guard) => out.field("value", &&*guard),
            Err(LockError::Poisoned { .. }) => out.field("value", &format_args!("<poisoned>")),
            Err(_) => out.field("value", &format_args!("<locked>")),
        };
        out.finish()
    }
}

/// Gives shared access to the value of an [`OrderedRwLock`], and releases the lock when dropped. See [`Guard`].
///
/// It does not allow a change of the value, while a guard that [writes](OrderedWriteGuard) does:
///
/// ```compile_fail,E0594
/// let lock = raddle::OrderedRwLock::new(1, 0);
/// *lock.read().unwrap() += 1;
/// ```
///
/// ```
/// let lock = raddle::OrderedRwLock::new(1, 0);
/// *lock.write().unwrap() += 1;
/// ```
pub type OrderedReadGuard<'a, T> = Guard<ReadRequest<'a, T>>;

/// Gives exclusive access to the value of an [`OrderedRwLock`], and releases the lock when dropped. See [`Guard`], and
/// [`OrderedReadGuard`] for an example.
pub type OrderedWriteGuard<'a, T> = Guard<WriteRequest<'a, T>>;

/// A guard that reads and shares the ownership of its [`OrderedRwLock`]; [`read_arc`](OrderedRwLock::read_arc) creates it.
pub type OrderedReadArcGuard<T> = Guard<ReadArcRequest<T>>;

/// A guard that writes and shares the ownership of its [`OrderedRwLock`]; [`write_arc`](OrderedRwLock::write_arc) creates it.
pub type OrderedWriteArcGuard<T> = Guard<WriteArcRequest<T>>;
