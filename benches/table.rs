//! A lock for each key: a key's lock is acquired and released, beside what a program would take instead ([`locks`]).
//!
//! Every operation takes the next of so many keys, at random. The section is empty, or adds one to the key's value: the map, and the
//! making and the end of its entries, are all that is measured. `raddle`, `lockable` and the two `-remove`s keep no lock that nobody has;
//! `dashmap` and `hashmap` keep all that they have made, and had made before they are measured.
//!
//! * `table/one`: one of 64 keys, whose entries are made and gone each time.
//! * `table/one-with-value`: one of 64 keys that have values, so that the entries stay. `shard` locks a shard of a map and no key.
//! * `table/pair`: two of 64 keys, named in any order. By hand, and for `lockable`, they are sorted first.
//! * `table/two-threads`: two threads, both on any of 100,000 keys (`spread`), or of 8 (`hot`).
//! * `table/many`: any of a million keys, whose entries are gone each time (`gone`) or have values (`value`).
//!
//! By hand the locks are `std`'s. The map that is locked as a whole is the fastest that one thread can have, and the slowest that two can.
//!
//! # That the work is real
//! Each key comes from `black_box`. Checked with `objdump -d --demangle=rust` on this program, x86-64, Rust 1.95: the loops of
//! `hold_each`, `hold_pairs` and `add_each` hold for each lock
//! * of `hashmap` a `lock cmpxchg` of the map's lock, a call of `hash_one`, a `lock inc` of the count and an `xchg`, a `lock cmpxchg` and
//!   an `xchg` of the key's lock, a `lock dec`; of `dashmap` the same, but the first and the hash are in `_entry`; of the two `-remove`s
//!   also calls that allocate and free, and the former again before the `lock dec`;
//! * of `raddle` a call that finds or makes the entry (`hash_one` and `Shard::with`, or all of `lock_all`), a `lock cmpxchg` for each end
//!   of the section, and a call of `Shard::leave`; of `lockable` calls of the like.
//!
//! All call one and the same `hash_one`. That the two `-remove`s keep nothing, and that `raddle` does not, was seen by their lengths, which
//! are zero after a run.

#[path = "table/locks.rs"]
mod locks;
mod support;

use std::hint::black_box;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;

use crossbeam_utils::CachePadded;
use dashmap::DashMap;
use lockable::{LockPool, LockableHashMap};
use raddle::LockTable;

use locks::{Dash, DashRemove, Hash, HashRemove, Locks, Values};
use support::{Group, Shape};

const FEW: u64 = 64;
const SPREAD: u64 = 100_000;
const HOT: u64 = 8;
const MANY: u64 = 1_000_000;

const LOCKS: &[&str] = &["lockable", "dashmap", "dashmap-remove", "hashmap", "hashmap-remove"];
const VALUES: &[&str] = &["lockable", "dashmap", "hashmap"];

fn main() {
    support::run(&[one(), value(), pair(), two(), many()]);
}

/// Keys at random, for each thread others, and the same in every run.
struct Keys {
    below: u64,
    states: [CachePadded<AtomicU64>; 2],
}

impl Keys {
    fn below(below: u64) -> Self {
        Self {
            below,
            states: [1, 2].map(|seed: u64| CachePadded::new(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15).into())),
        }
    }

    /// Runs `operation` with the thread's next `iters` times `N` keys.
    #[inline(always)]
    fn each<const N: usize>(&self, thread: usize, iters: u64, mut operation: impl FnMut([u64; N])) {
        // Relaxed: only this thread uses it.
        let mut random = self.states[thread].load(Relaxed);
        for _ in 0..iters {
            operation(black_box(std::array::from_fn(|_| {
                // xorshift
                random ^= random << 13;
                random ^= random >> 7;
                random ^= random << 17;
                ((u128::from(random) * u128::from(self.below)) >> 64) as u64
            })));
        }
        self.states[thread].store(random, Relaxed);
    }
}

/// Adds a benchmark that holds the lock of one key after the other.
fn add_locks<L: Locks>(group: &mut Group, shape: Shape, below: u64) {
    group.add(L::ROLE, L::NAME, shape, move || {
        let (locks, keys) = (L::new(), Keys::below(below));
        (0..below).for_each(|key| locks.hold(key, || ()));
        Box::new(move |thread, iters| hold_each(&locks, &keys, thread, iters))
    });
}

#[inline(never)]
fn hold_each<L: Locks>(locks: &L, keys: &Keys, thread: usize, iters: u64) {
    keys.each(thread, iters, |[key]| locks.hold(key, || _ = black_box(key)));
}

