//! Named programs of weak memory, with the outcomes that loom must find, no more and no fewer.

use std::cell::{Cell, UnsafeCell};
use std::collections::BTreeSet;
use std::rc::Rc;
use std::sync::atomic::Ordering::{self, AcqRel, Acquire, Relaxed, Release};
use std::sync::{Arc, Mutex};

use loom::sync::atomic::{AtomicU64, fence};
use loom::thread;

use crate::c11;
use crate::explore::{Search, block, check, explore, wake};
use crate::program::{Exchange, Op, Outcome};

const X: usize = 0;
const Y: usize = 1;

fn exchange(word: usize, expected: u64, new: u64, success: Ordering, failure: Ordering) -> Op {
    Op::Exchange(Exchange { word, expected, new, success, failure, weak: false })
}

/// The values that were read in each execution, the first thread's first.
fn values(program: &[&[Op]]) -> BTreeSet<Vec<u64>> {
    let program: Vec<_> = program.iter().map(|ops| ops.to_vec()).collect();
    let found = explore(&program, Search::Whole).outcomes.ends;
    assert_eq!(found, c11::outcomes(&program), "{program:?}");
    let values = |outcome: Outcome| outcome.into_iter().flatten().map(|(value, _)| value).collect();
    found.into_iter().map(values).collect()
}

/// All combinations of zeros and ones but these.
fn all_but<const N: usize>(forbidden: &[[u64; N]]) -> BTreeSet<Vec<u64>> {
    let all = (0..1 << N).map(|bits: u64| std::array::from_fn(|i| bits >> i & 1));
    all.filter(|values| !forbidden.contains(values)).map(|values| values.to_vec()).collect()
}

/// What was written before a flag may be missed by one who sees the flag, unless that is released and acquired.
#[test]
fn message_passing() {
    for (store, load) in [(Relaxed, Relaxed), (Relaxed, Acquire), (Release, Relaxed), (Release, Acquire)] {
        let found =
            values(&[&[Op::Store(X, 1, Relaxed), Op::Store(Y, 1, store)], &[Op::Load(Y, load), Op::Load(X, Relaxed)]]);
        let forbidden: &[_] = if (store, load) == (Release, Acquire) { &[[1, 0]] } else { &[] };
        assert_eq!(found, all_but(forbidden), "{store:?}, {load:?}");
    }
}

/// Two threads each write their own word, then read the other's: both may read the old value.
#[test]
fn store_buffering() {
    let found =
        values(&[&[Op::Store(X, 1, Release), Op::Load(Y, Acquire)], &[Op::Store(Y, 1, Release), Op::Load(X, Acquire)]]);
    assert_eq!(found, all_but::<2>(&[]));
}

/// Each reads what the other writes afterwards: C++ allows it to relaxed accesses, and no loom finds it.
#[test]
fn load_buffering_is_not_found() {
    let found =
        values(&[&[Op::Load(X, Relaxed), Op::Store(Y, 1, Relaxed)], &[Op::Load(Y, Relaxed), Op::Store(X, 1, Relaxed)]]);
    assert_eq!(found, all_but(&[[1, 1]]));
}

/// One thread never reads a newer value before an older one of the same word.
#[test]
fn coherence() {
    let found = values(&[&[Op::Store(X, 1, Relaxed)], &[Op::Load(X, Relaxed), Op::Load(X, Relaxed)]]);
    assert_eq!(found, all_but(&[[1, 0]]));
}

/// Two readers never see two stores to one word in opposite orders.
#[test]
fn coherence_of_two_writers() {
    let read = [Op::Load(X, Relaxed), Op::Load(X, Relaxed)];
    let found = values(&[&[Op::Store(X, 1, Relaxed)], &[Op::Store(X, 2, Relaxed)], &read, &read]);
    assert!(found.contains(&vec![1, 2, 1, 2]) && found.contains(&vec![2, 1, 2, 1]));
    assert!(!found.contains(&vec![1, 2, 2, 1]) && !found.contains(&vec![2, 1, 1, 2]));
}

