//! What the body of a scope is lent, to spawn tasks.

use std::fmt;
use std::marker::PhantomData;
use std::panic::{Location, RefUnwindSafe, UnwindSafe};

use super::SpawnError;
use super::state::{Place, State};
use super::task::{End, Task, run};
use crate::CancelToken;
use crate::sync::{never_unwind, spawn};

/// What the body of a [`scope`](crate::scope()) spawns its tasks with.
///
/// It may be lent to the tasks, which may spawn others, and to functions:
///
/// ```
/// use raddle::{Limit, SpawnError, Tasks, scope};
///
/// fn begin<'scope>(tasks: &'scope Tasks<'scope, '_, SpawnError>, depth: u32) -> Result<(), SpawnError> {
///     if depth > 0 {
///         tasks.spawn(move |_| begin(tasks, depth - 1))?;
///     }
///     Ok(())
/// }
///
/// scope(Limit::NEVER, |tasks| begin(tasks, 3))?;
/// # Ok::<(), SpawnError>(())
/// ```
pub struct Tasks<'scope, 'env: 'scope, E: 'env> {
    pub(super) state: State<E>,
    /// Invariant, as std's: the scope is not shortened by who has a longer one.
    scope: PhantomData<&'scope mut &'scope ()>,
    env: PhantomData<&'env mut &'env ()>,
}

// None of the user's code runs while the state is changed.
impl<E> UnwindSafe for Tasks<'_, '_, E> {}
impl<E> RefUnwindSafe for Tasks<'_, '_, E> {}

impl<E> Tasks<'_, '_, E> {
    pub(super) fn new(token: CancelToken) -> Self {
        Self { state: State::new(token), scope: PhantomData, env: PhantomData }
    }
}

