//! Looking around: a few points, chosen on the command line, and a table of each as soon as it is measured. Nothing is kept.

use std::time::Duration;

use crate::one;
use crate::point::Point;
use crate::run::{READ, Run};
use crate::support::Role;
use crate::work;

const USAGE: &str = "\
usage: cargo bench --bench contended -- --explore WHAT [OPTIONS]

WHAT is one (mutex).

  --threads N,...     2, 3, 4, 8, 16, 32 and 64 unless given
  --section US,...    time with the lock, in microseconds: 0, 0.1, 0.3, 3 and 30 unless given
  --outside HOW       none: no work without the lock; equal: as much as with it; both, unless given
  --only NAME,...     only these implementations
  --runs N            of each, in turns; 5 unless given
  --ms N              the length of a run; 200 unless given";

struct Options {
    what: String,
    threads: Vec<usize>,
    sections: Vec<f64>,
    outside: Vec<bool>,
    only: Vec<String>,
    runs: usize,
    length: Duration,
}

/// Explores, if that is what the command line asks for.
pub(crate) fn asked() -> bool {
    let args: Vec<_> = std::env::args().skip(1).filter(|arg| arg != "--bench").collect();
    if !args.iter().any(|arg| arg == "--explore") {
        return false;
    }
    match options(&args) {
        Ok(options) => explore(&options),
        Err(why) => {
            eprintln!("{why}\n\n{USAGE}");
            std::process::exit(2);
        }
    }
    true
}

fn options(args: &[String]) -> Result<Options, String> {
    let mut options = Options {
        what: String::new(),
        threads: vec![2, 3, 4, 8, 16, 32, 64],
        sections: vec![0.0, 0.1, 0.3, 3.0, 30.0],
        outside: vec![false, true],
        only: Vec::new(),
        runs: 5,
        length: Duration::from_millis(200),
    };
    let mut args = args.iter();
    while let Some(arg) = args.next() {
        let value = args.next().ok_or_else(|| format!("{arg} wants a value"))?;
        match arg.as_str() {
            "--explore" => options.what = value.clone(),
            "--threads" => options.threads = list(value)?,
            "--section" => options.sections = list(value)?,
            "--outside" => {
                options.outside = match value.as_str() {
                    "none" => vec![false],
                    "equal" => vec![true],
                    "both" => vec![false, true],
                    _ => return Err(format!("--outside {value}")),
                }
            }
            "--only" => options.only = list(value)?,
            "--runs" => options.runs = number(value)?,
            "--ms" => options.length = Duration::from_millis(number(value)?),
            _ => return Err(format!("{arg} is no option")),
        }
    }
    Ok(options)
}

fn number<T: std::str::FromStr>(text: &str) -> Result<T, String> {
    text.parse().map_err(|_| format!("{text}: what number is that?"))
}

fn list<T: std::str::FromStr>(text: &str) -> Result<Vec<T>, String> {
    text.split(',').map(number).collect()
}

fn explore(options: &Options) {
    println!("a round of work takes {:.2} ns; {} runs of {:?} each", work::round(), options.runs, options.length);
    println!("M/s: million operations a second; waits in ms; even: the slowest thread's count over the fastest's");
    match options.what.as_str() {
        "one" => {
            for &section in &options.sections {
                for &outside in &options.outside {
                    // Nothing outside is as much as nothing inside.
                    if outside && section == 0.0 && options.outside.len() > 1 {
                        continue;
                    }
                    for &threads in &options.threads {
                        let inside = Duration::from_secs_f64(section / 1e6);
                        let point = one::point(threads, inside, if outside { inside } else { Duration::ZERO });
                        let about = if outside { ", as much outside" } else { "" };
                        show(&format!("one lock, {threads} threads, {section} us{about}"), point, options);
                    }
                }
            }
        }
        other => {
            eprintln!("{other}?\n\n{USAGE}");
            std::process::exit(2);
        }
    }
}

fn show(about: &str, mut point: Point, options: &Options) {
    point.contenders.retain(|one| options.only.is_empty() || options.only.iter().any(|name| name == one.name));
    let found = point.runs(options.runs, options.length);
    println!("\n{about:44}  least  median    most M/s | wait median   most | even median least");
    let mut medians = Vec::new();
    for (contender, runs) in point.contenders.iter().zip(&found) {
        let rates = sorted(runs, Run::rate);
        let waits = sorted(runs, |run| run.longest[READ].as_secs_f64() * 1e3);
        let even = sorted(runs, Run::evenness);
        let middle = rates.len() / 2;
        println!(
            "  {:42} {:6.3} {:7.3} {:7.3}     | {:11.3} {:6.2} | {:11.2} {:5.2}",
            contender.name,
            rates[0],
            rates[middle],
            rates[rates.len() - 1],
            waits[middle],
            waits[waits.len() - 1],
            even[middle],
            even[0],
        );
        medians.push((contender, rates[middle], waits[middle], even[middle]));
    }
    ratio(&medians);
}

type Medians<'a> = (&'a crate::point::Contender, f64, f64, f64);

/// Ours beside the best peer, and beside those that reach 0.95 of its rate.
fn ratio(medians: &[Medians]) {
    let ours = medians.iter().find(|one| one.0.role == Role::Ours);
    let peers = || medians.iter().filter(|one| one.0.role == Role::Peer);
    let best = peers().max_by(|a, b| a.1.total_cmp(&b.1));
    let (Some(ours), Some(best)) = (ours, best) else { return };
    let fast = || peers().filter(|peer| peer.1 >= 0.95 * best.1);
    let wait = fast().map(|peer| peer.2).fold(f64::INFINITY, f64::min);
    let even = fast().map(|peer| peer.3).fold(0.0, f64::max);
    println!(
        "  = {:.2} of {}'s rate; {:.2} of the shortest wait and {:.2} of the evenness of those as fast",
        ours.1 / best.1,
        best.0.name,
        ours.2 / wait,
        ours.3 / even,
    );
}

fn sorted(runs: &[Run], of: impl Fn(&Run) -> f64) -> Vec<f64> {
    let mut all: Vec<_> = runs.iter().map(of).collect();
    all.sort_by(f64::total_cmp);
    all
}
