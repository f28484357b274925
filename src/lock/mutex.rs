//! One ordered lock.

use std::fmt;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::sync::Arc;

use super::{Guard, LockError, LockId};
use crate::Limit;
use crate::sync::{UnsafeCell, const_fn};
use crate::wait::RawMutex;

/// A mutual exclusion lock with a place in the order of all locks.
///
/// A thread may only *wait* for a lock whose id is above the ids of all that it holds. A call that would have to wait
/// for any other lock returns [`OutOfOrder`](LockError::OutOfOrder), at once and whether or not that lock is free. So a
/// program that locks in the wrong order gets the error the first time, and not only when two threads contend. To
/// acquire several locks together, in any order, use [`lock_all`](crate::lock_all).
///
/// The lock is one byte beside the id and the value; threads block in the parking lot of `parking_lot_core`.
///
/// # Fairness
/// Running threads may barge. A thread that has to wait stays awake for some microseconds, then it sleeps. Each release of a lock for
/// which threads sleep wakes the one that has slept longest. A thread that was woken four times, and each time lost the lock to a
/// running thread, gets it by a hand-off when it is woken next: a thread sleeps at most five times for one lock, however many others
/// want it, and with at most `n` of them asleep that is after `5 n` such releases. (Unless the lock is poisoned and recovered meanwhile,
/// which wakes all.) So none starves as long as critical sections end.
///
/// # Poisoning
/// A panic that drops a guard poisons its lock: later calls return [`Poisoned`](LockError::Poisoned) until
/// [`clear_poison_with`](OrderedMutex::clear_poison_with) has recovered the value, or
/// [`clear_poison`](OrderedMutex::clear_poison) has kept it as it is. As in `std`, only a panic that began while the
/// guard lived counts, and a guard that was made while its thread was already unwinding poisons nothing.
///
#[doc = include_str!("../../docs/mutex-states.svg")]
///
/// # `OrderedMutex`, another mutex or `OrderedRwLock`
/// * [`std::sync::Mutex`] or `parking_lot::Mutex` if no thread ever holds two locks at once, and no wait needs a limit
///   that another thread can end: they are smaller, having no id. Nothing orders them, so the proof does not cover
///   them.
/// * [`OrderedRwLock`](crate::OrderedRwLock) if many read for long and few write.
/// * A [`Counter`](crate::Counter) if the value is one number.
///
/// To wait until another thread has changed the value, use a [`Condvar`](crate::Condvar).
///
/// # Deadlock
/// No order of locking can deadlock: a thread waits only for a lock above all that it holds, so along any chain of
/// waiting threads the ids rise, and the chain cannot close. This covers ordered locks. A thread that holds one while
/// it waits for something else (a once-cell, a wait-group, a channel) must know that the other side does not need it.
/// If a guard is leaked by [`mem::forget`](std::mem::forget), its lock is held forever: this thread's later calls for
/// locks below it return errors, and other threads wait for it until their limits pass.
///
/// # Allocators and signal handlers
/// A global allocator may use the `try_` forms of a lock that no thread waits for; what it holds counts like everything
/// else. A signal handler may use none: it may interrupt its own thread in the middle of a call.
///
/// # Memory ordering
/// Everything that a thread did before it released the lock happens-before everything that the next thread to acquire
/// it does. The same holds if a panic poisoned the lock, for the thread that acquires it after the poison was cleared.
/// A `try_lock` that fails and [`is_poisoned`](OrderedMutex::is_poisoned) order nothing; nor does `clear_poison` order
/// what its caller did before it.
///
/// # Examples
///
/// ```
/// use raddle::{LockError, OrderedMutex};
///
/// let xiehe = OrderedMutex::new(1, vec!["Li"]);
/// let ruijin = OrderedMutex::new(2, vec!["Wang"]);
///
/// let guard = ruijin.lock()?;
/// // Waiting for 1 while holding 2 could deadlock with a thread that does the opposite.
/// assert!(matches!(xiehe.lock(), Err(LockError::OutOfOrder { .. })));
/// drop(guard);
/// xiehe.lock()?.push("Zhao");
/// # Ok::<(), LockError>(())
/// ```
pub struct OrderedMutex<T: ?Sized> {
    pub(super) id: LockId,
    pub(super) raw: RawMutex,
    pub(super) value: UnsafeCell<T>,
}

