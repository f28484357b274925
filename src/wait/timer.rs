//! A limit at work in one call.

use super::block::Stop;
use super::limit::{Limit, earlier};
use super::node::Node;
use super::sleeper::UnderNodes;
use crate::sync::{Instant, now};

/// A duration becomes an instant when the call first has to wait, and stays that instant for the rest of the call.
pub(crate) struct Timer<'l> {
    limit: &'l Limit<'l>,
    /// When the call has to stop, once that was worked out; `Some(None)` is never.
    end: Option<Option<Instant>>,
}

impl<'l> Timer<'l> {
    #[inline]
    pub(crate) fn new(limit: &'l Limit<'l>) -> Self {
        Timer { limit, end: None }
    }

    /// Whose cancelling ends the call.
    pub(crate) fn nodes(&self) -> [Option<&'l Node>; 2] {
        self.limit.nodes
    }
}

impl<'l> Stop for Timer<'l> {
    type Sleeper = UnderNodes<'l>;

    fn deadline(&mut self) -> Option<Instant> {
        *self.end.get_or_insert_with(|| {
            // A sum past the end of the clock is no limit.
            let end = self.limit.within.and_then(|within| now().checked_add(within));
            let tokens = self.limit.nodes.iter().flatten().map(|node| node.deadline());
            tokens.fold(earlier(self.limit.until, end), earlier)
        })
    }

    fn sleeper(&self, key: usize) -> UnderNodes<'l> {
        UnderNodes::new(key, self.nodes())
    }
}
