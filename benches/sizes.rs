//! The size of every public type, beside that of what a user would take instead, as JSON: on standard output, and in
//! `sizes.json` beside Criterion's folders, where `cargo xtask bench-report` finds it. Nothing is timed.
//!
//! Types that hold a value hold a `u64`. What a type keeps elsewhere is not in its size: parking_lot and raddle keep
//! waiters in a table that all locks share, a token is a pointer to its node, and a sharded counter allocates slots as
//! threads touch it.

#[path = "support/home.rs"]
mod home;

use std::fs;
use std::mem::size_of;

use raddle::{
    CancelOnDrop, CancelToken, Counter, Guard, InitError, Lazy, Limit, LockError, LockId, Locked, OnceCell,
    OrderedMutex, OrderedMutexGuard, OrderedReadGuard, OrderedRwLock, OrderedWriteGuard, OwnedWorker, ReadRequest,
    ShardedCounter, Stopped, WaitError, WaitGroup, Worker, WorkerPanicked, WriteRequest,
};
use serde_json::{Value, json};

/// A line for each of ours, and in it the peers.
macro_rules! sizes {
    ($($ours:ty $(= $($peer:ty),+)?;)+) => {
        vec![$(json!({
            "type": short(stringify!($ours)),
            "bytes": size_of::<$ours>(),
            "peers": [$($(json!({ "type": short(stringify!($peer)), "bytes": size_of::<$peer>() })),+)?],
        })),+]
    };
}

/// Without spaces that only `stringify` puts in, and without lifetimes.
fn short(name: &str) -> String {
    let name = [" ::", ":: ", " <"].iter().fold(name.to_owned(), |name, spaced| name.replace(spaced, spaced.trim()));
    name.replace("'static, ", "").replace("<'static>", "").replace("&'static ", "&")
}

/// A set of two.
type Two = (&'static OrderedMutex<u64>, &'static OrderedMutex<u64>);

fn main() -> std::io::Result<()> {
    let sizes = sizes! {
        OrderedMutex<u64> = std::sync::Mutex<u64>, parking_lot::Mutex<u64>, happylock::Mutex<u64>;
        OrderedMutexGuard<'static, u64> = std::sync::MutexGuard<'static, u64>, parking_lot::MutexGuard<'static, u64>;
        OrderedRwLock<u64> = std::sync::RwLock<u64>, parking_lot::RwLock<u64>, happylock::RwLock<u64>;
        OrderedReadGuard<'static, u64> = std::sync::RwLockReadGuard<'static, u64>, parking_lot::RwLockReadGuard<'static, u64>;
        OrderedWriteGuard<'static, u64> = std::sync::RwLockWriteGuard<'static, u64>, parking_lot::RwLockWriteGuard<'static, u64>;
        Guard<&'static OrderedMutex<u64>>;
        Locked<Two> = [std::sync::MutexGuard<'static, u64>; 2], [parking_lot::MutexGuard<'static, u64>; 2];
        ReadRequest<'static, u64>;
        WriteRequest<'static, u64>;
        LockId;
        LockError = std::sync::TryLockError<()>;
        OnceCell<u64> = std::sync::OnceLock<u64>, once_cell::sync::OnceCell<u64>;
        Lazy<u64> = std::sync::LazyLock<u64>, once_cell::sync::Lazy<u64>;
        InitError;
        WaitGroup = crossbeam_utils::sync::WaitGroup, std::sync::Barrier;
        Worker<'static> = crossbeam_utils::sync::WaitGroup;
        OwnedWorker = crossbeam_utils::sync::WaitGroup;
        WaitError;
        WorkerPanicked;
        Counter = std::sync::atomic::AtomicU64, std::sync::Mutex<u64>;
        ShardedCounter = std::sync::atomic::AtomicU64, std::sync::Mutex<u64>;
        CancelToken = tokio_util::sync::CancellationToken, std::sync::Arc<std::sync::atomic::AtomicBool>;
        CancelOnDrop = tokio_util::sync::DropGuard;
        Limit<'static> = std::time::Duration, std::time::Instant;
        Stopped;
    };
    #[cfg(feature = "crossbeam-channel")]
    let sizes = [sizes, channels()].concat();
    let text = format!("{:#}\n", Value::Array(sizes));
    let home = home::criterion_home();
    fs::create_dir_all(&home)?;
    fs::write(home.join("sizes.json"), &text)?;
    print!("{text}");
    Ok(())
}

#[cfg(feature = "crossbeam-channel")]
fn channels() -> Vec<Value> {
    use raddle::{RecvWithinError, SendWithinError};
    sizes! {
        SendWithinError<u64> = crossbeam_channel::SendTimeoutError<u64>;
        RecvWithinError = crossbeam_channel::RecvTimeoutError;
    }
}