// SAFETY: the value goes where the lock goes, and is reached from other threads only by the holder of the lock.
unsafe impl<T: ?Sized + Send> Send for OrderedMutex<T> {}
// SAFETY: as above: `&OrderedMutex` gives out `&mut T` to one thread at a time, which needs `T: Send` and no more.
unsafe impl<T: ?Sized + Send> Sync for OrderedMutex<T> {}
// A panic while the value is borrowed poisons the lock, so no thread sees a broken value unawares.
impl<T: ?Sized> UnwindSafe for OrderedMutex<T> {}
impl<T: ?Sized> RefUnwindSafe for OrderedMutex<T> {}

impl<T> OrderedMutex<T> {
    const_fn! {
        /// Creates a lock with this number in class 0; see [`LockId::new`].
        pub const fn new(id: u64, value: T) -> Self {
            Self::with_id(LockId::new(id), value)
        }
    }

    const_fn! {
        /// Creates a lock with this id.
        pub const fn with_id(id: LockId, value: T) -> Self {
            Self { id, raw: RawMutex::new(), value: UnsafeCell::new(value) }
        }
    }

    /// Returns the value, poisoned or not, and consumes the lock.
    pub fn into_inner(self) -> T {
        self.value.into_inner()
    }
}

impl<T: ?Sized> OrderedMutex<T> {
    /// Returns the lock's id.
    pub fn id(&self) -> LockId {
        self.id
    }

