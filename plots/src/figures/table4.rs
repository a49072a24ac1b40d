//! Table 4: time per token over pairs of fixed thresholds.

use super::rows::{of_metric, with_references};
use super::{FigureError, FigureOf, names};
use crate::chart::{Axis, Cell, Chart, Legend, Panel, Shades, Width, number};
use crate::results::Row;

pub(super) const FIGURE: FigureOf = FigureOf {
    item: "table4",
    file: "table4.svg",
    caption: "Time per token of PipeSD over fixed pairs of thresholds, HumanEval in S1: mean over \
              seeds. The least is framed, wherever it stands. The paper gives the range of its \
              cells alone, 129-197 ms.",
    draw,
};

fn draw(rows: &[Row]) -> Result<Chart, FigureError> {
    // References stand in the rows of each pair, but do not depend on it.
    let rows = with_references(of_metric(rows, "tpt_ms")?, &[]);
    let known: Option<Vec<(f64, f64, f64)>> =
        rows.iter().map(|row| Some((row.x?, row.y?, row.mean?))).collect();
    let known = known.ok_or_else(|| FigureError::no_x(&rows[0].method, "tpt_ms"))?;
    let (xs, ys) =
        (distinct(known.iter().map(|cell| cell.0)), distinct(known.iter().map(|cell| cell.1)));
    let least = known.iter().map(|cell| cell.2).fold(f64::INFINITY, f64::min);
    let most = known.iter().map(|cell| cell.2).fold(f64::NEG_INFINITY, f64::max);
    let index = |values: &[f64], value| values.iter().take_while(|other| **other < value).count();
    let cells = known.iter().map(|&(x, y, value)| Cell {
        x: index(&xs, x) as f64,
        y: index(&ys, y) as f64,
        winner: String::new(),
        winner_label: String::new(),
        value,
        labels: [format!("{value:.0}"), String::new()],
        marked: value == least,
    });
    // Thresholds crowd towards 1: cells of equal width show them all.
    let x = Axis::groups("sequence threshold R1", xs.iter().map(|x| number(*x)));
    let y = Axis::groups("token threshold R2", ys.iter().map(|y| number(*y)));
    let title = names::metric("tpt_ms");
    let shades = Some(Shades { title, low: least, high: most });
    let panel = Panel { cells: cells.collect(), shades, ..Panel::new(String::new(), x, y) };
    let (width, panels) = (Width::Column, vec![panel]);
    let legend = Legend::Above;
    Ok(Chart { width, columns: 1, plot_height: 400, panels, notes: vec![], legend })
}

/// Values in order, each once.
pub(super) fn distinct(values: impl Iterator<Item = f64>) -> Vec<f64> {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values.dedup();
    values
}
