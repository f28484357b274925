//! The model tests: every listed program is explored, without a preemption bound unless it says so.
//!
//! They are compiled into the library's own test binary, so that they may look inside. Each says which bug it would find,
//! and asserts how many executions it explored: exploration is deterministic, so a model that suddenly explores less
//! fails. Run them with `RUSTFLAGS="--cfg loom" cargo test --release`, or `cargo loom`.

mod cancel;
mod condvar;
mod counter;
mod deadlock;
mod explore;
mod four_threads;
mod giving_up;
mod lock;
mod lot;
mod once;
mod pool;
mod raw_mutex;
mod rwlock;
mod semaphore;
mod table;
mod tasks;
mod wait_group;
