//! Requests for one lock: what a set is made of, and what a guard keeps.

use std::fmt;
use std::marker::PhantomData;
use std::mem;
use std::ptr::NonNull;
use std::sync::Arc;

use super::raw::Raw;
use super::set::{Downgrade, Entry, Exclusive, Handle, Mappable, MutexRequest, Request, Sealed};
use super::{OrderedMutex, OrderedRwLock};

/// Requests a lock to read in a set for [`lock_all`](crate::lock_all); [`OrderedRwLock::as_read`] creates it.
///
/// A set that reads lends a shared reference to the value:
///
/// ```compile_fail,E0594
/// let lock = raddle::OrderedRwLock::new(1, 0);
/// let mut locked = raddle::lock_all((lock.as_read(),)).unwrap();
/// let (value,) = locked.split_mut();
/// *value += 1;
/// ```
///
/// ```
/// let lock = raddle::OrderedRwLock::new(1, 0);
/// let mut locked = raddle::lock_all((lock.as_write(),)).unwrap();
/// let (value,) = locked.split_mut();
/// *value += 1;
/// ```
pub struct ReadRequest<'a, T: ?Sized> {
    /// The address of an `OrderedRwLock<T>` that is borrowed for `'a`. Of this type it is covariant: who only reads may take a `T` for
    /// one that lives shorter.
    lock: NonNull<T>,
    /// What a panicking reader may leave half changed, by cells inside, is not poisoned: unwind safe only if `&T` is.
    lent: PhantomData<&'a T>,
}

// SAFETY: it is a `&OrderedRwLock<T>`.
unsafe impl<'a, T: ?Sized> Send for ReadRequest<'a, T> where &'a OrderedRwLock<T>: Send {}
// SAFETY: as above.
unsafe impl<'a, T: ?Sized> Sync for ReadRequest<'a, T> where &'a OrderedRwLock<T>: Sync {}

/// Requests a lock to write in a set for [`lock_all`](crate::lock_all); [`OrderedRwLock::as_write`] creates it.
/// [`ReadRequest`] has an example of both.
pub struct WriteRequest<'a, T: ?Sized>(&'a OrderedRwLock<T>);

/// Requests a lock to read, and shares the ownership of it; [`OrderedRwLock::as_read_arc`] creates it.
pub struct ReadArcRequest<T: ?Sized> {
    lock: Arc<OrderedRwLock<T>>,
    /// As for [`ReadRequest`].
    lent: PhantomData<Arc<T>>,
}

/// Requests a lock to write, and shares the ownership of it; [`OrderedRwLock::as_write_arc`] creates it.
pub struct WriteArcRequest<T: ?Sized>(Arc<OrderedRwLock<T>>);

impl<'a, T: ?Sized> ReadRequest<'a, T> {
    #[inline]
    pub(super) fn new(lock: &'a OrderedRwLock<T>) -> Self {
        let lock = (&raw const *lock) as *mut T;
        // SAFETY: the address of a reference.
        Self { lock: unsafe { NonNull::new_unchecked(lock) }, lent: PhantomData }
    }

    #[inline]
    fn lock(&self) -> &'a OrderedRwLock<T> {
        // SAFETY: that address, so it is borrowed for 'a (`lock`). The type may have been made one that lives shorter since, and this
        // reference only reads.
        unsafe { &*(self.lock.as_ptr() as *const OrderedRwLock<T>) }
    }
}

impl<'a, T: ?Sized> WriteRequest<'a, T> {
    #[inline]
    pub(super) fn new(lock: &'a OrderedRwLock<T>) -> Self {
        Self(lock)
    }

    #[inline]
    fn lock(&self) -> &OrderedRwLock<T> {
        self.0
    }
}

impl<T: ?Sized> ReadArcRequest<T> {
    #[inline]
    pub(super) fn new(lock: Arc<OrderedRwLock<T>>) -> Self {
        Self { lock, lent: PhantomData }
    }

    #[inline]
    fn lock(&self) -> &OrderedRwLock<T> {
        &self.lock
    }
}

impl<T: ?Sized> WriteArcRequest<T> {
    #[inline]
    pub(super) fn new(lock: Arc<OrderedRwLock<T>>) -> Self {
        Self(lock)
    }

    #[inline]
    fn lock(&self) -> &OrderedRwLock<T> {
        &self.0
    }
}

impl<T: ?Sized> Clone for ReadRequest<'_, T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T: ?Sized> Copy for ReadRequest<'_, T> {}

impl<T: ?Sized> Clone for WriteRequest<'_, T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T: ?Sized> Copy for WriteRequest<'_, T> {}

impl<T: ?Sized> Clone for ReadArcRequest<T> {
    fn clone(&self) -> Self {
        Self::new(Arc::clone(&self.lock))
    }
}

impl<T: ?Sized> Clone for WriteArcRequest<T> {
    fn clone(&self) -> Self {
        Self::new(Arc::clone(&self.0))
    }
}

/// A request whose lock this expression, of a request by reference, returns.
macro_rules! request {
    ([$($generics:tt)*] $request:ty, $raw:ident, $mut:ty, $lend:ident, $lock:expr) => {
        impl<$($generics)*> Sealed for $request {}

        // SAFETY: a lock's id, raw lock and value belong together from its construction on.
        unsafe impl<$($generics)*> Request for $request {
            type Target = T;
            type Also = ();
            type Mut<'g>
                = $mut
            where
                Self: 'g;

            #[inline]
            fn entry(&self) -> Entry<'_> {
                let lock = $lock(self);
                Entry { id: lock.id, raw: Raw::$raw(&lock.raw) }
            }

            #[inline]
            unsafe fn shared(&self) -> &T {
                // SAFETY: passed on to the caller.
                unsafe { $lock(self).value.shared() }
            }

            #[inline]
            unsafe fn lend<'g>(&'g self) -> $mut {
                // SAFETY: passed on to the caller.
                unsafe { $lock(self).value.$lend() }
            }
        }
    };
}

