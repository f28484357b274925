//! The public type.

use std::borrow::Borrow;
use std::fmt;
use std::hash::{BuildHasher, Hash};
use std::mem;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::ptr::{self, NonNull};

use crossbeam_utils::CachePadded;

use super::keys::{Enter, Keys};
use super::request::{TableGuard, TableRequest};
use super::shard::{Shard, Slot};
use crate::Limit;
use crate::lock::{
    Guard, LockClass, LockError, LockSet, Locked, Show, lock_all, lock_all_within, may_wait_in_class, try_lock_all,
};
use crate::sync::HashState;

/// How many parts a table has, each with a lock of its own.
const SHARDS: usize = if cfg!(all(loom, any(test, feature = "loom"))) { 1 } else { 32 };
const _: () = assert!(SHARDS.is_power_of_two());

/// A lock for each key, for resources that are records rather than objects of the program.
///
/// The lock of a key, and room for a value beside it, is made when it is first asked for. It is gone, and the key is dropped, with its last
/// user, unless it has a value or is poisoned. So any number of keys can be locked over time, and the table is as large as the number of
/// those that are in use or have a value.
///
/// Keys are looked up as in a [`HashMap`](std::collections::HashMap), by any borrowed form: `str` for `String`.
///
/// # Several keys
/// Two keys are only waited for together, by one [`lock_all`](LockTable::lock_all), whatever the order in which they are named. A call that
/// may wait, by a thread that holds any lock of the same [class](LockClass), is [`OutOfOrder`](LockError::OutOfOrder), always: so no order
/// of keys can deadlock, and no mistake depends on timing. Locks of other classes nest around a table's and inside as ever, in the order of
/// the classes. For a key that becomes known under another: [`try_lock`](LockTable::try_lock).
///
/// # Poisoning
/// As for an [`OrderedMutex`](crate::OrderedMutex), for each key by itself. A poisoned entry stays until its poison is cleared.
///
/// # `LockTable` or something else
/// * An [`OrderedMutex`](crate::OrderedMutex) in each object, if the objects live as long as the locks do.
/// * `lockable` has pools and maps of locks for async code too. It does not order several keys: its documentation says that this may
///   deadlock.
/// * `dashmap` is the faster map where no critical section is longer than a look. Its references lock a whole shard: its documentation says
///   that a second one on the same thread may deadlock.
/// * An advisory lock of a database (`pg_advisory_lock`) reaches beyond the process, and costs a round trip. It waits for keys in the order
///   in which they are asked for, and the database ends a deadlock by failing one of the sessions after a while.
///
/// # Fairness, memory ordering
/// Of each key as of an [`OrderedMutex`](crate::OrderedMutex). The parts of the table have short locks of their own, which are held while a
/// key is found, made or removed. The code of a key that runs meanwhile (`Eq`, `Borrow`, `ToOwned`, and a panic hook if one of these panics)
/// must neither use a table nor wait for anything. `Hash` and the destructors of keys and values run outside.
///
/// `Debug` of a key runs outside of these, too, but under the locks that the thread holds, and only if a call has to wait. So it depends on
/// timing whether it does: it should neither lock nor panic. If it panics, so does the call, which has then acquired nothing.
///
/// # Allocators and signal handlers
/// Neither may use it.
///
/// # Panics
/// A call panics if the `Eq`, `Borrow` or `ToOwned` of a key makes it, for any table: it would wait for itself; and if the `Debug` of a
/// key acquires a lock and keeps it.
///
/// # Examples
///
/// ```
/// use raddle::{LockClass, LockError, LockTable};
///
/// static ACCOUNT: LockClass = LockClass::new(3, "account");
///
/// /// Moves money between two accounts that the database keeps.
/// fn transfer(locks: &LockTable<u64>, from: u64, to: u64) -> Result<(), LockError> {
///     let _both = locks.lock_all([&from, &to])?;
///     // Here both rows would be read and written.
///     Ok(())
/// }
///
/// let locks = LockTable::new(&ACCOUNT);
/// std::thread::scope(|threads| {
///     threads.spawn(|| transfer(&locks, 4711, 815));
///     threads.spawn(|| transfer(&locks, 815, 4711));
/// });
/// assert!(locks.is_empty());
/// assert!(matches!(transfer(&locks, 7, 7), Err(LockError::Duplicate { .. })));
/// # Ok::<(), LockError>(())
/// ```
///
/// With values, which are there as long as they are wanted:
///
/// ```
/// use raddle::{LockClass, LockError, LockTable};
///
/// static WARD: LockClass = LockClass::new(4, "ward");
///
/// let beds: LockTable<String, u32> = LockTable::new(&WARD);
/// *beds.lock("surgery")? = Some(40);
/// *beds.lock("surgery")?.get_or_insert(0) -= 1;
/// assert_eq!(beds.len(), 1);
/// assert_eq!(beds.lock("surgery")?.take(), Some(39));
/// assert_eq!(beds.len(), 0);
/// # Ok::<(), LockError>(())
/// ```
pub struct LockTable<K, V = ()> {
    class: &'static LockClass,
    hash: HashState,
    shards: Box<[CachePadded<Shard<K, V>>]>,
    show: Show,
}

