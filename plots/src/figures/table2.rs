//! Table 2: cloud energy per 100 tokens, for each fit of the energy of a NAV.

use super::rows::{bar_panel, bars, distinct, letters_note, of_metric, share_values, with};
use super::{FigureError, FigureOf, names};
use crate::chart::{Axis, Chart, Legend, Width};
use crate::results::Row;

pub(super) const FIGURE: FigureOf = FigureOf {
    item: "table2",
    file: "table2.svg",
    caption: "Energy of the cloud's GPU over prefill and NAV: mean and 95 % interval over seeds, \
              for each way of fitting the energy of one NAV. Diamonds: the paper's Table 2.",
    draw,
};

fn draw(rows: &[Row]) -> Result<Chart, FigureError> {
    const METRIC: &str = "energy_j_per_100_tokens_cloud_active";
    let rows = of_metric(rows, METRIC)?;
    let variants = distinct(rows.iter().copied(), |row| &row.variant);
    let groups: Vec<String> = variants.iter().map(|&name| name.to_owned()).collect();
    let datasets = distinct(rows.iter().copied(), |row| &row.dataset);
    let mut panels: Vec<_> = datasets
        .iter()
        .map(|dataset| {
            let bars =
                bars(&with(&rows, |row| &row.dataset, dataset), &variants, |row| &row.variant);
            let measure = names::metric(METRIC);
            bar_panel(names::dataset(dataset), &measure, groups.clone(), bars)
        })
        .collect();
    share_values(&mut panels, Axis::from_zero);
    for panel in panels.iter_mut().skip(1) {
        panel.y = panel.y.clone().unlabelled();
    }
    Ok(Chart {
        width: Width::Column,
        columns: 2,
        plot_height: 340,
        panels,
        notes: letters_note(&rows),
        legend: Legend::Above,
    })
}
