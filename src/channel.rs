//! Sending and receiving within a limit, for crossbeam-channel.

use std::error::Error;
use std::fmt;
use std::io;
use std::panic::Location;
use std::pin::pin;

use crossbeam_channel::{
    Receiver, RecvError, Select, SelectedOperation, SendError, Sender, TryRecvError, TrySendError,
};

use crate::record::{Call, What};
use crate::sync::ParkToken;
use crate::wait::{Stop, Timer};
use crate::{Limit, Stopped};

/// Adds `send_within`, a send with a limit, to crossbeam-channel's [`Sender`]. Needs the feature `crossbeam-channel`.
///
/// It is not modelled: loom does not schedule crossbeam-channel.
///
/// # `send_within` or `send_timeout`
/// Use [`send_timeout`](Sender::send_timeout) if only time ends the wait, and `send_within` if a
/// [`CancelToken`](crate::CancelToken) may end it: a blocked sender wakes as soon as the token is cancelled.
///
/// # Memory ordering
/// As for crossbeam-channel's own calls. A cancel happens-before the return that reports it.
///
/// # Examples
///
/// ```
/// use crossbeam_channel::bounded;
/// use raddle::{CancelToken, SendWithin, SendWithinError, Stopped};
///
/// let (reminders, _nobody_reads) = bounded(0);
/// let batch = CancelToken::new();
/// std::thread::scope(|threads| {
///     let sends = threads.spawn(|| reminders.send_within("call Li", &batch));
///     batch.cancel();
///     let undelivered = sends.join().unwrap().unwrap_err();
///     assert_eq!(undelivered, SendWithinError::Stopped { value: "call Li", why: Stopped::Cancelled });
/// });
/// ```
pub trait SendWithin<T>: sealed::Sealed {
    /// Sends a value, blocking no longer than the limit for room or, in a channel of capacity 0, for a receiver.
    ///
    /// # Errors
    /// Each contains the value, which was not sent: [`Stopped`](SendWithinError::Stopped) if the limit ended the wait,
    /// [`Disconnected`](SendWithinError::Disconnected) if there is no receiver any more.
    #[track_caller]
    fn send_within<'l>(&self, value: T, limit: impl Into<Limit<'l>>) -> Result<(), SendWithinError<T>>;
}

/// Adds `recv_within`, a receive with a limit, to crossbeam-channel's [`Receiver`]. Needs the feature
/// `crossbeam-channel`.
///
/// It is not modelled, like [`SendWithin`].
///
/// # `recv_within` or `CancelToken::done`
/// Use `recv_within` for one channel, and the token's own channel, [`CancelToken::done`](crate::CancelToken::done), in
/// a `select!` over several.
///
/// # Memory ordering
/// As for crossbeam-channel's own calls. A cancel happens-before the return that reports it.
///
/// # Examples
///
/// ```
/// use crossbeam_channel::bounded;
/// use raddle::{RecvWithin, RecvWithinError, Stopped};
/// use std::time::Duration;
///
/// let (images, queue) = bounded::<u8>(5);
/// images.send(1)?;
/// assert_eq!(queue.recv_within(Duration::ZERO), Ok(1));
/// let late = queue.recv_within(Duration::from_millis(5));
/// assert_eq!(late, Err(RecvWithinError::Stopped(Stopped::TimedOut)));
/// drop(images);
/// assert_eq!(queue.recv_within(Duration::ZERO), Err(RecvWithinError::Disconnected));
/// # Ok::<(), crossbeam_channel::SendError<u8>>(())
/// ```
pub trait RecvWithin<T>: sealed::Sealed {
    /// Receives a value, blocking no longer than the limit.
    ///
    /// Under a cancelled token, the call still receives what is in the channel, so that a worker drains its queue. A
    /// worker that must stop at once calls [`CancelToken::check`](crate::CancelToken::check) first.
    ///
    /// # Errors
    /// [`Stopped`](RecvWithinError::Stopped) if the limit ended the wait,
    /// [`Disconnected`](RecvWithinError::Disconnected) if the channel is empty and there is no sender any more.
    #[track_caller]
    fn recv_within<'l>(&self, limit: impl Into<Limit<'l>>) -> Result<T, RecvWithinError>;
}

