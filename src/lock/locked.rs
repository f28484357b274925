//! The calls that acquire a set of locks, and the guard of a set.

use std::fmt;
use std::marker::PhantomData;
use std::ops::{Index, IndexMut};
use std::panic::Location;

use super::LockError;
use super::iter::{Iter, IterMut};
use super::set::{Exclusive, LockSet, Request, Uniform};
use super::take::{Acquired, How, forget, note, release_all, take_all};
use crate::Limit;
use crate::sync::{PanicWatch, cleanup, step};

/// Acquires all locks of a set, blocking until they are available.
///
/// A call that has to wait waits for the locks in the order of their ids, whatever the order of the set. (Locks that are free
/// it may acquire in another order.) The guard lends the values in the order in which the caller named the locks.
///
/// The call acquires either all locks or none. A set of up to 16 locks takes no heap memory. An empty set is locked
/// without effect.
///
/// # `lock_all`, nesting or `try_`
/// * `lock_all` if it is known which locks are needed. Their ids need not be known: the ids decide the order, not the
///   caller.
/// * Nested locks, `a.lock()` and then `b.lock()`, if what `a` guards says which `b` is needed. That works as long as
///   ids rise inwards; [classes](crate::LockId::in_class) make that a rule: sites before wards before beds.
/// * [`try_lock_all`], or [`try_lock`](crate::OrderedMutex::try_lock), if a lock whose id is not above what is held
///   becomes known only then. They never wait. If one would block, release everything and name all in one `lock_all`.
///
/// # Memory ordering
/// As for each lock by itself; see [`OrderedMutex`](crate::OrderedMutex).
///
/// # Errors
/// In this order:
/// 1. [`OutOfOrder`](LockError::OutOfOrder) if this thread holds a lock that is not below all of the set,
/// 2. [`Duplicate`](LockError::Duplicate) if two locks of the set have one id,
/// 3. [`Poisoned`](LockError::Poisoned), with the lowest lock that is poisoned, or [`Deadlock`](LockError::Deadlock), if the wait for
///    one of them would never have ended.
///
/// # Examples
///
/// ```
/// use raddle::{LockError, OrderedMutex, lock_all};
///
/// let xiehe = OrderedMutex::new(7, vec!["Li", "Zhao"]);
/// let ruijin = OrderedMutex::new(3, vec!["Wang"]);
///
/// let mut sites = lock_all((&xiehe, &ruijin))?;
/// let (from, to) = sites.split_mut();
/// to.extend(from.pop());
/// drop(sites);
/// assert_eq!(*ruijin.lock()?, ["Wang", "Zhao"]);
///
/// assert_eq!(lock_all((&xiehe, &xiehe)).err(), Some(LockError::Duplicate { id: xiehe.id() }));
///
/// // As many as there are, chosen at run time:
/// let sites = [&xiehe, &ruijin];
/// let staff: usize = lock_all(&sites[..])?.iter().map(Vec::len).sum();
/// assert_eq!(staff, 3);
/// # Ok::<(), LockError>(())
/// ```
#[inline(always)]
#[track_caller]
pub fn lock_all<S: LockSet>(set: S) -> Result<Locked<S>, LockError> {
    lock_limited(set, &Limit::NEVER)
}

/// Acquires all locks of a set, blocking no longer than the limit, which bounds the whole call.
///
/// # Memory ordering
/// As [`lock_all`]. A cancel happens-before the return that reports it.
///
/// # Errors
/// As [`lock_all`], and [`Stopped`](LockError::Stopped) if the limit ended the wait.
///
/// # Examples
///
/// ```
/// use raddle::{OrderedMutex, lock_all_within};
/// use std::time::Duration;
///
/// let (a, b) = (OrderedMutex::new(1, 'a'), OrderedMutex::new(2, 2.0));
/// let both = lock_all_within((&a, &b), Duration::from_secs(1))?;
/// assert_eq!(both.split(), (&'a', &2.0));
/// # Ok::<(), raddle::LockError>(())
/// ```
#[inline(always)]
#[track_caller]
pub fn lock_all_within<'l, S: LockSet>(set: S, limit: impl Into<Limit<'l>>) -> Result<Locked<S>, LockError> {
    lock_limited(set, &limit.into())
}

#[inline(always)]
#[track_caller]
fn lock_limited<S: LockSet>(set: S, limit: &Limit<'_>) -> Result<Locked<S>, LockError> {
    let acquired = take_all(&set, How::Within(limit), Location::caller())?;
    Ok(Locked::new(set, acquired))
}

