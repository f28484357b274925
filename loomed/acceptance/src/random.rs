//! Random programs, explored by loom and by brute force.

use crate::explore::{Search, explore};
use crate::program::{Outcomes, Program, Random, Shape};
use crate::{c11, interleavings};

/// Loads, stores and read-modify-writes: every outcome of an interleaving is found, whatever else is.
#[test]
fn interleavings_of_atomics() {
    let shape = |threads, ops, words| Shape { threads, ops, words, orderings: false, weak: false };
    let tried = [(shape(2, 3, 1), 300), (shape(2, 3, 2), 300), (shape(3, 2, 1), 300), (shape(3, 2, 2), 300)];
    finds_interleavings("atomics", tried.into_iter().chain([(shape(3, 3, 2), 75)]), Shape::random);
}

/// Critical sections, nested ones too: every outcome is found, and a deadlock exactly if there is one.
#[test]
fn interleavings_of_locks() {
    let shape = |threads, ops| Shape { threads, ops, words: 2, orderings: false, weak: false };
    finds_interleavings(
        "locks",
        [(shape(2, 2), 300), (shape(2, 3), 150), (shape(3, 2), 150)],
        Shape::random_with_locks,
    );
}

/// Threads that sleep in a queue until they are woken: every outcome is found, and a sleeper that no one wakes.
#[test]
fn interleavings_of_sleepers() {
    let shape = |threads, ops| Shape { threads, ops, words: 2, orderings: false, weak: false };
    let tried = [(shape(2, 2), 300), (shape(2, 3), 300), (shape(3, 2), 300), (shape(3, 3), 50)];
    finds_interleavings("sleepers", tried, Shape::random_with_sleepers);
}

fn finds_interleavings(
    what: &str,
    tried: impl IntoIterator<Item = (Shape, usize)>,
    generate: impl Fn(&Shape, &mut Random) -> Program,
) {
    let mut missed = Tally::new(&format!("interleavings of {what}"), "miss an outcome");
    let (mut deadlocks, mut random) = (0, Random::new(1));
    for (shape, programs) in tried {
        for _ in 0..programs {
            let program = generate(&shape, &mut random);
            let expected = interleavings::outcomes(&program);
            let found = explore(&program, Search::Whole);
            missed.executions += found.executions;
            deadlocks += usize::from(expected.deadlock);
            // Loom ends with the first deadlock, whatever else it would find.
            let agrees = found.outcomes.deadlock == expected.deadlock
                && (expected.deadlock || found.outcomes.ends.is_superset(&expected.ends));
            missed.note(agrees, || format!("{program:?}: {expected:?}, but {:?}", found.outcomes));
        }
    }
    println!("interleavings of {what}: {deadlocks} programs can get stuck");
    missed.end();
}

/// Every outcome that C++20 allows without load buffering is found, and no other.
#[test]
fn exactly_what_is_allowed() {
    let shape = |threads, ops, words, orderings| Shape { threads, ops, words, orderings, weak: true };
    let mut wrong = Tally::new("weak memory", "do not have exactly the outcomes allowed");
    let mut random = Random::new(7);
    for orderings in [false, true] {
        for (threads, ops, words, programs) in [
            (2, 3, 1, 300),
            (2, 3, 2, 300),
            (2, 4, 2, 300),
            (3, 2, 1, 300),
            (3, 2, 2, 300),
            (3, 3, 2, 100),
            (4, 2, 2, 75),
        ] {
            for _ in 0..programs {
                let program = shape(threads, ops, words, orderings).random(&mut random);
                let allowed = Outcomes { ends: c11::outcomes(&program), deadlock: false };
                let found = explore(&program, Search::Whole);
                wrong.executions += found.executions;
                wrong.note(found.outcomes == allowed, || {
                    let missing: Vec<_> = allowed.ends.difference(&found.outcomes.ends).collect();
                    let forbidden: Vec<_> = found.outcomes.ends.difference(&allowed.ends).collect();
                    format!("{program:?}: missing {missing:?}, forbidden {forbidden:?}")
                });
            }
        }
    }
    wrong.end();
}

