//! Counters, against plain numbers.

use std::sync::mpsc;

use proptest::prelude::*;
use raddle::{Counter, ShardedCounter};

use super::cases;
use crate::stress::watched;
use crate::thread;

/// Numbers near the edges and in between.
fn number() -> impl Strategy<Value = u64> {
    prop_oneof![0_u64..4, (0_u64..4).prop_map(|below| u64::MAX - below), any::<u64>(), Just(1 << 63)]
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Inc,
    Dec,
    Add(u64),
    Sub(u64),
    Set(u64),
    Swap(u64),
    Reset,
    TryAdd(u64, u64),
    TrySub(u64),
    /// Doubles it unless it wraps.
    Double,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        Just(Step::Inc),
        Just(Step::Dec),
        number().prop_map(Step::Add),
        number().prop_map(Step::Sub),
        number().prop_map(Step::Set),
        number().prop_map(Step::Swap),
        Just(Step::Reset),
        (number(), number()).prop_map(|(n, max)| Step::TryAdd(n, max)),
        number().prop_map(Step::TrySub),
        Just(Step::Double),
    ]
}

/// The model's answer, and the value after it, in numbers so wide that nothing wraps unseen.
fn model(value: u64, step: Step) -> (Result<u64, u64>, u64) {
    let wide = i128::from(value);
    let wrap = |wide: i128| wide.rem_euclid(1 << 64) as u64;
    match step {
        Step::Inc => (Ok(value), wrap(wide + 1)),
        Step::Dec => (Ok(value), wrap(wide - 1)),
        Step::Add(n) => (Ok(value), wrap(wide + i128::from(n))),
        Step::Sub(n) => (Ok(value), wrap(wide - i128::from(n))),
        Step::Set(n) | Step::Swap(n) => (Ok(value), n),
        Step::Reset => (Ok(value), 0),
        Step::TryAdd(n, max) if wide + i128::from(n) <= i128::from(max) => (Ok(value), value + n),
        Step::TrySub(n) if wide >= i128::from(n) => (Ok(value), value - n),
        Step::Double if 2 * wide < 1 << 64 => (Ok(value), 2 * value),
        Step::TryAdd(..) | Step::TrySub(_) | Step::Double => (Err(value), value),
    }
}

fn real(counter: &Counter, step: Step) -> Result<u64, u64> {
    match step {
        Step::Inc => Ok(counter.inc()),
        Step::Dec => Ok(counter.dec()),
        Step::Add(n) => Ok(counter.add(n)),
        Step::Sub(n) => Ok(counter.sub(n)),
        Step::Set(n) => {
            let before = counter.get();
            counter.set(n);
            Ok(before)
        }
        Step::Swap(n) => Ok(counter.swap(n)),
        Step::Reset => Ok(counter.reset()),
        Step::TryAdd(n, max) => counter.try_add(n, max),
        Step::TrySub(n) => counter.try_sub(n),
        Step::Double => counter.fetch_update(|value| value.checked_mul(2)),
    }
}

/// What a thread does to a sharded counter. The numbers are any: the sum wraps as the model's does.
#[derive(Clone, Copy, Debug)]
enum Change {
    Add(u64),
    Sub(u64),
    Inc,
    Dec,
    Take,
}

fn change() -> impl Strategy<Value = Change> {
    prop_oneof![
        3 => number().prop_map(Change::Add),
        3 => number().prop_map(Change::Sub),
        2 => Just(Change::Inc),
        2 => Just(Change::Dec),
        1 => Just(Change::Take),
    ]
}

/// Makes the changes; returns what was taken.
fn changes(counter: &ShardedCounter, changes: &[Change]) -> u64 {
    let mut taken = 0_u64;
    for &change in changes {
        match change {
            Change::Add(n) => counter.add(n),
            Change::Sub(n) => counter.sub(n),
            Change::Inc => counter.inc(),
            Change::Dec => counter.dec(),
            Change::Take => taken = taken.wrapping_add(counter.take() as u64),
        }
    }
    taken
}

fn sum<'a>(changes: impl IntoIterator<Item = &'a Change>) -> u64 {
    changes.into_iter().fold(0, |sum: u64, change| match change {
        Change::Add(n) => sum.wrapping_add(*n),
        Change::Sub(n) => sum.wrapping_sub(*n),
        Change::Inc => sum.wrapping_add(1),
        Change::Dec => sum.wrapping_sub(1),
        Change::Take => sum,
    })
}

/// What a thread does to two counters, and whether it outlives its generation.
type Life = (Vec<Change>, Vec<Change>, bool);

fn life() -> impl Strategy<Value = Life> {
    let few = || prop::collection::vec(change(), 0..12);
    (few(), few(), prop::bool::weighted(0.3))
}