/// Acquires all locks of a set if all are available now.
///
/// The call never waits, so the order does not bind it. The locks that it acquires count for later waits like any
/// other.
///
/// # Memory ordering
/// As [`lock_all`] if it succeeds; a call that fails orders nothing.
///
/// # Errors
/// [`Duplicate`](LockError::Duplicate), [`WouldBlock`](LockError::WouldBlock) with the lowest lock that was not
/// available, [`Poisoned`](LockError::Poisoned).
///
/// # Examples
///
/// ```
/// use raddle::{LockError, OrderedMutex, try_lock_all};
///
/// let (a, b) = (OrderedMutex::new(1, 0), OrderedMutex::new(2, 0));
/// let held = b.lock()?;
/// assert_eq!(try_lock_all([&b, &a]).err(), Some(LockError::WouldBlock { id: b.id() }));
/// drop(held);
/// assert!(try_lock_all([&b, &a]).is_ok());
/// # Ok::<(), LockError>(())
/// ```
#[inline]
#[track_caller]
pub fn try_lock_all<S: LockSet>(set: S) -> Result<Locked<S>, LockError> {
    let acquired = take_all(&set, How::Try, Location::caller())?;
    Ok(Locked::new(set, acquired))
}

/// Gives access to the values of a set of locks, and releases all of the locks when dropped.
///
/// [`split_mut`](Locked::split_mut) lends the values in the order in which the caller named the locks. Arrays, slices
/// and `Vec`s can also be indexed and iterated, which takes no heap memory.
///
/// If a panic that began while the guard lived drops it, every lock of the set is poisoned, except those that it only
/// [reads](crate::OrderedRwLock::as_read).
///
/// Like a single guard, it stays on its thread:
///
/// ```compile_fail,E0277
/// let (a, b) = (raddle::OrderedMutex::new(1, 0), raddle::OrderedMutex::new(2, 0));
/// let both = raddle::lock_all((&a, &b)).unwrap();
/// std::thread::scope(|threads| {
///     threads.spawn(move || drop(both));
/// });
/// ```
///
/// It can be shared if every value can:
///
/// ```
/// let (a, b) = (raddle::OrderedMutex::new(1, 0), raddle::OrderedMutex::new(2, 0));
/// let both = raddle::lock_all((&a, &b)).unwrap();
/// std::thread::scope(|threads| {
///     threads.spawn(|| assert_eq!(both.split(), (&0, &0)));
/// });
/// ```
///
/// ```compile_fail,E0277
/// use std::cell::Cell;
/// let (a, b) = (raddle::OrderedMutex::new(1, 0), raddle::OrderedMutex::new(2, Cell::new(0)));
/// let both = raddle::lock_all((&a, &b)).unwrap();
/// std::thread::scope(|threads| {
///     threads.spawn(|| both.split());
/// });
/// ```
///
/// Nor do its iterators move to another thread if the values may not be shared:
///
/// ```compile_fail,E0277
/// use std::cell::Cell;
/// let lock = raddle::OrderedMutex::new(1, Cell::new(0));
/// let locked = raddle::lock_all([&lock]).unwrap();
/// let values = locked.iter();
/// std::thread::scope(|threads| {
///     threads.spawn(move || values.count());
/// });
/// ```
///
/// ```
/// let lock = raddle::OrderedMutex::new(1, 0);
/// let locked = raddle::lock_all([&lock]).unwrap();
/// let values = locked.iter();
/// std::thread::scope(|threads| {
///     threads.spawn(move || assert_eq!(values.count(), 1));
/// });
/// ```
///
/// It does not outlive its locks, nor do references to the values outlive it:
///
/// ```compile_fail,E0505
/// let lock = raddle::OrderedMutex::new(1, 0);
/// let locked = raddle::lock_all((&lock,)).unwrap();
/// drop(lock);
/// drop(locked);
/// ```
///
/// ```compile_fail,E0505
/// let lock = raddle::OrderedMutex::new(1, 0);
/// let mut locked = raddle::lock_all((&lock,)).unwrap();
/// let (value,) = locked.split_mut();
/// drop(locked);
/// *value = 1;
/// ```
///
/// In this order both are fine:
///
/// ```
/// let lock = raddle::OrderedMutex::new(1, 0);
/// let mut locked = raddle::lock_all((&lock,)).unwrap();
/// let (value,) = locked.split_mut();
/// *value = 1;
/// drop(locked);
/// drop(lock);
/// ```
#[must_use = "if the guard is not kept, the locks are released at once"]
pub struct Locked<S: LockSet> {
    /// All locks of the set are held while this lives, and no two of them are the same.
    set: S,
    /// None for an empty set. `held` records this guard by the highest id.
    acquired: Option<Acquired>,
    watch: PanicWatch,
    /// Not Send: `held` is the thread's own.
    thread: PhantomData<*const ()>,
}

// SAFETY: a shared guard gives out `&S` and `&T` of the values only.
unsafe impl<S: LockSet + Sync> Sync for Locked<S> where S::Targets: Sync {}

impl<S: LockSet> Locked<S> {
    #[inline(always)]
    #[track_caller]
    fn new(set: S, mut acquired: Option<Acquired>) -> Self {
        if let Some(acquired) = &mut acquired {
            note(&set, acquired, Location::caller());
        }
        Self { set, acquired, watch: PanicWatch::new(), thread: PhantomData }
    }

