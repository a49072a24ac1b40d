//! How far predictions are from the paper over all items at once: mean errors beside what is asked of
//! them, the cells that neither chance nor sessions account for, and methods in another order.

use super::chance::{DEVIATIONS, SESSIONS_PCT, Verdict};
use super::order::{self, Pair};
use super::quantity::Quantity;
use super::{Explained, Report, Role, Row, Table};

/// Some cells of one item, and what is asked of their mean absolute error.
struct Bar {
    /// The cells, for people.
    what: &'static str,
    item: &'static str,
    dataset: &'static str,
    quantity: Quantity,
    /// The bar \[%\]; None: nothing is asked.
    most: Option<f64>,
}

const fn bar(
    what: &'static str,
    item: &'static str,
    dataset: &'static str,
    quantity: Quantity,
    most: Option<f64>,
) -> Bar {
    Bar { what, item, dataset, quantity, most }
}

const BARS: [Bar; 9] = [
    bar("Table 1, HumanEval", "table1", "humaneval", Quantity::Times, Some(4.0)),
    bar("Table 1, GSM8K", "table1", "gsm8k", Quantity::Times, Some(7.0)),
    bar("Fig. 5, times", "fig5", "humaneval", Quantity::Times, Some(4.0)),
    bar("Table 7, times", "table7", "humaneval", Quantity::Times, Some(6.0)),
    bar("Table 7, lengths and rates", "table7", "humaneval", Quantity::Rates, None),
    bar("Table 6", "table6", "humaneval", Quantity::Times, None),
    bar("Fig. 5, energies", "fig5", "humaneval", Quantity::Energies, None),
    bar("Table 2, HumanEval", "table2", "humaneval", Quantity::Energies, None),
    bar("Table 2, GSM8K", "table2", "gsm8k", Quantity::Energies, None),
];

/// Absolute errors \[%\] of some cells.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Errors {
    /// Of predictions.
    pub(crate) predicted: Vec<f64>,
    /// Of cells in sample.
    in_sample: Vec<f64>,
}

impl Errors {
    fn of(report: &Report, keep: impl Fn(&Row) -> bool) -> Self {
        let errors = |role: Role| {
            let rows = report.rows.iter().filter(|row| row.role == role && keep(row));
            rows.filter_map(Row::error_pct).map(f64::abs).collect()
        };
        Self { predicted: errors(Role::Prediction), in_sample: errors(Role::InSample) }
    }

    /// With those of other cells.
    fn and(&self, others: &Self) -> Self {
        Self {
            predicted: [&self.predicted[..], &others.predicted].concat(),
            in_sample: [&self.in_sample[..], &others.in_sample].concat(),
        }
    }
}

/// What is asked of some cells, and what they are.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Judged {
    /// The cells, for people.
    pub(crate) what: &'static str,
    pub(crate) errors: Errors,
    /// The most that their mean may be \[%\].
    pub(crate) most: Option<f64>,
}

impl Judged {
    /// The mean absolute error of the predictions \[%\]; None: there are none.
    pub(crate) fn mean(&self) -> Option<f64> {
        mean(&self.errors.predicted)
    }

    /// Whether it is met, if something is asked of predictions that are there.
    pub(crate) fn is_met(&self) -> Option<bool> {
        Some(self.mean()? <= self.most?)
    }

    fn line(&self) -> Vec<String> {
        let Errors { predicted, in_sample } = &self.errors;
        let all = [&predicted[..], in_sample].concat();
        let asked = match (self.most, self.is_met()) {
            (Some(most), Some(met)) => format!("{most} %: {}", if met { "met" } else { "missed" }),
            (Some(most), None) => format!("{most} %: no cell"),
            (None, _) => String::new(),
        };
        let mean =
            |errors: &[f64]| mean(errors).map_or("none".into(), |mean| format!("{mean:.1} %"));
        let (predictions, cells) = (predicted.len().to_string(), all.len().to_string());
        vec![self.what.to_owned(), mean(predicted), predictions, asked, mean(&all), cells]
    }
}