proptest! {
    #![proptest_config(cases(500))]

    #[test]
    fn exact_on_one_thread(start in number(), steps in prop::collection::vec(step(), 0..50)) {
        let counter = Counter::new(start);
        let mut value = start;
        for step in steps {
            let (end, next) = model(value, step);
            prop_assert_eq!(real(&counter, step), end, "{:?} of {}", step, value);
            prop_assert_eq!(counter.get(), next, "{:?} of {}", step, value);
            value = next;
        }
    }

    #[test]
    fn sharded_on_one_thread(steps in prop::collection::vec(change(), 0..50)) {
        let counter = ShardedCounter::new();
        let mut taken_at = 0;
        for at in 0..steps.len() {
            let now = sum(&steps[..=at]).wrapping_sub(sum(&steps[..taken_at]));
            if matches!(steps[at], Change::Take) {
                prop_assert_eq!(counter.take(), now as i64);
                taken_at = at;
                prop_assert_eq!(counter.sum(), 0);
            } else {
                changes(&counter, &steps[at..=at]);
                prop_assert_eq!(counter.sum(), now as i64);
            }
        }
    }
}

proptest! {
    #![proptest_config(cases(200))]

    #[test]
    fn exact_among_threads(start in number(), threads in prop::collection::vec(prop::collection::vec(number(), 0..20), 1..5)) {
        let counter = Counter::new(start);
        thread::scope(|scope| {
            for numbers in &threads {
                scope.spawn(|| numbers.iter().enumerate().for_each(|(at, &n)| match at % 2 {
                    0 => { counter.add(n); }
                    _ => { counter.sub(n); }
                }));
            }
        });
        let all = threads.iter().flat_map(|numbers| numbers.iter().enumerate());
        let expected = all.fold(start, |sum, (at, &n)| if at % 2 == 0 { sum.wrapping_add(n) } else { sum.wrapping_sub(n) });
        prop_assert_eq!(counter.get(), expected);
    }

    /// Threads come and go, some stay for another generation, so that places are given on; two counters share them.
    #[test]
    fn sharded_among_generations(generations in prop::collection::vec(prop::collection::vec(life(), 1..6), 1..5)) {
        watched(move |_| {
            let counters = [ShardedCounter::new(), ShardedCounter::new()];
            let mut expected = [0_u64; 2];
            let mut taken = [0_u64; 2];
            for generation in &generations {
                let (go, gone): (Vec<_>, Vec<_>) = generation.iter().map(|_| mpsc::channel::<()>()).unzip();
                thread::scope(|scope| {
                    let counters = &counters;
                    let threads: Vec<_> = generation.iter().zip(gone).map(|((first, second, stays), gone)| {
                        scope.spawn(move || {
                            let mut taken = [changes(&counters[0], first), changes(&counters[1], second)];
                            if *stays {
                                // Until all others have ended.
                                let _ = gone.recv();
                                taken[0] = taken[0].wrapping_add(changes(&counters[0], second));
                            }
                            taken
                        })
                    }).collect();
                    let (stay, leave): (Vec<_>, Vec<_>) = threads.into_iter().zip(generation).partition(|(_, life)| life.2);
                    let mut join = |threads: Vec<(thread::ScopedJoinHandle<'_, [u64; 2]>, _)>| {
                        for (thread, _) in threads {
                            let theirs = thread.join().unwrap();
                            (0..2).for_each(|at| taken[at] = taken[at].wrapping_add(theirs[at]));
                        }
                    };
                    join(leave);
                    // New ones take the places of those that left.
                    let late = scope.spawn(|| changes(&counters[1], &generation[0].0));
                    expect(&mut expected, generation);
                    let late = late.join().unwrap();
                    drop(go);
                    join(stay);
                    taken[1] = taken[1].wrapping_add(late);
                });
                for at in 0..2 {
                    let now = expected[at].wrapping_sub(taken[at]);
                    assert_eq!(counters[at].sum(), now as i64);
                }
            }
            for at in 0..2 {
                taken[at] = taken[at].wrapping_add(counters[at].take() as u64);
                assert_eq!((taken[at], counters[at].sum()), (expected[at], 0));
            }
        });
    }
}

/// Adds what a generation changes to what is expected.
fn expect(expected: &mut [u64; 2], generation: &[Life]) {
    for (first, second, stays) in generation {
        expected[0] = expected[0].wrapping_add(sum(first));
        expected[1] = expected[1].wrapping_add(sum(second));
        if *stays {
            expected[0] = expected[0].wrapping_add(sum(second));
        }
    }
    expected[1] = expected[1].wrapping_add(sum(&generation[0].0));
}
