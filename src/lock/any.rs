//! Requests of all kinds as one type.

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use super::OrderedMutex;
use super::request::{ReadArcRequest, ReadRequest, WriteArcRequest, WriteRequest};
use super::set::{Entry, Handle, Request, Sealed};

/// Requests any lock in any way, for sets that mix mutexes, reads and writes as it turns out at run time.
///
/// It is made [`From`] every other request. What a set of these lends is an [`AnyMut`].
///
/// # Examples
///
/// ```
/// use raddle::{AnyRequest, LockError, OrderedMutex, OrderedRwLock, lock_all};
///
/// fn audit(total: &OrderedMutex<i64>, accounts: &[(OrderedRwLock<i64>, bool)]) -> Result<(), LockError> {
///     let mut set = vec![AnyRequest::from(total)];
///     for (account, correct) in accounts {
///         set.push(if *correct { account.as_write().into() } else { account.as_read().into() });
///     }
///     let mut locked = lock_all(set)?;
///     for mut balance in &mut locked {
///         if let Some(balance) = balance.get_mut() {
///             *balance += 1;
///         }
///     }
///     let sum = locked.iter().skip(1).sum();
///     *locked.get_mut(0).unwrap().get_mut().unwrap() = sum;
///     Ok(())
/// }
///
/// let total = OrderedMutex::new(9, 0);
/// audit(&total, &[(OrderedRwLock::new(1, 5), true), (OrderedRwLock::new(2, 6), false)])?;
/// assert_eq!(*total.lock()?, 12);
/// # Ok::<(), LockError>(())
/// ```
pub struct AnyRequest<'a, T: ?Sized>(Kind<'a, T>);

enum Kind<'a, T: ?Sized> {
    Mutex(&'a OrderedMutex<T>),
    MutexArc(Arc<OrderedMutex<T>>),
    Read(ReadRequest<'a, T>),
    ReadArc(ReadArcRequest<T>),
    Write(WriteRequest<'a, T>),
    WriteArc(WriteArcRequest<T>),
}

use Kind::{Mutex, MutexArc, Read, ReadArc, Write, WriteArc};

/// A reference to the value of a lock that an [`AnyRequest`] named: exclusive unless the lock was only to be read.
#[derive(Debug)]
pub enum AnyMut<'g, T: ?Sized> {
    /// The lock is held to read.
    Shared(&'g T),
    /// The lock is held to write, or is a mutex.
    Exclusive(&'g mut T),
}

impl<T: ?Sized> AnyMut<'_, T> {
    /// Returns a mutable reference to the value, or `None` if the lock is only held to read.
    pub fn get_mut(&mut self) -> Option<&mut T> {
        match self {
            AnyMut::Shared(_) => None,
            AnyMut::Exclusive(value) => Some(value),
        }
    }
}

impl<T: ?Sized> Deref for AnyMut<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        match self {
            AnyMut::Shared(value) => value,
            AnyMut::Exclusive(value) => value,
        }
    }
}

macro_rules! from {
    ($request:ty, $kind:ident) => {
        impl<'a, T: ?Sized> From<$request> for AnyRequest<'a, T> {
            fn from(request: $request) -> Self {
                Self($kind(request))
            }
        }
    };
}

from!(&'a OrderedMutex<T>, Mutex);
from!(&'a Arc<OrderedMutex<T>>, Mutex);
from!(&'a Box<OrderedMutex<T>>, Mutex);
from!(Arc<OrderedMutex<T>>, MutexArc);
from!(ReadRequest<'a, T>, Read);
from!(ReadArcRequest<T>, ReadArc);
from!(WriteRequest<'a, T>, Write);
from!(WriteArcRequest<T>, WriteArc);

macro_rules! each {
    ($any:expr, $request:ident => $do:expr) => {
        match &$any.0 {
            Mutex($request) => $do,
            MutexArc($request) => $do,
            Read($request) => $do,
            ReadArc($request) => $do,
            Write($request) => $do,
            WriteArc($request) => $do,
        }
    };
}

impl<T: ?Sized> Sealed for AnyRequest<'_, T> {}

// SAFETY: each kind's own is (`Request`'s contract), and the kind stays what it is.
unsafe impl<T: ?Sized> Request for AnyRequest<'_, T> {
    type Target = T;
    type Also = ();
    type Mut<'g>
        = AnyMut<'g, T>
    where
        Self: 'g;

    #[inline]
    fn entry(&self) -> Entry<'_> {
        each!(self, request => request.entry())
    }

    #[inline]
    unsafe fn shared(&self) -> &T {
        // SAFETY: passed on to the caller.
        unsafe { each!(self, request => request.shared()) }
    }

    #[inline]
    unsafe fn lend<'g>(&'g self) -> AnyMut<'g, T> {
        // SAFETY: passed on to the caller.
        unsafe {
            match &self.0 {
                Read(request) => AnyMut::Shared(request.lend()),
                ReadArc(request) => AnyMut::Shared(request.lend()),
                Mutex(request) => AnyMut::Exclusive(request.lend()),
                MutexArc(request) => AnyMut::Exclusive(request.lend()),
                Write(request) => AnyMut::Exclusive(request.lend()),
                WriteArc(request) => AnyMut::Exclusive(request.lend()),
            }
        }
    }
}

// SAFETY: each kind's is.
unsafe impl<T: ?Sized> Handle for AnyRequest<'_, T> {}

impl<T: ?Sized> Clone for AnyRequest<'_, T> {
    fn clone(&self) -> Self {
        Self(match &self.0 {
            Mutex(request) => Mutex(request),
            MutexArc(request) => MutexArc(request.clone()),
            Read(request) => Read(*request),
            ReadArc(request) => ReadArc(request.clone()),
            Write(request) => Write(*request),
            WriteArc(request) => WriteArc(request.clone()),
        })
    }
}

impl<T: ?Sized> fmt::Debug for AnyRequest<'_, T> {
    /// Shows the id of the lock.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("AnyRequest").field(&self.entry().id).finish()
    }
}