    /// Acquires the lock, blocking until it is available.
    ///
    /// # Errors
    /// [`OutOfOrder`](LockError::OutOfOrder) if this thread holds a lock that is not below this one (this one itself
    /// included), [`Poisoned`](LockError::Poisoned), [`Deadlock`](LockError::Deadlock) if the wait would never have ended.
    #[inline]
    #[track_caller]
    pub fn lock(&self) -> Result<OrderedMutexGuard<'_, T>, LockError> {
        Guard::lock(self, &Limit::NEVER)
    }

    /// Acquires the lock, blocking no longer than the limit.
    ///
    /// # Errors
    /// As [`lock`](OrderedMutex::lock), and [`Stopped`](LockError::Stopped) if the limit ended the wait.
    ///
    /// # Examples
    ///
    /// ```
    /// use raddle::{LockError, OrderedMutex, Stopped};
    /// use std::time::Duration;
    ///
    /// let lock = OrderedMutex::new(1, 0);
    /// let guard = lock.lock()?;
    /// std::thread::scope(|threads| {
    ///     threads.spawn(|| {
    ///         let late = lock.lock_within(Duration::from_millis(5));
    ///         assert_eq!(late.err(), Some(LockError::from(Stopped::TimedOut)));
    ///     });
    /// });
    /// # drop(guard);
    /// # Ok::<(), LockError>(())
    /// ```
    #[inline]
    #[track_caller]
    pub fn lock_within<'l>(&self, limit: impl Into<Limit<'l>>) -> Result<OrderedMutexGuard<'_, T>, LockError> {
        Guard::lock(self, &limit.into())
    }

    /// Acquires the lock as [`lock`](OrderedMutex::lock) does. The guard shares the ownership of the lock, for where a borrow
    /// cannot go: a struct that keeps both, a result.
    ///
    /// # Errors
    /// As [`lock`](OrderedMutex::lock).
    ///
    /// # Examples
    ///
    /// ```
    /// use raddle::{LockError, OrderedMutex, OrderedMutexArcGuard};
    /// use std::sync::Arc;
    ///
    /// fn longest(words: &[Arc<OrderedMutex<String>>]) -> Result<OrderedMutexArcGuard<String>, LockError> {
    ///     words[0].lock_arc()
    /// }
    ///
    /// let word = longest(&[Arc::new(OrderedMutex::from(String::from("ward")))])?;
    /// assert_eq!(*word, "ward");
    /// # Ok::<(), LockError>(())
    /// ```
    #[inline]
    #[track_caller]
    pub fn lock_arc(self: &Arc<Self>) -> Result<OrderedMutexArcGuard<T>, LockError> {
        Guard::lock(Arc::clone(self), &Limit::NEVER)
    }

    /// Acquires the lock as [`lock_within`](OrderedMutex::lock_within) does; the guard shares the ownership of the lock.
    ///
    /// # Errors
    /// As [`lock_within`](OrderedMutex::lock_within).
    #[inline]
    #[track_caller]
    pub fn lock_arc_within<'l>(
        self: &Arc<Self>,
        limit: impl Into<Limit<'l>>,
    ) -> Result<OrderedMutexArcGuard<T>, LockError> {
        Guard::lock(Arc::clone(self), &limit.into())
    }

    /// Acquires the lock as [`try_lock`](OrderedMutex::try_lock) does; the guard shares the ownership of the lock.
    ///
    /// # Errors
    /// As [`try_lock`](OrderedMutex::try_lock).
    #[inline]
    #[track_caller]
    pub fn try_lock_arc(self: &Arc<Self>) -> Result<OrderedMutexArcGuard<T>, LockError> {
        Guard::try_lock(Arc::clone(self))
    }

    /// Returns whether a thread holds the lock, this one or another. The answer may be stale on return.
    pub fn is_locked(&self) -> bool {
        self.raw.is_locked()
    }

    /// Acquires the lock if it is free.
    ///
    /// The call never waits, so the order does not bind it: use it for a lock that becomes known while higher ones are
    /// held. The lock counts for later waits like any other.
    ///
    /// # Errors
    /// [`WouldBlock`](LockError::WouldBlock), [`Poisoned`](LockError::Poisoned).
    ///
    /// # Examples
    ///
    /// Only the patient's record says which ward the discharge concerns:
    ///
    /// ```
    /// use raddle::{LockError, OrderedMutex, lock_all};
    ///
    /// let ward = OrderedMutex::new(1, 20);
    /// let patient = OrderedMutex::new(2, "in ward 1");
    ///
    /// let mut held = patient.lock()?;
    /// match ward.try_lock() {
    ///     Ok(mut beds) => (*beds, *held) = (*beds + 1, "discharged"),
    ///     Err(LockError::WouldBlock { .. }) => {
    ///         drop(held); // and look again, as it may have changed meanwhile
    ///         let mut both = lock_all((&ward, &patient))?;
    ///         let (beds, patient) = both.split_mut();
    ///         if *patient == "in ward 1" {
    ///             (*beds, *patient) = (*beds + 1, "discharged");
    ///         }
    ///     }
    ///     Err(error) => return Err(error),
    /// }
    /// # Ok::<(), LockError>(())
    /// ```
    #[inline]
    #[track_caller]
    pub fn try_lock(&self) -> Result<OrderedMutexGuard<'_, T>, LockError> {
        Guard::try_lock(self)
    }

    /// Returns a mutable reference to the value, poisoned or not, without locking: the exclusive reference shows that
    /// no thread holds the lock.
    pub fn get_mut(&mut self) -> &mut T {
        self.value.get_mut()
    }

    /// Returns whether the lock is poisoned: a thread panicked while it held the lock.
    ///
    /// Unless this thread knows that no other thread is about to panic, the answer may be stale on return.
    pub fn is_poisoned(&self) -> bool {
        self.raw.is_poisoned()
    }

    /// Clears the poison, with the value as the panic left it. The lock can then be acquired again.
    ///
    /// To recover the value before another thread can acquire the lock, use
    /// [`clear_poison_with`](OrderedMutex::clear_poison_with).
    ///
    /// # Examples
    ///
    /// ```
    /// use raddle::{LockError, OrderedMutex};
    /// use std::panic::{AssertUnwindSafe, catch_unwind};
    ///
    /// let lock = OrderedMutex::new(4, vec![1, 2]);
    /// let _ = catch_unwind(|| {
    ///     let _guard = lock.lock();
    ///     panic!("in the middle of a change");
    /// });
    /// assert!(matches!(lock.lock(), Err(LockError::Poisoned { .. })));
    /// lock.clear_poison();
    /// assert_eq!(lock.lock()?.len(), 2);
    /// # Ok::<(), LockError>(())
    /// ```
    pub fn clear_poison(&self) {
        self.raw.clear_poison();
    }

    /// Recovers the value with `recover` and clears the poison. The lock can then be acquired again.
    ///
    /// No other thread can access the value before `recover` returns. If `recover` panics, the lock stays poisoned. If the
    /// lock is not poisoned (any more), the call returns `None` and does not call `recover`.
    ///
    /// The call never waits, so the order does not bind it. While `recover` runs, the lock is held and counts for later
    /// waits.
    ///
    /// # Panics
    /// If `recover` panics.
    ///
    /// # Examples
    ///
    /// ```
    /// # use raddle::{LockError, OrderedMutex};
    /// # use std::panic::catch_unwind;
    /// let lock = OrderedMutex::new(4, vec![1, 2]);
    /// let _ = catch_unwind(|| {
    ///     let _guard = lock.lock();
    ///     panic!("in the middle of a change");
    /// });
    /// assert_eq!(lock.clear_poison_with(|value| value.clear()), Some(()));
    /// assert!(lock.lock()?.is_empty());
    /// # Ok::<(), LockError>(())
    /// ```
    #[track_caller]
    pub fn clear_poison_with<R>(&self, recover: impl FnOnce(&mut T) -> R) -> Option<R> {
        if !self.raw.lock_poisoned() {
            return None;
        }
        // SAFETY: the lock was just acquired.
        let guard = unsafe { Guard::new(self) };
        Some(guard.recover(recover))
    }
}

