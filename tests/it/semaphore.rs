//! Semaphores: who gets permits, in which order, and what becomes of them.

use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use raddle::{CancelToken, Limit, OwnedPermit, Permit, Semaphore, Stopped, What, waits};

use crate::once::{here, place_of_panic};
use crate::stress::watched;
use crate::wait_group::panics_with;
use crate::waits::{named, wait_of};

const NOW: Duration = Duration::ZERO;
const MAX: usize = Semaphore::MAX_PERMITS;

/// Permits of either kind.
#[derive(Debug)]
#[allow(dead_code, reason = "they are dropped")]
pub(crate) enum Any<'a> {
    Borrowed(Permit<'a>),
    Owned(OwnedPermit),
}

impl Any<'_> {
    pub(crate) fn permits(&self) -> usize {
        match self {
            Any::Borrowed(permit) => permit.permits(),
            Any::Owned(permit) => permit.permits(),
        }
    }

    pub(crate) fn forget(self) {
        match self {
            Any::Borrowed(permit) => permit.forget(),
            Any::Owned(permit) => permit.forget(),
        }
    }
}

/// So many permits, by each call that there is.
fn by_each_call(semaphore: &Arc<Semaphore>, permits: usize) -> [Any<'_>; 6] {
    [
        Any::Borrowed(semaphore.acquire(permits)),
        Any::Borrowed(semaphore.acquire_within(permits, NOW).unwrap()),
        Any::Borrowed(semaphore.try_acquire(permits).unwrap()),
        Any::Owned(semaphore.acquire_owned(permits)),
        Any::Owned(semaphore.acquire_owned_within(permits, NOW).unwrap()),
        Any::Owned(semaphore.try_acquire_owned(permits).unwrap()),
    ]
}

/// What the calls that need not wait say to a request that cannot be met.
fn refused(semaphore: &Arc<Semaphore>, permits: usize) {
    assert!(semaphore.try_acquire(permits).is_none());
    assert!(semaphore.try_acquire_owned(permits).is_none());
    assert_eq!(semaphore.acquire_within(permits, NOW).err(), Some(Stopped::TimedOut));
    assert_eq!(semaphore.acquire_owned_within(permits, NOW).err(), Some(Stopped::TimedOut));
}

#[test]
fn permits_are_given_back_when_they_are_dropped() {
    watched(|_| {
        let semaphore = Arc::new(Semaphore::new(12));
        for size in [1, 2] {
            let all = by_each_call(&semaphore, size);
            assert!(all.iter().all(|permit| permit.permits() == size));
            assert_eq!((semaphore.available(), Arc::strong_count(&semaphore)), (12 - 6 * size, 4));
            if size == 2 {
                refused(&semaphore, 1);
            }
            drop(all);
            assert_eq!((semaphore.available(), Arc::strong_count(&semaphore)), (12, 1));
        }
        refused(&semaphore, 13);
        assert_eq!(semaphore.available(), 12);
        drop(semaphore.acquire(12));
    });
}

#[test]
fn no_permits_are_always_there() {
    watched(|_| {
        let semaphore = Arc::new(Semaphore::new(0));
        assert!(by_each_call(&semaphore, 0).iter().all(|permit| permit.permits() == 0));
        refused(&semaphore, 1);
        thread::scope(|threads| {
            let sleeper = named(threads, "no_permits: sleeper", || drop(semaphore.acquire(1)));
            wait_of("no_permits: sleeper");
            assert!(by_each_call(&semaphore, 0).iter().all(|permit| permit.permits() == 0));
            semaphore.acquire(0).forget();
            semaphore.add_permits(0);
            assert!(!sleeper.is_finished());
            semaphore.add_permits(1);
            sleeper.join().unwrap();
        });
        assert_eq!(semaphore.available(), 1);
    });
}

#[test]
fn what_is_forgotten_does_not_come_back() {
    let semaphore = Arc::new(Semaphore::new(30));
    for permit in by_each_call(&semaphore, 2) {
        permit.forget();
    }
    assert_eq!((semaphore.available(), Arc::strong_count(&semaphore)), (18, 1));
    mem::forget(semaphore.acquire(1));
    assert_eq!(semaphore.available(), 17);
    semaphore.add_permits(3);
    assert_eq!(semaphore.available(), 20);
    drop(semaphore.try_acquire(20).unwrap());
}

/// A semaphore that has all permits there can be.
struct Panics<'a>(&'a Arc<Semaphore>);

