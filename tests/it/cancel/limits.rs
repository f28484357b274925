//! Tokens as limits, and what waits for tokens: which answer a call gives when there are several. That each call
//! is stopped at all, in its sleep too, stands in `blocking`.

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::{Duration, Instant};

use raddle::{CancelToken, Limit, OnceCell, OrderedMutex, OrderedRwLock, Stopped, WaitGroup, lock_all_within};

use super::{CANCELLED, EXPIRED, LIVE, LONG, state};
use crate::asleep::Bed;
use crate::once::{here, place_of_panic};
use crate::stress::watched;
use crate::thread;

const SHORT: Duration = Duration::from_millis(5);

/// A token that is cancelled, one whose time is over, and one that is neither.
fn three() -> (CancelToken, CancelToken, CancelToken) {
    let cancelled = CancelToken::new();
    cancelled.cancel();
    (cancelled, CancelToken::new().child_within(Duration::ZERO), CancelToken::new())
}

#[test]
fn a_third_token_is_refused_at_the_callers_place() {
    let [a, b, c] = [(); 3].map(|()| CancelToken::new());
    // A child is a token of its own.
    let child = a.child();
    let two = Limit::from(&a).or(&b);
    let pair = Limit::from(&b).or(&c);
    // Each on one line: `here` and the panic are compared by line.
    let refused = [
        (here(), place_of_panic(|| two.or(&c))),
        (here(), place_of_panic(|| Limit::from(&c).or(two))),
        (here(), place_of_panic(|| two.or(pair))),
        (here(), place_of_panic(|| two.or(LONG).or(Instant::now()).or(&child))),
    ];
    for (line, (at, text)) in refused {
        assert_eq!(at, line);
        assert!(text.contains("two cancel tokens"), "{text}");
    }
    assert_eq!([&a, &b, &c].map(state), [LIVE; 3]);
}

#[test]
fn the_same_token_counts_once() {
    let (a, b) = (CancelToken::new(), CancelToken::new());
    let (again, too) = (a.clone(), b.clone());
    let two = Limit::from(&a).or(&b);
    let limits =
        [two, two.or(two), two.or(&b).or(&a), Limit::from(&a).or(&again).or(&a).or(&too), two.or(&too).or(&again)];
    for limit in limits {
        let token = "token: CancelToken { cancelled: false, .. }";
        assert_eq!(format!("{limit:?}"), format!("Limit {{ {token}, {token} }}"));
    }
    assert_eq!(
        format!("{:?}", Limit::from(&a).or(&a).or(&again).or(Limit::NEVER)),
        "Limit { token: CancelToken { cancelled: false, .. } }"
    );
    let all = Limit::from(&a).or(SHORT).or(&b);
    b.cancel();
    let shown = format!("{all:?}");
    assert!(shown.starts_with("Limit { within: 5ms, token: ") && shown.contains("cancelled: true"), "{shown}");
}

/// Fails if a call says that its time is over when it was cancelled, or the other way round.
#[test]
fn cancelled_goes_before_timed_out() {
    watched(|_| {
        let (cancelled, over, live) = three();
        let both = over.child();
        both.cancel();
        let now = Instant::now();
        let wait = |limit: Limit<'_>| CancelToken::new().wait(limit);
        for limit in [
            Limit::from(&cancelled),
            Limit::from(&cancelled).or(Duration::ZERO).or(now),
            Limit::from(now).or(&live).or(&cancelled),
            Limit::from(&over).or(&cancelled),
            Limit::from(&cancelled).or(&over),
            Limit::from(&both),
            Limit::from(&live).or(&both),
        ] {
            assert_eq!(wait(limit), CANCELLED, "{limit:?}");
        }
        for limit in [
            Limit::from(&over),
            Limit::from(&over).or(&live),
            Limit::from(&live).or(&over).or(LONG),
            Limit::from(&live).or(Duration::ZERO),
            Limit::from(now).or(&live),
            Limit::from(&live).or(&CancelToken::new().child_until(now)),
            Limit::from(&live).or(SHORT).or(&live.child_within(LONG)),
        ] {
            assert_eq!(wait(limit), EXPIRED, "{limit:?}");
        }
        assert_eq!(state(&live), LIVE);
    });
}

