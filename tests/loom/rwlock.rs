//! Models of the read-write lock.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::time::Duration;

use super::explore::{Judge, Shared, explore, explore_bounded_on_both, spawn};
use crate::sync::model::execution::pretend_panicking;
use crate::wait::{RawRwLock, Refused, Timer};
use crate::{CancelToken, Guard, Limit, LockError, OnceCell, OrderedMutex, OrderedRwLock, Stopped, lock_all};

const SECOND: Duration = Duration::from_secs(1);

fn lock() -> Shared<OrderedRwLock<u32>> {
    Shared::new(OrderedRwLock::new(1, 0))
}

/// Judges, once all threads are done, that the lock is free and nobody's mark is left on it.
fn free_at_last(lock: &Shared<OrderedRwLock<u32>>) -> Judge<()> {
    let lock = lock.clone();
    Judge::new(move |_| assert_eq!(lock.state(), 0))
}

fn write(lock: &OrderedRwLock<u32>) {
    *lock.write().unwrap() += 1;
}

fn read(lock: &OrderedRwLock<u32>) -> u32 {
    *lock.read().unwrap()
}

/// Fails if a reader and a writer hold the lock at once, or if one does not see what the other did, or sleeps on. Two
/// threads.
#[test]
fn reader_and_writer() {
    explore([16, 8], &["wait.woken", "rw.last-reader", "rw.readers-let-in", "rw.handed-write"], || {
        let lock = lock();
        spawn({
            let lock = lock.clone();
            move || write(&lock)
        });
        read(&lock);
    });
}

/// Fails if two writers hold the lock at once, or one is left asleep. Two threads, one of which writes twice so that the
/// other can lose.
#[test]
fn two_writers() {
    explore([315, 81], &["wait.woken", "rw.writer-woken", "rw.handed-write"], || {
        let lock = lock();
        spawn({
            let lock = lock.clone();
            move || write(&lock)
        });
        write(&lock);
        write(&lock);
    });
}

/// Fails if a writer that lets in two readers counts one of them: the lock would be free while the other reads. Three
/// threads.
#[test]
fn readers_let_in_together() {
    explore([13_450, 269], &["rw.readers-let-in"], || {
        let lock = lock();
        let free = free_at_last(&lock);
        let guard = lock.write().unwrap();
        for _ in 0..2 {
            let (lock, free) = (lock.clone(), free.clone());
            spawn(move || {
                read(&lock);
                drop(free);
            });
        }
        drop(guard);
        drop(free);
    });
}

/// Fails if another thread can barge in between the hand-off of a lock to a writer and that writer's run. Two threads.
#[test]
fn handed_over_is_taken() {
    explore([115, 42], &["rw.handed-write"], || {
        let lock = lock();
        let guard = lock.read().unwrap();
        spawn({
            let lock = lock.clone();
            move || write(&lock)
        });
        drop(guard);
        if let Ok(mut value) = lock.try_write() {
            *value += 1;
        }
    });
}

/// Fails if the last of two readers does not hand the lock off to the writer, or if a reader behind the writer is left
/// asleep. Three threads.
#[test]
fn two_readers_and_a_writer() {
    explore([4_933, 214], &["rw.last-reader", "rw.readers-let-in"], || {
        let lock = lock();
        let guard = lock.read().unwrap();
        spawn({
            let lock = lock.clone();
            move || write(&lock)
        });
        spawn({
            let lock = lock.clone();
            move || assert!(read(&lock) <= 1)
        });
        drop(guard);
    });
}

/// Fails if the mark of a writer that gave up, while readers sleep and another writer holds, keeps readers out after that
/// one's turn. Two threads, of which the main one holds and gives up.
#[test]
fn mark_of_a_writer_that_gave_up() {
    explore([274, 20], &["rw.readers-let-in", "wait.timed-out"], || {
        let lock = Shared::new(RawRwLock::new());
        lock.write(&mut Timer::bare(&Limit::NEVER)).unwrap();
        spawn({
            let lock = lock.clone();
            move || {
                lock.read(&mut Timer::bare(&Limit::NEVER)).unwrap();
                assert_eq!(lock.try_read(), Ok(()), "no writer holds or waits any more");
            }
        });
        let late = Limit::from(Duration::ZERO);
        assert_eq!(lock.write(&mut Timer::bare(&late)), Err(Refused::Stopped(Stopped::TimedOut)));
        lock.unlock_write();
    });
}