/// The items whose times per token on HumanEval are also seen together.
const TOGETHER: [&str; 4] = ["table1", "table6", "table7", "fig5"];

/// All that is asked of those items that are there; cells without a published value are in none.
pub(crate) fn judged(reports: &[&Report]) -> Vec<Judged> {
    let report = |name: &str| reports.iter().copied().find(|report| report.item == name);
    let mut judged = Vec::new();
    for Bar { what, item, dataset, quantity, most } in &BARS {
        let Some(report) = report(item) else { continue };
        let keep = |row: &Row| row.dataset == *dataset && Quantity::of(row) == *quantity;
        let errors = Errors::of(report, keep);
        if errors != Errors::default() {
            judged.push(Judged { what, errors, most: *most });
        }
    }
    let all: Option<Vec<&Report>> = TOGETHER.iter().map(|name| report(name)).collect();
    if let Some(all) = all {
        let of = |quantity: Quantity| {
            let keep = |row: &Row| row.dataset == "humaneval" && Quantity::of(row) == quantity;
            all.iter().fold(Errors::default(), |sum, report| sum.and(&Errors::of(report, keep)))
        };
        let [times, rates, energies] = Quantity::ALL.map(of);
        let with_rates = times.and(&rates);
        for (what, errors) in [
            ("Tables 1, 6, 7, Fig. 5, HumanEval: times", times),
            ("... times, lengths and rates", with_rates.clone()),
            ("... times, lengths, rates and Fig. 5's energies", with_rates.and(&energies)),
        ] {
            judged.push(Judged { what, errors, most: None });
        }
    }
    judged
}

/// Predicted cells that neither chance nor the differences between the authors' sessions account for.
pub(crate) fn unlike<'a>(reports: &[&'a Report]) -> Vec<(&'a Report, &'a Row)> {
    let rows = reports.iter().flat_map(|&report| report.rows.iter().map(move |row| (report, row)));
    rows.filter(|(_, row)| row.is_unlike()).collect()
}

/// Cells with one explanation, or without any.
pub(crate) type Group<'a> = (Option<&'a Explained>, Vec<(&'a Report, &'a Row)>);

/// Those cells by explanation: first those without one, then in the order of the items.
pub(crate) fn unlike_by_explanation<'a>(reports: &[&'a Report]) -> Vec<Group<'a>> {
    let mut groups: Vec<Group<'_>> = vec![(None, Vec::new())];
    for (report, row) in unlike(reports) {
        let explained = row.explained.as_ref();
        match groups.iter_mut().find(|(known, _)| *known == explained) {
            Some((_, cells)) => cells.push((report, row)),
            None => groups.push((explained, vec![(report, row)])),
        }
    }
    groups.retain(|(_, cells)| !cells.is_empty());
    groups
}

/// Pairs of methods that the paper tells apart, by item.
pub(crate) fn pairs<'a>(reports: &[&'a Report]) -> Vec<(&'a Report, Vec<Pair>)> {
    reports.iter().map(|&report| (report, order::told_apart(&report.rows))).collect()
}

fn mean(errors: &[f64]) -> Option<f64> {
    (!errors.is_empty()).then(|| errors.iter().sum::<f64>() / errors.len() as f64)
}

/// Mean absolute errors beside what is asked.
fn means(reports: &[&Report]) -> Option<Table> {
    let caption = "Mean absolute errors against the paper: predictions, what is asked of them, and with the \
                   cells in sample";
    let header =
        ["times per token and others", "predicted", "cells", "asked", "with in sample", "cells"];
    let mut table = Table::new(caption, &header, 1);
    table.rows = judged(reports).iter().map(Judged::line).collect();
    (!table.rows.is_empty()).then_some(table)
}