impl Panics<'_> {
    /// The call, on the caller's line, is for too many, and changes nothing.
    #[track_caller]
    fn at(&self, call: impl FnOnce()) {
        let (place, (at, text)) = (here(), place_of_panic(call));
        assert_eq!(at, place);
        assert!(text.contains("a Semaphore has at most usize::MAX >> 3 permits"), "{text}");
        assert_eq!((self.0.available(), Arc::strong_count(self.0)), (MAX, 1));
    }
}

/// Fails if a request that can never be met waits, or takes something; or if it is not the caller's line that panics.
#[test]
fn more_than_there_can_be() {
    watched(|_| {
        let semaphore = Arc::new(Semaphore::new(MAX));
        let token = CancelToken::new();
        let panics = Panics(&semaphore);
        panics.at(|| _ = Semaphore::new(MAX + 1));
        panics.at(|| _ = Semaphore::new(usize::MAX));
        panics.at(|| drop(semaphore.acquire(MAX + 1)));
        panics.at(|| drop(semaphore.acquire(usize::MAX)));
        panics.at(|| drop(semaphore.acquire_within(MAX + 1, NOW)));
        panics.at(|| drop(semaphore.acquire_within(MAX + 1, &token)));
        panics.at(|| drop(semaphore.try_acquire(MAX + 1)));
        panics.at(|| drop(semaphore.acquire_owned(MAX + 1)));
        panics.at(|| drop(semaphore.acquire_owned_within(MAX + 1, NOW)));
        panics.at(|| drop(semaphore.try_acquire_owned(MAX + 1)));
        panics.at(|| semaphore.add_permits(1));
        panics.at(|| semaphore.add_permits(MAX));
        panics.at(|| semaphore.add_permits(usize::MAX));
        semaphore.add_permits(0);
        let all = semaphore.try_acquire(MAX).unwrap();
        assert_eq!(semaphore.available(), 0);
        // Those that are given out count, too: they come back.
        assert!(place_of_panic(|| semaphore.add_permits(1)).1.contains("at most"));
        assert_eq!(semaphore.available(), 0);
        drop(all);
        assert_eq!(semaphore.available(), MAX);
        semaphore.acquire(3).forget();
        semaphore.add_permits(3);
        assert!(place_of_panic(|| semaphore.add_permits(1)).1.contains("at most"));
        assert_eq!(semaphore.available(), MAX);
        // As many as there can be are waited for.
        let none = Semaphore::new(0);
        assert_eq!(none.acquire_within(MAX, NOW).err(), Some(Stopped::TimedOut));
    });
}

#[test]
fn a_panic_gives_permits_back() {
    watched(|_| {
        let semaphore = Arc::new(Semaphore::new(6));
        panics_with(by_each_call(&semaphore, 1));
        assert_eq!((semaphore.available(), Arc::strong_count(&semaphore)), (6, 1));
        thread::scope(|threads| {
            let permit = semaphore.acquire(6);
            let sleeper = named(threads, "a_panic: sleeper", || semaphore.acquire(6).permits());
            wait_of("a_panic: sleeper");
            let panics = threads.spawn(|| panics_with(permit));
            assert_eq!(sleeper.join().unwrap(), 6);
            panics.join().unwrap();
        });
        assert_eq!(semaphore.available(), 6);
    });
}

/// Fails if the caller's code, which may panic, runs after permits were taken, or although there is nothing to wait for.
#[test]
fn a_limit_that_panics_takes_nothing() {
    struct Panics;
    impl From<Panics> for Limit<'_> {
        fn from(_: Panics) -> Self {
            std::panic::resume_unwind(Box::new(()))
        }
    }
    let semaphore = Arc::new(Semaphore::new(1));
    drop(semaphore.acquire_within(1, Panics).unwrap());
    drop(semaphore.acquire_owned_within(1, Panics).unwrap());
    assert!(catch_unwind(AssertUnwindSafe(|| semaphore.acquire_within(2, Panics))).is_err());
    assert!(catch_unwind(AssertUnwindSafe(|| semaphore.acquire_owned_within(2, Panics))).is_err());
    assert_eq!((semaphore.available(), Arc::strong_count(&semaphore)), (1, 1));
}