/// Two readers may see stores to two words in opposite orders.
#[test]
fn independent_reads_of_independent_writes() {
    let found = values(&[
        &[Op::Store(X, 1, Release)],
        &[Op::Store(Y, 1, Release)],
        &[Op::Load(X, Acquire), Op::Load(Y, Acquire)],
        &[Op::Load(Y, Acquire), Op::Load(X, Acquire)],
    ]);
    assert_eq!(found, all_but::<4>(&[]));
}

/// What a thread has acquired, it releases with its own.
#[test]
fn write_to_read_causality() {
    let found = values(&[
        &[Op::Store(X, 1, Release)],
        &[Op::Load(X, Acquire), Op::Store(Y, 1, Release)],
        &[Op::Load(Y, Acquire), Op::Load(X, Relaxed)],
    ]);
    assert_eq!(found, all_but(&[[1, 1, 0]]));
}

/// A read-modify-write keeps a release sequence going, even a relaxed one; a store ends it.
#[test]
fn release_sequence() {
    let release = [Op::Store(X, 1, Relaxed), Op::Store(Y, 1, Release)];
    let acquire = [Op::Load(Y, Acquire), Op::Load(X, Relaxed)];
    let found = values(&[&release, &[exchange(Y, 1, 2, Relaxed, Relaxed)], &acquire]);
    assert!(found.contains(&vec![1, 2, 1]) && !found.contains(&vec![1, 2, 0]));

    let found = values(&[&release, &[Op::Store(Y, 2, Relaxed)], &acquire]);
    assert!(found.contains(&vec![2, 1]) && found.contains(&vec![2, 0]));
}

/// An exchange that fails may read an older value, like a load.
#[test]
fn failing_exchange_reads_an_older_value() {
    for (order, forbidden) in [(Relaxed, &[][..]), (Acquire, &[[1, 0]][..])] {
        let found = values(&[
            &[Op::Store(X, 1, Relaxed), Op::Store(Y, 1, Release)],
            &[Op::Load(Y, order), exchange(X, 5, 6, AcqRel, Acquire)],
        ]);
        assert_eq!(found, all_but(forbidden));
    }
}

/// So may one that succeeds, and any other read-modify-write: what it stores is then older than the newest, too.
#[test]
fn read_modify_write_reads_an_older_value() {
    for modify in [Op::Add(X, AcqRel), exchange(X, 0, 6, AcqRel, Acquire)] {
        for (order, forbidden) in [(Relaxed, &[][..]), (Acquire, &[[1, 0]][..])] {
            let found = values(&[&[Op::Store(X, 1, Relaxed), Op::Store(Y, 1, Release)], &[Op::Load(Y, order), modify]]);
            assert_eq!(found, all_but(forbidden));
        }
    }
}

/// Nothing comes between what a read-modify-write reads and what it stores: two never read the same store.
#[test]
fn read_modify_write_is_atomic() {
    let found = values(&[&[Op::Add(X, Relaxed)], &[Op::Add(X, Relaxed)], &[Op::Add(X, Relaxed)]]);
    let each_once = |values: &Vec<u64>| BTreeSet::from_iter(values.iter().copied()) == BTreeSet::from([0, 1, 2]);
    assert!(found.len() == 6 && found.iter().all(each_once));

    let found = values(&[&[exchange(X, 0, 10, Relaxed, Relaxed)], &[Op::Store(X, 20, Relaxed), Op::Load(X, Relaxed)]]);
    assert_eq!(found, BTreeSet::from([vec![0, 20], vec![20, 20]]));
}

/// The weak exchange may fail although it sees the expected value; the other may not.
#[test]
fn spurious_failure() {
    for weak in [false, true] {
        let op = Exchange { word: X, expected: 0, new: 1, success: Relaxed, failure: Relaxed, weak };
        let found = explore(&vec![vec![Op::Exchange(op)]], Search::Whole).outcomes.ends;
        let mut expected = BTreeSet::from([vec![vec![(0, true)]]]);
        if weak {
            expected.insert(vec![vec![(0, false)]]);
        }
        assert_eq!(found, expected);
    }
}

