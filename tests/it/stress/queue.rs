//! A queue on condition variables, with a place for two. Some who wait have a limit and some a token that is cancelled; none of them
//! may take a notification along that another needs.

use std::collections::VecDeque;
use std::sync::Mutex;

use raddle::{CancelToken, Condvar, Counter, Limit, OrderedMutex, Stopped};

use super::{Random, Roll, Span, for_long, watched};
use crate::lock::holds_nothing;
use crate::thread;

const THREADS: usize = if cfg!(miri) { 2 } else { 6 };
const CAPACITY: usize = 2;

struct Queue {
    lock: OrderedMutex<State>,
    room: Condvar,
    added: Condvar,
    /// What some wait under.
    request: Mutex<CancelToken>,
}

#[derive(Default)]
struct State {
    values: VecDeque<u64>,
    /// Producers that may push more.
    producers: usize,
}

impl Queue {
    /// Waits as long as the condition is true; in one of several ways, some of which may be stopped.
    fn wait<T>(
        &self,
        changed: &Condvar,
        condition: impl Fn(&State) -> bool,
        random: &mut Random,
        then: impl FnOnce(&mut State) -> T,
    ) -> Result<T, Stopped> {
        let guard = self.lock.lock().unwrap();
        let token = self.request.lock().unwrap().clone();
        let condition = |state: &mut State| condition(state);
        let (mut guard, end) = match random.below(8) {
            0 => changed.wait_while_within(guard, condition, random.limit()).unwrap(),
            1 => changed.wait_while_within(guard, condition, &token).unwrap(),
            2 => changed.wait_while_within(guard, condition, Limit::from(&token).or(random.limit())).unwrap(),
            _ => (changed.wait_while(guard, condition).unwrap(), Ok(())),
        };
        end.map(|()| then(&mut guard))
    }

    fn push(&self, value: u64, random: &mut Random) -> Result<(), Stopped> {
        self.wait(&self.room, |state| state.values.len() == CAPACITY, random, |state| state.values.push_back(value))?;
        self.added.notify_one();
        Ok(())
    }

    /// A value; none any more if all producers have ended.
    fn pop(&self, random: &mut Random) -> Result<Option<u64>, Stopped> {
        let nothing = |state: &State| state.values.is_empty() && state.producers > 0;
        let value = self.wait(&self.added, nothing, random, |state| {
            let value = state.values.pop_front();
            // Sometimes under the lock.
            if value.is_some_and(|value| value % 2 == 0) {
                self.room.notify_one();
            }
            value
        })?;
        if value.is_some_and(|value| value % 2 == 1) {
            self.room.notify_one();
        }
        Ok(value)
    }
}

fn queue(roll: &Roll, span: Span) -> u64 {
    let queue = Queue {
        lock: OrderedMutex::new(1, State { producers: THREADS, ..State::default() }),
        room: Condvar::new(),
        added: Condvar::new(),
        request: Mutex::default(),
    };
    let [pushed, popped, calls] = [(); 3].map(|()| Counter::new(0));
    let over = CancelToken::new();
    thread::scope(|threads| {
        let (queue, pushed, popped, calls, over) = (&queue, &pushed, &popped, &calls, &over);
        let producers = (0..THREADS).map(|at| {
            roll.spawn(threads, format!("producer {at}"), move || {
                let mut random = Random::new(at);
                for round in span.rounds() {
                    if queue.push(round, &mut random).is_ok() {
                        pushed.add(round);
                    }
                    calls.inc();
                }
                queue.lock.lock().unwrap().producers -= 1;
                queue.added.notify_all();
                holds_nothing();
            })
        });
        let consumers = (0..THREADS).map(|at| {
            roll.spawn(threads, format!("consumer {at}"), move || {
                let mut random = Random::new(THREADS + at);
                loop {
                    calls.inc();
                    match queue.pop(&mut random) {
                        Ok(Some(value)) => popped.add(value),
                        Ok(None) => return holds_nothing(),
                        Err(_) => continue,
                    };
                }
            })
        });
        let ends: Vec<_> = producers.chain(consumers).collect();
        roll.spawn(threads, "canceller", move || {
            while !over.is_cancelled() {
                std::mem::take(&mut *queue.request.lock().unwrap()).cancel();
                thread::yield_now();
            }
        });
        let ends: Vec<_> = ends.into_iter().map(|thread| thread.join()).collect();
        over.cancel();
        ends.into_iter().for_each(|end| end.unwrap());
    });
    assert_ne!(pushed.get(), 0);
    assert_eq!(pushed.get(), popped.get());
    assert!(queue.lock.lock().unwrap().values.is_empty());
    assert_eq!((queue.room.notify_all(), queue.added.notify_all()), (0, 0));
    calls.get()
}

#[test]
fn a_queue_loses_nothing() {
    watched(|roll| queue(roll, Span::short(3_000)));
}

#[test]
#[ignore = "as long as RADDLE_STRESS_SECONDS says"]
fn a_queue_loses_nothing_for_long() {
    for_long(queue);
}
