//! Many threads at once, counted in the end: a few seconds here, as long as wanted in the ignored tests.
//!
//! `RADDLE_STRESS_SECONDS` says how long each ignored test runs (a minute if it is not set):
//!
//! ```text
//! RADDLE_STRESS_SECONDS=600 cargo test --release --test it -- --ignored stress
//! ```
//!
//! Each of those says how many calls of the library's were made; what only looks (`get`, `sum`) is not counted.

mod callbacks;
mod cancel;
mod queue;
mod semaphore;

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::env;
use std::io::{self, Write};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use raddle::{
    Counter, InitError, LockError, LockId, OnceCell, OrderedMutex, ShardedCounter, Stopped, WaitError, WaitGroup,
    lock_all, lock_all_within, try_lock_all,
};

use crate::thread::{self, Scope, ScopedJoinHandle};

/// Whatever takes this long hangs. (Miri's clock counts steps.)
const PATIENCE: Duration = Duration::from_secs(if cfg!(miri) { 3600 } else { 120 });

/// The threads of a test that are at work.
#[derive(Clone, Default)]
pub(crate) struct Roll(Arc<Mutex<BTreeMap<u64, String>>>);

impl Roll {
    /// Notes that the calling thread is at this part of the test until the entry is dropped.
    pub(crate) fn enter(&self, part: impl Into<String>) -> Entry {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let key = NEXT.fetch_add(1, Relaxed);
        self.0.lock().unwrap().insert(key, part.into());
        Entry { roll: self.clone(), key }
    }

    /// A thread of the scope, on the roll by its name.
    pub(crate) fn spawn<'s, R: Send + 's>(
        &self,
        threads: &Scope<'s, '_>,
        name: impl Into<String>,
        work: impl FnOnce() -> R + Send + 's,
    ) -> ScopedJoinHandle<'s, R> {
        let entry = self.enter(name);
        threads.spawn(move || {
            let _entry = entry;
            work()
        })
    }
}

pub(crate) struct Entry {
    roll: Roll,
    key: u64,
}

impl Drop for Entry {
    fn drop(&mut self) {
        self.roll.0.lock().unwrap().remove(&self.key);
    }
}

/// Runs a test on a thread of its own. One that hangs fails, and its part that hangs is named.
#[track_caller]
pub(crate) fn watched<R: Send + 'static>(test: impl FnOnce(&Roll) -> R + Send + 'static) -> R {
    watched_for(PATIENCE, test)
}

#[track_caller]
fn watched_for<R: Send + 'static>(patience: Duration, test: impl FnOnce(&Roll) -> R + Send + 'static) -> R {
    let roll = Roll::default();
    let (done, end) = mpsc::channel();
    let theirs = roll.clone();
    let runner = thread::spawn(move || {
        let result = test(&theirs);
        // Its receiver may have lost patience.
        let _ = done.send(());
        result
    });
    if end.recv_timeout(patience) == Err(RecvTimeoutError::Timeout) {
        let parts: Vec<_> = roll.0.lock().unwrap().values().cloned().collect();
        panic!("hangs after {patience:?}; still at work: {parts:?}");
    }
    runner.join().unwrap_or_else(|panic| resume_unwind(panic))
}

#[test]
fn the_watchdog_names_what_hangs() {
    let (go, gone) = mpsc::channel::<()>();
    let hung = catch_unwind(AssertUnwindSafe(|| {
        watched_for(Duration::from_millis(1), move |roll| {
            let _done = roll.enter("done");
            drop(_done);
            let _entry = roll.enter("the sleeper");
            let _ = gone.recv();
        });
    }));
    drop(go);
    let message = *hung.unwrap_err().downcast::<String>().unwrap();
    assert!(message.starts_with("hangs after 1ms"), "{message}");
    assert!(!message.contains("done"), "{message}");
}

/// When a stress run ends: after so many rounds of each thread, or after so long.
#[derive(Clone, Copy)]
enum Span {
    Rounds(u64),
    Until(Instant),
}

impl Span {
    /// A few rounds; under Miri a hundredth of them.
    fn short(rounds: u64) -> Self {
        Span::Rounds(if cfg!(miri) { rounds.div_ceil(100) } else { rounds })
    }

    /// As long as the environment says.
    fn long() -> Self {
        Span::Until(Instant::now() + Self::long_time())
    }

    fn long_time() -> Duration {
        let seconds = env::var("RADDLE_STRESS_SECONDS").map_or(60, |text| text.parse().expect("a number of seconds"));
        Duration::from_secs(seconds)
    }

