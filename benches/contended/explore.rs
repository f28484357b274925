//! Looking around: the points that the command line chooses, and a table of each as soon as it is measured. Nothing is kept.

use std::time::Duration;

use crate::options::{Options, USAGE};
use crate::point::{Contender, Point};
use crate::run::{READ, Run, WRITE};
use crate::support::Role;
use crate::{one, others, rwlock, sets, work};

/// Explores, if that is what the command line asks for.
pub(crate) fn asked() -> bool {
    let Some(options) = Options::given() else { return false };
    if let Err(why) = options.and_then(|options| explore(&options)) {
        eprintln!("{why}\n\n{USAGE}");
        std::process::exit(2);
    }
    true
}

fn explore(options: &Options) -> Result<(), String> {
    let points = points(options)?;
    println!("a round of work takes {:.2} ns; {} runs of {:?} each", work::round(), options.runs, options.length);
    println!("M/s: million operations a second; wait: the longest of any thread in a run, in ms;");
    println!("even: the operations of the thread that got least over those of the one that got most");
    for (about, point) in points {
        show(&about, point, options);
    }
    Ok(())
}

fn points(options: &Options) -> Result<Vec<(String, Point)>, String> {
    let threads = || options.threads.iter().copied();
    let mut points = Vec::new();
    match options.what.as_str() {
        "one" => {
            for &section in &options.sections {
                for &equal in &options.outside {
                    // As much as nothing is nothing.
                    if section.is_zero() && equal && options.outside.len() > 1 {
                        continue;
                    }
                    let (outside, about) = if equal { (section, " and outside") } else { (Duration::ZERO, "") };
                    points.extend(threads().map(|threads| {
                        let about = format!("one lock, {threads} threads, {section:?}{about}");
                        (about, one::Setting { threads, section, outside }.point())
                    }));
                }
            }
        }
        "sets" => {
            for &locks in &options.locks {
                let about = |threads| format!("two of {locks} locks, {threads} threads");
                points.extend(threads().map(|threads| (about(threads), sets::point(threads, locks))));
            }
        }
        "rwlock" => {
            for &every in &options.every {
                for &section in &options.sections {
                    points.extend(threads().map(|threads| {
                        let about = format!("1 write in {every}, {threads} threads, {section:?}");
                        (about, rwlock::Setting { threads, every, section }.point())
                    }));
                }
            }
        }
        what => {
            let point = match what {
                "once" => others::once,
                "wait_group" => others::wait_group,
                "cancel" => others::cancel,
                "counter" => others::counter,
                _ => return Err(format!("--explore {what}")),
            };
            points.extend(threads().map(|threads| (format!("{what}, {threads} threads"), point(threads))));
        }
    }
    Ok(points)
}

/// What the runs of one implementation come to.
struct Seen {
    role: Role,
    name: &'static str,
    rates: Vec<f64>,
    waits: [Vec<f64>; 2],
    even: Vec<f64>,
}

impl Seen {
    fn of(contender: &Contender, runs: &[Run]) -> Self {
        let wait = |which: usize| sorted(runs, |run| run.longest[which].as_secs_f64() * 1e3);
        Self {
            role: contender.role,
            name: contender.name,
            rates: sorted(runs, Run::rate),
            waits: [wait(READ), wait(WRITE)],
            even: sorted(runs, Run::evenness),
        }
    }
}

fn sorted(runs: &[Run], of: impl Fn(&Run) -> f64) -> Vec<f64> {
    let mut all: Vec<_> = runs.iter().map(of).collect();
    all.sort_by(f64::total_cmp);
    all
}

fn median(sorted: &[f64]) -> f64 {
    sorted[sorted.len() / 2]
}

fn most(sorted: &[f64]) -> f64 {
    sorted[sorted.len() - 1]
}

fn show(about: &str, mut point: Point, options: &Options) {
    point.contenders.retain(|one| options.only.is_empty() || options.only.iter().any(|name| name == one.name));
    let found = point.runs(options.runs, options.length);
    let seen: Vec<_> = point.contenders.iter().zip(&found).map(|(one, runs)| Seen::of(one, runs)).collect();
    let writes = seen.iter().any(|one| most(&one.waits[WRITE]) > 0.0);
    println!("\n{about}");
    print!("  {:16} {:>8} {:>8} {:>8} M/s |", "", "least", "median", "most");
    print!(" {:>8} {:>8} {} |", "median", "most", if writes { "read wait" } else { "wait" });
    if writes {
        print!(" {:>8} {:>8} write wait |", "median", "most");
    }
    println!(" {:>6} {:>6} even", "median", "least");
    for one in &seen {
        let Seen { name, rates, waits, even, .. } = one;
        print!("  {name:16} {:8.3} {:8.3} {:8.3}     |", rates[0], median(rates), most(rates));
        print!(" {:8.3} {:8.3} {:w$} |", median(&waits[READ]), most(&waits[READ]), "", w = if writes { 9 } else { 4 });
        if writes {
            print!(" {:8.3} {:8.3} {:10} |", median(&waits[WRITE]), most(&waits[WRITE]), "");
        }
        println!(" {:6.2} {:6.2}", median(even), even[0]);
    }
    if options.each {
        for (contender, runs) in point.contenders.iter().zip(&found) {
            let runs: Vec<_> = runs.iter().map(|run| format!("{:.3}", run.rate())).collect();
            println!("  {:16} each: {}", contender.name, runs.join(" "));
        }
    }
    seen.iter().filter(|one| one.role == Role::Ours).for_each(|ours| ratios(ours, &seen, writes));
}

/// Ours beside the best peer, and beside those that reach 0.95 of its rate.
fn ratios(ours: &Seen, seen: &[Seen], writes: bool) {
    let peers = || seen.iter().filter(|one| one.role == Role::Peer);
    let Some(best) = peers().max_by(|a, b| median(&a.rates).total_cmp(&median(&b.rates))) else { return };
    let fast = || peers().filter(|peer| median(&peer.rates) >= 0.95 * median(&best.rates));
    let wait = |which: usize| {
        let shortest = fast().map(|peer| median(&peer.waits[which])).fold(f64::INFINITY, f64::min);
        ratio(median(&ours.waits[which]), shortest)
    };
    let even = ratio(median(&ours.even), fast().map(|peer| median(&peer.even)).fold(0.0, f64::max));
    print!("  = {}: rate {:.2} x {}", ours.name, median(&ours.rates) / median(&best.rates), best.name);
    let among: Vec<_> = fast().map(|peer| peer.name).collect();
    print!("; of the best of {}: wait {:.2} x", among.join(", "), wait(READ));
    if writes {
        print!(", write wait {:.2} x", wait(WRITE));
    }
    println!(", even {even:.2} x");
}

/// One to one also where both are none.
fn ratio(ours: f64, theirs: f64) -> f64 {
    if ours == theirs { 1.0 } else { ours / theirs }
}