    /// Returns shared references to the values, in the order in which the locks were named: a tuple, an array or (for a
    /// slice or a `Vec`) a `Vec`. [`split_mut`](Locked::split_mut) returns mutable references.
    #[inline]
    pub fn split(&self) -> S::Ref<'_> {
        // SAFETY: all locks are held (`set`), and `&self` keeps `split_mut` and `index_mut` out.
        unsafe { self.set.refs() }
    }

    /// Returns mutable references to the values, in the order in which the locks were named: a tuple, an array or (for
    /// a slice or a `Vec`) a `Vec`. The value of a lock that the set only reads is a shared reference.
    ///
    /// # Examples
    ///
    /// ```
    /// use raddle::{OrderedMutex, lock_all};
    ///
    /// let (name, age) = (OrderedMutex::new(2, String::from("Li")), OrderedMutex::new(1, 40));
    /// let mut record = lock_all((&name, &age))?;
    /// let (name, age) = record.split_mut();
    /// name.push_str(" Ming");
    /// *age += 1;
    /// # Ok::<(), raddle::LockError>(())
    /// ```
    #[inline]
    pub fn split_mut(&mut self) -> S::Mut<'_> {
        // SAFETY: all locks are held and different (`set`), and `&mut self` keeps every other access out.
        unsafe { self.set.muts() }
    }
}

impl<S: Uniform> Locked<S> {
    /// Iterates over the values, in the order in which the locks were named. Takes no heap memory.
    ///
    /// # Examples
    ///
    /// ```
    /// use raddle::{OrderedMutex, lock_all};
    ///
    /// let wards: Vec<_> = (1..=3).map(|id| OrderedMutex::new(id, 10)).collect();
    /// let mut beds = lock_all(wards.iter().collect::<Vec<_>>())?;
    /// beds[2] += 5;
    /// beds.iter_mut().for_each(|beds| *beds -= 1);
    /// assert_eq!(beds.iter().sum::<i32>(), 32);
    /// # Ok::<(), raddle::LockError>(())
    /// ```
    pub fn iter(&self) -> Iter<'_, S::Request> {
        // SAFETY: as in `split`.
        unsafe { Iter::new(self.set.requests()) }
    }

    /// Iterates over the values by mutable reference, in the order in which the locks were named. Takes no heap memory.
    ///
    /// The value of a lock that the set only reads is a shared reference; of an [`AnyRequest`](crate::AnyRequest) either, by an
    /// [`AnyMut`](crate::AnyMut).
    pub fn iter_mut(&mut self) -> IterMut<'_, S::Request> {
        // SAFETY: as in `split_mut`.
        unsafe { IterMut::new(self.set.requests()) }
    }

    /// Returns a shared reference to the value of the lock that was named at this index, or `None` if there are not so many.
    #[inline]
    pub fn get(&self, at: usize) -> Option<&<S::Request as Request>::Target> {
        // SAFETY: as in `split`.
        self.set.requests().get(at).map(|request| unsafe { request.shared() })
    }

    /// Returns a mutable reference to the value of the lock that was named at this index, as [`iter_mut`](Locked::iter_mut) does, or
    /// `None` if there are not so many.
    #[inline]
    pub fn get_mut(&mut self, at: usize) -> Option<<S::Request as Request>::Mut<'_>> {
        // SAFETY: as in `split_mut`.
        self.set.requests().get(at).map(|request| unsafe { request.lend() })
    }
}

impl<S: Uniform> Index<usize> for Locked<S> {
    type Output = <S::Request as Request>::Target;

    /// Returns the value of the lock that was named at this index.
    ///
    /// # Panics
    /// If the index is out of bounds. That poisons the set, like any panic while it is locked.
    #[inline]
    fn index(&self, at: usize) -> &Self::Output {
        // SAFETY: as in `split`.
        unsafe { self.set.requests()[at].shared() }
    }
}

impl<S: Uniform> IndexMut<usize> for Locked<S>
where
    S::Request: Exclusive,
{
    /// Returns a mutable reference to the value of the lock that was named at this index.
    ///
    /// # Panics
    /// As [`index`](Locked::index).
    #[inline]
    fn index_mut(&mut self, at: usize) -> &mut Self::Output {
        // SAFETY: as in `split_mut`.
        unsafe { self.set.requests()[at].exclusive() }
    }
}

impl<'g, S: Uniform> IntoIterator for &'g Locked<S> {
    type Item = &'g <S::Request as Request>::Target;
    type IntoIter = Iter<'g, S::Request>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl<'g, S: Uniform> IntoIterator for &'g mut Locked<S> {
    type Item = <S::Request as Request>::Mut<'g>;
    type IntoIter = IterMut<'g, S::Request>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter_mut()
    }
}

impl<S: LockSet> Drop for Locked<S> {
    #[inline(always)]
    fn drop(&mut self) {
        cleanup(|| {
            let Some(acquired) = &self.acquired else { return };
            forget(&self.set, acquired);
            if self.watch.panicked() && step!("lock.poison-all") {
                self.set.each(|lock| lock.raw.poison());
            } else {
                release_all(&self.set, acquired);
            }
        });
    }
}

impl<S: LockSet> fmt::Debug for Locked<S> {
    /// Shows the ids of the locks that are held.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Locked ")?;
        let mut ids = f.debug_set();
        self.set.each(|lock| _ = ids.entry(&lock.id));
        ids.finish()
    }
}