    fn rounds(self) -> impl Iterator<Item = u64> {
        (0..).take_while(move |&round| match self {
            Span::Rounds(rounds) => round < rounds,
            // The clock is looked at now and then.
            Span::Until(end) => round % 64 != 0 || Instant::now() < end,
        })
    }
}

/// Runs a test as long as the environment says, and says how many calls it made. (Not by `eprintln`: that is kept from
/// who runs a test that passes.)
fn for_long(test: fn(&Roll, Span) -> u64) {
    let start = Instant::now();
    let calls = watched_for(PATIENCE + Span::long_time(), move |roll| test(roll, Span::long()));
    let (name, seconds) = (thread::current().name().unwrap_or_default().to_owned(), start.elapsed().as_secs());
    io::stderr().write_all(format!("{name}: {calls} calls in {seconds} s\n").as_bytes()).unwrap();
}

/// Marsaglia's xorshift: good enough to mix threads, and the same in every run.
struct Random(u64);

impl Random {
    fn new(seed: usize) -> Self {
        Self((seed as u64 + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15))
    }

    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, end: usize) -> usize {
        ((self.next() >> 16) % end as u64) as usize
    }

    /// `N` different places below `end`.
    fn pick<const N: usize>(&mut self, end: usize) -> [usize; N] {
        let mut places: Vec<_> = (0..end).collect();
        std::array::from_fn(|_| places.swap_remove(self.below(places.len())))
    }

    /// A limit that often passes and often does not.
    fn limit(&mut self) -> Duration {
        Duration::from_micros(self.next() % 200)
    }
}

const THREADS: usize = if cfg!(miri) { 3 } else { 8 };
const ACCOUNTS: usize = 5;
const MONEY: i64 = 1_000;

/// What a transfer may end with, apart from success.
fn expected(error: LockError) {
    let expected = matches!(error, LockError::WouldBlock { .. } | LockError::Stopped { why: Stopped::TimedOut, .. });
    assert!(expected, "{error}");
}

/// Threads move money between accounts in every way there is to lock two or more. The sum stays.
fn transfers(roll: &Roll, span: Span) -> u64 {
    let accounts: Vec<_> =
        (0..ACCOUNTS).map(|at| OrderedMutex::with_id(LockId::in_class(at as u32 % 2, 10 - at as u64), MONEY)).collect();
    let (done, calls) = (ShardedCounter::new(), Counter::new(0));
    thread::scope(|threads| {
        for thread in 0..THREADS {
            let (accounts, done, calls) = (&accounts[..], &done, &calls);
            roll.spawn(threads, format!("transfers {thread}"), move || {
                let mut random = Random::new(thread);
                let mut rounds = 0;
                for _ in span.rounds() {
                    rounds += 1;
                    match transfer(accounts, &mut random) {
                        Ok(()) => done.inc(),
                        Err(error) => expected(error),
                    }
                    // Nothing is held: no lock comes before the lowest.
                    let lowest = OrderedMutex::new(0, ());
                    assert_eq!(lowest.lock().err(), None);
                }
                calls.add(2 * rounds);
            });
        }
    });
    assert_ne!(done.sum(), 0);
    let set: Vec<_> = accounts.iter().collect();
    assert_eq!(try_lock_all(set).unwrap().iter().sum::<i64>(), MONEY * ACCOUNTS as i64);
    calls.get()
}

fn transfer(accounts: &[OrderedMutex<i64>], random: &mut Random) -> Result<(), LockError> {
    let [a, b, c] = random.pick::<3>(accounts.len()).map(|at| &accounts[at]);
    let amount = (random.next() % 10) as i64;
    match random.below(8) {
        0 => {
            let mut both = lock_all((a, b))?;
            let (a, b) = both.split_mut();
            *a -= amount;
            *b += amount;
        }
        1 => {
            let mut both = lock_all_within([a, b], random.limit())?;
            both[0] -= amount;
            both[1] += amount;
        }
        2 => {
            let mut both = try_lock_all((a, b))?;
            let (a, b) = both.split_mut();
            *a -= amount;
            *b += amount;
        }
        3 => {
            let (low, high) = if a.id() < b.id() { (a, b) } else { (b, a) };
            let mut low = low.lock()?;
            let mut high = high.lock()?;
            *low -= amount;
            *high += amount;
        }
        4 => {
            let (low, high) = if a.id() < b.id() { (a, b) } else { (b, a) };
            let mut low = low.lock_within(random.limit())?;
            let mut high = high.lock_within(random.limit())?;
            *low -= amount;
            *high += amount;
            drop(low);
        }
        5 => {
            // In any order, without waiting.
            let mut a = a.lock()?;
            let mut b = b.try_lock()?;
            *a -= amount;
            *b += amount;
            drop(a);
        }
        6 => {
            // Found late, taken out of order, and waited above both.
            let set = [a, b];
            let mut both = lock_all(&set[..])?;
            let mut third = c.try_lock()?;
            both[0] -= 2 * amount;
            both[1] += amount;
            *third += amount;
            drop(both);
        }
        _ => {
            let mut all = lock_all_within(accounts.iter().collect::<Vec<_>>(), random.limit())?;
            let sum: i64 = all.iter().sum();
            assert_eq!(sum, MONEY * accounts.len() as i64, "seen under all locks");
            all[0] -= amount;
            all[accounts.len() - 1] += amount;
        }
    }
    Ok(())
}

