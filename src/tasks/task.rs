//! A task: what its thread does, and the handle.

use std::fmt;
use std::panic::{AssertUnwindSafe, Location, RefUnwindSafe, UnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;

use super::chain::Chain;
use super::state::{Failure, State};
use crate::sync::{UnsafeCell, step};
use crate::{CancelToken, OwnedPermit};

/// What a task ends with: a value, or the number of its failure.
///
/// Invariant: the task's thread writes it while it has its handle of it, which it drops before the task is marked as ended. Who reads it
/// has the only handle that is left.
pub(super) struct End<T>(UnsafeCell<Option<Result<T, usize>>>);

// SAFETY: the invariant; a value goes from the task's thread to that of the reader.
unsafe impl<T: Send> Send for End<T> {}
// SAFETY: as above; nobody else looks at it.
unsafe impl<T: Send> Sync for End<T> {}

impl<T> End<T> {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self(UnsafeCell::new(None)))
    }
}

/// What the thread of a task does. It ends by itself, whatever panics.
pub(super) fn run<'scope, T, E>(
    state: &'scope State<E>,
    number: usize,
    chain: Chain,
    task: impl FnOnce(&'scope CancelToken) -> Result<T, E>,
    end: Arc<End<T>>,
    place: Option<OwnedPermit>,
) {
    chain.enter();
    // What the task has captured is dropped in this call.
    let result = match catch_unwind(AssertUnwindSafe(|| task(&state.token))) {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error)) => Err(state.fail(Failure::Error(error))),
        Err(payload) => Err(state.fail(Failure::Panic(payload))),
    };
    // SAFETY: the thread has its handle (the invariant of `End`).
    *unsafe { end.0.exclusive() } = Some(result);
    // The value is dropped here if nobody has a handle of the task.
    if let Err(payload) = catch_unwind(AssertUnwindSafe(|| drop(end))) {
        state.fail(Failure::Panic(payload));
    }
    if step!("tasks.ended") {
        state.ended(number);
    }
    drop(place);
}

/// A task of a [`scope`](crate::scope()), whose result it is joined for.
///
/// [`Tasks::spawn`](crate::Tasks::spawn) makes it. It may be dropped: the scope waits for the task all the same, and fails with it.
/// A value that the task returns is then dropped on the task's thread, if it comes later.
pub struct Task<'scope, T, E> {
    state: &'scope State<E>,
    number: usize,
    end: Arc<End<T>>,
}

// None of the user's code is met half done: a panic of the task is the caller's own when it is joined.
impl<T, E> UnwindSafe for Task<'_, T, E> {}
impl<T, E> RefUnwindSafe for Task<'_, T, E> {}

impl<'scope, T, E> Task<'scope, T, E> {
    pub(super) fn new(state: &'scope State<E>, number: usize, end: Arc<End<T>>) -> Self {
        Self { state, number, end }
    }

    /// Waits until the task has ended, and returns its value or its error.
    ///
    /// An error that was joined is the caller's: [`scope`](crate::scope()) does not return it by itself any more. The others are
    /// cancelled all the same. The call waits as long as the task runs; what ends the task is the scope's token. It does not wait for the
    /// destructors of the thread's thread-locals.
    ///
    /// # Memory ordering
    /// All that the task did, its captures' drop included, happens-before the return of this call.
    ///
    /// # Errors
    /// The task's own.
    ///
    /// # Panics
    /// If the task has panicked: that panic goes on here, with its payload. So a body that catches it has taken it.
    ///
    /// If the task would wait for itself: it joins itself, or one that, through joins of tasks of the same scope, waits for it; a call
    /// from a scope nested in a task counts as that task's. (Threads that were started in another way are not known.)
    ///
    /// # Examples
    ///
    /// ```
    /// use raddle::{Limit, SpawnError, scope};
    ///
    /// let words = ["raddle", "loom"];
    /// let lengths = scope(Limit::NEVER, |tasks| {
    ///     let tasks: Vec<_> = words.iter().map(|word| tasks.spawn(|_| Ok(word.len()))).collect::<Result<_, _>>()?;
    ///     tasks.into_iter().map(|task| task.join()).collect::<Result<Vec<_>, SpawnError>>()
    /// });
    /// assert_eq!(lengths?, [6, 4]);
    /// # Ok::<(), SpawnError>(())
    /// ```
    #[track_caller]
    pub fn join(self) -> Result<T, E> {
        let Self { state, number, end } = self;
        if !state.join(number, Location::caller()) {
            panic!("a task must not wait for its own end: it joins itself, or a task that waits for it")
        }
        let end = Arc::into_inner(end).expect("the task has ended, so its thread has let go of it");
        match end.0.into_inner().expect("the task has ended, so it has stored how") {
            Ok(value) => Ok(value),
            Err(failure) => match state.take(failure) {
                Some(Failure::Error(error)) => Err(error),
                Some(Failure::Panic(payload)) => resume_unwind(payload),
                None => unreachable!("there is one handle of a task, and the scope takes what is left at its end"),
            },
        }
    }

    /// Returns `true` if the task has ended, so that [`join`](Task::join) does not wait for its code.
    ///
    /// # Memory ordering
    /// If it has, all that it did happens-before the return of this call.
    pub fn is_finished(&self) -> bool {
        self.state.has_ended(self.number)
    }
}

impl<T, E> fmt::Debug for Task<'_, T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Task").field("finished", &self.is_finished()).finish_non_exhaustive()
    }
}
