//! A thread that waits for the flag of a node.

use super::{Node, PARKED};
use crate::sync::{Ordering::Relaxed, covered, step};
use crate::wait::block::Waiter;

/// A thread that waits for the flag.
pub(super) struct UntilCancelled<'a> {
    node: &'a Node,
}

impl<'a> UntilCancelled<'a> {
    pub(super) fn new(node: &'a Node) -> Self {
        Self { node }
    }
}

impl Waiter for UntilCancelled<'_> {
    type Output = ();

    fn key(&self) -> usize {
        self.node.key()
    }

    fn attempt(&mut self) -> Option<()> {
        self.node.check().is_err().then_some(())
    }

    fn mark(&self) -> bool {
        let mark = if step!("node.mark") { PARKED } else { 0 };
        let bare = self.node.bare();
        // Relaxed: the mark is looked at by the canceller's read-modify-write. The queue's lock orders this behind the step
        // of a canceller that has woken this queue.
        match self.node.state.compare_exchange(bare, bare | mark, Relaxed, Relaxed) {
            Ok(_) => true,
            Err(state) => state == bare | PARKED,
        }
    }

    fn leave(&self, last: bool) {
        if last && step!("node.leave-clears") {
            covered!("node.leave-last");
            // Relaxed: a read-modify-write, which passes on the Release that it may stand behind.
            self.node.state.fetch_and(!PARKED, Relaxed);
        }
    }
}