/// What the search leaves out would have shown nothing new: the same outcomes, weak ones included, as by going through
/// every order of the operations.
#[test]
fn reduced_search_finds_the_same() {
    let shape = |threads, ops| Shape { threads, ops, words: 2, orderings: true, weak: true };
    let mut differ = Tally::new("reduction", "have other outcomes when every order is gone through");
    let mut random = Random::new(3);
    let (mut reduced_too, mut unreduced) = (0, 0);
    // Programs with more orders than this are left to the other tests: this one is about many programs.
    let searches = [(Search::WithoutSleepSets, 1000), (Search::EveryOrder, 60)];
    for generate in [Shape::random, Shape::random_with_locks, Shape::random_with_sleepers] {
        for (shape, programs) in [(shape(2, 2), 100), (shape(2, 3), 50), (shape(3, 1), 100), (shape(3, 2), 40)] {
            for _ in 0..programs {
                let program = generate(&shape, &mut random);
                let reduced = explore(&program, Search::Whole);
                differ.executions += reduced.executions;
                let mut others = searches.iter().filter(|&&(_, most)| orders(&program) <= most);
                let differing = others.find_map(|(search, _)| {
                    let other = explore(&program, *search);
                    if *search == Search::WithoutSleepSets {
                        reduced_too += reduced.executions;
                        unreduced += other.executions;
                    }
                    let both_stuck = other.outcomes.deadlock && reduced.outcomes.deadlock;
                    (!both_stuck && other.outcomes != reduced.outcomes).then_some(other.outcomes)
                });
                differ.note(differing.is_none(), || format!("{program:?}: {:?}, but {differing:?}", reduced.outcomes));
            }
        }
    }
    println!("reduction: {reduced_too} executions with sleep sets, {unreduced} without");
    differ.end();
    // Exploration is deterministic. A change that explores more would find the same, and take longer than it needs.
    assert_eq!((reduced_too, unreduced), (2_745, 35_976), "executions with sleep sets, and without");
}

/// In how many orders the operations of the threads can come.
fn orders(program: &Program) -> usize {
    let mut done = 0;
    let mut orders = 1;
    for i in program.iter().flat_map(|ops| 1..=ops.len()) {
        done += 1;
        orders = orders * done / i;
    }
    orders
}

/// Counts the programs on which loom is wrong, and keeps the first.
struct Tally {
    what: String,
    fault: &'static str,
    tried: usize,
    faulty: usize,
    executions: usize,
    first: Option<String>,
}

impl Tally {
    fn new(what: &str, fault: &'static str) -> Self {
        Tally { what: what.to_owned(), fault, tried: 0, faulty: 0, executions: 0, first: None }
    }

    fn note(&mut self, agrees: bool, why: impl FnOnce() -> String) {
        self.tried += 1;
        if !agrees {
            self.faulty += 1;
            self.first.get_or_insert_with(why);
        }
    }

    /// Prints the count, and fails if it is not zero.
    fn end(self) {
        let Tally { what, fault, tried, faulty, executions, .. } = self;
        println!("{what}: {faulty} of {tried} programs {fault}; {executions} executions");
        assert!(faulty == 0, "the first of them: {}", self.first.unwrap_or_default());
    }
}

/// From another seed, for so long: `SEED=2 SECONDS=60 cargo test --release -- --ignored long_run`.
fn long_run(what: &str, mut wrong: impl FnMut(&mut Random, &mut Tally)) {
    let number = |name, default| std::env::var(name).map_or(default, |text| text.parse().unwrap());
    let (first, seconds) = (number("SEED", 1_u64), number("FOR_SECONDS", 20));
    let start = std::time::Instant::now();
    let mut tally = Tally::new(what, "are wrong");
    let mut seed = first;
    while start.elapsed().as_secs() < seconds {
        wrong(&mut Random::new(1_000_000 + seed), &mut tally);
        seed += 1;
    }
    println!("{what}: seeds {first} to {}", seed - 1);
    tally.end();
}

