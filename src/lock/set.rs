//! What [`lock_all`](crate::lock_all) accepts.
//!
//! A [`Request`] names one lock; a [`LockSet`] is a tuple, array, slice or vector of requests; a [`Uniform`] set has
//! requests of one type and can be indexed. All are sealed, so no foreign code runs while a set is being acquired.

use std::marker::PhantomData;

use super::LockId;
use super::raw::Raw;

mod sealed {
    pub trait Sealed {}
}
pub(crate) use sealed::Sealed;

/// A lock as [`lock_all`](crate::lock_all) sees it.
#[derive(Clone, Copy)]
pub struct Entry<'r> {
    pub(crate) id: LockId,
    pub(crate) raw: Raw<'r>,
}

/// One lock of a set.
///
/// # Safety
/// `entry` names, for as long as `self` lives, one and the same lock: the one that guards what `shared` and `exclusive`
/// give out.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a lock that a set can name",
    note = "a set names locks by `&OrderedMutex`, by `&Arc<OrderedMutex>` or the `Arc` itself, or by `as_read()` or `as_write()` of an `OrderedRwLock`; in an `Rc` or another pointer by `&*lock`"
)]
pub unsafe trait Request: Sealed {
    /// The type of the value behind the lock.
    type Target: ?Sized;
    /// What a guard shows beside the value.
    #[doc(hidden)]
    type Also: ?Sized;
    /// The reference to the value that the set's guard lends.
    type Mut<'g>
    where
        Self: 'g;

    #[doc(hidden)]
    fn entry(&self) -> Entry<'_>;

    /// # Safety
    /// The lock is held, and no exclusive reference to its value overlaps this one.
    #[doc(hidden)]
    unsafe fn shared(&self) -> &Self::Target;

    /// # Safety
    /// The lock is held, and no other reference to its value overlaps this one.
    #[doc(hidden)]
    unsafe fn lend<'g>(&'g self) -> Self::Mut<'g>;
}

/// A request whose value may be changed.
///
/// # Safety
/// As [`Request`].
pub unsafe trait Exclusive: Request {
    /// # Safety
    /// The lock is held, and no other reference to its value overlaps this one.
    #[doc(hidden)]
    #[allow(clippy::mut_from_ref, reason = "the lock makes it exclusive")]
    unsafe fn exclusive(&self) -> &mut Self::Target;
}

/// A request that borrows or shares its lock, so that it may be moved while that is held.
///
/// # Safety
/// `entry` names the same lock, at the same address, after the request was moved.
pub unsafe trait Handle: Request {}

/// A request whose guard may be made one of a part of the value.
///
/// # Safety
/// What `into_lock` returns is the request's lock, at the same address; it is there for `'a`, or as long as the owner that is returned
/// with it is.
pub unsafe trait Mappable<'a>: Handle {
    #[doc(hidden)]
    fn into_lock(self) -> (Entry<'a>, Option<Box<dyn Sealed + 'a>>);
}

/// A request to write, which a guard may make one to read while it holds the lock.
#[diagnostic::on_unimplemented(
    message = "a guard by `{Self}` cannot be downgraded",
    note = "only a guard that writes an `OrderedRwLock` can"
)]
pub trait Downgrade: Exclusive {
    /// The request to read the same lock.
    type Read: Request<Target = Self::Target>;

    #[doc(hidden)]
    fn into_read(self) -> Self::Read;
}

/// A request of a mutex: what the guard of a [`Condvar`](crate::Condvar)'s wait is of. Readers and writers of an `OrderedRwLock` do not
/// wait for conditions: a wait lets others at the value, which a mutex does in one way only.
#[diagnostic::on_unimplemented(
    message = "a condition variable waits with the guard of an `OrderedMutex`, and this guard is of `{Self}`",
    label = "this guard is not of an `OrderedMutex`",
    note = "a value that is read and written under an `OrderedRwLock` can have an `OrderedMutex` beside it for what its waiters wait for"
)]
pub trait MutexRequest: Exclusive {}