#[test]
fn money_is_neither_made_nor_lost() {
    watched(|roll| transfers(roll, Span::short(4_000)));
}

#[test]
#[ignore = "as long as RADDLE_STRESS_SECONDS says"]
fn money_is_neither_made_nor_lost_for_long() {
    for_long(transfers);
}

/// One lock that all want: everybody gets it in the end, whatever limits others have.
fn one_lock(roll: &Roll, span: Span) -> u64 {
    let lock = OrderedMutex::new(1, 0_u64);
    let calls = Counter::new(0);
    let taken: u64 = thread::scope(|threads| {
        let workers: Vec<_> = (0..THREADS)
            .map(|thread| {
                let (lock, calls) = (&lock, &calls);
                roll.spawn(threads, format!("one lock {thread}"), move || {
                    let mut random = Random::new(thread);
                    let (mut taken, mut rounds) = (0, 0);
                    for round in span.rounds() {
                        rounds += 1;
                        let guard = match (thread as u64 + round) % 3 {
                            0 => lock.lock(),
                            1 => lock.lock_within(random.limit()),
                            _ => lock.try_lock(),
                        };
                        match guard {
                            Ok(mut count) => {
                                let before = *count;
                                if round % 16 == 0 {
                                    // Long enough for others to fall asleep.
                                    thread::yield_now();
                                }
                                *count = before + 1;
                                taken += 1;
                            }
                            Err(error) => expected(error),
                        }
                    }
                    calls.add(rounds);
                    taken
                })
            })
            .collect();
        workers.into_iter().map(|worker| worker.join().unwrap()).sum()
    });
    assert_eq!(lock.into_inner(), taken);
    calls.get()
}

#[test]
fn one_lock_that_all_want() {
    watched(|roll| one_lock(roll, Span::short(8_000)));
}

#[test]
#[ignore = "as long as RADDLE_STRESS_SECONDS says"]
fn one_lock_that_all_want_for_long() {
    for_long(one_lock);
}

/// A value that knows whether it was made whole.
struct Whole(u64, u64);

