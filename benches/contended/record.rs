//! The points that are measured each time, and kept as Criterion keeps its figures: those that stand for the others.

use std::time::Duration;

use crate::point::Point;
use crate::support::{Group, What};
use crate::{one, others, rwlock, sets};

/// At least 0.95 of the best peer's throughput.
const TIME: f64 = 1.0 / 0.95;

/// No longer a wait and no less even than the best of those that are as fast, within what runs of the same code differ by.
const FAIR: f64 = 1.05;

const PEERS: &[&str] = &["parking_lot", "parking_lot-0.12", "std"];

pub(crate) fn groups() -> Vec<Group> {
    let one = |name, section, outside, threads: &[usize]| {
        let (section, outside) = (Duration::from_nanos(section), Duration::from_nanos(outside));
        locks(name, &[What::Longest], threads, |threads| one::Setting { threads, section, outside }.point())
    };
    let sets = |name, locks_in_all, threads: &[usize]| {
        locks(name, &[What::Longest], threads, |threads| sets::point(threads, locks_in_all))
    };
    let rwlock = |name, every, section, threads: &[usize]| {
        let section = Duration::from_nanos(section);
        let waits = [What::Read, What::Write];
        locks(name, &waits, threads, |threads| rwlock::Setting { threads, every, section }.point())
    };
    vec![
        one("contended/one-0us", 0, 0, &[2, 4, 8, 16, 64]),
        one("contended/one-0.1us", 100, 0, &[4, 16]),
        one("contended/one-0.3us", 300, 0, &[2, 4, 16]),
        one("contended/one-0.3us-outside", 300, 300, &[2, 4, 16]),
        one("contended/one-3us", 3_000, 0, &[2, 4, 16]),
        one("contended/one-30us", 30_000, 0, &[2, 16]),
        sets("contended/two-of-2", 2, &[2, 4, 16, 64]),
        sets("contended/two-of-8", 8, &[2, 4, 16, 64]),
        sets("contended/two-of-64", 64, &[16, 64]),
        rwlock("contended/write-in-10", 10, 0, &[2, 4, 16]),
        rwlock("contended/write-in-100", 100, 0, &[2, 4, 8, 16, 64]),
        rwlock("contended/write-in-1000", 1_000, 0, &[2, 4, 16]),
        rwlock("contended/write-in-100-3us", 100, 3_000, &[2, 4, 16]),
        group("contended/once", &["std", "once_cell"], &[16], others::once),
        group("contended/wait_group", &["crossbeam", "condvar"], &[16], others::wait_group),
        group("contended/cancel", &["tokio"], &[16], others::cancel),
        group("contended/counter", &["atomic"], &[16], others::counter),
    ]
}

fn group(
    name: &'static str,
    peers: &'static [&'static str],
    threads: &[usize],
    point: impl Fn(usize) -> Point,
) -> Group {
    let mut group = Group::new(name, peers);
    for &threads in threads {
        for one in point(threads).contenders {
            group.free(one.role, one.name, threads, move |length| one.run(length));
        }
    }
    group
}

/// A group of locks, which have goals.
fn locks(name: &'static str, waits: &[What], threads: &[usize], point: impl Fn(usize) -> Point) -> Group {
    let mut group = group(name, PEERS, threads, point);
    for threads in threads {
        let threads = threads.to_string();
        let ours = ("raddle", threads.as_str());
        let peers: Vec<_> = PEERS.iter().map(|peer| (*peer, threads.as_str())).collect();
        group.goal(ours, &peers, TIME);
        for what in waits.iter().chain([&What::Spread]) {
            group.goal_of_fast(*what, ours, &peers, FAIR);
        }
    }
    group
}
