//! The figures as Markdown, for docs/benchmarks.md.

use std::fmt::Write;

use super::figures::{Row, Section};
use super::machine::Conditions;
use super::{free, show_losses};

const LEGEND: &str = "\
Median nanoseconds per operation of each measured thread; in brackets the ratio to the best peer of that column in the same
run. `r` is the share of chunks that the gate rejected, `u` the number of samples that kept one all the same. Columns with an
asterisk have more threads than cores (or threads that cannot be pinned): nothing can be gated there, so they are rough.
Tables with a column `M/s` are of free threads, neither pinned nor gated: million operations a second of all together, the median
of the runs, and what part that is of the best peer's; the longest wait of any thread in a run, in milliseconds, median and most;
`spread`, the operations of the thread that got most over those of the one that got least.
";

pub(super) fn table(sections: &[Section], conditions: &Conditions) -> String {
    let facts: Vec<_> = conditions.facts.iter().map(|(name, value)| format!("{name}: {value}")).collect();
    let mut text = format!("{LEGEND}\n{}.\n", facts.join("; "));
    for section in sections {
        if section.group.free {
            free::markdown(&mut text, section);
        } else {
            section_table(&mut text, section);
        }
    }
    show_losses::markdown(&mut text, sections);
    text
}

fn section_table(text: &mut String, section: &Section) {
    let parameters = section.group.parameters();
    let _ = write!(text, "\n**`{}`**\n\n| |", section.group.name);
    for parameter in &parameters {
        let mark = if section.at(parameter).any(Row::rough) { "*" } else { "" };
        let _ = write!(text, " {}{} |", escape(parameter), mark.replace('*', "\\*"));
    }
    let _ = write!(text, "\n| --- |{}", " ---: |".repeat(parameters.len()));
    for name in section.group.names() {
        let _ = write!(text, "\n| `{name}` |");
        for parameter in &parameters {
            let cell = section.row(name, parameter).map_or_else(String::new, |row| cell(section, row));
            let _ = write!(text, " {cell} |");
        }
    }
    text.push('\n');
    if section.is_shared() {
        shared(text, section);
    }
}

/// How evenly the threads were served.
fn shared(text: &mut String, section: &Section) {
    let parameters = section.group.parameters();
    text.push_str("\nOf the same runs, the most operations of a thread over the least; and the longest wait in milliseconds:\n\n| |");
    for parameter in &parameters {
        let _ = write!(text, " {} |", escape(parameter));
    }
    let _ = write!(text, "\n| --- |{}", " ---: |".repeat(parameters.len()));
    for name in section.group.names() {
        let _ = write!(text, "\n| `{name}` |");
        for gate in parameters.iter().filter_map(|parameter| Some(&section.row(name, parameter)?.gate)) {
            let cell = gate.spread.zip(gate.longest);
            let cell = cell.map(|(spread, longest)| format!("{}; {}", nanoseconds(spread), nanoseconds(longest / 1e6)));
            let _ = write!(text, " {} |", cell.unwrap_or_default());
        }
    }
    text.push('\n');
}

fn cell(section: &Section, row: &Row) -> String {
    let mut notes: Vec<_> = section.ratio(row).map(|ratio| format!("{ratio:.2}")).into_iter().collect();
    let gate = &row.gate;
    if gate.gated() && (row.entry.threads > 1 || gate.rejected() > 0) {
        notes.push(format!("r {}", percent(gate.share())));
    }
    if gate.unclean_samples > 0 {
        notes.push(format!("u {}", gate.unclean_samples));
    }
    format!("{} ({})", nanoseconds(row.figure.median), notes.join(", "))
}

pub(super) fn escape(text: &str) -> String {
    text.replace('|', "\\|")
}

/// Three digits that mean something.
pub(super) fn nanoseconds(time: f64) -> String {
    match time {
        10_000.0.. => {
            let digits = format!("{time:.0}");
            let ends = |at: usize| at > 0 && (digits.len() - at).is_multiple_of(3);
            digits.char_indices().map(|(at, digit)| if ends(at) { format!(",{digit}") } else { digit.into() }).collect()
        }
        100.0.. => format!("{time:.0}"),
        10.0.. => format!("{time:.1}"),
        _ => format!("{time:.2}"),
    }
}

pub(super) fn percent(share: f64) -> String {
    match share * 100.0 {
        0.0 => "0 %".to_owned(),
        percent if percent < 1.0 => "< 1 %".to_owned(),
        percent => format!("{percent:.0} %"),
    }
}

#[cfg(test)]
mod tests {
    use super::super::figures::tests::sections;
    use super::*;
    use crate::bench_data::recorded::recorded;

    #[test]
    fn every_figure_is_in_the_table_with_what_was_rejected() {
        let sections = sections(&recorded()).unwrap();
        let conditions = Conditions { date: String::new(), facts: Vec::new() };
        let text = table(&sections, &conditions);
        let line = text.lines().find(|line| line.starts_with("| `parking_lot` |")).expect("a line for each peer");
        let cells: Vec<_> = line.split('|').map(str::trim).collect();
        assert_eq!(cells.len(), 7, "{line}");
        assert!(cells[3].contains("r "), "two threads, and nothing on the gate: {line}");
        assert!(text.contains("| | 1 | 2 | 4\\* | 8\\* |"), "{text}");
        let lines: Vec<_> = text.lines().filter(|line| line.starts_with('|')).collect();
        assert!(lines.iter().all(|line| line.matches('|').count() == 6), "{text}");
    }

    #[test]
    fn figures_are_short() {
        assert_eq!(
            [0.4649, 12.34, 123.4, 42000.4, 1_234_567.0].map(nanoseconds),
            ["0.46", "12.3", "123", "42,000", "1,234,567"]
        );
        assert_eq!([0.0, 0.001, 0.257].map(percent), ["0 %", "< 1 %", "26 %"]);
    }
}