/// Fails if one who sleeps is overtaken by a smaller request, be it asleep behind it or not; or if one of them gets less than
/// it asked for.
#[test]
fn first_come_first_served_whatever_the_size() {
    watched(|_| {
        let semaphore = &Arc::new(Semaphore::new(0));
        let served = &Mutex::new(Vec::new());
        let sizes = [3, 1, 2, 4, 1];
        thread::scope(|threads| {
            let mut sleepers = Vec::new();
            for (turn, size) in sizes.into_iter().enumerate() {
                let name = format!("first_come: {turn}");
                sleepers.push(named(threads, &name, move || {
                    let permit = if turn % 2 == 0 {
                        Any::Borrowed(semaphore.acquire(size))
                    } else {
                        Any::Owned(semaphore.acquire_owned_within(size, Duration::MAX).unwrap())
                    };
                    served.lock().unwrap().push(turn);
                    assert_eq!(permit.permits(), size);
                    permit.forget();
                }));
                let wait = wait_of(&name);
                assert_eq!((wait.what(), wait.place().file()), (&What::Permits(size), file!()));
            }
            for (turn, size) in sizes.into_iter().enumerate() {
                for missing in (1..size).rev() {
                    semaphore.add_permits(1);
                    assert_eq!(semaphore.available(), size - missing);
                    assert!(semaphore.try_acquire(1).is_none() && semaphore.try_acquire_owned(1).is_none());
                    assert_eq!(semaphore.acquire_within(1, NOW).err(), Some(Stopped::TimedOut));
                    assert_eq!(served.lock().unwrap().len(), turn);
                }
                semaphore.add_permits(1);
                // Handed to it at once: nobody else can have them.
                assert_eq!(semaphore.available(), 0);
                sleepers.remove(0).join().unwrap();
                assert_eq!(*served.lock().unwrap(), (0..=turn).collect::<Vec<_>>());
            }
        });
        assert_eq!(semaphore.available(), 0);
        semaphore.add_permits(1);
        drop(semaphore.try_acquire(1).unwrap());
    });
}

/// Fails if permits that come at once are handed to some only of those for whom they suffice, or to one behind them.
#[test]
fn many_are_served_at_once() {
    watched(|_| {
        let semaphore = &Semaphore::new(0);
        thread::scope(|threads| {
            let mut sleepers = Vec::new();
            for turn in 0..12 {
                let name = format!("many_are: {turn}");
                sleepers.push(named(threads, &name, move || mem::forget(semaphore.acquire(2))));
                wait_of(&name);
            }
            let last = sleepers.pop().unwrap();
            semaphore.add_permits(23);
            sleepers.into_iter().for_each(|sleeper| sleeper.join().unwrap());
            assert!(!last.is_finished());
            assert_eq!(semaphore.available(), 1);
            semaphore.add_permits(1);
            last.join().unwrap();
        });
    });
}

/// Fails if those who sleep behind one that gives up, and for whom there is enough, sleep on.
#[test]
fn who_gives_up_makes_way() {
    watched(|_| {
        let semaphore = &Semaphore::new(3);
        for by_token in [true, false] {
            let token = &CancelToken::new();
            thread::scope(|threads| {
                let large = named(threads, "makes_way: large", move || {
                    // Time enough for the others to come.
                    let limit = if by_token { Limit::from(token) } else { Duration::from_millis(200).into() };
                    semaphore.acquire_within(4, limit).err()
                });
                wait_of("makes_way: large");
                let small = ["makes_way: small 1", "makes_way: small 2"];
                let small = small.map(|name| named(threads, name, || drop(semaphore.acquire(1))));
                if by_token {
                    small.iter().for_each(|small| drop(wait_of(small.thread().name().unwrap())));
                    token.cancel();
                }
                let ended = if by_token { Stopped::Cancelled } else { Stopped::TimedOut };
                assert_eq!(large.join().unwrap(), Some(ended));
                small.into_iter().for_each(|small| small.join().unwrap());
            });
            assert_eq!(semaphore.available(), 3);
            drop(semaphore.try_acquire(3).unwrap());
        }
    });
}

/// Fails if one who leaves from the middle of the queue takes along somebody's turn.
#[test]
fn who_leaves_from_the_middle() {
    watched(|_| {
        let (semaphore, token) = (&Semaphore::new(1), &CancelToken::new());
        thread::scope(|threads| {
            let first = named(threads, "from_the_middle: first", || semaphore.acquire(2).forget());
            wait_of("from_the_middle: first");
            let middle = named(threads, "from_the_middle: middle", || semaphore.acquire_within(1, token).err());
            wait_of("from_the_middle: middle");
            let last = named(threads, "from_the_middle: last", || semaphore.acquire(1).forget());
            wait_of("from_the_middle: last");
            token.cancel();
            assert_eq!(middle.join().unwrap(), Some(Stopped::Cancelled));
            assert_eq!(semaphore.available(), 1);
            assert!(semaphore.try_acquire(1).is_none(), "it is kept for the first");
            semaphore.add_permits(1);
            first.join().unwrap();
            assert!(!last.is_finished());
            semaphore.add_permits(1);
            last.join().unwrap();
        });
    });
}

