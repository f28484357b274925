//! Looking around: the points that the command line chooses, and a table of each as soon as it is measured. Nothing is kept.

use std::time::Duration;

use crate::options::{Options, USAGE};
use crate::point::Point;
use crate::support::free_table::{self, Seen};
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
    println!("{}", free_table::LEGEND);
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

fn show(about: &str, mut point: Point, options: &Options) {
    point.contenders.retain(|one| options.only.is_empty() || options.only.iter().any(|name| name == one.name));
    let found = point.runs(options.runs, options.length);
    let both = || point.contenders.iter().zip(&found);
    let seen: Vec<_> = both().filter_map(|(one, runs)| Seen::of(one.role, one.name, runs)).collect();
    free_table::print(about, &seen);
    for (contender, runs) in both().filter(|_| options.each) {
        let runs: Vec<_> = runs.iter().map(|run| format!("{:.3}", run.rate())).collect();
        println!("  {:16} each: {}", contender.name, runs.join(" "));
    }
}
