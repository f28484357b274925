//! Readers and writers take turns: who waits for whom, and who is let in when somebody leaves or gives up.

use std::hint;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::{Barrier, Mutex};
use std::time::Duration;

use raddle::{CancelToken, Limit, LockError, OrderedMutex, OrderedRwLock, Stopped, lock_all, lock_all_within};

use super::{NOW, free, timed_out};
use crate::asleep::Bed;
use crate::stress::watched;
use crate::thread;

fn cancelled() -> Option<LockError> {
    Some(Stopped::Cancelled.into())
}

/// Waits until a writer that is coming holds new readers back.
fn until_held_back<T>(lock: &OrderedRwLock<T>) {
    while lock.try_read().is_ok() {
        thread::yield_now();
    }
}

/// Fails if new readers pass a writer that waits: readers that overlap would keep it waiting for ever.
#[test]
#[cfg_attr(any(miri, not(target_os = "linux")), ignore = "only the kernel knows who sleeps")]
fn a_waiting_writer_holds_back_new_readers_and_comes_before_them() {
    watched(|roll| {
        let lock = OrderedRwLock::new(1, ());
        let (came, beds) = (Mutex::new(Vec::<usize>::new()), <[Bed; 3]>::default());
        thread::scope(|threads| {
            let (lock, came) = (&lock, &came);
            let first = lock.read().unwrap();
            for (at, bed) in beds.iter().enumerate() {
                let name = ["writer", "reader", "set that reads"][at];
                roll.spawn(threads, name, move || {
                    bed.enter();
                    match at {
                        0 => {
                            let _guard = lock.write().unwrap();
                            came.lock().unwrap().push(at);
                        }
                        1 => {
                            let _guard = lock.read().unwrap();
                            came.lock().unwrap().push(at);
                        }
                        _ => {
                            let below = OrderedMutex::new(0, ());
                            let _guard = lock_all((&below, lock.as_read())).unwrap();
                            came.lock().unwrap().push(at);
                        }
                    }
                });
                bed.until_asleep();
                until_held_back(lock);
            }
            // Nor any other way in.
            roll.spawn(threads, "limited", move || {
                assert_eq!(lock.read_within(NOW).err(), timed_out());
                assert_eq!(lock_all_within([lock.as_read()], Duration::from_millis(1)).err(), timed_out());
                assert_eq!(format!("{lock:?}"), "OrderedRwLock { id: LockId(1), value: <locked> }");
            })
            .join()
            .unwrap();
            assert!(came.lock().unwrap().is_empty());
            drop(first);
        });
        assert_eq!(came.into_inner().unwrap()[0], 0, "the writer first");
        free(&lock);
    });
}

/// Fails if a writer that leaves prefers the next writer, or lets in some of the readers: writers that follow each other
/// would keep them waiting for ever.
#[test]
#[cfg_attr(any(miri, not(target_os = "linux")), ignore = "only the kernel knows who sleeps")]
fn a_writer_that_leaves_lets_in_all_readers_that_wait() {
    const READERS: usize = 3;
    watched(|roll| {
        let lock = OrderedRwLock::new(1, ());
        let (came, all) = (AtomicUsize::new(0), Barrier::new(READERS));
        let beds = <[Bed; READERS + 2]>::default();
        thread::scope(|threads| {
            let (lock, came, all) = (&lock, &came, &all);
            let first = lock.write().unwrap();
            for (at, bed) in beds.iter().enumerate() {
                // A writer before them, and one among them.
                let writes = at == 0 || at == 2;
                roll.spawn(threads, format!("{at}, writes: {writes}"), move || {
                    bed.enter();
                    if writes {
                        let _guard = lock.write().unwrap();
                        assert_eq!(came.load(Relaxed), READERS, "the readers first");
                    } else {
                        let _guard = lock.read().unwrap();
                        came.fetch_add(1, Relaxed);
                        // Nobody passes before all hold the lock.
                        all.wait();
                    }
                });
                bed.until_asleep();
            }
            drop(first);
        });
        free(&lock);
    });
}

/// How a writer comes to give up.
#[derive(Clone, Copy, Debug)]
enum GivesUp {
    TimedOut,
    Cancelled,
    InASet,
}