#[test]
fn more_than_there_are_is_waited_for() {
    watched(|_| {
        let semaphore = Semaphore::new(2);
        thread::scope(|threads| {
            let held = semaphore.acquire(1);
            let sleeper = named(threads, "more_than: sleeper", || semaphore.acquire(5).permits());
            wait_of("more_than: sleeper");
            drop(held);
            assert!(!sleeper.is_finished());
            semaphore.add_permits(3);
            assert_eq!(sleeper.join().unwrap(), 5);
        });
        assert_eq!(semaphore.available(), 5);
    });
}

/// Fails if a permit does not go where it is sent, or ends with the thread that acquired it.
#[test]
fn permits_are_sent_to_other_threads() {
    watched(|_| {
        let semaphore = Arc::new(Semaphore::new(2));
        let (sender, receiver) = std::sync::mpsc::channel::<OwnedPermit>();
        thread::spawn({
            let semaphore = Arc::clone(&semaphore);
            move || sender.send(semaphore.acquire_owned(2)).unwrap()
        })
        .join()
        .unwrap();
        assert_eq!(semaphore.available(), 0);
        let permit = receiver.recv().unwrap();
        let alive = Arc::downgrade(&semaphore);
        drop(semaphore);
        assert!(alive.upgrade().is_some(), "the permit keeps it alive");
        drop(permit);
        assert!(alive.upgrade().is_none());
    });
}

/// Fails if a gate without permits lets a thread through that nobody has let through, or loses one that was.
#[test]
fn threads_take_turns_through_two_gates() {
    watched(|_| {
        let gates = [0, 0].map(Semaphore::new);
        let [ping, pong] = &gates;
        let rounds = if cfg!(miri) { 10 } else { 1_000 };
        let at = AtomicUsize::new(0);
        thread::scope(|threads| {
            let other = threads.spawn(|| {
                for round in 0..rounds {
                    ping.acquire(1).forget();
                    assert_eq!(at.swap(2 * round + 2, Relaxed), 2 * round + 1);
                    pong.add_permits(1);
                }
            });
            for round in 0..rounds {
                assert_eq!(at.swap(2 * round + 1, Relaxed), 2 * round);
                ping.add_permits(1);
                pong.acquire(1).forget();
            }
            other.join().unwrap();
        });
        assert_eq!(gates.map(|gate| gate.available()), [0, 0]);
    });
}

#[test]
fn limits_that_have_passed_try_once() {
    watched(|_| {
        let (semaphore, token) = (Semaphore::new(1), CancelToken::new());
        token.cancel();
        drop(semaphore.acquire_within(1, &token).unwrap());
        drop(semaphore.acquire_within(1, Instant::now()).unwrap());
        let _permit = semaphore.acquire(1);
        assert_eq!(semaphore.acquire_within(1, &token).err(), Some(Stopped::Cancelled));
        assert_eq!(semaphore.acquire_within(1, Instant::now()).err(), Some(Stopped::TimedOut));
    });
}

#[test]
fn what_is_waited_for_is_shown() {
    watched(|_| {
        let semaphore = Semaphore::new(0);
        thread::scope(|threads| {
            let sleeper = named(threads, "is_shown: sleeper", || drop(semaphore.acquire(1)));
            let wait = wait_of("is_shown: sleeper");
            assert_eq!((wait.what().to_string().as_str(), wait.holders().len()), ("1 permit of a semaphore", 0));
            assert_eq!(What::Permits(3).to_string(), "3 permits of a semaphore");
            let text = waits().to_string();
            assert!(text.contains("thread 'is_shown: sleeper' waits for 1 permit of a semaphore, "), "{text}");
            semaphore.add_permits(1);
            sleeper.join().unwrap();
        });
        let permit = semaphore.acquire(1);
        assert_eq!(format!("{semaphore:?}"), "Semaphore { available: 0 }");
        assert_eq!(format!("{permit:?}"), "Permit { permits: 1, .. }");
        drop(permit);
        let permit = Arc::new(semaphore).acquire_owned(1);
        assert_eq!(format!("{permit:?}"), "OwnedPermit { permits: 1, .. }");
    });
}