#[cfg(all(loom, test))]
impl<T: ?Sized> OrderedMutex<T> {
    /// The state of the raw lock, for models.
    pub(crate) fn state(&self) -> u8 {
        self.raw.state()
    }
}

impl<T> From<T> for OrderedMutex<T> {
    /// Creates a lock with a fresh id; see [when that will do](LockId#when-to-write-ids-and-when-not).
    fn from(value: T) -> Self {
        Self::with_id(LockId::fresh(), value)
    }
}

impl<T: Default> Default for OrderedMutex<T> {
    /// Creates a lock of the default value, with a fresh id as [`From`] does.
    fn default() -> Self {
        Self::from(T::default())
    }
}

impl<T: ?Sized + fmt::Debug> fmt::Debug for OrderedMutex<T> {
    /// Writes the id, and the value if the lock is free. Never waits.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = f.debug_struct("OrderedMutex");
        out.field("id", &self.id);
        match self.try_lock() {
            Ok(guard) => out.field("value", &&*guard),
            Err(LockError::Poisoned { .. }) => out.field("value", &format_args!("<poisoned>")),
            Err(_) => out.field("value", &format_args!("<locked>")),
        };
        out.finish()
    }
}

/// Gives access to the value of an [`OrderedMutex`], and releases the lock when dropped. See [`Guard`].
///
/// A guard stays on the thread that acquired the lock, since what a thread holds decides what it may wait for:
///
/// ```compile_fail,E0277
/// let lock = raddle::OrderedMutex::new(1, 0);
/// let guard = lock.lock().unwrap();
/// std::thread::scope(|threads| {
///     threads.spawn(move || drop(guard));
/// });
/// ```
///
/// The guard can be shared with other threads if the value can:
///
/// ```
/// let lock = raddle::OrderedMutex::new(1, 0);
/// let guard = lock.lock().unwrap();
/// std::thread::scope(|threads| {
///     threads.spawn(|| assert_eq!(*guard, 0));
/// });
/// ```
///
/// A guard does not outlive its lock:
///
/// ```compile_fail,E0505
/// let lock = raddle::OrderedMutex::new(1, 0);
/// let guard = lock.lock().unwrap();
/// drop(lock);
/// drop(guard);
/// ```
///
/// Nor does a reference to the value outlive its guard:
///
/// ```compile_fail,E0505
/// let lock = raddle::OrderedMutex::new(1, 0);
/// let mut guard = lock.lock().unwrap();
/// let value = &mut *guard;
/// drop(guard);
/// *value = 1;
/// ```
///
/// In this order both are fine:
///
/// ```
/// let lock = raddle::OrderedMutex::new(1, 0);
/// let mut guard = lock.lock().unwrap();
/// let value = &mut *guard;
/// *value = 1;
/// drop(guard);
/// drop(lock);
/// ```
pub type OrderedMutexGuard<'a, T> = Guard<&'a OrderedMutex<T>>;

/// A guard that shares the ownership of its [`OrderedMutex`]; [`lock_arc`](OrderedMutex::lock_arc) creates it. See [`Guard`].
///
/// It stays on its thread, too:
///
/// ```compile_fail,E0277
/// let lock = std::sync::Arc::new(raddle::OrderedMutex::from(0));
/// let guard = lock.lock_arc().unwrap();
/// std::thread::spawn(move || drop(guard));
/// ```
pub type OrderedMutexArcGuard<T> = Guard<Arc<OrderedMutex<T>>>;