/// Fails if a writer that gives up leaves those asleep whom it held back. A reader holds the lock all the time, so nobody
/// who lets go of it comes to help.
#[test]
fn a_writer_that_gives_up_lets_in_whom_it_held_back() {
    const ROUNDS: usize = if cfg!(miri) { 1 } else { 20 };
    watched(|roll| {
        for round in 0..3 * ROUNDS {
            let how = [GivesUp::TimedOut, GivesUp::Cancelled, GivesUp::InASet][round % 3];
            let lock = OrderedRwLock::new(1, ());
            let (token, beds) = (CancelToken::new(), <[Bed; 3]>::default());
            thread::scope(|threads| {
                let (lock, token, beds) = (&lock, &token, &beds);
                let first = lock.read().unwrap();
                let writer = roll.spawn(threads, format!("{how:?}, round {round}: writer"), move || {
                    beds[0].enter();
                    match how {
                        GivesUp::TimedOut => lock.write_within(Duration::from_millis(20)).err(),
                        GivesUp::Cancelled => lock.write_within(token).err(),
                        GivesUp::InASet => {
                            let below = OrderedMutex::new(0, ());
                            lock_all_within((lock.as_write(), &below), Limit::from(token).or(Duration::MAX)).err()
                        }
                    }
                });
                beds[0].until_asleep();
                let readers = [1, 2].map(|at| {
                    roll.spawn(threads, format!("{how:?}, round {round}: reader {at}"), move || {
                        beds[at].enter();
                        lock.read().map(drop)
                    })
                });
                // If the writer's time is over before, they just read.
                beds[1..].iter().for_each(Bed::until_asleep);
                token.cancel();
                assert_eq!(readers.map(|reader| reader.join().unwrap()), [Ok(()), Ok(())]);
                let gave_up = writer.join().unwrap();
                assert_eq!(gave_up, if matches!(how, GivesUp::TimedOut) { timed_out() } else { cancelled() });
                assert!(lock.try_read().is_ok());
                drop(first);
            });
            free(&lock);
        }
    });
}

/// Fails if one writer that gives up lets readers pass another that still waits, or if the last does not let them in.
#[test]
fn of_two_writers_the_last_to_give_up_lets_readers_in() {
    watched(|roll| {
        let lock = OrderedRwLock::new(1, ());
        let (tokens, beds) = ([CancelToken::new(), CancelToken::new()], <[Bed; 3]>::default());
        thread::scope(|threads| {
            let (lock, beds) = (&lock, &beds);
            let first = lock.read().unwrap();
            let writers = [0, 1].map(|at| {
                let (token, bed) = (&tokens[at], &beds[at]);
                let writer = roll.spawn(threads, format!("writer {at}"), move || {
                    bed.enter();
                    lock.write_within(token).err()
                });
                bed.until_asleep();
                writer
            });
            let reader = roll.spawn(threads, "reader", move || {
                beds[2].enter();
                lock.read().map(drop)
            });
            beds[2].until_asleep();
            let [one, two] = writers;
            tokens[0].cancel();
            assert_eq!(one.join().unwrap(), cancelled());
            until_held_back(lock);
            assert!(!reader.is_finished());
            tokens[1].cancel();
            assert_eq!((two.join().unwrap(), reader.join().unwrap()), (cancelled(), Ok(())));
            drop(first);
        });
        free(&lock);
    });
}

/// Fails if a writer that gives up leaves a reader asleep that another writer, behind the reader, does not hold back.
#[test]
fn a_writer_that_gives_up_lets_in_the_readers_before_the_next() {
    watched(|roll| {
        let lock = OrderedRwLock::new(1, ());
        let (tokens, beds) = ([CancelToken::new(), CancelToken::new()], <[Bed; 4]>::default());
        thread::scope(|threads| {
            let (lock, beds, tokens) = (&lock, &beds, &tokens);
            let first = lock.read().unwrap();
            let writer = |at: usize, bed: &'static str| {
                let writer = roll.spawn(threads, bed, move || {
                    beds[at].enter();
                    lock.write_within(&tokens[at / 2]).err()
                });
                beds[at].until_asleep();
                writer
            };
            let reader = |at: usize, bed: &'static str| {
                let reader = roll.spawn(threads, bed, move || {
                    beds[at].enter();
                    lock.read().map(drop)
                });
                beds[at].until_asleep();
                reader
            };
            let one = writer(0, "first writer");
            let before = reader(1, "reader before the second writer");
            let two = writer(2, "second writer");
            let behind = reader(3, "reader behind it");
            tokens[0].cancel();
            assert_eq!((one.join().unwrap(), before.join().unwrap()), (cancelled(), Ok(())));
            until_held_back(lock);
            assert!(!two.is_finished() && !behind.is_finished());
            tokens[1].cancel();
            assert_eq!((two.join().unwrap(), behind.join().unwrap()), (cancelled(), Ok(())));
            drop(first);
        });
        free(&lock);
    });
}