/// Fails if a writer to which the lock is handed off just as its time passes does not see what was done before. Three
/// threads.
#[test]
fn handed_over_late() {
    explore([173_908, 882], &["rw.handed-write", "wait.timed-out"], || {
        let lock = lock();
        let guard = lock.read().unwrap();
        spawn({
            let lock = lock.clone();
            move || match lock.write_within(SECOND) {
                Ok(mut value) => *value += 1,
                Err(why) => assert_eq!(why, LockError::from(Stopped::TimedOut)),
            }
        });
        spawn({
            let lock = lock.clone();
            move || assert!(read(&lock) <= 1)
        });
        drop(guard);
        crate::model::advance(SECOND);
    });
}

/// Fails if a writer or a reader is left asleep while others are let in. Three threads.
#[test]
fn two_writers_and_a_reader() {
    explore([11_285, 318], &["rw.writer-woken", "rw.readers-let-in"], || {
        let lock = lock();
        let mut guard = lock.write().unwrap();
        spawn({
            let lock = lock.clone();
            move || write(&lock)
        });
        spawn({
            let lock = lock.clone();
            move || assert!(read(&lock) <= 2)
        });
        *guard += 1;
        drop(guard);
    });
}

/// Fails if a writer that gives up keeps out the readers that it held back. The first reader never releases, so a reader
/// that is kept out is a deadlock. Three threads.
#[test]
fn writer_gives_up() {
    explore([328_242, 2_244], &["rw.reopened", "rw.let-in-by-a-leaver", "node.cancel-woke"], || {
        let shared = Shared::new((OrderedRwLock::new(1, 0), CancelToken::new()));
        std::mem::forget(shared.0.read().unwrap());
        spawn({
            let shared = shared.clone();
            move || assert_eq!(shared.0.write_within(&shared.1).err(), Some(LockError::from(Stopped::Cancelled)))
        });
        spawn({
            let shared = shared.clone();
            move || assert_eq!(read(&shared.0), 0)
        });
        shared.1.cancel();
    });
}

/// Fails if a writer that was woken, and is cancelled while a reader has barged in, leaves another reader asleep: nobody would be
/// in that one's way. The reader that barged in never releases, so that this is a deadlock. Three threads.
#[test]
fn woken_writer_gives_up() {
    explore_bounded_on_both(2, [409, 43_840], &["rw.let-in-by-a-leaver", "wait.cancelled-awake"], || {
        let shared = Shared::new((OrderedRwLock::new(1, 0), CancelToken::new()));
        let guard = shared.0.write().unwrap();
        spawn({
            let shared = shared.clone();
            move || _ = shared.0.write_within(&shared.1)
        });
        spawn({
            let shared = shared.clone();
            move || _ = read(&shared.0)
        });
        drop(guard);
        std::mem::forget(shared.0.read().unwrap());
        shared.1.cancel();
    });
}

/// Fails if a writer whose time passes as the last reader releases neither acquires the lock nor leaves it free, or keeps
/// its mark. Two threads.
#[test]
fn writer_times_out() {
    explore([275, 32], &["wait.timed-out", "rw.leave-last"], || {
        let lock = lock();
        let free = free_at_last(&lock);
        let guard = lock.read().unwrap();
        spawn({
            let (lock, free) = (lock.clone(), free.clone());
            move || {
                match lock.write_within(SECOND) {
                    Ok(mut value) => *value += 1,
                    Err(why) => assert_eq!(why, LockError::from(Stopped::TimedOut)),
                }
                drop(free);
            }
        });
        crate::model::advance(SECOND);
        drop(guard);
    });
}

/// Fails if the last sleeper to leave keeps its mark: every later unlock would look for sleepers. One thread.
#[test]
fn leaver_takes_its_mark() {
    explore([1, 1], &["rw.leave-last"], || {
        let lock = RawRwLock::new();
        let late = Limit::from(Duration::ZERO);
        lock.write(&mut Timer::bare(&late)).unwrap();
        let held = lock.state();
        assert_eq!(lock.read(&mut Timer::bare(&late)), Err(Refused::Stopped(Stopped::TimedOut)));
        assert_eq!(lock.state(), held);
        assert_eq!(lock.write(&mut Timer::bare(&late)), Err(Refused::Stopped(Stopped::TimedOut)));
        assert_eq!(lock.state(), held);
        lock.unlock_write();
    });
}

