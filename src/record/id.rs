//! The ids of locks.

use std::cmp::Ordering;
use std::fmt;

use crate::sync::{class_name, next_numbers};

/// Identifies a lock, and is its place in the order of all locks.
///
/// An id consists of two numbers of 64 bits, a class and a number within it. Ids are compared by class, then by number.
///
/// # When to write ids, and when not
/// * *Written* ids, by [`new`](LockId::new) or [`in_class`](LockId::in_class), where threads nest locks: `a.lock()` and then
///   `b.lock()`. The order is then part of the program, the same in every run. Plain programs number their locks. Where resources
///   are of several kinds, a class for each kind orders the kinds among themselves, whatever the numbers; a
///   [`LockClass`](crate::LockClass) also gives it a name. Derive the number from what the lock guards, such as the key of a record.
/// * *Fresh* ids, by `OrderedMutex::from(value)`, `Default` or [`LockClass::mutex`](crate::LockClass::mutex), where no two of these
///   locks are nested: a lock by itself, or several by [`lock_all`](crate::lock_all). The order in which they were made only
///   sorts sets. While a thread holds a fresh lock, its wait for another of the same class is always
///   [`OutOfOrder`](crate::LockError::OutOfOrder), whichever was made first, since which was may depend on timing. All that are made
///   without a class are of one class, above all that have one.
/// * [`LockTable`](crate::LockTable), where the resources are keys of records rather than objects of the program.
///
/// A fresh id equals no other that is fresh or was written as above. Within a class, fresh ids come after all that are written.
///
/// A UUID fits whole, by `LockId::from(uuid.as_u128())`, and leaves no room for a class.
///
/// Two locks with one id cannot be held together by calls that wait; a set of both is a
/// [`Duplicate`](crate::LockError::Duplicate).
///
/// Ids are compared across the whole process, whichever crate the locks belong to, as far as one copy of raddle is
/// linked. A dynamic library that links its own copy is separate: neither copy sees the locks of the other. A library
/// uses a class of its own, or lets its user choose the ids.
///
/// With the feature `serde`, an id is serialised as a struct of `class` and `number`. A fresh id becomes a new fresh one of its class
/// when it is deserialised: one with the same number may be in use.
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
#[cfg_attr(feature = "serde", serde(from = "Halves", into = "Halves"))]
pub struct LockId {
    /// Of written ids twice the class, of fresh ones one more. From there on it is the upper half of what a `u128` was.
    rank: u64,
    number: u64,
}

/// The class of fresh ids that were given none.
const NO_CLASS: u64 = 1 << 32;

/// Of fresh ids the upper half, as a `u128`, is the class and this. So all upper halves are used, and each once.
const FRESH: u64 = 1 << 32;

/// All numbers of fresh ids are below it, and no lower half of a UUID, which begins with a bit that is set.
const FRESH_NUMBERS: u64 = 1 << 63;

/// The lowest rank that is the upper half itself.
const PLAIN: u64 = 2 * NO_CLASS + 2;

impl LockId {
    /// Creates the id with this number in class 0.
    pub const fn new(number: u64) -> Self {
        Self::in_class(0, number)
    }

    /// Creates the id with this number in the given class. All locks of a lower class come before it.
    pub const fn in_class(class: u32, number: u64) -> Self {
        Self { rank: 2 * class as u64, number }
    }

    /// Creates a fresh id in the class of those that were given none.
    pub(crate) fn fresh() -> Self {
        Self::fresh_of(NO_CLASS)
    }

    /// Creates a fresh id in this class, of a number that is [used](next_numbers) for nothing else.
    pub(crate) const fn fresh_in(class: u32, number: u64) -> Self {
        Self { rank: 2 * class as u64 + 1, number }
    }

    fn fresh_of(class: u64) -> Self {
        Self { rank: 2 * class + 1, number: next_numbers(1).start }
    }

    fn is_fresh(self) -> bool {
        self.rank < PLAIN && self.rank % 2 == 1 && self.number < FRESH_NUMBERS
    }

