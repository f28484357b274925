//! Threads that lock and initialise, in random programs, against a plain graph of who waits for whom: none hangs, and no deadlock is
//! reported that is none.

use std::collections::HashSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Barrier, Mutex};

use proptest::collection::vec;
use proptest::prelude::*;
use raddle::{InitError, Limit, LockError, OnceCell, OrderedMutex, OrderedRwLock, lock_all};

use super::cases;
use crate::stress::watched;
use crate::thread;

const MUTEXES: usize = 2;
const LOCKS: usize = 4;
const CELLS: usize = 3;

/// What a thread does, and meanwhile what is inside.
#[derive(Clone, Debug)]
enum Step {
    /// The locks from here on are read-write locks.
    Lock(usize, Vec<Step>),
    Read(usize, Vec<Step>),
    /// All mutexes at once.
    All(Vec<Step>),
    /// Asks for the value of a cell, whose initialiser is always the same. The second form panics in a deadlock.
    Get(usize),
    GetOrPanic(usize),
    Yield,
}

fn step() -> impl Strategy<Value = Step> {
    let leaf = prop_oneof![(0..CELLS).prop_map(Step::Get), (0..CELLS).prop_map(Step::GetOrPanic), Just(Step::Yield)];
    leaf.prop_recursive(3, 8, 3, |inner| {
        let inside = vec(inner, 1..3);
        prop_oneof![
            (0..LOCKS, inside.clone()).prop_map(|(lock, inside)| Step::Lock(lock, inside)),
            (MUTEXES..LOCKS, inside.clone()).prop_map(|(lock, inside)| Step::Read(lock, inside)),
            inside.prop_map(Step::All),
        ]
    })
}

/// What may be held or made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Thing {
    Lock(usize),
    Read(usize),
    Cell(usize),
}

/// What each thread is known to hold, and what it is about to wait for.
#[derive(Default)]
struct Thread {
    holds: Vec<Thing>,
    wants: Vec<Thing>,
}

struct Program {
    mutexes: [OrderedMutex<()>; MUTEXES],
    shared: [OrderedRwLock<()>; LOCKS - MUTEXES],
    cells: [OnceCell<u8>; CELLS],
    makes: Vec<Vec<Step>>,
    graph: Mutex<Vec<Thread>>,
}

impl Program {
    fn new(threads: usize, makes: Vec<Vec<Step>>) -> Self {
        Self {
            mutexes: std::array::from_fn(|at| OrderedMutex::new(at as u64, ())),
            shared: std::array::from_fn(|at| OrderedRwLock::new((MUTEXES + at) as u64, ())),
            cells: Default::default(),
            makes,
            graph: Mutex::new((0..threads).map(|_| Thread::default()).collect()),
        }
    }

    /// Whether a thread waits, directly or through others, for what this one holds.
    fn is_in_a_cycle(&self, thread: usize) -> bool {
        let graph = self.graph.lock().unwrap();
        let in_the_way = |wanted: Thing, held: Thing| match (wanted, held) {
            (Thing::Lock(a), Thing::Lock(b) | Thing::Read(b)) | (Thing::Read(a), Thing::Lock(b)) => a == b,
            // If a writer waits, too.
            (Thing::Read(a), Thing::Read(b)) => {
                a == b && graph.iter().any(|other| other.wants.contains(&Thing::Lock(a)))
            }
            (Thing::Cell(a), Thing::Cell(b)) => a == b,
            _ => false,
        };
        let mut seen = HashSet::new();
        let mut next = vec![thread];
        while let Some(at) = next.pop() {
            for (to, other) in graph.iter().enumerate() {
                // Of a set that waits, some may be held.
                let half = if other.wants.len() > 1 { &other.wants[..] } else { &[] };
                let mut held = other.holds.iter().chain(half);
                let waits = held.any(|&held| graph[at].wants.iter().any(|&wanted| in_the_way(wanted, held)));
                if waits && to != at {
                    if to == thread {
                        return true;
                    }
                    if seen.insert(to) {
                        next.push(to);
                    }
                }
            }
        }
        false
    }

