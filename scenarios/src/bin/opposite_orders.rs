//! Opposite lock orders: "move Li from Xiehe to Ruijin" and "move Wang from Ruijin to Xiehe" come at the same time.
//!
//! Each move locks where it takes from, then where it brings to. With plain mutexes the two wait for each other for ever
//! (`--naive`). [`lock_all`] takes both in the order of their ids, whichever way they are named, and lends them in the order
//! in which they were named, so that no move ever goes the wrong way.

use std::process::ExitCode;
use std::sync::{Arc, Barrier};
use std::thread;
use std::time::Duration;

use parking_lot::Mutex;
use raddle::{LockError, OrderedMutex, WaitGroup, lock_all};
use scenarios::Outcome;

type Staff = Vec<&'static str>;

/// How often everybody moves there and back.
const ROUNDS: usize = 1_000;

fn main() -> ExitCode {
    scenarios::run(cured, naive)
}

fn transfer(name: &str, from: &OrderedMutex<Staff>, to: &OrderedMutex<Staff>) -> Result<bool, LockError> {
    let mut both = lock_all((from, to))?;
    let (from, to) = both.split_mut();
    Ok(relocate(name, from, to))
}

fn relocate(name: &str, from: &mut Staff, to: &mut Staff) -> bool {
    let at = from.iter().position(|&one| one == name);
    to.extend(at.map(|at| from.swap_remove(at)));
    at.is_some()
}

fn cured() -> Outcome {
    let xiehe = OrderedMutex::new(1, vec!["Li"]);
    let ruijin = OrderedMutex::new(2, vec!["Wang"]);
    let commute = |name, home, away| {
        for _ in 0..ROUNDS {
            // Nobody but this thread moves them: a move that finds them elsewhere went the wrong way.
            assert!(transfer(name, home, away)? && transfer(name, away, home)?);
        }
        Ok::<_, LockError>(())
    };
    let commute = &commute;
    thread::scope(|threads| {
        let li = threads.spawn(|| commute("Li", &xiehe, &ruijin));
        let wang = threads.spawn(|| commute("Wang", &ruijin, &xiehe));
        [li, wang].into_iter().try_for_each(|one| one.join().expect("every move goes the way it was asked to go"))
    })
    .map_err(|error| error.to_string())?;
    println!("{} moves in opposite directions are done", 4 * ROUNDS);

    // A mistake that would lock a site against itself is an error instead.
    let refused = transfer("Li", &xiehe, &xiehe).expect_err("one lock cannot be taken twice");
    println!("from a site to itself: {refused}");

    // As many sites as there happen to be: a closed hospital sends its staff to all the others.
    let sites: Vec<_> = (0..8).map(|id| OrderedMutex::new(10 + id, Staff::new())).collect();
    let open = sites.iter().rev().chain([&xiehe, &ruijin]).collect::<Vec<_>>();
    let mut all = lock_all(open).map_err(|error| error.to_string())?;
    let mut lent = all.split_mut();
    let closed = lent.pop().expect("ten sites were named");
    for (name, site) in closed.drain(..).zip(lent) {
        site.push(name);
    }
    drop(all);

    let places = [
        xiehe.into_inner(),
        ruijin.into_inner(),
        sites.into_iter().next_back().map(OrderedMutex::into_inner).unwrap_or_default(),
    ];
    match &places {
        [xiehe, ruijin, last] if *xiehe == ["Li"] && ruijin.is_empty() && *last == ["Wang"] => {
            Ok("everybody is where the last move brought them".to_owned())
        }
        places => Err(format!("people are in the wrong places: {places:?}")),
    }
}

/// The same moves with plain mutexes, each thread being given the time to take its first.
fn naive() -> Outcome {
    let sites = Arc::new([Mutex::new(vec!["Li"]), Mutex::new(vec!["Wang"])]);
    let (movers, both_hold_one) = (Arc::new(WaitGroup::new()), Arc::new(Barrier::new(2)));
    for (name, from, to) in [("Li", 0, 1), ("Wang", 1, 0)] {
        let (sites, both_hold_one, at_work) = (sites.clone(), both_hold_one.clone(), movers.worker_owned());
        thread::spawn(move || {
            let _at_work = at_work;
            let mut from = sites[from].lock();
            both_hold_one.wait();
            relocate(name, &mut from, &mut sites[to].lock());
        });
    }
    match movers.wait_within(Duration::from_secs(1)) {
        Ok(()) => Err("both moves went through".to_owned()),
        Err(_) => Ok(format!(
            "deadlock: {} movers hold a site each and have waited for the other's for a second",
            movers.count()
        )),
    }
}
