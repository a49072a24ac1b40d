//! Table 3: what each tuner's thresholds are worth.

use super::rows::{distinct, of_metric, with};
use super::{FigureError, FigureOf, names, table6};
use crate::chart::{Chart, Width};
use crate::results::Row;

pub(super) const FIGURE: FigureOf = FigureOf {
    item: "table3",
    file: "table3.svg",
    caption: "Time per token with the thresholds that each tuner recommends, all with equal budgets: \
              mean and 95 % interval over searches. Diamonds: the paper's Table 3.",
    draw,
};

fn draw(rows: &[Row]) -> Result<Chart, FigureError> {
    let rows = of_metric(rows, "tpt_ms")?;
    let datasets = distinct(rows.iter().copied(), |row| &row.dataset);
    let style = |method: &str| if method == "bayes" { "bayes" } else { "other" };
    let panels = datasets.iter().map(|dataset| {
        let rows = with(&rows, |row| &row.dataset, dataset);
        table6::lying_panel(names::dataset(dataset), &rows, style)
    });
    let mut panels: Vec<_> = panels.collect();
    table6::share_axis(&mut panels);
    Ok(Chart { width: Width::Column, columns: 1, plot_height: 200, panels, notes: vec![] })
}