/// Fails if a limit that is over keeps a call from what it need not wait for.
#[test]
fn success_goes_before_both() {
    watched(|_| {
        let (cancelled, over, _) = three();
        for limit in [Limit::from(&cancelled), Limit::from(&over), Limit::from(&over).or(&cancelled).or(Duration::ZERO)]
        {
            let [low, high] = [1, 2].map(|id| OrderedMutex::new(id, ()));
            let lock = OrderedRwLock::new(3, ());
            assert!(low.lock_within(limit).is_ok());
            assert!(lock.read_within(limit).is_ok() && lock.write_within(limit).is_ok());
            assert!(lock_all_within((&high, lock.as_read(), &low), limit).is_ok());
            let cell = OnceCell::new();
            assert_eq!(cell.get_or_init_within(|| 1, limit), Ok(&1));
            assert_eq!(OnceCell::new().get_or_try_init_within(|| Ok::<_, ()>(2), limit), Ok(&2));
            assert_eq!(cell.wait_within(limit), Ok(&1));
            assert_eq!(WaitGroup::new().wait_within(limit), Ok(()));
            assert_eq!((cancelled.wait(limit), over.wait(limit)), (Ok(()), Ok(())));
        }
    });
}

#[test]
fn a_wait_ends_with_its_token() {
    watched(|roll| {
        let (cancelled, over, live) = three();
        assert_eq!((cancelled.wait(Limit::NEVER), over.wait(Limit::NEVER)), (Ok(()), Ok(())));
        assert_eq!(live.wait(Duration::ZERO), EXPIRED);
        assert_eq!(live.wait(Instant::now()), EXPIRED);
        assert_eq!(live.wait(SHORT), EXPIRED);
        let soon = live.child_within(SHORT);
        assert_eq!(soon.wait(Limit::NEVER), Ok(()), "its time is an end like any other");
        assert_eq!(live.child_within(SHORT).wait(Limit::from(LONG).or(&live)), Ok(()));
        assert_eq!(soon.child().wait(&cancelled), Ok(()));
        assert_eq!(live.child_within(LONG).wait(SHORT), EXPIRED);
        // Under itself, it ends well in any case.
        let itself = CancelToken::new();
        let beds = <[Bed; 2]>::default();
        thread::scope(|threads| {
            let waits = beds.each_ref().map(|bed| {
                let itself = &itself;
                roll.spawn(threads, "under itself", move || {
                    bed.enter();
                    itself.wait(itself)
                })
            });
            beds.iter().for_each(Bed::until_asleep);
            itself.cancel();
            assert_eq!(waits.map(|wait| wait.join().unwrap()), [Ok(()); 2]);
        });
    });
}

/// Fails if a canceller wakes some of those who wait for one token, and leaves the others asleep.
#[test]
fn all_who_wait_for_a_token_are_woken() {
    const EACH: usize = if cfg!(miri) { 2 } else { 12 };
    watched(|roll| {
        let parent = CancelToken::new();
        let (token, other) = (parent.child(), CancelToken::new());
        let (beds, asleep) = ([(); 4 * EACH].map(|()| Bed::default()), AtomicUsize::new(4 * EACH));
        thread::scope(|threads| {
            let (token, other, asleep) = (&token, &other, &asleep);
            for (at, bed) in beds.iter().enumerate() {
                roll.spawn(threads, format!("waiter {at}"), move || {
                    bed.enter();
                    match at % 4 {
                        0 => assert_eq!(token.wait(Limit::NEVER), Ok(())),
                        1 => assert_eq!(token.sleep(LONG), CANCELLED),
                        2 => assert_eq!(token.wait(Limit::from(LONG).or(other)), Ok(())),
                        // What comes first for this one is its limit.
                        _ => assert_eq!(other.wait(token), CANCELLED),
                    }
                    asleep.fetch_sub(1, Relaxed);
                });
            }
            beds.iter().for_each(Bed::until_asleep);
            assert_eq!(asleep.load(Relaxed), 4 * EACH);
            parent.cancel();
        });
        assert_eq!(state(&other), LIVE);
    });
}

/// Both are cancelled by one call, one after the other: either answer will do, and no sleep goes on.
#[test]
fn a_wait_for_a_child_under_its_parent() {
    const ROUNDS: usize = if cfg!(miri) { 2 } else { 100 };
    watched(|roll| {
        for round in 0..ROUNDS {
            let parent = CancelToken::new();
            let (child, bed) = (parent.child(), Bed::default());
            thread::scope(|threads| {
                let (parent, bed) = (&parent, &bed);
                let down = roll.spawn(threads, format!("round {round}"), move || {
                    bed.enter();
                    child.wait(parent)
                });
                bed.until_asleep();
                parent.cancel();
                assert!(matches!(down.join().unwrap(), Ok(()) | CANCELLED));
            });
        }
    });
}

