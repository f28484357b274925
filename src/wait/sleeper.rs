//! A thread that sleeps under cancel tokens: what it leaves with their nodes, and how cancellers know it in a queue.

use std::marker::PhantomPinned;
use std::pin::Pin;

use super::node::{Node, Registration};
use crate::sync::{ParkToken, cleanup, step};

/// The bits of a park token that are the primitive's own. The rest is the sleeper's mark.
const FLAGS: usize = align_of::<Mark>() - 1;

/// A place on the stack of a sleeping thread, whose address, with its zeros at the end, no other sleeper has.
#[repr(align(64))]
#[derive(Default)]
pub(super) struct Mark {
    /// A place of no size could be shared.
    _place: u8,
}

/// What a sleeper's park token says to its primitive.
pub(crate) fn flags(token: ParkToken) -> usize {
    token.0 & FLAGS
}

/// The mark in a park token; 0 if cancellers do not look for that sleeper.
pub(super) fn mark(token: ParkToken) -> usize {
    token.0 & !FLAGS
}

/// A thread that sleeps, or is about to, under up to two nodes.
pub(super) struct Sleeper<'n> {
    /// The address of a `Mark`; 0 without nodes.
    mark: usize,
    nodes: [Option<(&'n Node, Registration)>; 2],
    /// Whether the registrations are in the lists of their nodes.
    registered: bool,
    /// The lists point here.
    _pinned: PhantomPinned,
}

impl<'n> Sleeper<'n> {
    /// A thread that sleeps in the queue known by `key`.
    pub(super) fn new(key: usize, mark: &'n Mark, nodes: [Option<&'n Node>; 2]) -> Self {
        let mark = if nodes[0].is_none() { 0 } else { (&raw const *mark).addr() };
        let nodes = nodes.map(|node| Some((node?, Registration::new(key, mark))));
        Self { mark, nodes, registered: false, _pinned: PhantomPinned }
    }

    /// Has the cancellers of the nodes look for this sleeper from here on.
    pub(super) fn register(self: Pin<&mut Self>) {
        if self.registered || !step!("sleeper.register") {
            return;
        }
        // SAFETY: nothing is moved out.
        let this = unsafe { self.get_unchecked_mut() };
        this.registered = true;
        for (node, registration) in this.nodes.iter().flatten() {
            // SAFETY: just now for the first time, and it stays pinned until `drop` withdraws it.
            unsafe { node.register(registration) };
        }
    }

    /// What its park token is.
    pub(super) fn token(&self, flags: usize) -> ParkToken {
        debug_assert!(flags <= FLAGS, "the flags of a primitive fit");
        ParkToken(self.mark | flags)
    }

    /// Whether a node is cancelled.
    pub(super) fn is_cancelled(&self) -> bool {
        self.nodes.iter().flatten().any(|(node, _)| node.is_flagged())
    }
}

impl Drop for Sleeper<'_> {
    fn drop(&mut self) {
        if self.registered && step!("sleeper.withdraw") {
            cleanup(|| {
                for (node, registration) in self.nodes.iter().flatten() {
                    // SAFETY: `register` has put it there.
                    unsafe { node.withdraw(registration) };
                }
            });
        }
    }
}
