//! What the cancellers and the wakers of a sleeping thread know of it, and how they find that in a queue.
//!
//! A park token is the address of the thread's [`Registrations`], whose zeros at the end leave room for the flags of the primitive.
//! Whoever finds it in a queue may look at them: the thread leaves neither the queue nor the frame that they are in
//! without the lock of the queue.

use std::pin::Pin;
use std::ptr;

use crate::record::{FLAGS, Linked, Links};
use crate::sync::{ParkToken, UnsafeCell};

/// A registration for each of those who may cancel the thread's call.
#[repr(align(64))]
pub(super) struct Registrations {
    all: [Option<Registration>; 2],
    /// How much the thread waits for.
    amount: usize,
}

const _: () = assert!(align_of::<Registrations>() > FLAGS);

/// What one of them knows. All but `with` is used under the lock of its list.
pub(super) struct Registration {
    /// The address of the one with whom it is.
    with: usize,
    /// The queue that the sleeper joins.
    pub(super) key: usize,
    /// Whether the canceller has taken the sleeper out of there.
    pub(super) woken: UnsafeCell<bool>,
    links: Links<Registration>,
}

// SAFETY: a field.
unsafe impl Linked for Registration {
    fn links(&self) -> &Links<Self> {
        &self.links
    }
}

impl Registration {
    /// For a thread that sleeps in the queue known by `key`, with the one at this address.
    pub(super) fn new(with: usize, key: usize) -> Self {
        Self { with, key, woken: UnsafeCell::new(false), links: Links::new() }
    }
}

impl Registrations {
    pub(super) fn new(all: [Option<Registration>; 2], amount: usize) -> Self {
        Self { all, amount }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Registration> {
        self.all.iter().flatten()
    }

    /// The park token, from which the thread is known.
    pub(super) fn token(self: Pin<&Self>, flags: usize) -> ParkToken {
        ParkToken((&raw const *self).expose_provenance() | flags)
    }
}

/// What a sleeper with this park token has, unless nothing can end its wait.
///
/// # Safety
/// The token is that of a thread which [`block`](super::block::block) has put into a queue whose lock the caller holds until
/// it uses the registrations no more.
unsafe fn registrations<'q>(token: ParkToken) -> Option<&'q Registrations> {
    // SAFETY: the token has the address of registrations or of none, and they stay pinned while their thread is in the queue.
    unsafe { ptr::with_exposed_provenance::<Registrations>(token.0 & !FLAGS).as_ref() }
}

/// The registration of a sleeper with this park token with the one at that address, if there is one.
///
/// # Safety
/// As for [`registrations`].
pub(super) unsafe fn registration<'q>(token: ParkToken, with: usize) -> Option<&'q Registration> {
    // SAFETY: passed on to the caller.
    let all = unsafe { registrations(token)? };
    all.iter().find(|registration| registration.with == with)
}

/// How much a sleeper with this park token waits for.
///
/// # Safety
/// As for [`registrations`].
pub(crate) unsafe fn amount(token: ParkToken) -> usize {
    // SAFETY: passed on to the caller.
    unsafe { registrations(token) }.map_or(0, |all| all.amount)
}
