//! A limit at work in one call.

use std::cell::Cell;

use super::block::{Ended, Stop};
use super::limit::Limit;
use super::node::Node;
use super::sleeper::UnderNodes;
use super::stopped::Stopped;
use crate::record::{Call, Cycle, Record};
use crate::sync::Instant;

/// A duration becomes an instant when the call first has to wait, and stays that instant for the rest of the call.
pub(crate) struct Timer<'l> {
    limit: &'l Limit<'l>,
    call: Call,
    /// When the call has to stop, once that was worked out; `Some(None)` is never.
    end: Option<Option<Instant>>,
    cycle: Cell<Option<Cycle>>,
}

impl<'l> Timer<'l> {
    #[inline]
    pub(crate) fn new(limit: &'l Limit<'l>, call: Call) -> Self {
        Timer { limit, call, end: None, cycle: Cell::new(None) }
    }

    /// A call that is part of no cycle, for models.
    #[cfg(all(loom, test))]
    #[track_caller]
    pub(crate) fn bare(limit: &'l Limit<'l>) -> Self {
        let place = std::panic::Location::caller();
        Self::new(limit, Call { what: crate::record::What::Token, key: 0, place, panics: false })
    }

    /// Whose cancelling ends the call.
    pub(crate) fn nodes(&self) -> [Option<&'l Node>; 2] {
        self.limit.nodes
    }

    /// What the call waits for. The next of a set that it has begun with.
    pub(crate) fn call(&mut self) -> &mut Call {
        &mut self.call
    }

    /// The record of the call, which sleeps in the queue known by `key`.
    pub(crate) fn record(&self, key: usize) -> Record {
        let until = self.end.flatten();
        Record::new(self.call.clone(), until, until.is_some() || self.limit.nodes[0].is_some(), key)
    }

    /// The call's sleep would close a cycle.
    pub(super) fn set_cycle(&self, cycle: Option<Cycle>) {
        self.cycle.set(cycle);
    }

    /// The cycle that the call would have closed; of a wait that has ended so.
    pub(crate) fn cycle(&self) -> Cycle {
        self.cycle.take().expect("the wait has ended by a deadlock")
    }

    /// Why a wait ended that is part of no cycle.
    pub(crate) fn stopped(ended: Ended) -> Stopped {
        match ended {
            Ended::Stopped(stopped) => stopped,
            Ended::Deadlock => unreachable!("nothing that a thread holds ends this wait"),
        }
    }
}

impl<'l> Stop for Timer<'l> {
    type Sleeper<'s>
        = UnderNodes<'s>
    where
        Self: 's;

    fn deadline(&mut self) -> Option<Instant> {
        *self.end.get_or_insert_with(|| self.limit.end())
    }

    fn sleeper(&self, key: usize, amount: usize) -> UnderNodes<'_> {
        UnderNodes::new(key, amount, self)
    }
}
