//! Keys that are locked together.

use std::borrow::Borrow;
use std::hash::Hash;

use super::request::TableRequest;
use crate::lock::LockSet;

/// Keys that a [`LockTable`](crate::LockTable) locks together: `[&Q; N]`, `Vec<&Q>`, `&[&Q]`, `&Vec<K>`, or a tuple of two to eight
/// references, which may be to different borrowed forms of the key.
///
/// The trait is sealed.
#[diagnostic::on_unimplemented(
    message = "`{Self}` are not keys of a table whose keys are `{K}`",
    note = "keys are named by reference: `[&from, &to]`, `(\"Li\", &name)`, a `Vec` or a slice of references, a reference to a `Vec` of keys"
)]
pub trait Keys<K>: sealed::Sealed {
    /// The set that a table makes of them: an array for an array or a tuple, otherwise a `Vec`.
    type Set<'t, V: 't>: LockSet
    where
        K: 't;

    #[doc(hidden)]
    fn requests<'t, V>(self, enter: impl Enter<'t, K, V>) -> Self::Set<'t, V>;
}

/// Makes a request of a key.
pub trait Enter<'t, K, V> {
    #[doc(hidden)]
    fn enter<Q>(&self, key: &Q) -> TableRequest<'t, K, V>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ToOwned<Owned = K> + ?Sized;
}

mod sealed {
    pub trait Sealed {}
}

impl<Q: ?Sized, const N: usize> sealed::Sealed for [&Q; N] {}

#[diagnostic::do_not_recommend]
impl<K, Q, const N: usize> Keys<K> for [&Q; N]
where
    K: Borrow<Q>,
    Q: Hash + Eq + ToOwned<Owned = K> + ?Sized,
{
    type Set<'t, V: 't>
        = [TableRequest<'t, K, V>; N]
    where
        K: 't;

    #[inline]
    #[track_caller]
    fn requests<'t, V>(self, enter: impl Enter<'t, K, V>) -> Self::Set<'t, V> {
        self.map(|key| enter.enter(key))
    }
}

macro_rules! sequence {
    ($keys:ty) => {
        impl<Q: ?Sized> sealed::Sealed for $keys {}

        #[diagnostic::do_not_recommend]
        impl<K, Q> Keys<K> for $keys
        where
            K: Borrow<Q>,
            Q: Hash + Eq + ToOwned<Owned = K> + ?Sized,
        {
            type Set<'t, V: 't>
                = Vec<TableRequest<'t, K, V>>
            where
                K: 't;

            #[inline]
            #[track_caller]
            fn requests<'t, V>(self, enter: impl Enter<'t, K, V>) -> Self::Set<'t, V> {
                self.iter().map(|&key| enter.enter(key)).collect()
            }
        }
    };
}

sequence!(Vec<&Q>);
sequence!(&[&Q]);

impl<K> sealed::Sealed for &Vec<K> {}

#[diagnostic::do_not_recommend]
impl<K: Hash + Eq + Clone> Keys<K> for &Vec<K> {
    type Set<'t, V: 't>
        = Vec<TableRequest<'t, K, V>>
    where
        K: 't;

    #[inline]
    #[track_caller]
    fn requests<'t, V>(self, enter: impl Enter<'t, K, V>) -> Self::Set<'t, V> {
        self.iter().map(|key| enter.enter(key)).collect()
    }
}

macro_rules! tuple {
    ($len:literal: $($q:ident $at:tt),+) => {
        impl<$($q: ?Sized),+> sealed::Sealed for ($(&$q,)+) {}

        #[diagnostic::do_not_recommend]
        impl<K, $($q),+> Keys<K> for ($(&$q,)+)
        where
            $(K: Borrow<$q>, $q: Hash + Eq + ToOwned<Owned = K> + ?Sized),+
        {
            type Set<'t, V: 't>
                = [TableRequest<'t, K, V>; $len]
            where
                K: 't;

            #[inline]
            #[track_caller]
            fn requests<'t, V>(self, enter: impl Enter<'t, K, V>) -> Self::Set<'t, V> {
                [$(enter.enter(self.$at)),+]
            }
        }
    };
}

tuple!(2: A 0, B 1);
tuple!(3: A 0, B 1, C 2);
tuple!(4: A 0, B 1, C 2, D 3);
tuple!(5: A 0, B 1, C 2, D 3, E 4);
tuple!(6: A 0, B 1, C 2, D 3, E 4, F 5);
tuple!(7: A 0, B 1, C 2, D 3, E 4, F 5, G 6);
tuple!(8: A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7);
