//! The errors, each variant of each: what it says, that it is an error like any other, and what turns into what.

use std::convert::Infallible;
use std::error::Error;
use std::panic::Location;
use std::{fmt, io};

use raddle::{InitError, LockError, LockId, Stopped, WaitError, WorkerPanicked};
#[cfg(feature = "crossbeam-channel")]
use raddle::{RecvWithinError, SendWithinError};

const TIMED_OUT: &str = "the limit passed before the wait was over; try again later or allow more time";
const CANCELLED: &str = "the wait was cancelled; stop this work, the cause of its token may say why";

/// The error's text is this, and `?` takes it where any error may go.
#[track_caller]
fn says<E: Error + Send + Sync + 'static>(error: E, text: &str) {
    assert_eq!(error.to_string(), text);
    // Each piece of the text that is an error of its own stands behind it.
    assert!(error.source().is_none_or(|behind| text.ends_with(&behind.to_string())));
    fn fails<E: Error + Send + Sync + 'static>(error: E) -> Result<(), Box<dyn Error + Send + Sync>> {
        Err(error)?
    }
    let any = fails(error).unwrap_err();
    assert!(any.is::<E>());
}

/// As [`says`], of an error with either reason to stop in it, before which stands this.
#[track_caller]
fn says_why<E: Error + Send + Sync + 'static>(stopped: impl Fn(Stopped) -> E, before: &str) {
    for why in [Stopped::TimedOut, Stopped::Cancelled] {
        assert_eq!(Stopped::of(&stopped(why)), Some(why));
    }
    says(stopped(Stopped::TimedOut), &format!("{before}{TIMED_OUT}"));
    says(stopped(Stopped::Cancelled), &format!("{before}{CANCELLED}"));
}

#[test]
fn what_stopped_a_call() {
    says_why(|stopped| stopped, "");
}

#[test]
fn of_locks() {
    let (wanted, held) = (LockId::new(678), LockId::in_class(12, 345));
    says(
        LockError::Duplicate { id: held },
        "lock 12:345 occurs twice in one lock_all; name each lock once and give each its own id",
    );
    let place = Location::caller();
    says(
        LockError::OutOfOrder { wanted, held, place },
        &format!(
            "lock 678 wanted while lock 12:345 is held, acquired at {place}; release that first, or acquire both in one lock_all"
        ),
    );
    says(
        LockError::OutOfOrder { wanted: held, held, place },
        &format!(
            "lock 12:345 wanted while this thread holds it or a lock with the same id, acquired at {place}; pass the guard on \
             instead of locking again, and give each lock its own id"
        ),
    );
    says(
        LockError::Poisoned { id: wanted },
        "lock 678 is poisoned: a thread panicked while holding it; recover the value with clear_poison_with",
    );
    says(
        LockError::WouldBlock { id: held },
        "lock 12:345 is not available; try again later, or release what is held and acquire all in one lock_all",
    );
    says_why(LockError::from, "lock not acquired: ");
}

/// An error with another behind it.
#[derive(Debug)]
struct NotOpened<E>(E);

impl<E> fmt::Display for NotOpened<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not opened")
    }
}

impl<E: Error + 'static> Error for NotOpened<E> {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.0)
    }
}

#[test]
fn of_cells() {
    says(
        InitError::<Infallible>::Reentrant,
        "re-entrant: a cell's initialiser asked for the value that it is making; pass what it needs as an argument",
    );
    says_why(InitError::<Infallible>::Stopped, "cell not initialised: ");
    says(
        InitError::Init("x".parse::<u8>().unwrap_err()),
        "the cell's initialiser failed, the next call tries again: invalid digit found in string",
    );
    // What stands behind the initialiser's own error is not in the text.
    let deep = InitError::Init(NotOpened(fmt::Error));
    assert_eq!(deep.to_string(), "the cell's initialiser failed, the next call tries again: not opened");
    assert!(deep.source().and_then(Error::source).is_some_and(|behind| behind.is::<fmt::Error>()));
}

#[test]
fn of_groups() {
    let panicked = "a worker of the group panicked, its work may be half done; recover, then call clear_panicked";
    says(WorkerPanicked, panicked);
    says(WaitError::Panicked(WorkerPanicked), panicked);
    says_why(WaitError::Stopped, "workers are still at work: ");
}

