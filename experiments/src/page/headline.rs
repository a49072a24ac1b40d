//! The page's first section: what came out, how far predictions are off, whether the same methods win.
//! All of it is computed from the reports.

use anyhow::Result;
use maud::{Markup, html};
use pipesd_plots::names;

use super::ask::{self, Quantity, TIME};
use super::{Figure, findings, joined, result, section, strip, table};
use crate::items::{Report, Role, Row, Table};

/// The items whose predicted HumanEval cells are judged together, and how far off they may be \[%\].
const JUDGED: [&str; 4] = ["table1", "table6", "table7", "fig5"];
const BAR: f64 = 8.0;

/// A picture of what is simulated: one run of PipeSD.
const PIPELINE: &str = include_str!("../../../docs/timeline.svg");
/// The same for a phone, made with `--timeline-narrow`.
const NARROW_PIPELINE: &str = include_str!("../../../docs/timeline-narrow.svg");

pub(super) fn markup(reports: &[&Report]) -> Result<Markup> {
    let compared = Compared::of(reports);
    let errors = errors(reports);
    let pipeline = Figure {
        file: "timeline.svg".to_owned(),
        caption: PIPELINE_CAPTION.to_owned(),
        svg: PIPELINE.to_owned(),
        narrow: Some(NARROW_PIPELINE.to_owned()),
    };
    let tiles = tiles(&compared, reports);
    Ok(html! {
        section.item #findings aria-labelledby="findings-heading" {
            h2 #findings-heading { "Findings" }
            (findings::markup(reports))
            h3 { "How true to the paper" }
            @if tiles.is_empty() {
                p { "The paper has no times per token for what was made here: see the tables." }
            } @else {
                ul.tiles {
                    @for tile in &tiles {
                        li { strong { (tile.number) } span { (joined(&tile.text)) } }
                    }
                }
            }
            (strip::markup(&compared.cells))
            @if !errors.rows.is_empty() {
                (section::folded("All errors, by quantity", &table::markup(&errors, "Findings")))
            }
            (section::figure_markup(&pipeline, "pipeline")?)
        }
    })
}

const PIPELINE_CAPTION: &str = "What is simulated: three seconds of a PipeSD run. A rejection, two reused \
    rounds, and uploads that were called off but run to their end. Made by `pipesd simulate --seeds 1 \
    --timeline timeline.svg --timeline-from 2.7`";

/// The rows with a published time per token, with their items.
pub(super) struct Compared<'a> {
    pub(super) cells: Vec<(&'a Report, &'a Row, f64)>,
}

