//! A plot per group, as SVG that goes into the page: lines over threads, or points with their intervals.
//!
//! Both scales are logarithmic, so that equal ratios are equal distances. Colours are the page's variables, so that they
//! follow light and dark; each implementation has a mark of its own as well, for those who cannot tell the colours apart.

use std::ops::Range;

use plotters::coord::Shift;
use plotters::coord::combinators::BindKeyPoints;
use plotters::prelude::*;

use super::figures::{Row, Section};
use super::table::nanoseconds;
use crate::bench_data::Role;

/// A drawing for a phone, and one for anything wider. Text is not scaled, so each needs its own.
pub(super) const WIDTHS: [(&str, u32); 2] = [("narrow", 320), ("wide", 760)];

/// Stand for variables of the page, which take their place in the text.
const INK: RGBColor = RGBColor(0, 1, 0);
pub(super) const GRID: RGBColor = RGBColor(0, 2, 0);
const COLOURS: u8 = 8;

pub(super) type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;
pub(super) type Drawn = Result<(), Box<dyn std::error::Error>>;

pub(super) fn plot(section: &Section, (class, width): (&str, u32)) -> String {
    let mut svg = String::new();
    let drawn = match section.counted() {
        Some(what) => lines(&mut svg, section, what, width),
        None => points(&mut svg, section, width),
    };
    drawn.expect("a string takes whatever is drawn");
    let (head, body) = svg.split_once('>').expect("it begins with its tag");
    let view = head.split_once("viewBox=").and_then(|(_, view)| view.split('"').nth(1)).expect("it has a size");
    let what = section.counted().map_or("with intervals".to_owned(), |what| format!("over the number of {what}"));
    let label =
        format!("{}: median nanoseconds per operation, {what}. The table has the same figures.", section.group.name);
    let body = coloured(body);
    format!(
        "<svg class=\"{class}\" viewBox=\"{view}\" style=\"max-width:{width}px\" role=\"img\" aria-label=\"{label}\">{body}"
    )
}

/// The line and the mark of the implementation with that number in its group, for a legend.
pub(super) fn legend(index: usize, role: Role) -> String {
    let mut svg = String::new();
    let area = SVGBackend::with_string(&mut svg, (30, 14)).into_drawing_area();
    let drawn = area.draw(&PathElement::new([(0, 7), (30, 7)], stroke(index, role)));
    drawn.map_err(Into::into).and_then(|()| draw_mark(&area, (15, 7), index, role)).expect("a string takes it");
    drop(area);
    let body = coloured(svg.split_once('>').expect("it begins with its tag").1);
    format!("<svg viewBox=\"0 0 30 14\" width=\"30\" height=\"14\" aria-hidden=\"true\">{body}")
}

pub(super) fn coloured(svg: &str) -> String {
    let mut svg = svg.replace("\"#000100\"", "\"var(--ink)\"").replace("\"#000200\"", "\"var(--grid)\"");
    for index in 0..COLOURS {
        svg = svg.replace(&format!("\"#0000{:02X}\"", index + 1), &format!("\"var(--s{index})\""));
    }
    svg
}

fn colour(index: usize) -> RGBColor {
    RGBColor(0, 0, (index % usize::from(COLOURS)) as u8 + 1)
}

/// Ours are bold, the limits thin.
pub(super) fn stroke(index: usize, role: Role) -> ShapeStyle {
    colour(index).stroke_width(match role {
        Role::Ours => 3,
        Role::Peer => 2,
        Role::Limit => 1,
    })
}

pub(super) fn draw_mark(area: &Area, at: (i32, i32), index: usize, role: Role) -> Drawn {
    let size = if role == Role::Ours { 5 } else { 4 };
    let style = colour(index).filled();
    let polygon = |points: &[(i32, i32)]| {
        let points: Vec<_> = points.iter().map(|(x, y)| (at.0 + x * size / 4, at.1 + y * size / 4)).collect();
        area.draw(&Polygon::new(points, style))
    };
    match index % 6 {
        0 => area.draw(&Circle::new(at, size, style)),
        1 => polygon(&[(0, -5), (5, 0), (0, 5), (-5, 0)]),
        2 => polygon(&[(-4, -4), (4, -4), (4, 4), (-4, 4)]),
        3 => polygon(&[(0, -5), (5, 4), (-5, 4)]),
        4 => polygon(&[(0, 5), (5, -4), (-5, -4)]),
        _ => area.draw(&Circle::new(at, size, colour(index).stroke_width(2))),
    }?;
    Ok(())
}

