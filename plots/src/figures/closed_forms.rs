//! Closed forms: two theories and a pair of devices, formulas as lines, the simulator as dots.

use super::rows::{distinct, distinct_numbers, of_metric, places, values, with};
use super::{FigureError, FigureOf};
use crate::chart::{Axis, Chart, Form, Legend, Note, Panel, Point, Series, Width, number};
use crate::results::Row;

pub(super) const FIGURE: FigureOf = FigureOf {
    item: "closed-forms",
    file: "closed-forms.svg",
    caption: "Closed forms (lines), the simulator on the same assumptions (dots), and what is \
              published or was measured (diamonds). Split or cloud: time per token of the serial \
              split over the round trip, by acceptance α, against decoding in the cloud; diamonds \
              where the theory has them break even. Draft length: cost a token by one-way delay d, \
              on a logarithmic axis. Measured devices: time per token by one-way delay d, predicted \
              from inputs measured apart; its axis of times does not begin at zero. Shared target: \
              tokens per second by where the drafting is done. Nothing is fitted.",
    draw,
};

/// The methods of rows.
const SIMULATED: &str = "simulated";
const FORMULA: &str = "formula";
const PUBLISHED: &str = "published";
/// Lines of a panel at most.
const LINES: usize = 8;

fn draw(rows: &[Row]) -> Result<Chart, FigureError> {
    let panels = vec![pays(rows)?, costs(rows)?, hardware(rows)?, capacity(rows)?];
    let (width, legend) = (Width::Page, Legend::Above);
    Ok(Chart { width, columns: 2, plot_height: 430, panels, notes: vec![], legend })
}

/// A line of a panel: the rows that have its key, what is written at its end, and over which of the rows'
/// quantities it is drawn.
struct Line<'a> {
    name: String,
    rows: Vec<&'a Row>,
    over: fn(&Row) -> Option<f64>,
}

/// One line of the formula for each, all simulated points, and all published ones.
fn series(lines: &[Line<'_>]) -> Result<(Vec<Series>, Vec<Note>), FigureError> {
    let (mut series, mut notes) = (Vec::new(), Vec::new());
    let (mut dots, mut rings) = (Vec::new(), Vec::new());
    for (index, Line { name, rows, over }) in lines.iter().enumerate() {
        dots.extend(points(&with(rows, |row| &row.method, SIMULATED), *over)?);
        rings.extend(points(&with(rows, |row| &row.method, PUBLISHED), *over)?);
        let formula = points(&with(rows, |row| &row.method, FORMULA), *over)?;
        // A line is named at its end; what lines are is in the legend once.
        notes.extend(formula.last().map(|end| Note { at: end.y, text: name.clone() }));
        let label = if index == 0 { "closed form" } else { "" };
        series.push(styled("fitted", FORMULA, label, Form::Line, formula));
    }
    series.push(styled("measured", SIMULATED, SIMULATED, Form::Points, dots));
    series.push(styled("edge_only", PUBLISHED, PUBLISHED, Form::Paper, rings));
    series.retain(|series| !series.points.is_empty());
    Ok((series, notes))
}

fn styled(style: &str, method: &str, label: &str, form: Form, points: Vec<Point>) -> Series {
    let mut series = Series::new(method, label, form, points);
    style.clone_into(&mut series.style);
    series
}

/// The rows' means over one of their quantities, in order.
fn points(rows: &[&Row], over: fn(&Row) -> Option<f64>) -> Result<Vec<Point>, FigureError> {
    let point = |row: &&Row| {
        let x = over(row).ok_or_else(|| FigureError::no_x(&row.method, &row.metric))?;
        Ok(row.mean.map(|y| Point { x, y, interval: None }))
    };
    let points: Result<Vec<Option<Point>>, FigureError> = rows.iter().map(point).collect();
    let mut points: Vec<Point> = points?.into_iter().flatten().collect();
    points.sort_by(|one, other| one.x.total_cmp(&other.x));
    Ok(points)
}

/// Lines over the rows' first quantity, one for each value of the second.
fn by_y<'a>(rows: &[&'a Row], name: impl Fn(f64) -> String) -> Vec<Line<'a>> {
    by(rows, |row| row.y, |row| row.x, name)
}

