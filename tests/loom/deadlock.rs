//! Models of deadlocks through initialisers: each cycle ends with one error, and nothing else does.

use std::collections::BTreeSet;
use std::fmt::Debug;
use std::panic::{AssertUnwindSafe, catch_unwind, set_hook, take_hook};
use std::sync::{Arc, Mutex, Once};
use std::time::Duration;

use super::explore::{Judge, Shared, explore, explore_bounded, explore_bounded_on_both, spawn};
use crate::model::find_deadlocks;
use crate::{CancelToken, Cycle, Guard, InitError, Limit, LockError, OnceCell, OrderedMutex, OrderedRwLock, lock_all};

/// How a call ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum End {
    Ok,
    Deadlock,
    Stopped,
}
use End::{Deadlock, Ok as Went};

impl<T> From<&Result<T, LockError>> for End {
    fn from(result: &Result<T, LockError>) -> Self {
        match result {
            Ok(_) => Went,
            Err(LockError::Deadlock { cycle, .. }) => {
                assert!(cycle.len() > 1, "{cycle}");
                Deadlock
            }
            Err(LockError::Stopped { .. }) => End::Stopped,
            Err(other) => panic!("{other}"),
        }
    }
}

impl<T, E: Debug> From<&Result<T, InitError<E>>> for End {
    fn from(result: &Result<T, InitError<E>>) -> Self {
        match result {
            Ok(_) => Went,
            Err(InitError::Deadlock { cycle, .. }) => {
                assert!(cycle.len() > 1, "{cycle}");
                Deadlock
            }
            Err(InitError::Stopped(_)) => End::Stopped,
            // The initialiser's own end was noted by it.
            Err(InitError::Init(_)) => Went,
            Err(other) => panic!("{other:?}"),
        }
    }
}

/// How the calls of one execution ended, each with its number.
type Execution = Vec<(u8, End)>;

/// Which ends there were, in all executions.
#[derive(Clone, Default)]
struct Ends(Arc<Mutex<BTreeSet<Execution>>>);

impl Ends {
    /// Judges one execution: no more than one member gets the error.
    fn judge(&self) -> Judge<(u8, End)> {
        let all = self.0.clone();
        Judge::new(move |ends: Vec<(u8, End)>| {
            assert!(ends.iter().filter(|(_, end)| *end == Deadlock).count() <= 1, "{ends:?}");
            all.lock().unwrap().insert(ends);
        })
    }

    /// Over all executions, these members have got the error, each alone, and there were executions without one.
    fn expect(&self, who: &[u8]) {
        let all = self.0.lock().unwrap();
        let got = |ends: &Vec<(u8, End)>| ends.iter().find(|(_, end)| *end == Deadlock).map(|(who, _)| *who);
        let seen: BTreeSet<_> = all.iter().filter_map(got).collect();
        // A mutation run does not count what was seen.
        if std::env::var_os("RADDLE_MUTANT").is_none() {
            assert_eq!(Vec::from_iter(seen), who, "{all:?}");
        }
    }
}

/// Calls what ends with a panic if it would close a cycle. Such a panic is not printed: there is one in many executions.
fn unless_it_panics(call: impl FnOnce()) -> End {
    static QUIET: Once = Once::new();
    QUIET.call_once(|| {
        let print = take_hook();
        set_hook(Box::new(move |panic| {
            if !panic.payload().downcast_ref::<String>().is_some_and(|text| text.starts_with("deadlock: ")) {
                print(panic);
            }
        }));
    });
    if catch_unwind(AssertUnwindSafe(call)).is_ok() { Went } else { Deadlock }
}

fn get<T: Copy>(cell: &OnceCell<T>, make: impl FnOnce() -> T) -> End {
    End::from(&cell.get_or_init_within(make, Limit::NEVER))
}