/// Interleavings of larger programs, and of more stores to a word than loom keeps.
#[test]
#[ignore = "as long as it is told to"]
fn long_run_of_interleavings() {
    let shape = |threads, ops, words| Shape { threads, ops, words, orderings: false, weak: false };
    long_run("interleavings, long run", |random, missed| {
        for program in [
            shape(3, 3, 1).random(random),
            shape(3, 3, 2).random(random),
            shape(3, 4, 1).random(random),
            shape(2, 8, 1).random(random),
            shape(4, 2, 1).random(random),
            shape(3, 3, 1).random_with_locks(random),
            shape(3, 3, 2).random_with_locks(random),
            shape(4, 2, 2).random_with_locks(random),
            shape(3, 3, 1).random_with_sleepers(random),
            shape(3, 3, 2).random_with_sleepers(random),
            shape(4, 2, 2).random_with_sleepers(random),
        ] {
            if program.iter().map(Vec::len).sum::<usize>() > 14 {
                continue;
            }
            let expected = interleavings::outcomes(&program);
            let found = explore(&program, Search::Whole);
            missed.executions += found.executions;
            // A sleeper that reads an old value after it was woken may get stuck in no interleaving.
            let agrees = if found.outcomes.deadlock && !expected.deadlock {
                explore(&program, Search::WithoutSleepSets).outcomes.deadlock
            } else {
                found.outcomes.deadlock == expected.deadlock
                    && (expected.deadlock || found.outcomes.ends.is_superset(&expected.ends))
            };
            missed.note(agrees, || format!("{program:?}: {expected:?}, but {:?}", found.outcomes));
        }
    });
}

/// Weak memory in larger programs.
#[test]
#[ignore = "as long as it is told to"]
fn long_run_of_weak_memory() {
    let shape = |threads, ops, words| Shape { threads, ops, words, orderings: true, weak: true };
    long_run("weak memory, long run", |random, wrong| {
        for shape in [shape(3, 3, 1), shape(3, 3, 2), shape(2, 4, 1), shape(2, 5, 2), shape(4, 2, 1), shape(4, 2, 2)] {
            let program = shape.random(random);
            // With the initial one, loom keeps fifteen stores to a word.
            if (0..shape.words).any(|word| program.iter().flatten().filter(|op| op.may_store_to(word)).count() > 14) {
                continue;
            }
            let allowed = c11::outcomes(&program);
            let found = explore(&program, Search::Whole);
            wrong.executions += found.executions;
            wrong.note(found.outcomes.ends == allowed, || {
                let missing: Vec<_> = allowed.difference(&found.outcomes.ends).collect();
                let forbidden: Vec<_> = found.outcomes.ends.difference(&allowed).collect();
                format!("{program:?}: missing {missing:?}, forbidden {forbidden:?}")
            });
        }
    });
}

/// With sequentially consistent operations, the same as without the reduction.
#[test]
#[ignore = "as long as it is told to"]
fn long_run_of_seq_cst() {
    let shape = |threads, ops, words| Shape { threads, ops, words, orderings: true, weak: true };
    long_run("SeqCst, long run", |random, differ| {
        for shape in [shape(2, 3, 1), shape(2, 3, 2), shape(2, 4, 2), shape(3, 2, 1), shape(3, 2, 2)] {
            let program = shape.random_with_seq_cst(random);
            if orders(&program) > 100 {
                continue;
            }
            let other = explore(&program, Search::WithoutSleepSets).outcomes;
            let found = explore(&program, Search::Whole);
            differ.executions += found.executions;
            differ.note(found.outcomes == other, || {
                let missing: Vec<_> = other.ends.difference(&found.outcomes.ends).collect();
                let more: Vec<_> = found.outcomes.ends.difference(&other.ends).collect();
                format!("{program:?}: missing {missing:?}, more {more:?}")
            });
        }
    });
}