/// A thread that is woken has not seen what its waker did before: only a lock or an atomic does that.
#[test]
fn no_edge_from_wake() {
    let seen = Arc::new(Mutex::new(BTreeSet::new()));
    check(None, {
        let seen = seen.clone();
        move || {
            let word = Rc::new(AtomicU64::new(0));
            let woken = Rc::new(Cell::new(false));
            let sleeper = thread::spawn({
                let (word, woken, seen) = (word.clone(), woken.clone(), seen.clone());
                move || {
                    while !woken.get() {
                        block();
                    }
                    seen.lock().unwrap().insert(word.load(Relaxed));
                }
            });
            word.store(1, Relaxed);
            woken.set(true);
            wake(sleeper.thread());
        }
    });
    assert_eq!(*seen.lock().unwrap(), BTreeSet::from([0, 1]));
}

/// Whoever has joined a thread sees all that it did; and what is newest then is so in modification order.
#[test]
fn the_newest_after_join() {
    let seen = Arc::new(Mutex::new(BTreeSet::new()));
    check(None, {
        let seen = seen.clone();
        move || {
            let words = Rc::new([AtomicU64::new(0), AtomicU64::new(0)]);
            let other = thread::spawn({
                let words = words.clone();
                move || {
                    words[X].store(5, Relaxed);
                    words[Y].store(1, Relaxed);
                }
            });
            let flag = words[Y].load(Relaxed);
            let old = words[X].fetch_add(1, Relaxed);
            other.join().unwrap();
            // SAFETY: no other thread is left.
            let newest = unsafe { words[X].unsync_load() };
            seen.lock().unwrap().insert((flag, old, newest));
        }
    });
    // Also with the flag seen, which makes 5 the store that was made first.
    let expected = BTreeSet::from([(0, 0, 5), (0, 5, 6), (1, 0, 5), (1, 5, 6)]);
    assert_eq!(*seen.lock().unwrap(), expected);
}

/// So may be each of several stores that nobody has read: two threads make them, in whatever order.
#[test]
fn any_of_several_is_the_newest() {
    let seen = Arc::new(Mutex::new(BTreeSet::new()));
    check(None, {
        let seen = seen.clone();
        move || {
            let word = Rc::new(UnsafeCell::new(AtomicU64::new(0)));
            let threads = [1, 2].map(|value| {
                let word = word.clone();
                // SAFETY: all accesses are shared, until both threads are joined.
                thread::spawn(move || unsafe { (*word.get()).store(value, Relaxed) })
            });
            for thread in threads {
                thread.join().unwrap();
            }
            // SAFETY: no other thread is left.
            let last = unsafe { (*word.get()).with_mut(|value| *value) };
            // SAFETY: as above.
            let again = unsafe { (*word.get()).unsync_load() };
            seen.lock().unwrap().insert((last, again));
        }
    });
    assert_eq!(*seen.lock().unwrap(), BTreeSet::from([(1, 1), (2, 2)]));
}

/// Two threads each write their own word, then read the other's, with a fence between: whoever is the second at the
/// fences sees the other's store.
#[test]
fn store_buffering_with_fences() {
    for order in [Ordering::SeqCst, AcqRel] {
        let seen = Arc::new(Mutex::new(BTreeSet::new()));
        check(None, {
            let seen = seen.clone();
            move || {
                let words = Rc::new([AtomicU64::new(0), AtomicU64::new(0)]);
                let run = move |words: &[AtomicU64; 2], mine: usize| {
                    words[mine].store(1, Relaxed);
                    fence(order);
                    words[1 - mine].load(Relaxed)
                };
                let other = thread::spawn({
                    let words = words.clone();
                    move || run(&words, Y)
                });
                let mine = run(&words, X);
                seen.lock().unwrap().insert(vec![mine, other.join().unwrap()]);
            }
        });
        let forbidden: &[_] = if order == AcqRel { &[] } else { &[[0, 0]] };
        assert_eq!(*seen.lock().unwrap(), all_but(forbidden), "{order:?}");
    }
}

