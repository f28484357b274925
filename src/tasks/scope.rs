//! The call, and what its body is lent.

use std::fmt;
use std::marker::PhantomData;
use std::panic::{AssertUnwindSafe, Location, RefUnwindSafe, UnwindSafe, catch_unwind, resume_unwind};

use super::SpawnError;
use super::state::{Failure, Payload, Place, State};
use super::task::{End, Task, run};
use crate::sync::{never_unwind, spawn};
use crate::{CancelToken, Limit};

/// Runs `body`, which spawns tasks: threads that may borrow what outlives the call, share a token, and have all ended when it
/// returns.
///
/// As [`std::thread::scope`], with what that leaves to its caller: the first failure cancels the others and is the result.
///
/// # The result
/// A failure is an error that a task or the body returns, or a panic of either. The first one cancels the scope's token at once. The
/// others learn of it from there: they wait under the token and [check](CancelToken::check) it, or run to their end. When all threads
/// have ended,
/// * a panic is resumed, with its payload: the first, if there are several;
/// * else the first error is returned;
/// * else the body's value.
///
/// What [`Task::join`] has taken does not count here: it was the body's to decide about, or a task's. So that a body which joins its tasks
/// in order, and gets "cancelled" from the one before that which failed, need not look for the cause, its error comes after those that
/// came before it. But it has seen a failure that it has joined: if that came first, the body's error counts as that one does. (The body only: the
/// error of a task that has joined another counts as of when it was returned.)
///
/// Errors and payloads that are not the result are dropped, as is the body's value. A panic of such a drop counts as one, too.
///
/// The panic hook runs where a task panics, and tells the [name](Tasks::spawn_named) of its thread.
///
/// # The limit
/// The scope's token is cancelled with the tokens of the limit and has its deadline. A [`Duration`](std::time::Duration) counts from
/// the entry to this call. The limit cancels, it does not bound the call: this waits for its threads as long as they run. It is not
/// an error by
/// itself either. A body that does not notice it, with tasks that do not, succeeds.
///
/// When all went well the token is dropped, and not cancelled: clones of it and children, if any were given away, remain as they are.
///
/// # The end
/// Every thread has ended, its thread-locals dropped, before the call returns or unwinds, also if the body panics. Threads whose tasks have ended
/// earlier are joined in passing, by [`spawn`](Tasks::spawn), so that many tasks one after another need no more memory than those at work at once.
/// So both may wait for destructors of thread-locals: do not call them under a lock which such a destructor acquires.
///
/// [`waits`](crate::waits) shows which task the call waits for; and at which line.
///
/// # Deadlock
/// A task that waits for something that only another task or the body would do hangs, and the scope with it, as with any thread. Have
/// tasks wait under the token. The crate's locks refuse what could [deadlock](crate#why-no-order-of-locking-can-deadlock), as
/// everywhere; a lock that the caller holds counts for the body, not for the tasks.
///
/// # Memory ordering
/// All before the call of [`spawn`](Tasks::spawn) happens-before the task; and all that a task did happens-before the return of its
/// [`join`](Task::join), and of this call. A failure of a task happens-before what sees the token cancelled by it.
///
/// A task's captures are dropped on its thread before its result can be had and its [place](Tasks::at_most) is given back; its
/// thread-locals
/// after that, before this call returns.
///
/// # Panics
/// As above, if a task or the body did.
///
/// # Errors
/// As above. The type of the error is that of the tasks and the body. If it can be made of a [`SpawnError`], `?` does so behind a
/// `spawn`. Something has to name it: the function's return type, or the body's last line, `Ok::<_, SpawnError>(())`.
///
/// # `scope`, `std::thread::scope` or a wait-group
/// * [`std::thread::scope`] if tasks cannot fail, or their failures are nobody else's business.
/// * A [`WaitGroup`](crate::WaitGroup) if threads outlive the call that begins them.
/// * A pool, such as rayon's, for many short pieces of work: here each is a thread.
///
/// # Allocators and signal handlers
/// For neither.
///
/// # Examples
///
/// The parts of a page come at the same time, and the first that fails ends the others:
///
/// ```
/// use raddle::{CancelToken, SpawnError, Stopped, Task, scope};
///
/// #[derive(Debug, PartialEq)]
/// enum Failed {
///     NoSuchPart,
///     Stopped(Stopped),
///     NotBegun,
/// }
/// impl From<Stopped> for Failed {
///     fn from(stopped: Stopped) -> Self {
///         Failed::Stopped(stopped)
///     }
/// }
/// impl From<SpawnError> for Failed {
///     fn from(_: SpawnError) -> Self {
///         Failed::NotBegun
///     }
/// }
///
/// /// Stands for a call to another service.
/// fn fetch(part: &str, token: &CancelToken) -> Result<String, Failed> {
///     match part {
///         "" => Err(Failed::NoSuchPart),
///         "for ever" => Err(token.wait(raddle::Limit::NEVER).and_then(|()| token.check()).unwrap_err().into()),
///         _ => Ok(part.to_uppercase()),
///     }
/// }
///
/// fn page(parts: &[&str], request: &CancelToken) -> Result<Vec<String>, Failed> {
///     scope(request, |tasks| {
///         let parts = parts.iter().map(|part| tasks.spawn(move |token| fetch(part, token)));
///         parts.collect::<Result<Vec<_>, _>>()?.into_iter().map(Task::join).collect() // in order
///     })
/// }
///
/// let request = CancelToken::new();
/// assert_eq!(page(&["drugs", "beds"], &request), Ok(vec!["DRUGS".into(), "BEDS".into()]));
/// assert_eq!(page(&["for ever", ""], &request), Err(Failed::NoSuchPart));
/// assert!(!request.is_cancelled());
/// ```
///
/// What a task borrows must live outside the scope:
///
/// ```compile_fail,E0373
/// # use raddle::{Limit, SpawnError, scope};
/// let lengths: Result<(), SpawnError> = scope(Limit::NEVER, |tasks| {
///     let part = String::from("drugs");
///     tasks.spawn(|_| Ok(_ = part.len()))?;
///     Ok(())
/// });
/// ```
///
/// ```
/// # use raddle::{Limit, SpawnError, scope};
/// let part = String::from("drugs");
/// let lengths: Result<(), SpawnError> = scope(Limit::NEVER, |tasks| {
///     tasks.spawn(|_| Ok(_ = part.len()))?;
///     Ok(())
/// });
/// ```
#[track_caller]
pub fn scope<'env, 'l, R, E, F>(limit: impl Into<Limit<'l>>, body: F) -> Result<R, E>
where
    F: for<'scope> FnOnce(&'scope Tasks<'scope, 'env, E>) -> Result<R, E>,
    E: Send + 'env,
{
    let place = Location::caller();
    let token = CancelToken::under(&limit.into());
    // On the heap: where a model has failed, its threads may still use it, and it is leaked.
    let tasks = Box::into_raw(Box::new(Tasks { state: State::new(token), scope: PhantomData, env: PhantomData }));
    let end = {
        // SAFETY: freed below, when all threads have ended that use it.
        let tasks = unsafe { &*tasks };
        let end = match catch_unwind(AssertUnwindSafe(|| body(tasks))) {
            Ok(Ok(value)) => Some(value),
            Ok(Err(error)) => fail(&tasks.state, Failure::Error(error)),
            Err(payload) => fail(&tasks.state, Failure::Panic(payload)),
        };
        never_unwind(|| tasks.state.join_all(place));
        end
    };
    // SAFETY: made above, and the threads have ended, so nobody has a reference any more.
    let tasks = unsafe { Box::from_raw(tasks) };
    let failures = tasks.state.take_all();
    // With the token goes its cause, which is the user's.
    let mut late = None;
    discard(tasks, &mut late);
    verdict(end, failures.chain(late.map(Failure::Panic)))
}