mod sealed {
    pub trait Sealed {}
    impl<T> Sealed for crossbeam_channel::Sender<T> {}
    impl<T> Sealed for crossbeam_channel::Receiver<T> {}
}

/// Says why a value was not sent, and contains the value. Needs the feature `crossbeam-channel`.
///
/// `Debug` and `Display` do not show the value, so any type will do.
///
/// # Examples
///
/// ```
/// use crossbeam_channel::bounded;
/// use raddle::{SendWithin, SendWithinError};
/// use std::time::Duration;
///
/// let (reminders, queue) = bounded(1);
/// let mut undelivered = Vec::new();
/// for reminder in ["call Li", "call Zhao", "call Wang"] {
///     let sent = reminders.send_within(reminder, Duration::from_millis(1));
///     undelivered.extend(sent.map_err(SendWithinError::into_inner).err()); // nothing is lost
/// }
/// assert_eq!((queue.len(), undelivered), (1, vec!["call Zhao", "call Wang"]));
/// ```
#[derive(Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum SendWithinError<T> {
    /// The limit ended the wait.
    Stopped {
        /// The value that was not sent.
        value: T,
        /// How the limit ended the wait.
        why: Stopped,
    },
    /// There is no receiver any more, and will be none: stop sending.
    Disconnected(T),
}

impl<T> SendWithinError<T> {
    /// Returns the value that was not sent.
    pub fn into_inner(self) -> T {
        match self {
            SendWithinError::Stopped { value, .. } | SendWithinError::Disconnected(value) => value,
        }
    }
}

impl<T> fmt::Display for SendWithinError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SendWithinError::Stopped { why, .. } => write!(f, "not sent: {why}"),
            SendWithinError::Disconnected(_) => f.write_str("not sent: there is no receiver any more; stop sending"),
        }
    }
}

impl<T> fmt::Debug for SendWithinError<T> {
    /// Writes the error without the value, which may have no `Debug`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SendWithinError::Stopped { why, .. } => f.debug_struct("Stopped").field("why", why).finish_non_exhaustive(),
            SendWithinError::Disconnected(_) => f.write_str("Disconnected(..)"),
        }
    }
}

impl<T> Error for SendWithinError<T> {
    /// Returns the [`Stopped`] that ended the call. (The `Display` text includes it, for a message of one line.)
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            SendWithinError::Stopped { why, .. } => Some(why),
            SendWithinError::Disconnected(_) => None,
        }
    }
}

/// Says why no value was received. Needs the feature `crossbeam-channel`; [`RecvWithin`] has an example.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RecvWithinError {
    /// The limit ended the wait.
    Stopped(Stopped),
    /// The channel is empty, and there is no sender any more: the normal end of a queue.
    Disconnected,
}

impl fmt::Display for RecvWithinError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RecvWithinError::Stopped(why) => write!(f, "nothing received: {why}"),
            RecvWithinError::Disconnected => {
                f.write_str("nothing received: the channel is empty and has no sender any more; stop receiving")
            }
        }
    }
}

impl Error for RecvWithinError {
    /// Returns the [`Stopped`] that ended the call. (The `Display` text includes it, for a message of one line.)
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            RecvWithinError::Stopped(why) => Some(why),
            RecvWithinError::Disconnected => None,
        }
    }
}

impl From<Stopped> for RecvWithinError {
    fn from(stopped: Stopped) -> Self {
        RecvWithinError::Stopped(stopped)
    }
}

impl From<RecvWithinError> for io::Error {
    /// Wraps the error. Its kind is that of the [`Stopped`], or [`BrokenPipe`](io::ErrorKind::BrokenPipe) if there is
    /// no sender any more.
    fn from(error: RecvWithinError) -> Self {
        let kind = match error {
            RecvWithinError::Stopped(stopped) => stopped.kind(),
            RecvWithinError::Disconnected => io::ErrorKind::BrokenPipe,
        };
        io::Error::new(kind, error)
    }
}

