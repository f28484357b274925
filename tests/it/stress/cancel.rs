//! All primitives at once, under tokens that are cancelled at random. Every call ends, in one of three ways.

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use raddle::{
    CancelToken, Counter, InitError, Limit, OnceCell, OrderedMutex, OrderedRwLock, Stopped, WaitError, WaitGroup,
    lock_all, lock_all_within,
};

use super::{Random, Roll, Span, for_long, watched};
use crate::blocking::why;
use crate::lock::holds_nothing;
use crate::thread;

const THREADS: usize = if cfg!(miri) { 4 } else { 24 };
const REQUESTS: usize = 8;

/// What all threads work on.
struct World {
    /// Each counts how often it was locked.
    mutexes: [OrderedMutex<u64>; 3],
    /// Each is written twice as a whole.
    shared: [OrderedRwLock<[u64; 2]>; 2],
    cell: Mutex<Arc<OnceCell<u64>>>,
    group: WaitGroup,
    root: CancelToken,
    requests: [Mutex<CancelToken>; REQUESTS],
    /// How often the mutexes were locked and the others written.
    locked: [Counter; 3],
    written: [Counter; 2],
}

impl World {
    fn new() -> Self {
        let root = CancelToken::new();
        World {
            mutexes: [10, 12, 14].map(|id| OrderedMutex::new(id, 0)),
            shared: [11, 13].map(|id| OrderedRwLock::new(id, [0; 2])),
            cell: Mutex::default(),
            group: WaitGroup::new(),
            requests: std::array::from_fn(|_| Mutex::new(root.child())),
            root,
            locked: [(); 3].map(|()| Counter::new(0)),
            written: [(); 2].map(|()| Counter::new(0)),
        }
    }

    /// A token of some request, or one below it.
    fn token(&self, random: &mut Random) -> CancelToken {
        let token = self.requests[random.below(REQUESTS)].lock().unwrap().clone();
        match random.below(4) {
            0 => token,
            1 => token.child_within(random.limit()),
            _ => token.child().child_within(Duration::from_secs(100_000)),
        }
    }

    /// Ends some request and begins another.
    fn cancel_one(&self, random: &mut Random) {
        let mut request = self.requests[random.below(REQUESTS)].lock().unwrap();
        let old = std::mem::replace(&mut *request, self.root.child());
        drop(request);
        match random.below(3) {
            0 => old.cancel(),
            1 => old.cancel_with("at random"),
            _ => drop(old.cancel_on_drop()),
        }
    }

    fn lock(&self, at: usize, value: &mut u64) {
        *value += 1;
        self.locked[at].inc();
    }

    fn write(&self, at: usize, value: &mut [u64; 2], busy: impl FnOnce()) {
        value[0] += 1;
        busy();
        value[1] += 1;
        self.written[at].inc();
    }

    /// Everything is as if nobody had ever given up.
    fn intact(&mut self) {
        holds_nothing();
        let [a, b, c] = &self.mutexes;
        let all = lock_all((c, a, b)).unwrap();
        assert_eq!(all.split(), (&self.locked[2].get(), &self.locked[0].get(), &self.locked[1].get()));
        drop(all);
        for (lock, written) in self.shared.iter().zip(&self.written) {
            drop((lock.try_read().unwrap(), lock.try_read().unwrap()));
            assert_eq!(*lock.try_write().unwrap(), [written.get(); 2]);
        }
        assert_eq!((self.group.count(), self.group.wait()), (0, Ok(())));
        assert_ne!(*self.cell.get_mut().unwrap().get_or_init(|| 1), 0);
        assert!(!self.root.is_cancelled());
        self.root.cancel();
        self.requests.iter_mut().for_each(|request| assert!(request.get_mut().unwrap().is_cancelled()));
    }
}