/// A set of locks that one call acquires, such as [`lock_all`](crate::lock_all).
///
/// A set is a tuple of one to eight requests, whose types may differ, or requests of one type: an array, a `Vec`, or a reference to
/// one of these or to a slice. Behind such a reference there may also be mutexes themselves: `lock_all(&mutexes)`. A request is
/// * a `&OrderedMutex<T>`, `&Arc<OrderedMutex<T>>` or `&Box<OrderedMutex<T>>`;
/// * a read-write lock [to read](crate::OrderedRwLock::as_read) or [to write](crate::OrderedRwLock::as_write);
/// * an `Arc<OrderedMutex<T>>`, or a read-write lock in an `Arc` [to read](crate::OrderedRwLock::as_read_arc) or
///   [to write](crate::OrderedRwLock::as_write_arc), which the set then owns;
/// * an [`AnyRequest`](crate::AnyRequest), which is any of these.
///
/// The trait is sealed.
///
/// # Examples
///
/// One limit for all sets, whatever their types:
///
/// ```
/// use raddle::{LockError, LockSet, Locked, OrderedMutex, OrderedRwLock, lock_all_within};
/// use std::time::Duration;
///
/// fn take<S: LockSet>(set: S) -> Result<Locked<S>, LockError> {
///     lock_all_within(set, Duration::from_secs(1))
/// }
///
/// let (rates, account) = (OrderedRwLock::new(1, vec![3, 5]), OrderedMutex::new(2, 100));
/// assert_eq!(take((&account, rates.as_read()))?.split(), (&100, &vec![3, 5]));
/// assert_eq!(take([&account])?[0], 100);
/// # Ok::<(), LockError>(())
/// ```
///
/// # Safety
/// `all` visits `set_len` locks, the same ones in the same order as long as `self` lives.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a set of locks",
    label = "not a tuple of one to eight locks, nor an array, a slice or a `Vec` of locks of one type",
    note = "a set names locks by `&OrderedMutex`, by `&Arc<OrderedMutex>` or the `Arc` itself, or by `as_read()` or `as_write()` of an `OrderedRwLock`; in an `Rc` or another pointer by `&*lock`",
    note = "one lock: `(&lock,)`; a `Vec` or an array of locks, of references or of `Arc`s: `&locks`; another collection: `locks.iter().collect::<Vec<_>>()`; more than eight: `[&a, &b, ..]`; reads and writes in one collection: `AnyRequest`"
)]
pub unsafe trait LockSet: Sealed {
    /// What [`Locked::split`](crate::Locked::split) returns: a tuple, array or `Vec` of `&T`.
    type Ref<'g>
    where
        Self: 'g;
    /// What [`Locked::split_mut`](crate::Locked::split_mut) returns: a tuple, array or `Vec` of `&mut T`.
    type Mut<'g>
    where
        Self: 'g;
    /// A type that is `Sync` only if every value is.
    #[doc(hidden)]
    type Targets;

    #[doc(hidden)]
    fn set_len(&self) -> usize;

    /// Visits the locks in the order in which they were named.
    #[doc(hidden)]
    #[inline]
    fn each<'e>(&'e self, mut visit: impl FnMut(Entry<'e>)) {
        self.all(|lock| {
            visit(lock);
            true
        });
    }

    /// The same up to the first for which it is false; whether there is none.
    #[doc(hidden)]
    fn all<'e>(&'e self, visit: impl FnMut(Entry<'e>) -> bool) -> bool;

    /// # Safety
    /// All locks of the set are held, and no exclusive reference to any of the values overlaps these.
    #[doc(hidden)]
    unsafe fn refs(&self) -> Self::Ref<'_>;

    /// # Safety
    /// All locks of the set are held, no two requests name the same, and no other reference to any of the values
    /// overlaps these.
    #[doc(hidden)]
    unsafe fn muts(&self) -> Self::Mut<'_>;
}

/// A set of requests of one type.
///
/// # Safety
/// `requests` are those of the [`LockSet`], in the same order.
pub unsafe trait Uniform: LockSet {
    /// The type of the requests.
    type Request: Request;

