//! The call.

use std::panic::{AssertUnwindSafe, Location, catch_unwind, resume_unwind};

use super::spawn::Tasks;
use super::state::{Failure, State};
use crate::sync::{FirstPanic, never_unwind};
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
/// What [`Task::join`](crate::Task::join) has taken does not count here: it was the body's to decide about, or a task's. So that a body
/// which joins its tasks in order, and gets "cancelled" from the one before that which failed, need not look for the cause, its error
/// comes after those that came before it. But it has seen a failure that it has joined: if that came first, the body's error counts as
/// that one does. (The body only: the error of a task that has joined another counts as of when it was returned.)
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
/// [`join`](crate::Task::join), and of this call. A failure of a task happens-before what sees the token cancelled by it.
///
/// A task's captures are dropped on its thread before its result can be had and its [place](Tasks::at_most) is given back; its
/// thread-locals
/// after that, before this call returns.
///
/// # Panics
/// As above, if a task or the body did.
///
/// # Errors
/// As above. The type of the error is that of the tasks and the body. If it can be made of a [`SpawnError`](crate::SpawnError), `?` does so behind a
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
    let tasks = Box::into_raw(Box::new(Tasks::new(token)));
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
    let mut late = FirstPanic::NONE;
    late.catch(|| drop(tasks));
    verdict(end, failures.chain(late.take().map(Failure::Panic)))
}

fn fail<R, E>(state: &State<E>, failure: Failure<E>) -> Option<R> {
    state.fail_body(failure);
    None
}

/// The result, of the body's value and all failures in the order of time. What is not the result is dropped, and a panic of that counts, too: it is
/// the last.
fn verdict<R, E>(value: Option<R>, failures: impl Iterator<Item = Failure<E>>) -> Result<R, E> {
    let mut panic = FirstPanic::NONE;
    let mut errors = Vec::new();
    for failure in failures {
        match failure {
            Failure::Panic(payload) => panic.add(payload),
            Failure::Error(error) => errors.push(error),
        }
    }
    let mut errors = errors.into_iter();
    let result = match (errors.next(), value) {
        (Some(error), value) => {
            panic.catch(|| drop(value));
            Some(Err(error))
        }
        (None, value) => value.map(Ok),
    };
    errors.for_each(|error| panic.catch(|| drop(error)));
    if panic.is_none() {
        return result.expect("a body without a value has failed, and nobody takes its failure");
    }
    panic.catch(|| drop(result));
    resume_unwind(panic.take().expect("looked at above"))
}