/// Readers of a lock run at the same time: each may see what the other stores under it.
#[test]
fn readers_do_not_wait_for_each_other() {
    let seen = Arc::new(Mutex::new(BTreeSet::new()));
    check(None, {
        let seen = seen.clone();
        move || {
            let shared = Rc::new((loom::sync::RwLock::new(()), [AtomicU64::new(0), AtomicU64::new(0)]));
            let run = |shared: &(loom::sync::RwLock<()>, [AtomicU64; 2]), mine: usize| {
                let _held = shared.0.read().unwrap();
                shared.1[mine].store(1, Relaxed);
                shared.1[1 - mine].load(Relaxed)
            };
            let other = thread::spawn({
                let shared = shared.clone();
                move || run(&shared, Y)
            });
            let mine = run(&shared, X);
            seen.lock().unwrap().insert(vec![mine, other.join().unwrap()]);
        }
    });
    assert_eq!(*seen.lock().unwrap(), all_but::<2>(&[]));
}

/// A load may see each of many stores, also those that loom has forgotten once the last of them is made.
#[test]
fn more_stores_than_are_kept() {
    for add in [false, true] {
        let store = |value| if add { Op::Add(X, Relaxed) } else { Op::Store(X, value, Relaxed) };
        let program = vec![(1..20).map(store).collect(), vec![Op::Load(X, Relaxed)]];
        let found = explore(&program, Search::Whole).outcomes.ends;
        let loaded: BTreeSet<_> = found.into_iter().map(|mut seen| seen.remove(1)).collect();
        assert_eq!(loaded, (0..20).map(|value| vec![(value, false)]).collect());
    }
}

/// An access that must not race does, with whoever has seen what its thread released just before.
fn access_after_release(access: impl Fn(*mut AtomicU64) + Copy + Send + Sync + 'static) {
    check(None, move || {
        let words = Rc::new(UnsafeCell::new([AtomicU64::new(0), AtomicU64::new(0)]));
        // SAFETY: loom's threads run one at a time, and are switched only in shared accesses.
        let word = |words: &UnsafeCell<[AtomicU64; 2]>, index| unsafe { words.get().cast::<AtomicU64>().add(index) };
        thread::spawn({
            let words = words.clone();
            move || {
                // SAFETY: as above.
                let (x, y) = unsafe { (&*word(&words, X), &*word(&words, Y)) };
                if y.load(Acquire) == 1 {
                    x.store(1, Relaxed);
                }
            }
        });
        // SAFETY: as above.
        unsafe { (*word(&words, Y)).store(1, Release) };
        access(word(&words, X));
    });
}

#[test]
#[should_panic(expected = "Causality violation: Concurrent atomic store and `unsync_load` accesses.")]
fn unsynchronised_load_after_release() {
    // SAFETY: it is the race that is to be reported.
    access_after_release(|word| {
        let _ = unsafe { (*word).unsync_load() };
    });
}

#[test]
#[should_panic(expected = "Causality violation: Concurrent atomic store and mut accesses.")]
fn exclusive_access_after_release() {
    // SAFETY: as above.
    access_after_release(|word| unsafe { (*word).with_mut(|_| ()) });
}

/// Two threads that take two locks in opposite orders get stuck; in the same order they do not.
#[test]
fn opposite_orders_of_locking() {
    let first_then_second = vec![Op::Lock(0), Op::Lock(1), Op::Unlock(1), Op::Unlock(0)];
    let second_then_first = vec![Op::Lock(1), Op::Lock(0), Op::Unlock(0), Op::Unlock(1)];
    let opposite = vec![first_then_second.clone(), second_then_first];
    assert!(explore(&opposite, Search::Whole).outcomes.deadlock);
    let same = vec![first_then_second.clone(), first_then_second];
    assert!(!explore(&same, Search::Whole).outcomes.deadlock);
}
