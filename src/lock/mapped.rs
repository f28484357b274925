//! Guards of a part of a value.

use std::fmt;
use std::marker::PhantomData;
use std::ops::{Deref, DerefMut};
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::ptr::NonNull;

use super::Guard;
use super::set::{Entry, Exclusive, Mappable, Request, Sealed};
use crate::sync::{PanicWatch, cleanup};

/// Gives access to a part of the value of one lock, and releases the lock when dropped; [`Guard::map`] creates it.
///
/// It holds the lock as the guard did of which it was made: a panic that drops it poisons the lock. Its type does not say what the whole
/// value is. A [`Condvar`](crate::Condvar), which would release the lock for a while, does not take it.
///
/// It does not outlive what the part's type borrows, as the part may be borrowed for as long:
///
/// ```compile_fail,E0597
/// use raddle::{Guard, MappedGuard, OrderedMutex};
///
/// fn other<'l, 'c>(guard: MappedGuard<'l, &'c ()>, part: &'c mut Vec<u8>) -> MappedGuard<'l, Vec<u8>> {
///     MappedGuard::map(guard, move |_: &mut &'c ()| part)
/// }
///
/// let lock = OrderedMutex::from(0);
/// let out;
/// {
///     let mut local = vec![1];
///     let guard = Guard::map(lock.lock().unwrap(), |_| Box::leak(Box::new(&())));
///     out = other(guard, &mut local);
/// }
/// drop(out);
/// ```
///
/// ```compile_fail
/// use raddle::{Guard, MappedRefGuard, OrderedMutexGuard};
///
/// // A function of a reference that lives long passes for one of a reference that lives short, and the other way round.
/// fn other<'l, 'd>(guard: OrderedMutexGuard<'l, u8>, part: &'d fn(&'d u8)) -> MappedRefGuard<'l, fn(&'static u8)> {
///     let guard: MappedRefGuard<'_, fn(&'d u8)> = Guard::map_ref(guard, |_| part);
///     guard // lifetime may not live long enough
/// }
/// ```
#[must_use = "if the guard is not kept, the lock is released at once"]
pub struct MappedGuard<'a, U: ?Sized + 'a> {
    /// A part of the value behind the lock, to which nothing else refers as long as that is held.
    part: NonNull<U>,
    lock: HeldLock<'a>,
    /// Invariant in `U`, as what may be changed is. And `U` outlives `'a`: a part may be borrowed for as long as `U` lives, not for longer.
    lent: PhantomData<&'a mut U>,
}

/// Gives shared access to a part of the value of one lock, and releases the lock when dropped; [`Guard::map_ref`] creates it.
#[must_use = "if the guard is not kept, the lock is released at once"]
pub struct MappedRefGuard<'a, U: ?Sized + 'a> {
    /// A part of the value behind the lock, to which there are shared references only as long as that is held.
    part: NonNull<U>,
    lock: HeldLock<'a>,
    /// `U` outlives `'a`, as above. Unwind safe only if `&U` is: a panic may poison nothing.
    lent: PhantomData<&'a U>,
}

/// A lock that the thread holds as long as this lives, whatever it guards.
struct HeldLock<'a> {
    lock: Entry<'a>,
    watch: PanicWatch,
    /// Dropped after the lock was released. What owns the lock, unless that is borrowed for `'a`.
    _owner: Option<Box<dyn Sealed + 'a>>,
    /// Not Send: `held` is the thread's own.
    thread: PhantomData<*const ()>,
}

impl<'a> HeldLock<'a> {
    fn of<R: Mappable<'a>>(guard: Guard<R>) -> Self {
        let (request, watch) = Guard::into_parts(guard);
        let (lock, owner) = request.into_lock();
        HeldLock { lock, watch, _owner: owner, thread: PhantomData }
    }
}

impl Drop for HeldLock<'_> {
    fn drop(&mut self) {
        cleanup(|| self.lock.release(&self.watch));
    }
}

// SAFETY: a shared guard gives out `&U` only.
unsafe impl<U: ?Sized + Sync> Sync for MappedGuard<'_, U> {}
// SAFETY: as above.
unsafe impl<U: ?Sized + Sync> Sync for MappedRefGuard<'_, U> {}
// A panic that drops it poisons the lock, so no thread sees a broken value unawares.
impl<U: ?Sized> UnwindSafe for MappedGuard<'_, U> {}
impl<U: ?Sized> RefUnwindSafe for MappedGuard<'_, U> {}
impl<U: ?Sized + RefUnwindSafe> UnwindSafe for MappedRefGuard<'_, U> {}
impl<U: ?Sized + RefUnwindSafe> RefUnwindSafe for MappedRefGuard<'_, U> {}

