//! The size of every public type, beside that of what a user would take instead, as JSON: on standard output, and in
//! `sizes.json` beside Criterion's folders, where `cargo xtask bench-report` finds it. Nothing is timed.
//!
//! Types that hold a value hold a `u64`. What a type keeps elsewhere is not in its size: parking_lot and raddle keep
//! waiters in a table that all locks share, and a token is a pointer to its node. A sharded counter allocates slots as
//! threads touch it, so it stands there again with the heap that so many threads made it take; beside it a padded word for
//! each of them.

#[path = "support/home.rs"]
mod home;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::collections::HashMap;
use std::fs;
use std::mem::size_of;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Barrier, Mutex};
use std::thread;

use crossbeam_utils::CachePadded;
use dashmap::DashMap;
use lockable::{Lockable, LockableHashMap, SyncLimit};

use raddle::{
    AnyMut, AnyRequest, CancelOnDrop, CancelToken, Condvar, Counter, Cycle, Guard, Holder, InitError, Lazy, Limit,
    LockClass, LockError, LockId, LockTable, Locked, MappedGuard, MappedRefGuard, Note, OnceCell, OrderedMutex,
    OrderedMutexArcGuard, OrderedMutexGuard, OrderedReadArcGuard, OrderedReadGuard, OrderedRwLock,
    OrderedWriteArcGuard, OrderedWriteGuard, OwnedPermit, OwnedWorker, Permit, ReadArcRequest, ReadRequest, Semaphore,
    ShardedCounter, SpawnError, Stopped, TableGuard, TableRequest, Task, Tasks, Wait, WaitError, WaitGroup, Waits,
    What, Worker, WorkerPanicked, WriteArcRequest, WriteRequest,
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

type LockPoolGuard = <lockable::LockPool<u64> as Lockable<u64, ()>>::Guard<'static>;

fn main() -> std::io::Result<()> {
    home::enter_root();
    let sizes = sizes! {
        OrderedMutex<u64> = std::sync::Mutex<u64>, parking_lot::Mutex<u64>, happylock::Mutex<u64>;
        OrderedMutexGuard<'static, u64> = std::sync::MutexGuard<'static, u64>, parking_lot::MutexGuard<'static, u64>;
        OrderedRwLock<u64> = std::sync::RwLock<u64>, parking_lot::RwLock<u64>, happylock::RwLock<u64>;
        OrderedReadGuard<'static, u64> = std::sync::RwLockReadGuard<'static, u64>, parking_lot::RwLockReadGuard<'static, u64>;
        OrderedWriteGuard<'static, u64> = std::sync::RwLockWriteGuard<'static, u64>, parking_lot::RwLockWriteGuard<'static, u64>;
        Guard<&'static OrderedMutex<u64>>;
        Condvar = std::sync::Condvar, parking_lot::Condvar;
        OrderedMutexArcGuard<u64> = parking_lot::ArcMutexGuard<parking_lot::RawMutex, u64>;
        OrderedReadArcGuard<u64> = parking_lot::ArcRwLockReadGuard<parking_lot::RawRwLock, u64>;
        OrderedWriteArcGuard<u64> = parking_lot::ArcRwLockWriteGuard<parking_lot::RawRwLock, u64>;
        MappedGuard<'static, u64> = parking_lot::MappedMutexGuard<'static, u64>;
        MappedRefGuard<'static, u64> = parking_lot::MappedRwLockReadGuard<'static, u64>;
        Locked<Two> = [std::sync::MutexGuard<'static, u64>; 2], [parking_lot::MutexGuard<'static, u64>; 2];
        ReadRequest<'static, u64>;
        WriteRequest<'static, u64>;
        ReadArcRequest<u64>;
        WriteArcRequest<u64>;
        AnyRequest<'static, u64>;
        AnyMut<'static, u64>;
        LockId;
        LockClass;
        LockTable<u64> = lockable::LockPool<u64>, DashMap<u64, Arc<Mutex<()>>>, Mutex<HashMap<u64, Arc<Mutex<()>>>>;
        TableGuard<'static, u64> = LockPoolGuard;
        TableRequest<'static, u64, ()>;
        LockError = std::sync::TryLockError<()>;
        OnceCell<u64> = std::sync::OnceLock<u64>, once_cell::sync::OnceCell<u64>;
        Lazy<u64> = std::sync::LazyLock<u64>, once_cell::sync::Lazy<u64>;
        InitError;
        WaitGroup = crossbeam_utils::sync::WaitGroup, std::sync::Barrier;
        Worker<'static> = crossbeam_utils::sync::WaitGroup;
        OwnedWorker = crossbeam_utils::sync::WaitGroup;
        WaitError;
        WorkerPanicked;
        Semaphore = tokio::sync::Semaphore, (std::sync::Mutex<usize>, std::sync::Condvar);
        Permit<'static> = tokio::sync::SemaphorePermit<'static>;
        OwnedPermit = tokio::sync::OwnedSemaphorePermit;
        Tasks<'static, 'static, u64> = std::thread::Scope<'static, 'static>;
        Task<'static, u64, u64> = std::thread::ScopedJoinHandle<'static, u64>;
        SpawnError = std::io::Error;
        Counter = std::sync::atomic::AtomicU64, std::sync::Mutex<u64>;
        ShardedCounter = std::sync::atomic::AtomicU64, std::sync::Mutex<u64>;
        CancelToken = tokio_util::sync::CancellationToken, std::sync::Arc<std::sync::atomic::AtomicBool>;
        CancelOnDrop = tokio_util::sync::DropGuard;
        Limit<'static> = std::time::Duration, std::time::Instant;
        Stopped;
        Waits;
        Wait;
        Holder;
        What;
        Cycle;
        Note;
    };
    let sizes = [sizes, sharded(), tables()].concat();
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

/// Counts, for each thread, the bytes that it has and has not given back.
struct Counting;

#[global_allocator]
static COUNTING: Counting = Counting;

thread_local!(static KEPT: Cell<usize> = const { Cell::new(0) });

// SAFETY: the system's, with a count beside it.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        KEPT.set(KEPT.get().wrapping_add(layout.size()));
        // SAFETY: passed on to the caller.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        KEPT.set(KEPT.get().wrapping_sub(layout.size()));
        // SAFETY: passed on to the caller.
        unsafe { System.dealloc(at, layout) }
    }
}

