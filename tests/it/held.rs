//! What a thread holds: that errors name the place where it was acquired, and that many guards go in any order.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::time::{Duration, Instant};

use proptest::prelude::*;
use raddle::{
    Limit, LockError, OrderedMutex, OrderedMutexGuard, OrderedRwLock, lock_all, lock_all_within, try_lock_all,
};

use crate::heap::heap_taken;

/// The line that a refusal of the lowest of all locks names.
#[track_caller]
fn line_held() -> u32 {
    match OrderedMutex::new(0, ()).lock() {
        Err(LockError::OutOfOrder { place, .. }) if place.file() == file!() => place.line(),
        other => panic!("{:?}", other.err()),
    }
}

#[test]
fn every_call_is_the_place_of_its_guard() {
    let (mutex, rwlock) = (OrderedMutex::new(1, 1), OrderedRwLock::new(2, 2));
    let line = line!() + 3; // of the first call below
    let mut next = line..;
    let mut place = |_guard: &dyn Sized0| assert_eq!(Some(line_held()), next.next());
    place(&mutex.lock().unwrap());
    place(&mutex.lock_within(Limit::NEVER).unwrap());
    place(&mutex.try_lock().unwrap());
    place(&rwlock.read().unwrap());
    place(&rwlock.read_within(Limit::NEVER).unwrap());
    place(&rwlock.try_read().unwrap());
    place(&rwlock.write().unwrap());
    place(&rwlock.write_within(Limit::NEVER).unwrap());
    place(&rwlock.try_write().unwrap());
    place(&lock_all((&mutex, rwlock.as_read())).unwrap());
    place(&lock_all_within([&mutex], Limit::NEVER).unwrap());
    place(&try_lock_all((rwlock.as_write(), &mutex)).unwrap());
}

/// Anything that is kept for a moment.
trait Sized0 {}
impl<T> Sized0 for T {}

#[test]
fn recovering_is_a_place_too() {
    let (mutex, rwlock) = (OrderedMutex::new(1, 1), OrderedRwLock::new(2, 2));
    let panicked = catch_unwind(AssertUnwindSafe(|| {
        let _guards = (mutex.lock(), rwlock.write());
        resume_unwind(Box::new("expected"));
    }));
    assert!(panicked.is_err());
    let line = line!() + 1;
    let recovered = [mutex.clear_poison_with(|_| line_held()), rwlock.clear_poison_with(|_| line_held())];
    assert_eq!(recovered, [Some(line); 2]);
}

/// The highest is named, whichever was acquired last, and its place with it.
#[test]
fn the_place_is_that_of_the_highest() {
    let [low, high] = [1, 3].map(|id| OrderedMutex::new(id, ()));
    let held = (high.lock().unwrap(), line!());
    let low = low.try_lock().unwrap();
    assert_eq!(line_held(), held.1);
    drop(held);
    assert_eq!(line_held(), line!() - 3);
    drop(low);
}

#[test]
fn places_do_not_count_when_errors_are_compared() {
    let [low, high] = [1, 2].map(|id| OrderedMutex::new(id, ()));
    let refused = |_: OrderedMutexGuard<'_, ()>| low.lock().unwrap_err();
    let here = refused(high.lock().unwrap());
    let there = refused(high.lock().unwrap());
    assert_eq!(here, there);
    assert_ne!(here.to_string(), there.to_string());
}

/// In steps, as many as there are: in the order in which they were acquired, in the other, from the middle, in no order. With the square
/// of their number this takes minutes.
#[test]
fn many_guards_go_in_any_order() {
    const MANY: usize = if cfg!(miri) { 100 } else { 100_000 };
    let locks: Vec<_> = (0..MANY as u64).map(|id| OrderedMutex::new(id, ())).collect();
    let begin = Instant::now();
    // Odd, and so to no two the same.
    let scattered = |at: usize| at * 7_919 % MANY;
    for order in [|at| at, |at| MANY - 1 - at, scattered] {
        for gone in [|at| at, |at| MANY - 1 - at, |at| (at + MANY / 2) % MANY, scattered] {
            let mut held: Vec<_> = (0..MANY).map(|at| Some(locks[order(at)].try_lock().unwrap())).collect();
            assert!(locks[MANY - 1].lock().is_err());
            (0..MANY).for_each(|at| held[gone(at)] = None);
            assert_eq!(locks[0].lock().err(), None);
        }
    }
    assert!(begin.elapsed() < Duration::from_secs(60), "{:?}", begin.elapsed());
}

/// Many guards that come and go below others that stay leave nothing behind that would have to be gone through.
#[test]
fn some_that_stay() {
    const ROUNDS: u64 = if cfg!(miri) { 300 } else { 1_000_000 };
    let low: Vec<_> = (0..20).map(|id| OrderedMutex::new(id, ())).collect();
    let high: Vec<_> = (100..150).map(|id| OrderedMutex::new(id, ())).collect();
    let stay: Vec<_> = high.iter().map(|lock| lock.lock().unwrap()).collect();
    let begin = Instant::now();
    let taken = heap_taken(|| {
        for round in 0..ROUNDS {
            drop(low[(round % 20) as usize].try_lock().unwrap());
        }
    });
    assert!(taken < 20_000, "{taken} bytes");
    drop(stay);
    assert!(begin.elapsed() < Duration::from_secs(60), "{:?}", begin.elapsed());
    assert_eq!(low[0].lock().err(), None);
}

proptest! {
    #![proptest_config(crate::properties::cases(2_000))]

    /// Locks of which several have one id, acquired and released in any order, against a plain count for each id.
    #[test]
    fn the_highest_is_known(steps in prop::collection::vec((0_usize..120, 0_u64..42), 0..300)) {
        let locks: Vec<_> = (0..120_u64).map(|at| OrderedMutex::new(at / 3 + 1, ())).collect();
        let mut held: Vec<Option<OrderedMutexGuard<'_, ()>>> = (0..120).map(|_| None).collect();
        let mut counts = BTreeMap::new();
        for (at, wanted) in steps {
            let id = at as u64 / 3 + 1;
            if held[at].take().is_some() {
                let count = counts.get_mut(&id).expect("it is held");
                *count -= 1;
                if *count == 0 {
                    counts.remove(&id);
                }
            } else {
                held[at] = Some(locks[at].try_lock().expect("free"));
                *counts.entry(id).or_insert(0) += 1;
            }
            let highest = counts.last_key_value().map(|(&id, _)| id);
            let probe = OrderedMutex::new(wanted, ());
            match (probe.lock(), highest) {
                (Err(LockError::OutOfOrder { held, .. }), Some(highest)) => {
                    prop_assert_eq!(held, raddle::LockId::new(highest));
                    prop_assert!(wanted <= highest);
                }
                (Ok(_), highest) => prop_assert!(highest.is_none_or(|highest| highest < wanted)),
                (Err(error), _) => prop_assert!(false, "{}", error),
            }
        }
    }
}