/// Initialises the cell under a lock, and notes what became of the lock and of the cell.
fn make_under<G>(
    cell: &OnceCell<u8>,
    judge: &Judge<(u8, End)>,
    who: u8,
    acquire: impl FnOnce() -> Result<G, LockError>,
) {
    let made = cell.get_or_try_init_within(
        || {
            let held = acquire();
            judge.note((who, End::from(&held)));
            held.map(|_| 2)
        },
        Limit::NEVER,
    );
    if !matches!(made, Err(InitError::Init(_))) {
        judge.note((who + 1, End::from(&made)));
    }
}

/// Fails if a thread that holds a lock and waits for a cell hangs with the one that makes it and waits for the lock: if one
/// looks before it can be found, or both do. Two threads.
#[test]
fn lock_against_cell() {
    let ends = Ends::default();
    let seen = ends.clone();
    explore([858, 109], &[], move || {
        find_deadlocks();
        let shared = Shared::new((OrderedMutex::new(1, ()), OnceCell::new()));
        let judge = ends.judge();
        spawn({
            let (shared, judge) = (shared.clone(), judge.clone());
            move || make_under(&shared.1, &judge, 1, || shared.0.lock())
        });
        let held = shared.0.lock().unwrap();
        judge.note((0, get(&shared.1, || 1)));
        drop(held);
    });
    seen.expect(&[0, 1]);
}

/// Fails if two threads hang whose initialisers ask for each other's value. Two threads.
#[test]
fn cell_against_cell() {
    let ends = Ends::default();
    let seen = ends.clone();
    explore([1_920, 178], &[], move || {
        find_deadlocks();
        let cells = Shared::new([OnceCell::new(), OnceCell::new()]);
        let judge = ends.judge();
        let make = |cells: &[OnceCell<u8>; 2], judge: &Judge<(u8, End)>, who: u8| {
            let [mine, other] = if who == 0 { [&cells[0], &cells[1]] } else { [&cells[1], &cells[0]] };
            let _ = get(mine, || {
                judge.note((who, get(other, || 7)));
                who
            });
        };
        spawn({
            let (cells, judge) = (cells.clone(), judge.clone());
            move || make(&cells, &judge, 1)
        });
        make(&cells, &judge, 0);
    });
    seen.expect(&[0, 1]);
}

/// Fails if a form without an error for it hangs, or panics without a cycle. Two threads.
#[test]
fn a_form_that_panics() {
    let ends = Ends::default();
    let seen = ends.clone();
    explore([946, 125], &[], move || {
        find_deadlocks();
        let shared = Shared::new((OrderedMutex::new(1, ()), OnceCell::new()));
        let judge = ends.judge();
        spawn({
            let (shared, judge) = (shared.clone(), judge.clone());
            move || make_under(&shared.1, &judge, 1, || shared.0.lock())
        });
        let held = shared.0.lock().unwrap();
        judge.note((0, unless_it_panics(|| _ = shared.1.get_or_init(|| 1))));
        drop(held);
    });
    seen.expect(&[0, 1]);
}

/// Fails if a member of a set that was acquired is not known to be held, be it the lower one. Two threads.
#[test]
fn lower_of_a_set() {
    let ends = Ends::default();
    let seen = ends.clone();
    explore([865, 114], &[], move || {
        find_deadlocks();
        let shared = Shared::new(([1, 2].map(|id| OrderedMutex::new(id, ())), OnceCell::new()));
        let judge = ends.judge();
        spawn({
            let (shared, judge) = (shared.clone(), judge.clone());
            move || make_under(&shared.1, &judge, 1, || shared.0[0].lock())
        });
        let held = lock_all(shared.0.each_ref()).unwrap();
        judge.note((0, get(&shared.1, || 1)));
        drop(held);
    });
    seen.expect(&[0, 1]);
}

