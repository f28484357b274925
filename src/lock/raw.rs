//! A raw lock and the way in which it is wanted.

use crate::wait::{RawMutex, RawRwLock, Refused, Timer};

#[derive(Clone, Copy)]
pub(super) enum Raw<'r> {
    Mutex(&'r RawMutex),
    Read(&'r RawRwLock),
    Write(&'r RawRwLock),
}

impl Raw<'_> {
    #[inline]
    pub(super) fn lock(self, timer: &mut Timer<'_>) -> Result<(), Refused> {
        match self {
            Raw::Mutex(raw) => raw.lock(timer),
            Raw::Read(raw) => raw.read(timer),
            Raw::Write(raw) => raw.write(timer),
        }
    }

    #[inline]
    pub(super) fn try_lock(self) -> Result<(), Refused> {
        match self {
            Raw::Mutex(raw) => raw.try_lock(),
            Raw::Read(raw) => raw.try_read(),
            Raw::Write(raw) => raw.try_write(),
        }
    }

    /// Lets go of the lock, which the caller holds in this way.
    #[inline]
    pub(super) fn unlock(self) {
        match self {
            Raw::Mutex(raw) => raw.unlock(),
            Raw::Read(raw) => raw.unlock_read(),
            Raw::Write(raw) => raw.unlock_write(),
        }
    }

    /// Lets go of the lock, which the caller holds in this way, and poisons it if the value may be half changed.
    #[cold]
    pub(super) fn poison(self) {
        match self {
            Raw::Mutex(raw) => raw.poison(),
            Raw::Read(raw) => raw.unlock_read(),
            Raw::Write(raw) => raw.poison(),
        }
    }
}
