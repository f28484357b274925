//! A lock for each key. Each imports what stands before it: [`shard`] is a part of a table, a map to [`shard::Slot`]s, each of which is
//! the lock of a key; [`request`] is a slot in use, as locks see it; [`keys`] are keys that are locked together; [`lock_table`] is
//! the public type.

mod keys;
mod lock_table;
mod request;
mod shard;

pub use keys::Keys;
pub use lock_table::LockTable;
pub use request::{TableGuard, TableRequest};
