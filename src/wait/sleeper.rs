//! A thread that sleeps, or is about to: as those know it that may cancel its call, and as reports and walks do.

use std::marker::PhantomPinned;
use std::pin::Pin;

use super::block::Sleeper;
use super::node::Node;
use super::registration::{Registration, Registrations};
use super::timer::Timer;
use crate::record::Record;
use crate::sync::{ParkToken, cleanup, step};

/// A thread in a call that waits, under up to two nodes.
pub(crate) struct UnderNodes<'t> {
    timer: &'t Timer<'t>,
    /// The queue that it joins.
    key: usize,
    /// One for each node, in the same order.
    registrations: Registrations,
    /// Whether the registrations are in the lists of their nodes.
    registered: bool,
    /// There since the thread first was about to sleep.
    record: Option<Record>,
    /// The lists and its park token point here.
    _pinned: PhantomPinned,
}

impl<'t> UnderNodes<'t> {
    /// A thread that sleeps for so much in the queue known by `key`.
    pub(super) fn new(key: usize, amount: usize, timer: &'t Timer<'t>) -> Self {
        let registrations = timer.nodes().map(|node| Some(Registration::new(node?.address(), key)));
        let registrations = Registrations::new(registrations, amount);
        Self { timer, key, registrations, registered: false, record: None, _pinned: PhantomPinned }
    }

    fn each(&self) -> impl Iterator<Item = (&'t Node, &Registration)> {
        self.timer.nodes().into_iter().flatten().zip(self.registrations.iter())
    }
}

impl Sleeper for UnderNodes<'_> {
    fn register(self: Pin<&mut Self>) {
        if self.record.is_some() {
            return;
        }
        let token = self.as_ref().token(0);
        // SAFETY: nothing is moved out.
        let this = unsafe { self.get_unchecked_mut() };
        let record = this.record.insert(this.timer.record(this.key));
        // SAFETY: a field of what is pinned, which is never moved out of it again.
        unsafe { Pin::new_unchecked(record) }.publish(token);
        if step!("sleeper.register") {
            this.registered = true;
            for (node, registration) in this.each() {
                // SAFETY: just now for the first time, and it stays pinned until `drop` withdraws it.
                unsafe { node.register(registration) };
            }
        }
    }

    fn is_cancelled(&self) -> bool {
        self.timer.nodes().into_iter().flatten().any(|node| node.is_flagged())
    }

    fn token(self: Pin<&Self>, flags: usize) -> ParkToken {
        // SAFETY: a field of what is pinned, which is never moved out of it.
        unsafe { self.map_unchecked(|this| &this.registrations) }.token(flags)
    }

    fn join(&self) {
        self.record.iter().for_each(Record::join);
    }

    fn look(&self) {
        self.record.iter().for_each(Record::look);
    }

    fn deadlocked(&self) {
        self.timer.set_cycle(self.record.as_ref().and_then(Record::take_cycle));
    }
}

impl Drop for UnderNodes<'_> {
    fn drop(&mut self) {
        if self.registered && step!("sleeper.withdraw") {
            cleanup(|| {
                for (node, registration) in self.each() {
                    // SAFETY: `register` has put it there.
                    unsafe { node.withdraw(registration) };
                }
            });
        }
    }
}
