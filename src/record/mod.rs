//! Who holds what, and who waits for it. Each imports what stands before it.
//!
//! [`id`] names locks; [`hold`] is one thing that a thread holds, [`held`] all that one holds, with [`spill`] where that is much;
//! [`what`] a thread may wait for; [`waits`](mod@waits) is what is seen of it all from outside, and [`text`] how it is written; [`asleep`] are the
//! threads that wait; [`snapshot`](mod@snapshot) is who waits and holds at a moment; [`cycle`] finds out whether threads wait for each other; and [`note`] is a wait that the program
//! tells of.

mod asleep;
mod cycle;
pub(crate) mod held;
mod hold;
mod id;
mod list;
mod note;
mod snapshot;
mod spill;
mod text;
mod waits;
mod what;

pub(crate) use asleep::{Call, Record};
pub(crate) use cycle::DEADLOCK;
pub(crate) use hold::Of;
pub use id::LockId;
pub(crate) use list::{Linked, Links, List};
pub use note::{Note, waiting_for};
pub(crate) use snapshot::holder;
pub use snapshot::waits;
pub use waits::{Cycle, Holder, Wait, Waits};
pub use what::What;

use crate::sync::ParkToken;

/// A line of the program.
type Place = &'static std::panic::Location<'static>;

/// The bits of a park token that are the primitive's own. The rest is the sleeper's.
pub(crate) const FLAGS: usize = 63;

/// The flags of a thread that waits to read.
pub(crate) const SHARED: usize = 32;

/// The flags of a thread that waits for a notification.
pub(crate) const CONDITION: usize = 16;

/// What a sleeper's park token says to its primitive.
pub(crate) fn flags(token: ParkToken) -> usize {
    token.0 & FLAGS
}