/// Adds a benchmark that holds the locks of two keys after those of two others.
fn add_pairs<L: Locks>(group: &mut Group) {
    group.add(L::ROLE, L::NAME, Shape::all(1), || {
        let (locks, keys) = (L::new(), Keys::below(FEW));
        (0..FEW).for_each(|key| locks.hold(key, || ()));
        Box::new(move |thread, iters| hold_pairs(&locks, &keys, thread, iters))
    });
}

#[inline(never)]
fn hold_pairs<L: Locks>(locks: &L, keys: &Keys, thread: usize, iters: u64) {
    keys.each(thread, iters, |[one, mut other]| {
        if one == other {
            other = (one + 1) % FEW;
        }
        locks.hold_both([one, other], || _ = black_box(one));
    });
}

/// Adds a benchmark that adds one to the value of one key after the other.
fn add_values<V: Values>(group: &mut Group, shape: Shape, below: u64) {
    group.add(V::ROLE, V::NAME, shape, move || {
        let (values, keys) = (V::new(), Keys::below(below));
        (0..below).for_each(|key| values.add_one(key));
        Box::new(move |thread, iters| add_each(&values, &keys, thread, iters))
    });
}

#[inline(never)]
fn add_each<V: Values>(values: &V, keys: &Keys, thread: usize, iters: u64) {
    keys.each(thread, iters, |[key]| values.add_one(key));
}

fn add_all_locks(group: &mut Group, shape: &Shape, below: u64) {
    add_locks::<LockTable<u64>>(group, shape.clone(), below);
    add_locks::<LockPool<u64>>(group, shape.clone(), below);
    add_locks::<Dash<()>>(group, shape.clone(), below);
    add_locks::<DashRemove>(group, shape.clone(), below);
    add_locks::<Hash<()>>(group, shape.clone(), below);
    add_locks::<HashRemove>(group, shape.clone(), below);
    set_goal(group, &shape.parameter, LOCKS);
}

fn add_all_values(group: &mut Group, shape: &Shape, below: u64) {
    add_values::<LockTable<u64, u64>>(group, shape.clone(), below);
    add_values::<LockableHashMap<u64, u64>>(group, shape.clone(), below);
    add_values::<Dash<u64>>(group, shape.clone(), below);
    add_values::<Hash<u64>>(group, shape.clone(), below);
    add_values::<DashMap<u64, u64>>(group, shape.clone(), below);
    set_goal(group, &shape.parameter, VALUES);
}

/// Below all of them.
fn set_goal(group: &mut Group, parameter: &str, peers: &[&'static str]) {
    let peers: Vec<_> = peers.iter().map(|peer| (*peer, parameter)).collect();
    group.goal(("raddle", parameter), &peers, 1.0);
}

/// `table/one`: one of few keys, without a value.
fn one() -> Group {
    let mut group = Group::new("table/one", LOCKS).in_turn();
    add_all_locks(&mut group, &Shape::all(1), FEW);
    group
}

/// `table/one-with-value`: one of few keys, with a value.
fn value() -> Group {
    let mut group = Group::new("table/one-with-value", VALUES).in_turn();
    add_all_values(&mut group, &Shape::all(1), FEW);
    group
}

/// `table/pair`: two of few keys, without values.
fn pair() -> Group {
    let mut group = Group::new("table/pair", LOCKS).in_turn();
    add_pairs::<LockTable<u64>>(&mut group);
    add_pairs::<LockPool<u64>>(&mut group);
    add_pairs::<Dash<()>>(&mut group);
    add_pairs::<DashRemove>(&mut group);
    add_pairs::<Hash<()>>(&mut group);
    add_pairs::<HashRemove>(&mut group);
    set_goal(&mut group, "1", LOCKS);
    group
}

/// `table/two-threads`: two threads that seldom meet, and two that often do.
fn two() -> Group {
    let mut group = Group::new("table/two-threads", LOCKS).in_turn();
    add_all_locks(&mut group, &Shape::named("spread", 2), SPREAD);
    add_all_locks(&mut group, &Shape::named("hot", 2), HOT);
    group
}

/// `table/many`: one of a million keys.
fn many() -> Group {
    let mut group = Group::new("table/many", VALUES).in_turn();
    add_all_locks(&mut group, &Shape::named("gone", 1), MANY);
    add_all_values(&mut group, &Shape::named("value", 1), MANY);
    group
}
