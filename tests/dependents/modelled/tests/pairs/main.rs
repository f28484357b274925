//! Bugs that can be written on top of raddle, each found by a model, and each beside its cure: the same program but for
//! the lines that matter. What a broken one must fail with is loom's own message, or that of its assertion.
#![cfg(loom)]

mod check_then_act;
mod early_worker;
mod flag;
mod held_lock;
mod lock_order;
mod shutdown;

/// Data without a lock of its own, as in an `UnsafeCell` of yours: loom reports accesses that nothing orders.
#[derive(Default)]
struct Unguarded(loom::cell::Cell<u32>);

// SAFETY: the threads of a model take turns on one OS thread.
unsafe impl Sync for Unguarded {}
