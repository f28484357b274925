//! A raw lock and the way in which it is wanted.

use std::panic::Location;
use std::ptr;

use super::{LockError, LockId, held};
use crate::record::{Call, What};
use crate::wait::{Limit, RawMutex, RawRwLock, Refused, Timer};

#[derive(Clone, Copy)]
pub(crate) enum Raw<'r> {
    Mutex(&'r RawMutex),
    Keyed(&'r Keyed),
    Read(&'r RawRwLock),
    Write(&'r RawRwLock),
}

/// The mutex of something that a key names.
pub(crate) struct Keyed {
    raw: RawMutex,
    show: Show,
}

/// Writes the key of the [`Keyed`] at this address.
///
/// # Safety
/// The `Keyed` at this address was made with this function, and lives.
pub(crate) type Show = unsafe fn(usize) -> String;

impl Keyed {
    /// Of which `show` writes the key.
    pub(crate) fn new(show: Show) -> Self {
        Self { raw: RawMutex::new(), show }
    }

    pub(crate) fn raw(&self) -> &RawMutex {
        &self.raw
    }

    /// The key, as its own code writes it, which must not change what the thread holds: whether it may wait was asked before.
    fn key(&self, place: &'static Location<'static>) -> String {
        let before = held::count();
        // SAFETY: this is it.
        let key = unsafe { (self.show)(ptr::from_ref(self).addr()) };
        assert_eq!(held::count(), before, "the Debug of a LockTable's key keeps a lock; the call is at {place}");
        key
    }
}

/// A state that a first try met.
#[derive(Clone, Copy)]
pub(super) struct Met(u64);

impl Raw<'_> {
    /// The [key](crate::record::Of) of what is held once the lock is acquired in this way.
    #[inline(always)]
    pub(super) fn key(self) -> usize {
        match self {
            Raw::Mutex(raw) => ptr::from_ref(raw).addr(),
            Raw::Keyed(keyed) => ptr::from_ref(&keyed.raw).addr(),
            Raw::Read(raw) => ptr::from_ref(raw).addr() + 1,
            Raw::Write(raw) => ptr::from_ref(raw).addr(),
        }
    }

    /// Acquires the lock if nobody holds it or waits for it: the first try of every way to acquire it.
    #[inline(always)]
    pub(super) fn try_fast(self) -> Result<(), Met> {
        match self {
            Raw::Mutex(raw) => raw.try_fast().map_err(|state| Met(state.into())),
            Raw::Keyed(keyed) => keyed.raw.try_fast().map_err(|state| Met(state.into())),
            Raw::Read(raw) => raw.try_read_fast().map_err(Met),
            Raw::Write(raw) => raw.try_write_fast().map_err(Met),
        }
    }

    /// A call that waits for the lock.
    pub(super) fn call(self, id: LockId, place: &'static Location<'static>) -> Call {
        let (what, key) = match self {
            Raw::Mutex(raw) => (What::Lock(id), ptr::from_ref(raw).addr()),
            Raw::Keyed(keyed) => (What::Key(id, keyed.key(place).into()), ptr::from_ref(&keyed.raw).addr()),
            Raw::Read(raw) => (What::Read(id), ptr::from_ref(raw).addr()),
            Raw::Write(raw) => (What::Write(id), ptr::from_ref(raw).addr()),
        };
        Call { what, key, place, panics: false }
    }

    /// Acquires the lock after the first try, which met this state, blocking no longer than the limit.
    #[cold]
    #[inline(never)]
    pub(super) fn lock_slow(
        self,
        met: Met,
        id: LockId,
        limit: &Limit<'_>,
        place: &'static Location<'static>,
    ) -> Result<(), LockError> {
        let (Met(state), timer) = (met, &mut Timer::new(limit, self.call(id, place)));
        let had = match self {
            Raw::Mutex(raw) => raw.lock_slow(state as u8, timer),
            Raw::Keyed(keyed) => keyed.raw.lock_slow(state as u8, timer),
            Raw::Read(raw) => raw.read_slow(state, timer),
            Raw::Write(raw) => raw.write_slow(state, timer),
        };
        had.map_err(|why| LockError::ended(id, why, timer))
    }

    pub(super) fn lock(self, timer: &mut Timer<'_>) -> Result<(), Refused> {
        match self {
            Raw::Mutex(raw) => raw.lock(timer),
            Raw::Keyed(keyed) => keyed.raw.lock(timer),
            Raw::Read(raw) => raw.read(timer),
            Raw::Write(raw) => raw.write(timer),
        }
    }

    #[inline]
    pub(super) fn try_lock(self) -> Result<(), Refused> {
        match self {
            Raw::Mutex(raw) => raw.try_lock(),
            Raw::Keyed(keyed) => keyed.raw.try_lock(),
            Raw::Read(raw) => raw.try_read(),
            Raw::Write(raw) => raw.try_write(),
        }
    }

    /// Lets go of the lock, which the caller holds in this way.
    #[inline]
    pub(super) fn unlock(self) {
        match self {
            Raw::Mutex(raw) => raw.unlock(),
            Raw::Keyed(keyed) => keyed.raw.unlock(),
            Raw::Read(raw) => raw.unlock_read(),
            Raw::Write(raw) => raw.unlock_write(),
        }
    }

    /// Makes the caller a reader of the lock, which it holds as the writer.
    #[inline]
    pub(super) fn downgrade(self) {
        match self {
            Raw::Write(raw) => raw.downgrade(),
            _ => unreachable!("only what writes is downgraded"),
        }
    }

    /// Lets go of the lock, which the caller holds in this way, and poisons it if the value may be half changed.
    #[cold]
    pub(super) fn poison(self) {
        match self {
            Raw::Mutex(raw) => raw.poison(),
            Raw::Keyed(keyed) => keyed.raw.poison(),
            Raw::Read(raw) => raw.unlock_read(),
            Raw::Write(raw) => raw.poison(),
        }
    }
}
