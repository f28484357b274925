//! A cell that is written once.

use std::convert::Infallible;
use std::fmt;
use std::panic::{Location, RefUnwindSafe, UnwindSafe};

use super::InitError;
use super::error::{Deadlocked, REENTRANT};
use super::raw::{By, Entered, RawOnce, Refused};
use crate::record::held;
use crate::sync::{Slot, const_fn};
use crate::{Limit, Stopped};

/// A cell that many threads may try to initialise and that is initialised once.
///
/// It has every stable method of `once_cell::sync::OnceCell` and of [`std::sync::OnceLock`], so changing the import is
/// enough, and forms of the blocking ones that take a [`Limit`]. It has no destructor of its own, so a cell may refer
/// to a variable that is declared later, or to itself. Nor does it take more than a byte beside `T`: the state is an
/// enum's tag.
///
/// One initialiser runs at a time; other callers block until it ends. If it fails or panics, the cell stays empty and
/// the next caller tries again: no thread ever sees a partly initialised value. [`wait`](OnceCell::wait) blocks without
/// initialising.
///
#[doc = include_str!("../../docs/once-states.svg")]
///
/// # Re-entrance
/// A re-entrant initialiser asks for the value that it is making, and would wait for itself. This is detected: the
/// `get_or_..._within` forms return [`Reentrant`](InitError::Reentrant), and all other blocking forms panic at the
/// caller's location.
///
/// A detour over other threads is a deadlock, and is detected where it leads through locks and cells of this crate: as
/// [`Deadlock`](InitError::Deadlock), or as a panic; see [the crate's documentation](crate#deadlocks-through-initialisers). A detour
/// over anything else is not, such as an initialiser that joins a thread that waits for the cell; a limit ends that wait.
///
/// # Memory ordering
/// Everything that the initialiser did happens-before the return of every call that returns the value. Everything that
/// a failed initialiser did happens-before the next one.
///
/// # `OnceCell`, `Lazy` or std's
/// * [`Lazy`](crate::Lazy) if the initialiser is known where the cell is declared. `OnceCell` if it needs arguments,
///   may fail, or must be bounded.
/// * [`std::sync::LazyLock`] or [`std::sync::OnceLock`] if the initialiser neither fails nor hangs: they need no
///   dependency. They have no limits, and may hang on a re-entrant initialiser.
/// * An [`OrderedMutex`](crate::OrderedMutex) if the value changes later.
///
/// # Allocators and signal handlers
/// Either may call [`get`](OnceCell::get), and nothing else: waiting allocates, and so does waking.
///
/// # Examples
///
/// A pool is opened once. Opening may fail, and no request waits longer than its limit for *another* to open the pool.
/// The request that opens the pool takes as long as that takes, whatever its limit; a thread that must not calls
/// [`wait_within`](OnceCell::wait_within) and lets another thread initialise.
///
/// ```
/// use raddle::{InitError, OnceCell};
/// use std::time::Duration;
///
/// static POOL: OnceCell<Vec<&str>> = OnceCell::new();
///
/// fn pool() -> Result<&'static Vec<&'static str>, InitError<std::io::Error>> {
///     POOL.get_or_try_init_within(|| Ok(vec!["connection 1", "connection 2"]), Duration::from_secs(2))
/// }
///
/// assert_eq!(pool()?.len(), 2);
/// # Ok::<(), InitError<std::io::Error>>(())
/// ```
pub struct OnceCell<T> {
    slot: Slot<T>,
}

// SAFETY: the value goes where the cell goes.
unsafe impl<T: Send> Send for OnceCell<T> {}
// SAFETY: `&OnceCell` gives out `&T`, which needs `T: Sync`, and one thread's value may be dropped by another, which
// needs `T: Send`.
unsafe impl<T: Send + Sync> Sync for OnceCell<T> {}
impl<T: UnwindSafe> UnwindSafe for OnceCell<T> {}
// A panicking initialiser leaves the cell empty, so no broken value is observed; the value itself was moved in.
impl<T: RefUnwindSafe + UnwindSafe> RefUnwindSafe for OnceCell<T> {}

impl<T> OnceCell<T> {
    const_fn! {
        /// Creates an empty cell.
        pub const fn new() -> Self {
            Self { slot: Slot::new() }
        }
    }

    const_fn! {
        /// Creates a cell that holds the value.
        pub const fn with_value(value: T) -> Self {
            Self { slot: Slot::with_value(value) }
        }
    }

    /// Returns the value, or `None` if the cell is empty or being initialised. Never blocks.
    #[inline]
    pub fn get(&self) -> Option<&T> {
        // SAFETY: ready.
        self.raw().is_ready().then(|| unsafe { self.get_unchecked() })
    }

