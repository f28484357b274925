//! Scopes of eight threads that do next to nothing, and each of which is joined.
//!
//! `std` is `std::thread::scope`. raddle's tasks have the name of the line that spawns them; `std-named` gives its threads one, too.
//! `unjoined` leaves the wait to the end of the scope: std's waits until the threads' closures have returned, raddle's until the threads
//! are gone.
//!
//! The threads of a scope run where the one that spawns them does, which is pinned to one core: what is measured is what they take, not
//! what they gain.
//!
//! # That the work is real
//! Each thread is one of the system's, and adds to a counter whose address comes from `black_box`.

mod support;

use std::hint::black_box;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::thread;

use raddle::{Limit, SpawnError, scope};
use support::{Group, Op, Role, Shape};

fn main() {
    support::run(&[joined(), unjoined()]);
}

const TASKS: usize = 8;

/// Adds a benchmark of a scope, which adds to a counter as often as it has threads.
fn add(group: &mut Group, role: Role, name: &'static str, run: fn(&AtomicU64)) {
    group.add(role, name, Shape::named("8", 1), move || -> Op<()> {
        Box::new(move |_, iters| {
            let counter = AtomicU64::new(0);
            for _ in 0..iters {
                run(black_box(&counter));
            }
            assert_eq!(counter.into_inner(), iters * TASKS as u64);
        })
    });
}

/// What each thread does.
fn count(counter: &AtomicU64) -> Result<(), SpawnError> {
    counter.fetch_add(1, Relaxed);
    Ok(())
}

/// `scope/8`: each is joined, in order.
fn joined() -> Group {
    let mut group = Group::new("scope/8", &["std", "std-named"]).in_turn();
    add(&mut group, Role::Ours, "raddle", |counter| {
        let end = scope(Limit::NEVER, |tasks| {
            let tasks = [(); TASKS].map(|()| tasks.spawn(|_| count(counter)));
            for task in tasks {
                task?.join()?;
            }
            Ok::<_, SpawnError>(())
        });
        end.expect("the system has threads");
    });
    add(&mut group, Role::Peer, "std", |counter| {
        thread::scope(|threads| {
            let threads = [(); TASKS].map(|()| threads.spawn(|| count(counter).ok()));
            for thread in threads {
                thread.join().expect("nothing panics");
            }
        });
    });
    add(&mut group, Role::Peer, "std-named", |counter| {
        thread::scope(|threads| {
            let threads = [(); TASKS].map(|()| {
                let named = thread::Builder::new().name("benches/scope.rs:41".to_owned());
                named.spawn_scoped(threads, || count(counter).ok()).expect("the system has threads")
            });
            for thread in threads {
                thread.join().expect("nothing panics");
            }
        });
    });
    group.goal(("raddle", "8"), &[("std", "8")], 1.05);
    group
}

/// `scope/8 unjoined`: the end of the scope waits for all.
fn unjoined() -> Group {
    let mut group = Group::new("scope/8 unjoined", &["std"]).in_turn();
    add(&mut group, Role::Ours, "raddle", |counter| {
        let end = scope(Limit::NEVER, |tasks| {
            for _ in 0..TASKS {
                tasks.spawn(|_| count(counter))?;
            }
            Ok::<_, SpawnError>(())
        });
        end.expect("the system has threads");
    });
    add(&mut group, Role::Peer, "std", |counter| {
        thread::scope(|threads| {
            for _ in 0..TASKS {
                threads.spawn(|| count(counter).ok());
            }
        });
    });
    group
}
