//! A value that is made when it is first asked for.

use std::fmt;
use std::ops::{Deref, DerefMut};
use std::panic::RefUnwindSafe;

use super::OnceCell;
use super::cell::{Form, unlimited};
use crate::Limit;
use crate::sync::{UnsafeCell, const_fn};

/// A value that the first access initialises.
///
/// It has every method of `once_cell::sync::Lazy`, and its poisoning: once the initialiser has panicked, every later
/// access panics, too, as the initialiser is used up. An access blocks while another thread initialises, as long as
/// that takes; [`OnceCell::get_or_init_within`] has a limit.
///
#[doc = include_str!("../../docs/lazy-states.svg")]
///
/// # Memory ordering
/// Everything that the initialiser did happens-before the return of every call that returns the value.
///
/// # `Lazy`, `OnceCell` or std's
/// * [`std::sync::LazyLock`] does the same for a plain static and needs no dependency. `Lazy` adds `once_cell`'s
///   functions, and a re-entrant initialiser panics instead of hanging.
/// * A [`OnceCell`] if a failure must not be final, if the wait for another thread's initialiser must be bounded, or if
///   the initialiser acquires locks: it runs under the locks of the caller that comes first, and an
///   [`OutOfOrder`](crate::LockError::OutOfOrder), which can only panic in a `Lazy`, poisons it for good. So does a
///   [deadlock](crate#deadlocks-through-initialisers) that is found while the initialiser waits.
///
/// # Allocators and signal handlers
/// Neither may access the value by dereferencing it or by [`force`](Lazy::force); either may call [`get`](Lazy::get).
///
/// # Examples
///
/// ```
/// use raddle::Lazy;
/// use std::collections::HashMap;
///
/// static WARDS: Lazy<HashMap<u32, &str>> = Lazy::new(|| HashMap::from([(1, "surgery"), (2, "oncology")]));
///
/// assert_eq!(WARDS[&2], "oncology");
/// ```
pub struct Lazy<T, F = fn() -> T> {
    cell: OnceCell<T>,
    /// Touched only by the thread that initialises `cell`, or through `&mut`.
    init: UnsafeCell<Option<F>>,
}

// SAFETY: `&F` is given to nobody; F is called by the thread that initialises, hence `Send`. For T as in `OnceCell`.
unsafe impl<T, F: Send> Sync for Lazy<T, F> where OnceCell<T>: Sync {}
impl<T, F: RefUnwindSafe> RefUnwindSafe for Lazy<T, F> where OnceCell<T>: RefUnwindSafe {}

/// The initialiser has panicked.
struct Poisoned;

/// What access says once the initialiser has panicked.
const POISONED: &str = "Lazy instance has previously been poisoned: its initialiser panicked";

impl<T, F> Lazy<T, F> {
    /// Consumes the `Lazy` and returns the value, if it was made.
    ///
    /// # Panics
    /// If the initialiser has panicked.
    ///
    /// # Errors
    /// The initialiser, if the value was not made.
    ///
    /// # Examples
    ///
    /// ```
    /// use raddle::Lazy;
    ///
    /// let wards: Lazy<u32> = Lazy::new(|| 12);
    /// let make = Lazy::into_value(wards).unwrap_err();
    /// assert_eq!(make(), 12);
    /// ```
    #[track_caller]
    pub fn into_value(this: Self) -> Result<T, F> {
        let Self { cell, init } = this;
        match cell.into_inner() {
            Some(value) => Ok(value),
            None => Err(init.into_inner().expect(POISONED)),
        }
    }
}

impl<T, F: FnOnce() -> T> Lazy<T, F> {
    const_fn! {
        /// Creates a value that `init` makes on the first access.
        pub const fn new(init: F) -> Self {
            Self { cell: OnceCell::new(), init: UnsafeCell::new(Some(init)) }
        }
    }

    /// Returns the value, and first makes it if need be. Dereferencing does the same.
    ///
    /// # Panics
    /// If the initialiser panics or has panicked; if it is re-entrant, that is, asks for this value; if the wait for another
    /// thread's would close a [deadlock](crate#deadlocks-through-initialisers).
    ///
    /// # Examples
    ///
    /// ```
    /// use raddle::Lazy;
    ///
    /// let wards = Lazy::new(|| 12);
    /// assert_eq!(Lazy::get(&wards), None);
    /// assert_eq!(Lazy::force(&wards), &12);
    /// assert_eq!(Lazy::get(&wards), Some(&12));
    /// ```
    #[inline]
    #[track_caller]
    pub fn force(this: &Self) -> &T {
        match this.cell.get() {
            Some(value) => value,
            None => Self::make(this),
        }
    }

    #[cold]
    #[track_caller]
    fn make(this: &Self) -> &T {
        let made = this.cell.initialise(
            |vacant| {
                // SAFETY: this thread initialises the cell, so it alone touches `init`.
                let init = unsafe { this.init.exclusive() }.take().ok_or(Poisoned)?;
                Ok(vacant.fill(init))
            },
            Limit::NEVER,
            Form::Panics,
        );
        match unlimited(made) {
            Ok(value) => value,
            Err(Poisoned) => panic!("{POISONED}"),
        }
    }

    /// Returns a mutable reference to the value, and first makes it if need be. Dereferencing mutably does the same.
    ///
    /// # Panics
    /// If the initialiser panics or has panicked.
    #[inline]
    #[track_caller]
    pub fn force_mut(this: &mut Self) -> &mut T {
        Self::force(this);
        this.cell.get_mut().expect("the value was made")
    }

    // These two ask nothing of F. Standing here they let the type of F follow from that of T, as `once_cell`'s do.

    /// Returns the value, or `None` if it was not made. Never blocks, and never panics.
    pub fn get(this: &Self) -> Option<&T> {
        this.cell.get()
    }

    /// Returns a mutable reference to the value, or `None` if it was not made.
    pub fn get_mut(this: &mut Self) -> Option<&mut T> {
        this.cell.get_mut()
    }
}

impl<T, F: FnOnce() -> T> Deref for Lazy<T, F> {
    type Target = T;

    /// The same as [`Lazy::force`].
    ///
    /// # Panics
    /// As for [`Lazy::force`].
    #[inline]
    #[track_caller]
    fn deref(&self) -> &T {
        Self::force(self)
    }
}

impl<T, F: FnOnce() -> T> DerefMut for Lazy<T, F> {
    /// The same as [`Lazy::force_mut`].
    ///
    /// # Panics
    /// As for [`Lazy::force_mut`].
    #[inline]
    #[track_caller]
    fn deref_mut(&mut self) -> &mut T {
        Self::force_mut(self)
    }
}

impl<T: Default> Default for Lazy<T> {
    /// Creates a value that [`Default`] makes on the first access.
    fn default() -> Self {
        Lazy::new(T::default)
    }
}

impl<T: fmt::Debug, F> fmt::Debug for Lazy<T, F> {
    /// Shows the value if it was made. Never makes it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lazy").field("cell", &self.cell).field("init", &format_args!("..")).finish()
    }
}