impl<R: Request> Guard<R> {
    /// Makes a guard that gives access to a part of the value only. It holds the lock as the guard did: a panic poisons it.
    ///
    /// Of a guard that owns its lock, such as [`OrderedMutexArcGuard`](crate::OrderedMutexArcGuard), it takes a heap block.
    ///
    /// # Panics
    /// If `part` panics, which drops the guard and so poisons the lock.
    ///
    /// # Examples
    ///
    /// ```
    /// use raddle::{Guard, LockError, MappedGuard, OrderedMutex};
    ///
    /// struct Ward {
    ///     name: &'static str,
    ///     beds: u32,
    /// }
    ///
    /// fn beds(ward: &OrderedMutex<Ward>) -> Result<MappedGuard<'_, u32>, LockError> {
    ///     Ok(Guard::map(ward.lock()?, |ward| &mut ward.beds))
    /// }
    ///
    /// let ward = OrderedMutex::from(Ward { name: "surgery", beds: 40 });
    /// *beds(&ward)? -= 1;
    /// let ward = ward.into_inner();
    /// assert_eq!((ward.name, ward.beds), ("surgery", 39));
    /// # Ok::<(), LockError>(())
    /// ```
    pub fn map<'a, U: ?Sized + 'a>(mut guard: Self, part: impl FnOnce(&mut R::Target) -> &mut U) -> MappedGuard<'a, U>
    where
        R: Exclusive + Mappable<'a>,
    {
        let part = NonNull::from(part(&mut guard));
        MappedGuard { part, lock: HeldLock::of(guard), lent: PhantomData }
    }

    /// The same if there is such a part.
    ///
    /// # Errors
    /// The guard, if `part` returns `None`.
    ///
    /// # Panics
    /// As [`map`](Guard::map).
    ///
    /// # Examples
    ///
    /// ```
    /// use raddle::{Guard, OrderedMutex};
    ///
    /// let beds = OrderedMutex::from(vec![1, 2]);
    /// match Guard::try_map(beds.lock()?, |beds| beds.get_mut(7)) {
    ///     Ok(mut bed) => *bed = 5,
    ///     Err(mut beds) => beds.resize(8, 0),
    /// }
    /// assert_eq!(beds.lock()?.len(), 8);
    /// # Ok::<(), raddle::LockError>(())
    /// ```
    pub fn try_map<'a, U: ?Sized + 'a>(
        mut guard: Self,
        part: impl FnOnce(&mut R::Target) -> Option<&mut U>,
    ) -> Result<MappedGuard<'a, U>, Self>
    where
        R: Exclusive + Mappable<'a>,
    {
        let Some(part) = part(&mut guard).map(NonNull::from) else { return Err(guard) };
        Ok(MappedGuard { part, lock: HeldLock::of(guard), lent: PhantomData })
    }

    /// Makes a guard that gives shared access to a part of the value only; also of one that reads.
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
    pub fn map_ref<'a, U: ?Sized + 'a>(guard: Self, part: impl FnOnce(&R::Target) -> &U) -> MappedRefGuard<'a, U>
    where
        R: Mappable<'a>,
    {
        let part = NonNull::from(part(&guard));
        MappedRefGuard { part, lock: HeldLock::of(guard), lent: PhantomData }
    }

    /// The same if there is such a part.
    ///
    /// # Errors
    /// The guard, if `part` returns `None`.
    ///
    /// # Panics
    /// If `part` panics.
    pub fn try_map_ref<'a, U: ?Sized + 'a>(
        guard: Self,
        part: impl FnOnce(&R::Target) -> Option<&U>,
    ) -> Result<MappedRefGuard<'a, U>, Self>
    where
        R: Mappable<'a>,
    {
        let Some(part) = part(&guard).map(NonNull::from) else { return Err(guard) };
        Ok(MappedRefGuard { part, lock: HeldLock::of(guard), lent: PhantomData })
    }
}

impl<'a, U: ?Sized> MappedGuard<'a, U> {
    /// Makes a guard of a part of the part.
    ///
    /// # Panics
    /// If `part` panics, which poisons the lock.
    pub fn map<V: ?Sized>(mut guard: Self, part: impl FnOnce(&mut U) -> &mut V) -> MappedGuard<'a, V> {
        let part = NonNull::from(part(&mut guard));
        MappedGuard { part, lock: guard.lock, lent: PhantomData }
    }
}

impl<'a, U: ?Sized> MappedRefGuard<'a, U> {
    /// Makes a guard of a part of the part.
    ///
    /// # Panics
    /// If `part` panics.
    pub fn map_ref<V: ?Sized>(guard: Self, part: impl FnOnce(&U) -> &V) -> MappedRefGuard<'a, V> {
        let part = NonNull::from(part(&guard));
        MappedRefGuard { part, lock: guard.lock, lent: PhantomData }
    }
}

impl<U: ?Sized> Deref for MappedGuard<'_, U> {
    type Target = U;

    #[inline]
    fn deref(&self) -> &U {
        // SAFETY: `part`, and `&self` keeps `deref_mut` out.
        unsafe { self.part.as_ref() }
    }
}

impl<U: ?Sized> DerefMut for MappedGuard<'_, U> {
    #[inline]
    fn deref_mut(&mut self) -> &mut U {
        // SAFETY: `part`, and `&mut self` keeps every other access out.
        unsafe { self.part.as_mut() }
    }
}

impl<U: ?Sized> Deref for MappedRefGuard<'_, U> {
    type Target = U;

    #[inline]
    fn deref(&self) -> &U {
        // SAFETY: `part`.
        unsafe { self.part.as_ref() }
    }
}

macro_rules! show {
    ($($guard:ident),+) => {
        $(impl<U: ?Sized + fmt::Debug> fmt::Debug for $guard<'_, U> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                (**self).fmt(f)
            }
        }

        impl<U: ?Sized + fmt::Display> fmt::Display for $guard<'_, U> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                (**self).fmt(f)
            }
        })+
    };
}

show!(MappedGuard, MappedRefGuard);
