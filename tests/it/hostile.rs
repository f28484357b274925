//! Programs that use what callers control (conversions, destructors, threads that unwind) against a promise.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;

use raddle::{Lazy, Limit, LockError, OrderedMutex, OrderedMutexGuard, OrderedRwLock, WaitGroup, Worker};

use crate::out_of_order;

/// A conversion into a limit is the caller's code: a lock that it takes counts for the wait that follows.
#[test]
fn a_conversion_that_locks() {
    static LOW: OrderedMutex<u8> = OrderedMutex::new(1, 0);
    static HIGH: OrderedMutex<u8> = OrderedMutex::new(2, 0);
    thread_local!(static HELD: Cell<Option<OrderedMutexGuard<'static, u8>>> = const { Cell::new(None) });

    struct Locking;
    impl From<Locking> for Limit<'_> {
        fn from(_: Locking) -> Self {
            HELD.set(Some(HIGH.lock().unwrap()));
            Limit::NEVER
        }
    }

    let refused = out_of_order(LOW.id(), HIGH.id());
    assert_eq!(LOW.lock_within(Locking).err(), Some(refused.clone()));
    HELD.take();
    assert_eq!(raddle::lock_all_within((&LOW,), Locking).err(), Some(refused));
    HELD.take();
}

/// A worker that is made by a destructor while its thread unwinds is another thread's from then on: that one's panic
/// is reported.
#[test]
fn a_worker_made_while_unwinding() {
    struct Spawns(Arc<WaitGroup>);
    impl Drop for Spawns {
        fn drop(&mut self) {
            let worker = self.0.worker_owned();
            let thread = thread::spawn(move || {
                let _worker = worker;
                panic!("on purpose");
            });
            assert!(thread.join().is_err());
        }
    }

    let group = Arc::new(WaitGroup::new());
    let spawns = Spawns(group.clone());
    let unwound = catch_unwind(AssertUnwindSafe(move || {
        let _spawns = spawns;
        panic!("on purpose");
    }));
    assert!(unwound.is_err());
    assert!(group.wait().is_err());
}

/// The count is zero for a moment between the first look of a wait and its sleep, and the wait is over.
#[test]
fn a_zero_that_nobody_waits_for_yet() {
    static GROUP: WaitGroup = WaitGroup::new();
    thread_local!(static WORKER: Cell<Option<Worker<'static>>> = const { Cell::new(None) });

    struct Next;
    impl From<Next> for Limit<'_> {
        fn from(_: Next) -> Self {
            drop(WORKER.take());
            WORKER.set(Some(GROUP.worker()));
            Limit::from(Duration::from_secs(10))
        }
    }

    WORKER.set(Some(GROUP.worker()));
    assert_eq!(GROUP.wait_within(Next), Ok(()));
}