impl<'a> Compared<'a> {
    pub(super) fn of(reports: &[&'a Report]) -> Self {
        let mut cells = Vec::new();
        for &report in reports {
            let rows = report.rows.iter().filter(|row| row.metric == TIME);
            cells.extend(rows.filter_map(|row| Some((report, row, row.error_pct()?))));
        }
        Self { cells }
    }

    /// Cells where methods meet: each place of each item that has several of them.
    fn places(&self) -> Vec<Vec<(&'a Report, &'a Row)>> {
        let mut places: Vec<Vec<(&Report, &Row)>> = Vec::new();
        for &(report, row, _) in &self.cells {
            let here = |place: &&mut Vec<(&Report, &Row)>| {
                let (other, first) = place[0];
                other.item == report.item
                    && (&first.dataset, &first.scenario, &first.variant)
                        == (&row.dataset, &row.scenario, &row.variant)
                    && (first.x, first.y) == (row.x, row.y)
            };
            match places.iter_mut().find(here) {
                Some(place) => place.push((report, row)),
                None => places.push(vec![(report, row)]),
            }
        }
        places.retain(|place| place.len() > 1);
        places
    }
}

struct Tile {
    number: String,
    text: String,
}

fn tiles(compared: &Compared<'_>, reports: &[&Report]) -> Vec<Tile> {
    let mut tiles = judged(reports);
    let predicted: Vec<_> =
        compared.cells.iter().filter(|(_, row, _)| row.role == Role::Prediction).collect();
    let sizes: Vec<f64> = predicted.iter().map(|(_, _, error)| error.abs()).collect();
    if let (true, Some(error)) = (tiles.is_empty(), ask::mean(&sizes)) {
        let text = format!("mean absolute error of {} predicted times per token", sizes.len());
        tiles.push(Tile { number: format!("{error:.1} %"), text });
    }
    if let Some((report, row, error)) =
        predicted.iter().max_by(|a, b| a.2.abs().total_cmp(&b.2.abs()))
    {
        let text = format!(
            "the predicted time per token that is furthest off: {}",
            place_name(report, row)
        );
        tiles.push(Tile { number: signed(*error), text });
    }
    let places = compared.places();
    if !places.is_empty() {
        let same =
            places.iter().filter(|place| winner(place, ours) == winner(place, paper)).count();
        let number = format!("{same} of {}", places.len());
        let text =
            "rows of published times per token whose fastest entry is the paper’s".to_owned();
        tiles.push(Tile { number, text });
    }
    tiles.extend(lead(reports));
    tiles
}

/// The predicted HumanEval cells of four items against the bar: times per token, and what else counts.
fn judged(reports: &[&Report]) -> Vec<Tile> {
    let items: Option<Vec<&Report>> = JUDGED.iter().map(|name| ask::item(reports, name)).collect();
    let Some(items) = items else { return Vec::new() };
    let errors = |quantities: &[Quantity]| -> Vec<f64> {
        let rows = items.iter().flat_map(|report| &report.rows);
        ask::predicted(rows, |row| {
            row.dataset == "humaneval" && quantities.contains(&Quantity::of(row))
        })
    };
    let tile = |quantities: &[Quantity], what: &str| {
        let list = errors(quantities);
        let error = ask::mean(&list)?;
        let verdict = if error <= BAR { "is met" } else { "is missed" };
        let text = format!("{what} ({} cells): the bar of {BAR} % {verdict}", list.len());
        Some(Tile { number: format!("{error:.1} %"), text })
    };
    let times = "mean absolute error of the predicted times per token on HumanEval, Tables 1, 6, 7 and \
                 Fig. 5";
    let tiles = [
        tile(&[Quantity::Times], times),
        tile(&[Quantity::Times, Quantity::Rates], "the same with Table 7’s lengths and rates"),
    ];
    tiles.into_iter().flatten().collect()
}

fn ours(row: &Row) -> f64 {
    row.ours.mean
}

fn paper(row: &Row) -> f64 {
    row.paper.unwrap_or(f64::INFINITY)
}

/// The fastest method of a place.
fn winner<'a>(place: &[(&Report, &'a Row)], time: fn(&Row) -> f64) -> &'a str {
    let fastest = place.iter().min_by(|(_, a), (_, b)| time(a).total_cmp(&time(b)));
    fastest.map_or("", |(_, row)| row.method.as_str())
}

/// PipeSD's lead over the fastest of its rivals in Table 1: ours and the paper's.
fn lead(reports: &[&Report]) -> Option<Tile> {
    let leads = result::leads(ask::item(reports, "table1")?)?;
    let [ours, paper] = leads.map(|(low, high)| format!("{low:.2}–{high:.2}"));
    let text =
        format!("times as fast as the fastest rival is PipeSD in Table 1; in the paper {paper}");
    Some(Tile { number: ours, text })
}

fn signed(error: f64) -> String {
    format!("{error:+.1} %").replace('-', "\u{2212}")
}

/// `Table 1, GSM8K, S4 dynamic, EdgeLLM`.
pub(super) fn place_name(report: &Report, row: &Row) -> String {
    let mut words = vec![short_title(report).to_owned()];
    words.extend([names::dataset(&row.dataset), names::scenario(&row.scenario)]);
    words.extend(row.variant.clone());
    words.extend([row.x, row.y].into_iter().flatten().map(|value| value.to_string()));
    words.push(names::method(&row.method));
    words.join(", ")
}

/// `Table 1` of `Table 1: time per token (ms)`.
pub(super) fn short_title(report: &Report) -> &str {
    report.title.split(':').next().unwrap_or_default()
}

