//! Whether the end is right, by a plain replay that shares nothing with the threads but the rows.

use std::collections::{HashMap, HashSet};

use crate::cured::Outcome;
use crate::input::{Input, Move};
use crate::report::Kind;
use crate::site::Way;

/// The rows one after the other, without locks: where everyone starts and ends.
#[derive(Default)]
struct Replay {
    start: HashMap<usize, usize>,
    end: HashMap<usize, usize>,
    done: usize,
    self_moves: usize,
    not_there: usize,
}

fn replay(moves: &[Move]) -> Replay {
    let mut replay = Replay::default();
    for row in moves {
        if row.from == row.to {
            replay.self_moves += 1;
            continue;
        }
        replay.start.entry(row.researcher).or_insert(row.from);
        let at = replay.end.entry(row.researcher).or_insert(row.from);
        if *at == row.from {
            *at = row.to;
            replay.done += 1;
        } else {
            replay.not_there += 1;
        }
    }
    replay
}

/// What was checked, or what is wrong.
pub(crate) fn check(input: &Input, outcome: &Outcome) -> Result<String, Vec<String>> {
    let replay = replay(&input.moves);
    let mut faults = outcome.failures.clone();
    counts(input, outcome, &replay, &mut faults);
    places(input, outcome, &replay, &mut faults);
    ledgers(input, outcome, &replay, &mut faults);
    if faults.is_empty() {
        Ok(format!(
            "{} researchers stand once each, where a single-threaded replay puts them; \
             {} departures and as many arrivals lead there",
            replay.end.len(),
            replay.done
        ))
    } else {
        Err(faults)
    }
}

fn counts(input: &Input, outcome: &Outcome, replay: &Replay, faults: &mut Vec<String>) {
    let rejected = &outcome.rejected;
    for (what, found, expected) in [
        ("moves done", outcome.done, replay.done),
        ("self-moves", rejected.count(Kind::SelfMove), replay.self_moves),
        ("moves from elsewhere", rejected.count(Kind::NotThere), replay.not_there),
        ("rows", outcome.done + rejected.total(), input.rows()),
    ] {
        if found != expected {
            faults.push(format!("{what}: {found}, not {expected}"));
        }
    }
}

/// Everyone stands at one site, and the right one.
fn places(input: &Input, outcome: &Outcome, replay: &Replay, faults: &mut Vec<String>) {
    let site = |number: usize| input.sites.name(number);
    let mut found = HashMap::new();
    for (here, at) in outcome.sites.iter().zip(0..) {
        for &researcher in &here.present {
            let who = input.researchers.name(researcher);
            if let Some(other) = found.insert(researcher, at) {
                faults.push(format!("{who} is doubled: at {} and at {}", site(other), site(at)));
            }
            if !replay.end.contains_key(&researcher) {
                faults.push(format!("{who} is at {}, out of nowhere", site(at)));
            }
        }
    }
    for (researcher, &end) in &replay.end {
        let who = input.researchers.name(*researcher);
        match found.get(researcher) {
            None => faults.push(format!("{who} is lost, and should be at {}", site(end))),
            Some(&at) if at != end => {
                faults.push(format!("{who} is at {}, not at {}", site(at), site(end)));
            }
            Some(_) => {}
        }
    }
}

/// Each ledger leads, entry by entry, from who started at its site to who is present; and together
/// they let as many in as out.
fn ledgers(input: &Input, outcome: &Outcome, replay: &Replay, faults: &mut Vec<String>) {
    let mut present = vec![HashSet::new(); outcome.sites.len()];
    for (researcher, start) in &replay.start {
        present[*start].insert(*researcher);
    }
    let (mut arrivals, mut departures) = (0, 0);
    for (number, (site, mut present)) in outcome.sites.iter().zip(present).enumerate() {
        let name = input.sites.name(number);
        for entry in &site.ledger {
            let (fits, way) = match entry.way {
                Way::In => {
                    arrivals += 1;
                    (present.insert(entry.researcher), "in")
                }
                Way::Out => {
                    departures += 1;
                    (present.remove(&entry.researcher), "out")
                }
            };
            if !fits {
                let who = input.researchers.name(entry.researcher);
                faults.push(format!("{name}: {who} goes {way} twice, at line {}", entry.line));
            }
        }
        if present != site.present {
            faults.push(format!("{name}: its ledger does not lead to who is present"));
        }
    }
    if (arrivals, departures) != (replay.done, replay.done) {
        faults.push(format!("{departures} departures, {arrivals} arrivals, {} moves", replay.done));
    }
}
