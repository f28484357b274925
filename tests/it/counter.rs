//! Counters: the edges of the exact one, and that the sharded one loses nothing, wherever it is counted from.

use std::cell::RefCell;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Barrier, Mutex, MutexGuard, PoisonError};

use crossbeam_utils::CachePadded;
use raddle::{Counter, ShardedCounter};

use crate::heap::heap_taken;
use crate::stress::watched;
use crate::thread;

/// Tests that look at how many threads there are do so one by one.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

#[test]
fn previous_values_and_wrapping() {
    let counter = Counter::new(5);
    assert_eq!((counter.inc(), counter.dec(), counter.add(10), counter.sub(3)), (5, 6, 5, 15));
    assert_eq!((counter.swap(7), counter.reset(), counter.get()), (12, 7, 0));
    assert_eq!((counter.dec(), counter.get()), (0, u64::MAX));
    assert_eq!((counter.inc(), counter.get()), (u64::MAX, 0));
    assert_eq!((counter.sub(3), counter.get()), (0, u64::MAX - 2));
    assert_eq!((counter.add(u64::MAX), counter.get()), (u64::MAX - 2, u64::MAX - 3));
    counter.set(9);
    assert_eq!((counter.get(), format!("{counter:?}").as_str()), (9, "Counter(9)"));
    assert_eq!((Counter::default().get(), Counter::from(8).get()), (0, 8));
}

#[test]
fn bounded_adding_at_the_edges() {
    let counter = Counter::new(0);
    assert_eq!(counter.try_add(0, 0), Ok(0));
    assert_eq!(counter.try_add(1, 0), Err(0));
    assert_eq!(counter.try_add(3, 3), Ok(0));
    assert_eq!(counter.try_add(1, 3), Err(3));
    assert_eq!(counter.try_add(0, 3), Ok(3));
    assert_eq!(counter.try_add(0, 2), Err(3), "above the bound already");
    assert_eq!(counter.try_add(u64::MAX, u64::MAX), Err(3), "would wrap to 2");
    assert_eq!(counter.try_add(u64::MAX - 3, u64::MAX), Ok(3));
    assert_eq!(counter.try_add(1, u64::MAX), Err(u64::MAX));
    assert_eq!(counter.try_add(u64::MAX, u64::MAX), Err(u64::MAX));
    assert_eq!(counter.try_add(0, u64::MAX), Ok(u64::MAX));
    assert_eq!(counter.get(), u64::MAX);
}

#[test]
fn bounded_subtracting_at_the_edges() {
    let counter = Counter::new(u64::MAX);
    assert_eq!(counter.try_sub(u64::MAX), Ok(u64::MAX));
    assert_eq!((counter.try_sub(0), counter.try_sub(1), counter.try_sub(u64::MAX)), (Ok(0), Err(0), Err(0)));
    counter.set(5);
    assert_eq!((counter.try_sub(6), counter.try_sub(5), counter.get()), (Err(5), Ok(5), 0));
}

#[test]
fn updating_by_a_function() {
    let counter = Counter::new(6);
    assert_eq!(counter.fetch_update(|value| value.checked_mul(7)), Ok(6));
    assert_eq!(counter.fetch_update(|value| value.checked_mul(u64::MAX)), Err(42));
    assert_eq!(counter.get(), 42);
}

#[test]
fn bounds_hold_among_threads() {
    const THREADS: u64 = 4;
    const ROUNDS: u64 = if cfg!(miri) { 20 } else { 5_000 };
    watched(|roll| {
        let (rooms, let_in, turned_away) = (Counter::new(0), Counter::new(0), Counter::new(0));
        thread::scope(|threads| {
            for thread in 0..THREADS {
                let (rooms, let_in, turned_away) = (&rooms, &let_in, &turned_away);
                roll.spawn(threads, format!("guest {thread}"), move || {
                    for round in 0..ROUNDS {
                        match rooms.try_add(1, 2) {
                            Ok(before) => {
                                assert!(before < 2);
                                let_in.inc();
                                if round % 8 == 0 {
                                    thread::yield_now();
                                }
                                let before = rooms.try_sub(1).expect("one is ours");
                                assert!((1..=2).contains(&before));
                            }
                            Err(now) => {
                                assert_eq!(now, 2);
                                turned_away.inc();
                            }
                        }
                    }
                });
            }
        });
        assert_eq!(rooms.get(), 0);
        assert_eq!(let_in.get() + turned_away.get(), THREADS * ROUNDS);
    });
}

#[test]
fn resets_get_each_change_once() {
    watched(|roll| {
        const ROUNDS: u64 = if cfg!(miri) { 50 } else { 20_000 };
        let (counter, got) = (Counter::new(0), Counter::new(0));
        thread::scope(|threads| {
            for thread in 0..2 {
                let (counter, got) = (&counter, &got);
                roll.spawn(threads, format!("adds {thread}"), move || {
                    (0..ROUNDS).for_each(|_| {
                        counter.inc();
                    })
                });
                roll.spawn(threads, format!("resets {thread}"), move || {
                    for _ in 0..ROUNDS {
                        got.add(counter.reset());
                    }
                });
            }
        });
        assert_eq!(got.get() + counter.get(), 2 * ROUNDS);
    });
}

