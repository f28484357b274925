//! A thread that sleeps under cancel tokens, or is about to.

use std::marker::PhantomPinned;
use std::pin::Pin;

use super::block::Sleeper;
use super::node::Node;
use super::registration::{Registration, Registrations};
use crate::sync::{ParkToken, cleanup, step};

/// A thread under up to two nodes.
pub(crate) struct UnderNodes<'n> {
    /// One for each node, in the same order.
    registrations: Registrations,
    nodes: [Option<&'n Node>; 2],
    /// Whether the registrations are in the lists of their nodes.
    registered: bool,
    /// The lists and its park token point here.
    _pinned: PhantomPinned,
}

impl<'n> UnderNodes<'n> {
    /// A thread that sleeps in the queue known by `key`.
    pub(super) fn new(key: usize, nodes: [Option<&'n Node>; 2]) -> Self {
        let registrations = nodes.map(|node| Some(Registration::new(node?.address(), key)));
        Self { registrations: Registrations::new(registrations), nodes, registered: false, _pinned: PhantomPinned }
    }

    fn each(&self) -> impl Iterator<Item = (&'n Node, &Registration)> {
        self.nodes.iter().flatten().copied().zip(self.registrations.iter())
    }
}

impl Sleeper for UnderNodes<'_> {
    fn register(self: Pin<&mut Self>) {
        if self.registered || !step!("sleeper.register") {
            return;
        }
        // SAFETY: nothing is moved out.
        let this = unsafe { self.get_unchecked_mut() };
        this.registered = true;
        for (node, registration) in this.each() {
            // SAFETY: just now for the first time, and it stays pinned until `drop` withdraws it.
            unsafe { node.register(registration) };
        }
    }

    fn is_cancelled(&self) -> bool {
        self.nodes.iter().flatten().any(|node| node.is_flagged())
    }

    fn token(self: Pin<&Self>, flags: usize) -> ParkToken {
        // SAFETY: a field of what is pinned, which is never moved out of it.
        unsafe { self.map_unchecked(|this| &this.registrations) }.token(flags)
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
