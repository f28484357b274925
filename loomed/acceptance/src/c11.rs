//! Every outcome of a program that C++20, and so Rust, allows: load buffering and `SeqCst` apart.
//!
//! Operations take effect one after the other, in every order that keeps each thread's own; so nothing is read before
//! it is written, which is to say without load buffering. Each read takes any store that coherence leaves it, each
//! store goes anywhere into its word's modification order that coherence leaves it.

use std::collections::{BTreeSet, HashSet};
use std::sync::atomic::Ordering::{self, AcqRel, Acquire, Release};

use crate::program::{Exchange, Op, Outcome, PLACES, Program, Seen};

/// A set of events, by bit.
type Events = u32;

/// The initial stores happen before everything and are no events.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Write {
    value: u64,
    /// The store itself and all reads of it.
    seen_by: Events,
    is_initial: bool,
    /// What a read with Acquire synchronises with: all before the heads of the release sequences that it is in.
    released: Events,
    /// Whether a read-modify-write follows immediately, as it then must.
    is_modified: bool,
}

#[derive(Clone, PartialEq, Eq, Hash)]
struct State {
    done: Vec<usize>,
    /// By word, in modification order.
    writes: [Vec<Write>; PLACES],
    /// What happens before each thread's next operation.
    before: Vec<Events>,
    seen: Outcome,
    /// Only one exchange of an execution fails spuriously, as in loom.
    failed_spuriously: bool,
}

/// All outcomes. The program has loads, stores and read-modify-writes only.
pub(crate) fn outcomes(program: &Program) -> BTreeSet<Outcome> {
    let initial = Write { value: 0, seen_by: 0, is_initial: true, released: 0, is_modified: false };
    let start = State {
        done: vec![0; program.len()],
        writes: std::array::from_fn(|_| vec![initial.clone()]),
        before: vec![0; program.len()],
        seen: vec![Vec::new(); program.len()],
        failed_spuriously: false,
    };
    let mut ends = BTreeSet::new();
    let mut known = HashSet::new();
    let mut open = vec![start];
    while let Some(state) = open.pop() {
        let mut next = Vec::new();
        for (thread, ops) in program.iter().enumerate() {
            if let Some(&op) = ops.get(state.done[thread]) {
                let event = 1 << (program[..thread].iter().map(Vec::len).sum::<usize>() + state.done[thread]);
                state.step(thread, event, op, &mut next);
            }
        }
        if next.is_empty() {
            ends.insert(state.seen);
        }
        open.extend(next.into_iter().filter(|next| known.insert(next.clone())));
    }
    ends
}

impl State {
    /// Everything that may come of the thread's next operation.
    fn step(&self, thread: usize, event: Events, op: Op, next: &mut Vec<State>) {
        match op {
            Op::Load(word, order) => {
                for at in self.readable(thread, word) {
                    next.extend([self.read(thread, event, word, at, order, false)]);
                }
            }
            Op::Store(word, value, order) => {
                // Behind every store that it must be behind, but not between one and its read-modify-write.
                for at in self.readable(thread, word).filter(|&at| !self.writes[word][at].is_modified) {
                    let mut state = self.clone();
                    let write = state.write(thread, event, value, 0, order);
                    state.writes[word].insert(at + 1, write);
                    state.advance(thread, event);
                    next.push(state);
                }
            }
            Op::Add(word, order) => {
                for at in self.readable(thread, word).filter(|&at| !self.writes[word][at].is_modified) {
                    let sum = self.writes[word][at].value + 1;
                    next.push(self.modify(thread, event, word, at, sum, order));
                }
            }
            Op::Exchange(exchange) => self.exchange(thread, event, exchange, next),
            Op::Lock(_) | Op::Unlock(_) | Op::Sleep(_) | Op::Wake(_) => unreachable!("atomics only"),
        }
    }

    fn exchange(&self, thread: usize, event: Events, exchange: Exchange, next: &mut Vec<State>) {
        let Exchange { word, expected, new, success, failure, weak } = exchange;
        for at in self.readable(thread, word) {
            let write = &self.writes[word][at];
            if write.value != expected {
                next.push(self.read(thread, event, word, at, failure, false));
            } else if !write.is_modified {
                next.push(self.modify(thread, event, word, at, new, success));
            }
            if weak && !self.failed_spuriously {
                let mut state = self.read(thread, event, word, at, failure, false);
                state.failed_spuriously = true;
                next.push(state);
            }
        }
    }

    /// The stores that the thread may read: none that is older than one that it knows of.
    fn readable(&self, thread: usize, word: usize) -> impl Iterator<Item = usize> {
        let known = |write: &Write| write.is_initial || write.seen_by & self.before[thread] != 0;
        let writes = &self.writes[word];
        let oldest = writes.iter().rposition(known).expect("the initial store is known");
        oldest..writes.len()
    }

    fn read(&self, thread: usize, event: Events, word: usize, at: usize, order: Ordering, done: bool) -> State {
        let mut state = self.clone();
        let write = &mut state.writes[word][at];
        write.seen_by |= event;
        if matches!(order, Acquire | AcqRel) {
            state.before[thread] |= write.released;
        }
        let seen: Seen = (write.value, done);
        state.seen[thread].push(seen);
        state.advance(thread, event);
        state
    }

    fn modify(&self, thread: usize, event: Events, word: usize, at: usize, value: u64, order: Ordering) -> State {
        let mut state = self.read(thread, event, word, at, order, true);
        let write = &mut state.writes[word][at];
        write.is_modified = true;
        let released = write.released;
        let write = state.write(thread, event, value, released, order);
        state.writes[word].insert(at + 1, write);
        state
    }

    /// A new store, which continues the release sequence that goes with `sequence`.
    fn write(&self, thread: usize, event: Events, value: u64, sequence: Events, order: Ordering) -> Write {
        let before = if matches!(order, Release | AcqRel) { self.before[thread] | event } else { 0 };
        Write { value, seen_by: event, is_initial: false, released: sequence | before, is_modified: false }
    }

    fn advance(&mut self, thread: usize, event: Events) {
        self.before[thread] |= event;
        self.done[thread] += 1;
    }
}