/// Fails if what a set has acquired so far is not known to be held: one thread has the lower lock of two and waits for the upper one,
/// which another holds that waits for the lower one inside an initialiser. (It may hold the upper one only by `try_lock`, or
/// wait for a cell.) Three threads.
#[test]
fn half_of_a_set() {
    let ends = Ends::default();
    let seen = ends.clone();
    explore_bounded(2, [173, 14_753], &[], move || {
        find_deadlocks();
        let shared = Shared::new(([1, 2].map(|id| OrderedMutex::new(id, ())), OnceCell::new()));
        let judge = ends.judge();
        spawn({
            let (shared, judge) = (shared.clone(), judge.clone());
            move || make_under(&shared.1, &judge, 1, || shared.0[0].lock())
        });
        spawn({
            let (shared, judge) = (shared.clone(), judge.clone());
            move || judge.note((3, End::from(&lock_all(shared.0.each_ref()))))
        });
        let held = shared.0[1].lock().unwrap();
        judge.note((0, get(&shared.1, || 1)));
        drop(held);
    });
    seen.expect(&[0, 1, 3]);
}

/// Fails if a reader is not known to wait for what the writer waits for that sleeps ahead of it, or is taken to wait for readers
/// without one. Three threads.
#[test]
fn behind_a_writer() {
    let ends = Ends::default();
    let seen = ends.clone();
    explore_bounded(2, [174, 5_303], &[], move || {
        find_deadlocks();
        let shared = Shared::new((OrderedRwLock::new(1, ()), OnceCell::new()));
        let judge = ends.judge();
        spawn({
            let (shared, judge) = (shared.clone(), judge.clone());
            move || {
                make_under(&shared.1, &judge, 1, || shared.0.read());
            }
        });
        spawn({
            let (shared, judge) = (shared.clone(), judge.clone());
            move || judge.note((3, End::from(&shared.0.write())))
        });
        let held = shared.0.read().unwrap();
        judge.note((0, get(&shared.1, || 1)));
        drop(held);
    });
    seen.expect(&[0, 1]);
}

/// Fails if a writer is not known to wait for a reader. Two threads.
#[test]
fn writer_against_reader() {
    let ends = Ends::default();
    let seen = ends.clone();
    explore([872, 89], &[], move || {
        find_deadlocks();
        let shared = Shared::new((OrderedRwLock::new(1, ()), OnceCell::new()));
        let judge = ends.judge();
        spawn({
            let (shared, judge) = (shared.clone(), judge.clone());
            move || {
                make_under(&shared.1, &judge, 1, || shared.0.write());
            }
        });
        let held = shared.0.read().unwrap();
        judge.note((0, get(&shared.1, || 1)));
        drop(held);
    });
    seen.expect(&[0, 1]);
}

/// Fails if a watcher, which waits while nobody makes the value, is not known to wait for the maker that comes later and wants its
/// lock. Two threads.
#[test]
fn watcher_before_the_maker() {
    let ends = Ends::default();
    let seen = ends.clone();
    explore([2_215, 214], &[], move || {
        find_deadlocks();
        let shared = Shared::new((OrderedMutex::new(1, ()), OnceCell::new()));
        let judge = ends.judge();
        spawn({
            let (shared, judge) = (shared.clone(), judge.clone());
            move || {
                make_under(&shared.1, &judge, 1, || shared.0.lock());
                // The watcher is to end, if the maker got the error.
                let _ = shared.1.set(3);
            }
        });
        let held = shared.0.lock().unwrap();
        judge.note((0, unless_it_panics(|| _ = shared.1.wait())));
        drop(held);
    });
    seen.expect(&[0, 1]);
}

/// Fails if one who sleeps again does not look again, or is not known to: a candidate that is woken since the first initialiser
/// has failed finds another at work, which waits for its lock. Three threads.
#[test]
fn woken_in_vain() {
    let ends = Ends::default();
    let seen = ends.clone();
    explore_bounded(3, [145, 462], &["once.failed"], move || {
        find_deadlocks();
        let shared = Shared::new((OrderedMutex::new(1, ()), OnceCell::new()));
        let judge = ends.judge();
        spawn({
            let (shared, judge) = (shared.clone(), judge.clone());
            move || {
                let failed = shared.1.get_or_try_init_within(|| Err(()), Limit::NEVER);
                drop(failed);
                make_under(&shared.1, &judge, 1, || shared.0.lock());
            }
        });
        let held = shared.0.lock().unwrap();
        judge.note((0, get(&shared.1, || 1)));
        drop(held);
    });
    seen.expect(&[0, 1]);
}