#[cfg(feature = "crossbeam-channel")]
#[test]
fn of_channels() {
    /// A value need not have `Debug`.
    struct Value;
    let stopped = |why| SendWithinError::Stopped { value: Value, why };
    let gone = SendWithinError::Disconnected(Value);
    assert_eq!(
        format!("{:?} {gone:?}", stopped(Stopped::Cancelled)),
        "Stopped { why: Cancelled, .. } Disconnected(..)"
    );
    says(gone, "not sent: there is no receiver any more; stop sending");
    says_why(stopped, "not sent: ");
    says(
        RecvWithinError::Disconnected,
        "nothing received: the channel is empty and has no sender any more; stop receiving",
    );
    says_why(RecvWithinError::Stopped, "nothing received: ");
}

/// What `?` makes of an error.
fn through<A, B: From<A>>(error: A) -> Result<(), B> {
    Err(error)?
}

#[test]
fn what_stopped_a_call_becomes_what_the_caller_returns() {
    for stopped in [Stopped::TimedOut, Stopped::Cancelled] {
        assert_eq!(through(stopped), Err(LockError::from(stopped)));
        assert_eq!(through(stopped), Err(InitError::<u8>::Stopped(stopped)));
        assert_eq!(through(stopped), Err(WaitError::Stopped(stopped)));
        #[cfg(feature = "crossbeam-channel")]
        assert_eq!(through(stopped), Err(RecvWithinError::Stopped(stopped)));
        // Not `Interrupted`, after which std's own loops try again.
        let kind = if stopped == Stopped::TimedOut { io::ErrorKind::TimedOut } else { io::ErrorKind::Other };
        is_io(stopped, kind);
        is_io(LockError::from(stopped), kind);
        is_io(WaitError::Stopped(stopped), kind);
        #[cfg(feature = "crossbeam-channel")]
        is_io(RecvWithinError::Stopped(stopped), kind);
    }
    assert_eq!(through(WorkerPanicked), Err(WaitError::Panicked(WorkerPanicked)));
}

/// As an error of `std::io` it is of that kind, and itself inside.
#[track_caller]
fn is_io<E: Error + PartialEq + Clone + 'static>(error: E, kind: io::ErrorKind)
where
    io::Error: From<E>,
{
    let io = through::<_, io::Error>(error.clone()).unwrap_err();
    assert_eq!(io.kind(), kind);
    assert_eq!(io.get_ref().and_then(|inner| inner.downcast_ref()), Some(&error));
}

#[test]
fn in_functions_that_return_errors_of_io() {
    let id = LockId::new(1);
    is_io(LockError::Duplicate { id }, io::ErrorKind::Deadlock);
    is_io(LockError::OutOfOrder { wanted: id, held: id, place: Location::caller() }, io::ErrorKind::Deadlock);
    is_io(LockError::WouldBlock { id }, io::ErrorKind::WouldBlock);
    is_io(LockError::Poisoned { id }, io::ErrorKind::Other);
    is_io(WaitError::Panicked(WorkerPanicked), io::ErrorKind::Other);
    is_io(WorkerPanicked, io::ErrorKind::Other);
    #[cfg(feature = "crossbeam-channel")]
    is_io(RecvWithinError::Disconnected, io::ErrorKind::BrokenPipe);
}

/// Fails if what stopped a call is not found behind other errors, or where there is nothing to find.
#[test]
fn what_stopped_a_call_is_found() {
    use Stopped::{Cancelled, TimedOut};

    assert_eq!(Stopped::of(&Cancelled), Some(Cancelled));
    // In the failure of an initialiser, whatever its type; in an `io::Error`, which names the source of what it has only;
    // behind other errors, in a box.
    assert_eq!(Stopped::of(&InitError::Init(LockError::from(TimedOut))), Some(TimedOut));
    assert_eq!(Stopped::of(&InitError::Init(NotOpened(io::Error::from(Cancelled)))), Some(Cancelled));
    assert_eq!(Stopped::of(&io::Error::other(InitError::Init(WaitError::Stopped(TimedOut)))), Some(TimedOut));
    let boxed: Box<dyn Error> = Box::new(NotOpened(LockError::from(TimedOut)));
    assert_eq!(Stopped::of(&*boxed), Some(TimedOut));

    assert_eq!(Stopped::of(&InitError::Init(fmt::Error)), None);
    assert_eq!(Stopped::of(&LockError::Poisoned { id: LockId::new(1) }), None);
    assert_eq!(Stopped::of(&io::Error::from(io::ErrorKind::TimedOut)), None);
    assert_eq!(Stopped::of(&io::Error::other(fmt::Error)), None);
}
