//! Ordered read-write locks: who gets in, in which order of ids, and what a panic leaves behind. [`sets`] takes them with
//! others, [`turns`] is about who waits for whom.

mod losses;
mod sets;
mod turns;

use std::fmt::Debug;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Barrier;
use std::time::{Duration, Instant};

use raddle::{LockError, LockId, OrderedMutex, OrderedRwLock, Stopped, lock_all};

use crate::asleep::Bed;
use crate::lock::{holds_nothing, panic_quietly, panics, while_held};
use crate::out_of_order;
use crate::stress::watched;
use crate::thread;

const NOW: Duration = Duration::ZERO;
fn timed_out() -> Option<LockError> {
    Some(Stopped::TimedOut.into())
}

fn id(number: u64) -> LockId {
    LockId::new(number)
}

/// This thread holds nothing, and nobody holds the lock.
#[track_caller]
fn free<T: ?Sized>(lock: &OrderedRwLock<T>) {
    holds_nothing();
    assert_eq!(lock.try_write().err(), None);
    assert_eq!((lock.try_read().err(), lock.read_within(NOW).err()), (None, None));
}

fn poison<T>(lock: &OrderedRwLock<T>) {
    panics(|| {
        let _guard = lock.write().unwrap();
        panic_quietly();
    });
    assert!(lock.is_poisoned());
}

#[test]
fn many_readers_at_once() {
    const READERS: usize = if cfg!(miri) { 3 } else { 16 };
    watched(|roll| {
        let lock = OrderedRwLock::new(1, 7);
        // Nobody passes before all hold the lock.
        let all = Barrier::new(READERS + 1);
        thread::scope(|threads| {
            for reader in 0..READERS {
                let (lock, all) = (&lock, &all);
                roll.spawn(threads, format!("reader {reader}"), move || {
                    let guard = match reader % 3 {
                        0 => lock.read(),
                        1 => lock.read_within(Duration::MAX),
                        _ => lock.try_read(),
                    }
                    .unwrap();
                    all.wait();
                    assert_eq!(*guard, 7);
                    all.wait();
                });
            }
            all.wait();
            assert_eq!(lock.try_write().err(), Some(LockError::WouldBlock { id: id(1) }));
            assert_eq!(lock.write_within(NOW).err(), timed_out());
            assert_eq!(lock.try_read().err(), None, "a writer that has given up holds nobody back");
            all.wait();
        });
        free(&lock);
    });
}

#[test]
fn a_writer_excludes_everybody() {
    watched(|_| {
        let lock = OrderedRwLock::with_id(LockId::in_class(1, 2), 7);
        let busy = Some(LockError::WouldBlock { id: lock.id() });
        while_held(
            || lock.write().unwrap(),
            || {
                assert_eq!((lock.try_read().err(), lock.try_write().err()), (busy.clone(), busy.clone()));
                assert_eq!((lock.read_within(NOW).err(), lock.write_within(NOW).err()), (timed_out(), timed_out()));
                let passed = Instant::now();
                assert_eq!(
                    (lock.read_within(passed).err(), lock.write_within(passed).err()),
                    (timed_out(), timed_out())
                );
            },
        );
        while_held(
            || lock.read().unwrap(),
            || {
                assert_eq!((lock.try_read().err(), lock.read().err()), (None, None));
                assert_eq!((lock.try_write().err(), lock.write_within(NOW).err()), (busy, timed_out()));
            },
        );
        *lock.write().unwrap() += 1;
        *lock.write_within(NOW).unwrap() += 1;
        *lock.try_write().unwrap() += 1;
        assert_eq!(*lock.read().unwrap(), 10);
        free(&lock);
    });
}

