//! App. I: edges that share one cloud.

use super::rows::{lines, of_metric, places, share_values, values};
use super::{FigureError, FigureOf, names};
use crate::chart::{Axis, Chart, Form, Panel, Width};
use crate::results::Row;

pub(super) const FIGURE: FigureOf = FigureOf {
    item: "appendix-i",
    file: "appendix-i.svg",
    caption: "Edges that share one cloud, whose NAVs are verified one by one as in the paper's code, \
              or batched: time per token, time to the first token, and Jain's index of fairness. \
              Mean and 95 % interval over seeds. The paper gives no cells.",
    draw,
};

const METRICS: [&str; 3] = ["tpt_ms", "ttft_ms", "fairness_jain"];

/// How NAVs are served: the variant without the number of edges that it may begin with.
fn service(row: &Row) -> &str {
    let numbered = row.variant.split_once(", ");
    numbered.map_or(row.variant.as_str(), |(edges, service)| {
        if edges.ends_with("edge") || edges.ends_with("edges") { service } else { &row.variant }
    })
}

fn draw(rows: &[Row]) -> Result<Chart, FigureError> {
    of_metric(rows, METRICS[0])?;
    let mut columns: Vec<(&str, &str)> = Vec::new();
    for row in rows {
        let column = (row.dataset.as_str(), service(row));
        if !columns.contains(&column) {
            columns.push(column);
        }
    }
    let metrics: Vec<&str> =
        METRICS.into_iter().filter(|metric| of_metric(rows, metric).is_ok()).collect();
    let mut panels = Vec::new();
    for (index, metric) in metrics.iter().enumerate() {
        let mut row_of_panels = Vec::new();
        for (dataset, service) in &columns {
            let part = part(&of_metric(rows, metric)?, dataset, service);
            let last = index + 1 == metrics.len();
            let titles = if index == 0 { title(dataset, service) } else { String::new() };
            row_of_panels.push(panel(&part, metric, titles, last)?);
        }
        let from_zero = *metric != "fairness_jain";
        share_values(&mut row_of_panels, |title, values| {
            let axis = Axis::linear(title, values.iter().copied(), from_zero);
            if from_zero { axis } else { up_to_one(axis, &values) }
        });
        for panel in row_of_panels.iter_mut().skip(1) {
            panel.y = panel.y.clone().unlabelled();
        }
        panels.extend(row_of_panels);
    }
    let width = if columns.len() > 2 { Width::Page } else { Width::Column };
    Ok(Chart { width, columns: columns.len(), plot_height: 260, panels, notes: vec![] })
}

/// Jain's index is at most 1: unless an interval passes it, the axis ends there.
fn up_to_one(mut axis: Axis, values: &[f64]) -> Axis {
    if axis.low < 1. && axis.high > 1. && values.iter().all(|value| *value <= 1.) {
        axis.ticks.retain(|tick| tick.at < 1. + 1e-9);
        axis.high = 1.;
    }
    axis
}

fn title(dataset: &str, service: &str) -> String {
    [names::dataset(dataset).as_str(), service]
        .into_iter()
        .filter(|part| !part.is_empty())
        .collect::<Vec<_>>()
        .join(", ")
}

fn part<'a>(rows: &[&'a Row], dataset: &str, wanted: &str) -> Vec<&'a Row> {
    let is_part = |row: &&&Row| row.dataset == dataset && service(row) == wanted;
    rows.iter().filter(is_part).copied().collect()
}

fn panel(rows: &[&Row], metric: &str, title: String, last: bool) -> Result<Panel, FigureError> {
    let series = lines(rows, Form::Line)?;
    let edges = places(&series);
    let low = edges.iter().copied().fold(f64::INFINITY, f64::min);
    let high = edges.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let mut x = Axis::linear("edges", [low - 0.3, high + 0.3], false);
    // Edges are counted: no tick between two numbers.
    (x.low, x.high) = (low - 0.3, high + 0.3);
    x.ticks = Axis::swept("", crate::chart::Scale::Log2, edges).ticks;
    let x = if last { x } else { x.unlabelled() };
    let y = Axis::linear(&names::metric(metric), values(&series), true);
    Ok(Panel { series, ..Panel::new(title, x, y) })
}
