//! Iterators over the values of a set of one type.
//!
//! The types are marked with the references that they return: an iterator over the requests alone could be sent
//! wherever the locks may be shared, also where the values may not.

use std::iter::FusedIterator;
use std::marker::PhantomData;
use std::slice;

use super::set::Request;

/// Iterates over the values of a set, by shared reference.
pub struct Iter<'g, R: Request> {
    /// Invariant: the locks that these name are held for `'g`, and no value is lent exclusively.
    requests: slice::Iter<'g, R>,
    values: PhantomData<&'g R::Target>,
}

/// Iterates over the values of a set, by mutable reference where the set does not only read.
pub struct IterMut<'g, R: Request> {
    /// Invariant: the locks that these name are held for `'g` and are different, and no other reference to what they
    /// guard exists.
    requests: slice::Iter<'g, R>,
    values: PhantomData<R::Mut<'g>>,
}

impl<'g, R: Request> Iter<'g, R> {
    /// # Safety
    /// All locks are held for `'g`, and no value is lent exclusively.
    pub(super) unsafe fn new(requests: &'g [R]) -> Self {
        Iter { requests: requests.iter(), values: PhantomData }
    }
}

impl<'g, R: Request> IterMut<'g, R> {
    /// # Safety
    /// All locks are held for `'g` and different, and no value is lent elsewhere.
    pub(super) unsafe fn new(requests: &'g [R]) -> Self {
        IterMut { requests: requests.iter(), values: PhantomData }
    }
}

impl<'g, R: Request> Iterator for Iter<'g, R> {
    type Item = &'g R::Target;

    fn next(&mut self) -> Option<Self::Item> {
        // SAFETY: the invariant of `requests`.
        self.requests.next().map(|request| unsafe { request.shared() })
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.requests.size_hint()
    }
}

impl<'g, R: Request> Iterator for IterMut<'g, R> {
    type Item = R::Mut<'g>;

    fn next(&mut self) -> Option<Self::Item> {
        // SAFETY: the invariant of `requests`, and each is visited once.
        self.requests.next().map(|request| unsafe { request.lend() })
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.requests.size_hint()
    }
}

impl<R: Request> ExactSizeIterator for Iter<'_, R> {}
impl<R: Request> ExactSizeIterator for IterMut<'_, R> {}
impl<R: Request> FusedIterator for Iter<'_, R> {}
impl<R: Request> FusedIterator for IterMut<'_, R> {}
