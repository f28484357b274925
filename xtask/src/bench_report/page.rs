//! The page: everything in one file, for any width, in light and dark.

use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::figures::{Row, Section};
use super::machine::{Conditions, Size};
use super::plot::{WIDTHS, legend, plot};
use super::table::{nanoseconds, percent};
use super::trade::trade;
use super::{free, show_losses};
use crate::bench_data::{Role, What};

const STYLE: &str = include_str!("page.css");

pub(super) fn page(sections: &[Section], conditions: &Conditions, sizes: &[Size]) -> String {
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { "raddle: benchmarks of " (conditions.date) }
                // A browser asks for an icon, unless the page has one.
                link rel="icon" href="data:,";
                style { (PreEscaped(STYLE)) }
            }
            body {
                header {
                    h1 { "raddle beside its peers" }
                    (facts(conditions))
                    (reading())
                }
                nav aria-label="Sections" {
                    ul {
                        li { a href="#losses" { "Where raddle loses" } }
                        @for section in sections {
                            li { a href={ "#" (anchor(section)) } { (section.group.name) } }
                        }
                        li { a href="#sizes" { "Sizes" } }
                    }
                }
                main {
                    (show_losses::page(sections))
                    @for section in sections { (group(section)) }
                    (sizes_table(sizes))
                }
            }
        }
    };
    page.into_string()
}

pub(super) fn anchor(section: &Section) -> String {
    section.group.name.replace('/', "-")
}

fn facts(conditions: &Conditions) -> Markup {
    html! {
        dl {
            @for (name, value) in &conditions.facts { dt { (name) } dd { (value) } }
        }
    }
}

fn reading() -> Markup {
    html! {
        p {
            "Times are nanoseconds per operation of each measured thread, the median of the samples, with the interval that "
            "holds it with 95 % confidence as far as this one run tells. A ratio is to the best peer at the same parameter, in "
            "the same run; compare ratios, not the times of different runs."
        }
        p {
            "Threads are pinned and samples are taken in chunks of about a millisecond. A chunk during which a thread was "
            "switched out, or whose threads did not start together, is " em { "rejected" } " and run again; a sample that "
            "kept one all the same, since there were too many, is " em { "unclean" } ". Figures marked "
            span.badge { "oversubscribed" } " have more threads than cores, and nothing can be gated there: they are rough."
        }
        p {
            "Groups of " span.badge { "free" } " threads are neither pinned nor gated: each sample is a run of a tenth of a second or so, "
            "and of the runs there is the least, the median and the most. In their plots each mark is a median, and its lines go from "
            "the least to the most; who is above and to the left of another gets less done and lets somebody wait for longer."
        }
    }
}

/// A table that scrolls by itself where it is wider than the screen, with the keyboard too.
pub(super) fn scroll(label: &str, table: Markup) -> Markup {
    html! { div.scroll tabindex="0" role="region" aria-label=(label) { (table) } }
}

pub(super) fn badge(row: &Row) -> Markup {
    html! { @if row.rough() { span.badge { (row.gate.gating) } } }
}

fn group(section: &Section) -> Markup {
    let name = &section.group.name;
    let roles = section.group.names().into_iter().enumerate().filter_map(|(index, name)| {
        let entry = section.group.entries.iter().find(|entry| entry.name == name)?;
        Some((index, name, entry.role))
    });
    html! {
        section id=(anchor(section)) {
            h2 { (name) }
            figure {
                @if section.group.free {
                    @for width in WIDTHS { (PreEscaped(trade(section, width))) }
                } @else {
                    @for width in WIDTHS { (PreEscaped(plot(section, width))) }
                }
                figcaption {
                    ul.legend {
                        @for (index, name, role) in roles {
                            li {
                                (PreEscaped(legend(index, role)))
                                span.name { (name) }
                                @match role { Role::Ours => " (ours)", Role::Limit => " (limit)", Role::Peer => "" }
                            }
                        }
                    }
                }
            }
            @if section.group.free { (free::table(section)) } @else { (timed(section)) }
            @if section.is_shared() && !section.group.free { (shared(section)) }
            (goals(section))
        }
    }
}

/// A table of times.
fn timed(section: &Section) -> Markup {
    let counts = || section.rows.iter().map(|row| row.figure.samples);
    let samples = match (counts().min(), counts().max()) {
        (Some(least), Some(most)) if least < most => format!("{least} to {most} samples each"),
        (least, _) => format!("{} samples each", least.unwrap_or_default()),
    };
    scroll(
        &section.group.name,
        html! {

            table {
                caption { "ns per operation, " (samples) }
                thead {
                    tr {
                        th scope="col" { "Name" } th scope="col" { "Median" } th.broad scope="col" { "95 % interval" }
                        th scope="col" { "Ratio" } th scope="col" { "Rejected" }
                    }
                }
                @for parameter in section.group.parameters() { (rows(section, parameter)) }
            }
        },
    )
}

/// How evenly the threads were served.
fn shared(section: &Section) -> Markup {
    scroll(
        "How evenly the threads were served",
        html! {
            table {
                caption { "most over least operations of a thread; longest wait, ms" }
                thead { tr { th scope="col" { "Name" } th scope="col" { "Spread" } th scope="col" { "Longest" } } }
                @for parameter in section.group.parameters() {
                    tbody {
                        tr { th.part colspan="3" scope="rowgroup" { (parameter) } }
                        @for row in section.at(parameter) {
                            tr.ours[row.entry.role == Role::Ours] {
                                th scope="row" { span.name { (row.entry.name) } }
                                td { @if let Some(spread) = row.gate.spread { (nanoseconds(spread)) } }
                                td { @if let Some(longest) = row.gate.longest { (nanoseconds(longest / 1e6)) } }
                            }
                        }
                    }
                }
            }
        },
    )
}