impl<'scope, 'env, E: Send> Tasks<'scope, 'env, E> {
    /// Begins a task on a thread of its own.
    ///
    /// The task is passed the scope's token, under which it should wait. Its thread is named after the line of this call, which the
    /// panic hook and [`waits`](crate::waits) tell.
    ///
    /// With a [bound](Tasks::at_most), the call waits for a place, under the token.
    ///
    /// # Errors
    /// [`Stopped`](SpawnError::Stopped) if the scope is cancelled, also while the call waits for a place;
    /// [`System`](SpawnError::System) if the system refuses a thread; [`FromTask`](SpawnError::FromTask) if there is a bound and a
    /// task of this scope
    /// calls, or one of a scope nested in it. Nothing was run, and the task was dropped. The scope goes on: what to do about
    /// it is the caller's to say. (`?` has the body fail.)
    ///
    /// # Examples
    ///
    /// ```
    /// use raddle::{Limit, SpawnError, scope};
    ///
    /// let mut lengths = [0, 0];
    /// scope(Limit::NEVER, |tasks| {
    ///     for (length, word) in lengths.iter_mut().zip(["raddle", "loom"]) {
    ///         tasks.spawn(move |_| {
    ///             *length = word.len();
    ///             Ok(())
    ///         })?;
    ///     }
    ///     Ok::<_, SpawnError>(())
    /// })?;
    /// assert_eq!(lengths, [6, 4]);
    /// # Ok::<(), SpawnError>(())
    /// ```
    #[track_caller]
    pub fn spawn<T, F>(&'scope self, task: F) -> Result<Task<'scope, T, E>, SpawnError>
    where
        F: FnOnce(&'scope CancelToken) -> Result<T, E> + Send + 'scope,
        T: Send + 'scope,
    {
        let place = Location::caller();
        self.begin(None, task, place)
    }

    /// Begins a task on a thread of its own, which has this name.
    ///
    /// Systems may show the beginning of a name only: Linux 15 bytes.
    ///
    /// # Errors
    /// As for [`spawn`](Tasks::spawn).
    ///
    /// # Panics
    /// If the name has a NUL byte. Nothing was begun.
    ///
    /// # Examples
    ///
    /// ```
    /// use raddle::{Limit, SpawnError, scope};
    ///
    /// scope(Limit::NEVER, |tasks| {
    ///     tasks.spawn_named("disk check", |_| {
    ///         assert_eq!(std::thread::current().name(), Some("disk check"));
    ///         Ok(())
    ///     })?;
    ///     Ok::<_, SpawnError>(())
    /// })?;
    /// # Ok::<(), SpawnError>(())
    /// ```
    #[track_caller]
    pub fn spawn_named<T, F>(&'scope self, name: impl Into<String>, task: F) -> Result<Task<'scope, T, E>, SpawnError>
    where
        F: FnOnce(&'scope CancelToken) -> Result<T, E> + Send + 'scope,
        T: Send + 'scope,
    {
        let name = name.into();
        assert!(!name.contains('\0'), "the name of a task has no NUL byte: {name:?}");
        self.begin(Some(name), task, Location::caller())
    }

    #[track_caller]
    fn begin<T, F>(&'scope self, name: Option<String>, task: F, place: Place) -> Result<Task<'scope, T, E>, SpawnError>
    where
        F: FnOnce(&'scope CancelToken) -> Result<T, E> + Send + 'scope,
        T: Send + 'scope,
    {
        let state = &self.state;
        let (begun, places) = state.begin()?;
        let place_among = match places {
            // Not in a closure: the wait is shown at the caller's line.
            Some(places) => Some(places.acquire_owned_within(1, &state.token)?),
            None => None,
        };
        // A free place is acquired under a cancelled token, too.
        state.token.check()?;
        let name = name.unwrap_or_else(|| format!("{}:{}", place.file(), place.line()));
        let (number, chain, end) = (begun.number, state.chain(begun.number), End::new());
        let theirs = end.clone();
        let thread = move || run(state, number, chain, task, theirs, place_among);
        // SAFETY: `scope` joins it before anything ends that outlives 'scope, since it is in the list from here on (invariant 1
        // of `state`); and the name was looked at, or is that of a file.
        let thread = unsafe { spawn(name, thread) }.map_err(SpawnError::System)?;
        never_unwind(|| {
            begun.keep();
            state.started(number, thread);
        });
        Ok(Task::new(state, number, end))
    }

    /// Has no more than so many tasks at work at once: [`spawn`](Tasks::spawn) waits for a place from here on.
    ///
    /// A task gives its place back when it has ended and its result can be had. Places are given first come, first served.
    ///
    /// A task cannot spawn then, in this scope: `n` tasks that all wait for a place would wait for each other. Such a call is an error,
    /// [`FromTask`](SpawnError::FromTask), whether or not there is a place. It may do so in a scope of its own. (A thread that a task starts in another
    /// way is not known for the task's. If the task waits for it, do not have it spawn: it would wait for the task's place.)
    ///
    /// # Panics
    /// If `tasks` is zero, or more than [`MAX_PERMITS`](crate::Semaphore::MAX_PERMITS) of a semaphore; or if a task has not ended,
    /// or is about to begin. Nothing is changed.
    ///
    /// # Examples
    ///
    /// ```
    /// use raddle::{Counter, Limit, SpawnError, scope};
    ///
    /// let at_work = Counter::new(0);
    /// scope(Limit::NEVER, |tasks| {
    ///     tasks.at_most(3);
    ///     for _ in 0..10 {
    ///         tasks.spawn(|_| {
    ///             assert!(at_work.inc() < 3);
    ///             at_work.dec();
    ///             Ok(())
    ///         })?;
    ///     }
    ///     Ok::<_, SpawnError>(())
    /// })?;
    /// # Ok::<(), SpawnError>(())
    /// ```
    #[track_caller]
    pub fn at_most(&self, tasks: usize) {
        assert!(tasks != 0, "with at_most(0), no task could ever begin");
        assert!(self.state.set_places(tasks), "at_most is called while no task is at work, and one is");
    }

    /// Returns the scope's token, which the tasks are passed, too. Whoever cancels it cancels the scope.
    pub fn token(&'scope self) -> &'scope CancelToken {
        &self.state.token
    }
}

impl<E> fmt::Debug for Tasks<'_, '_, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = f.debug_struct("Tasks");
        out.field("at_work", &self.state.at_work()).field("token", &self.state.token).finish_non_exhaustive()
    }
}