/// By item and quantity: what chance accounts for, and the order of methods.
fn beside_chance(reports: &[&Report]) -> Option<Table> {
    let caption = format!(
        "Predicted cells beside chance: within {DEVIATIONS} chance deviations, within another \
         {SESSIONS_PCT} % (as the authors' sessions differ), beyond both; and pairs of methods that the \
         paper has farther apart than {DEVIATIONS} chance deviations"
    );
    let header = [
        "item",
        "quantity",
        "predicted",
        "chance",
        "sessions",
        "beyond",
        "unexplained",
        "pairs",
        "reversed",
    ];
    let mut table = Table::new(caption, &header, 2);
    for (&report, quantity) in reports.iter().flat_map(|report| Quantity::ALL.map(|q| (report, q)))
    {
        let rows = || report.rows.iter().filter(|row| Quantity::of(row) == quantity);
        let judged =
            || rows().filter(|row| row.role == Role::Prediction && row.verdict().is_some());
        let count = |verdict: Verdict| {
            judged().filter(|row| row.verdict() == Some(verdict)).count().to_string()
        };
        let unexplained = judged().filter(|row| row.is_unlike() && row.explained.is_none()).count();
        let pairs = order::told_apart(rows());
        if judged().count() == 0 && pairs.is_empty() {
            continue;
        }
        let reversed = pairs.iter().filter(|pair| pair.is_reversed()).count();
        let mut line = vec![report.item.clone(), quantity.name().to_owned()];
        line.push(judged().count().to_string());
        line.extend([Verdict::Chance, Verdict::Sessions, Verdict::Beyond].map(count));
        line.extend([unexplained, pairs.len(), reversed].map(|count| count.to_string()));
        table.rows.push(line);
    }
    (!table.rows.is_empty()).then_some(table)
}

/// Where a row stands, in its keys.
fn place(report: &Report, row: &Row) -> String {
    let mut words = vec![report.item.clone(), row.dataset.clone(), row.scenario.clone()];
    words.extend(row.variant.clone());
    words.extend([row.x, row.y].into_iter().flatten().map(|value| value.to_string()));
    words.extend([row.method.clone(), row.metric.clone()]);
    words.join(", ")
}

/// The cells beyond both, each with its explanation, and the reversals.
fn differences(reports: &[&Report]) -> String {
    let mut text = String::new();
    for (explained, cells) in unlike_by_explanation(reports) {
        let why = explained.map_or_else(
            || "unexplained".to_owned(),
            |Explained { why, evidence }| format!("{why} (evidence: {evidence})"),
        );
        text.push_str(&format!(
            "\nPredicted cells beyond {DEVIATIONS} chance deviations and {SESSIONS_PCT} %, {why}:\n"
        ));
        for (report, row) in cells {
            text.push_str(&format!("- {}: {}\n", place(report, row), row.text().trim_end()));
        }
    }
    let mut heading = "\nIn another order than in the paper:\n";
    for (report, pairs) in pairs(reports) {
        for pair in pairs.iter().filter(|pair| pair.is_reversed()) {
            text.push_str(std::mem::take(&mut heading));
            text.push_str(&format!("- {}, {}\n", report.item, pair.words(true)));
        }
    }
    text
}

/// All of it as text; None where no item has a published value.
pub(crate) fn text(reports: &[Report]) -> Option<String> {
    let reports: Vec<&Report> = reports.iter().collect();
    let tables = [means(&reports), beside_chance(&reports)];
    let tables: Vec<String> = tables.iter().flatten().map(Table::text).collect();
    if tables.is_empty() {
        return None;
    }
    Some(format!("{}{}\n", tables.join("\n"), differences(&reports)))
}

#[cfg(test)]
mod tests {
    use serde_json::Map;

    use super::*;
    use crate::figures::ENERGY;
    use crate::items::Chance;
    use crate::statistics::Statistic;

    fn row(method: &str, metric: &str, ours: f64, role: Role) -> Row {
        Row {
            paper: Some(100.0),
            role,
            chance: Some(Chance { prompts: 10, sd: 2.0 }),
            ..Row::ours("humaneval", "s1-laptop", method, metric, Statistic::of(&[ours]))
        }
    }