    /// Whether both are fresh ids of one class: neither is waited for while the other is held.
    pub(crate) fn is_unordered_with(self, other: Self) -> bool {
        self.is_fresh() && other.is_fresh() && self.rank == other.rank
    }

    /// What comes first in the class of a fresh id.
    pub(crate) fn floor(self) -> Self {
        Self { rank: self.rank & !1, number: 0 }
    }

    /// What a wait has to be above while this is held: of a fresh id its whole class.
    pub(crate) fn ceiling(self) -> Self {
        if self.is_fresh() { Self { number: FRESH_NUMBERS - 1, ..self } } else { self }
    }

    /// Returns the number within the class.
    #[inline]
    pub(crate) const fn number(self) -> u64 {
        self.number
    }

    #[inline]
    pub(crate) const fn words(self) -> [u64; 2] {
        [self.rank, self.number]
    }

    /// Creates the id that has these [words](LockId::words).
    #[inline]
    pub(crate) const fn of_words([rank, number]: [u64; 2]) -> Self {
        Self { rank, number }
    }

    /// Returns both numbers as one, in the same order: it compares without a branch.
    #[inline]
    const fn as_u128(self) -> u128 {
        (self.rank as u128) << 64 | self.number as u128
    }

    /// The upper half of the `u128` that this id is made from: the class of a written id.
    fn upper(self) -> u64 {
        match self.rank {
            rank @ PLAIN.. => rank,
            // No written id has it, so it is left for the last upper half that is no rank.
            rank if rank == 2 * NO_CLASS => PLAIN - 1,
            rank if rank % 2 == 1 => FRESH + rank / 2,
            rank => rank / 2,
        }
    }

    /// The same backwards.
    fn of_halves(upper: u64, number: u64) -> Self {
        let rank = match upper {
            PLAIN.. => upper,
            upper if upper == PLAIN - 1 => 2 * NO_CLASS,
            FRESH.. => 2 * (upper - FRESH) + 1,
            _ => 2 * upper,
        };
        Self { rank, number }
    }
}

/// An id as it is serialised.
#[cfg(feature = "serde")]
#[derive(serde::Serialize, serde::Deserialize)]
#[serde(rename = "LockId")]
struct Halves {
    class: u64,
    number: u64,
}

#[cfg(feature = "serde")]
impl From<LockId> for Halves {
    fn from(id: LockId) -> Self {
        Self { class: id.upper(), number: id.number }
    }
}

#[cfg(feature = "serde")]
impl From<Halves> for LockId {
    fn from(Halves { class, number }: Halves) -> Self {
        let id = Self::of_halves(class, number);
        if id.is_fresh() { Self::fresh_of(id.rank / 2) } else { id }
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
    ///
    /// Upper halves from 2^32 to 2^33, with lower halves below 2^63, are those of fresh ids. No UUID is a fresh id: its lower half begins
    /// with a bit that is set. Ids with an upper half from 2^32 to 2^33 + 1 come in the order of the fresh ids with the same one.
    fn from(id: u128) -> Self {
        Self::of_halves((id >> 64) as u64, id as u64)
    }
}

impl fmt::Display for LockId {
    /// Writes `number` in class 0, otherwise `class:number`; of a fresh id `class#number`, or `#number` without a class. A class that
    /// has a [name](crate::LockClass) is written by name.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { rank, number } = *self;
        let (class, sign) = if self.is_fresh() { (rank / 2, '#') } else { (self.upper(), ':') };
        match u32::try_from(class).ok().and_then(class_name) {
            Some(name) => write!(f, "{name}{sign}{number}"),
            None if class == 0 && sign == ':' => write!(f, "{number}"),
            None if class == NO_CLASS && sign == '#' => write!(f, "#{number}"),
            None => write!(f, "{class}{sign}{number}"),
        }
    }
}

impl fmt::Debug for LockId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "LockId({self})")
    }
}