    #[doc(hidden)]
    fn requests(&self) -> &[Self::Request];
}

/// `Sync` only if `T` is.
pub struct Of<T: ?Sized>(PhantomData<*const T>);
// SAFETY: there is nothing in it.
unsafe impl<T: ?Sized + Sync> Sync for Of<T> {}

macro_rules! tuple {
    ($len:literal: $($request:ident $at:tt),+) => {
        impl<$($request: Handle),+> Sealed for ($($request,)+) {}

        // SAFETY: a tuple has as many requests as it has, each of which keeps its lock (`Request`'s and `Handle`'s contracts).
        #[diagnostic::do_not_recommend]
        unsafe impl<$($request: Handle),+> LockSet for ($($request,)+) {
            type Ref<'g> = ($(&'g $request::Target,)+) where Self: 'g;
            type Mut<'g> = ($($request::Mut<'g>,)+) where Self: 'g;
            type Targets = ($(Of<$request::Target>,)+);

            #[inline]
            fn set_len(&self) -> usize {
                $len
            }

            #[inline]
            fn all<'e>(&'e self, mut visit: impl FnMut(Entry<'e>) -> bool) -> bool {
                $(visit(self.$at.entry()))&&+
            }

            #[inline]
            unsafe fn refs(&self) -> Self::Ref<'_> {
                // SAFETY: passed on to the caller.
                unsafe { ($(self.$at.shared(),)+) }
            }

            #[inline]
            unsafe fn muts(&self) -> Self::Mut<'_> {
                // SAFETY: passed on to the caller.
                unsafe { ($(self.$at.lend(),)+) }
            }
        }
    };
}

tuple!(1: A 0);
tuple!(2: A 0, B 1);
tuple!(3: A 0, B 1, C 2);
tuple!(4: A 0, B 1, C 2, D 3);
tuple!(5: A 0, B 1, C 2, D 3, E 4);
tuple!(6: A 0, B 1, C 2, D 3, E 4, F 5);
tuple!(7: A 0, B 1, C 2, D 3, E 4, F 5, G 6);
tuple!(8: A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7);

macro_rules! sequence {
    ([$($generics:tt)*] $set:ty: $ref:ty, $mut:ty, $this:ident => $refs:expr, $muts:expr) => {
        impl<$($generics)*> Sealed for $set {}

        // SAFETY: while it is locked the set is owned by its guard or borrowed, so neither its length nor its requests change, and each
        // of those keeps its lock (`Request`'s contract), also if it is moved with the set (`Handle`'s contract).
        #[diagnostic::do_not_recommend]
        unsafe impl<$($generics)*> LockSet for $set {
            type Ref<'g> = $ref where Self: 'g;
            type Mut<'g> = $mut where Self: 'g;
            type Targets = Of<R::Target>;

            #[inline]
            fn set_len(&self) -> usize {
                self[..].len()
            }

            #[inline]
            fn all<'e>(&'e self, visit: impl FnMut(Entry<'e>) -> bool) -> bool {
                self[..].iter().map(Request::entry).all(visit)
            }

            #[inline]
            unsafe fn refs(&$this) -> Self::Ref<'_> {
                // SAFETY: passed on to the caller.
                unsafe { $refs }
            }

            #[inline]
            unsafe fn muts(&$this) -> Self::Mut<'_> {
                // SAFETY: passed on to the caller.
                unsafe { $muts }
            }
        }

        // SAFETY: the whole of the sequence, as it is.
        unsafe impl<$($generics)*> Uniform for $set {
            type Request = R;

            #[inline]
            fn requests(&self) -> &[R] {
                &self[..]
            }
        }
    };
}

sequence!([R: Handle, const N: usize] [R; N]: [&'g R::Target; N], [R::Mut<'g>; N], self =>
    self.each_ref().map(|request| request.shared()), self.each_ref().map(|request| request.lend()));
sequence!([R: Handle] Vec<R>: Vec<&'g R::Target>, Vec<R::Mut<'g>>, self =>
    self.iter().map(|request| request.shared()).collect(), self.iter().map(|request| request.lend()).collect());
sequence!(['s, R: Request, const N: usize] &'s [R; N]: [&'g R::Target; N], [R::Mut<'g>; N], self =>
    self.each_ref().map(|request| request.shared()), self.each_ref().map(|request| request.lend()));
sequence!(['s, R: Request] &'s Vec<R>: Vec<&'g R::Target>, Vec<R::Mut<'g>>, self =>
    self.iter().map(|request| request.shared()).collect(), self.iter().map(|request| request.lend()).collect());
sequence!(['s, R: Request] &'s [R]: Vec<&'g R::Target>, Vec<R::Mut<'g>>, self =>
    self.iter().map(|request| request.shared()).collect(), self.iter().map(|request| request.lend()).collect());
