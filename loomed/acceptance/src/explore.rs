//! Runs a program in loom.

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::panic::{self, AssertUnwindSafe};
use std::rc::Rc;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex, Once};

use loom::sync::atomic::AtomicU64;
use loom::thread::{self, Thread};

use crate::program::{Exchange, Op, Outcome, Outcomes, PLACES, Program, Seen};

/// What loom finds.
pub(crate) struct Found {
    pub(crate) outcomes: Outcomes,
    pub(crate) executions: usize,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Search {
    /// What a model gets.
    Whole,
    /// A bound, however high, turns the corrected loom's sleep sets off.
    WithoutSleepSets,
    /// Each operation takes a turn first: as none of them commutes with another, there is nothing left to be reduced.
    EveryOrder,
}

/// Explores the program.
pub(crate) fn explore(program: &Program, search: Search) -> Found {
    let ends = Arc::new(Mutex::new(BTreeSet::new()));
    let preemptions = (search != Search::Whole).then_some(200);
    let (executions, deadlock) = check(preemptions, {
        let (ends, program) = (ends.clone(), program.clone());
        move || run(&program, search == Search::EveryOrder, &ends)
    });
    let ends = std::mem::take(&mut *ends.lock().unwrap());
    Found { outcomes: Outcomes { ends, deadlock }, executions }
}

/// Runs loom; the number of executions, and whether it reported a deadlock.
pub(crate) fn check(preemptions: Option<usize>, model: impl Fn() + Send + Sync + 'static) -> (usize, bool) {
    expect_deadlocks();
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = preemptions;
    builder.max_permutations = None;
    builder.max_duration = None;
    builder.max_branches = 10_000;
    let executions = Arc::new(AtomicUsize::new(0));
    let counted = {
        let executions = executions.clone();
        move || {
            executions.fetch_add(1, Relaxed);
            model();
        }
    };
    let result = panic::catch_unwind(AssertUnwindSafe(|| builder.check(counted)));
    let deadlock = match result {
        Ok(()) => false,
        Err(payload) if is_deadlock(&*payload) => true,
        Err(payload) => panic::resume_unwind(payload),
    };
    (executions.load(Relaxed), deadlock)
}

fn is_deadlock(payload: &(dyn std::any::Any + Send)) -> bool {
    payload.downcast_ref::<String>().is_some_and(|message| message.starts_with("deadlock; "))
}

/// Keeps quiet about the panics by which loom reports a deadlock.
fn expect_deadlocks() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let hook = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if !is_deadlock(info.payload()) {
                hook(info);
            }
        }));
    });
}

/// What the threads of an execution share.
struct Memory {
    turn: Option<AtomicU64>,
    words: [AtomicU64; PLACES],
    locks: [loom::sync::Mutex<()>; PLACES],
    queues: [loom::sync::Mutex<Vec<Rc<Sleeper>>>; PLACES],
}

struct Sleeper {
    thread: Thread,
    woken: Cell<bool>,
}

/// What the threads saw; handed in once the last of them is gone.
struct End {
    seen: RefCell<Outcome>,
    ends: Arc<Mutex<BTreeSet<Outcome>>>,
}

impl Drop for End {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.ends.lock().unwrap().insert(self.seen.take());
        }
    }
}

/// One execution. The main thread runs the first thread's operations.
fn run(program: &Program, in_turn: bool, ends: &Arc<Mutex<BTreeSet<Outcome>>>) {
    // Loom's threads are coroutines of one thread: `Rc` will do, and leaves no trace.
    let memory = Rc::new(Memory {
        turn: in_turn.then(|| AtomicU64::new(0)),
        words: std::array::from_fn(|_| AtomicU64::new(0)),
        locks: std::array::from_fn(|_| loom::sync::Mutex::new(())),
        queues: std::array::from_fn(|_| loom::sync::Mutex::new(Vec::new())),
    });
    let end = Rc::new(End { seen: RefCell::new(vec![Vec::new(); program.len()]), ends: ends.clone() });
    let thread = |index: usize| {
        let (memory, end, ops) = (memory.clone(), end.clone(), program[index].clone());
        move || run_thread(&memory, &ops, |seen| end.seen.borrow_mut()[index].push(seen))
    };
    for index in 1..program.len() {
        thread::spawn(thread(index));
    }
    thread(0)();
}

fn run_thread(memory: &Memory, ops: &[Op], note: impl Fn(Seen)) {
    let mut guards: [Option<_>; PLACES] = Default::default();
    for op in ops {
        if let Some(turn) = &memory.turn {
            turn.fetch_add(1, Relaxed);
        }
        match *op {
            Op::Load(word, order) => note((memory.words[word].load(order), false)),
            Op::Store(word, value, order) => memory.words[word].store(value, order),
            Op::Add(word, order) => note((memory.words[word].fetch_add(1, order), true)),
            Op::Exchange(exchange) => {
                let result = run_exchange(&memory.words[exchange.word], exchange);
                note((result.unwrap_or_else(|other| other), result.is_ok()));
            }
            Op::Lock(lock) => guards[lock] = Some(memory.locks[lock].lock().unwrap()),
            Op::Unlock(lock) => guards[lock] = None,
            Op::Sleep(queue) => sleep(memory, queue, &note),
            Op::Wake(queue) => {
                for sleeper in memory.queues[queue].lock().unwrap().drain(..) {
                    sleeper.woken.set(true);
                    wake(&sleeper.thread);
                }
            }
        }
    }
}

fn run_exchange(word: &AtomicU64, exchange: Exchange) -> Result<u64, u64> {
    let Exchange { expected, new, success, failure, .. } = exchange;
    if exchange.weak {
        word.compare_exchange_weak(expected, new, success, failure)
    } else {
        word.compare_exchange(expected, new, success, failure)
    }
}

fn sleep(memory: &Memory, queue: usize, note: impl Fn(Seen)) {
    let mut sleepers = memory.queues[queue].lock().unwrap();
    let value = memory.words[queue].load(Relaxed);
    note((value, false));
    if value != 0 {
        return;
    }
    let sleeper = Rc::new(Sleeper { thread: thread::current(), woken: Cell::new(false) });
    sleepers.push(sleeper.clone());
    drop(sleepers);
    while !sleeper.woken.get() {
        block();
    }
}

/// As a primitive blocks a thread in a queue of its own, without an edge where the loom can do that.
pub(crate) fn block() {
    #[cfg(loomed)]
    thread::block();
    #[cfg(not(loomed))]
    thread::park();
}

/// Lets a thread go on that blocks so.
pub(crate) fn wake(thread: &Thread) {
    #[cfg(loomed)]
    thread.wake();
    #[cfg(not(loomed))]
    thread.unpark();
}
