//! A channel that closes when a node is cancelled, for `select!`.

use std::convert::Infallible;
use std::sync::{Mutex, OnceLock, PoisonError};

use crossbeam_channel::{Receiver, Sender, bounded};

/// The channel, once somebody asked for it.
#[derive(Default)]
pub(super) struct Done(OnceLock<Box<Channel>>);

struct Channel {
    receiver: Receiver<Infallible>,
    /// Keeps the channel open until it is taken out.
    sender: Mutex<Option<Sender<Infallible>>>,
}

impl Done {
    /// The channel, if it was made.
    pub(super) fn get(&self) -> Option<&Receiver<Infallible>> {
        self.0.get().map(|channel| &channel.receiver)
    }

    /// Makes the channel, unless another thread was quicker.
    pub(super) fn make(&self) {
        let (sender, receiver) = bounded(0);
        let _ = self.0.set(Box::new(Channel { receiver, sender: Mutex::new(Some(sender)) }));
    }

    /// Closes the channel, if it was made. It is closed when this returns, whoever has closed it.
    pub(super) fn close(&self) {
        if let Some(channel) = self.0.get() {
            // Dropped under the lock: who comes second finds it gone only once the channel is closed.
            *channel.sender.lock().unwrap_or_else(PoisonError::into_inner) = None;
        }
    }
}