#[test]
fn a_sleep_lasts_its_whole_time_or_says_why_not() {
    watched(|_| {
        let (cancelled, over, live) = three();
        let start = Instant::now();
        assert_eq!(live.sleep(4 * SHORT), Ok(()));
        assert!(start.elapsed() >= 4 * SHORT);
        assert_eq!(live.child_within(LONG).sleep(SHORT), Ok(()));
        // It need not wait for no time at all.
        assert_eq!([&live, &cancelled, &over].map(|token| token.sleep(Duration::ZERO)), [Ok(()); 3]);
        for time in [LONG, Duration::MAX, Duration::from_secs(u64::MAX / 2)] {
            assert_eq!(cancelled.sleep(time), CANCELLED, "{time:?}");
            assert_eq!(over.sleep(time), EXPIRED, "{time:?}");
            assert_eq!(live.child_within(SHORT).sleep(time), EXPIRED, "{time:?}");
        }
        over.cancel();
        assert_eq!(over.sleep(LONG), CANCELLED);
        assert_eq!(over.sleep(Duration::ZERO), Ok(()));
    });
}

/// A token that many calls are made under is one budget for all of them.
#[test]
fn calls_share_the_time_of_a_token() {
    watched(|_| {
        let budget = CancelToken::new().child_within(4 * SHORT);
        let limit = Limit::from(&budget);
        let never = CancelToken::new();
        let lock = OrderedMutex::new(1, ());
        let guard = lock.lock().unwrap();
        while budget.sleep(SHORT).is_ok() {}
        assert_eq!((never.wait(limit), budget.wait(Limit::NEVER), state(&budget)), (EXPIRED, Ok(()), EXPIRED));
        thread::scope(|threads| {
            assert!(threads.spawn(|| lock.lock_within(limit).is_err()).join().unwrap());
        });
        drop(guard);
        assert!(lock.lock_within(limit).is_ok());
        assert_eq!(WaitGroup::new().wait_within(Limit::from(Stopwatch(&budget))), Ok(()));
    });
}

/// Whatever becomes a limit, as in callers' own types.
struct Stopwatch<'a>(&'a CancelToken);

impl<'a> From<Stopwatch<'a>> for Limit<'a> {
    fn from(Stopwatch(token): Stopwatch<'a>) -> Self {
        token.into()
    }
}

#[test]
fn a_sleep_that_is_cancelled_does_not_wait_for_its_end() {
    watched(|roll| {
        let (token, bed) = (CancelToken::new(), Bed::default());
        thread::scope(|threads| {
            let (token, bed) = (&token, &bed);
            let sleeps = roll.spawn(threads, "sleeps for ever", move || {
                bed.enter();
                token.sleep(Duration::MAX)
            });
            bed.until_asleep();
            token.cancel();
            assert_eq!(sleeps.join().unwrap(), Err(Stopped::Cancelled));
        });
    });
}

/// Fails if the time that is left is zero, which some calls take for no bound, or if a cancel is not said.
#[test]
fn the_time_that_is_left() {
    let root = CancelToken::new();
    assert_eq!((root.remaining(), Limit::NEVER.remaining()), (Ok(None), Ok(None)));
    let minute = Duration::from_secs(60);
    let child = root.child_within(minute);
    let left = |left: Result<Option<Duration>, Stopped>| left.unwrap().unwrap();
    assert!(left(child.remaining()) <= minute && left(child.remaining()) > minute / 2);
    // Whichever comes first; a duration counts from each call.
    assert_eq!(Limit::from(minute / 4).or(&child).remaining(), Ok(Some(minute / 4)));
    assert!(left(Limit::from(2 * minute).or(&child).or(Instant::now() + minute / 2).remaining()) <= minute / 2);
    assert_eq!(Limit::from(Duration::ZERO).remaining(), Err(Stopped::TimedOut));
    assert_eq!(root.child_within(Duration::ZERO).remaining(), Err(Stopped::TimedOut));
    assert_eq!(Limit::from(minute).or(Instant::now()).remaining(), Err(Stopped::TimedOut));
    root.cancel();
    assert_eq!(child.remaining(), Err(Stopped::Cancelled));
    assert_eq!(Limit::from(Duration::ZERO).or(&root).remaining(), Err(Stopped::Cancelled));
}
