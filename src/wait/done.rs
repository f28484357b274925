//! A channel that closes when a node is cancelled, for `select!`.

use std::convert::Infallible;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use crossbeam_channel::{Receiver, Sender, bounded};

use crate::sync::{Alarm, Due, Instant, alarm};

/// The channel, once somebody asked for it.
#[derive(Default)]
pub(super) struct Done(OnceLock<Channel>);

struct Channel {
    receiver: Receiver<Infallible>,
    sender: Arc<Open>,
    /// Closes the channel at the deadline, once somebody asked for that. Dropped after `sender`.
    alarm: OnceLock<Alarm>,
}

/// Keeps the channel open until it is taken out.
struct Open(Mutex<Option<Sender<Infallible>>>);

impl Due for Open {
    fn due(&self) {
        // The sender is dropped outside the lock.
        let sender = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        drop(sender);
    }
}

impl Done {
    /// The channel, if it was made.
    pub(super) fn get(&self) -> Option<&Receiver<Infallible>> {
        self.0.get().map(|channel| &channel.receiver)
    }

    /// Makes the channel, unless another thread was quicker.
    pub(super) fn make(&self) {
        let (sender, receiver) = bounded(0);
        let sender = Arc::new(Open(Mutex::new(Some(sender))));
        let _ = self.0.set(Channel { receiver, sender, alarm: OnceLock::new() });
    }

    /// Closes the channel, if it was made.
    pub(super) fn close(&self) {
        if let Some(channel) = self.0.get() {
            channel.sender.due();
        }
    }

    /// Has the channel, if it was made, closed at that time.
    #[track_caller]
    pub(super) fn close_at(&self, deadline: Instant) {
        if let Some(channel) = self.0.get() {
            channel.alarm.get_or_init(|| alarm(deadline, &channel.sender));
        }
    }
}
