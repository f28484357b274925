//! What a model may do in destructors and while it fails, and is reported for what it did.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::panic::{self, AssertUnwindSafe};
use std::process::Command;
use std::rc::Rc;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use std::sync::atomic::{AtomicBool, AtomicPtr};
use std::sync::{Arc, Mutex, TryLockError};
use std::time::Duration;

use loom::cell::UnsafeCell;
use loom::sync::atomic::AtomicU64;
use loom::thread;

use crate::explore::check;

/// Runs the body in a process of its own, as the test of this name: published loom aborts it, or says too much. Returns
/// what it wrote if the process ended by itself, with the body run to its end.
fn alone(test: &str, body: impl FnOnce()) -> Option<String> {
    const ALONE: &str = "ACCEPTANCE_ALONE";
    const DONE: &str = "the body has run to its end";
    if std::env::var_os(ALONE).is_some() {
        std::thread::spawn(|| {
            std::thread::sleep(Duration::from_secs(20));
            eprintln!("the body does not end");
            std::process::exit(1);
        });
        body();
        eprintln!("{DONE}");
        return None;
    }
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "--nocapture", &format!("traps::{test}")])
        .env(ALONE, "1")
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success() && text.contains(DONE), "{}\n{text}", output.status);
    Some(text)
}

/// What a model panics with.
fn failure(model: impl Fn() + Send + Sync + 'static) -> String {
    let result = panic::catch_unwind(AssertUnwindSafe(|| loom::model(model)));
    let payload = result.expect_err("the model fails");
    match payload.downcast_ref::<String>() {
        Some(message) => message.clone(),
        None => payload.downcast_ref::<&str>().expect("a message").to_string(),
    }
}

/// The model fails, with this message, and it is all that is reported; models can be run afterwards on the same thread.
fn fails_once(test: &str, message: &str, model: impl Fn() + Send + Sync + 'static) {
    let text = alone(test, || {
        assert!(failure(model).contains(message));
        assert!(!std::thread::panicking());
        loom::model(|| {
            let word = Rc::new(AtomicU64::new(0));
            let other = word.clone();
            thread::spawn(move || other.store(1, Relaxed)).join().unwrap();
            assert_eq!(word.load(Relaxed), 1);
        });
    });
    if let Some(text) = text {
        assert!(text.contains(message) && text.matches("panicked at").count() == 1, "{text}");
    }
}

