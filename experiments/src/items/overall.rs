//! How far the predictions are from the paper over several items at once.

use super::{Report, Role, Table};
use crate::figures::ENERGY;

/// The row of all times together.
pub(crate) const TOGETHER: &str = "together";

/// The items whose predicted HumanEval cells are judged together.
const ITEMS: [&str; 4] = ["table1", "table6", "table7", "fig5"];

/// What is asked of the mean absolute error \[%\].
const BAR: f64 = 8.0;

/// Absolute errors \[%\] of cells on HumanEval.
#[derive(Default)]
struct Errors {
    /// Times per token by item, predicted.
    times: [Vec<f64>; ITEMS.len()],
    /// Of all items, in sample by EdgeLLM's confidences and settings alone.
    edgellm_times: Vec<f64>,
    /// Table 7's lengths and rates.
    rates: Vec<f64>,
    edgellm_rates: Vec<f64>,
    /// Fig. 5b's.
    energies: Vec<f64>,
}

impl Errors {
    fn of(reports: &[Report]) -> Option<Self> {
        let mut errors = Self::default();
        for (index, item) in ITEMS.into_iter().enumerate() {
            let report = reports.iter().find(|report| report.item == item)?;
            for row in report.rows.iter().filter(|row| row.dataset == "humaneval") {
                let predicted = row.role == Role::Prediction;
                let edgellm = row.role == Role::InSample && row.method == "edgellm";
                let Some(error) = row.error_pct().map(f64::abs) else { continue };
                let (times, rates) = match (predicted, edgellm) {
                    (true, _) => (&mut errors.times[index], &mut errors.rates),
                    (_, true) => (&mut errors.edgellm_times, &mut errors.edgellm_rates),
                    _ => continue,
                };
                if row.metric == "tpt_ms" {
                    times.push(error);
                } else if !row.metric.starts_with(ENERGY) {
                    rates.push(error);
                } else if predicted {
                    errors.energies.push(error);
                }
            }
        }
        Some(errors)
    }
}

/// Mean absolute error and number of the predicted cells on HumanEval: the times per token of each of
/// [`ITEMS`] and of all together, and what joins them if more is counted. None unless all four are
/// there.
pub(crate) fn table(reports: &[Report]) -> Option<Table> {
    let Errors { times, edgellm_times, rates, edgellm_rates, energies } = Errors::of(reports)?;
    let all = times.concat();
    let with_edgellm = [&all[..], &edgellm_times].concat();
    let with_rates = [&all[..], &rates].concat();
    let with_both = [&with_edgellm[..], &rates, &edgellm_rates].concat();
    let verdict = |errors: &[f64]| {
        let word = if mean(errors) <= BAR { "met" } else { "missed" };
        format!("{word} ({:.1} %, {} cells)", mean(errors), errors.len())
    };
    let caption = format!(
        "Predicted cells on HumanEval against the paper. The bar of {BAR} % is {} for times per token, and \
         {} once Table 7's lengths and rates are cells too: PipeSD's rejections come earlier and oftener in \
         our rounds than in the authors' (see Table 7). EdgeLLM's cells in S1 count as in sample, since \
         confidences of its run and two of its settings were used; as predictions they would give the \
         lines that name it",
        verdict(&all),
        verdict(&with_rates),
    );
    let mut table = Table::new(caption, &["times per token of", "mean |error|", "cells"], 1);
    for (item, errors) in ITEMS.into_iter().zip(&times) {
        table.rows.push(line(item, errors));
    }
    table.rows.push(line(TOGETHER, &all));
    table.rows.push(line("... and EdgeLLM in S1", &with_edgellm));
    table.rows.push(line("together, and Table 7's lengths and rates", &with_rates));
    table.rows.push(line("... and EdgeLLM in S1 (times, lengths, rates)", &with_both));
    let with_energies = [with_rates, energies].concat();
    table.rows.push(line("together, Table 7's, and Fig. 5b's energies", &with_energies));
    Some(table)
}

fn mean(errors: &[f64]) -> f64 {
    errors.iter().sum::<f64>() / errors.len() as f64
}

fn line(name: &str, errors: &[f64]) -> Vec<String> {
    let error =
        if errors.is_empty() { "none".to_owned() } else { format!("{:.1} %", mean(errors)) };
    vec![name.to_owned(), error, errors.len().to_string()]
}

/// The table as text.
pub(crate) fn text(reports: &[Report]) -> Option<String> {
    table(reports).map(|table| format!("{}\n", table.text()))
}

#[cfg(test)]
mod tests {
    use serde_json::Map;

    use super::*;
    use crate::items::Row;
    use crate::statistics::Statistic;

    fn row(method: &str, metric: &str, ours: f64, role: Role) -> Row {
        Row {
            paper: Some(100.0),
            role,
            ..Row::ours("humaneval", "s1-laptop", method, metric, Statistic::of(&[ours]))
        }
    }

    fn report(item: &str, rows: Vec<Row>) -> Report {
        let none = String::new;
        Report {
            item: item.to_owned(),
            title: none(),
            version: none(),
            command: none(),
            seed: 1,
            seeds: 1,
            tokens: 1,
            unpublished: None,
            notes: Vec::new(),
            figures: Map::new(),
            tables: Vec::new(),
            rows,
            measured: None,
        }
    }

    #[test]
    fn cells_are_counted_where_they_belong() {
        let energy = format!("{ENERGY}cloud_active");
        let reports = [
            report(
                "table1",
                vec![
                    row("vanilla", "tpt_ms", 150.0, Role::Calibration),
                    row("hsl", "tpt_ms", 150.0, Role::InSample),
                    row("edgellm", "tpt_ms", 80.0, Role::InSample),
                    row("pipesd", "tpt_ms", 104.0, Role::Prediction),
                ],
            ),
            report("table6", vec![row("pipesd", "tpt_ms", 98.0, Role::Prediction)]),
            report(
                "table7",
                vec![
                    row("pipesd", "rollback_rate", 160.0, Role::Prediction),
                    row("edgellm", "rollback_rate", 94.0, Role::InSample),
                ],
            ),
            report("fig5", vec![row("pipesd", &energy, 30.0, Role::Prediction)]),
        ];
        let found = table(&reports).expect("all four");
        let lines: Vec<String> = found.rows.iter().map(|line| line[1..].join(" ")).collect();
        // 4 and 2; with 20; with 60; with 20, 60 and 6; with 60 and 70.
        let expected = [
            "4.0 % 1", "2.0 % 1", "none 0", "none 0", "3.0 % 2", "8.7 % 3", "22.0 % 3", "18.4 % 5",
            "34.0 % 4",
        ];
        assert_eq!(lines, expected);
        assert!(found.caption.contains("met (3.0 %, 2 cells)"), "{}", found.caption);
        assert!(found.caption.contains("missed (22.0 %, 3 cells)"), "{}", found.caption);
        assert_eq!(table(&reports[..3]), None);
    }
}
