//! Table 3: what each tuner's thresholds are worth.

use super::rows::{distinct, of_metric, with};
use super::{FigureError, FigureOf, names, table6};
use crate::chart::{Chart, Legend, Width};
use crate::results::Row;

pub(super) const FIGURE: FigureOf = FigureOf {
    item: "table3",
    file: "table3.svg",
    caption: "Time per token with the thresholds that each tuner recommends, all with equal budgets, \
              for each length of the runs that a tuner tries thresholds on: mean and 95 % interval \
              over searches. Diamonds and numbers in brackets: the paper's Table 3.",
    draw,
};

/// The height of a bar's room \[0.1 mm\].
const BAR: i32 = 36;

fn draw(rows: &[Row]) -> Result<Chart, FigureError> {
    let rows = of_metric(rows, "tpt_ms")?;
    let style = |method: &str| if method == "bayes" { "bayes" } else { "other" };
    let mut panels = Vec::new();
    for dataset in distinct(rows.iter().copied(), |row| &row.dataset) {
        let of_dataset = with(&rows, |row| &row.dataset, dataset);
        for variant in distinct(of_dataset.iter().copied(), |row| &row.variant) {
            let rows = with(&of_dataset, |row| &row.variant, variant);
            let name = names::dataset(dataset);
            let title = if variant.is_empty() { name } else { format!("{name}, {variant}") };
            panels.push(table6::lying_panel(title, &rows, style));
        }
    }
    table6::share_axis(&mut panels);
    let bars = panels.iter().map(|panel| panel.y.ticks.len()).max().unwrap_or_default();
    let last = panels.len().saturating_sub(1);
    for panel in &mut panels[..last] {
        panel.x = panel.x.clone().unlabelled();
    }
    let plot_height = BAR * bars as i32;
    let legend = Legend::Above;
    Ok(Chart { width: Width::Column, columns: 1, plot_height, panels, notes: vec![], legend })
}
