//! One atomic word.

use std::fmt;

use crate::sync::{AtomicU64, Ordering::Relaxed, const_fn};

/// A counter that is exact at every moment: an atomic `u64`.
///
/// # Memory ordering
/// All operations are Relaxed. The counter is exact, as every change is one step, but it orders nothing else: a thread
/// that reads a count does not thereby see what others wrote before they counted. To wait for work, take a
/// [`WaitGroup`](crate::WaitGroup); to guard data, a lock.
///
/// # Overflow
/// `inc`, `dec`, `add`, `sub` wrap around modulo 2^64, like the atomic. [`try_add`](Counter::try_add) and
/// [`try_sub`](Counter::try_sub) never pass a bound.
///
/// # Which one: `Counter`, `ShardedCounter`, an atomic or a lock
/// * `Counter` if the value is looked at as often as it is changed, or if a change must know it.
/// * A [`ShardedCounter`](crate::ShardedCounter) if many threads count and few read.
/// * An [`std::sync::atomic::AtomicU64`] if the value says what others may read then: it has orderings to choose.
///   The instructions are the same; a `Counter` adds the bounded changes and leaves no ordering to get wrong.
/// * A lock if several values change together. Never for a number alone.
///
/// # Allocators and signal handlers
/// Every method may be called in both.
///
/// # Examples
///
/// ```
/// use raddle::Counter;
///
/// static IN_FLIGHT: Counter = Counter::new(0);
///
/// match IN_FLIGHT.try_add(1, 100) {
///     Ok(before) => println!("request number {}", before + 1),
///     Err(busy) => println!("{busy} requests are in flight, try later"),
/// }
/// # assert_eq!(IN_FLIGHT.get(), 1);
/// ```
#[derive(Default)]
pub struct Counter(AtomicU64);

// All orderings here are Relaxed: the docs promise no more, and each change is one read-modify-write.
impl Counter {
    const_fn! {
        /// A counter that starts at `value`.
        pub const fn new(value: u64) -> Self {
            Self(AtomicU64::new(value))
        }
    }

    /// Adds one; returns the previous value. Wraps past `u64::MAX` to 0.
    #[inline]
    pub fn inc(&self) -> u64 {
        self.add(1)
    }

    /// Subtracts one; returns the previous value. Wraps past 0 to `u64::MAX`.
    #[inline]
    pub fn dec(&self) -> u64 {
        self.sub(1)
    }

    /// Adds `n`; returns the previous value. Wraps modulo 2^64.
    #[inline]
    pub fn add(&self, n: u64) -> u64 {
        self.0.fetch_add(n, Relaxed)
    }

    /// Subtracts `n`; returns the previous value. Wraps modulo 2^64.
    #[inline]
    pub fn sub(&self, n: u64) -> u64 {
        self.0.fetch_sub(n, Relaxed)
    }

    /// The value now.
    #[inline]
    pub fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }

    /// Makes it `value`, whatever it was. Changes that others make at the same time may be lost in it; use
    /// [`swap`](Counter::swap) to account for each.
    #[inline]
    pub fn set(&self, value: u64) {
        self.0.store(value, Relaxed);
    }

    /// Makes it `value`; returns what it was.
    #[inline]
    pub fn swap(&self, value: u64) -> u64 {
        self.0.swap(value, Relaxed)
    }

    /// Makes it 0; returns what it was. Each change is in exactly one `reset`'s result or in the value after the last.
    ///
    /// # Examples
    ///
    /// ```
    /// let hits = raddle::Counter::new(0);
    /// hits.add(3);
    /// assert_eq!((hits.reset(), hits.reset()), (3, 0)); // each hit is reported once
    /// ```
    #[inline]
    pub fn reset(&self) -> u64 {
        self.swap(0)
    }

    /// Makes it `f(value)`, in one step that no other change comes between; returns the previous value. `f` may be called
    /// several times.
    ///
    /// # Errors
    /// The value, if `f` returned `None` for it; it stays.
    ///
    /// # Examples
    ///
    /// ```
    /// let delay = raddle::Counter::new(40);
    /// let longer = |ms| (ms < 100).then_some(ms * 2);
    /// assert_eq!(delay.fetch_update(longer), Ok(40));
    /// assert_eq!(delay.fetch_update(longer), Ok(80));
    /// assert_eq!(delay.fetch_update(longer), Err(160));
    /// ```
    #[inline]
    pub fn fetch_update<F: FnMut(u64) -> Option<u64>>(&self, f: F) -> Result<u64, u64> {
        self.0.fetch_update(Relaxed, Relaxed, f)
    }

    /// Adds `n` if that leads no further than to `max`; returns the previous value.
    ///
    /// # Errors
    /// The current value, if the sum would be above `max` or above `u64::MAX`.
    ///
    /// # Examples
    ///
    /// ```
    /// let in_use = raddle::Counter::new(4);
    /// assert_eq!(in_use.try_add(1, 5), Ok(4));
    /// assert_eq!(in_use.try_add(1, 5), Err(5));
    /// ```
    #[inline]
    pub fn try_add(&self, n: u64, max: u64) -> Result<u64, u64> {
        self.fetch_update(|value| value.checked_add(n).filter(|&sum| sum <= max))
    }

    /// Subtracts `n` if that leads no further than to 0; returns the previous value.
    ///
    /// # Errors
    /// The current value, if it is less than `n`.
    ///
    /// # Examples
    ///
    /// ```
    /// let beds = raddle::Counter::new(3);
    /// assert_eq!(beds.try_sub(2), Ok(3));
    /// assert_eq!(beds.try_sub(2), Err(1));
    /// ```
    #[inline]
    pub fn try_sub(&self, n: u64) -> Result<u64, u64> {
        self.fetch_update(|value| value.checked_sub(n))
    }
}

impl From<u64> for Counter {
    /// The same as [`Counter::new`].
    fn from(value: u64) -> Self {
        Self::new(value)
    }
}

impl fmt::Debug for Counter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Counter").field(&self.get()).finish()
    }
}
