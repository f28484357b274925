//! Condition variables: two threads that wake each other in turn, sixteen that are woken at once, and a notification for nobody.
//!
//! All implementations run the same lines. What is waited for is asked under the lock each time, as programs do.
//!
//! # `condvar/ping_pong`
//! Each of two threads waits for its turn, ends it and notifies the other: under the lock (`held`), or after its release
//! (`released`). An operation is a turn of each. The threads have a processor each where there are two.
//!
//! # `condvar/notify_all`
//! An operation: the first thread waits until all sixteen others wait, and notifies them. All of them have slept, in effect: the
//! last to come wakes the first thread, which needs the lock that it releases as it waits.
//!
//! # `condvar/nobody`
//! A notification while nobody waits.

mod support;

use std::hint::black_box;

use raddle::{Condvar, OrderedMutex};
use support::{Group, Op, Role, Shape};

fn main() {
    support::run(&[ping_pong(), notify_all(), nobody()]);
}

/// What the threads wait for.
#[derive(Default)]
struct State {
    /// Whose turn it is.
    turn: usize,
    waiting: usize,
    round: u64,
}

/// A lock and two variables.
trait Waits: Send + Sync + 'static {
    fn new() -> Self;

    /// Waits as long as the condition is true, and calls `then` under the lock.
    fn when(&self, at: usize, condition: impl FnMut(&mut State) -> bool, then: impl FnOnce(&mut State));

    fn notify_one(&self, at: usize);

    fn notify_all(&self, at: usize);
}

struct Raddle(OrderedMutex<State>, [Condvar; 2]);

impl Waits for Raddle {
    fn new() -> Self {
        Self(OrderedMutex::new(1, State::default()), Default::default())
    }

    #[inline(always)]
    fn when(&self, at: usize, condition: impl FnMut(&mut State) -> bool, then: impl FnOnce(&mut State)) {
        let guard = self.0.lock().expect("no panic");
        then(&mut self.1[at].wait_while(guard, condition).expect("no panic"));
    }

    #[inline(always)]
    fn notify_one(&self, at: usize) {
        self.1[at].notify_one();
    }

    #[inline(always)]
    fn notify_all(&self, at: usize) {
        self.1[at].notify_all();
    }
}

struct Std(std::sync::Mutex<State>, [std::sync::Condvar; 2]);

impl Waits for Std {
    fn new() -> Self {
        Self(Default::default(), Default::default())
    }

    #[inline(always)]
    fn when(&self, at: usize, condition: impl FnMut(&mut State) -> bool, then: impl FnOnce(&mut State)) {
        let guard = self.0.lock().expect("no panic");
        then(&mut self.1[at].wait_while(guard, condition).expect("no panic"));
    }

    #[inline(always)]
    fn notify_one(&self, at: usize) {
        self.1[at].notify_one();
    }

    #[inline(always)]
    fn notify_all(&self, at: usize) {
        self.1[at].notify_all();
    }
}

struct ParkingLot(parking_lot::Mutex<State>, [parking_lot::Condvar; 2]);

impl Waits for ParkingLot {
    fn new() -> Self {
        Self(Default::default(), Default::default())
    }

    #[inline(always)]
    fn when(&self, at: usize, condition: impl FnMut(&mut State) -> bool, then: impl FnOnce(&mut State)) {
        let mut guard = self.0.lock();
        self.1[at].wait_while(&mut guard, condition);
        then(&mut guard);
    }

    #[inline(always)]
    fn notify_one(&self, at: usize) {
        self.1[at].notify_one();
    }

    #[inline(always)]
    fn notify_all(&self, at: usize) {
        self.1[at].notify_all();
    }
}

/// Adds a benchmark of all three.
macro_rules! add {
    ($group:expr, $shape:expr, $make:ident($($argument:expr)?)) => {
        // Ours between the peers.
        $group.add(Role::Peer, "std", $shape, move || $make::<Std>($($argument)?));
        $group.add(Role::Ours, "raddle", $shape, move || $make::<Raddle>($($argument)?));
        $group.add(Role::Peer, "parking_lot", $shape, move || $make::<ParkingLot>($($argument)?));
    };
}

fn ping_pong() -> Group {
    let mut group = Group::new("condvar/ping_pong", PEERS).in_turn();
    for (parameter, held) in [("held", true), ("released", false)] {
        add!(group, Shape::named(parameter, 2), turns(held));
        no_slower(&mut group, parameter);
    }
    group
}

const PEERS: &[&str] = &["std", "parking_lot"];

fn no_slower(group: &mut Group, parameter: &str) {
    group.goal(("raddle", parameter), &[("std", parameter), ("parking_lot", parameter)], 1.0);
}

fn turns<W: Waits>(held: bool) -> Op {
    let on = W::new();
    Box::new(move |me, iters| {
        for _ in 0..iters {
            on.when(
                me,
                |state| state.turn != me,
                |state| {
                    state.turn = 1 - me;
                    if held {
                        on.notify_one(1 - me);
                    }
                },
            );
            if !held {
                on.notify_one(1 - me);
            }
        }
    })
}

const WAITERS: usize = 16;

fn notify_all() -> Group {
    let mut group = Group::new("condvar/notify_all", PEERS).in_turn();
    let parameter = WAITERS.to_string();
    let shape = || Shape { measured: 1, ..Shape::named(&parameter, WAITERS + 1) };
    add!(group, shape(), rounds());
    no_slower(&mut group, &parameter);
    group
}

fn rounds<W: Waits>() -> Op {
    const ALL_WAIT: usize = 0;
    const NEXT: usize = 1;

    let on = W::new();
    Box::new(move |me, iters| {
        for _ in 0..iters {
            if me == 0 {
                on.when(
                    ALL_WAIT,
                    |state| state.waiting < WAITERS,
                    |state| {
                        state.waiting = 0;
                        state.round += 1;
                        on.notify_all(NEXT);
                    },
                );
            } else {
                let mut round = None;
                let condition = |state: &mut State| {
                    if round.is_none() {
                        state.waiting += 1;
                        if state.waiting == WAITERS {
                            on.notify_one(ALL_WAIT);
                        }
                    }
                    *round.get_or_insert(state.round) == state.round
                };
                on.when(NEXT, condition, |_| ());
            }
        }
    })
}

fn nobody() -> Group {
    let mut group = Group::new("condvar/nobody", PEERS).in_turn();
    add!(group, Shape::all(1), notifications());
    no_slower(&mut group, "1");
    group
}

fn notifications<W: Waits>() -> Op {
    let on = W::new();
    Box::new(move |_, iters| {
        for _ in 0..iters {
            black_box(&on).notify_one(0);
        }
    })
}