    /// Makes a call that may wait for these things, which the thread holds afterwards; what is inside is done while it does.
    fn hold<G>(&self, thread: usize, things: &[Thing], call: impl FnOnce() -> Result<G, LockError>, inside: &[Step]) {
        self.graph.lock().unwrap()[thread].wants.extend(things);
        let had = call();
        if let Err(LockError::Deadlock { cycle, .. }) = &had {
            // A set has let go by now of what it had, and the others may have gone on.
            assert!(things.len() > 1 || self.is_in_a_cycle(thread), "false alarm for {things:?}: {cycle}");
        }
        {
            let mut graph = self.graph.lock().unwrap();
            graph[thread].wants.clear();
            if had.is_ok() {
                graph[thread].holds.extend(things);
            }
        }
        if let Ok(guard) = had {
            self.run(thread, inside);
            // It holds it for a moment longer than is noted, and never shorter.
            let mut graph = self.graph.lock().unwrap();
            let left = graph[thread].holds.len() - things.len();
            graph[thread].holds.truncate(left);
            drop(graph);
            drop(guard);
        }
    }

    fn get(&self, thread: usize, cell: usize, panics: bool) {
        self.graph.lock().unwrap()[thread].wants.push(Thing::Cell(cell));
        let make = || {
            {
                let mut graph = self.graph.lock().unwrap();
                graph[thread].wants.clear();
                graph[thread].holds.push(Thing::Cell(cell));
            }
            self.run(thread, &self.makes[cell]);
            self.graph.lock().unwrap()[thread].holds.pop();
            cell as u8
        };
        let depth = self.graph.lock().unwrap()[thread].holds.len();
        let cell = &self.cells[cell];
        let deadlock = if panics {
            // Of a re-entrant call, too.
            let end = catch_unwind(AssertUnwindSafe(|| cell.get_or_init(make)));
            end.is_err_and(|panic| panic.downcast_ref::<String>().is_some_and(|text| text.starts_with("deadlock: ")))
        } else {
            match cell.get_or_init_within(make, Limit::NEVER) {
                Err(InitError::Deadlock { .. }) => true,
                Ok(_) | Err(InitError::Reentrant) => false,
                Err(other) => panic!("{other}"),
            }
        };
        // (A panic inside the initialiser is one of a deeper call, which has judged itself.)
        let mut graph = self.graph.lock().unwrap();
        let judged = graph[thread].wants.is_empty();
        drop(graph);
        assert!(!deadlock || judged || self.is_in_a_cycle(thread), "false alarm for a cell");
        graph = self.graph.lock().unwrap();
        graph[thread].wants.clear();
        graph[thread].holds.truncate(depth);
    }

    fn run(&self, thread: usize, steps: &[Step]) {
        for step in steps {
            // The others are to come in between.
            thread::yield_now();
            match step {
                Step::Lock(lock, inside) if *lock < MUTEXES => {
                    self.hold(thread, &[Thing::Lock(*lock)], || self.mutexes[*lock].lock(), inside);
                }
                Step::Lock(lock, inside) => {
                    self.hold(thread, &[Thing::Lock(*lock)], || self.shared[*lock - MUTEXES].write(), inside);
                }
                Step::Read(lock, inside) => {
                    self.hold(thread, &[Thing::Read(*lock)], || self.shared[*lock - MUTEXES].read(), inside);
                }
                Step::All(inside) => {
                    let all: Vec<_> = (0..MUTEXES).map(Thing::Lock).collect();
                    self.hold(thread, &all, || lock_all(self.mutexes.each_ref()), inside);
                }
                Step::Get(cell) => self.get(thread, *cell, false),
                Step::GetOrPanic(cell) => self.get(thread, *cell, true),
                Step::Yield => thread::yield_now(),
            }
        }
    }
}

proptest! {
    #![proptest_config(cases(1000))]

    /// Fails if threads hang that wait for each other, or if a deadlock is reported that the graph does not have.
    #[test]
    fn no_hang_and_no_false_alarm(
        programs in vec(vec(step(), 1..4), 2..=6),
        makes in vec(vec(step(), 1..3), CELLS),
        again in 1..10,
    ) {
        quietly();
        watched(move |_| {
            for _ in 0..again {
                let program = Program::new(programs.len(), makes.clone());
                let start = Barrier::new(programs.len());
                thread::scope(|threads| {
                    for (thread, steps) in programs.iter().enumerate() {
                        let (program, start) = (&program, &start);
                        threads.spawn(move || {
                            start.wait();
                            program.run(thread, steps);
                        });
                    }
                });
            }
        });
    }
}

/// Does not print panics of deadlocks and of re-entrant initialisers.
fn quietly() {
    static ONCE: std::sync::Once = std::sync::Once::new();
    ONCE.call_once(|| {
        let print = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            let text = panic.payload().downcast_ref::<String>();
            if !text.is_some_and(|text| text.starts_with("deadlock: ") || text.starts_with("re-entrant: ")) {
                print(panic);
            }
        }));
    });
}
