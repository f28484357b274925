//! A channel that closes when a node is cancelled, for `select!`.

use std::convert::Infallible;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};

use crossbeam_channel::{Receiver, Sender, bounded};

use crate::sync::{Alarm, Due, Instant, alarm};

/// The channel, once somebody asked for it.
#[derive(Default)]
pub(super) struct Done(OnceLock<Channel>);

struct Channel {
    receiver: Receiver<Infallible>,
    open: Arc<Open>,
}

struct Open {
    /// Keeps the channel open until it is taken out.
    sender: Mutex<Option<Sender<Infallible>>>,
    /// Closes the channel at the deadline, once somebody asked for that and as long as it is open.
    alarm: Mutex<Option<Alarm>>,
}

impl Open {
    fn close(&self) {
        // The sender is dropped outside its lock.
        let sender = lock(&self.sender).take();
        drop(sender);
        // Only now, so that an alarm which is being set meanwhile is found here, or finds the channel closed.
        *lock(&self.alarm) = None;
    }
}

/// Closes the channel when its time has come.
impl Due for Weak<Open> {
    fn due(&self) {
        if let Some(open) = self.upgrade() {
            open.close();
        }
    }
}

/// Nothing under these locks leaves them half changed.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Done {
    /// The channel, if it was made.
    pub(super) fn get(&self) -> Option<&Receiver<Infallible>> {
        self.0.get().map(|channel| &channel.receiver)
    }

    /// Makes the channel, unless another thread was quicker.
    pub(super) fn make(&self) {
        let (sender, receiver) = bounded(0);
        let open = Arc::new(Open { sender: Mutex::new(Some(sender)), alarm: Mutex::new(None) });
        let _ = self.0.set(Channel { receiver, open });
    }

    /// Closes the channel, if it was made.
    pub(super) fn close(&self) {
        if let Some(channel) = self.0.get() {
            channel.open.close();
        }
    }

    /// Has the channel, if it was made and is open, closed at that time.
    #[track_caller]
    pub(super) fn close_at(&self, deadline: Instant) {
        if let Some(Channel { open, .. }) = self.0.get() {
            let mut set = lock(&open.alarm);
            if set.as_ref().is_none_or(Alarm::is_inherited) && lock(&open.sender).is_some() {
                *set = Some(alarm(deadline, Arc::downgrade(open)));
            }
        }
    }
}
