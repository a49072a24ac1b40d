//! How far the predictions are from the paper over several items at once.

use super::{Report, Role, Row, Table};

/// The items whose predicted HumanEval cells are judged together.
const ITEMS: [&str; 4] = ["table1", "table6", "table7", "fig5"];

/// Mean absolute error \[%\] and number of the predicted times per token on HumanEval: of each of
/// [`ITEMS`], and of all together. None unless all four are there.
pub(crate) fn table(reports: &[Report]) -> Option<Table> {
    let mut table = Table::new(
        "Predicted times per token on HumanEval against the paper",
        &["item", "mean |error|", "cells"],
        1,
    );
    let mut all = Vec::new();
    for item in ITEMS {
        let report = reports.iter().find(|report| report.item == item)?;
        let predicted = |row: &&Row| row.role == Role::Prediction && row.dataset == "humaneval";
        let rows = report.of_metric("tpt_ms").filter(predicted);
        let errors: Vec<f64> = rows.filter_map(Row::error_pct).map(f64::abs).collect();
        table.rows.push(line(item, &errors));
        all.extend(errors);
    }
    table.rows.push(line("together", &all));
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
