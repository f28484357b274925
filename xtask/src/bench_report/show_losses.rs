//! The list of where we are behind, for the page and for the README.

use std::fmt::Write;

use maud::{Markup, html};

use super::figures::Section;
use super::losses::{Loss, Rank, losses};
use super::page::{anchor, badge, scroll};
use super::table::{escape, nanoseconds};
use crate::bench_data::{Role, What};

pub(super) fn page(sections: &[Section]) -> Markup {
    let losses = losses(sections);
    let ours = sections.iter().flat_map(|section| &section.rows).filter(|row| row.entry.role == Role::Ours).count();
    let missed = |section: &Section| {
        section.group.goals.iter().filter(|goal| section.against(goal).is_none_or(|ratio| ratio > goal.at_most)).count()
    };
    let (missed, goals): (usize, usize) =
        (sections.iter().map(missed).sum(), sections.iter().map(|section| section.group.goals.len()).sum());
    html! {
        section id="losses" {
            h2 { "Where raddle loses" }
            p {
                "Every benchmark of ours that takes 2 % longer than the best peer's or more, and more than the intervals of the two "
                "allow; or in which, where threads are free, one waits longer or they are served less evenly than with the best of "
                "those peers that get as much done: " (losses.len()) " of " (ours) ". What many programs do comes first. Of " (goals)
                " goals, " (missed) " are missed; each group lists its own."
            }
            @if !losses.is_empty() {
                (scroll("Where raddle loses", html! {
                    table {
                        thead {
                            tr {
                                th scope="col" { "Benchmark" } th scope="col" { "Ours" } th scope="col" { "Best peer" }
                                th scope="col" { "Ratio" } th scope="col" { "Fairness" }
                            }
                        }
                        @for rank in Rank::ALL {
                            @let of_rank: Vec<_> = losses.iter().filter(|loss| loss.rank() == rank).collect();
                            @if !of_rank.is_empty() {
                                tbody {
                                    tr { th.part colspan="5" scope="rowgroup" { (rank.heading()) } }
                                    @for loss in of_rank { (line(loss)) }
                                }
                            }
                        }
                    }
                }))
            }
        }
    }
}

fn line(loss: &Loss) -> Markup {
    html! {
        tr {
            th scope="row" {
                a href={ "#" (anchor(loss.section)) } { (loss.section.group.name) } " at " (loss.ours.entry.parameter)
                " " (badge(loss.ours))
            }
            td { span.name { (loss.ours.entry.name) } br; (nanoseconds(loss.ours.figure.median)) }
            td { span.name { (loss.best.entry.name) } br; (nanoseconds(loss.best.figure.median)) }
            td.soft[!loss.slower] { (format!("{:.2}", loss.ratio)) }
            td {
                @for (index, unfair) in loss.unfair.iter().enumerate() {
                    @if index > 0 { br; }
                    (short(unfair.what)) " " (times(unfair.ratio)) " " span.name.soft { (unfair.best.entry.name) }
                }
            }
        }
    }
}

fn short(what: What) -> &'static str {
    match what {
        What::Time => "time",
        What::Spread => "spread",
        What::Longest => "wait",
        What::Read => "read wait",
        What::Write => "write wait",
    }
}

fn times(ratio: f64) -> String {
    format!("{} ×", nanoseconds(ratio))
}

pub(super) fn markdown(text: &mut String, sections: &[Section]) {
    text.push_str(
        "\n**Where raddle loses**, beyond what the intervals of either allow; of free threads also where one waits longer, or they \
         are served less evenly, than with the best of the peers that get as much done:\n\n",
    );
    let losses = losses(sections);
    if losses.is_empty() {
        text.push_str("nowhere in this run.\n");
    }
    for rank in Rank::ALL {
        let mut heading = Some(rank.heading());
        for loss in losses.iter().filter(|loss| loss.rank() == rank) {
            if let Some(heading) = heading.take() {
                let _ = writeln!(text, "* {heading}:");
            }
            let (name, parameter) = (&loss.ours.entry.name, escape(&loss.ours.entry.parameter));
            let rough = if loss.ours.rough() && !loss.section.group.free { " (rough)" } else { "" };
            let mut said = Vec::new();
            if loss.slower {
                said.push(format!("takes {:.2} times `{}`'s", loss.ratio, loss.best.entry.name));
            }
            said.extend(loss.unfair.iter().map(|unfair| {
                format!("{} {} `{}`'s", short(unfair.what), times(unfair.ratio), unfair.best.entry.name)
            }));
            let group = &loss.section.group.name;
            let _ = writeln!(text, "  * `{group}` at {parameter}{rough}: `{name}` {}", said.join("; "));
        }
    }
}
