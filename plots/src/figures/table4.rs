//! Table 4: time per token over pairs of fixed thresholds.

use super::rows::{distinct_numbers, of_metric, with_references};
use super::{FigureError, FigureOf, names};
use crate::chart::{Axis, Cell, Chart, Legend, Note, Panel, Shades, Width, number};
use crate::results::Row;

pub(super) const FIGURE: FigureOf = FigureOf {
    item: "table4",
    file: "table4.svg",
    caption: "Time per token of PipeSD over fixed pairs of thresholds, HumanEval in S1: mean over \
              seeds. The least are framed. On the bar of colours: the range that the paper gives \
              for its cells, 129 to 197 ms; it does not give the cells.",
    draw,
};

/// The range of the paper's cells \[ms\]: all that it says of them.
const PAPER: [f64; 2] = [129., 197.];

fn draw(all: &[Row]) -> Result<Chart, FigureError> {
    // References stand in the rows of each pair, but do not depend on it.
    let rows = with_references(of_metric(all, "tpt_ms")?, &[]);
    let known: Option<Vec<(f64, f64, f64)>> =
        rows.iter().map(|row| Some((row.x?, row.y?, row.mean?))).collect();
    let known = known.ok_or_else(|| FigureError::no_x(&rows[0].method, "tpt_ms"))?;
    let (xs, ys) = (
        distinct_numbers(known.iter().map(|cell| cell.0)),
        distinct_numbers(known.iter().map(|cell| cell.1)),
    );
    let least = known.iter().map(|cell| cell.2).fold(f64::INFINITY, f64::min);
    let most = known.iter().map(|cell| cell.2).fold(f64::NEG_INFINITY, f64::max);
    let place = |values: &[f64], value| values.iter().take_while(|other| **other < value).count();
    let cells = known.iter().map(|&(x, y, value)| Cell {
        x: place(&ys, y) as f64,
        y: place(&xs, x) as f64,
        winner: String::new(),
        winner_label: String::new(),
        value,
        labels: [format!("{value:.0}"), String::new()],
        marked: value == least,
    });
    // Thresholds crowd towards 1: cells of equal width show them all.
    // Down and across as in the table of the report.
    let y = Axis::groups("sequence threshold R1", xs.iter().map(|x| number(*x))).reversed();
    let x = Axis::groups("token threshold R2", ys.iter().map(|y| number(*y)));
    let title = names::metric("tpt_ms");
    let marks = PAPER.map(|at| Note { at, text: format!("{at:.0} paper") }).to_vec();
    let (low, high) = (least.min(PAPER[0]), most.max(PAPER[1]));
    let shades = Some(Shades { title, low, high, marks });
    let panel = Panel { cells: cells.collect(), shades, ..Panel::new(String::new(), x, y) };
    let notes = references(all);
    let (width, panels) = (Width::Column, vec![panel]);
    let legend = Legend::Above;
    Ok(Chart { width, columns: 1, plot_height: 400, panels, notes, legend })
}

/// The references in words: they are the same at each pair.
fn references(rows: &[Row]) -> Vec<String> {
    let time = |method: &str| {
        let row = rows.iter().find(|row| row.method == method && row.metric == "tpt_ms")?;
        row.mean.map(|mean| format!("{} {mean:.0}", names::method(method)))
    };
    let known: Vec<String> =
        ["cloud_only", "bound", "serial"].into_iter().filter_map(time).collect();
    if known.is_empty() {
        Vec::new()
    } else {
        vec![format!("for comparison: {}", known.join(", "))]
    }
}