/// Candidates with failing, panicking and slow initialisers, with and without limits, and watchers, on one cell after
/// the other. Exactly one initialiser ends well; all that got a value got that one.
fn once_storm(roll: &Roll, span: Span) -> u64 {
    let (mut failed, mut timed_out, mut last) = (0, 0, 0);
    for round in span.rounds() {
        let cell = OnceCell::<Whole>::new();
        let ends = Counter::new(0);
        let seen: Vec<(Option<u64>, u64, u64)> = thread::scope(|threads| {
            let storm: Vec<_> = (0..THREADS)
                .map(|thread| {
                    let (cell, ends) = (&cell, &ends);
                    roll.spawn(threads, format!("once storm, round {round}, thread {thread}"), move || {
                        let mut random = Random::new(round as usize * THREADS + thread);
                        candidate(cell, ends, thread, &mut random)
                    })
                })
                .collect();
            storm.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        let value = cell.get().expect("thread 0 does not give up");
        assert_eq!(ends.get(), 1);
        assert_eq!(value.1, !value.0);
        for (seen, failures, stops) in seen {
            assert!(seen.is_none_or(|seen| seen == value.0));
            failed += failures;
            timed_out += stops;
            last += 1;
        }
    }
    // Not all of them in every run, but a storm without any failure is none.
    assert_ne!(failed, 0, "{timed_out}");
    failed + timed_out + last
}

/// What one thread of the storm does: the value that it got, how often its initialisers failed, and its waits.
fn candidate(cell: &OnceCell<Whole>, ends: &Counter, thread: usize, random: &mut Random) -> (Option<u64>, u64, u64) {
    let (mut failed, mut stopped) = (0, 0);
    let value = |cell: &OnceCell<Whole>| cell.get().map(|whole| whole.0);
    if thread == 1 {
        return (Some(cell.wait().0), 0, 0);
    }
    for attempt in 0.. {
        let mine = (thread as u64) << 32 | attempt;
        let wrong = random.below(2) == 0 && attempt < 4;
        let panics = random.below(2) == 0;
        let slow = random.below(4);
        let init = || {
            for _ in 0..slow {
                thread::yield_now();
            }
            match (wrong, panics) {
                (false, _) => {
                    ends.inc();
                    Ok(Whole(mine, !mine))
                }
                (true, false) => Err(attempt),
                // Without the hook, which would print.
                (true, true) => resume_unwind(Box::new(attempt)),
            }
        };
        let kind = random.below(4);
        let limit = random.limit();
        let end = catch_unwind(AssertUnwindSafe(|| match kind {
            0 => cell.get_or_try_init(init).map(drop).map_err(InitError::Init),
            1 => cell.get_or_try_init_within(init, limit).map(drop),
            2 => match cell.wait_within(limit) {
                Ok(_) => Ok(()),
                Err(stopped) => Err(InitError::Stopped(stopped)),
            },
            _ => cell.get_or_try_init_within(init, Duration::MAX).map(drop),
        }));
        match end {
            Ok(Ok(())) => return (Some(value(cell).expect("just got")), failed, stopped),
            Ok(Err(InitError::Stopped(Stopped::TimedOut))) => {
                assert!(kind == 1 || kind == 2, "no limit was given");
                stopped += 1;
                // Some give up for good.
                if thread != 0 && stopped > 2 {
                    return (None, failed, stopped);
                }
            }
            Ok(Err(InitError::Init(which))) => {
                assert_eq!(which, attempt);
                failed += 1;
            }
            Ok(Err(other)) => panic!("{other:?}"),
            Err(payload) => {
                assert_eq!(*payload.downcast::<u64>().expect("the initialiser's own panic"), attempt);
                failed += 1;
            }
        }
    }
    unreachable!()
}

#[test]
fn once_cells_in_a_storm() {
    watched(|roll| once_storm(roll, Span::short(800)));
}

#[test]
#[ignore = "as long as RADDLE_STRESS_SECONDS says"]
fn once_cells_in_a_storm_for_long() {
    for_long(once_storm);
}

/// Rounds of workers on one group, with a waiter that leads and others that come and go on their own.
fn group_rounds(roll: &Roll, span: Span) -> u64 {
    let group = WaitGroup::new();
    let work = ShardedCounter::new();
    let over = Counter::new(0);
    let (orders, workers): (Vec<_>, Vec<_>) = (0..THREADS / 2).map(|_| mpsc::channel()).unzip();
    let mut rounds = 0;
    thread::scope(|threads| {
        for (thread, orders) in workers.into_iter().enumerate() {
            let work = &work;
            roll.spawn(threads, format!("worker {thread}"), move || {
                for worker in orders {
                    work.inc();
                    drop::<raddle::Worker<'_>>(worker);
                }
            });
        }
        for thread in 0..THREADS / 2 {
            let (group, over) = (&group, &over);
            roll.spawn(threads, format!("waiter {thread}"), move || {
                let mut random = Random::new(thread);
                while over.get() == 0 {
                    match thread % 2 {
                        0 => assert_eq!(group.wait(), Ok(())),
                        _ => match group.wait_within(random.limit()) {
                            Ok(()) | Err(WaitError::Stopped(Stopped::TimedOut)) => {}
                            other => panic!("{other:?}"),
                        },
                    }
                }
            });
        }
        for _ in span.rounds() {
            for order in &orders {
                order.send(group.worker()).unwrap();
            }
            group.wait().unwrap();
            rounds += 1;
            // Counted before the worker was dropped, so seen after the wait.
            assert_eq!(work.sum(), rounds * orders.len() as i64);
        }
        over.inc();
        drop(orders);
    });
    assert_eq!(group.count(), 0);
    assert_ne!(rounds, 0);
    // The leader's wait, and beginning and ending each worker. Most of the others' waits find nothing to wait for.
    rounds as u64 * (1 + 2 * (THREADS / 2) as u64)
}

#[test]
fn a_group_round_after_round() {
    watched(|roll| group_rounds(roll, Span::short(4_000)));
}

#[test]
#[ignore = "as long as RADDLE_STRESS_SECONDS says"]
fn a_group_round_after_round_for_long() {
    for_long(group_rounds);
}

/// A group that is gone as soon as the wait is over, which is when its last worker must not touch it any more.
fn short_lived(roll: &Roll, span: Span) {
    let (orders, workers): (Vec<_>, Vec<_>) = (0..2).map(|_| mpsc::channel()).unzip();
    thread::scope(|threads| {
        for (thread, orders) in workers.into_iter().enumerate() {
            roll.spawn(threads, format!("worker {thread}"), move || {
                orders.into_iter().for_each(drop::<raddle::OwnedWorker>);
            });
        }
        for round in span.rounds() {
            let group = Arc::new(WaitGroup::new());
            for order in &orders {
                order.send(group.worker_owned()).unwrap();
            }
            let _entry = roll.enter(format!("wait in round {round}"));
            group.wait().unwrap();
            assert_eq!(group.count(), 0);
        }
        drop(orders);
    });
}

#[test]
fn groups_that_do_not_live_long() {
    watched(|roll| short_lived(roll, Span::short(if cfg!(miri) { 2_000 } else { 10_000 })));
}

/// All counters under all threads, with takers at work, in generations of threads.
fn counters(roll: &Roll, span: Span) -> u64 {
    const GENERATION: u64 = if cfg!(miri) { 40 } else { 200 };
    let exact = Counter::new(0);
    let bounded = Counter::new(0);
    let sharded = ShardedCounter::new();
    let taken = Counter::new(0);
    let (mut all, mut let_in) = (0, 0);
    for generation in span.rounds() {
        thread::scope(|threads| {
            let workers: Vec<_> = (0..THREADS)
                .map(|thread| {
                    let (exact, bounded, sharded, taken) = (&exact, &bounded, &sharded, &taken);
                    roll.spawn(threads, format!("generation {generation}, thread {thread}"), move || {
                        let mut let_in = 0;
                        for round in 0..GENERATION {
                            exact.inc();
                            sharded.add(3);
                            sharded.dec();
                            if round % 32 == 0 {
                                taken.add(sharded.take() as u64);
                            }
                            if bounded.try_add(1, 3).is_ok() {
                                let_in += 1;
                                let now = bounded.get();
                                assert!((1..=3).contains(&now), "{now}");
                                assert!(bounded.try_sub(1).is_ok());
                            }
                        }
                        let_in
                    })
                })
                .collect();
            let_in += workers.into_iter().map(|worker| worker.join().unwrap()).sum::<u64>();
        });
        all += GENERATION * THREADS as u64;
        assert_eq!(exact.get(), all);
        assert_eq!(taken.get().wrapping_add(sharded.sum() as u64), 2 * all);
        assert_eq!(bounded.get(), 0);
    }
    assert_ne!(let_in, 0);
    assert_eq!(taken.get().wrapping_add(sharded.take() as u64), 2 * all);
    assert_eq!(sharded.sum(), 0);
    // Three changes in each round, and two more where there was room.
    3 * all + 2 * let_in
}

#[test]
fn counters_lose_nothing() {
    watched(|roll| counters(roll, Span::short(300)));
}

#[test]
#[ignore = "as long as RADDLE_STRESS_SECONDS says"]
fn counters_lose_nothing_for_long() {
    for_long(counters);
}

/// The never-failing form, whose error type has no values.
#[test]
fn a_storm_of_plain_initialisers() {
    watched(|roll| {
        for round in Span::short(500).rounds() {
            let cell = OnceCell::new();
            let made = Counter::new(0);
            thread::scope(|threads| {
                for thread in 0..THREADS {
                    let (cell, made) = (&cell, &made);
                    roll.spawn(threads, format!("round {round}, thread {thread}"), move || {
                        let init = || {
                            made.inc();
                            vec![round; 3]
                        };
                        let value: Result<_, InitError<Infallible>> = match thread % 3 {
                            0 => Ok(cell.get_or_init(init)),
                            1 => cell.get_or_init_within(init, Duration::MAX),
                            _ => Ok(cell.wait()),
                        };
                        assert_eq!(value, Ok(&vec![round; 3]));
                    });
                }
            });
            assert_eq!(made.get(), 1);
        }
    });
}