// SAFETY: keys and values go where the table goes. A key is compared by all threads and dropped by any; a value is given to one at a
// time.
unsafe impl<K: Send, V: Send> Send for LockTable<K, V> {}
// SAFETY: as above.
unsafe impl<K: Send + Sync, V: Send> Sync for LockTable<K, V> {}
// A panic while a value is borrowed poisons its lock, and the code of a key that panics leaves the map as it was.
impl<K, V> UnwindSafe for LockTable<K, V> {}
impl<K, V> RefUnwindSafe for LockTable<K, V> {}

/// Writes the key of the slot whose [`Keyed`](crate::lock::Keyed) is at this address, by `Debug`.
///
/// # Safety
/// There is such a slot, whose address was exposed.
unsafe fn show<K: fmt::Debug, V>(slot: usize) -> String {
    const { assert!(mem::offset_of!(Slot<K, V>, keyed) == 0) };
    // SAFETY: passed on to the caller; the slot is at the same address. The key is shared as long as the slot is there.
    let key: &K = unsafe { &(*ptr::with_exposed_provenance::<Slot<K, V>>(slot)).key };
    format!("{key:?}")
}

impl<K: fmt::Debug, V> LockTable<K, V> {
    /// Creates an empty table, whose locks are of this class.
    ///
    /// In [`waits`](crate::waits) a key shows by `Debug`, in errors as the class and a number. (An error that is kept does not keep what
    /// keys may tell of persons.)
    pub fn new(class: &'static LockClass) -> Self {
        class.register();
        let shards = (0..SHARDS).map(|_| CachePadded::new(Shard::new())).collect();
        Self { class, hash: HashState::default(), shards, show: show::<K, V> }
    }
}

impl<K, V> LockTable<K, V> {
    /// Returns how many keys there are: those that are in use, have a value or are poisoned. It may change before the caller uses it.
    #[track_caller]
    pub fn len(&self) -> usize {
        self.shards.iter().map(|shard| shard.len()).sum()
    }

