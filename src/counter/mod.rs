//! Counters: [`exact`] is one atomic word, [`sharded`] a word per thread, found by the thread's [`index`].

mod exact;
pub(crate) mod index;
mod sharded;

pub use exact::Counter;
pub use sharded::ShardedCounter;
