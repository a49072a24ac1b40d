//! App. I: edges that share one cloud.

use super::rows::{lines, of_metric, places, share_values, side_by_side, values, with_references};
use super::{FigureError, FigureOf, names};
use crate::chart::{Axis, Chart, Form, Legend, Panel, Width};
use crate::results::Row;

pub(super) const FIGURE: FigureOf = FigureOf {
    item: "appendix-i",
    file: "appendix-i.svg",
    caption: "Edges that share one cloud, whose NAVs are verified one by one as in the paper's code, \
              or batched: time per token, time to the first token, and Jain's index of fairness. \
              Mean and 95 % interval over seeds, the index's cut off at its greatest value, 1; marks \
              at one number of edges stand beside each other; only the axis of times per \
              token begins at zero. Thin lines: decoding in the cloud alone, whose tokens wait for \
              each other one by one, and drafting and verifying in turns (serial split). The paper \
              gives no cells.",
    draw,
};

/// Room beside the least and the greatest number of edges.
const ROOM: f64 = 0.5;
const FAIRNESS: &str = "fairness_jain";
const METRICS: [&str; 3] = ["tpt_ms", "ttft_ms", FAIRNESS];

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
            // The bounds are known for one edge; the other modes do not depend on their number.
            let rows = with_references(of_metric(rows, metric)?, &["serial", "cloud_only"]);
            let part = part(&rows, dataset, service);
            let last = index + 1 == metrics.len();
            let titles = if index == 0 { title(dataset, service) } else { String::new() };
            row_of_panels.push(panel(&part, metric, titles, last)?);
        }
        share_values(&mut row_of_panels, |title, values| {
            let axis = Axis::linear(title, values, *metric == METRICS[0]);
            if *metric == FAIRNESS { up_to_one(axis) } else { axis }
        });
        for panel in row_of_panels.iter_mut().skip(1) {
            panel.y = panel.y.clone().unlabelled();
        }
        panels.extend(row_of_panels);
    }
    let width = if columns.len() > 2 { Width::Page } else { Width::Column };
    let (columns, legend) = (columns.len(), Legend::Above);
    Ok(Chart { width, columns, plot_height: 260, panels, notes: vec![], legend })
}

/// Jain's index is at most 1, where the axis ends.
fn up_to_one(mut axis: Axis) -> Axis {
    if axis.low < 1. && axis.high > 1. {
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
    let mut series = lines(rows, Form::Line)?;
    side_by_side(&mut series, 8);
    if metric == FAIRNESS {
        // An interval from a normal distribution knows nothing of the index's range.
        let points = series.iter_mut().flat_map(|series| &mut series.points);
        points.filter_map(|point| point.interval.as_mut()).for_each(|(low, high)| {
            (*low, *high) = (low.min(1.), high.min(1.));
        });
    }
    let edges = places(&series);
    let low = edges.iter().copied().fold(f64::INFINITY, f64::min);
    let high = edges.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let mut x = Axis::linear("edges", [low - ROOM, high + ROOM], false);
    // Edges are counted: no tick between two numbers.
    (x.low, x.high) = (low - ROOM, high + ROOM);
    x.ticks = Axis::swept("", crate::chart::Scale::Log2, edges).ticks;
    let x = if last { x } else { x.unlabelled() };
    let y = Axis::linear(&names::metric(metric), values(&series), true);
    Ok(Panel { series, ..Panel::new(title, x, y) })
}