/// What a sharded counter takes in which so many threads have counted that live at once.
fn sharded() -> Vec<Value> {
    fn heap(threads: usize) -> usize {
        let (elsewhere, counter) = (ShardedCounter::new(), ShardedCounter::new());
        let all = Barrier::new(threads);
        let count = || {
            // What a thread takes for itself is not the counter's.
            elsewhere.inc();
            all.wait();
            let before = KEPT.get();
            counter.inc();
            let kept = KEPT.get().wrapping_sub(before);
            all.wait();
            kept
        };
        thread::scope(|scope| {
            let threads: Vec<_> = (0..threads).map(|_| scope.spawn(count)).collect();
            threads.into_iter().map(|thread| thread.join().expect("nothing panics")).sum()
        })
    }

    let rows = [1, 2, 4, 8, 16, 32, 64].map(|threads| {
        let padded = threads * size_of::<CachePadded<AtomicU64>>();
        json!({
            "type": format!("ShardedCounter in which {threads} counted"),
            "bytes": size_of::<ShardedCounter>() + heap(threads),
            "peers": [{ "type": format!("[CachePadded<AtomicU64>; {threads}]"), "bytes": padded }],
        })
    });
    rows.to_vec()
}

/// What a table takes in which so many keys have values; without what the allocator adds to each piece.
fn tables() -> Vec<Value> {
    static KEY: LockClass = LockClass::new(1, "key");

    fn bytes<T>(new: impl FnOnce() -> T, add: impl Fn(&T)) -> usize {
        let before = KEPT.get();
        let table = new();
        add(&table);
        size_of::<T>() + KEPT.get().wrapping_sub(before)
    }

    // What a thread takes for itself is not the table's.
    drop(LockTable::<u64>::new(&KEY).lock(&1));
    let rows = [1, 1_000, 1_000_000].map(|keys: u64| {
        let ours = bytes(
            || LockTable::<u64, u64>::new(&KEY),
            |table| (0..keys).for_each(|key| *table.lock(&key).expect("nothing is held") = Some(key)),
        );
        let lockable = bytes(LockableHashMap::<u64, u64>::new, |table| {
            (0..keys).for_each(|key| {
                let Ok(mut guard) = table.blocking_lock(key, SyncLimit::no_limit());
                guard.insert(key);
            });
        });
        let dashmap = bytes(DashMap::<u64, Arc<Mutex<u64>>>::new, |table| {
            (0..keys).for_each(|key| _ = table.insert(key, Arc::new(Mutex::new(key))));
        });
        let hashmap = bytes(Mutex::<HashMap<u64, Arc<Mutex<u64>>>>::default, |table| {
            (0..keys).for_each(|key| _ = table.lock().expect("nothing panics").insert(key, Arc::new(Mutex::new(key))));
        });
        json!({
            "type": format!("LockTable<u64, u64> of {keys}"),
            "bytes": ours,
            "peers": [
                { "type": "LockableHashMap<u64, u64>", "bytes": lockable },
                { "type": "DashMap<u64, Arc<Mutex<u64>>>", "bytes": dashmap },
                { "type": "Mutex<HashMap<u64, Arc<Mutex<u64>>>>", "bytes": hashmap },
            ],
        })
    });
    rows.to_vec()
}
