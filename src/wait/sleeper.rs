//! A thread that sleeps under cancel tokens: what it leaves with their nodes, and how cancellers know it in a queue.
//!
//! A park token is the address of the sleeper, whose zeros at the end leave room for the flags of the primitive. A canceller that
//! finds it in a queue may look at the sleeper: the thread leaves neither the queue nor the frame that the sleeper is in
//! without the lock of the queue.

use std::marker::PhantomPinned;
use std::pin::Pin;
use std::ptr;

use super::node::{Node, Registration};
use crate::sync::{ParkToken, cleanup, step};

/// The bits of a park token that are the primitive's own. The rest is the sleeper's address.
const FLAGS: usize = align_of::<Sleeper<'_>>() - 1;

/// What a sleeper's park token says to its primitive.
pub(crate) fn flags(token: ParkToken) -> usize {
    token.0 & FLAGS
}

/// The registration under that node of a sleeper with this park token, if it sleeps under that.
///
/// # Safety
/// The token is that of a thread which [`block`](super::block::block) has put into a queue whose lock the caller holds until
/// it uses the registration no more.
pub(super) unsafe fn registration<'q>(token: ParkToken, node: &Node) -> Option<&'q Registration> {
    // SAFETY: the token is that of a sleeper or of none, and a sleeper stays pinned while its thread is in the queue; its nodes
    // do not change.
    let sleeper = unsafe { ptr::with_exposed_provenance::<Sleeper<'q>>(token.0 & !FLAGS).as_ref()? };
    let found = sleeper.nodes.iter().flatten().find(|(other, _)| ptr::eq(*other, node));
    found.map(|(_, registration)| registration)
}

/// A thread that sleeps, or is about to, under up to two nodes.
#[repr(align(64))]
pub(super) struct Sleeper<'n> {
    nodes: [Option<(&'n Node, Registration)>; 2],
    /// Whether the registrations are in the lists of their nodes.
    registered: bool,
    /// The lists point here.
    _pinned: PhantomPinned,
}

impl<'n> Sleeper<'n> {
    /// A thread that sleeps in the queue known by `key`.
    pub(super) fn new(key: usize, nodes: [Option<&'n Node>; 2]) -> Self {
        let nodes = nodes.map(|node| Some((node?, Registration::new(key))));
        Self { nodes, registered: false, _pinned: PhantomPinned }
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

    /// What its park token is: flags alone if no canceller looks for it.
    pub(super) fn token(self: Pin<&Self>, flags: usize) -> ParkToken {
        debug_assert!(flags <= FLAGS, "the flags of a primitive fit");
        let address = if self.nodes[0].is_none() { 0 } else { (&raw const *self).expose_provenance() };
        ParkToken(address | flags)
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