    /// Returns a mutable reference to the value, or `None` if the cell is empty.
    pub fn get_mut(&mut self) -> Option<&mut T> {
        self.slot.get_mut()
    }

    /// Returns the value without checking that the cell is initialised.
    ///
    /// # Safety
    /// The cell must be initialised, and that must happen-before this call.
    #[inline]
    pub unsafe fn get_unchecked(&self) -> &T {
        // SAFETY: the caller says that the state is READY, so the value is there and nobody writes it while it is
        // shared (`raw`'s invariant 2).
        unsafe { self.slot.shared() }
    }

    /// Blocks until another thread has initialised the cell, and returns the value.
    ///
    /// An initialiser that fails wakes none of the threads that wait here, and takes time in proportion to their number.
    ///
    /// # Panics
    /// If the calling thread is initialising this cell; if the wait would close a [deadlock](crate#deadlocks-through-initialisers).
    ///
    /// # Examples
    ///
    /// ```
    /// let cell = raddle::OnceCell::new();
    /// std::thread::scope(|threads| {
    ///     threads.spawn(|| cell.set(7));
    ///     assert_eq!(*cell.wait(), 7);
    /// });
    /// ```
    #[track_caller]
    pub fn wait(&self) -> &T {
        let Ok(value) = unlimited::<_, Infallible>(self.wait_within(Limit::NEVER).map_err(InitError::Stopped));
        value
    }

