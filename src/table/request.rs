//! The lock of a key in use, and its guard.

use std::fmt;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::ptr::NonNull;

use super::shard::{Shard, Slot};
use crate::lock::{Entry, Exclusive, Guard, Handle, Mappable, MutexRequest, Raw, Request, Sealed, owned_lock};
use crate::sync::cleanup;

/// Requests the lock of a key of a [`LockTable`](crate::LockTable); what its calls for sets are made of.
pub struct TableRequest<'t, K, V> {
    shard: &'t Shard<K, V>,
    /// A slot of the shard, of which this is a user.
    slot: NonNull<Slot<K, V>>,
}

/// Gives access to the value of a key, and releases its lock when dropped; [`LockTable::lock`](crate::LockTable::lock) creates it. See
/// [`Guard`].
///
/// The value is an `Option`: while it is `None` and nobody holds the lock or waits for it, the table does not keep the key.
///
/// A guard does not outlive its table, and stays on its thread:
///
/// ```compile_fail,E0505
/// # use raddle::{LockClass, LockTable};
/// static BED: LockClass = LockClass::new(1, "bed");
/// let beds: LockTable<u64> = LockTable::new(&BED);
/// let guard = beds.lock(&1).unwrap();
/// drop(beds);
/// drop(guard);
/// ```
pub type TableGuard<'t, K, V = ()> = Guard<TableRequest<'t, K, V>>;

// SAFETY: a shared request shows nothing but its id; what it stands for the guards of locks know.
unsafe impl<K: Sync, V: Send> Sync for TableRequest<'_, K, V> {}

// As of a mutex: a panic poisons the lock.
impl<K, V> UnwindSafe for TableRequest<'_, K, V> {}
impl<K, V> RefUnwindSafe for TableRequest<'_, K, V> {}

impl<'t, K, V> TableRequest<'t, K, V> {
    /// # Safety
    /// The slot is of the shard, and the request takes over one of its users.
    pub(super) unsafe fn new(shard: &'t Shard<K, V>, slot: NonNull<Slot<K, V>>) -> Self {
        Self { shard, slot }
    }

    pub(super) fn slot(&self) -> &Slot<K, V> {
        // SAFETY: it stays while it has users (`slot`).
        unsafe { self.slot.as_ref() }
    }
}

impl<K, V> Drop for TableRequest<'_, K, V> {
    #[inline]
    fn drop(&mut self) {
        // SAFETY: this is a user of the slot, and ends here.
        cleanup(|| unsafe { self.shard.leave(self.slot) });
    }
}

impl<K, V> Sealed for TableRequest<'_, K, V> {}

// SAFETY: the slot stays while this is its user, and a slot's id, lock and value belong together.
unsafe impl<K, V> Request for TableRequest<'_, K, V> {
    type Target = Option<V>;
    type Also = K;
    type Mut<'g>
        = &'g mut Option<V>
    where
        Self: 'g;

    #[inline]
    fn entry(&self) -> Entry<'_> {
        let slot = self.slot();
        Entry { id: slot.id, raw: Raw::Keyed(&slot.keyed) }
    }

    #[inline]
    unsafe fn shared(&self) -> &Option<V> {
        // SAFETY: passed on to the caller.
        unsafe { self.slot().value.shared() }
    }

    #[inline]
    unsafe fn lend(&self) -> &mut Option<V> {
        // SAFETY: passed on to the caller.
        unsafe { self.slot().value.exclusive() }
    }
}

// SAFETY: as above.
unsafe impl<K, V> Exclusive for TableRequest<'_, K, V> {
    #[inline]
    unsafe fn exclusive(&self) -> &mut Option<V> {
        // SAFETY: passed on to the caller.
        unsafe { self.slot().value.exclusive() }
    }
}

// SAFETY: the slot is in the heap.
unsafe impl<K, V> Handle for TableRequest<'_, K, V> {}

// SAFETY: the owner is the request.
unsafe impl<'a, K: 'a, V: 'a> Mappable<'a> for TableRequest<'a, K, V> {
    fn into_lock(self) -> (Entry<'a>, Option<Box<dyn Sealed + 'a>>) {
        owned_lock(self)
    }
}

impl<K, V> MutexRequest for TableRequest<'_, K, V> {}

impl<'t, K, V> Guard<TableRequest<'t, K, V>> {
    /// Returns the key whose lock this is.
    pub fn key(guard: &Self) -> &K {
        &Self::request(guard).slot().key
    }
}

impl<K, V> fmt::Debug for TableRequest<'_, K, V> {
    /// Shows the id of the lock.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("TableRequest").field(&self.slot().id).finish()
    }
}
