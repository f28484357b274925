//! The ids of locks.

use std::cmp::Ordering;
use std::fmt;

/// Identifies a lock, and is its place in the order of all locks.
///
/// An id consists of two numbers of 64 bits, a class and a number within it. Ids are compared by class, then by number.
/// Plain programs number their locks with [`new`](LockId::new). Where resources are of several kinds, a class for each
/// kind orders the kinds among themselves, whatever the numbers. A UUID fits whole, by `LockId::from(uuid.as_u128())`,
/// and leaves no room for a class.
///
/// Derive the id from what the lock guards, such as the key of a record, so that each lock has an id of its own and the
/// same one in every run. Two locks with one id cannot be held together by calls that wait; a set of both is a
/// [`Duplicate`](crate::LockError::Duplicate).
///
/// Ids are compared across the whole process, whichever crate the locks belong to, as far as one copy of raddle is
/// linked. A dynamic library that links its own copy is separate: neither copy sees the locks of the other. A library
/// uses a class of its own, or lets its user choose the ids.
///
/// With the feature `serde`, an id is serialised as a struct of `class` and `number`.
///
/// # Examples
///
/// ```
/// use raddle::LockId;
///
/// const SITE: u32 = 1;
/// const WARD: u32 = 2;
///
/// assert!(LockId::in_class(SITE, 900) < LockId::in_class(WARD, 3));
/// assert_eq!(LockId::new(7), LockId::in_class(0, 7));
/// assert_eq!(LockId::from(7_u64), LockId::from(7_u128));
/// assert_eq!(LockId::in_class(2, 3).to_string(), "2:3");
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct LockId {
    class: u64,
    number: u64,
}

impl LockId {
    /// Creates the id with this number in class 0.
    pub const fn new(number: u64) -> Self {
        Self { class: 0, number }
    }

    /// Creates the id with this number in the given class. All locks of a lower class come before it.
    pub const fn in_class(class: u32, number: u64) -> Self {
        Self { class: class as u64, number }
    }

    /// Returns the number within the class.
    #[inline]
    pub(crate) const fn number(self) -> u64 {
        self.number
    }

    #[inline]
    pub(crate) const fn words(self) -> [u64; 2] {
        [self.class, self.number]
    }

    /// Creates the id that has these [words](LockId::words).
    #[inline]
    pub(crate) const fn of_words([class, number]: [u64; 2]) -> Self {
        Self { class, number }
    }

    /// Returns both numbers as one, in the same order: it compares without a branch.
    #[inline]
    const fn as_u128(self) -> u128 {
        (self.class as u128) << 64 | self.number as u128
    }
}

impl PartialOrd for LockId {
    #[inline]
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }

    #[inline]
    fn lt(&self, other: &Self) -> bool {
        self.as_u128() < other.as_u128()
    }

    #[inline]
    fn le(&self, other: &Self) -> bool {
        self.as_u128() <= other.as_u128()
    }

    #[inline]
    fn gt(&self, other: &Self) -> bool {
        self.as_u128() > other.as_u128()
    }

    #[inline]
    fn ge(&self, other: &Self) -> bool {
        self.as_u128() >= other.as_u128()
    }
}

impl Ord for LockId {
    #[inline]
    fn cmp(&self, other: &Self) -> Ordering {
        self.as_u128().cmp(&other.as_u128())
    }
}

impl From<u64> for LockId {
    /// Creates the id with this number in class 0, like [`LockId::new`].
    fn from(number: u64) -> Self {
        Self::new(number)
    }
}

impl From<u128> for LockId {
    /// Creates the id whose class is the upper 64 bits, and whose number is the lower 64 bits.
    fn from(id: u128) -> Self {
        Self { class: (id >> 64) as u64, number: id as u64 }
    }
}

impl fmt::Display for LockId {
    /// Writes `number` in class 0, otherwise `class:number`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.class == 0 { write!(f, "{}", self.number) } else { write!(f, "{}:{}", self.class, self.number) }
    }
}

impl fmt::Debug for LockId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "LockId({self})")
    }
}
