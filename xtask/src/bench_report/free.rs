//! A group of free threads, on the page and in the README: how much was done and how long somebody waited, side by side.

use std::fmt::Write;

use maud::{Markup, html};

use super::figures::{Row, Section, median};
use super::page::scroll;
use super::table::nanoseconds;
use crate::bench_data::{Role, What};

/// What a line of the tables says of one implementation.
struct Line {
    /// Million operations a second: least, median, most.
    rates: [String; 3],
    /// Of the best peer's.
    of_best: String,
    /// Longest waits in milliseconds, of one kind or of reads and writes: median and most.
    waits: Vec<[String; 2]>,
    /// The operations of the thread that got most over those of the one that got least.
    spread: String,
}

impl Line {
    fn of(section: &Section, row: &Row) -> Self {
        let waits = section.waits().iter().map(|what| row.each(*what));
        let milliseconds = |time: f64| nanoseconds(time / 1e6);
        Self {
            rates: row.rates().map(nanoseconds),
            of_best: section.ratio(row).map_or_else(String::new, |ratio| format!("{:.2}", 1.0 / ratio)),
            waits: waits
                .map(|each| [median(&each), each.last().copied().unwrap_or(f64::NAN)].map(milliseconds))
                .collect(),
            spread: row.of(What::Spread).map_or_else(String::new, spread),
        }
    }
}

/// Somebody got next to nothing: how little is chance.
fn spread(most_over_least: f64) -> String {
    if most_over_least < STARVED { nanoseconds(most_over_least) } else { format!("> {STARVED:.0}") }
}

const STARVED: f64 = 1_000.0;

fn headings(section: &Section) -> &'static [&'static str] {
    if section.waits().len() > 1 { &["Read wait", "Write wait"] } else { &["Wait"] }
}

pub(super) fn table(section: &Section) -> Markup {
    let columns = (5 + headings(section).len()).to_string();
    scroll(
        &section.group.name,
        html! {
            table {
                caption {
                    "Million operations a second of all threads together, median of the runs and least to most; the part that "
                    "this is of the best peer's; the longest wait of any thread in a run, ms, median and most; the operations of "
                    "the thread that got most over those of the one that got least."
                }
                thead {
                    tr {
                        th scope="col" { "Name" } th scope="col" { "M/s" } th.broad scope="col" { "Runs" } th scope="col" { "Of best" }
                        @for heading in headings(section) { th scope="col" { (heading) } }
                        th scope="col" { "Spread" }
                    }
                }
                @for parameter in section.group.parameters() {
                    tbody {
                        tr { th.part colspan=(columns) scope="rowgroup" { (parameter) " threads: " (section.winner(parameter)) } }
                        @for row in section.at(parameter) { (line(section, row)) }
                    }
                }
            }
        },
    )
}

fn line(section: &Section, row: &Row) -> Markup {
    let Line { rates: [least, middle, most], of_best, waits, spread } = Line::of(section, row);
    html! {
        tr.ours[row.entry.role == Role::Ours] {
            th scope="row" { span.name { (row.entry.name) } }
            td { (middle) span.thin.soft { (least) " – " (most) } }
            td.broad { (least) " – " (most) }
            td { (of_best) }
            @for [middle, most] in waits { td { (middle) "; " (most) } }
            td { (spread) }
        }
    }
}

pub(super) fn markdown(text: &mut String, section: &Section) {
    let waits = section.waits().len();
    let _ = writeln!(text, "\n**`{}`**\n", section.group.name);
    let wait = headings(section).join(" | ").to_lowercase();
    let _ = writeln!(text, "| threads | | M/s | least to most | of the best | {wait} | spread |");
    let _ = writeln!(text, "| ---: | --- | ---: | ---: | ---: | {}---: |", "---: | ".repeat(waits));
    for parameter in section.group.parameters() {
        for row in section.at(parameter) {
            let Line { rates: [least, middle, most], of_best, waits, spread } = Line::of(section, row);
            let waits: Vec<_> = waits.iter().map(|[middle, most]| format!("{middle}; {most}")).collect();
            let (name, waits) = (&row.entry.name, waits.join(" | "));
            let _ = writeln!(
                text,
                "| {parameter} | `{name}` | {middle} | {least} to {most} | {of_best} | {waits} | {spread} |"
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::figures::tests::free;
    use super::*;
    use crate::bench_data::recorded::recorded;

    #[test]
    fn every_run_is_told_from_least_to_most() {
        let section = free(&recorded());
        let mut text = String::new();
        markdown(&mut text, &section);
        assert!(text.contains("| 2 | `std` | 50.0 | 25.0 to 100 | 1.00 | 1.00; 1.00 | 2.00 |"), "{text}");
        let lines: Vec<_> = text.lines().filter(|line| line.starts_with('|')).collect();
        assert_eq!(lines.len(), 2 + section.rows.len());
        assert!(lines.iter().all(|line| line.matches('|').count() == 8), "{text}");
        let page = table(&section).into_string();
        assert!(page.contains("25.0 – 100") && page.matches("<tbody>").count() == 4, "{page}");
    }

    #[test]
    fn a_starved_thread_has_no_figure() {
        assert_eq!([2.0, 5e6].map(spread), ["2.00", "> 1000"]);
    }
}
