//! One atomic word.

use std::fmt;

use crate::sync::{AtomicU64, Ordering::Relaxed, const_fn};

/// Counts in an atomic `u64`, exact at every moment, with bounded changes.
///
/// # Overflow
/// `inc`, `dec`, `add`, `sub` wrap around modulo 2^64, like the atomic. [`try_add`](Counter::try_add) and
/// [`try_sub`](Counter::try_sub) never pass a bound.
///
/// # Memory ordering
/// All operations are relaxed. The counter is exact, as every change is one atomic step, but it orders no other memory:
/// a thread that reads a count does not thereby see what other threads wrote before they counted. To wait for work, use
/// a [`WaitGroup`](crate::WaitGroup); to guard data, a lock.
///
/// # `Counter`, `ShardedCounter`, an atomic or a lock
/// * `Counter` if the value is read as often as it is changed, or if a change depends on it.
/// * A [`ShardedCounter`](crate::ShardedCounter) if many threads count and few read.
/// * An [`std::sync::atomic::AtomicU64`] if its value publishes other data: it has orderings to choose. The
///   instructions are the same; a `Counter` adds the bounded changes and leaves no ordering to get wrong.
/// * A lock if several values change together. Never for a number alone.
///
/// # Allocators and signal handlers
/// Both may call every method.
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
        /// Creates a counter that starts at `value`.
        pub const fn new(value: u64) -> Self {
            Self(AtomicU64::new(value))
        }
    }

    /// Adds one and returns the previous value. Wraps past `u64::MAX` to 0.
    #[inline]
    pub fn inc(&self) -> u64 {
        self.add(1)
    }

    /// Subtracts one and returns the previous value. Wraps past 0 to `u64::MAX`.
    #[inline]
    pub fn dec(&self) -> u64 {
        self.sub(1)
    }

    /// Adds `n` and returns the previous value. Wraps modulo 2^64.
    #[inline]
    pub fn add(&self, n: u64) -> u64 {
        self.0.fetch_add(n, Relaxed)
    }

    /// Subtracts `n` and returns the previous value. Wraps modulo 2^64.
    #[inline]
    pub fn sub(&self, n: u64) -> u64 {
        self.0.fetch_sub(n, Relaxed)
    }

    /// Returns the current value.
    #[inline]
    pub fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }

    /// Sets the value.
    ///
    /// Changes that other threads make at the same time may be lost; use [`swap`](Counter::swap) to account for each.
    #[inline]
    pub fn set(&self, value: u64) {
        self.0.store(value, Relaxed);
    }

    /// Sets the value and returns the previous one.
    #[inline]
    pub fn swap(&self, value: u64) -> u64 {
        self.0.swap(value, Relaxed)
    }

    /// Sets the value to 0 and returns the previous one.
    ///
    /// Each change is in the result of exactly one `reset`, or in the value after the last.
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

    /// Replaces the value by `f(value)` in one atomic step, and returns the previous value.
    ///
    /// `f` may be called several times.
    ///
    /// # Errors
    /// The value, if `f` returned `None` for it; it is unchanged.
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

    /// Adds `n` if the sum is at most `max`, and returns the previous value.
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

    /// Subtracts `n` if the value is at least `n`, and returns the previous value.
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