/// One call that may have to wait.
fn attempt(world: &World, random: &mut Random) -> Result<(), Stopped> {
    let (token, other) = (world.token(random), world.token(random));
    let limit = match random.below(6) {
        0 => Limit::from(&token).or(random.limit()),
        1 => Limit::from(&token).or(&other),
        2 => Limit::from(&token).or(Duration::MAX),
        _ => Limit::from(&token),
    };
    let time = random.limit();
    // So long, or until it is cancelled: it waits with what it has.
    let busy = || {
        let _ = token.sleep(time);
    };
    let [a, b, c] = &world.mutexes;
    let [low, high] = &world.shared;
    match random.below(13) {
        0 => {
            let mut guard = b.lock_within(limit).map_err(why)?;
            world.lock(1, &mut guard);
            busy();
        }
        1 => {
            let guard = low.read_within(limit).map_err(why)?;
            busy();
            assert_eq!(guard[0], guard[1]);
        }
        2 => {
            let mut guard = low.write_within(limit).map_err(why)?;
            world.write(0, &mut guard, busy);
        }
        3 => {
            let mut set = lock_all_within([c, a, b], limit).map_err(why)?;
            [2, 0, 1].into_iter().zip(set.iter_mut()).for_each(|(at, value)| world.lock(at, value));
            busy();
        }
        4 => {
            let mut set = lock_all_within((b, high.as_write(), low.as_read()), limit).map_err(why)?;
            let (mutex, high, low) = set.split_mut();
            world.lock(1, mutex);
            world.write(1, high, busy);
            assert_eq!(low[0], low[1]);
        }
        5 => {
            // One after the other; what is held while waiting goes with the error.
            let mut guard = a.lock_within(limit).map_err(why)?;
            world.lock(0, &mut guard);
            let mut guard = high.write_within(limit).map_err(why)?;
            world.write(1, &mut guard, || ());
            world.lock(2, &mut *c.lock_within(limit).map_err(why)?);
        }
        kind @ 6..=8 => {
            let cell = Arc::clone(&world.cell.lock().unwrap());
            let fails = random.below(2) == 0;
            let init = || {
                busy();
                if fails { Err("failed") } else { Ok(7) }
            };
            let end = match kind {
                6 => cell.wait_within(limit).map_err(InitError::Stopped),
                7 => cell.get_or_init_within(|| init().unwrap_or(8), limit).map_err(|error| match error {
                    InitError::Stopped(stopped) => InitError::Stopped(stopped),
                    other => panic!("{other}"),
                }),
                _ => cell.get_or_try_init_within(init, limit),
            };
            match end {
                Ok(&value) => {
                    assert!(value == 7 || value == 8);
                    let mut current = world.cell.lock().unwrap();
                    if Arc::ptr_eq(&current, &cell) {
                        *current = Arc::default();
                    }
                }
                Err(InitError::Init("failed")) if fails => {}
                Err(InitError::Stopped(stopped)) => return Err(stopped),
                Err(other) => panic!("{other}"),
            }
        }
        9 => match world.group.wait_within(limit) {
            Ok(()) => {}
            Err(WaitError::Stopped(stopped)) => return Err(stopped),
            Err(other) => panic!("{other}"),
        },
        10 => {
            let _worker = world.group.worker();
            busy();
        }
        11 => other.wait(limit)?,
        _ => token.sleep(if random.below(2) == 0 { Duration::MAX } else { time })?,
    }
    Ok(())
}

/// Fails if a call is never heard of again, says that it was stopped when it was not, or leaves something behind.
fn storm(roll: &Roll, span: Span) -> u64 {
    let mut world = World::new();
    let left = AtomicUsize::new(THREADS);
    let ends: Vec<[u64; 4]> = thread::scope(|threads| {
        let (world, left) = (&world, &left);
        roll.spawn(threads, "canceller", move || {
            let mut random = Random::new(THREADS);
            while left.load(Relaxed) != 0 {
                world.cancel_one(&mut random);
                assert_eq!(world.root.sleep(random.limit()), Ok(()));
            }
        });
        let workers: Vec<_> = (0..THREADS)
            .map(|thread| {
                roll.spawn(threads, format!("cancel storm {thread}"), move || {
                    let mut random = Random::new(thread);
                    let mut ends = [0; 4];
                    for _ in span.rounds() {
                        ends[0] += 1;
                        match attempt(world, &mut random) {
                            Ok(()) => ends[1] += 1,
                            Err(Stopped::Cancelled) => ends[2] += 1,
                            Err(Stopped::TimedOut) => ends[3] += 1,
                            Err(other) => panic!("{other}"),
                        }
                        holds_nothing();
                    }
                    left.fetch_sub(1, Relaxed);
                    ends
                })
            })
            .collect();
        workers.into_iter().map(|worker| worker.join().unwrap()).collect()
    });
    let [attempts, ok, cancelled, timed_out] = std::array::from_fn(|at| ends.iter().map(|ends| ends[at]).sum::<u64>());
    assert_eq!(ok + cancelled + timed_out, attempts);
    // A storm in which all goes well, or nothing, is none.
    assert!(cfg!(miri) || (ok != 0 && cancelled != 0 && timed_out != 0), "{ok}, {cancelled}, {timed_out}");
    world.intact();
    attempts
}

#[test]
fn cancelled_at_random() {
    watched(|roll| storm(roll, Span::short(2_000)));
}

#[test]
#[ignore = "as long as RADDLE_STRESS_SECONDS says"]
fn cancelled_at_random_for_long() {
    for_long(storm);
}