/// Fails if a reader that is cancelled as the writer releases neither acquires the lock nor leaves it free. Two threads.
#[test]
fn reader_is_cancelled() {
    explore([7_731, 164], &["node.cancel-woke", "rw.leave-last"], || {
        let (lock, token) = (lock(), Shared::new(CancelToken::new()));
        let free = free_at_last(&lock);
        let guard = lock.write().unwrap();
        spawn({
            let (lock, token, free) = (lock.clone(), token.clone(), free.clone());
            move || {
                match lock.read_within(&*token) {
                    Ok(value) => assert_eq!(*value, 0),
                    Err(why) => assert_eq!(why, LockError::from(Stopped::Cancelled)),
                }
                drop(free);
            }
        });
        token.cancel();
        drop(guard);
    });
}

/// Fails if a poisoner leaves a waiter asleep, or if a thread acquires a poisoned lock. Three threads.
#[test]
fn poison_wakes_all() {
    explore([338, 65], &["rw.poison-parked", "wait.woken"], || {
        let lock = lock();
        let guard = lock.write().unwrap();
        spawn({
            let lock = lock.clone();
            move || assert_eq!(lock.read().err(), Some(LockError::Poisoned { id: lock.id() }))
        });
        spawn({
            let lock = lock.clone();
            move || assert_eq!(lock.write().err(), Some(LockError::Poisoned { id: lock.id() }))
        });
        pretend_panicking(|| drop(guard));
    });
}

/// Fails if the thread that recovers a lock does not see what the poisoner did, or if two recover it. Two threads.
#[test]
fn recovered_poison() {
    explore([12, 6], &[], || {
        let lock = lock();
        let mut guard = lock.write().unwrap();
        spawn({
            let lock = lock.clone();
            move || {
                lock.clear_poison_with(|value| *value += 1);
            }
        });
        *guard += 1;
        pretend_panicking(|| drop(guard));
        lock.clear_poison_with(|value| *value += 1);
    });
}

/// Fails if sets that mix mutexes with reads and writes can deadlock. Two threads that name them in opposite orders.
#[test]
fn mixed_sets() {
    explore([23_951, 710], &["wait.woken"], || {
        let shared = Shared::new((OrderedMutex::new(1, 0), OrderedRwLock::new(2, 0), OrderedRwLock::new(3, 0)));
        spawn({
            let shared = shared.clone();
            move || {
                let mut set = lock_all((shared.2.as_read(), shared.1.as_write(), &shared.0)).unwrap();
                let (third, second, first) = set.split_mut();
                *first += 1;
                *second += *third;
            }
        });
        let mut set = lock_all((&shared.0, shared.1.as_read(), shared.2.as_write())).unwrap();
        let (first, second, third) = set.split_mut();
        *first += 1;
        *third += *second;
    });
}

/// Fails if the writer that is woken takes the mark of another along. Three threads.
#[test]
fn two_sleeping_writers() {
    explore([12_500, 548], &["rw.writer-woken"], || {
        let lock = lock();
        let free = {
            let lock = lock.clone();
            Judge::new(move |_: Vec<()>| assert_eq!(lock.state(), 0))
        };
        let guard = lock.write().unwrap();
        for _ in 0..2 {
            let (lock, free) = (lock.clone(), free.clone());
            spawn(move || {
                *lock.write().unwrap() += 1;
                drop(free);
            });
        }
        drop(guard);
    });
}

/// Fails if a writer that releases the lock prefers the next writer to readers that sleep. Three threads.
#[test]
fn turn_of_readers() {
    explore([80_575, 1_648], &["rw.readers-let-in"], || {
        let lock = lock();
        let must = Arc::new(AtomicBool::new(false));
        let guard = lock.write().unwrap();
        spawn({
            let lock = lock.clone();
            move || *lock.write().unwrap() += 1
        });
        spawn({
            let (lock, must) = (lock.clone(), must.clone());
            move || {
                let value = *lock.read().unwrap();
                assert!(!must.load(SeqCst) || value == 0, "overtaken");
            }
        });
        if lock.state() & 2 != 0 {
            must.store(true, SeqCst);
        }
        drop(guard);
    });
}

