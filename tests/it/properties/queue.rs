//! A bounded queue on two condition variables, against a plain one.

use std::collections::VecDeque;
use std::sync::Mutex;
use std::time::Duration;

use proptest::prelude::*;
use raddle::{CancelToken, Condvar, Limit, OrderedMutex, Stopped};

use super::cases;
use crate::stress::watched;
use crate::thread;

const CAPACITY: usize = 3;

struct Queue {
    values: OrderedMutex<VecDeque<u32>>,
    room: Condvar,
    added: Condvar,
}

impl Queue {
    fn push_within(&self, value: u32, limit: Limit<'_>) -> Result<(), Stopped> {
        let full = |values: &mut VecDeque<u32>| values.len() == CAPACITY;
        let (mut values, end) = self.room.wait_while_within(self.values.lock().unwrap(), full, limit).unwrap();
        end?;
        values.push_back(value);
        drop(values);
        self.added.notify_one();
        Ok(())
    }

    fn pop_within(&self, limit: Limit<'_>) -> Result<u32, Stopped> {
        let empty = |values: &mut VecDeque<u32>| values.is_empty();
        let (mut values, end) = self.added.wait_while_within(self.values.lock().unwrap(), empty, limit).unwrap();
        end?;
        // Under the lock, other than above.
        self.room.notify_one();
        Ok(values.pop_front().unwrap())
    }
}

/// How a call is stopped if it would have to wait.
#[derive(Clone, Copy, Debug)]
enum Stop {
    Shortly,
    AtOnce,
    Cancelled,
}

#[derive(Clone, Debug)]
enum Step {
    Push(Stop),
    Pop(Stop),
    /// So many values of each producer, and how many consumers there are; they receive what there is then, but for so many.
    Phase(Vec<u32>, usize, usize),
}

fn step() -> impl Strategy<Value = Step> {
    let stop = || prop_oneof![Just(Stop::Shortly), Just(Stop::AtOnce), Just(Stop::Cancelled)];
    let phase = (prop::collection::vec(0_u32..6, 1..4), 1_usize..4, 0..=CAPACITY);
    prop_oneof![
        4 => stop().prop_map(Step::Push),
        4 => stop().prop_map(Step::Pop),
        1 => phase.prop_map(|(pushes, consumers, left)| Step::Phase(pushes, consumers, left)),
    ]
}

fn run(steps: &[Step]) {
    let queue = Queue { values: OrderedMutex::new(1, VecDeque::new()), room: Condvar::new(), added: Condvar::new() };
    let mut model = VecDeque::new();
    let cancelled = CancelToken::new();
    cancelled.cancel();
    let limit = |stop| match stop {
        Stop::Shortly => (Limit::from(Duration::from_micros(50)), Stopped::TimedOut),
        Stop::AtOnce => (Limit::from(Duration::ZERO), Stopped::TimedOut),
        Stop::Cancelled => (Limit::from(&cancelled), Stopped::Cancelled),
    };
    for (step, number) in steps.iter().zip(0..) {
        match step {
            Step::Push(stop) => {
                let (limit, why) = limit(*stop);
                let expected = if model.len() < CAPACITY { Ok(()) } else { Err(why) };
                assert_eq!(queue.push_within(number, limit), expected);
                if expected.is_ok() {
                    model.push_back(number);
                }
            }
            Step::Pop(stop) => {
                let (limit, why) = limit(*stop);
                assert_eq!(queue.pop_within(limit), model.pop_front().ok_or(why));
            }
            Step::Phase(pushes, consumers, left) => phase(&queue, &mut model, pushes, *consumers, *left, number),
        }
        assert_eq!(*queue.values.lock().unwrap(), model);
        assert_eq!((queue.room.notify_all(), queue.added.notify_all()), (0, 0), "nobody waits");
    }
}

/// All at once, without a limit: all calls end.
fn phase(queue: &Queue, model: &mut VecDeque<u32>, pushes: &[u32], consumers: usize, left: usize, number: u32) {
    let base = 1_000_000 + number * 10_000;
    let value = |producer: usize, at: u32| base + producer as u32 * 100 + at;
    let all: u32 = pushes.iter().sum();
    let pops = (model.len() + all as usize).saturating_sub(left);
    let popped = Mutex::new(Vec::new());
    thread::scope(|threads| {
        for (producer, &count) in pushes.iter().enumerate() {
            threads.spawn(move || {
                for at in 0..count {
                    queue.push_within(value(producer, at), Limit::NEVER).unwrap();
                }
            });
        }
        for consumer in 0..consumers {
            let share = pops / consumers + usize::from(consumer < pops % consumers);
            let popped = &popped;
            threads.spawn(move || {
                let mine: Vec<_> = (0..share).map(|_| queue.pop_within(Limit::NEVER).unwrap()).collect();
                popped.lock().unwrap().push(mine);
            });
        }
    });
    // What was there comes first, and of each producer's the consumer's and the rest's are in order.
    let popped = popped.into_inner().unwrap();
    let rest = queue.values.lock().unwrap().clone();
    for producer in 0..pushes.len() {
        let of = |value: &&u32| (**value).checked_sub(base).is_some_and(|at| at / 100 == producer as u32);
        let in_order = |values: Vec<&u32>| assert!(values.is_sorted(), "{values:?}");
        popped.iter().for_each(|mine| in_order(mine.iter().filter(of).collect()));
        in_order(rest.iter().filter(of).collect());
    }
    let mut found: Vec<_> = popped.into_iter().flatten().chain(rest.iter().copied()).collect();
    let pushed = pushes.iter().enumerate().flat_map(|(producer, &count)| (0..count).map(move |at| value(producer, at)));
    let mut expected: Vec<_> = model.iter().copied().chain(pushed).collect();
    found.sort_unstable();
    expected.sort_unstable();
    assert_eq!(found, expected);
    *model = rest;
}

proptest! {
    #![proptest_config(cases(300))]

    #[test]
    fn queues_go_as_the_model_says(steps in prop::collection::vec(step(), 0..40)) {
        watched(move |_| run(&steps));
    }
}