    /// Blocks until another thread has initialised the cell, no longer than the limit, and returns the value.
    ///
    /// # Panics
    /// If the calling thread is initialising this cell; if the wait would close a [deadlock](crate#deadlocks-through-initialisers).
    ///
    /// # Errors
    /// [`Stopped`] if the limit came first.
    ///
    /// # Examples
    ///
    /// ```
    /// use raddle::{OnceCell, Stopped};
    /// use std::time::Duration;
    ///
    /// let cell = OnceCell::<u8>::new();
    /// assert_eq!(cell.wait_within(Duration::from_millis(5)), Err(Stopped::TimedOut));
    /// ```
    #[track_caller]
    pub fn wait_within<'l>(&self, limit: impl Into<Limit<'l>>) -> Result<&T, Stopped> {
        match self.raw().watch(By { limit: &limit.into(), place: Location::caller(), panics: true }) {
            // SAFETY: ready.
            Ok(()) => Ok(unsafe { self.get_unchecked() }),
            Err(Refused::Stopped(stopped)) => Err(stopped),
            Err(Refused::Reentrant) => panic!("{REENTRANT}"),
            Err(Refused::Deadlock(cycle)) => panic!("{}", Deadlocked(&cycle)),
        }
    }

    /// Sets the cell's value if it is empty. Blocks while an initialiser runs.
    ///
    /// # Panics
    /// If the calling thread is initialising this cell; if the wait would close a [deadlock](crate#deadlocks-through-initialisers).
    ///
    /// # Errors
    /// The given value, if the cell is initialised already.
    ///
    /// # Examples
    ///
    /// ```
    /// let cell = raddle::OnceCell::new();
    /// assert_eq!(cell.set("first"), Ok(()));
    /// assert_eq!(cell.set("second"), Err("second"));
    /// assert_eq!(cell.get(), Some(&"first"));
    /// ```
    #[track_caller]
    pub fn set(&self, value: T) -> Result<(), T> {
        match self.try_insert(value) {
            Ok(_) => Ok(()),
            Err((_, value)) => Err(value),
        }
    }

    /// Sets the cell's value if it is empty, and returns the value in the cell. Blocks while an initialiser runs.
    ///
    /// # Panics
    /// If the calling thread is initialising this cell; if the wait would close a [deadlock](crate#deadlocks-through-initialisers).
    ///
    /// # Errors
    /// The value in the cell and the given one, if the cell is initialised already.
    ///
    /// # Examples
    ///
    /// ```
    /// let cell = raddle::OnceCell::new();
    /// assert_eq!(cell.try_insert("first"), Ok(&"first"));
    /// assert_eq!(cell.try_insert("second"), Err((&"first", "second")));
    /// ```
    #[track_caller]
    pub fn try_insert(&self, value: T) -> Result<&T, (&T, T)> {
        let mut value = Some(value);
        let there = self.get_or_init(|| value.take().expect("an initialiser runs once"));
        match value {
            None => Ok(there),
            Some(value) => Err((there, value)),
        }
    }

    /// Returns the value, which `init` makes if the cell is empty.
    ///
    /// Many threads may call this; one `init` runs, and the others block until it ends.
    ///
    /// # Panics
    /// If `init` panics, which leaves the cell empty; if `init` is re-entrant, that is, asks for this cell's value; if the wait for
    /// another thread's would close a [deadlock](crate#deadlocks-through-initialisers).
    ///
    /// # Examples
    ///
    /// ```
    /// let cell = raddle::OnceCell::new();
    /// assert_eq!(*cell.get_or_init(|| 40 + 2), 42);
    /// assert_eq!(*cell.get_or_init(|| unreachable!()), 42);
    /// ```
    #[inline]
    #[track_caller]
    pub fn get_or_init<F: FnOnce() -> T>(&self, init: F) -> &T {
        match self.get() {
            Some(value) => value,
            None => {
                let made = self.initialise(|vacant| Ok::<_, Infallible>(vacant.fill(init)), Limit::NEVER, Form::Panics);
                let Ok(value) = unlimited(made);
                value
            }
        }
    }

    /// Returns the value, which `init` makes if the cell is empty, and bounds the wait for another thread's
    /// initialiser.
    ///
    /// The limit never interrupts the caller's own initialiser.
    ///
    /// # Panics
    /// If `init` panics, which leaves the cell empty.
    ///
    /// # Errors
    /// [`Stopped`](InitError::Stopped), [`Reentrant`](InitError::Reentrant), [`Deadlock`](InitError::Deadlock).
    ///
    /// # Examples
    ///
    /// ```
    /// use raddle::{CancelToken, InitError, OnceCell, Stopped};
    ///
    /// let (pool, request) = (OnceCell::new(), CancelToken::new());
    /// pool.get_or_init(|| {
    ///     request.cancel(); // the client has hung up, while this thread opens the pool
    ///     std::thread::scope(|threads| {
    ///         let waits = threads.spawn(|| pool.get_or_init_within(|| 1, &request));
    ///         assert_eq!(waits.join().unwrap(), Err(InitError::Stopped(Stopped::Cancelled)));
    ///     });
    ///     5
    /// });
    /// assert_eq!(pool.get(), Some(&5));
    /// ```
    #[track_caller]
    pub fn get_or_init_within<'l, F: FnOnce() -> T>(
        &self,
        init: F,
        limit: impl Into<Limit<'l>>,
    ) -> Result<&T, InitError> {
        match self.get() {
            Some(value) => Ok(value),
            None => self.initialise(|vacant| Ok(vacant.fill(init)), limit.into(), Form::Returns),
        }
    }

    /// Returns the value, which `init` makes if the cell is empty.
    ///
    /// If `init` fails, the cell stays empty and the next caller tries.
    ///
    /// # Panics
    /// If `init` panics, which leaves the cell empty; if `init` is re-entrant, that is, asks for this cell's value; if the wait for
    /// another thread's would close a [deadlock](crate#deadlocks-through-initialisers).
    ///
    /// # Errors
    /// The error that `init` returned.
    ///
    /// # Examples
    ///
    /// ```
    /// let cell = raddle::OnceCell::new();
    /// assert!(cell.get_or_try_init(|| "forty-two".parse::<u8>()).is_err());
    /// assert_eq!(cell.get_or_try_init(|| "42".parse::<u8>()), Ok(&42));
    /// ```
    #[inline]
    #[track_caller]
    pub fn get_or_try_init<F: FnOnce() -> Result<T, E>, E>(&self, init: F) -> Result<&T, E> {
        match self.get() {
            Some(value) => Ok(value),
            None => unlimited(self.initialise(|vacant| vacant.try_fill(init), Limit::NEVER, Form::Panics)),
        }
    }

    /// Returns the value, which `init` makes if the cell is empty, and bounds the wait for another thread's
    /// initialiser.
    ///
    /// The limit never interrupts the caller's own initialiser. If `init` fails, the cell stays empty and the next
    /// caller tries.
    ///
    /// # Panics
    /// If `init` panics, which leaves the cell empty.
    ///
    /// # Errors
    /// [`Stopped`](InitError::Stopped), [`Reentrant`](InitError::Reentrant), [`Deadlock`](InitError::Deadlock),
    /// [`Init`](InitError::Init).
    ///
    /// # Examples
    ///
    /// ```
    /// use raddle::{InitError, OnceCell};
    /// use std::time::Duration;
    ///
    /// let cell = OnceCell::new();
    /// let limit = Duration::from_secs(1);
    /// let again = cell.get_or_try_init_within(
    ///     || match cell.get_or_init_within(|| 1, limit) {
    ///         Err(InitError::Reentrant) => Err("asked itself"),
    ///         _ => Ok(2),
    ///     },
    ///     limit,
    /// );
    /// assert_eq!(again, Err(InitError::Init("asked itself")));
    /// ```
    #[track_caller]
    pub fn get_or_try_init_within<'l, F: FnOnce() -> Result<T, E>, E>(
        &self,
        init: F,
        limit: impl Into<Limit<'l>>,
    ) -> Result<&T, InitError<E>> {
        match self.get() {
            Some(value) => Ok(value),
            None => self.initialise(|vacant| vacant.try_fill(init), limit.into(), Form::Returns),
        }
    }

    /// The value, made by `fill` if the cell is empty. It comes as a closure that writes it, not as one that returns it: a
    /// large value is to be copied as seldom as can be, as every copy is on the stack.
    #[cold]
    #[track_caller]
    pub(super) fn initialise<E>(
        &self,
        fill: impl FnOnce(Vacant<'_, T>) -> Result<Filled, E>,
        limit: Limit<'_>,
        form: Form,
    ) -> Result<&T, InitError<E>> {
        let raw = self.raw();
        let place = Location::caller();
        match raw.enter(By { limit: &limit, place, panics: form == Form::Panics }) {
            Ok(Entered::Ready) => {}
            Ok(Entered::Initialise(initialiser)) => {
                // An error or a panic drops the initialiser, which leaves the cell empty.
                let Filled =
                    held::initialising(raw.key(), place, || fill(Vacant(&self.slot))).map_err(InitError::Init)?;
                initialiser.finish();
            }
            Err(Refused::Stopped(stopped)) => return Err(InitError::Stopped(stopped)),
            Err(Refused::Reentrant) => return Err(InitError::Reentrant),
            Err(Refused::Deadlock(cycle)) => return Err(InitError::Deadlock { cycle }),
        }
        // SAFETY: found ready, or made so by this thread.
        Ok(unsafe { self.get_unchecked() })
    }

    /// Whether a thread has marked that it sleeps, for models.
    #[cfg(all(loom, test))]
    pub(crate) fn someone_sleeps(&self) -> bool {
        self.raw().someone_sleeps()
    }

    /// Takes the value out of the cell, which leaves it empty.
    ///
    /// # Examples
    ///
    /// ```
    /// let mut cell = raddle::OnceCell::with_value("first");
    /// assert_eq!(cell.take(), Some("first"));
    /// assert_eq!(cell.set("second"), Ok(()));
    /// ```
    pub fn take(&mut self) -> Option<T> {
        self.slot.take()
    }

    /// Consumes the cell and returns the value that was in it.
    pub fn into_inner(self) -> Option<T> {
        self.slot.into_inner()
    }

    #[inline]
    fn raw(&self) -> RawOnce<'_> {
        RawOnce::of(&self.slot)
    }
}

