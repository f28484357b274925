//! Every outcome of a program that an interleaving of its operations has, by brute force.

use std::collections::HashSet;

use crate::program::{Op, Outcome, Outcomes, PLACES, Program};

#[derive(Clone, PartialEq, Eq, Hash)]
struct State {
    /// How many operations each thread has behind it.
    done: Vec<usize>,
    words: [u64; PLACES],
    locked: [bool; PLACES],
    /// The threads that sleep, by queue.
    sleeping: [Vec<usize>; PLACES],
    seen: Outcome,
}

/// All sequentially consistent outcomes.
pub(crate) fn outcomes(program: &Program) -> Outcomes {
    let mut outcomes = Outcomes::default();
    let start = State {
        done: vec![0; program.len()],
        words: [0; PLACES],
        locked: [false; PLACES],
        sleeping: Default::default(),
        seen: vec![Vec::new(); program.len()],
    };
    let mut known = HashSet::new();
    let mut open = vec![start];
    while let Some(state) = open.pop() {
        let next: Vec<_> = (0..program.len()).filter_map(|thread| step(program, &state, thread)).collect();
        if next.is_empty() {
            if state.is_complete(program) {
                outcomes.ends.insert(state.seen);
            } else {
                outcomes.deadlock = true;
            }
        }
        open.extend(next.into_iter().filter(|next| known.insert(next.clone())));
    }
    outcomes
}

impl State {
    fn is_complete(&self, program: &Program) -> bool {
        self.done.iter().zip(program).all(|(&done, ops)| done == ops.len()) && self.sleeping.iter().all(Vec::is_empty)
    }
}

/// The thread's next operation, if it can run.
fn step(program: &Program, state: &State, thread: usize) -> Option<State> {
    let op = program[thread].get(state.done[thread])?;
    if state.sleeping.iter().any(|sleeping| sleeping.contains(&thread)) {
        return None;
    }
    let mut state = state.clone();
    state.done[thread] += 1;
    let seen = &mut state.seen[thread];
    match *op {
        Op::Load(word, _) => seen.push((state.words[word], false)),
        Op::Store(word, value, _) => state.words[word] = value,
        Op::Add(word, _) => {
            seen.push((state.words[word], true));
            state.words[word] += 1;
        }
        Op::Exchange(exchange) => {
            let word = &mut state.words[exchange.word];
            seen.push((*word, *word == exchange.expected));
            if *word == exchange.expected {
                *word = exchange.new;
            }
        }
        Op::Lock(lock) => {
            if std::mem::replace(&mut state.locked[lock], true) {
                return None;
            }
        }
        Op::Unlock(lock) => state.locked[lock] = false,
        Op::Sleep(queue) => {
            seen.push((state.words[queue], false));
            if state.words[queue] == 0 {
                state.sleeping[queue].push(thread);
            }
        }
        Op::Wake(queue) => state.sleeping[queue].clear(),
    }
    Some(state)
}
