//! The allocator of the tests: it counts, and locks where it is asked to.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use raddle::{OrderedMutex, OrderedRwLock};

/// The system's allocator, which counts what each thread takes.
struct Counting;

#[global_allocator]
static HEAP: Counting = Counting;

/// A lock as an allocator would have one. Its id is below those of the tests, so that each guard is sorted in.
static LOCK: OrderedMutex<()> = OrderedMutex::new(0, ());

/// One that an allocator would read, which it can do in a call of its own within another.
static READ: OrderedRwLock<()> = OrderedRwLock::new(0, ());

thread_local! {
    /// How many bytes this thread ever took.
    static TAKEN: Cell<usize> = const { Cell::new(0) };
    /// How many bytes this thread ever gave back.
    static GIVEN: Cell<usize> = const { Cell::new(0) };
    /// Whether the allocator locks on this thread.
    static LOCKS: Cell<bool> = const { Cell::new(false) };
    /// How often it did.
    static LOCKED: Cell<usize> = const { Cell::new(0) };
}

impl Counting {
    /// Runs a call of the allocator, under the lock where that was asked for and can be had.
    fn guarded<R>(call: impl FnOnce() -> R) -> R {
        if !LOCKS.get() {
            return call();
        }
        // With the lock below these are as many guards as an allocator may hold at once.
        let _reads = [(); 3].map(|()| READ.try_read().expect("nobody writes"));
        let guard = LOCK.try_lock();
        if guard.is_ok() {
            LOCKED.set(LOCKED.get() + 1);
        }
        call()
    }
}

// SAFETY: the system's allocator does the work. The thread-locals need neither heap nor a destructor.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        TAKEN.with(|taken| taken.set(taken.get() + layout.size()));
        // SAFETY: passed on to the caller.
        Self::guarded(|| unsafe { System.alloc(layout) })
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        GIVEN.with(|given| given.set(given.get() + layout.size()));
        // SAFETY: passed on to the caller.
        Self::guarded(|| unsafe { System.dealloc(at, layout) })
    }

    unsafe fn realloc(&self, at: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        TAKEN.with(|taken| taken.set(taken.get() + size));
        GIVEN.with(|given| given.set(given.get() + layout.size()));
        // SAFETY: passed on to the caller.
        Self::guarded(|| unsafe { System.realloc(at, layout, size) })
    }
}

/// How many bytes of heap `f` takes on this thread.
pub(crate) fn heap_taken(f: impl FnOnce()) -> usize {
    // What there is once in a process, made for the first thread that could have to wait.
    drop(raddle::OrderedMutex::from(()).lock().unwrap());
    let before = TAKEN.with(Cell::get);
    f();
    TAKEN.with(Cell::get) - before
}

/// How many bytes of heap `f` takes on this thread and does not give back there. Below zero if it gives back more than it takes:
/// what was taken before, or on other threads.
pub(crate) fn heap_kept(f: impl FnOnce()) -> isize {
    let before = GIVEN.with(Cell::get);
    let taken = heap_taken(f);
    taken as isize - (GIVEN.with(Cell::get) - before) as isize
}

/// Runs `f` with an allocator that takes a lock, by `try_lock`, in each of its calls; how often it did.
pub(crate) fn locks_in_the_allocator(f: impl FnOnce()) -> usize {
    let before = LOCKED.get();
    LOCKS.set(true);
    f();
    LOCKS.set(false);
    LOCKED.get() - before
}

/// Fails if the list of what a thread holds is not whole where it allocates or frees: the allocator's guards change it
/// there.
#[test]
fn an_allocator_that_locks() {
    let locks: Vec<_> = (1..=200).map(|id| OrderedMutex::new(id, ())).collect();
    let mut guards = Vec::with_capacity(locks.len());
    let locked = locks_in_the_allocator(|| {
        for _ in 0..3 {
            guards.extend(locks.iter().map(|lock| lock.lock().unwrap()));
            guards.drain(..100); // from below
            while guards.pop().is_some() {}
            guards.extend(locks[..20].iter().rev().map(|lock| lock.try_lock().unwrap()));
            guards.clear();
        }
    });
    assert!(locked > 10, "the allocator has locked {locked} times");
    // Nothing is held any more.
    drop(OrderedMutex::new(0, ()).lock().unwrap());
}

/// Fails if a guard of the allocator's, while its thread goes to sleep, is taken for one of the program's: it reads the same lock.
#[test]
#[cfg(all(target_os = "linux", not(miri)))]
fn an_allocator_that_locks_before_a_sleep() {
    // The first thread of a process that sleeps allocates as it does.
    crate::alone("heap::an_allocator_that_locks_before_a_sleep_alone");
}

#[test]
#[ignore = "run by the test above"]
#[cfg(all(target_os = "linux", not(miri)))]
fn an_allocator_that_locks_before_a_sleep_alone() {
    use std::thread::Builder;

    let lock = OrderedMutex::new(2, ());
    let guard = lock.lock().unwrap();
    std::thread::scope(|threads| {
        let waiter = Builder::new().name("an_allocator_that_locks".into()).spawn_scoped(threads, || {
            let read = READ.read().unwrap();
            let locked = locks_in_the_allocator(|| drop(lock.lock().unwrap()));
            let again = READ.read().err();
            drop(read);
            assert!(locked > 0, "nothing was allocated");
            assert_eq!(again, Some(crate::out_of_order(READ.id(), READ.id())));
            drop(READ.read().unwrap());
        });
        while !raddle::waits().iter().any(|wait| wait.thread_name() == Some("an_allocator_that_locks")) {
            std::thread::yield_now();
        }
        drop(guard);
        waiter.unwrap().join().unwrap();
    });
}
