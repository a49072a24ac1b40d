//! How far the predictions are from the paper over several items at once.

use super::{Report, Role, Table};
use crate::figures::ENERGY;

/// The row of all times together.
pub(crate) const TOGETHER: &str = "together";

/// The items whose predicted HumanEval cells are judged together.
const ITEMS: [&str; 4] = ["table1", "table6", "table7", "fig5"];

/// Mean absolute error \[%\] and number of the predicted cells on HumanEval: the times per token of each
/// of [`ITEMS`] and of all together, and what joins them if more is counted. None unless all four
/// are there.
pub(crate) fn table(reports: &[Report]) -> Option<Table> {
    let mut table = Table::new(
        "Predicted cells on HumanEval against the paper",
        &["times per token of", "mean |error|", "cells"],
        1,
    );
    let (mut times, mut rates, mut energies) = (Vec::new(), Vec::new(), Vec::new());
    for item in ITEMS {
        let report = reports.iter().find(|report| report.item == item)?;
        let mut of_item = Vec::new();
        for row in &report.rows {
            let predicted = row.role == Role::Prediction && row.dataset == "humaneval";
            let Some(error) = row.error_pct().filter(|_| predicted).map(f64::abs) else { continue };
            if row.metric == "tpt_ms" {
                of_item.push(error);
            } else if row.metric.starts_with(ENERGY) {
                energies.push(error);
            } else {
                rates.push(error);
            }
        }
        table.rows.push(line(item, &of_item));
        times.extend(of_item);
    }
    table.rows.push(line(TOGETHER, &times));
    let with_rates = [&times[..], &rates].concat();
    table.rows.push(line("... and Table 7's lengths and rates", &with_rates));
    table.rows.push(line("... and Fig. 5b's energies", &[with_rates, energies].concat()));
    Some(table)
}

fn line(name: &str, errors: &[f64]) -> Vec<String> {
    let mean = errors.iter().sum::<f64>() / errors.len().max(1) as f64;
    vec![name.to_owned(), format!("{mean:.1} %"), errors.len().to_string()]
}

/// The table as text.
pub(crate) fn text(reports: &[Report]) -> Option<String> {
    table(reports).map(|table| format!("{}\n", table.text()))
}