#[test]
fn a_sharded_counter_on_one_thread() {
    let counter = ShardedCounter::default();
    assert_eq!((counter.sum(), counter.take()), (0, 0));
    counter.add(5);
    counter.inc();
    counter.sub(10);
    counter.dec();
    assert_eq!((counter.sum(), format!("{counter:?}").as_str()), (-5, "ShardedCounter(-5)"));
    assert_eq!((counter.take(), counter.sum(), counter.take()), (-5, 0, 0));
    counter.add(u64::MAX);
    assert_eq!(counter.sum(), -1);
    counter.add(1 << 63);
    assert_eq!(counter.sum(), i64::MAX);
    counter.inc();
    assert_eq!((counter.take(), counter.sum()), (i64::MIN, 0));
}

#[test]
fn counters_do_not_mix() {
    watched(|_| {
        let counters: Vec<_> = (0..10).map(|_| ShardedCounter::new()).collect();
        thread::scope(|threads| {
            for _ in 0..5 {
                threads.spawn(|| counters.iter().enumerate().for_each(|(at, counter)| counter.add(at as u64)));
            }
        });
        let sums: Vec<_> = counters.iter().map(ShardedCounter::sum).collect();
        assert_eq!(sums, (0..10).map(|at| 5 * at).collect::<Vec<_>>());
    });
}

#[test]
fn a_sum_lies_between_what_was_and_what_is() {
    watched(|roll| {
        const ROUNDS: i64 = if cfg!(miri) { 100 } else { 50_000 };
        let counter = ShardedCounter::new();
        thread::scope(|threads| {
            let counter = &counter;
            for thread in 0..2 {
                roll.spawn(threads, format!("adds {thread}"), move || (0..ROUNDS).for_each(|_| counter.inc()));
            }
            let mut last = 0;
            while last < 2 * ROUNDS {
                let sum = counter.sum();
                assert!((last..=2 * ROUNDS).contains(&sum), "{sum} after {last}");
                last = sum;
            }
        });
    });
}

static AT_END: ShardedCounter = ShardedCounter::new();

/// Counts when its thread ends.
struct CountsAtEnd;

impl Drop for CountsAtEnd {
    fn drop(&mut self) {
        AT_END.add(100);
        // More than once: the thread's place must not be given on in between.
        AT_END.inc();
    }
}

thread_local! {
    static EARLY: RefCell<Option<CountsAtEnd>> = const { RefCell::new(None) };
    static LATE: RefCell<Option<CountsAtEnd>> = const { RefCell::new(None) };
}

#[test]
fn nothing_is_lost_while_a_thread_ends() {
    watched(|_| {
        const GENERATIONS: usize = if cfg!(miri) { 3 } else { 50 };
        for generation in 0..GENERATIONS {
            let threads: Vec<_> = (0..4)
                .map(|thread| {
                    thread::spawn(move || {
                        // Thread-locals are destroyed in some order of first use: before, after and without the
                        // counter's own.
                        if (generation + thread) % 2 == 0 {
                            EARLY.set(Some(CountsAtEnd));
                        }
                        if thread < 3 {
                            AT_END.inc();
                        }
                        LATE.set(Some(CountsAtEnd));
                    })
                })
                .collect();
            threads.into_iter().for_each(|thread| thread.join().unwrap());
            // Of four threads two have both, three count in between.
            let expected = 6 * 101 + 3;
            assert_eq!(AT_END.sum(), expected);
            assert_eq!(AT_END.take(), expected);
        }
    });
}

/// Counts when its thread ends, at the same time as another thread that came later.
struct CountsBeside(Arc<(ShardedCounter, Barrier)>);

impl CountsBeside {
    const ROUNDS: i64 = if cfg!(miri) { 50 } else { 20_000 };

    fn count(of: &(ShardedCounter, Barrier)) {
        of.1.wait();
        (0..Self::ROUNDS).for_each(|_| of.0.inc());
    }
}

impl Drop for CountsBeside {
    fn drop(&mut self) {
        Self::count(&self.0);
    }
}

thread_local! {
    static BESIDE: RefCell<Option<CountsBeside>> = const { RefCell::new(None) };
}

/// A thread that ends gives its place on before the last of its destructors has run. It must not count there any more:
/// the next to have the place does.
#[test]
fn an_ending_thread_and_its_successor_do_not_share_a_place() {
    watched(|_| {
        let _alone = alone();
        for _ in 0..if cfg!(miri) { 2 } else { 20 } {
            let shared = Arc::new((ShardedCounter::new(), Barrier::new(2)));
            let theirs = Arc::clone(&shared);
            let ending = thread::spawn(move || {
                // First, so that its destructor is the last.
                BESIDE.set(Some(CountsBeside(Arc::clone(&theirs))));
                theirs.0.inc();
                // The other has started: on Windows no thread starts while a thread-local's destructor runs.
                theirs.1.wait();
            });
            let theirs = Arc::clone(&shared);
            let successor = thread::spawn(move || {
                theirs.1.wait();
                CountsBeside::count(&theirs);
            });
            ending.join().unwrap();
            successor.join().unwrap();
            assert_eq!(shared.0.sum(), 2 * CountsBeside::ROUNDS + 1);
        }
    });
}

