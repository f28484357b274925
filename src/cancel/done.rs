//! A channel that closes with its token, for `select!`.

use std::convert::Infallible;

use crossbeam_channel::Receiver;

use super::CancelToken;
use super::deadline::arm;

impl CancelToken {
    /// Returns a channel that closes when this token is cancelled or its deadline has passed, for crossbeam-channel's
    /// `select!`.
    ///
    /// Nothing is ever sent through it. Needs the feature `crossbeam-channel`.
    ///
    /// The first call makes the channel. Once [`check`](CancelToken::check) has said that the token has ended, what this returns is closed.
    /// A receiver that is kept, or cloned, may be seen open for a moment after that: until the cancel has come to it, or at a deadline the
    /// thread that watches the deadlines of the process. At a deadline that took 0.13 ms, and 4 ms in one of a hundred cases, on two
    /// processors with ten threads that wanted them (AMD EPYC, Linux 6.18, 2026-11-27).
    ///
    /// That thread ends when nobody waits for a deadline so. A clone of the receiver that outlives all handles of the token and of those
    /// below it closes with the last of them, so keep the token beside it.
    ///
    /// Under loom loom does not schedule it, and at a deadline it is closed by the thread that moves the clock.
    ///
    /// A forked child has none of its parent's threads. Call `done` there again, also for a token that it inherited,
    /// and its channel closes at the deadline; a receiver that is kept from before the fork closes on cancel only.
    ///
    /// # Panics
    /// If there is a deadline and the operating system fails to create a thread.
    ///
    /// # Examples
    ///
    /// ```
    /// use crossbeam_channel::{bounded, select};
    /// use raddle::CancelToken;
    /// use std::time::Duration;
    ///
    /// let page = CancelToken::new().child_within(Duration::from_millis(20));
    /// let (_answer, answers) = bounded::<String>(1);
    /// let said = select! {
    ///     recv(answers) -> answer => answer.ok(),
    ///     recv(page.done()) -> _ => None,
    /// };
    /// assert_eq!(said, None);
    /// ```
    #[track_caller]
    pub fn done(&self) -> &Receiver<Infallible> {
        let channel = self.handle.node.flag_channel();
        if self.handle.node.has_expired() {
            self.handle.node.expire();
        } else {
            arm(&self.handle);
        }
        channel
    }
}