/// Errors of all items by quantity, role and dataset: what has no mean in common has none here.
fn errors(reports: &[&Report]) -> Table {
    let header =
        ["quantity", "role", "dataset", "cells", "mean |error|", "bias", "within 10 %", "largest"];
    let mut table = Table::new("Errors against the paper, over all items", &header, 3);
    let rows = || reports.iter().flat_map(|report| &report.rows).filter(|row| row.paper.is_some());
    for quantity in Quantity::ALL {
        for role in [Role::Prediction, Role::InSample, Role::Calibration] {
            let of_group = |row: &&Row| row.role == role && Quantity::of(row) == quantity;
            let mut datasets: Vec<&str> = Vec::new();
            for row in rows().filter(of_group) {
                if !datasets.contains(&row.dataset.as_str()) {
                    datasets.push(&row.dataset);
                }
            }
            for dataset in datasets {
                let group = rows().filter(of_group).filter(|row| row.dataset == dataset);
                let list: Vec<f64> = group.filter_map(Row::error_pct).collect();
                let words = [quantity.name(), role.key(), dataset].map(str::to_owned);
                table.rows.push([&words[..], &summed_up(&list)].concat());
            }
        }
    }
    table
}

/// Number, mean size, mean, how many are within 10 %, and the largest of some errors \[%\].
fn summed_up(errors: &[f64]) -> [String; 5] {
    let mean =
        |of: fn(f64) -> f64| errors.iter().map(|&e| of(e)).sum::<f64>() / errors.len() as f64;
    let largest = errors.iter().copied().max_by(|a, b| a.abs().total_cmp(&b.abs()));
    [
        errors.len().to_string(),
        format!("{:.1} %", mean(f64::abs)),
        signed(mean(|error| error)),
        errors.iter().filter(|error| error.abs() <= 10.0).count().to_string(),
        largest.map(signed).unwrap_or_default(),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::page::tests::{report, row};

    #[test]
    fn findings_are_computed_from_the_rows() {
        let mut one = report("table1", "Table 1: times");
        one.rows = vec![
            row("h", "vanilla", 200.0, Some(190.0), Role::Calibration),
            row("h", "hsl", 110.0, Some(100.0), Role::Prediction),
            row("h", "pipesd", 100.0, Some(80.0), Role::Prediction),
            row("g", "vanilla", 90.0, Some(200.0), Role::Prediction),
            row("g", "pipesd", 120.0, Some(100.0), Role::Prediction),
            // No published value: in no finding.
            row("g", "cloud_only", 1.0, None, Role::Reference),
        ];
        let reports = [&one];
        let compared = Compared::of(&reports);
        let numbers: Vec<String> =
            tiles(&compared, &reports).into_iter().map(|tile| tile.number).collect();
        // (10 + 25 + 55 + 20) / 4; the largest; h agrees and g does not; 110/100 and 90/120.
        assert_eq!(numbers, ["27.5 %", "\u{2212}55.0 %", "1 of 2", "0.75–1.10"]);
        let errors = errors(&reports);
        assert!(judged(&reports).is_empty(), "one item of four is not judged");
        let lines: Vec<String> = errors.rows.iter().map(|line| line.join(" ")).collect();
        assert_eq!(
            lines,
            [
                "times per token prediction h 2 17.5 % +17.5 % 1 +25.0 %",
                "times per token prediction g 2 37.5 % \u{2212}17.5 % 0 \u{2212}55.0 %",
                "times per token calibration h 1 5.3 % +5.3 % 1 +5.3 %",
            ]
        );
    }

    /// The bar is for times per token; with lengths and rates it is another number, met or not.
    #[test]
    fn the_bar_is_for_times_and_said_so_when_more_counts() {
        let reports: Vec<Report> = JUDGED
            .iter()
            .map(|item| {
                let mut one = report(item, "Title: x");
                one.rows = vec![row("humaneval", "pipesd", 105.0, Some(100.0), Role::Prediction)];
                if *item == "table7" {
                    let rate = row("humaneval", "pipesd", 2.0, Some(1.0), Role::Prediction);
                    one.rows.push(Row { metric: "rollback_rate".to_owned(), ..rate });
                }
                one
            })
            .collect();
        let tiles = judged(&reports.iter().collect::<Vec<_>>());
        let numbers: Vec<&str> = tiles.iter().map(|tile| tile.number.as_str()).collect();
        assert_eq!(numbers, ["5.0 %", "24.0 %"]);
        assert!(tiles[0].text.ends_with("(4 cells): the bar of 8 % is met"), "{}", tiles[0].text);
        assert!(
            tiles[1].text.ends_with("(5 cells): the bar of 8 % is missed"),
            "{}",
            tiles[1].text
        );
    }
}
