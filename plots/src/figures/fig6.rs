//! Fig. 6: upload time against tokens, draft time against the length of the prefix.

use super::rows::{distinct, lines, of_metric, places, values, with};
use super::{FigureError, FigureOf, names};
use crate::chart::{Axis, Chart, Form, Legend, Panel, Point, Series, Width};
use crate::results::Row;

pub(super) const FIGURE: FigureOf = FigureOf {
    item: "fig6",
    file: "fig6.svg",
    caption: "What the monitor measures and what it makes of it: upload time against tokens, and \
              draft time against the length of the prefix. Points: mean and standard deviation; \
              lines: as fitted, mean over seeds. The axis of draft times does not begin at zero.",
    draw,
};

fn draw(rows: &[Row]) -> Result<Chart, FigureError> {
    let panels = [("upload_ms", "tokens of the upload"), ("draft_ms", "prefix (tokens)")];
    let panels: Result<Vec<Panel>, FigureError> =
        panels.into_iter().map(|(metric, across)| panel(rows, metric, across)).collect();
    let panels = panels?;
    let (width, legend) = (Width::Column, Legend::Above);
    Ok(Chart { width, columns: 2, plot_height: 300, panels, notes: vec![], legend })
}

fn panel(rows: &[Row], metric: &str, across: &str) -> Result<Panel, FigureError> {
    let rows = of_metric(rows, metric)?;
    let mut fitted = Vec::new();
    let mut measured = Vec::new();
    for method in distinct(rows.iter().copied(), |row| &row.method) {
        let of_method = with(&rows, |row| &row.method, method);
        if method == "fitted" {
            for mut series in lines(&of_method, Form::Line)? {
                series.points.iter_mut().for_each(|point| point.interval = None);
                fitted.push(series);
            }
            continue;
        }
        for mut series in lines(&of_method, Form::Points)? {
            if series.form != Form::Paper {
                deviations(&mut series, &of_method);
            }
            measured.push(series);
        }
    }
    let mut series: Vec<Series> = measured.into_iter().chain(fitted).collect();
    one_line_if_constant(&mut series);
    let x = Axis::linear(across, places(&series), true);
    // A draft step takes the same time at any prefix: from zero its deviations would not be seen.
    let y = Axis::linear(&names::metric(metric), values(&series), metric != "draft_ms");
    Ok(Panel { series, ..Panel::new(String::new(), x, y) })
}

/// Gives each point its standard deviation instead of the interval of its mean.
fn deviations(series: &mut Series, rows: &[&Row]) {
    for point in &mut series.points {
        let row = rows.iter().find(|row| row.x == Some(point.x));
        point.interval = row.and_then(|row| row.sd).map(|sd| (point.y - sd, point.y + sd));
    }
}

/// A published value that is the same everywhere is one number, and so one line.
fn one_line_if_constant(series: &mut Vec<Series>) {
    let papers = series.iter().filter(|series| series.form == Form::Paper);
    let points: Vec<Point> = papers.flat_map(|series| series.points.clone()).collect();
    let Some(first) = points.first().copied() else { return };
    if points.iter().all(|point| point.y == first.y) {
        series.retain(|series| series.form != Form::Paper);
        let level = Form::Level(f64::INFINITY);
        let mut line = Series::new("paper", "paper", level, vec![first]);
        "edge_only".clone_into(&mut line.style);
        series.push(line);
    }
}
