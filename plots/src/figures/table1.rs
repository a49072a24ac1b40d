//! Table 1: time per token of the four methods in the four scenarios.

use super::rows::{bar_panel, bars, distinct, of_metric, share_values, with, with_references};
use super::{FigureError, FigureOf, names};
use crate::chart::{Axis, Chart, Legend, Width};
use crate::results::Row;

pub(super) const FIGURE: FigureOf = FigureOf {
    item: "table1",
    file: "table1.svg",
    caption: "Time per token of each method in each scenario: mean and 95 % interval over seeds. \
              Diamonds: the paper's Table 1. Lines through a group: drafting and verifying in \
              turns (serial split), and the bound that no choice of trigger, upload and depth can \
              beat. Decoding in the cloud alone or on the edge alone is in the table.",
    draw,
};

fn draw(rows: &[Row]) -> Result<Chart, FigureError> {
    const METRIC: &str = "tpt_ms";
    let rows = with_references(of_metric(rows, METRIC)?, &["bound", "serial"]);
    let scenarios = distinct(rows.iter().copied(), |row| &row.scenario);
    let groups: Vec<String> = scenarios.iter().map(|name| names::scenario(name)).collect();
    let datasets = distinct(rows.iter().copied(), |row| &row.dataset);
    let mut panels: Vec<_> = datasets
        .iter()
        .map(|dataset| {
            let series =
                bars(&with(&rows, |row| &row.dataset, dataset), &scenarios, |row| &row.scenario);
            let measure = names::metric(METRIC);
            bar_panel(names::dataset(dataset), &measure, groups.clone(), series)
        })
        .collect();
    share_values(&mut panels, Axis::from_zero);
    Ok(Chart {
        width: Width::Column,
        columns: 1,
        plot_height: 320,
        panels,
        notes: vec![],
        legend: Legend::Above,
    })
}
