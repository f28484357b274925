//! What runs of free threads come to, as a table: how much was done and how long somebody waited, side by side.

use super::goal::What;
use super::group::Role;
use super::tally::Run;

/// The runs of one implementation, each figure sorted.
pub(crate) struct Seen {
    role: Role,
    name: &'static str,
    rates: Vec<f64>,
    /// In milliseconds; a writer's are none where there is one kind of operation.
    waits: Vec<f64>,
    write_waits: Vec<f64>,
    even: Vec<f64>,
}

impl Seen {
    /// None of no run.
    pub(crate) fn of(role: Role, name: &'static str, runs: &[Run]) -> Option<Self> {
        let milliseconds = |time: std::time::Duration| time.as_secs_f64() * 1e3;
        (!runs.is_empty()).then(|| Self {
            role,
            name,
            rates: sorted(runs.iter().map(Run::rate)),
            waits: sorted(runs.iter().map(|run| milliseconds(run.wait))),
            write_waits: sorted(runs.iter().filter_map(|run| run.write_wait).map(milliseconds)),
            even: sorted(runs.iter().map(Run::evenness)),
        })
    }
}

fn sorted(values: impl Iterator<Item = f64>) -> Vec<f64> {
    let mut values: Vec<_> = values.collect();
    values.sort_by(f64::total_cmp);
    values
}

/// Of sorted ones.
fn median(sorted: &[f64]) -> f64 {
    sorted[sorted.len() / 2]
}

fn most(sorted: &[f64]) -> f64 {
    sorted[sorted.len() - 1]
}

pub(crate) const LEGEND: &str = "\
M/s: million operations a second; wait: the longest of any thread in a run, in ms;
even: the operations of the thread that got least over those of the one that got most";

/// Prints a line for each of those that took turns, and one that sets ours beside the peers.
pub(crate) fn print(about: &str, seen: &[Seen]) {
    let writes = seen.iter().any(|one| !one.write_waits.is_empty());
    println!("\n{about}");
    print!("  {:16} {:>8} {:>8} {:>8} M/s |", "", "least", "median", "most");
    let wait = if writes { "read wait" } else { "wait" };
    print!(" {:>8} {:>8} {wait} |", "median", "most");
    if writes {
        print!(" {:>8} {:>8} write wait |", "median", "most");
    }
    println!(" {:>6} {:>6} even", "median", "least");
    for Seen { name, rates, waits, write_waits, even, .. } in seen {
        print!("  {name:16} {:8.3} {:8.3} {:8.3}     |", rates[0], median(rates), most(rates));
        print!(" {:8.3} {:8.3} {:width$} |", median(waits), most(waits), "", width = wait.len());
        if writes {
            print!(" {:8.3} {:8.3} {:10} |", median(write_waits), most(write_waits), "");
        }
        println!(" {:6.2} {:6.2}", median(even), even[0]);
    }
    seen.iter().filter(|one| one.role == Role::Ours).for_each(|ours| beside(ours, seen));
}

/// Ours beside the best peer, and beside those that reach 0.95 of its rate.
fn beside(ours: &Seen, seen: &[Seen]) {
    let peers = || seen.iter().filter(|one| one.role == Role::Peer);
    let Some(best) = peers().max_by(|a, b| median(&a.rates).total_cmp(&median(&b.rates))) else { return };
    let fast = || peers().filter(|peer| median(&peer.rates) >= 0.95 * median(&best.rates));
    let shortest = |waits: fn(&Seen) -> &[f64]| {
        let shortest = fast().map(|peer| median(waits(peer))).fold(f64::INFINITY, f64::min);
        What::Longest.ratio(1e6 * median(waits(ours)), 1e6 * shortest)
    };
    let evenest = fast().map(|peer| median(&peer.even)).fold(0.0, f64::max);
    // One to one also where nobody is.
    let even = if median(&ours.even) == evenest { 1.0 } else { median(&ours.even) / evenest };
    print!("  = {}: rate {:.2} x {}", ours.name, median(&ours.rates) / median(&best.rates), best.name);
    let among: Vec<_> = fast().map(|peer| peer.name).collect();
    print!("; of the best of {}: wait {:.2} x", among.join(", "), shortest(|one| &one.waits));
    if !ours.write_waits.is_empty() {
        print!(", write wait {:.2} x", shortest(|one| &one.write_waits));
    }
    println!(", even {even:.2} x");
}
