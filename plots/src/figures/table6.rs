//! Table 6: PipeSD with parts taken away.

use super::rows::{lying, of_metric};
use super::{FigureError, FigureOf, names};
use crate::chart::{Axis, Chart, Panel, Width};
use crate::results::Row;

pub(super) const FIGURE: FigureOf = FigureOf {
    item: "table6",
    file: "table6.svg",
    caption: "PipeSD with parts taken away, HumanEval in S1: mean and 95 % interval over seeds. \
              Diamonds and numbers in brackets: the paper's Table 6.",
    draw,
};

fn draw(rows: &[Row]) -> Result<Chart, FigureError> {
    let rows = of_metric(rows, "tpt_ms")?;
    let style = |method: &str| match method {
        "vanilla" => "vanilla",
        "pipesd" => "pipesd",
        _ => "other",
    };
    let mut panels = [lying_panel(String::new(), &rows, style)];
    share_axis(&mut panels);
    let height = 30 + 56 * rows.len() as i32;
    let panels = panels.to_vec();
    Ok(Chart { width: Width::Column, columns: 1, plot_height: height, panels, notes: vec![] })
}

/// A lying bar for each row, from top to bottom; beside it ours, and theirs in brackets.
pub(super) fn lying_panel(
    title: String,
    rows: &[&Row],
    style: impl Fn(&str) -> &'static str,
) -> Panel {
    let series = lying(rows, style);
    let names = rows.iter().map(|row| names::method(&row.method));
    let notes = rows.iter().map(|row| match (row.mean, row.paper) {
        (Some(ours), Some(paper)) => format!("{ours:.0} ({paper:.0})"),
        (Some(ours), None) => format!("{ours:.0}"),
        (None, Some(paper)) => format!("({paper:.0})"),
        (None, None) => String::new(),
    });
    let y = Axis::groups("", names).reversed();
    let x = Axis::linear(&names::metric("tpt_ms"), [], true);
    Panel { series, notes: notes.collect(), ..Panel::new(title, x, y) }
}

/// Gives panels of lying bars one axis, which the last one names.
pub(super) fn share_axis(panels: &mut [Panel]) {
    let all = panels.iter().flat_map(|panel| &panel.series);
    let all: Vec<f64> = all.flat_map(|series| series.values(true)).collect();
    for panel in panels {
        panel.x = Axis::linear(&panel.x.title, all.clone(), true);
    }
}