/// Fails if a thread may wait for a lock that it has already, in whatever way: it waits for itself as soon as a writer
/// comes in between.
#[test]
fn a_second_time_is_out_of_order() {
    watched(|_| {
        let lock = OrderedRwLock::new(3, ());
        let again = Some(out_of_order(id(3), id(3)));
        let busy = Some(LockError::WouldBlock { id: id(3) });
        let waits = || {
            assert_eq!((lock.read().err(), lock.write().err()), (again.clone(), again.clone()));
            assert_eq!(
                (lock.read_within(Duration::MAX).err(), lock.write_within(NOW).err()),
                (again.clone(), again.clone())
            );
            assert_eq!(lock_all((lock.as_read(),)).err(), again);
            assert_eq!(lock_all([lock.as_write()]).err(), again);
        };
        let read = lock.read().unwrap();
        waits();
        assert_eq!(lock.try_write().err(), busy);
        let second = lock.try_read().unwrap();
        drop(read);
        waits();
        assert_eq!(lock.try_write().err(), busy, "one reader is left");
        drop(second);
        let write = lock.write().unwrap();
        waits();
        assert_eq!((lock.try_read().err(), lock.try_write().err()), (busy.clone(), busy));
        drop(write);
        free(&lock);
    });
}

#[test]
fn all_kinds_of_lock_stand_in_one_order() {
    watched(|_| {
        let (low, high) = (OrderedMutex::new(1, ()), OrderedMutex::new(5, ()));
        let lock = OrderedRwLock::new(3, ());
        let refused = |wanted, held| Some(out_of_order(id(wanted), id(held)));
        let below = low.lock().unwrap();
        let read = lock.read().unwrap();
        assert_eq!(low.lock().err(), refused(1, 3));
        let above = high.lock().unwrap();
        assert_eq!(lock.read().err(), refused(3, 5));
        drop(read);
        assert_eq!((lock.read().err(), lock.write().err()), (refused(3, 5), refused(3, 5)), "free or taken");
        // What does not wait is not bound, and counts.
        drop(above);
        let write = lock.try_write().unwrap();
        drop(below);
        assert_eq!(low.lock().err(), refused(1, 3));
        assert_eq!((high.lock().err(), low.try_lock().err()), (None, None));
        drop(write);
        let above = high.lock().unwrap();
        drop((lock.try_read().unwrap(), lock.try_read().unwrap()));
        drop(lock.try_write().unwrap());
        drop(above);
        free(&lock);
    });
}

#[test]
fn a_writers_panic_poisons_and_a_readers_does_not() {
    watched(|_| {
        let mut lock = OrderedRwLock::new(1, vec![1]);
        panics(|| {
            let _guards = (lock.read().unwrap(), lock.try_read().unwrap());
            panic_quietly();
        });
        assert!(!lock.is_poisoned());
        free(&lock);
        poison(&lock);
        let poisoned = Some(LockError::Poisoned { id: id(1) });
        let both = (poisoned.clone(), poisoned);
        assert_eq!((lock.read().err(), lock.write().err()), both);
        assert_eq!((lock.try_read().err(), lock.try_write().err()), both);
        assert_eq!((lock.read_within(NOW).err(), lock.write_within(Duration::MAX).err()), both);
        holds_nothing();
        lock.get_mut().push(2);
        lock.clear_poison();
        assert!(!lock.is_poisoned());
        assert_eq!(*lock.read().unwrap(), [1, 2]);
        // Clearing what is held lets nobody in.
        let guard = lock.write().unwrap();
        lock.clear_poison();
        assert_eq!(lock.try_read().err(), Some(LockError::WouldBlock { id: id(1) }));
        drop(guard);
        free(&lock);
        poison(&lock);
        assert_eq!(lock.into_inner(), [1, 2]);
    });
}

/// Who mends a poisoned lock has it alone, and a panic in the middle of mending leaves it poisoned.
#[test]
fn mending() {
    watched(|_| {
        let lock = OrderedRwLock::new(1, 1);
        assert_eq!(lock.clear_poison_with(|_| unreachable!("not poisoned")), None::<()>);
        poison(&lock);
        panics(|| {
            lock.clear_poison_with(|_| panic_quietly());
        });
        assert_eq!(lock.read().err(), Some(LockError::Poisoned { id: id(1) }));
        let above = OrderedMutex::new(9, ());
        let guard = above.lock().unwrap();
        let mended = lock.clear_poison_with(|value| {
            let busy = Some(LockError::WouldBlock { id: id(1) });
            assert_eq!((lock.try_read().err(), lock.try_write().err()), (busy.clone(), busy.clone()));
            *value += 1;
            *value
        });
        assert_eq!(mended, Some(2), "it does not wait, so the order does not bind it");
        drop(guard);
        assert_eq!(*lock.read().unwrap(), 2);
        free(&lock);
    });
}