/// The same for one that may change the value.
macro_rules! exclusive {
    ([$($generics:tt)*] $request:ty, $raw:ident, $lock:expr) => {
        request!([$($generics)*] $request, $raw, &'g mut T, exclusive, $lock);

        // SAFETY: as above.
        unsafe impl<$($generics)*> Exclusive for $request {
            #[inline]
            unsafe fn exclusive(&self) -> &mut T {
                // SAFETY: passed on to the caller.
                unsafe { $lock(self).value.exclusive() }
            }
        }
    };
}

#[inline]
fn same<T: ?Sized>(lock: &OrderedMutex<T>) -> &OrderedMutex<T> {
    lock
}

macro_rules! handle {
    ($($request:ty),+) => {
        // SAFETY: it points to the lock, which is borrowed, or in the heap and shared, while this lives.
        $(unsafe impl<T: ?Sized> Handle for $request {})+
    };
}

handle!(&OrderedMutex<T>, Arc<OrderedMutex<T>>, &Arc<OrderedMutex<T>>, &Box<OrderedMutex<T>>);
handle!(ReadRequest<'_, T>, ReadArcRequest<T>, WriteRequest<'_, T>, WriteArcRequest<T>);

// SAFETY: it is borrowed for 'a.
unsafe impl<'a, T: ?Sized> Mappable<'a> for &'a OrderedMutex<T> {
    fn into_lock(self) -> (Entry<'a>, Option<Box<dyn Sealed + 'a>>) {
        (Entry { id: self.id, raw: Raw::Mutex(&self.raw) }, None)
    }
}

// SAFETY: as above.
unsafe impl<'a, T: ?Sized> Mappable<'a> for ReadRequest<'a, T> {
    fn into_lock(self) -> (Entry<'a>, Option<Box<dyn Sealed + 'a>>) {
        let lock = self.lock();
        (Entry { id: lock.id, raw: Raw::Read(&lock.raw) }, None)
    }
}

// SAFETY: as above.
unsafe impl<'a, T: ?Sized> Mappable<'a> for WriteRequest<'a, T> {
    fn into_lock(self) -> (Entry<'a>, Option<Box<dyn Sealed + 'a>>) {
        (Entry { id: self.0.id, raw: Raw::Write(&self.0.raw) }, None)
    }
}

/// The lock of a request that keeps it there, and the request.
pub(crate) fn owned_lock<'a, R: Handle + 'a>(request: R) -> (Entry<'a>, Option<Box<dyn Sealed + 'a>>) {
    let owner = Box::new(request);
    let lock = owner.entry();
    // SAFETY: the lock stays where it is while the request lives, wherever that is moved (`Handle`'s contract).
    let lock = unsafe { mem::transmute::<Entry<'_>, Entry<'a>>(lock) };
    (lock, Some(owner))
}

macro_rules! owned {
    ($($request:ty),+) => {
        $(
            // SAFETY: the owner is the request.
            unsafe impl<'a, T: ?Sized + 'a> Mappable<'a> for $request {
                fn into_lock(self) -> (Entry<'a>, Option<Box<dyn Sealed + 'a>>) {
                    owned_lock(self)
                }
            }
        )+
    };
}

owned!(Arc<OrderedMutex<T>>, ReadArcRequest<T>, WriteArcRequest<T>);

// By itself it is no handle, so it stands in sets only that are borrowed.
exclusive!([T] OrderedMutex<T>, Mutex, same);
exclusive!([T: ?Sized] &OrderedMutex<T>, Mutex, same);
exclusive!([T: ?Sized] Arc<OrderedMutex<T>>, Mutex, same);
exclusive!([T: ?Sized] &Arc<OrderedMutex<T>>, Mutex, same);
exclusive!([T: ?Sized] &Box<OrderedMutex<T>>, Mutex, same);

impl<T: ?Sized> MutexRequest for &OrderedMutex<T> {}
impl<T: ?Sized> MutexRequest for Arc<OrderedMutex<T>> {}

request!([T: ?Sized] ReadRequest<'_, T>, Read, &'g T, shared, ReadRequest::lock);
request!([T: ?Sized] ReadArcRequest<T>, Read, &'g T, shared, ReadArcRequest::lock);
exclusive!([T: ?Sized] WriteRequest<'_, T>, Write, WriteRequest::lock);
exclusive!([T: ?Sized] WriteArcRequest<T>, Write, WriteArcRequest::lock);

impl<'a, T: ?Sized> Downgrade for WriteRequest<'a, T> {
    type Read = ReadRequest<'a, T>;

    fn into_read(self) -> ReadRequest<'a, T> {
        ReadRequest::new(self.0)
    }
}

impl<T: ?Sized> Downgrade for WriteArcRequest<T> {
    type Read = ReadArcRequest<T>;

    fn into_read(self) -> ReadArcRequest<T> {
        ReadArcRequest::new(self.0)
    }
}

macro_rules! debug {
    ($($request:ty, $name:literal);+) => {
        $(impl<T: ?Sized> fmt::Debug for $request {
            /// Shows the id of the lock.
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_tuple($name).field(&self.lock().id).finish()
            }
        })+
    };
}

debug!(ReadRequest<'_, T>, "ReadRequest"; WriteRequest<'_, T>, "WriteRequest";
    ReadArcRequest<T>, "ReadArcRequest"; WriteArcRequest<T>, "WriteArcRequest");