    fn report(item: &str, rows: Vec<Row>) -> Report {
        let none = String::new;
        Report {
            format: 2,
            item: item.to_owned(),
            title: none(),
            version: none(),
            command: none(),
            seed: 1,
            seeds: 1,
            tokens: 1,
            prompts: None,
            unpublished: None,
            notes: Vec::new(),
            figures: Map::new(),
            tables: Vec::new(),
            rows,
            measured: None,
        }
    }

    fn four() -> [Report; 4] {
        let energy = format!("{ENERGY}cloud_active");
        [
            report(
                "table1",
                vec![
                    row("vanilla", "tpt_ms", 150.0, Role::Calibration),
                    row("hsl", "tpt_ms", 150.0, Role::InSample),
                    row("edgellm", "tpt_ms", 80.0, Role::NotCounted),
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
        ]
    }

    #[test]
    fn cells_are_counted_where_they_belong() {
        let four = four();
        let lines = |reports: &[&Report]| -> Vec<String> {
            let table = means(reports).expect("cells");
            table.rows.iter().map(|line| line.join(" | ")).collect()
        };
        let all: Vec<&Report> = four.iter().collect();
        assert_eq!(
            lines(&all),
            [
                "Table 1, HumanEval | 4.0 % | 1 | 4 %: met | 27.0 % | 2",
                "Table 7, lengths and rates | 60.0 % | 1 |  | 33.0 % | 2",
                "Table 6 | 2.0 % | 1 |  | 2.0 % | 1",
                "Fig. 5, energies | 70.0 % | 1 |  | 70.0 % | 1",
                // 4 and 2, and 50; with 60 and 6; with 70.
                "Tables 1, 6, 7, Fig. 5, HumanEval: times | 3.0 % | 2 |  | 18.7 % | 3",
                "... times, lengths and rates | 22.0 % | 3 |  | 24.4 % | 5",
                "... times, lengths, rates and Fig. 5's energies | 34.0 % | 4 |  | 32.0 % | 6",
            ]
        );
        // What is not there is not judged, and nothing is together.
        assert_eq!(lines(&all[1..2]), ["Table 6 | 2.0 % | 1 |  | 2.0 % | 1"]);
        assert_eq!(text(&[report("small", Vec::new())]), None);
    }

    #[test]
    fn a_bar_is_missed_by_the_mean_of_predictions_alone() {
        let times = |ours: f64, role| report("table1", vec![row("pipesd", "tpt_ms", ours, role)]);
        let verdict = |report: &Report| judged(&[report])[0].is_met();
        assert_eq!(verdict(&times(104.0, Role::Prediction)), Some(true));
        assert_eq!(verdict(&times(95.9, Role::Prediction)), Some(false));
        assert_eq!(verdict(&times(150.0, Role::InSample)), None);
    }

    #[test]
    fn what_chance_does_not_account_for_is_named_with_its_explanation() {
        let mut four = four();
        four[3].rows[0].explained =
            Some(Explained { why: "another meter".into(), evidence: "its manual".into() });
        let all: Vec<&Report> = four.iter().collect();
        let table = beside_chance(&all).expect("cells");
        let lines: Vec<String> = table.rows.iter().map(|line| line.join(" ")).collect();
        assert_eq!(
            lines,
            [
                "table1 times per token 1 1 0 0 0 0 0",
                "table6 times per token 1 1 0 0 0 0 0",
                "table7 lengths and rates 1 0 0 1 1 0 0",
                "fig5 energies 1 0 0 1 0 0 0",
            ]
        );
        let said = text(&four).expect("cells");
        assert!(
            said.contains(
                "5 %, unexplained:\n- table7, humaneval, s1-laptop, pipesd, rollback_rate: 160.000 \
                 (100.000) +60.0 ±2.0 %!\n"
            ),
            "{said}"
        );
        let (_, explained) =
            said.split_once("another meter (evidence: its manual):\n").expect("said");
        assert!(explained.ends_with("-70.0 ±2.0 %!\n\n"), "{said}");
        // In-sample cells and calibrations are not held to it.
        assert_eq!(unlike(&all).len(), 2);
    }
}
