//! What the types are, apart from what they do: which auto traits they have, how large they are, where they can stand,
//! and when they take heap.

use std::cell::{Cell, UnsafeCell};
use std::marker::{PhantomData, PhantomPinned};
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::rc::Rc;
use std::sync::{LazyLock, Mutex, MutexGuard, OnceLock, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::Duration;

use raddle::{
    AnyRequest, CancelOnDrop, CancelToken, CancelledFuture, CancelledFutureOwned, Condvar, Counter, InitError, Lazy,
    Limit, LockError, LockId, LockTable, Locked, MappedGuard, MappedRefGuard, OnCancel, OnceCell, OrderedMutex,
    OrderedMutexArcGuard, OrderedMutexGuard, OrderedReadArcGuard, OrderedReadGuard, OrderedRwLock,
    OrderedWriteArcGuard, OrderedWriteGuard, OwnedPermit, OwnedWorker, Permit, ReadArcRequest, ReadRequest, Semaphore,
    ShardedCounter, SpawnError, Stopped, TableGuard, TableRequest, Task, Tasks, WaitError, WaitGroup, Worker,
    WorkerPanicked, WriteArcRequest, WriteRequest, lock_all, try_lock_all,
};

use crate::heap::{heap_kept, heap_taken};
use crate::thread;

/// Whether a type has a trait, as a constant. An inherent constant goes before that of a trait, and exists only where
/// its bounds hold.
macro_rules! has {
    ($t:ty: $bound:path) => {{
        #[allow(dead_code)]
        trait Otherwise {
            const HAS: bool = false;
        }
        impl<T: ?Sized> Otherwise for T {}
        struct Probe<T: ?Sized>(#[allow(dead_code)] PhantomData<T>);
        #[allow(dead_code)]
        impl<T: ?Sized + $bound> Probe<T> {
            const HAS: bool = true;
        }
        <Probe<$t>>::HAS
    }};
}

/// The names of all auto traits that a type has, and of `Copy`.
macro_rules! traits {
    ($t:ty) => {{
        let all = [
            ("Send", has!($t: Send)),
            ("Sync", has!($t: Sync)),
            ("UnwindSafe", has!($t: UnwindSafe)),
            ("RefUnwindSafe", has!($t: RefUnwindSafe)),
            ("Unpin", has!($t: Unpin)),
            ("Copy", has!($t: Copy)),
        ];
        all.into_iter().filter(|(_, has)| *has).map(|(name, _)| name).collect::<Vec<_>>().join(" ")
    }};
}

/// Each type has exactly the traits that stand after it.
macro_rules! exactly {
    ($($t:ty = $traits:literal;)+) => {
        $(assert_eq!(traits!($t), $traits, "{}", stringify!($t));)+
    };
}

/// Both generic types have the same traits, whatever they are made of.
macro_rules! alike {
    ($ours:ident, $theirs:ident: $($of:ty),+ $(,)?) => {
        $(assert_eq!(
            traits!($ours<$of>), traits!($theirs<$of>), "{}<{}>", stringify!($ours), stringify!($of)
        );)+
    };
}

/// Sync, not Send.
type Bound = MutexGuard<'static, i32>;
/// Neither UnwindSafe nor RefUnwindSafe, but Send and Sync.
struct Fragile(#[allow(dead_code)] PhantomData<&'static mut i32>, #[allow(dead_code)] PhantomData<UnsafeCell<i32>>);
// SAFETY: there is nothing in it.
unsafe impl Sync for Fragile {}

#[test]
fn the_probe_tells_types_apart() {
    exactly! {
        i32 = "Send Sync UnwindSafe RefUnwindSafe Unpin Copy";
        Cell<i32> = "Send UnwindSafe Unpin";
        Rc<i32> = "UnwindSafe RefUnwindSafe Unpin";
        Bound = "Sync UnwindSafe RefUnwindSafe Unpin";
        Fragile = "Send Sync Unpin";
        PhantomPinned = "Send Sync UnwindSafe RefUnwindSafe Copy";
        *const i32 = "UnwindSafe RefUnwindSafe Unpin Copy";
    }
}

#[test]
fn traits_of_values() {
    exactly! {
        LockId = "Send Sync UnwindSafe RefUnwindSafe Unpin Copy";
        LockError = "Send Sync UnwindSafe RefUnwindSafe Unpin";
        Stopped = "Send Sync UnwindSafe RefUnwindSafe Unpin Copy";
        WaitError = "Send Sync UnwindSafe RefUnwindSafe Unpin Copy";
        WorkerPanicked = "Send Sync UnwindSafe RefUnwindSafe Unpin Copy";
        Limit<'static> = "Send Sync UnwindSafe RefUnwindSafe Unpin Copy";
        InitError = "Send Sync UnwindSafe RefUnwindSafe Unpin";
        InitError<Rc<i32>> = "UnwindSafe RefUnwindSafe Unpin";
        InitError<Cell<i32>> = "Send UnwindSafe Unpin";
    }
}

/// As those of std's scope, and a panic finds nothing half done.
#[test]
fn traits_of_scopes() {
    type Handle<T, E> = Task<'static, T, E>;
    exactly! {
        Tasks<'static, 'static, i32> = "Send Sync UnwindSafe RefUnwindSafe Unpin";
        Tasks<'static, 'static, Cell<i32>> = "Send Sync UnwindSafe RefUnwindSafe Unpin";
        Tasks<'static, 'static, Rc<i32>> = "UnwindSafe RefUnwindSafe Unpin";
        Handle<i32, i32> = "Send Sync UnwindSafe RefUnwindSafe Unpin";
        Handle<Cell<i32>, Cell<i32>> = "Send Sync UnwindSafe RefUnwindSafe Unpin";
        Handle<Rc<i32>, i32> = "UnwindSafe RefUnwindSafe Unpin";
        Handle<i32, Rc<i32>> = "UnwindSafe RefUnwindSafe Unpin";
        SpawnError = "Send Sync Unpin";
    }
}

#[test]
fn traits_of_locks() {
    exactly! {
        OrderedMutex<i32> = "Send Sync UnwindSafe RefUnwindSafe Unpin";
        OrderedMutex<Cell<i32>> = "Send Sync UnwindSafe RefUnwindSafe Unpin";
        OrderedMutex<Rc<i32>> = "UnwindSafe RefUnwindSafe Unpin";
        OrderedMutex<Bound> = "UnwindSafe RefUnwindSafe Unpin";
        OrderedMutexGuard<'static, i32> = "Sync UnwindSafe RefUnwindSafe Unpin";
        OrderedMutexGuard<'static, Cell<i32>> = "UnwindSafe RefUnwindSafe Unpin";
        OrderedMutexGuard<'static, Rc<i32>> = "UnwindSafe RefUnwindSafe Unpin";
        OrderedMutexGuard<'static, dyn Send> = "UnwindSafe RefUnwindSafe Unpin";
        OrderedMutexGuard<'static, [i32]> = "Sync UnwindSafe RefUnwindSafe Unpin";
    }
    alike!(OrderedMutex, Mutex: i32, Cell<i32>, Rc<i32>, Bound, Fragile, PhantomPinned, *const i32, [i32], dyn Send);
}

#[test]
fn traits_of_read_write_locks() {
    exactly! {
        OrderedRwLock<i32> = "Send Sync UnwindSafe RefUnwindSafe Unpin";
        OrderedRwLock<Cell<i32>> = "Send UnwindSafe RefUnwindSafe Unpin";
        OrderedRwLock<Rc<i32>> = "UnwindSafe RefUnwindSafe Unpin";
        OrderedRwLock<Bound> = "UnwindSafe RefUnwindSafe Unpin";
        OrderedReadGuard<'static, i32> = "Sync UnwindSafe RefUnwindSafe Unpin";
        OrderedWriteGuard<'static, i32> = "Sync UnwindSafe RefUnwindSafe Unpin";
        OrderedWriteGuard<'static, Bound> = "Sync UnwindSafe RefUnwindSafe Unpin";
        ReadRequest<'static, i32> = "Send Sync UnwindSafe RefUnwindSafe Unpin Copy";
        WriteRequest<'static, i32> = "Send Sync UnwindSafe RefUnwindSafe Unpin Copy";
        TableGuard<'static, u8, i32> = "Sync UnwindSafe RefUnwindSafe Unpin";
        TableGuard<'static, Cell<u8>, i32> = "UnwindSafe RefUnwindSafe Unpin";
        TableGuard<'static, u8, Cell<i32>> = "UnwindSafe RefUnwindSafe Unpin";
        Locked<[TableRequest<'static, u8, i32>; 2]> = "Sync UnwindSafe RefUnwindSafe Unpin";
        Locked<[TableRequest<'static, Cell<u8>, i32>; 2]> = "UnwindSafe RefUnwindSafe Unpin";
        LockTable<u8, Cell<i32>> = "Send Sync UnwindSafe RefUnwindSafe Unpin";
        LockTable<Cell<u8>, i32> = "Send UnwindSafe RefUnwindSafe Unpin";
        LockTable<u8, Rc<i32>> = "UnwindSafe RefUnwindSafe Unpin";
        ReadArcRequest<i32> = "Send Sync UnwindSafe RefUnwindSafe Unpin";
        ReadArcRequest<Cell<i32>> = "Unpin";
        WriteArcRequest<i32> = "Send Sync UnwindSafe RefUnwindSafe Unpin";
        AnyRequest<'static, i32> = "Send Sync UnwindSafe RefUnwindSafe Unpin";
        AnyRequest<'static, Rc<i32>> = "UnwindSafe RefUnwindSafe Unpin";
        OrderedReadArcGuard<i32> = "Sync UnwindSafe RefUnwindSafe Unpin";
        OrderedWriteArcGuard<Cell<i32>> = "UnwindSafe RefUnwindSafe Unpin";
        OrderedMutexArcGuard<i32> = "Sync UnwindSafe RefUnwindSafe Unpin";
        OrderedMutexArcGuard<Rc<i32>> = "UnwindSafe RefUnwindSafe Unpin";
        MappedGuard<'static, i32> = "Sync UnwindSafe RefUnwindSafe Unpin";
        MappedGuard<'static, Cell<i32>> = "UnwindSafe RefUnwindSafe Unpin";
        MappedRefGuard<'static, i32> = "Sync UnwindSafe RefUnwindSafe Unpin";
        MappedRefGuard<'static, Cell<i32>> = "Unpin";
        WriteRequest<'static, dyn Send> = "UnwindSafe RefUnwindSafe Unpin Copy";
    }
    // What may not be shared is neither shared nor sent by those who read.
    macro_rules! stays {
        ($($t:ty),+) => {
            $(assert!(!has!($t: Send) && !has!($t: Sync), "{}", stringify!($t));)+
        };
    }
    type Celled = ReadRequest<'static, Cell<i32>>;
    stays!(
        OrderedReadGuard<'static, Cell<i32>>,
        Celled,
        Locked<(Celled, Celled)>,
        Locked<[Celled; 2]>,
        Locked<Vec<Celled>>
    );
    alike!(OrderedRwLock, RwLock: i32, Cell<i32>, Rc<i32>, Bound, Fragile, PhantomPinned, *const i32, [i32], dyn Send);
}

#[test]
fn traits_of_guards_are_those_of_the_std_locks() {
    macro_rules! guards {
        ($ours:ident, $theirs:ident: $($of:ty),+) => {
            $(assert_eq!(
                traits!($ours<'static, $of>), traits!($theirs<'static, $of>), "{}<{}>", stringify!($ours), stringify!($of)
            );)+
        };
    }
    macro_rules! of_all {
        ($($ours:ident, $theirs:ident;)+) => {
            $(guards!(
                $ours, $theirs: i32, Cell<i32>, Rc<i32>, Bound, Fragile, PhantomPinned, *const i32, [i32], dyn Send, dyn Sync
            );)+
        };
    }
    of_all! {
        OrderedMutexGuard, MutexGuard;
        OrderedReadGuard, RwLockReadGuard;
        OrderedWriteGuard, RwLockWriteGuard;
    }
}

/// A panic while reading poisons nothing, so a guard that reads goes through it only where a shared reference does.
#[test]
fn reading_is_unwind_safe_where_a_shared_reference_is() {
    macro_rules! as_shared {
        ($($of:ty),+) => {
            $(
                let shared = has!(&'static $of: UnwindSafe);
                assert_eq!(has!(OrderedReadGuard<'static, $of>: UnwindSafe), shared, "guard of {}", stringify!($of));
                assert_eq!(has!(Locked<[ReadRequest<'static, $of>; 2]>: UnwindSafe), shared, "set of {}", stringify!($of));
            )+
        };
    }
    as_shared!(i32, Cell<i32>, Fragile);
}

#[test]
fn traits_of_locked_sets() {
    type Plain = &'static OrderedMutex<i32>;
    type Celled = &'static OrderedMutex<Cell<i32>>;
    type Read = ReadRequest<'static, i32>;
    type Write = WriteRequest<'static, i32>;
    exactly! {
        Locked<(Plain,)> = "Sync UnwindSafe RefUnwindSafe Unpin";
        Locked<(Plain, Plain)> = "Sync UnwindSafe RefUnwindSafe Unpin";
        Locked<(Celled, Plain)> = "UnwindSafe RefUnwindSafe Unpin";
        Locked<(Plain, Celled)> = "UnwindSafe RefUnwindSafe Unpin";
        Locked<(Plain, Plain, Plain, Plain, Plain, Plain, Plain, Celled)> = "UnwindSafe RefUnwindSafe Unpin";
        Locked<[Plain; 3]> = "Sync UnwindSafe RefUnwindSafe Unpin";
        Locked<[Celled; 3]> = "UnwindSafe RefUnwindSafe Unpin";
        Locked<&'static [Plain]> = "Sync UnwindSafe RefUnwindSafe Unpin";
        Locked<&'static [Celled]> = "UnwindSafe RefUnwindSafe Unpin";
        Locked<Vec<Plain>> = "Sync UnwindSafe RefUnwindSafe Unpin";
        Locked<Vec<Celled>> = "UnwindSafe RefUnwindSafe Unpin";
        Locked<Vec<&'static OrderedMutex<Rc<i32>>>> = "UnwindSafe RefUnwindSafe Unpin";
        Locked<(Read, Plain, Write)> = "Sync UnwindSafe RefUnwindSafe Unpin";
        Locked<(Read, Celled)> = "UnwindSafe RefUnwindSafe Unpin";
        Locked<[Write; 3]> = "Sync UnwindSafe RefUnwindSafe Unpin";
    }
}

#[test]
fn traits_of_cells() {
    exactly! {
        OnceCell<i32> = "Send Sync UnwindSafe RefUnwindSafe Unpin";
        OnceCell<Cell<i32>> = "Send UnwindSafe Unpin";
        OnceCell<Rc<i32>> = "UnwindSafe RefUnwindSafe Unpin";
        OnceCell<Bound> = "UnwindSafe RefUnwindSafe Unpin";
    }
    alike!(OnceCell, OnceLock: i32, Cell<i32>, Rc<i32>, Bound, Fragile, PhantomPinned, *const i32);
    type TheirCell<T> = once_cell::sync::OnceCell<T>;
    alike!(OnceCell, TheirCell: i32, Cell<i32>, Rc<i32>, Bound, Fragile, PhantomPinned, *const i32);

    exactly! {
        Lazy<i32> = "Send Sync UnwindSafe RefUnwindSafe Unpin";
        Lazy<Rc<i32>> = "UnwindSafe RefUnwindSafe Unpin";
    }
    type TheirLazy<T> = once_cell::sync::Lazy<T>;
    alike!(Lazy, TheirLazy: i32, Cell<i32>, Rc<i32>, Bound, Fragile, *const i32);
    // The function counts as well.
    type Ours<F> = Lazy<i32, F>;
    type Theirs<F> = once_cell::sync::Lazy<i32, F>;
    alike!(Ours, Theirs: Cell<i32>, Rc<i32>, Bound, Fragile, *const i32);
    assert_eq!(has!(Lazy<Cell<i32>>: Sync), has!(LazyLock<Cell<i32>>: Sync));
}

#[test]
fn traits_of_tokens() {
    exactly! {
        CancelToken = "Send Sync UnwindSafe RefUnwindSafe Unpin";
        CancelOnDrop = "Send Sync UnwindSafe RefUnwindSafe Unpin";
        OnCancel = "Send Sync UnwindSafe RefUnwindSafe Unpin";
        CancelledFuture<'static> = "Send Sync UnwindSafe RefUnwindSafe";
        CancelledFutureOwned = "Send Sync UnwindSafe RefUnwindSafe";
    }
}

#[test]
fn traits_of_conditions_groups_semaphores_and_counters() {
    exactly! {
        Condvar = "Send Sync UnwindSafe RefUnwindSafe Unpin";
        WaitGroup = "Send Sync UnwindSafe RefUnwindSafe Unpin";
        Worker<'static> = "Send Sync UnwindSafe RefUnwindSafe Unpin";
        OwnedWorker = "Send Sync UnwindSafe RefUnwindSafe Unpin";
        Semaphore = "Send Sync UnwindSafe RefUnwindSafe Unpin";
        Permit<'static> = "Send Sync UnwindSafe RefUnwindSafe Unpin";
        OwnedPermit = "Send Sync UnwindSafe RefUnwindSafe Unpin";
        Counter = "Send Sync UnwindSafe RefUnwindSafe Unpin";
        ShardedCounter = "Send Sync UnwindSafe RefUnwindSafe Unpin";
    }
}

#[test]
fn sizes() {
    // The id, the byte, and what alignment makes of it.
    assert!(size_of::<OrderedMutex<u64>>() - size_of::<u64>() <= 24);
    assert!(size_of::<OrderedMutex<u8>>() - size_of::<u8>() <= 24);
    // The word instead of the byte, at no cost.
    assert!(size_of::<OrderedRwLock<u64>>() - size_of::<u64>() <= 24);
    assert_eq!(size_of::<OnceCell<u8>>(), 2);
    assert_eq!(size_of::<OnceCell<u64>>(), size_of::<u64>() + align_of::<u64>());
    assert_eq!(size_of::<Condvar>(), 1);
    assert!(size_of::<WaitGroup>() <= 8);
    assert_eq!(size_of::<Semaphore>(), 16);
    assert_eq!([size_of::<Permit<'_>>(), size_of::<OwnedPermit>()], [2 * size_of::<usize>(); 2]);
    assert_eq!(size_of::<Counter>(), 8);
    assert_eq!(size_of::<LockId>(), 16);
    assert_eq!(
        [size_of::<CancelToken>(), size_of::<Option<CancelToken>>(), size_of::<CancelOnDrop>()],
        [size_of::<usize>(); 3]
    );
    assert_eq!([size_of::<OnCancel>(), size_of::<Option<OnCancel>>()], [2 * size_of::<usize>(); 2]);
    assert!(size_of::<CancelledFuture<'_>>() <= size_of::<[usize; 8]>());
    assert_eq!(size_of::<CancelledFutureOwned>(), size_of::<CancelledFuture<'_>>());
    // What waits passes it on by value: a time, an instant, two tokens.
    assert!(size_of::<Limit<'_>>() <= 48);
}

static LOCK: OrderedMutex<u32> = OrderedMutex::new(1, 1);
static LOCK_IN_CLASS: OrderedMutex<u32> = OrderedMutex::with_id(ID, 2);
const ID: LockId = LockId::in_class(1, 1);
static SHARED: OrderedRwLock<u32> = OrderedRwLock::new(2, 3);
static SHARED_IN_CLASS: OrderedRwLock<u32> = OrderedRwLock::with_id(LockId::in_class(2, 1), 4);
static EMPTY: OnceCell<String> = OnceCell::new();
static FULL: OnceCell<u32> = OnceCell::with_value(3);
static LAZY: Lazy<Vec<u32>> = Lazy::new(|| vec![4]);
static GROUP: WaitGroup = WaitGroup::new();
static SEMAPHORE: Semaphore = Semaphore::new(2);
static COUNTER: Counter = Counter::new(5);
static SHARDED: ShardedCounter = ShardedCounter::new();
const NO_LIMIT: Limit<'static> = Limit::NEVER;

#[test]
fn statics() {
    thread::scope(|threads| {
        for _ in 0..3 {
            let worker = GROUP.worker();
            threads.spawn(move || {
                let mut both = lock_all((&LOCK_IN_CLASS, &LOCK)).unwrap();
                let (two, one) = both.split_mut();
                *two += 1;
                *one += 1;
                drop(both);
                let mut both = lock_all((SHARED_IN_CLASS.as_write(), SHARED.as_read())).unwrap();
                let (four, three) = both.split_mut();
                *four += *three;
                drop(both);
                assert_eq!(EMPTY.get_or_init(|| String::from("made")), "made");
                assert_eq!(FULL.get(), Some(&3));
                assert_eq!(LAZY[0], 4);
                drop(SEMAPHORE.acquire(2));
                COUNTER.inc();
                SHARDED.inc();
                drop(worker);
            });
        }
        GROUP.wait_within(NO_LIMIT).unwrap();
        // Not joined yet.
        assert_eq!(try_lock_all((&LOCK, &LOCK_IN_CLASS)).unwrap().split(), (&4, &5));
        assert_eq!((COUNTER.get(), SHARDED.sum()), (8, 3));
        assert_eq!(*SHARED_IN_CLASS.read().unwrap(), 13);
    });
}

fn locks() -> Vec<OrderedMutex<u64>> {
    (0..40).map(|id| OrderedMutex::new(100 - id, id)).collect()
}

#[test]
fn sets_of_up_to_sixteen_take_no_heap() {
    assert_ne!(heap_taken(|| drop(std::hint::black_box(Box::new(1)))), 0, "the allocator does not count");
    let locks = locks();
    for len in 0..=16 {
        let set: Vec<_> = locks.iter().take(len).collect();
        let taken = heap_taken(|| {
            let mut locked = lock_all(&set[..]).unwrap();
            locked.iter_mut().for_each(|value| *value += 1);
            assert_eq!(locked.iter().len(), len);
            drop(locked);
            drop(try_lock_all(&set[..]).unwrap());
        });
        assert_eq!(taken, 0, "a set of {len}");
    }
    let taken = heap_taken(|| {
        let mut locked = lock_all([&locks[4], &locks[1], &locks[3]]).unwrap();
        let [_, second, _] = locked.split_mut();
        *second += 1;
    });
    assert_eq!(taken, 0);
}

#[test]
fn up_to_sixteen_nested_guards_take_no_heap() {
    let locks = locks();
    let [a, b, c, d, e, f, g, h] = std::array::from_fn(|at| &locks[8 - at]);
    let taken = heap_taken(|| {
        let eight = (a.lock(), b.lock(), c.lock(), d.lock(), e.lock(), f.lock(), g.lock(), h.lock());
        let more: [_; 8] = std::array::from_fn(|at| locks[20 + at].try_lock().unwrap());
        drop(eight);
        drop(more);
    });
    assert_eq!(taken, 0);
}

#[test]
fn what_is_made_takes_no_heap_until_it_is_used() {
    let taken = heap_taken(|| {
        let lock = OrderedMutex::new(1, 1);
        drop(lock.lock().unwrap());
        let lock = OrderedRwLock::new(1, 1);
        drop(lock.read().unwrap());
        drop(lock.write().unwrap());
        let cell = OnceCell::new();
        cell.set(1).unwrap();
        let group = WaitGroup::new();
        drop(group.worker());
        group.wait().unwrap();
        drop(Semaphore::new(1).acquire(1));
        let sharded = ShardedCounter::new();
        assert_eq!((sharded.sum(), sharded.take()), (0, 0));
        let counter = Counter::new(1);
        counter.inc();
    });
    assert_eq!(taken, 0);
}

#[test]
fn what_takes_heap_gives_it_back() {
    let locks = locks();
    let mut taken = 0;
    let kept = heap_kept(|| {
        taken = heap_taken(|| {
            let guards: Vec<_> = locks.iter().map(|lock| lock.try_lock().unwrap()).collect();
            drop(guards);
            let one_too_many: Vec<_> = locks[..17].iter().map(|lock| lock.try_lock().unwrap()).collect();
            // The first to come first, so that the last id moves down.
            one_too_many.into_iter().for_each(drop);
            drop(lock_all(locks.iter().collect::<Vec<_>>()).unwrap());
        });
    });
    assert_eq!(kept, 0, "of {taken}");
    // Beyond sixteen, the place of a guard that is dropped is the next one's.
    let _sixteen: Vec<_> = locks[..16].iter().map(|lock| lock.try_lock().unwrap()).collect();
    let _seventeenth = locks[16].try_lock().unwrap();
    drop(locks[17].try_lock().unwrap());
    assert_eq!(heap_taken(|| (0..1000).for_each(|_| drop(locks[17].try_lock().unwrap()))), 0);

    // The thread's own place is not the counter's.
    ShardedCounter::new().inc();
    let kept = heap_kept(|| {
        taken = heap_taken(|| {
            let counter = ShardedCounter::new();
            counter.inc();
            OnceCell::new().set(Box::new(1)).unwrap();
            drop(Lazy::<Box<i32>, _>::new(|| Box::new(1)));
            Lazy::force(&Lazy::new(|| Box::new(1)));
        });
    });
    assert_ne!(taken, 0);
    assert_eq!(kept, 0, "of {taken}");

    // A thread's slot is made once.
    let counter = ShardedCounter::new();
    counter.inc();
    assert_eq!(heap_taken(|| (0..10).for_each(|_| counter.inc())), 0);
}

/// A call under a token keeps what it needs on its own stack.
#[test]
fn tokens_take_heap_once() {
    let mut taken = 0;
    // The parking lot makes its table when the first thread sleeps.
    assert_eq!(CancelToken::new().wait(Duration::ZERO), Err(Stopped::TimedOut));
    let kept = heap_kept(|| {
        let token = CancelToken::new();
        taken = heap_taken(|| drop(token.child_within(Duration::MAX)));
        let child = token.child();
        let lock = OrderedMutex::new(1, ());
        let _guard = lock.try_lock().unwrap();
        // The parking lot makes its own record of a thread when that sleeps for the first time.
        assert_eq!(token.wait(Duration::ZERO), Err(Stopped::TimedOut));
        let while_used = heap_taken(|| {
            drop((child.clone(), child.cancel_on_drop().disarm()));
            assert!(child.check().is_ok() && child.cause().is_none());
            assert_eq!(child.wait(Limit::from(Duration::ZERO).or(&token)), Err(Stopped::TimedOut));
            assert!(WaitGroup::new().wait_within(&child).is_ok());
            token.cancel();
            assert!(child.is_cancelled());
        });
        assert_eq!(while_used, 0);
    });
    // Besides, with channels, the place of one.
    assert!(0 < taken && taken <= 160 + 16 * usize::from(cfg!(feature = "crossbeam-channel")), "{taken}");
    assert_eq!(kept, 0);
}
