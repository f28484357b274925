//! Small programs: each thread runs a list of operations and notes what it sees.

use std::collections::BTreeSet;
use std::sync::atomic::Ordering::{self, AcqRel, Acquire, Relaxed, Release, SeqCst};

/// The most words, locks and queues that a program has, of each.
pub(crate) const PLACES: usize = 3;

/// One operation of a thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Op {
    /// Notes the value of a word.
    Load(usize, Ordering),
    Store(usize, u64, Ordering),
    /// Adds one to a word, and notes what it was.
    Add(usize, Ordering),
    /// Notes what the word was, and whether it was exchanged.
    Exchange(Exchange),
    Lock(usize),
    Unlock(usize),
    /// Under the lock of a queue: looks at the word of the same number. If it is zero, sleeps in the queue.
    Sleep(usize),
    /// Under the lock of a queue: wakes all that sleep in it.
    Wake(usize),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Exchange {
    pub(crate) word: usize,
    pub(crate) expected: u64,
    pub(crate) new: u64,
    pub(crate) success: Ordering,
    pub(crate) failure: Ordering,
    pub(crate) weak: bool,
}

impl Op {
    pub(crate) fn may_store_to(&self, place: usize) -> bool {
        match *self {
            Op::Store(word, ..) | Op::Add(word, _) => word == place,
            Op::Exchange(exchange) => exchange.word == place,
            _ => false,
        }
    }
}

/// The operations of each thread.
pub(crate) type Program = Vec<Vec<Op>>;

/// A value that was read, and whether an exchange succeeded.
pub(crate) type Seen = (u64, bool);

/// What each thread saw, in its order.
pub(crate) type Outcome = Vec<Vec<Seen>>;

/// All outcomes of a program.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Outcomes {
    pub(crate) ends: BTreeSet<Outcome>,
    /// Whether some execution gets stuck.
    pub(crate) deadlock: bool,
}

/// Xorshift: the same programs on every machine.
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        // Small seeds alone would begin alike.
        Random(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    pub(crate) fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as usize % end
    }

    fn of<T: Copy>(&mut self, choice: &[T]) -> T {
        choice[self.below(choice.len())]
    }
}

/// What random programs are made of.
#[derive(Clone, Copy)]
pub(crate) struct Shape {
    pub(crate) threads: usize,
    /// The most operations of a thread, or items that consist of several.
    pub(crate) ops: usize,
    pub(crate) words: usize,
    /// Orderings other than relaxed.
    pub(crate) orderings: bool,
    pub(crate) weak: bool,
}

impl Shape {
    pub(crate) fn random(&self, random: &mut Random) -> Program {
        (0..self.threads)
            .map(|thread| (0..1 + random.below(self.ops)).map(|i| self.op(random, value(thread, i))).collect())
            .collect()
    }

    /// The same, each operation sequentially consistent in one of three.
    pub(crate) fn random_with_seq_cst(&self, random: &mut Random) -> Program {
        let mut program = self.random(random);
        for op in program.iter_mut().flatten().filter(|_| random.below(3) == 0) {
            match op {
                Op::Load(_, order) | Op::Store(_, _, order) | Op::Add(_, order) => *order = SeqCst,
                Op::Exchange(exchange) => (exchange.success, exchange.failure) = (SeqCst, SeqCst),
                Op::Lock(_) | Op::Unlock(_) | Op::Sleep(_) | Op::Wake(_) => {}
            }
        }
        program
    }

    /// Each item is an operation, or a few of them under one lock or two.
    pub(crate) fn random_with_locks(&self, random: &mut Random) -> Program {
        self.of_items(random, |shape, random, new, ops| {
            let (outer, inner) = (random.below(2), random.below(2));
            match random.below(3) {
                0 => ops.push(shape.op(random, new)),
                1 => {
                    ops.push(Op::Lock(outer));
                    ops.extend((0..1 + random.below(2)).map(|_| shape.op(random, new)));
                    ops.push(Op::Unlock(outer));
                }
                _ if inner == outer => ops.extend([Op::Lock(outer), shape.op(random, new), Op::Unlock(outer)]),
                _ => ops.extend([
                    Op::Lock(outer),
                    Op::Lock(inner),
                    shape.op(random, new),
                    Op::Unlock(inner),
                    Op::Unlock(outer),
                ]),
            }
        })
    }

    /// Each item is an operation, sleep, or a wake-up, mostly with the store that the sleeper looks for before it.
    pub(crate) fn random_with_sleepers(&self, random: &mut Random) -> Program {
        self.of_items(random, |shape, random, new, ops| {
            let queue = random.below(shape.words);
            match random.below(4) {
                0 => ops.push(shape.op(random, new)),
                1 => ops.push(Op::Sleep(queue)),
                2 => ops.extend([Op::Store(queue, new, Release), Op::Wake(queue)]),
                _ => ops.push(Op::Wake(queue)),
            }
        })
    }

    fn of_items(&self, random: &mut Random, item: impl Fn(&Self, &mut Random, u64, &mut Vec<Op>)) -> Program {
        let thread = |thread| {
            let mut ops = Vec::new();
            for i in 0..1 + random.below(self.ops) {
                item(self, random, value(thread, i), &mut ops);
            }
            ops
        };
        (0..self.threads).map(thread).collect()
    }

    fn op(&self, random: &mut Random, new: u64) -> Op {
        let word = random.below(self.words);
        let mut order = |orders: &[Ordering]| if self.orderings { random.of(orders) } else { Relaxed };
        let (load, store) = (order(&[Relaxed, Acquire]), order(&[Relaxed, Release]));
        let both = order(&[Relaxed, Acquire, Release, AcqRel]);
        match random.below(8) {
            0..=2 => Op::Load(word, load),
            3 | 4 => Op::Store(word, new, store),
            5 => Op::Add(word, both),
            _ => {
                // Mostly the initial value, sometimes what the first operation of some thread may have stored.
                let expected = if random.below(3) > 0 { 0 } else { value(random.below(self.threads), 0) };
                let weak = self.weak && random.below(2) == 0;
                Op::Exchange(Exchange { word, expected, new, success: both, failure: load, weak })
            }
        }
    }
}

/// Every store has a value of its own.
pub(crate) fn value(thread: usize, i: usize) -> u64 {
    10 * (thread as u64 + 1) + i as u64
}