/// Fails if the last reader, who leaves before a cancelled writer has taken back its mark, looks for that writer without
/// end, or leaves asleep whom it held back. No other writer comes to help.
#[test]
fn the_last_reader_leaves_after_the_last_writer_was_cancelled() {
    const ROUNDS: usize = if cfg!(miri) { 3 } else { 50 };
    watched(|roll| {
        for _ in 0..ROUNDS {
            let (lock, token, beds) = (OrderedRwLock::new(1, 0), CancelToken::new(), <[Bed; 2]>::default());
            thread::scope(|threads| {
                let guard = lock.read().unwrap();
                let writer = roll.spawn(threads, "writer", || {
                    beds[0].enter();
                    lock.write_within(&token).err()
                });
                beds[0].until_asleep();
                roll.spawn(threads, "held back", || {
                    beds[1].enter();
                    drop(lock.read().unwrap());
                });
                beds[1].until_asleep();
                token.cancel();
                drop(guard);
                // The lock may have come free before the writer looked once more.
                assert!(matches!(
                    writer.join().unwrap(),
                    None | Some(LockError::Stopped { why: Stopped::Cancelled, .. })
                ));
            });
            free(&lock);
        }
    });
}

/// A writer is cancelled just when the reader leaves that it waits for, and others are about to read: all of them get on.
#[test]
fn a_writer_gives_up_when_the_lock_comes_free() {
    const ROUNDS: usize = if cfg!(miri) { 3 } else { 300 };
    watched(|roll| {
        for round in 0..ROUNDS {
            let lock = OrderedRwLock::new(1, 0);
            let (token, start) = (CancelToken::new(), Barrier::new(4));
            let beds = <[Bed; 2]>::default();
            let wrote = thread::scope(|threads| {
                let (lock, token, start, beds) = (&lock, &token, &start, &beds);
                let guard = lock.read().unwrap();
                let writer = roll.spawn(threads, format!("round {round}: writer"), move || {
                    beds[0].enter();
                    lock.write_within(token).map(|mut value| *value += 1).err()
                });
                beds[0].until_asleep();
                roll.spawn(threads, format!("round {round}: held back"), move || {
                    beds[1].enter();
                    drop(lock.read().unwrap());
                });
                beds[1].until_asleep();
                for at in 0..3 {
                    let what = ["canceller", "reader", "another writer"][at];
                    roll.spawn(threads, format!("round {round}: {what}"), move || {
                        start.wait();
                        let wait = [round % 8, round / 8 % 8, round / 64][at];
                        (0..wait * 40).for_each(|_| hint::spin_loop());
                        match at {
                            0 => token.cancel(),
                            1 => drop(lock.read().unwrap()),
                            _ => *lock.write().unwrap() += 10,
                        }
                    });
                }
                start.wait();
                drop(guard);
                writer.join().unwrap()
            });
            assert!(wrote.is_none() || wrote == cancelled(), "{wrote:?}");
            free(&lock);
            assert_eq!(lock.into_inner(), if wrote.is_none() { 11 } else { 10 });
        }
    });
}

/// Readers and writers without a pause, each of whom goes on until all have had so many turns: whoever starves keeps
/// the test from ending. What readers see is whole.
#[test]
fn neither_starves() {
    const TURNS: u64 = if cfg!(miri) { 3 } else { 300 };
    const EACH: usize = if cfg!(miri) { 2 } else { 4 };
    watched(|roll| {
        let lock = OrderedRwLock::new(1, (0_u64, 0_u64));
        let (waiting, written) = (AtomicUsize::new(2 * EACH), AtomicU64::new(0));
        thread::scope(|threads| {
            let (lock, waiting, written) = (&lock, &waiting, &written);
            for at in 0..2 * EACH {
                let writes = at % 2 == 0;
                roll.spawn(threads, format!("{at}, writes: {writes}"), move || {
                    for turn in 1.. {
                        if writes {
                            let mut guard = lock.write().unwrap();
                            guard.0 += 1;
                            thread::yield_now();
                            guard.1 += 1;
                            written.fetch_add(1, Relaxed);
                        } else {
                            let guard = lock.read().unwrap();
                            let before = *guard;
                            thread::yield_now();
                            assert_eq!((before, before.0), (*guard, before.1));
                        }
                        if turn == TURNS {
                            waiting.fetch_sub(1, Relaxed);
                        }
                        if waiting.load(Relaxed) == 0 {
                            return;
                        }
                    }
                });
            }
        });
        free(&lock);
        let written = written.load(Relaxed);
        assert_eq!(lock.into_inner(), (written, written));
    });
}