/// Fails if a thread is reported that is about to be let in: readers that a writer lets in, of which one goes on to wait for the value that
/// another makes, while that is not awake yet. Three threads, no deadlock.
#[test]
fn let_in_and_not_awake() {
    explore_bounded(2, [294, 2_197], &["rw.readers-let-in"], || {
        find_deadlocks();
        let shared = Shared::new((OrderedRwLock::new(1, ()), OnceCell::new()));
        let held = shared.0.write().unwrap();
        let judge = Judge::new(|ends: Vec<End>| assert!(!ends.contains(&Deadlock), "{ends:?}"));
        spawn({
            let (shared, judge) = (shared.clone(), judge.clone());
            move || {
                let _ = shared.1.get_or_init_within(
                    || {
                        judge.note(End::from(&shared.0.read()));
                        1
                    },
                    Limit::NEVER,
                );
            }
        });
        spawn({
            let (shared, judge) = (shared.clone(), judge.clone());
            move || {
                let held = shared.0.read();
                judge.note(End::from(&held));
                judge.note(get(&shared.1, || 2));
            }
        });
        drop(held);
    });
}

/// Fails if a reader is taken to wait for readers: one that a writer which has given up is about to let in. Three threads. While the
/// writer sleeps there is a cycle, of which it is a member.
#[test]
fn writer_ahead_gives_up() {
    explore_bounded(3, [1_630, 184_983], &["rw.let-in-by-a-leaver"], || {
        find_deadlocks();
        let shared = Shared::new((OrderedRwLock::new(1, ()), OnceCell::new()));
        let held = shared.0.read().unwrap();
        let three = |cycle: &Cycle| assert_eq!(cycle.len(), 3, "{cycle}");
        spawn({
            let shared = shared.clone();
            move || {
                let made = shared.1.get_or_try_init_within(|| shared.0.read().map(|_| 1), Limit::NEVER);
                if let Err(InitError::Init(LockError::Deadlock { cycle, .. })) = made {
                    three(&cycle);
                }
            }
        });
        spawn({
            let shared = shared.clone();
            move || match shared.0.write_within(Duration::ZERO) {
                Ok(_) | Err(LockError::Stopped { .. }) => {}
                other => panic!("{other:?}"),
            }
        });
        if let Err(InitError::Deadlock { cycle, .. }) = shared.1.get_or_init_within(|| 2, Limit::NEVER) {
            three(&cycle);
        }
        drop(held);
    });
}

/// Fails if a writer that lets go wakes another although a reader has just gone to sleep: if the lock is read then, the reader waits for
/// whoever reads, with no writer ahead of it, and a cycle through it is missed. Three threads.
#[test]
fn reader_that_has_just_come() {
    explore_bounded(2, [498, 358_681], &["rw.readers-came"], || {
        find_deadlocks();
        let shared = Shared::new((OrderedRwLock::new(1, ()), OnceCell::new()));
        let held = shared.0.write().unwrap();
        spawn({
            let shared = shared.clone();
            move || drop(shared.0.write())
        });
        spawn({
            let shared = shared.clone();
            move || {
                let _ = shared.1.get_or_try_init_within(|| shared.0.read().map(|_| 1), Limit::NEVER);
            }
        });
        drop(held);
        if let Ok(_held) = shared.0.try_read() {
            let _ = get(&shared.1, || 2);
        }
    });
}