/// Keeps what the executions note.
#[derive(Clone, Default)]
struct Notes(Arc<Mutex<Vec<&'static str>>>);

impl Notes {
    fn add(&self, note: &'static str) {
        self.0.lock().unwrap().push(note);
    }

    /// What one execution has noted.
    fn take(&self) -> Vec<&'static str> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

std::thread_local! {
    static NOTES: Notes = Notes::default();
}

fn note(note: &'static str) {
    NOTES.with(|notes| notes.add(note));
}

fn noted() -> Vec<&'static str> {
    NOTES.with(Notes::take)
}

/// Notes that it is dropped, which it does with an operation that loom explores.
struct Noisy(&'static str, AtomicU64);

impl Noisy {
    fn new(name: &'static str) -> Self {
        Self(name, AtomicU64::new(0))
    }
}

impl Drop for Noisy {
    fn drop(&mut self) {
        self.1.load(Relaxed);
        note(self.0);
    }
}

// Lazy statics.

loom::lazy_static! {
    static ref A: Noisy = Noisy::new("a");
    static ref B: Noisy = Noisy::new("b");
    static ref C: Noisy = Noisy::new("c");
    static ref D: Noisy = Noisy::new("d");
    static ref USES_A: UsesA = UsesA;
    static ref USES_LOCAL: UsesLocal = UsesLocal;
    static ref WORD: AtomicU64 = AtomicU64::new(0);
    static ref CELL: CellInStatic = CellInStatic(UnsafeCell::new(0));
}

struct UsesA;

impl Drop for UsesA {
    fn drop(&mut self) {
        note("uses a");
        A.1.load(Relaxed);
        // The first use of this one.
        B.1.load(Relaxed);
    }
}

/// Published loom drops them in a random order: the replay goes astray.
#[test]
fn lazy_statics_are_dropped_last_first() {
    let test = "lazy_statics_are_dropped_last_first";
    alone(test, || {
        loom::model(|| {
            let end = noted();
            let _ = (&*C, &*A, &*D, &*B);
            let word = Rc::new(AtomicU64::new(0));
            let other = word.clone();
            thread::spawn(move || other.store(1, Relaxed));
            word.load(Relaxed);
            assert!(end.is_empty() || end == ["b", "d", "a", "c"], "{end:?}");
        });
        assert_eq!(noted(), ["b", "d", "a", "c"]);
    });
}

/// In published loom none is there any more when the first is dropped.
#[test]
fn a_lazy_static_uses_another_when_dropped() {
    alone("a_lazy_static_uses_another_when_dropped", || {
        loom::model(|| {
            A.1.load(Relaxed);
            let _ = &*USES_A;
        });
        assert_eq!(noted(), ["uses a", "b", "a"]);
    });
}

struct UsesStatic;

impl Drop for UsesStatic {
    fn drop(&mut self) {
        WORD.fetch_add(1, Relaxed);
        note("uses static");
    }
}

loom::thread_local! {
    static USES_STATIC: UsesStatic = UsesStatic;
}

/// In published loom the lazy statics are dropped first, if it is the main thread.
#[test]
fn a_destructor_uses_a_lazy_static() {
    alone("a_destructor_uses_a_lazy_static", || {
        loom::model(|| {
            USES_STATIC.with(|_| ());
            WORD.load(Relaxed);
        });
        assert_eq!(noted(), ["uses static"]);
    });
}

struct UsesLocal;

impl Drop for UsesLocal {
    fn drop(&mut self) {
        LOCK.with(|lock| *lock.lock().unwrap() += 1);
        note("uses local");
        // The first use of this one.
        FIRST.with(|_| ());
    }
}

/// In published loom the thread-local that is first used there panics in its own destructor.
#[test]
fn a_lazy_static_uses_a_thread_local_when_dropped() {
    alone("a_lazy_static_uses_a_thread_local_when_dropped", || {
        loom::model(|| {
            let _ = &*USES_LOCAL;
            LOCK.with(|_| ());
            thread::current();
        });
        assert_eq!(noted(), ["uses local", "first"]);
    });
}

/// In published loom the main thread drops the lazy statics at its end, whoever still uses them.
#[test]
fn lazy_statics_outlive_all_threads() {
    alone("lazy_statics_outlive_all_threads", || {
        check(None, || {
            WORD.load(Relaxed);
            let _ = &*A;
            thread::spawn(|| {
                WORD.store(1, Relaxed);
                let a = &*A;
                WORD.store(2, Relaxed);
                a.1.load(Relaxed);
                note("end");
            });
        });
        assert!(noted().chunks(2).all(|end| end == ["end", "a"]));
    });
}

struct CellInStatic(UnsafeCell<u64>);

// SAFETY: loom checks it.
unsafe impl Sync for CellInStatic {}

impl Drop for CellInStatic {
    fn drop(&mut self) {
        self.0.with_mut(|_| note("cell"));
    }
}

/// In published loom a thread that is not joined finds it freed.
#[test]
fn the_drop_of_a_lazy_static_is_no_race() {
    alone("the_drop_of_a_lazy_static_is_no_race", || {
        loom::model(|| {
            let cell = &*CELL;
            let end = AtomicU64::new(0);
            thread::spawn(move || {
                cell.0.with(|_| ());
                end.store(1, Relaxed);
            });
            thread::spawn(|| ());
        });
        assert!(noted().contains(&"cell"));
    });
}

loom::lazy_static! {
    static ref SHARED: Shared = Shared(AtomicU64::new(0));
}

struct Shared(AtomicU64);

impl Drop for Shared {
    fn drop(&mut self) {
        if !LEAVE_ALONE.load(Relaxed) {
            self.0.store(1, Relaxed);
        }
    }
}

static LEAVE_ALONE: AtomicBool = AtomicBool::new(false);

/// In published loom the threads, which are not joined, find it freed.
#[test]
fn the_drop_of_a_lazy_static_adds_no_executions() {
    alone("the_drop_of_a_lazy_static_adds_no_executions", || {
        let executions = [true, false].map(|leave_alone| {
            LEAVE_ALONE.store(leave_alone, Relaxed);
            let (executions, _) = check(None, || {
                let shared = &*SHARED;
                for _ in 0..2 {
                    thread::spawn(|| shared.0.load(Relaxed));
                }
            });
            executions
        });
        assert_eq!(executions[0], executions[1]);
    });
}

// Thread-locals.

struct Asks(&'static str);

impl Drop for Asks {
    fn drop(&mut self) {
        note(self.0);
        if FIRST.try_with(|_| ()).is_ok() {
            note("first is there");
        }
        if self.0 == "second" {
            THIRD.with(|_| ());
        }
        thread::current().id();
        LOCK.with(|lock| *lock.lock().unwrap() += 1);
    }
}

loom::thread_local! {
    static LOCK: loom::sync::Mutex<u64> = loom::sync::Mutex::new(0);
    static FIRST: Asks = Asks("first");
    static SECOND: Asks = Asks("second");
    static THIRD: Asks = Asks("third");
}

const ORDER: [&str; 5] = ["second", "first is there", "third", "first is there", "first"];

fn use_locals() {
    LOCK.with(|_| ());
    FIRST.with(|_| ());
    SECOND.with(|_| ());
}

/// In published loom the order is random, and none is there any more when the first is dropped.
#[test]
fn thread_locals_are_dropped_last_first() {
    alone("thread_locals_are_dropped_last_first", || {
        loom::model(use_locals);
        assert_eq!(noted(), ORDER);
        loom::model(|| {
            noted();
            thread::spawn(use_locals).join().unwrap();
            assert_eq!(noted(), ORDER);
            use_locals();
            // This one is dropped before them.
            thread::current();
        });
        assert_eq!(noted(), ORDER);
    });
}

/// The same with `std`: what loom has to agree with.
#[test]
#[cfg(target_os = "linux")]
fn thread_locals_of_std_are_dropped_last_first() {
    struct Asks(&'static str);
    impl Drop for Asks {
        fn drop(&mut self) {
            SEEN.lock().unwrap().push(self.0);
            if FIRST.try_with(|_| ()).is_ok() {
                SEEN.lock().unwrap().push("first is there");
            }
            if self.0 == "second" {
                THIRD.with(|_| ());
            }
        }
    }
    static SEEN: Mutex<Vec<&str>> = Mutex::new(Vec::new());
    std::thread_local! {
        static FIRST: Asks = const { Asks("first") };
        static SECOND: Asks = const { Asks("second") };
        static THIRD: Asks = const { Asks("third") };
    }
    let thread = std::thread::spawn(|| {
        FIRST.with(|_| ());
        SECOND.with(|_| ());
    });
    thread.join().unwrap();
    assert_eq!(*SEEN.lock().unwrap(), ORDER);
}

struct Stores(Rc<AtomicU64>);

impl Drop for Stores {
    fn drop(&mut self) {
        self.0.store(1, Relaxed);
    }
}

loom::thread_local! {
    static STORES: RefCell<Option<Stores>> = RefCell::new(None);
}

/// In published loom `join` returns before the thread-locals are dropped, and finds 0.
#[test]
fn destructors_happen_before_join_returns() {
    loom::model(|| {
        let word = Rc::new(AtomicU64::new(0));
        let stores = Stores(word.clone());
        let thread = thread::spawn(move || STORES.with(|local| *local.borrow_mut() = Some(stores)));
        thread.join().unwrap();
        assert_eq!(word.load(Relaxed), 1);
    });
}

// Failing.

/// Published loom drops the thread's closure outside of the execution, and aborts.
#[test]
fn panic_before_a_spawned_thread_starts() {
    fails_once("panic_before_a_spawned_thread_starts", "the only one", || {
        let shared = loom::sync::Arc::new(AtomicU64::new(0));
        let other = shared.clone();
        thread::spawn(move || other.load(Relaxed));
        panic!("the only one");
    });
}

/// Published loom passes: the other thread's is not unwound.
#[test]
fn panic_while_another_thread_is_blocked() {
    fails_once("panic_while_another_thread_is_blocked", "the only one", || {
        let shared = loom::sync::Arc::new((loom::sync::Mutex::new(Noisy::new("")), AtomicU64::new(0)));
        let other = shared.clone();
        let guard = shared.0.lock().unwrap();
        let thread = thread::spawn(move || {
            let _noisy = Noisy::new("");
            other.1.store(1, Release);
            drop(other.0.lock().unwrap());
        });
        assert_eq!(shared.1.load(Acquire), 0, "the only one");
        drop(guard);
        thread.join().unwrap();
    });
}

/// Published loom drops them outside of the execution, and aborts.
#[test]
fn panic_with_thread_locals_and_lazy_statics() {
    fails_once("panic_with_thread_locals_and_lazy_statics", "the only one", || {
        let _ = &*A;
        use_locals();
        STORES.with(|local| *local.borrow_mut() = Some(Stores(Rc::new(AtomicU64::new(0)))));
        panic!("the only one");
    });
}

/// Published loom unwinds the thread that finds it, with no thread active, and aborts.
#[test]
fn deadlock_with_destructors() {
    fails_once("deadlock_with_destructors", "deadlock; threads = ", || {
        let shared = loom::sync::Arc::new(loom::sync::RwLock::new(Noisy::new("")));
        let other = shared.clone();
        let _noisy = Noisy::new("");
        let guard = shared.write().unwrap();
        let thread = thread::spawn(move || drop(other.write().unwrap()));
        thread.join().unwrap();
        drop(guard);
    });
}

/// Published loom reports both, and aborts: the thread that is unwound has nothing to wait for.
#[test]
fn deadlock_while_panicking() {
    let text = alone("deadlock_while_panicking", || {
        struct Joins(Option<thread::JoinHandle<()>>);
        impl Drop for Joins {
            fn drop(&mut self) {
                self.0.take().unwrap().join().unwrap();
            }
        }
        let message = failure(|| {
            let lock = loom::sync::Arc::new(loom::sync::Mutex::new(()));
            let other = lock.clone();
            let _guard = lock.lock().unwrap();
            let _joins = Joins(Some(thread::spawn(move || drop(other.lock()))));
            panic!("the first one");
        });
        assert!(message.starts_with("deadlock; "));
    });
    assert!(text.is_none_or(|text| text.contains("the first one") && text.matches("panicked at").count() == 2));
}

/// Published loom frees the stacks of threads that it has not unwound, whoever has a pointer to what was pinned there.
#[test]
fn the_stacks_of_a_failed_execution_are_left() {
    static PINNED: AtomicPtr<u64> = AtomicPtr::new(std::ptr::null_mut());
    alone("the_stacks_of_a_failed_execution_are_left", || {
        failure(|| {
            let thread = thread::spawn(|| {
                let mut pinned = 42;
                PINNED.store(std::hint::black_box(&mut pinned), Relaxed);
                thread::park();
                std::hint::black_box(pinned);
            });
            thread.join().unwrap();
        });
        // SAFETY: what is pinned is there until it is dropped.
        assert_eq!(unsafe { PINNED.load(Relaxed).read_volatile() }, 42);
    });
}

/// Published loom aborts: it drops the record of the allocation outside of the execution.
#[test]
fn leak_of_an_allocation() {
    fails_once("leak_of_an_allocation", "Allocation leaked", || {
        // SAFETY: the layout is not empty.
        unsafe { loom::alloc::alloc(std::alloc::Layout::new::<u64>()) };
    });
}

/// Published loom passes.
#[test]
fn leak_of_an_arc() {
    fails_once("leak_of_an_arc", "Arc leaked", || std::mem::forget(loom::sync::Arc::new(Noisy::new(""))));
}

/// Published loom passes.
#[test]
fn too_many_branches_with_destructors() {
    fails_once("too_many_branches_with_destructors", "Model exceeded maximum number of branches", || {
        let shared = loom::sync::Arc::new(loom::sync::Mutex::new(Noisy::new("")));
        let _noisy = Noisy::new("");
        let _guard = shared.lock().unwrap();
        let word = AtomicU64::new(0);
        loop {
            word.load(Relaxed);
        }
    });
}

/// In published loom the other thread goes on without a bound while the first is unwound, and never ends.
#[test]
fn too_many_branches_of_two_threads() {
    struct Locks(Rc<[loom::sync::Mutex<()>; 2]>, usize);
    impl Drop for Locks {
        fn drop(&mut self) {
            drop(self.0[self.1].lock());
        }
    }
    alone("too_many_branches_of_two_threads", || {
        let message = failure(|| {
            let locks = Rc::new([(); 2].map(loom::sync::Mutex::new));
            let word = Rc::new(AtomicU64::new(0));
            let spin = move |locks: Rc<[loom::sync::Mutex<()>; 2]>, index: usize| {
                std::mem::forget(locks[index].lock().unwrap());
                let _locks = Locks(locks, 1 - index);
                while word.load(Relaxed) < 2 {
                    thread::yield_now();
                }
            };
            thread::spawn({
                let (locks, spin) = (locks.clone(), spin.clone());
                move || spin(locks, 1)
            });
            spin(locks, 0);
        });
        assert!(message.starts_with("Model exceeded maximum number of branches"));
    });
}

/// Published loom aborts, as a drop panics that is run by a panic.
#[test]
fn race_in_a_drop_while_panicking() {
    struct Writes(Rc<(UnsafeCell<u64>, AtomicU64)>);
    impl Drop for Writes {
        fn drop(&mut self) {
            self.0.0.with_mut(|_| ());
        }
    }
    alone("race_in_a_drop_while_panicking", || {
        let message = failure(|| {
            let cell = Rc::new((UnsafeCell::new(0), AtomicU64::new(0)));
            let writes = Writes(cell.clone());
            thread::spawn({
                let cell = cell.clone();
                move || {
                    cell.0.with_mut(|_| ());
                    cell.1.store(1, Relaxed);
                }
            });
            if cell.1.load(Relaxed) == 0 {
                std::mem::forget(writes);
            } else {
                let _ = panic::catch_unwind(AssertUnwindSafe(move || {
                    let _writes = writes;
                    panic!("caught");
                }));
            }
        });
        assert!(message.contains("Causality violation"));
    });
}

/// Has this dropped by a panic, which is caught.
fn caught_with<T>(dropped: T) {
    let panics = AssertUnwindSafe(|| {
        let _dropped = dropped;
        panic::resume_unwind(Box::new(()));
    });
    panic::catch_unwind(panics).unwrap_err();
}

/// Published loom panics in the next `lock`.
#[test]
fn a_panic_poisons_locks() {
    loom::model(|| {
        let mutex = Rc::new(loom::sync::Mutex::new(0));
        let rwlock = Rc::new(loom::sync::RwLock::new(0));
        let thread = thread::spawn({
            let (mutex, rwlock) = (mutex.clone(), rwlock.clone());
            move || {
                caught_with(rwlock.read().unwrap());
                drop(rwlock.write().unwrap());
                let guards = (mutex.lock().unwrap(), rwlock.write().unwrap());
                caught_with(guards);
            }
        });
        thread.join().unwrap();
        assert!(matches!(mutex.try_lock(), Err(TryLockError::Poisoned(_))));
        assert!(matches!(rwlock.try_read(), Err(TryLockError::Poisoned(_))));
        assert!(matches!(rwlock.try_write(), Err(TryLockError::Poisoned(_))));
        assert!(rwlock.read().is_err() && rwlock.write().is_err());
        drop(mutex.lock().unwrap_err().into_inner());
        assert!(Rc::into_inner(mutex).unwrap().into_inner().is_err());
        assert!(Rc::into_inner(rwlock).unwrap().get_mut().is_err());
    });
}

/// Locks a mutex when dropped, so that others may have it before and after.
struct Locks(Rc<loom::sync::Mutex<()>>);

impl Drop for Locks {
    fn drop(&mut self) {
        drop(self.0.lock());
    }
}

/// In published loom it poisons what other threads unlock meanwhile, and `panicking` is true in all of them.
#[test]
fn a_panic_is_of_its_thread_alone() {
    let seen = Arc::new(Mutex::new(BTreeSet::new()));
    check(None, {
        let seen = seen.clone();
        move || {
            let (lock, turns) = (Rc::new(loom::sync::Mutex::new(())), Rc::new(loom::sync::Mutex::new(())));
            let locks = (Locks(turns.clone()), Locks(turns.clone()));
            let thread = thread::spawn(|| {
                caught_with(locks);
                assert!(!thread::panicking());
            });
            let guard = lock.lock().unwrap();
            drop(turns.lock().unwrap());
            seen.lock().unwrap().insert(std::thread::panicking());
            assert!(!thread::panicking());
            drop(guard);
            drop(lock.lock().unwrap());
            thread.join().unwrap();
        }
    });
    // The other was indeed unwinding, in some.
    assert_eq!(*seen.lock().unwrap(), BTreeSet::from([false, true]));
}

/// Two accesses race: who makes the second, while a panic unwinds it, has seen what is done within the first, but not its
/// end. `first` is to do within its access what it is given.
fn race_with_the_end_of_an_access<T: 'static>(
    test: &str,
    make: fn() -> T,
    first: fn(&std::cell::UnsafeCell<T>, &dyn Fn()),
    second: fn(&std::cell::UnsafeCell<T>),
) {
    alone(test, || {
        let message = failure(move || {
            let flags = Rc::new([AtomicU64::new(0), AtomicU64::new(0)]);
            let place = Rc::new(std::cell::UnsafeCell::new(make()));
            thread::spawn({
                let (flags, place) = (flags.clone(), place.clone());
                move || {
                    if flags[0].load(Relaxed) == 1 {
                        first(&place, &|| {
                            flags[1].store(1, Release);
                            flags[1].load(Relaxed);
                        });
                    }
                }
            });
            caught_with(OnDrop(move || {
                flags[0].store(1, Relaxed);
                if flags[1].load(Acquire) == 1 {
                    second(&place);
                }
            }));
        });
        assert!(message.contains("Causality violation"), "{message}");
    });
}

/// In published loom a thread does not look for races with the end of its access while another is unwound.
#[test]
fn race_with_an_access_while_another_thread_panics() {
    let test = "race_with_an_access_while_another_thread_panics";
    // SAFETY: loom's threads run one at a time, and loom checks the cell inside.
    race_with_the_end_of_an_access(
        test,
        || UnsafeCell::new(0),
        |cell, act| unsafe { &*cell.get() }.with(|_| act()),
        |cell| unsafe { &*cell.get() }.with_mut(|_| ()),
    );
}

/// The same with a cell that is written.
#[test]
fn race_with_a_write_while_another_thread_panics() {
    let test = "race_with_a_write_while_another_thread_panics";
    // SAFETY: as above.
    race_with_the_end_of_an_access(
        test,
        || UnsafeCell::new(0),
        |cell, act| unsafe { &*cell.get() }.with_mut(|_| act()),
        |cell| unsafe { &*cell.get() }.with(|_| ()),
    );
}

/// The same with an atomic that is borrowed mutably.
#[test]
fn race_with_exclusive_access_while_another_thread_panics() {
    let test = "race_with_exclusive_access_while_another_thread_panics";
    // SAFETY: it is the race that is to be reported.
    race_with_the_end_of_an_access(
        test,
        || AtomicU64::new(0),
        |word, act| unsafe { &mut *word.get() }.with_mut(|_| act()),
        |word| unsafe { &*word.get() }.store(1, Relaxed),
    );
}

/// A thread has the lock twice: published loom panics in the second release.
#[test]
fn read_guards_of_one_thread() {
    alone("read_guards_of_one_thread", || {
        loom::model(|| {
            let lock = Rc::new(loom::sync::RwLock::new(0));
            let other = lock.clone();
            let thread = thread::spawn(move || *other.write().unwrap() = 1);
            let (first, second) = (lock.read().unwrap(), lock.try_read().unwrap());
            drop(first);
            assert!(lock.try_write().is_err());
            drop(second);
            thread.join().unwrap();
        });
    });
}

/// Published loom panics in the waiting thread.
#[test]
fn a_panic_poisons_what_a_condvar_waits_for() {
    let seen = Arc::new(Mutex::new(BTreeSet::new()));
    check(None, {
        let seen = seen.clone();
        move || {
            let shared = Rc::new((loom::sync::Mutex::new(()), loom::sync::Condvar::new()));
            let other = shared.clone();
            let guard = shared.0.lock().unwrap();
            let thread = thread::spawn(move || {
                caught_with(other.0.lock().unwrap());
                other.1.notify_one();
            });
            let poisoned = shared.1.wait(guard).is_err();
            seen.lock().unwrap().insert(poisoned);
            thread.join().unwrap();
        }
    });
    assert_eq!(*seen.lock().unwrap(), BTreeSet::from([true]));
}

/// Runs this when it is dropped.
struct OnDrop<F: Fn()>(F);

impl<F: Fn()> Drop for OnDrop<F> {
    fn drop(&mut self) {
        self.0();
    }
}

/// Published loom passes: a lock that is taken by a drop is not poisoned by the panic that runs it.
#[test]
fn a_lock_in_a_drop_is_not_poisoned() {
    loom::model(|| {
        let mutex = loom::sync::Mutex::new(0);
        caught_with(OnDrop(|| *mutex.lock().unwrap() += 1));
        assert_eq!(*mutex.lock().unwrap(), 1);
    });
}

/// A panic is told after two at the same time, of which one may not be.
#[test]
fn a_panic_after_two_at_once() {
    alone("a_panic_after_two_at_once", || {
        loom::model(|| {
            let turns = Rc::new(loom::sync::Mutex::new(()));
            let threads = [(); 2].map(|()| {
                let locks = (Locks(turns.clone()), Locks(turns.clone()));
                thread::spawn(move || caught_with(locks))
            });
            for thread in threads {
                thread.join().unwrap();
            }
            assert!(!thread::panicking());
            caught_with(OnDrop(|| assert!(thread::panicking())));
        });
    });
}

/// Published loom shows each end of a thread to the hook, as a panic.
#[test]
fn no_panic_without_a_panic() {
    alone("no_panic_without_a_panic", || {
        let model = || {
            loom::model(|| {
                thread::spawn(|| ());
            });
        };
        model();
        panic::set_hook(Box::new(|_| std::process::abort()));
        model();
    });
}

/// Published loom passes.
#[test]
fn a_panic_is_caught_in_the_model() {
    let seen = Arc::new(Mutex::new(BTreeSet::new()));
    check(None, {
        let seen = seen.clone();
        move || {
            let word = Rc::new(AtomicU64::new(0));
            let stores = Stores(word.clone());
            let thread = thread::spawn(move || {
                caught_with(stores);
                true
            });
            let value = word.load(Relaxed);
            seen.lock().unwrap().insert(value);
            assert!(thread.join().unwrap());
            assert_eq!(word.load(Relaxed), 1);
        }
    });
    assert_eq!(*seen.lock().unwrap(), BTreeSet::from([0, 1]));
}
