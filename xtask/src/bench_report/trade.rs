//! How much was done against how long somebody waited: a small plot for each number of threads, all on the same scales.
//!
//! Each alone is half of the matter. A lock that its holder takes again at once gets most done and starves the others; one
//! that goes round in turn lets nobody wait, and hardly anything is done. Who is to the right and below is better at both.

use std::ops::Range;

use plotters::coord::combinators::BindKeyPoints;
use plotters::prelude::*;

use super::figures::{Row, Section, median};
use super::plot::{Area, Drawn, GRID, coloured, draw_mark, font, stroke, tick, ticks};
use crate::bench_data::What;

/// Waits below that, in milliseconds, are as good as none, and a logarithm has none.
const LEAST: f64 = 0.001;

pub(super) fn trade(section: &Section, (class, width): (&str, u32)) -> String {
    let parameters = section.group.parameters();
    let columns = if width < 400 { 1 } else { parameters.len().clamp(1, 3) };
    let lines = parameters.len().div_ceil(columns);
    let height = lines as u32 * if width < 400 { 190 } else { 220 };
    let mut svg = String::new();
    let area = SVGBackend::with_string(&mut svg, (width, height)).into_drawing_area();
    for (panel, parameter) in area.split_evenly((lines, columns)).iter().zip(parameters) {
        draw(&area, panel, section, parameter, width).expect("a string takes whatever is drawn");
    }
    area.present().expect("a string takes it");
    drop(area);
    let body = coloured(svg.split_once('>').expect("it begins with its tag").1);
    let label = format!(
        "{}: million operations a second against the longest wait, for each number of threads. The table has the same figures.",
        section.group.name
    );
    format!(
        "<svg class=\"{class}\" viewBox=\"0 0 {width} {height}\" style=\"max-width:{width}px\" role=\"img\" aria-label=\"{label}\">{body}"
    )
}

/// The longest waits of the runs in milliseconds, sorted.
fn waits(row: &Row) -> Vec<f64> {
    row.each(What::Longest).into_iter().map(|time| (time / 1e6).max(LEAST)).collect()
}

fn ends(values: impl Iterator<Item = f64> + Clone) -> Range<f64> {
    values.clone().fold(f64::INFINITY, f64::min) / 1.3..values.fold(0.0, f64::max) * 1.3
}

/// A panel of the area. Marks go to the area itself, as that is what a chart's coordinates are of.
fn draw(area: &Area, panel: &Area, section: &Section, parameter: &str, width: u32) -> Drawn {
    let across = ends(section.rows.iter().flat_map(Row::rates).collect::<Vec<_>>().into_iter());
    let up = ends(section.rows.iter().flat_map(waits).collect::<Vec<_>>().into_iter());
    let mut chart = ChartBuilder::on(panel)
        .caption(format!("{parameter} threads"), font(width, FontStyle::Bold))
        .margin(4)
        .margin_right(14)
        .x_label_area_size(38)
        .y_label_area_size(52)
        .build_cartesian_2d(
            across.clone().log_scale().with_key_points(ticks(&across, 4)),
            up.clone().log_scale().with_key_points(ticks(&up, 5)),
        )?;
    chart
        .configure_mesh()
        .light_line_style(TRANSPARENT)
        .bold_line_style(GRID)
        .axis_style(GRID)
        .label_style(font(width, FontStyle::Normal))
        .x_desc("M/s")
        .y_desc("longest wait, ms")
        .x_label_formatter(&|rate| tick(*rate))
        .y_label_formatter(&|time| tick(*time))
        .draw()?;
    // Ours, which are first, come last, on top.
    for row in section.at(parameter).collect::<Vec<_>>().into_iter().rev() {
        let index = section.group.names().iter().position(|name| *name == row.entry.name).expect("one of the names");
        let ([least, middle, most], waits) = (row.rates(), waits(row));
        let (Some(shortest), Some(longest)) = (waits.first(), waits.last()) else { continue };
        let at = |rate, wait| chart.plotting_area().map_coordinate(&(rate, wait));
        let thin = stroke(index, row.entry.role).stroke_width(1);
        area.draw(&PathElement::new([at(least, median(&waits)), at(most, median(&waits))], thin))?;
        area.draw(&PathElement::new([at(middle, *shortest), at(middle, *longest)], thin))?;
        draw_mark(area, at(middle, median(&waits)), index, row.entry.role)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::figures::tests::{free, wait};
    use super::super::plot::WIDTHS;
    use super::*;
    use crate::bench_data::recorded::recorded;

    #[test]
    fn every_mark_is_in_its_panel() {
        let mut section = free(&recorded());
        section.rows.iter_mut().enumerate().for_each(|(index, row)| wait(row, 1e6 * (1 + index) as f64));
        for (class, width) in WIDTHS {
            let svg = trade(&section, (class, width));
            assert!(!svg.contains("=\"#"), "a colour that does not follow light and dark: {svg}");
            let view = svg.split("viewBox=\"0 0 ").nth(1).and_then(|view| view.split('"').next()).unwrap();
            let size: Vec<f64> = view.split(' ').map(|side| side.parse().unwrap()).collect();
            // Those of `counter` are circles, one for each number of threads.
            let circles = svg.split("<circle ").skip(1).filter_map(|rest| rest.split('>').next());
            let circles = circles.filter(|circle| circle.contains("var(--s0)"));
            let centres = circles.map(|circle| ["cx", "cy"].map(|side| number(circle, side)));
            let mut centres: Vec<_> = centres.collect();
            assert!(
                centres.iter().all(|[x, y]| (52.0..size[0]).contains(x) && (20.0..size[1]).contains(y)),
                "{centres:?}"
            );
            centres.dedup();
            assert_eq!(centres.len(), 4, "{centres:?}");
        }
    }

    fn number(tag: &str, attribute: &str) -> f64 {
        tag.split(&format!("{attribute}=\"")).nth(1).and_then(|rest| rest.split('"').next()).unwrap().parse().unwrap()
    }
}