/// Fails if the limit of a member that passes in the moment of the error leaves anybody asleep, or if both are taken for one.
/// Two threads.
#[test]
fn limit_in_the_same_moment() {
    explore_bounded(2, [33, 495], &["wait.timed-out"], || {
        find_deadlocks();
        let shared = Shared::new((OrderedMutex::new(1, ()), OnceCell::new()));
        let judge = Judge::new(|ends: Vec<(u8, End)>| {
            assert!(ends.iter().filter(|(_, end)| *end == Deadlock).count() <= 1, "{ends:?}");
        });
        spawn({
            let (shared, judge) = (shared.clone(), judge.clone());
            move || make_under(&shared.1, &judge, 1, || shared.0.lock())
        });
        let held = shared.0.lock().unwrap();
        judge.note((0, End::from(&shared.1.get_or_init_within(|| 1, Duration::ZERO))));
        drop(held);
    });
}

/// Fails if a cancel of the member that makes, in the moment of the error, leaves anybody asleep, or if both get the error. Three threads.
#[test]
fn cancel_in_the_same_moment() {
    explore_bounded(2, [91, 23_304], &["wait.cancelled-asleep"], || {
        find_deadlocks();
        let shared = Shared::new((OrderedMutex::new(1, ()), OnceCell::new(), CancelToken::new()));
        let judge = Judge::new(|ends: Vec<(u8, End)>| {
            assert!(ends.iter().filter(|(_, end)| *end == Deadlock).count() <= 1, "{ends:?}");
        });
        spawn({
            let (shared, judge) = (shared.clone(), judge.clone());
            move || {
                make_under(&shared.1, &judge, 1, || shared.0.lock_within(&shared.2));
            }
        });
        spawn({
            let shared = shared.clone();
            move || shared.2.cancel()
        });
        let held = shared.0.lock().unwrap();
        judge.note((0, get(&shared.1, || 2)));
        drop(held);
    });
}

/// Fails if a call that has no error panics although the limit of another ends the wait. Two threads.
#[test]
fn limit_of_another() {
    explore_bounded(3, [103, 350], &["wait.timed-out"], || {
        find_deadlocks();
        let shared = Shared::new((OrderedMutex::new(1, ()), OnceCell::new()));
        spawn({
            let shared = shared.clone();
            move || {
                let _ =
                    shared.1.get_or_try_init_within(|| shared.0.lock_within(Duration::ZERO).map(|_| 2), Limit::NEVER);
            }
        });
        let held = shared.0.lock().unwrap();
        assert!([1, 2].contains(shared.1.get_or_init(|| 1)));
        drop(held);
    });
}

/// Fails if edges go by id: the thread waits for a lock with the id of one that the other holds. Two threads, no deadlock.
#[test]
fn one_id_twice() {
    explore([27, 18], &[], || {
        find_deadlocks();
        let shared = Shared::new(([1, 1].map(|id| OrderedMutex::new(id, ())), OnceCell::new()));
        let judge = Judge::new(|ends: Vec<(u8, End)>| assert!(ends.iter().all(|(_, end)| *end == Went), "{ends:?}"));
        spawn({
            let (shared, judge) = (shared.clone(), judge.clone());
            move || {
                drop(shared.0[1].lock().unwrap());
                make_under(&shared.1, &judge, 1, || shared.0[1].lock());
            }
        });
        let held = shared.0[0].lock().unwrap();
        judge.note((0, get(&shared.1, || 1)));
        drop(held);
    });
}

/// Fails if the report of a cycle does not name its members in order. Two threads.
#[test]
fn the_cycle_is_named() {
    let texts = Arc::new(Mutex::new(BTreeSet::new()));
    let seen = texts.clone();
    explore([858, 109], &[], move || {
        find_deadlocks();
        let shared = Shared::new((OrderedMutex::new(1, ()), OnceCell::new()));
        spawn({
            let shared = shared.clone();
            move || {
                let _ = shared.1.get_or_try_init(|| shared.0.lock().map(|_| 1));
            }
        });
        let held = shared.0.lock().unwrap();
        if let Err(InitError::Deadlock { cycle, .. }) = shared.1.get_or_init_within(|| 2, Limit::NEVER) {
            let whats = cycle.iter().map(|wait| wait.what().to_string());
            texts.lock().unwrap().insert(whats.collect::<Vec<_>>().join(", "));
        }
        drop(held);
    });
    if std::env::var_os("RADDLE_MUTANT").is_none() {
        assert_eq!(Vec::from_iter(seen.lock().unwrap().iter()), ["the value of a cell, lock 1"]);
    }
}

