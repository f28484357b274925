//! The end of a run: a table per group with ratios to the best peer, the goals, and what the gate rejected.

use std::time::SystemTime;

use super::free_table::{self, Seen};
use super::goal::{FAST, Goal, What};
use super::group::Group;
use super::outcome::Outcome;
use super::tally::Tally;
use super::team::Gating;

/// An outcome with the median that this run measured.
type Measured<'a> = (&'a Outcome, f64);

pub(crate) fn print<'a>(group: &Group, outcomes: &'a [Outcome], started: SystemTime) {
    let measured: Vec<Measured<'a>> =
        outcomes.iter().filter_map(|one| Some((one, one.median(What::Time, started)?))).collect();
    if measured.is_empty() {
        return;
    }
    if group.is_free() {
        print_free(group, &measured);
    } else {
        print_table(group, &measured);
    }
    for (what, name) in [(What::Spread, "most over least operations of a thread"), (What::Longest, "longest wait, us")]
    {
        if !group.is_free() {
            print_fairness(&measured, what, name, started);
        }
    }
    for goal in &group.goals {
        let of = |(one, _): &Measured<'a>| Some((*one, one.median(goal.what, started)?));
        print_goal(goal, &measured, &measured.iter().filter_map(of).collect::<Vec<_>>());
    }
    print_gate(&measured, started);
}

fn median(measured: &[Measured], name: &str, parameter: &str) -> Option<f64> {
    let found = measured.iter().find(|(one, _)| one.name == name && one.shape.parameter == parameter);
    found.map(|(_, median)| *median)
}

/// The least of these medians; none unless all were measured, since the best of some is no ratio to report.
fn best<'a>(measured: &[Measured], of: impl Iterator<Item = (&'a str, &'a str)>) -> Option<f64> {
    let medians: Option<Vec<_>> = of.map(|(name, parameter)| median(measured, name, parameter)).collect();
    medians?.into_iter().reduce(f64::min)
}

fn print_table(group: &Group, measured: &[Measured]) {
    let (mut names, mut columns) = (Vec::new(), Vec::new());
    for (one, _) in measured {
        let column = (one.shape.parameter.as_str(), one.gating);
        names.extend((!names.contains(&one.name)).then_some(one.name));
        columns.extend((!columns.contains(&column)).then_some(column));
    }
    println!("\n{}: median ns per operation of each measured thread, and x the best peer", group.name);
    print!("{:16}", "");
    for (parameter, gating) in &columns {
        let mark = if *gating == Gating::Gated { ' ' } else { '*' };
        print!("{parameter:>11}{mark}{:7}", "");
    }
    for name in names {
        print!("\n{name:16}");
        for (parameter, _) in &columns {
            let peer = best(measured, group.peers_at(parameter).map(|peer| (peer, *parameter)));
            match (median(measured, name, parameter), peer) {
                (Some(median), Some(peer)) => print!("{median:11.2} x{:<6.2}", median / peer),
                (Some(median), None) => print!("{median:11.2}{:8}", ""),
                (None, _) => print!("{:19}", ""),
            }
        }
    }
    println!();
    if let Some((_, gating)) = columns.iter().find(|(_, gating)| *gating != Gating::Gated) {
        println!("  * {}: neither pinned nor gated", gating.label());
    }
}

/// What of the fairness of shared operations is known, if any is.
fn print_fairness(measured: &[Measured], what: What, name: &str, started: SystemTime) {
    let unit = if what == What::Longest { 1e3 } else { 1.0 };
    for (outcome, _) in measured {
        if let Some(median) = outcome.median(what, started) {
            println!("  {name}: {}/{} {:.1}", outcome.name, outcome.shape.parameter, median / unit);
        }
    }
}

/// Free threads: a table for each parameter.
fn print_free(group: &Group, measured: &[Measured]) {
    println!("\n{}: {}", group.name, free_table::LEGEND);
    let mut parameters: Vec<_> = measured.iter().map(|(one, _)| one.shape.parameter.as_str()).collect();
    parameters.dedup();
    for parameter in parameters {
        let at = group.entries.iter().filter(|entry| entry.shape.parameter == parameter);
        let seen = at.filter_map(|entry| {
            let (one, _) =
                measured.iter().find(|(one, _)| one.name == entry.name && one.shape.parameter == parameter)?;
            Seen::of(entry.role, entry.name, &one.tally.runs)
        });
        free_table::print(&format!("{} / {parameter} threads", group.name), &seen.collect::<Vec<_>>());
    }
}

fn print_goal(goal: &Goal, times: &[Measured], measured: &[Measured]) {
    let (name, parameter) = &goal.ours;
    let against = || goal.against.iter().map(|(name, parameter)| (*name, parameter.as_str()));
    let Some(fastest) = best(times, against()) else { return };
    let fast = |one: &(&str, &str)| median(times, one.0, one.1).is_some_and(|time| time * FAST <= fastest);
    let others = || against().filter(|one| !goal.fast || fast(one));
    let (Some(ours), Some(best)) = (median(measured, name, parameter), best(measured, others())) else {
        return;
    };
    let ratio = goal.what.ratio(ours, best);
    let verdict = if ratio <= goal.at_most { "met" } else { "MISSED" };
    let others: Vec<_> = others().map(|(name, parameter)| format!("{name}/{parameter}")).collect();
    let (what, others, goal) = (goal.what.label(), others.join(" or "), goal.at_most);
    println!("  {verdict:6} {what} of {name}/{parameter} is {ratio:.2} x {others} (goal: at most {goal:.2})");
}

/// Prints what the gate rejected, and saves it beside each benchmark's estimates.
fn print_gate(measured: &[Measured], started: SystemTime) {
    for (outcome, _) in measured {
        let Tally { samples, chunks, switched_out, uneven_starts, unclean_samples, .. } = outcome.tally;
        let (name, parameter, rejected) = (outcome.name, &outcome.shape.parameter, switched_out + uneven_starts);
        if let Err(error) = outcome.save_tally(started) {
            eprintln!("{name}/{parameter}: gate.json not written: {error}");
        }
        if rejected > 0 {
            print!("  gate: {name}/{parameter} kept {chunks} chunks and rejected {rejected}");
            print!(" ({switched_out} switched out, {uneven_starts} uneven starts)");
        }
        match unclean_samples {
            0 if rejected > 0 => println!(),
            0 => {}
            unclean => println!("; {unclean} of {samples} samples kept UNCLEAN"),
        }
    }
    println!("  gate: no other chunk rejected");
}
