//! The harness that every benchmark program shares: a standing team of pinned threads or runs of free ones, groups that refuse to run
//! without their peers, and a summary read from Criterion's own files.
//!
//! A program lists its [`Group`]s and hands them to [`run`].

#[allow(dead_code, reason = "not every program has free threads")]
pub(crate) mod free;
#[allow(dead_code, reason = "not every program has a table of its own")]
pub(crate) mod free_table;
mod goal;
mod group;
mod home;
mod inventory;
pub(crate) mod line;
mod nanoseconds;
mod outcome;
mod processors;
mod shape;
mod summary;
mod tally;
mod team;
mod turns;

use std::io::IsTerminal;
use std::time::{Duration, SystemTime};

use criterion::Criterion;

#[allow(unused_imports, reason = "not every program has such goals")]
pub(crate) use goal::What;
pub(crate) use group::{Group, Role};
use nanoseconds::Nanoseconds;
#[allow(unused_imports, reason = "not every program has teams")]
pub(crate) use shape::Shape;
#[allow(unused_imports, reason = "not every program has free threads")]
pub(crate) use tally::Run;
#[allow(unused_imports, reason = "not every program has operations that all share")]
pub(crate) use tally::Served;
#[allow(unused_imports, reason = "not every program has teams")]
pub(crate) use team::Op;

/// Measures every group and prints what it found. Criterion's own flags (`--quick`, `--save-baseline`, a filter, ...)
/// all work, and win over the times set here.
///
/// # Panics
/// Before anything is measured, if a group lacks one of its peers.
pub(crate) fn run(groups: &[Group]) {
    let started = SystemTime::now();
    home::enter_root();
    groups.iter().for_each(Group::check);
    if let Err(error) = inventory::save(groups) {
        eprintln!("inventory not written: {error}");
    }
    let total: u32 = groups.iter().map(Group::len).sum();
    let free = groups.iter().all(Group::is_free);
    let mut criterion = Criterion::default()
        .with_measurement(Nanoseconds)
        .warm_up_time(Duration::from_millis(200))
        .measurement_time(Duration::from_millis(1_600))
        // Runs of free threads are long.
        .sample_size(if free { free::SAMPLES as usize } else { 40 })
        .nresamples(10_000)
        .configure_from_args();
    if free {
        // Ten runs have no density to draw.
        criterion = criterion.without_plots();
    }

    eprintln!(
        "{total} benchmarks, about {} s in full, less than half with --quick; {}",
        groups.iter().map(Group::time).sum::<Duration>().as_secs(),
        processors::description(),
    );
    let mut number = 0;
    // Criterion leaves its "Warming up" on a terminal's line, to write over it.
    let clear = if std::io::stderr().is_terminal() { "\r\x1b[K" } else { "" };
    let outcomes: Vec<_> = groups
        .iter()
        .map(|group| {
            group.measure(&mut criterion, |id| {
                number += 1;
                eprintln!("{clear}[{number}/{total}] {id}");
            })
        })
        .collect();

    criterion.final_summary();
    for (group, outcomes) in groups.iter().zip(&outcomes) {
        summary::print(group, outcomes, started);
    }
}