/// What becomes of a deadlock.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// An error.
    Returns,
    /// A panic, as there is no room for an error.
    Panics,
}

/// The slot of a cell that the calling thread initialises: made by the cell for its initialiser, once.
pub(super) struct Vacant<'c, T>(&'c Slot<T>);

/// The value was written.
pub(super) struct Filled;

impl<T> Vacant<'_, T> {
    #[inline]
    pub(super) fn fill(self, make: impl FnOnce() -> T) -> Filled {
        // SAFETY: this thread initialises, so the state is not READY and nobody else writes (`raw`'s invariant 1).
        unsafe { self.0.write(make) };
        Filled
    }

    #[inline]
    fn try_fill<E>(self, make: impl FnOnce() -> Result<T, E>) -> Result<Filled, E> {
        // SAFETY: as above.
        unsafe { self.0.try_write(make) }.map(|()| Filled)
    }
}

/// What a call without a limit got: a value or its initialiser's error. Of the rest only re-entrance or a deadlock can be.
#[track_caller]
pub(super) fn unlimited<T, E>(result: Result<T, InitError<E>>) -> Result<T, E> {
    match result {
        Ok(value) => Ok(value),
        Err(InitError::Init(error)) => Err(error),
        Err(InitError::Reentrant) => panic!("{REENTRANT}"),
        Err(InitError::Deadlock { cycle }) => panic!("{}", Deadlocked(&cycle)),
        Err(InitError::Stopped(stopped)) => unreachable!("no limit was given: {stopped}"),
    }
}

impl<T> Default for OnceCell<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> From<T> for OnceCell<T> {
    fn from(value: T) -> Self {
        Self::with_value(value)
    }
}

impl<T: Clone> Clone for OnceCell<T> {
    /// Creates a cell with a clone of the value, or an empty one if there is none.
    fn clone(&self) -> Self {
        self.get().cloned().map_or_else(Self::new, Self::with_value)
    }
}

impl<T: PartialEq> PartialEq for OnceCell<T> {
    fn eq(&self, other: &Self) -> bool {
        self.get() == other.get()
    }
}

impl<T: Eq> Eq for OnceCell<T> {}

impl<T: fmt::Debug> fmt::Debug for OnceCell<T> {
    /// Shows the value if there is one. Never blocks.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.get() {
            Some(value) => f.debug_tuple("OnceCell").field(value).finish(),
            None => f.write_str("OnceCell(Uninit)"),
        }
    }
}