/// Fails if a call that has no error hangs with, or panics beside, a member that has one and might be cancelled, but is not: that one
/// gets the error, whoever comes last. Two threads.
#[test]
fn token_of_another() {
    let ends = Ends::default();
    let seen = ends.clone();
    explore([858, 109], &[], move || {
        find_deadlocks();
        let shared = Shared::new((OrderedMutex::new(1, ()), OnceCell::new(), CancelToken::new()));
        let judge = ends.judge();
        spawn({
            let (shared, judge) = (shared.clone(), judge.clone());
            move || {
                make_under(&shared.1, &judge, 1, || shared.0.lock_within(&shared.2));
            }
        });
        let held = shared.0.lock().unwrap();
        assert!([1, 2].contains(shared.1.get_or_init(|| 1)));
        drop(held);
    });
    seen.expect(&[1]);
}

/// Fails if a reader behind two writers is taken to be free once the first has given up, so that the cycle is missed; or if it is reported
/// without a writer. Four threads: the second writer may join before the first has given up.
#[test]
fn second_writer() {
    explore_bounded_on_both(2, [2_361, 181_957], &["wait.timed-out"], || {
        find_deadlocks();
        let shared = Shared::new((OrderedRwLock::new(1, ()), OnceCell::new()));
        let held = shared.0.read().unwrap();
        let three = |cycle: &Cycle| assert_eq!(cycle.len(), 3, "{cycle}");
        spawn({
            let shared = shared.clone();
            move || {
                let made = shared.1.get_or_try_init_within(|| shared.0.read().map(|_| 1), Limit::NEVER);
                if let Err(InitError::Init(LockError::Deadlock { cycle, .. })) = made {
                    three(&cycle);
                }
            }
        });
        for limit in [Limit::from(Duration::ZERO), Limit::NEVER] {
            let shared = shared.clone();
            spawn(move || {
                let _ = shared.0.write_within(limit);
            });
        }
        if let Err(InitError::Deadlock { cycle, .. }) = shared.1.get_or_init_within(|| 2, Limit::NEVER) {
            three(&cycle);
        }
        drop(held);
    });
}

/// Fails if a thread that writes, becomes a reader and waits for a cell hangs with the one that makes it and waits to write. Two
/// threads.
#[test]
fn downgraded_against_a_writer() {
    let ends = Ends::default();
    let seen = ends.clone();
    explore([1_281, 144], &[], move || {
        find_deadlocks();
        let shared = Shared::new((OrderedRwLock::new(1, ()), OnceCell::new()));
        let judge = ends.judge();
        let held = shared.0.write().unwrap();
        spawn({
            let (shared, judge) = (shared.clone(), judge.clone());
            move || make_under(&shared.1, &judge, 1, || shared.0.write())
        });
        let held = Guard::downgrade(held);
        judge.note((0, get(&shared.1, || 1)));
        drop(held);
    });
    seen.expect(&[0, 1]);
}

/// Fails if a reader that slept for a writer which has become a reader is taken to wait for it still. Two threads.
#[test]
fn downgraded_with_a_reader_asleep() {
    let ends = Ends::default();
    let seen = ends.clone();
    explore([2_141, 156], &[], move || {
        find_deadlocks();
        let shared = Shared::new((OrderedRwLock::new(1, ()), OnceCell::new()));
        let judge = ends.judge();
        let held = shared.0.write().unwrap();
        spawn({
            let (shared, judge) = (shared.clone(), judge.clone());
            move || make_under(&shared.1, &judge, 1, || shared.0.read())
        });
        let held = Guard::downgrade(held);
        judge.note((0, get(&shared.1, || 1)));
        drop(held);
    });
    seen.expect(&[]);
}