impl<T> SendWithin<T> for Sender<T> {
    #[track_caller]
    fn send_within<'l>(&self, value: T, limit: impl Into<Limit<'l>>) -> Result<(), SendWithinError<T>> {
        let limit = limit.into();
        let mut value = match try_send(self, value)? {
            None => return Ok(()),
            Some(value) => value,
        };
        match wait(&limit, What::Send, |select| select.send(self)) {
            Ok(turn) => turn.send(self, value).map_err(|SendError(value)| SendWithinError::Disconnected(value)),
            Err(why) => {
                // A call that could both succeed and stop succeeds.
                value = match try_send(self, value)? {
                    None => return Ok(()),
                    Some(value) => value,
                };
                Err(SendWithinError::Stopped { value, why })
            }
        }
    }
}

/// Sends without blocking, or returns the value.
fn try_send<T>(sender: &Sender<T>, value: T) -> Result<Option<T>, SendWithinError<T>> {
    match sender.try_send(value) {
        Ok(()) => Ok(None),
        Err(TrySendError::Full(value)) => Ok(Some(value)),
        Err(TrySendError::Disconnected(value)) => Err(SendWithinError::Disconnected(value)),
    }
}

impl<T> RecvWithin<T> for Receiver<T> {
    #[track_caller]
    fn recv_within<'l>(&self, limit: impl Into<Limit<'l>>) -> Result<T, RecvWithinError> {
        let limit = limit.into();
        if let Some(value) = try_recv(self)? {
            return Ok(value);
        }
        match wait(&limit, What::Receive, |select| select.recv(self)) {
            Ok(turn) => turn.recv(self).map_err(|RecvError| RecvWithinError::Disconnected),
            // A call that could both succeed and stop succeeds.
            Err(why) => try_recv(self)?.ok_or(RecvWithinError::Stopped(why)),
        }
    }
}

/// Receives without blocking, if the channel has a value.
fn try_recv<T>(receiver: &Receiver<T>) -> Result<Option<T>, RecvWithinError> {
    match receiver.try_recv() {
        Ok(value) => Ok(Some(value)),
        Err(TryRecvError::Empty) => Ok(None),
        Err(TryRecvError::Disconnected) => Err(RecvWithinError::Disconnected),
    }
}

/// Waits for a channel's turn, which the caller then has to take, or until the limit has passed.
///
/// The thread queues for the operation itself. If it only waited for the operation to become ready, a sender and a
/// receiver of a channel of capacity 0 would both wait, and neither would be ready.
#[track_caller]
fn wait<'a>(
    limit: &'a Limit<'a>,
    what: What,
    operation: impl FnOnce(&mut Select<'a>) -> usize,
) -> Result<SelectedOperation<'a>, Stopped> {
    let timer = &mut Timer::new(limit, Call { what, key: 0, place: Location::caller(), panics: false });
    let mut select = Select::new();
    let wanted = operation(&mut select);
    let nodes = timer.nodes();
    let mut closing = nodes.into_iter().flatten().map(|node| node.flag_channel());
    let closing = [closing.next(), closing.next()];
    for channel in closing.into_iter().flatten() {
        select.recv(channel);
    }
    let deadline = timer.deadline();
    let record = pin!(timer.record(0));
    record.publish(ParkToken(0));
    let turn = match deadline {
        Some(deadline) => select.select_deadline(deadline).ok(),
        None => Some(select.select()),
    };
    match turn {
        Some(turn) if turn.index() == wanted => return Ok(turn),
        // A token's channel has closed. A turn has to be taken.
        Some(turn) => {
            let channel = closing[turn.index() - wanted - 1].expect("a channel with this index was added");
            let _ = turn.recv(channel);
        }
        None => {}
    }
    let cancelled = nodes.into_iter().flatten().any(|node| node.is_flagged());
    Err(if cancelled { Stopped::Cancelled } else { Stopped::TimedOut })
}