    /// Returns whether there is no key; see [`len`](LockTable::len).
    #[track_caller]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn shard<Q: Hash + ?Sized>(&self, key: &Q) -> (&Shard<K, V>, u64) {
        let hash = self.hash.hash_one(key);
        // Neither the bits that choose a place in the map nor those that are kept beside it.
        (&self.shards[(hash >> 40) as usize & (SHARDS - 1)], hash)
    }

    /// The lock of a key, which is made if there is none.
    #[inline(never)]
    #[track_caller]
    fn request<Q>(&self, key: &Q) -> TableRequest<'_, K, V>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ToOwned<Owned = K> + ?Sized,
    {
        let (shard, hash) = self.shard(key);
        let slot = shard.enter(hash, key, self.class, self.show);
        // SAFETY: a slot of the shard, and the request is the user that came.
        unsafe { TableRequest::new(shard, slot) }
    }

    /// The lock of a key, if there is one.
    #[track_caller]
    fn request_if_there<Q>(&self, key: &Q) -> Option<TableRequest<'_, K, V>>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        let (shard, hash) = self.shard(key);
        let slot: NonNull<Slot<K, V>> = shard.enter_if_there(hash, key)?;
        // SAFETY: as above.
        Some(unsafe { TableRequest::new(shard, slot) })
    }

    /// Acquires the lock of a key, blocking until it is available.
    ///
    /// # Errors
    /// [`OutOfOrder`](LockError::OutOfOrder) if this thread holds a lock of the same class, or one that is not below it;
    /// [`Poisoned`](LockError::Poisoned); [`Deadlock`](LockError::Deadlock) if the wait would never have ended.
    #[inline]
    #[track_caller]
    pub fn lock<Q>(&self, key: &Q) -> Result<TableGuard<'_, K, V>, LockError>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ToOwned<Owned = K> + ?Sized,
    {
        self.lock_limited(key, &Limit::NEVER)
    }

    /// Acquires the lock of a key, blocking no longer than the limit.
    ///
    /// # Errors
    /// As [`lock`](LockTable::lock), and [`Stopped`](LockError::Stopped) if the limit ended the wait.
    #[inline]
    #[track_caller]
    pub fn lock_within<'l, Q>(&self, key: &Q, limit: impl Into<Limit<'l>>) -> Result<TableGuard<'_, K, V>, LockError>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ToOwned<Owned = K> + ?Sized,
    {
        self.lock_limited(key, &limit.into())
    }

    #[inline]
    #[track_caller]
    fn lock_limited<Q>(&self, key: &Q, limit: &Limit<'_>) -> Result<TableGuard<'_, K, V>, LockError>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ToOwned<Owned = K> + ?Sized,
    {
        let request = self.request(key);
        may_wait_in_class(request.slot().id)?;
        Guard::lock(request, limit)
    }

    /// Acquires the lock of a key if it is free. The call never waits, so the order does not bind it. The lock counts for later waits like
    /// any other.
    ///
    /// # Errors
    /// [`WouldBlock`](LockError::WouldBlock), [`Poisoned`](LockError::Poisoned).
    #[inline]
    #[track_caller]
    pub fn try_lock<Q>(&self, key: &Q) -> Result<TableGuard<'_, K, V>, LockError>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ToOwned<Owned = K> + ?Sized,
    {
        Guard::try_lock(self.request(key))
    }

    /// Acquires the locks of several keys, blocking until all are available. The guard lends the values in the order in which the keys
    /// were named.
    ///
    /// # Errors
    /// As [`lock`](LockTable::lock), and [`Duplicate`](LockError::Duplicate) if a key is named twice.
    ///
    /// # Examples
    ///
    /// ```
    /// use raddle::{LockClass, LockError, LockTable};
    ///
    /// static ACCOUNT: LockClass = LockClass::new(3, "account");
    ///
    /// let money: LockTable<String, i64> = LockTable::new(&ACCOUNT);
    /// let to = String::from("Wang");
    /// let mut both = money.lock_all(("Li", &to))?;
    /// let [from, to] = both.split_mut();
    /// *from.get_or_insert(0) -= 5;
    /// *to.get_or_insert(0) += 5;
    /// drop(both);
    /// let all = ["Li", "Wang"].map(String::from).to_vec();
    /// assert_eq!(money.lock_all(&all)?.split(), [&Some(-5), &Some(5)]);
    /// # Ok::<(), LockError>(())
    /// ```
    #[inline]
    #[track_caller]
    pub fn lock_all<'t, S: Keys<K>>(&'t self, keys: S) -> Result<Locked<S::Set<'t, V>>, LockError> {
        lock_all(self.waitable(keys)?)
    }

    /// Acquires the locks of several keys, blocking no longer than the limit, which bounds the whole call.
    ///
    /// # Errors
    /// As [`lock_all`](LockTable::lock_all), and [`Stopped`](LockError::Stopped) if the limit ended the wait.
    #[inline]
    #[track_caller]
    pub fn lock_all_within<'t, 'l, S: Keys<K>>(
        &'t self,
        keys: S,
        limit: impl Into<Limit<'l>>,
    ) -> Result<Locked<S::Set<'t, V>>, LockError> {
        let limit = limit.into();
        lock_all_within(self.waitable(keys)?, limit)
    }

    /// Acquires the locks of several keys if all are free.
    ///
    /// # Errors
    /// [`Duplicate`](LockError::Duplicate), [`WouldBlock`](LockError::WouldBlock), [`Poisoned`](LockError::Poisoned).
    #[inline]
    #[track_caller]
    pub fn try_lock_all<'t, S: Keys<K>>(&'t self, keys: S) -> Result<Locked<S::Set<'t, V>>, LockError> {
        try_lock_all(keys.requests(Entering(self)))
    }

    /// The locks of keys, if this thread may wait for them.
    #[inline]
    #[track_caller]
    pub(crate) fn waitable<'t, S: Keys<K>>(&'t self, keys: S) -> Result<S::Set<'t, V>, LockError> {
        let set = keys.requests(Entering(self));
        let mut lowest = None;
        set.each(|lock| lowest = Some(lowest.map_or(lock.id, |lowest| lock.id.min(lowest))));
        lowest.map_or(Ok(()), may_wait_in_class)?;
        Ok(set)
    }

    /// Returns whether the lock of a key is poisoned: a thread panicked while it held it. The answer may be stale on return.
    #[track_caller]
    pub fn is_poisoned<Q>(&self, key: &Q) -> bool
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        self.request_if_there(key).is_some_and(|request| request.slot().keyed.raw().is_poisoned())
    }

    /// Clears the poison of a key's lock, with the value as the panic left it; see
    /// [`OrderedMutex::clear_poison`](crate::OrderedMutex::clear_poison).
    #[track_caller]
    pub fn clear_poison<Q>(&self, key: &Q)
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        self.request_if_there(key).iter().for_each(|request| request.slot().keyed.raw().clear_poison());
    }

    /// Recovers the value of a key with `recover` and clears the poison of its lock, as
    /// [`OrderedMutex::clear_poison_with`](crate::OrderedMutex::clear_poison_with) does.
    ///
    /// # Panics
    /// If `recover` panics.
    #[track_caller]
    pub fn clear_poison_with<Q, R>(&self, key: &Q, recover: impl FnOnce(&mut Option<V>) -> R) -> Option<R>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        let request = self.request_if_there(key)?;
        if !request.slot().keyed.raw().lock_poisoned() {
            return None;
        }
        // SAFETY: the lock was just acquired.
        Some(unsafe { Guard::new(request) }.recover(recover))
    }
}

/// A table whose locks are asked for.
struct Entering<'t, K, V>(&'t LockTable<K, V>);

impl<'t, K, V> Enter<'t, K, V> for Entering<'t, K, V> {
    #[inline]
    #[track_caller]
    fn enter<Q>(&self, key: &Q) -> TableRequest<'t, K, V>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ToOwned<Owned = K> + ?Sized,
    {
        self.0.request(key)
    }
}

impl<K, V> fmt::Debug for LockTable<K, V> {
    /// Shows the class, and how many keys there are.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LockTable").field("class", &self.class.name()).field("len", &self.len()).finish_non_exhaustive()
    }
}