#[test]
fn those_who_wait_learn_of_the_poison() {
    watched(|roll| {
        let lock = OrderedRwLock::new(1, ());
        let beds = <[Bed; 4]>::default();
        thread::scope(|threads| {
            let guard = lock.write().unwrap();
            let waits = [0, 1, 2, 3].map(|at| {
                let (lock, bed) = (&lock, &beds[at]);
                roll.spawn(threads, format!("waiter {at}"), move || {
                    bed.enter();
                    if at % 2 == 0 { lock.read().err() } else { lock.write().err() }
                })
            });
            beds.iter().for_each(Bed::until_asleep);
            panics(|| {
                let _guard = guard;
                panic_quietly();
            });
            let poisoned = Some(LockError::Poisoned { id: id(1) });
            assert!(waits.map(|wait| wait.join().unwrap()).iter().all(|end| *end == poisoned));
        });
        lock.clear_poison();
        free(&lock);
    });
}

/// Writes while a panic is under way.
struct WritesInDrop<'a>(&'a OrderedRwLock<i32>);

impl Drop for WritesInDrop<'_> {
    fn drop(&mut self) {
        assert!(thread::panicking());
        *self.0.write().unwrap() += 1;
    }
}

#[test]
fn a_guard_made_while_panicking_does_not_poison() {
    let lock = OrderedRwLock::new(1, 0);
    panics(|| {
        let _writes = WritesInDrop(&lock);
        panic_quietly();
    });
    assert!(!lock.is_poisoned());
    assert_eq!(lock.into_inner(), 1);
}

#[test]
fn a_forgotten_reader_keeps_writers_out_and_no_readers() {
    watched(|_| {
        let lock = OrderedRwLock::new(2, ());
        std::mem::forget(lock.read().unwrap());
        assert_eq!(lock.write().err(), Some(out_of_order(id(2), id(2))));
        thread::scope(|threads| {
            threads.spawn(|| {
                assert_eq!((lock.read().err(), lock.write_within(NOW).err()), (None, timed_out()));
                holds_nothing();
            });
        });
    });
}

#[test]
fn debug_shows_and_never_waits() {
    watched(|_| {
        let lock = OrderedRwLock::new(3, 7);
        let shown = |value: &str| format!("OrderedRwLock {{ id: LockId(3), value: {value} }}");
        assert_eq!(format!("{lock:?}"), shown("7"));
        let read = lock.read().unwrap();
        assert_eq!((format!("{lock:?}"), format!("{read:?} {read}")), (shown("7"), "7 7".to_owned()));
        drop(read);
        let mut write = lock.write().unwrap();
        *write += 1;
        assert_eq!((format!("{lock:?}"), format!("{write:?} {write}")), (shown("<locked>"), "8 8".to_owned()));
        drop(write);
        let requests = (lock.as_read(), lock.as_write());
        assert_eq!(format!("{requests:?}"), "(ReadRequest(LockId(3)), WriteRequest(LockId(3)))");
        poison(&lock);
        assert_eq!(format!("{lock:?}"), shown("<poisoned>"));
        lock.clear_poison();
        free(&lock);
    });
}

#[test]
fn values_without_a_size() {
    let slice: &OrderedRwLock<[i32]> = &OrderedRwLock::new(1, [1, 2, 3]);
    let any: &OrderedRwLock<dyn Debug + Send + Sync> = &OrderedRwLock::new(2, "text");
    slice.write().unwrap()[1] = 5;
    assert_eq!(format!("{:?} {:?}", slice.read().unwrap(), any.read().unwrap()), "[1, 5, 3] \"text\"");
    assert_eq!(format!("{any:?}"), "OrderedRwLock { id: LockId(2), value: \"text\" }");
    let mut both = lock_all((any.as_read(), slice.as_write())).unwrap();
    both.split_mut().1.reverse();
    assert_eq!(format!("{:?}", both.split()), "(\"text\", [3, 5, 1])");
    drop(both);
    let mut owned: Box<OrderedRwLock<[i32]>> = Box::new(OrderedRwLock::new(1, [7]));
    owned.get_mut()[0] += 1;
    let caught = catch_unwind(AssertUnwindSafe(|| owned.write().unwrap()[1]));
    assert!(caught.is_err() && owned.is_poisoned(), "a place that is not there is a panic like any other");
    holds_nothing();
}