fn rows(section: &Section, parameter: &str) -> Markup {
    let mut rows: Vec<_> = section.at(parameter).collect();
    rows.sort_by(|a, b| a.figure.median.total_cmp(&b.figure.median));
    let heading = match (section.counted(), parameter) {
        (Some(what), "1") => format!("1 {}", what.trim_end_matches('s')),
        (Some(what), number) => format!("{number} {what}"),
        (None, parameter) => parameter.to_owned(),
    };
    html! {
        tbody {
            tr {
                th.part colspan="5" scope="rowgroup" {
                    (heading) ": " (section.winner(parameter)) " " @if let Some(row) = rows.first() { (badge(row)) }
                }
            }
            @for row in rows {
                tr.ours[row.entry.role == Role::Ours] {
                    th scope="row" { span.name { (row.entry.name) } }
                    // The interval has a column of its own, or on a phone a line below the median.
                    td { (nanoseconds(row.figure.median)) span.thin.soft { (interval(row)) } }
                    td.broad { (interval(row)) }
                    td { @if let Some(ratio) = section.ratio(row) { (format!("{ratio:.2}")) } }
                    td.gate { (gate(row)) }
                }
            }
        }
    }
}

fn interval(row: &Row) -> String {
    format!("{} – {}", nanoseconds(row.figure.low), nanoseconds(row.figure.high))
}

fn gate(row: &Row) -> Markup {
    let gate = &row.gate;
    html! {
        @if gate.gated() { (percent(gate.share())) } @else { "not gated" }
        @if gate.unclean_samples > 0 {
            br; span.worse { (gate.unclean_samples) " of " (gate.samples) " unclean" }
        }
    }
}

fn goals(section: &Section) -> Markup {
    html! {
        @if !section.group.goals.is_empty() {
            ul {
                @for goal in &section.group.goals {
                    @let ratio = section.against(goal);
                    @let against = goal.against.iter().map(|(name, parameter)| format!("{name}/{parameter}")).collect::<Vec<_>>();
                    li {
                        @match ratio {
                            Some(ratio) if ratio <= goal.at_most => "Goal met: ",
                            Some(_) => { span.worse { "Goal missed: " } },
                            None => { span.worse { "Goal unknown: " } },
                        }
                        span.name { (goal.ours.0) "/" (goal.ours.1) }
                        @match goal.what { What::Time => " takes", What::Spread => " has a spread of", What::Longest => " has a longest wait of", What::Read => " has a longest wait to read of", What::Write => " has a longest wait to write of" }
                        " at most " (format!("{:.2}", goal.at_most))
                        " × " span.name { (against.join(" or ")) }
                        @if goal.fast { ", of those that get as much done" }
                        @if let Some(ratio) = ratio { "; here " (format!("{ratio:.2}")) }
                    }
                }
            }
        }
    }
}

fn sizes_table(sizes: &[Size]) -> Markup {
    html! {
        section id="sizes" {
            h2 { "Sizes" }
            p { "What " code { "size_of" } " gives. Memory behind a pointer, a token's node or a counter's slots, is not in it." }
            (scroll("Sizes", html! {
                table {
                    thead { tr { th scope="col" { "Type" } th scope="col" { "Bytes" } th scope="col" style="text-align:left" { "Peers" } } }
                    tbody {
                        @for size in sizes {
                            tr {
                                th scope="row" { span.name { (size.name) } }
                                td { (size.bytes) }
                                td.text.wrap {
                                    @for (index, peer) in size.peers.iter().enumerate() {
                                        @if index > 0 { br; }
                                        (peer.bytes) " " span.name.soft { (peer.name) }
                                    }
                                }
                            }
                        }
                    }
                }
            }))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::figures::tests::sections;
    use super::*;
    use crate::bench_data::recorded::recorded;

    #[test]
    fn the_page_needs_nothing_else() {
        let home = recorded();
        let sections = sections(&home).unwrap();
        let conditions =
            Conditions { date: "2026-01-01".to_owned(), facts: vec![("Machine".to_owned(), "<none>".to_owned())] };
        let sizes: Vec<Size> = crate::bench_data::read(&home.join("sizes.json")).unwrap();
        let page = page(&sections, &conditions, &sizes);
        for outside in ["src=", "@import", "url(", "<script", "href=\"http"] {
            assert!(!page.contains(outside), "{outside}");
        }
        assert!(
            page.contains("&lt;none&gt;")
                && page.contains("oversubscribed")
                && page.contains("OrderedMutex&lt;u64&gt;")
        );
        for row in sections.iter().flat_map(|section| &section.rows) {
            assert!(page.contains(&format!(">{}<", nanoseconds(row.figure.median))));
        }
        let targets = page.split("href=\"#").skip(1).map(|rest| rest.split('"').next().unwrap());
        for target in targets {
            assert_eq!(page.matches(&format!("id=\"{target}\"")).count(), 1, "{target}");
        }
    }
}