#[test]
fn a_threads_place_is_given_on() {
    watched(|_| {
        let _alone = alone();
        const ROUNDS: usize = if cfg!(miri) { 7 } else { 30 };
        /// So many at a time that they have places in more than one word of the registry.
        const TOGETHER: usize = if cfg!(miri) { 10 } else { 100 };
        let counter = ShardedCounter::new();
        // A counter's slots are made where a thread counts: were places not given on, the last threads would have places
        // far up, or none.
        let heap_of_place = || {
            let fresh = ShardedCounter::new();
            let taken = heap_taken(|| fresh.inc());
            assert_eq!(fresh.sum(), 1);
            taken
        };
        counter.inc();
        let mine = heap_of_place();
        let mut taken = Vec::new();
        for _ in 0..ROUNDS {
            let all = Barrier::new(TOGETHER);
            taken = thread::scope(|threads| -> Vec<_> {
                let count = || {
                    counter.inc();
                    all.wait();
                    heap_of_place()
                };
                let threads: Vec<_> = (0..TOGETHER).map(|_| threads.spawn(count)).collect();
                threads.into_iter().map(|thread| thread.join().unwrap()).collect()
            });
            taken.push(mine);
            // They lived at once, so no place was two threads': of those whose slots come in a segment of `n` there are at most `n`.
            for &bytes in &taken {
                let places = bytes / size_of::<CachePadded<AtomicU64>>();
                let threads = taken.iter().filter(|other| **other == bytes).count();
                assert!((1..=places).contains(&threads), "{threads} threads in {places} places");
            }
        }
        assert_eq!(counter.sum(), (ROUNDS * TOGETHER + 1) as i64);
        // Hundreds of threads of other tests would have to live now to take all the places in front of these.
        let bounds = 1..=64 * 1024;
        assert!(taken.iter().all(|bytes| bounds.contains(bytes)), "{taken:?} bytes");
    });
}

#[test]
#[cfg_attr(miri, ignore = "thousands of threads")]
fn more_threads_than_places() {
    const THREADS: usize = 2_200;
    watched(|_| {
        let _alone = alone();
        let counter = Arc::new(ShardedCounter::new());
        let without_place = Arc::new(AtomicUsize::new(0));
        for round in 1..=2 {
            let all = Arc::new(Barrier::new(THREADS + 1));
            let threads: Vec<_> = (0..THREADS)
                .map(|at| {
                    let (counter, all) = (Arc::clone(&counter), Arc::clone(&all));
                    let without_place = Arc::clone(&without_place);
                    let work = move || {
                        counter.add(at as u64);
                        all.wait();
                        // All are there: more than there are places.
                        let fresh = ShardedCounter::new();
                        let taken = heap_taken(|| fresh.add(3));
                        without_place.fetch_add(usize::from(taken == 0), Relaxed);
                        assert_eq!(fresh.sum(), 3);
                        counter.sub(1);
                        all.wait();
                        counter.add(2);
                    };
                    thread::Builder::new().stack_size(128 * 1024).spawn(work).expect("a thread")
                })
                .collect();
            all.wait();
            all.wait();
            threads.into_iter().for_each(|thread| thread.join().unwrap());
            let each = (THREADS * (THREADS - 1) / 2 + THREADS) as i64;
            assert_eq!(counter.sum(), each * round);
            // 2,047 places at most; other tests' threads take some.
            assert!(without_place.swap(0, Relaxed) >= THREADS - 2_047);
        }
        assert_eq!(counter.take(), counter.take() + 2 * (THREADS * (THREADS - 1) / 2 + THREADS) as i64);
    });
}

#[test]
fn takes_telescope_among_takers() {
    watched(|roll| {
        const ROUNDS: u64 = if cfg!(miri) { 50 } else { 10_000 };
        let counter = ShardedCounter::new();
        let taken = Counter::new(0);
        thread::scope(|threads| {
            for thread in 0..3 {
                let (counter, taken) = (&counter, &taken);
                roll.spawn(threads, format!("adds {thread}"), move || {
                    for round in 0..ROUNDS {
                        counter.add(round);
                        counter.sub(thread);
                    }
                });
                roll.spawn(threads, format!("takes {thread}"), move || {
                    for _ in 0..ROUNDS / 10 {
                        taken.add(counter.take() as u64);
                    }
                });
            }
        });
        taken.add(counter.take() as u64);
        assert_eq!(taken.get(), 3 * (ROUNDS * (ROUNDS - 1) / 2) - 3 * ROUNDS);
        assert_eq!(counter.sum(), 0);
    });
}
