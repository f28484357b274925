//! A wait that the crate does not know of.

use std::borrow::Cow;
use std::marker::PhantomData;
use std::panic::Location;
use std::pin::Pin;

use super::asleep::{Call, Record};
use super::what::What;
use crate::sync::ParkToken;

/// Has [`waits`](crate::waits) show that the calling thread waits for this, until the [`Note`] is dropped.
///
/// For what the crate does not know: a request to another service, a query, a lock of another kind, a join. It costs as much as
/// an uncontended lock or two, and memory for the note.
///
/// A note says what the thread waits for, not who ends that. So it is part of no deadlock that is found.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
///
/// let _note = raddle::waiting_for("POST /drugs");
/// // Here the request would be sent, and its answer be waited for.
/// let waits = raddle::waits();
/// let wait = waits.iter().find(|wait| wait.what().to_string() == "POST /drugs").unwrap();
/// assert!(wait.since().elapsed() < Duration::from_secs(60));
/// ```
#[track_caller]
pub fn waiting_for(what: impl Into<Cow<'static, str>>) -> Note {
    let call = Call { what: What::Other(what.into()), key: 0, place: Location::caller(), panics: false };
    let mut record = Box::pin(Record::new(call, None, false, 0));
    record.as_mut().publish(ParkToken(0));
    Note { _record: record, thread: PhantomData }
}

/// The calling thread waits for what [`waiting_for`] was told, as long as this lives.
#[must_use = "if the note is not kept, the wait is shown no more"]
pub struct Note {
    _record: Pin<Box<Record>>,
    /// Not Send: it speaks of this thread.
    thread: PhantomData<*const ()>,
}

impl std::fmt::Debug for Note {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Note")
    }
}
