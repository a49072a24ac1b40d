//! Table 1: time per token of the four methods in the four scenarios; and the same of our own pair.

use super::rows::{bar_panel, bars, distinct, letters_note, of_metric, with, with_references};
use super::{FigureError, FigureOf, names};
use crate::chart::{Chart, Legend, Width};
use crate::results::Row;

pub(super) const FIGURE: FigureOf = FigureOf {
    item: "table1",
    file: "table1.svg",
    caption: "Time per token of each method in each scenario: mean and 95 % interval over seeds. \
              Diamonds: the paper's Table 1. Lines through a group: decoding in the \
              cloud alone, drafting and verifying in turns (serial split), and the bound that no \
              choice of trigger, upload and depth can beat. Decoding on the edge alone is in the \
              table. The panels' axes differ.",
    draw,
};

/// The same of our own pair of models.
pub(super) const SMALL: FigureOf = FigureOf {
    item: "small",
    file: "small.svg",
    caption: "Time per token of each method on texts recorded from our own pair of models: mean and \
              95 % interval over seeds. Lines as in Table 1.",
    draw,
};

fn draw(rows: &[Row]) -> Result<Chart, FigureError> {
    const METRIC: &str = "tpt_ms";
    let rows = with_references(of_metric(rows, METRIC)?, &["bound", "serial", "cloud_only"]);
    let scenarios = distinct(rows.iter().copied(), |row| &row.scenario);
    let groups: Vec<String> = scenarios.iter().map(|name| names::scenario(name)).collect();
    let datasets = distinct(rows.iter().copied(), |row| &row.dataset);
    let panels: Vec<_> = datasets
        .iter()
        .map(|dataset| {
            let bars =
                bars(&with(&rows, |row| &row.dataset, dataset), &scenarios, |row| &row.scenario);
            let measure = names::metric(METRIC);
            bar_panel(names::dataset(dataset), &measure, groups.clone(), bars)
        })
        .collect();
    Ok(Chart {
        width: Width::Column,
        columns: 1,
        plot_height: 320,
        panels,
        notes: letters_note(&rows),
        legend: Legend::Above,
    })
}