fn by<'a>(
    rows: &[&'a Row],
    key: fn(&Row) -> Option<f64>,
    over: fn(&Row) -> Option<f64>,
    name: impl Fn(f64) -> String,
) -> Vec<Line<'a>> {
    let keys = distinct_numbers(rows.iter().filter_map(|row| key(row)));
    let lines = keys.into_iter().map(|value| {
        let rows = rows.iter().copied().filter(|row| key(row) == Some(value)).collect();
        Line { name: name(value), rows, over }
    });
    lines.collect()
}

fn panel(
    title: &str,
    (series, notes): (Vec<Series>, Vec<Note>),
    x: &str,
    y: impl Fn(Vec<f64>) -> Axis,
) -> Panel {
    let (x, y) = (Axis::linear(x, places(&series), true), y(values(&series)));
    Panel { series, notes, ..Panel::new(title.to_owned(), x, y) }
}

fn pays(all: &[Row]) -> Result<Panel, FigureError> {
    let rows = of_metric(all, "split_ms")?;
    let cloud = of_metric(all, "cloud_only_ms")?;
    let cloud = with(&cloud, |row| &row.method, FORMULA);
    let decode_ms = cloud.iter().find_map(|row| row.mean);
    let (mut series, mut notes) = series(&by_y(&rows, |y| format!("α = {}", number(y))))?;
    if let Some(decode_ms) = decode_ms {
        let at = |x: f64| Point { x, y: decode_ms, interval: None };
        let level = Form::Level(f64::INFINITY);
        series.push(styled("cloud_only", "cloud_only", "", level, vec![at(0.)]));
        notes.push(Note { at: decode_ms, text: "cloud only".to_owned() });
        // The break-even of this decoding time, where the split takes as long.
        let published = all.iter().filter(|row| row.metric == "break_even_rtt_ms");
        let published = published
            .filter(|row| row.method == PUBLISHED && row.x == Some(decode_ms))
            .filter_map(|row| row.mean);
        let rings: Vec<Point> = published.map(at).collect();
        if !rings.is_empty() {
            series.push(styled("edge_only", PUBLISHED, PUBLISHED, Form::Paper, rings));
        }
    }
    let linear = |values| Axis::linear("time per token (ms)", values, true);
    Ok(panel("Split or cloud", (series, notes), "round trip (ms)", linear))
}

fn costs(rows: &[Row]) -> Result<Panel, FigureError> {
    let rows = of_metric(rows, "cost_ms")?;
    let series = series(&by_y(&rows, |y| format!("d = {} ms", number(y))))?;
    let x = "drafts in a round";
    Ok(panel("Draft length", series, x, |values| Axis::log("cost a token (ms)", values)))
}

/// The delays at which was measured or, without any, some of all.
fn hardware(rows: &[Row]) -> Result<Panel, FigureError> {
    let rows = of_metric(rows, "hardware_ms")?;
    let mut lines = by(&rows, |row| row.x, |row| row.y, |x| format!("d = {} ms", number(x)));
    let measured = |line: &Line<'_>| line.rows.iter().any(|row| row.method == PUBLISHED);
    if lines.iter().any(measured) {
        lines.retain(measured);
    }
    let stride = lines.len().div_ceil(LINES).max(1);
    let lines: Vec<Line<'_>> = lines.into_iter().step_by(stride).collect();
    let linear = |values| Axis::linear("time per token (ms)", values, false);
    Ok(with_room(panel("Measured devices", series(&lines)?, "drafts in a round", linear)))
}

fn capacity(rows: &[Row]) -> Result<Panel, FigureError> {
    let rows = of_metric(rows, "tokens_per_s")?;
    let line = |variant: &str| Line {
        name: variant.to_owned(),
        rows: with(&rows, |row| &row.variant, variant),
        over: |row| row.x,
    };
    let variants = distinct(rows.iter().copied(), |row| &row.variant);
    let lines: Vec<Line<'_>> = variants.into_iter().map(line).collect();
    let linear = |values| Axis::linear("tokens per second", values, true);
    Ok(with_room(panel("Shared target", series(&lines)?, "edges", linear)))
}

/// The diamonds at the lines' ends leave room for their names.
fn with_room(mut panel: Panel) -> Panel {
    let all = places(&panel.series);
    let beyond = 1.05 * all.iter().copied().fold(0., f64::max);
    panel.x = Axis::linear(&panel.x.title, all.into_iter().chain([beyond]), true);
    panel
}
