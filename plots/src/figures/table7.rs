//! Table 7: what the methods do, beyond their times.

use super::rows::{bar_panel, bars, distinct, letters_note, of_metric, with_references};
use super::{FigureError, FigureOf, names};
use crate::chart::{Chart, Legend, Width};
use crate::results::Row;

pub(super) const FIGURE: FigureOf = FigureOf {
    item: "table7",
    file: "table7.svg",
    caption: "How the methods draft and verify, HumanEval in S1: mean and 95 % interval over seeds. \
              Diamonds: the paper's Table 7. Lines: the references of Table 1.",
    draw,
};

fn draw(rows: &[Row]) -> Result<Chart, FigureError> {
    // What the paper's table has; distances to the bound are the report's.
    let published: Vec<&str> =
        rows.iter().filter(|row| row.paper.is_some()).map(|row| row.metric.as_str()).collect();
    let metrics =
        distinct(rows, |row| &row.metric).into_iter().filter(|metric| published.contains(metric));
    let panels: Result<Vec<_>, FigureError> = metrics
        .map(|metric| {
            let rows =
                with_references(of_metric(rows, metric)?, &["bound", "serial", "cloud_only"]);
            let bars = bars(&rows, &[""], |_| "");
            Ok(bar_panel(String::new(), &names::metric(metric), vec![String::new()], bars))
        })
        .collect();
    let panels = panels?;
    if panels.is_empty() {
        return Err(FigureError::no_rows("tpt_ms"));
    }
    let published: Vec<&Row> = rows.iter().filter(|row| row.paper.is_some()).collect();
    let notes = letters_note(&published);
    let (width, legend) = (Width::Column, Legend::Above);
    Ok(Chart { width, columns: 2, plot_height: 210, panels, notes, legend })
}