/// Lines over the number of threads or whatever is counted, with an interval at each point.
fn lines(svg: &mut String, section: &Section, what: &str, width: u32) -> Drawn {
    let area = SVGBackend::with_string(svg, (width, 300.max(width * 2 / 5))).into_drawing_area();
    let mut numbers: Vec<_> = section.rows.iter().filter_map(Row::number).collect();
    numbers.sort_by(f64::total_cmp);
    numbers.dedup();
    let rough = section.rows.iter().filter(|row| row.rough()).filter_map(Row::number).collect::<Vec<_>>();
    let (first, last) = (numbers[0], numbers[numbers.len() - 1]);
    // Labels that would run into one another are left out.
    let apart = (last / first).powf(if width < 400 { 0.12 } else { 0.05 });
    let mut labelled = vec![first];
    for number in &numbers[1..] {
        if number / labelled[labelled.len() - 1] >= apart {
            labelled.push(*number);
        }
    }
    let ends = ends(section);
    let mut chart = ChartBuilder::on(&area)
        .margin(6)
        .margin_right(16)
        .x_label_area_size(40)
        .y_label_area_size(if width < 400 { 52 } else { 64 })
        .build_cartesian_2d(
            (first / 1.15..last * 1.15).log_scale().with_key_points(labelled),
            ends.clone().log_scale().with_key_points(ticks(&ends, 8)),
        )?;
    chart
        .configure_mesh()
        .light_line_style(TRANSPARENT)
        .bold_line_style(GRID)
        .axis_style(GRID)
        .label_style(font(width, FontStyle::Normal))
        .x_desc(format!("{what}{}", if rough.is_empty() { "" } else { " (* oversubscribed)" }))
        .y_desc("ns per operation")
        .x_label_formatter(&|number| format!("{}{}", tick(*number), if rough.contains(number) { "*" } else { "" }))
        .y_label_formatter(&|time| tick(*time))
        .draw()?;
    for (index, name) in section.group.names().into_iter().enumerate() {
        let rows: Vec<_> = section.rows.iter().filter(|row| row.entry.name == name).collect();
        let at =
            |row: &Row, time| chart.plotting_area().map_coordinate(&(row.number().expect("all are numbers"), time));
        let Some(role) = rows.first().map(|row| row.entry.role) else { continue };
        let points: Vec<_> = rows.iter().map(|row| at(row, row.figure.median)).collect();
        area.draw(&PathElement::new(points.clone(), stroke(index, role)))?;
        for (row, point) in rows.into_iter().zip(points) {
            area.draw(&PathElement::new([at(row, row.figure.low), at(row, row.figure.high)], colour(index)))?;
            draw_mark(&area, point, index, role)?;
        }
    }
    area.present()?;
    Ok(())
}

const LINE: i32 = 22;

/// A line of its own for each benchmark: a point and its interval; parameter by parameter where there are several.
fn points(svg: &mut String, section: &Section, width: u32) -> Drawn {
    let (names, parameters) = (section.group.names(), section.group.parameters());
    let headings = parameters.len() > 1;
    let mut lines: Vec<(&str, Option<&Row>)> = Vec::new();
    for parameter in parameters.iter().copied() {
        lines.extend(headings.then_some((parameter, None)));
        lines.extend(section.rows.iter().filter(|row| row.entry.parameter == parameter).map(|row| ("", Some(row))));
    }
    let (left, bottom) = (if width < 400 { 104 } else { 150 }, 40);
    let height = LINE * lines.len() as i32 + bottom + 12;
    let area = SVGBackend::with_string(svg, (width, height as u32)).into_drawing_area();
    let ends = ends(section);
    let mut chart = ChartBuilder::on(&area)
        .margin(6)
        .margin_right(14)
        .x_label_area_size(bottom)
        .y_label_area_size(left)
        .build_cartesian_2d(
            ends.clone().log_scale().with_key_points(ticks(&ends, width as usize / 75)),
            0.0..lines.len() as f64,
        )?;
    chart
        .configure_mesh()
        .disable_y_mesh()
        .y_labels(0)
        .light_line_style(TRANSPARENT)
        .bold_line_style(GRID)
        .axis_style(GRID)
        .label_style(font(width, FontStyle::Normal))
        .x_desc("ns per operation")
        .x_label_formatter(&|time| tick(*time))
        .draw()?;
    for (line, (heading, row)) in lines.iter().enumerate() {
        let y = (lines.len() - line) as f64 - 0.5;
        let at = |time| chart.plotting_area().map_coordinate(&(time, y));
        let label = |text: &str, font| area.draw(&Text::new(text.to_owned(), (left - 2, at(ends.start).1), font));
        let Some(row) = row else {
            label(heading, right(font(width, FontStyle::Bold)))?;
            continue;
        };
        label(&row.entry.name, right(font(width, FontStyle::Normal)))?;
        let index = names.iter().position(|name| *name == row.entry.name).expect("one of the names");
        area.draw(&PathElement::new([at(row.figure.low), at(row.figure.high)], stroke(index, row.entry.role)))?;
        draw_mark(&area, at(row.figure.median), index, row.entry.role)?;
    }
    area.present()?;
    Ok(())
}

