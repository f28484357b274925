//! Wherever a thread of a failing model sleeps: loom's report arrives, and the process lives on to show it.
#![cfg(loom)]

use std::mem::forget;
use std::panic::catch_unwind;
use std::sync::Arc;
use std::time::Duration;

use loom::thread;
use raddle::{
    CancelToken, Lazy, Limit, OnceCell, OrderedMutex, OrderedRwLock, ShardedCounter, WaitGroup, lock_all,
    lock_all_within,
};

const MINUTE: Duration = Duration::from_secs(60);

/// What is never let go of, filled or cancelled.
struct Never {
    mutex: OrderedMutex<u32>,
    rwlock: OrderedRwLock<u32>,
    cell: OnceCell<u32>,
    group: WaitGroup,
    token: CancelToken,
}

type Call = fn(&Never);

/// Waits of every type, with and without limits. None returns.
const CALLS: [(&str, Call); 16] = [
    ("lock", |never| drop(never.mutex.lock())),
    ("lock_within, a duration", |never| drop(never.mutex.lock_within(MINUTE))),
    ("lock_within, a token", |never| drop(never.mutex.lock_within(&never.token))),
    ("lock_within, both", |never| drop(never.mutex.lock_within(Limit::from(&never.token).or(MINUTE)))),
    ("read", |never| drop(never.rwlock.read())),
    ("write_within", |never| drop(never.rwlock.write_within(&never.token))),
    ("lock_all, with one taken", |never| {
        let free = OrderedMutex::new(1, 0);
        drop(lock_all((&never.mutex, never.rwlock.as_read(), &free)));
    }),
    ("lock_all_within", |never| drop(lock_all_within([&never.mutex], &never.token))),
    ("cell, wait_within", |never| {
        never.cell.wait_within(&never.token).unwrap();
    }),
    ("cell, get_or_init, in the initialiser", |never| {
        OnceCell::new().get_or_init(|| *never.cell.wait());
    }),
    ("Lazy, in the initialiser", |never| {
        Lazy::force(&Lazy::new(|| *never.cell.wait()));
    }),
    ("group, wait", |never| never.group.wait().unwrap()),
    ("group, wait_within", |never| never.group.wait_within(&never.token).unwrap()),
    ("token, wait", |never| never.token.wait(&never.token.child()).unwrap()),
    ("token, sleep", |never| never.token.child().sleep(MINUTE).unwrap()),
    ("beside all that cleans up", |never| {
        let (counter, group) = (ShardedCounter::new(), Arc::new(WaitGroup::new()));
        counter.inc();
        let (_worker, _owned, _guard) = (group.worker(), group.worker_owned(), never.token.cancel_on_drop());
        let (mutex, rwlock, cell) =
            (OrderedMutex::new(1, 0), OrderedRwLock::new(2, 0), OnceCell::with_value("x".to_owned()));
        let (_locked, _read, _cell) = (mutex.lock(), rwlock.read(), cell.get());
        never.group.wait().unwrap();
    }),
];

#[test]
fn every_type() {
    for (name, call) in CALLS {
        let failed = catch_unwind(move || {
            loom::model(move || {
                let never = Arc::new(Never {
                    mutex: OrderedMutex::new(5, 0),
                    rwlock: OrderedRwLock::new(6, 0),
                    cell: OnceCell::new(),
                    group: WaitGroup::new(),
                    token: CancelToken::new(),
                });
                let holder = thread::spawn({
                    let never = never.clone();
                    move || {
                        forget(never.mutex.lock());
                        forget(never.rwlock.write());
                        forget(never.group.worker());
                    }
                });
                holder.join().unwrap();
                call(&never);
            })
        });
        let report = failed.expect_err(name).downcast::<String>().expect("loom's panics are formatted");
        assert!(report.starts_with("deadlock; threads = ["), "{name}: {report}");
    }
}
