//! Classes of locks, with names.

use std::hash::{Hash, Hasher};

use super::{LockId, OrderedMutex, OrderedRwLock};
use crate::sync::{name_class, next_numbers};

/// A class of locks: its place in the order of all classes, and a name for errors, `Debug` and [`waits`](crate::waits).
///
/// Locks of a lower class come before all locks of a higher one. Within a class their numbers decide; see
/// [when to write ids](LockId#when-to-write-ids-and-when-not).
///
/// A class is plain data: two with one number are the same class. Its name is known to the process from the first call of
/// [`mutex`](LockClass::mutex), [`rwlock`](LockClass::rwlock), [`register`](LockClass::register) or
/// [`LockTable::new`](crate::LockTable::new) on. Of two names for one class the one that was known first counts.
///
/// # Examples
///
/// ```
/// use raddle::{LockClass, LockError, OrderedMutex, lock_all};
///
/// static WARD: LockClass = LockClass::new(1, "ward");
/// static BED: LockClass = LockClass::new(2, "bed");
/// static EMERGENCY: OrderedMutex<u32> = OrderedMutex::with_id(WARD.id(7), 0); // a written id, the same in every run
///
/// let beds: Vec<_> = (0..3).map(|_| BED.mutex("free")).collect(); // fresh ids
/// let ward = EMERGENCY.lock()?; // wards before beds
/// let both = lock_all((&beds[2], &beds[0]))?; // several beds together
/// // One after the other is refused, whichever was made first.
/// let error = beds[1].lock().unwrap_err();
/// assert!(matches!(error, LockError::OutOfOrder { .. }));
/// assert!(error.to_string().starts_with("lock bed#"));
/// # drop((ward, both));
/// # Ok::<(), LockError>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct LockClass {
    class: u32,
    name: &'static str,
}

/// By number alone.
impl PartialEq for LockClass {
    fn eq(&self, other: &Self) -> bool {
        self.class == other.class
    }
}

impl Eq for LockClass {}

impl Hash for LockClass {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.class.hash(state);
    }
}

impl LockClass {
    /// Creates the class with this number and name.
    pub const fn new(class: u32, name: &'static str) -> Self {
        Self { class, name }
    }

    /// Returns the name.
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// Returns the id with this number in the class, as [`LockId::in_class`] does.
    pub const fn id(&self, number: u64) -> LockId {
        LockId::in_class(self.class, number)
    }

    /// Makes the name known, for locks in statics whose ids are written.
    pub fn register(&self) {
        name_class(self.class, self.name);
    }

    /// Creates a mutex with a fresh id of this class.
    pub fn mutex<T>(&self, value: T) -> OrderedMutex<T> {
        OrderedMutex::with_id(self.fresh(), value)
    }

    /// Creates a read-write lock with a fresh id of this class.
    pub fn rwlock<T>(&self, value: T) -> OrderedRwLock<T> {
        OrderedRwLock::with_id(self.fresh(), value)
    }

    fn fresh(&self) -> LockId {
        self.register();
        self.numbered(next_numbers(1).start)
    }

    /// The fresh id with this number, which is used for nothing else.
    pub(crate) fn numbered(&self, number: u64) -> LockId {
        LockId::fresh_in(self.class, number)
    }
}