/// Fails if the last reader to release the lock prefers readers to a writer that slept before them. Three threads.
#[test]
fn turn_of_the_writer() {
    explore([35_791, 1_070], &["rw.handed-write"], || {
        let lock = lock();
        let must = Arc::new(AtomicBool::new(false));
        let guard = lock.read().unwrap();
        spawn({
            let lock = lock.clone();
            move || *lock.write().unwrap() += 1
        });
        spawn({
            let (lock, must) = (lock.clone(), must.clone());
            move || {
                let value = *lock.read().unwrap();
                assert!(!must.load(SeqCst) || value == 1, "overtaken");
            }
        });
        if lock.state() & 6 == 6 {
            must.store(true, SeqCst);
        }
        drop(guard);
    });
}

/// Fails if a writer that was alone in the queue acquires the lock and leaves a mark. Two threads.
#[test]
fn mark_of_one_writer() {
    explore([6, 5], &["rw.writer-woken"], || {
        let lock = lock();
        let guard = lock.write().unwrap();
        spawn({
            let lock = lock.clone();
            move || {
                let value = lock.write().unwrap();
                assert_eq!(lock.state(), 1, "a writer, and nobody's mark left");
                drop(value);
            }
        });
        drop(guard);
    });
}

/// Fails if a reader that was alone in the queue acquires the lock and leaves a mark. Two threads.
#[test]
fn mark_of_one_reader() {
    explore([6, 4], &["rw.readers-let-in"], || {
        let lock = lock();
        let guard = lock.write().unwrap();
        spawn({
            let lock = lock.clone();
            move || {
                let value = lock.read().unwrap();
                assert_eq!(lock.state(), 16, "a reader, and nobody's mark left");
                drop(value);
            }
        });
        drop(guard);
    });
}

/// Fails if a hand-off to a writer that was alone in the queue leaves a mark. Two threads.
#[test]
fn mark_of_one_writer_behind_a_reader() {
    explore([6, 4], &["rw.handed-write"], || {
        let lock = lock();
        let guard = lock.read().unwrap();
        spawn({
            let lock = lock.clone();
            move || {
                let value = lock.write().unwrap();
                assert_eq!(lock.state(), 1, "a writer, and nobody's mark left");
                drop(value);
            }
        });
        drop(guard);
    });
}

/// Fails if a writer comes between while another becomes a reader, if that sleeps on afterwards, or if it does not see what was
/// written. Two threads.
#[test]
fn downgrade_before_a_writer() {
    explore([23, 11], &["rw.last-reader"], || {
        let lock = lock();
        let mut guard = lock.write().unwrap();
        let free = free_at_last(&lock);
        spawn({
            let (lock, free) = (lock.clone(), free.clone());
            move || {
                let mut guard = lock.write().unwrap();
                assert_eq!(*guard, 1);
                *guard = 2;
                drop(guard);
                drop(free);
            }
        });
        *guard = 1;
        let guard = Guard::downgrade(guard);
        assert_eq!(*guard, 1);
        drop(guard);
        drop(free);
    });
}

/// Fails if a reader sleeps on while the writer that it slept for reads on, or does not see what that wrote. Two threads.
#[test]
fn downgrade_with_a_reader_asleep() {
    explore([60, 60], &["rw.downgrade-let-in"], || {
        let lock = lock();
        let has_read = Shared::new(OnceCell::new());
        let mut guard = lock.write().unwrap();
        spawn({
            let (lock, has_read) = (lock.clone(), has_read.clone());
            move || has_read.set(read(&lock)).unwrap()
        });
        *guard = 1;
        let guard = Guard::downgrade(guard);
        assert_eq!(has_read.wait(), &1);
        drop(guard);
    });
}

/// Fails if of a reader and a writer that wait for a writer the reader is not let in as that becomes a reader, or the writer sleeps on
/// when both have read. Three threads.
#[test]
fn downgrade_with_both_asleep() {
    explore([314_153, 1_877], &["rw.downgrade-let-in", "rw.last-reader"], || {
        let lock = lock();
        let free = free_at_last(&lock);
        let guard = lock.write().unwrap();
        spawn({
            let (lock, free) = (lock.clone(), free.clone());
            move || {
                write(&lock);
                drop(free);
            }
        });
        spawn({
            let (lock, free) = (lock.clone(), free.clone());
            move || {
                read(&lock);
                drop(free);
            }
        });
        drop(Guard::downgrade(guard));
        drop(free);
    });
}