fn fail<R, E>(state: &State<E>, failure: Failure<E>) -> Option<R> {
    state.fail_body(failure);
    None
}

/// The result, of the body's value and all failures in the order of time.
fn verdict<R, E>(value: Option<R>, failures: impl Iterator<Item = Failure<E>>) -> Result<R, E> {
    let mut panic = None;
    let mut errors = Vec::new();
    for failure in failures {
        match failure {
            Failure::Panic(payload) => first(&mut panic, payload),
            Failure::Error(error) => errors.push(error),
        }
    }
    // Dropped after all that has happened before.
    let mut errors = errors.into_iter();
    let error = errors.next();
    errors.for_each(|other| discard(other, &mut panic));
    if panic.is_none() {
        match (value, error) {
            (Some(value), None) => return Ok(value),
            (value, Some(error)) => {
                discard(value, &mut panic);
                match panic {
                    None => return Err(error),
                    Some(_) => discard(error, &mut panic),
                }
            }
            (None, None) => unreachable!("a body without a value has failed, and nobody takes its failure"),
        }
    } else {
        discard((value, error), &mut panic);
    }
    resume_unwind(panic.expect("without one, there is a result"))
}

/// Drops what is not the result. A panic of that counts if it is the first.
fn discard<T>(value: T, panic: &mut Option<Payload>) {
    if let Err(payload) = catch_unwind(AssertUnwindSafe(|| drop(value))) {
        first(panic, payload);
    }
}

/// Keeps the first payload, and drops the others.
fn first(panic: &mut Option<Payload>, payload: Payload) {
    match panic {
        None => *panic = Some(payload),
        Some(_) => {
            // It may panic with another, and that with a third, which is left alone.
            let drop = |payload| catch_unwind(AssertUnwindSafe(|| drop::<Payload>(payload)));
            drop(payload).or_else(drop).unwrap_or_else(std::mem::forget);
        }
    }
}

/// What the body of a [`scope`](scope()) spawns its tasks with.
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
    state: State<E>,
    /// Invariant, as std's: the scope is not shortened by who has a longer one.
    scope: PhantomData<&'scope mut &'scope ()>,
    env: PhantomData<&'env mut &'env ()>,
}

// None of the user's code runs while the state is changed.
impl<E> UnwindSafe for Tasks<'_, '_, E> {}
impl<E> RefUnwindSafe for Tasks<'_, '_, E> {}

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
