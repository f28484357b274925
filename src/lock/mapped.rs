//! Guards of a part of a value.

use std::fmt;
use std::marker::PhantomData;
use std::ops::{Deref, DerefMut};
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::ptr::NonNull;

use super::Guard;
use super::set::{Exclusive, Request};

/// Gives access to a part of the value of one lock, and releases the lock when dropped; [`Guard::map`] creates it.
///
/// It is the guard that it was made of, to which nothing but the part is accessible any more. So a
/// [`Condvar`](crate::Condvar), which would release the lock for a while, does not take it.
#[must_use = "if the guard is not kept, the lock is released at once"]
pub struct MappedGuard<R: Exclusive, U: ?Sized> {
    /// A part of the value behind the lock, to which nothing else refers as long as `guard` lives, which is not asked for the value again.
    part: NonNull<U>,
    guard: Guard<R>,
    /// Invariant, as what may be changed is.
    lent: PhantomData<*mut U>,
}

/// Gives shared access to a part of the value of one lock, and releases the lock when dropped; [`Guard::map_ref`] creates it.
#[must_use = "if the guard is not kept, the lock is released at once"]
pub struct MappedRefGuard<R: Request, U: ?Sized> {
    /// A part of the value behind the lock, to which there are shared references only as long as `guard` lives, which is not asked for
    /// the value again.
    part: NonNull<U>,
    guard: Guard<R>,
}

// A panic that drops it poisons the lock, so no thread sees a broken value unawares.
impl<R: Exclusive, U: ?Sized> UnwindSafe for MappedGuard<R, U> {}
impl<R: Exclusive, U: ?Sized> RefUnwindSafe for MappedGuard<R, U> {}

// SAFETY: a shared guard gives out `&U` only.
unsafe impl<R: Exclusive, U: ?Sized + Sync> Sync for MappedGuard<R, U> {}
// SAFETY: as above.
unsafe impl<R: Request, U: ?Sized + Sync> Sync for MappedRefGuard<R, U> {}

impl<R: Request> Guard<R> {
    /// Makes a guard that gives access to a part of the value only. It holds the lock as the guard did: a panic poisons it.
    ///
    /// # Panics
    /// If `part` panics, which drops the guard and so poisons the lock.
    ///
    /// # Examples
    ///
    /// ```
    /// use raddle::{Guard, LockError, MappedGuard, OrderedMutex};
    /// use std::ops::DerefMut;
    ///
    /// struct Ward {
    ///     name: &'static str,
    ///     beds: u32,
    /// }
    ///
    /// fn beds(ward: &OrderedMutex<Ward>) -> Result<impl DerefMut<Target = u32> + '_, LockError> {
    ///     Ok(Guard::map(ward.lock()?, |ward| &mut ward.beds))
    /// }
    ///
    /// let ward = OrderedMutex::from(Ward { name: "surgery", beds: 40 });
    /// *beds(&ward)? -= 1;
    /// let ward = ward.into_inner();
    /// assert_eq!((ward.name, ward.beds), ("surgery", 39));
    /// # Ok::<(), LockError>(())
    /// ```
    pub fn map<U: ?Sized>(mut guard: Self, part: impl FnOnce(&mut R::Target) -> &mut U) -> MappedGuard<R, U>
    where
        R: Exclusive,
    {
        let part = NonNull::from(part(&mut guard));
        MappedGuard { part, guard, lent: PhantomData }
    }

    /// The same for a guard that only reads.
    ///
    /// # Panics
    /// If `part` panics.
    ///
    /// # Examples
    ///
    /// ```
    /// use raddle::{Guard, OrderedRwLock};
    ///
    /// let rates = OrderedRwLock::from(vec![3, 5]);
    /// let last = Guard::map_ref(rates.read()?, |rates| &rates[1]);
    /// assert_eq!(*last, 5);
    /// # Ok::<(), raddle::LockError>(())
    /// ```
    pub fn map_ref<U: ?Sized>(guard: Self, part: impl FnOnce(&R::Target) -> &U) -> MappedRefGuard<R, U> {
        let part = NonNull::from(part(&guard));
        MappedRefGuard { part, guard }
    }
}

impl<R: Exclusive, U: ?Sized> MappedGuard<R, U> {
    /// Makes a guard of a part of the part.
    ///
    /// # Panics
    /// If `part` panics, which poisons the lock.
    pub fn map<V: ?Sized>(mut guard: Self, part: impl FnOnce(&mut U) -> &mut V) -> MappedGuard<R, V> {
        let part = NonNull::from(part(&mut guard));
        MappedGuard { part, guard: guard.guard, lent: PhantomData }
    }
}

impl<R: Request, U: ?Sized> MappedRefGuard<R, U> {
    /// Makes a guard of a part of the part.
    ///
    /// # Panics
    /// If `part` panics.
    pub fn map_ref<V: ?Sized>(guard: Self, part: impl FnOnce(&U) -> &V) -> MappedRefGuard<R, V> {
        let part = NonNull::from(part(&guard));
        MappedRefGuard { part, guard: guard.guard }
    }
}

impl<R: Exclusive, U: ?Sized> Deref for MappedGuard<R, U> {
    type Target = U;

    #[inline]
    fn deref(&self) -> &U {
        // SAFETY: `part`, and `&self` keeps `deref_mut` out.
        unsafe { self.part.as_ref() }
    }
}

impl<R: Exclusive, U: ?Sized> DerefMut for MappedGuard<R, U> {
    #[inline]
    fn deref_mut(&mut self) -> &mut U {
        // SAFETY: `part`, and `&mut self` keeps every other access out.
        unsafe { self.part.as_mut() }
    }
}

impl<R: Request, U: ?Sized> Deref for MappedRefGuard<R, U> {
    type Target = U;

    #[inline]
    fn deref(&self) -> &U {
        // SAFETY: `part`.
        unsafe { self.part.as_ref() }
    }
}

macro_rules! show {
    ($guard:ident, $request:ident) => {
        impl<R: $request, U: ?Sized + fmt::Debug> fmt::Debug for $guard<R, U> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                (**self).fmt(f)
            }
        }

        impl<R: $request, U: ?Sized + fmt::Display> fmt::Display for $guard<R, U> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                (**self).fmt(f)
            }
        }
    };
}

show!(MappedGuard, Exclusive);
show!(MappedRefGuard, Request);