/// Guards that end in the destructors of thread-locals, more of them than the list of held ids has room for in line.
#[test]
fn guards_that_end_with_their_thread() {
    static ONE: OrderedMutex<u8> = OrderedMutex::new(10, 0);
    static MANY: Lazy<Vec<OrderedMutex<u64>>> =
        Lazy::new(|| (0..40).map(|id| OrderedMutex::new(100 + id, id)).collect());
    type Guards = Vec<OrderedMutexGuard<'static, u64>>;
    thread_local!(static GUARD: Cell<Option<OrderedMutexGuard<'static, u8>>> = const { Cell::new(None) });
    thread_local!(static GUARDS: Cell<Option<Guards>> = const { Cell::new(None) });

    let ends = thread::spawn(|| {
        GUARD.set(Some(ONE.lock().unwrap()));
        GUARDS.set(Some(MANY.iter().rev().map(|lock| lock.try_lock().unwrap()).collect()));
    });
    ends.join().unwrap();
    assert!(ONE.try_lock().is_ok());
    assert!(raddle::try_lock_all(MANY.iter().collect::<Vec<_>>()).is_ok());
}

/// Fails if a lock below the one that a thread-local still holds is waited for in its destructor. Where thread-local storage is
/// not native, the record of that may be lost by then; the locks come free all the same.
#[test]
fn a_guard_in_a_thread_local_counts_while_it_ends() {
    static LOW: OrderedMutex<u8> = OrderedMutex::new(1, 0);
    static HIGH: OrderedMutex<u8> = OrderedMutex::new(2, 0);
    type Tried = Result<(), LockError>;
    struct Keeps {
        tries: mpsc::Sender<Tried>,
        _guard: OrderedMutexGuard<'static, u8>,
    }
    impl Drop for Keeps {
        fn drop(&mut self) {
            self.tries.send(LOW.lock().map(drop)).unwrap();
        }
    }
    thread_local!(static KEEPS: Cell<Option<Keeps>> = const { Cell::new(None) });

    let (tries, tried) = mpsc::channel();
    let ends = thread::spawn(|| {
        // Before the thread has a lock, so that it ends after whatever locks may need.
        KEEPS.set(None);
        KEEPS.set(Some(Keeps { tries, _guard: HIGH.lock().unwrap() }));
    });
    ends.join().unwrap();
    let refused = Err(out_of_order(LOW.id(), HIGH.id()));
    let native = !cfg!(any(
        all(windows, target_env = "gnu"),
        target_os = "android",
        target_os = "openbsd",
        target_os = "illumos"
    ));
    let tried = tried.recv().unwrap();
    assert!(tried == refused || tried == Ok(()) && !native, "{tried:?}");
    assert!(HIGH.try_lock().is_ok() && LOW.try_lock().is_ok());
}

/// Mends a lock in its destructor, as far as that goes.
struct Mender<'l>(&'l dyn Fn());

impl Drop for Mender<'_> {
    fn drop(&mut self) {
        let _ = catch_unwind(AssertUnwindSafe(self.0));
    }
}

/// Fails if a panic in the middle of mending is taken for the one that the thread is unwinding from already, or if what
/// was mended meanwhile is poisoned.
#[test]
fn mending_while_unwinding() {
    let (mutex, rwlock) = (OrderedMutex::new(1, 1), OrderedRwLock::new(2, 1));
    let unwind = |meanwhile: &dyn Fn()| {
        let result = catch_unwind(AssertUnwindSafe(|| {
            let _mender = Mender(meanwhile);
            let _guards = (mutex.lock(), rwlock.write());
            panic!("on purpose");
        }));
        assert!(result.is_err());
    };
    unwind(&|| _ = mutex.clear_poison_with(|_| panic!("on purpose")));
    assert!(mutex.is_poisoned() && rwlock.is_poisoned());
    unwind(&|| _ = rwlock.clear_poison_with(|_| panic!("on purpose")));
    assert!(mutex.is_poisoned() && rwlock.is_poisoned());
    unwind(&|| {
        assert_eq!(mutex.clear_poison_with(|value| *value = 2), Some(()));
        assert_eq!(rwlock.clear_poison_with(|value| *value = 2), Some(()));
    });
    assert_eq!((mutex.lock().map(|value| *value), rwlock.read().map(|value| *value)), (Ok(2), Ok(2)));
}

/// Who mends a poisoned lock has it alone, and a panic in the middle of mending leaves it poisoned.
#[test]
fn mending() {
    let lock = OrderedMutex::new(1, 1);
    assert_eq!(lock.clear_poison_with(|_| unreachable!("not poisoned")), None::<()>);
    let poison = |lock: &OrderedMutex<i32>| {
        let _guard = lock.lock().unwrap();
        panic!("on purpose");
    };
    assert!(catch_unwind(|| poison(&lock)).is_err());
    let broken = catch_unwind(|| lock.clear_poison_with(|_| panic!("on purpose")));
    assert!(broken.is_err());
    assert_eq!(lock.lock().err(), Some(LockError::Poisoned { id: lock.id() }));
    let mended = lock.clear_poison_with(|value| {
        assert_eq!(lock.try_lock().err(), Some(LockError::WouldBlock { id: lock.id() }));
        *value += 1;
        *value
    });
    assert_eq!(mended, Some(2));
    assert_eq!(*lock.lock().unwrap(), 2);
}