/// The page's own font, in pixels: a drawing is shown as large as it was made, or smaller by little.
pub(super) fn font(width: u32, style: FontStyle) -> TextStyle<'static> {
    // The backend divides the size by 1.24.
    let size = if width < 400 { 15.0 } else { 16.0 };
    FontDesc::new(FontFamily::SansSerif, size, style).color(&INK)
}

fn right(font: TextStyle<'static>) -> TextStyle<'static> {
    use plotters::style::text_anchor::{HPos, Pos, VPos};
    font.pos(Pos::new(HPos::Right, VPos::Center))
}

/// The least and the greatest time, with some room.
fn ends(section: &Section) -> Range<f64> {
    let figures = || section.rows.iter().map(|row| &row.figure);
    let least = figures().map(|figure| figure.low).fold(f64::INFINITY, f64::min);
    let most = figures().map(|figure| figure.high).fold(0.0, f64::max);
    least / 1.2..most * 1.2
}

/// Up to `most` round times between the ends: 1, 2 and 5 times the powers of ten, or fewer of them.
pub(super) fn ticks(ends: &Range<f64>, most: usize) -> Vec<f64> {
    let all = |steps: &[f64], every: i32| -> Vec<f64> {
        let decades = (-3..12).filter(|decade| decade % every == 0).map(|decade| 10_f64.powi(decade));
        decades
            .flat_map(|decade| steps.iter().map(move |step| step * decade))
            .filter(|tick| ends.contains(tick))
            .collect()
    };
    let choices: [(&[f64], i32); 6] = [
        (&[1.0, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0], 1),
        (&[1.0, 2.0, 3.0, 5.0, 7.0], 1),
        (&[1.0, 2.0, 5.0], 1),
        (&[1.0, 3.0], 1),
        (&[1.0], 1),
        (&[1.0], 2),
    ];
    let mut ticks = choices.into_iter().map(|(steps, every)| all(steps, every));
    ticks.find(|ticks| ticks.len() <= most).unwrap_or_default()
}

pub(super) fn tick(number: f64) -> String {
    let (number, unit) = match number {
        1e6.. => (number / 1e6, "M"),
        1e4.. => (number / 1e3, "k"),
        _ => (number, ""),
    };
    let text = nanoseconds(number);
    let text = if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { &text };
    format!("{text}{unit}")
}

#[cfg(test)]
mod tests {
    use super::super::figures::tests::sections;
    use super::*;
    use crate::bench_data::recorded::recorded;

    #[test]
    fn ticks_are_round_and_few() {
        assert_eq!(ticks(&(0.9..1_100.0), 5), [1.0, 10.0, 100.0, 1000.0]);
        assert_eq!(ticks(&(18.0..61.0), 5), [20.0, 30.0, 50.0]);
        assert_eq!([20.0, 0.5, 2.5, 100.0, 50_000.0].map(tick), ["20", "0.5", "2.5", "100", "50k"]);
    }

    #[test]
    fn colours_are_the_pages() {
        for section in sections(&recorded()).unwrap() {
            for width in WIDTHS {
                let svg = plot(&section, width);
                assert!(!svg.contains("=\"#"), "a colour that does not follow light and dark: {svg}");
                let marks = section.group.names().len();
                let seen = (0..marks.min(8)).filter(|index| svg.contains(&format!("var(--s{index})"))).count();
                assert_eq!(seen, marks.min(8));
            }
        }
    }
}
