//! The page's first section: what came out, how far predictions are off, whether the same methods win.
//! All of it is computed from the reports.

use anyhow::Result;
use maud::{Markup, html};
use pipesd_plots::names;

use super::ask::{self, Quantity, TIME};
use super::{Figure, differences, findings, joined, result, section, strip, table};
use crate::items::chance::{DEVIATIONS, SESSIONS_PCT};
use crate::items::{Report, Role, Row, Table, overall};

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
            (differences::markup(reports))
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
        places.iter_mut().for_each(|place| place.retain(|(_, row)| row.role != Role::NotCounted));
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
    tiles.extend(beside_chance(reports));
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

/// What is asked of predictions, and what they are.
fn judged(reports: &[&Report]) -> Vec<Tile> {
    let tile = |judged: overall::Judged| {
        let (mean, most, met) = (judged.mean()?, judged.most?, judged.is_met()?);
        let verdict = if met { "met" } else { "missed" };
        let cells = judged.errors.predicted.len();
        let cells = if cells == 1 { "1 prediction".into() } else { format!("{cells} predictions") };
        let text = format!(
            "mean absolute error of the times per token, {} ({cells}); asked for: {most} %, {verdict}",
            judged.what.trim_end_matches(", times")
        );
        Some(Tile { number: format!("{mean:.1} %"), text })
    };
    overall::judged(reports).into_iter().filter_map(tile).collect()
}

/// How many predictions differ by more than chance and sessions, and how many pairs by their order.
fn beside_chance(reports: &[&Report]) -> Vec<Tile> {
    let rows = reports.iter().flat_map(|report| &report.rows);
    let judged = rows.filter(|row| row.role == Role::Prediction && row.verdict().is_some()).count();
    let unlike = overall::unlike(reports);
    let unexplained = unlike.iter().filter(|(_, row)| row.explained.is_none()).count();
    let pairs: Vec<_> = overall::pairs(reports).into_iter().flat_map(|(_, pairs)| pairs).collect();
    let reversed = pairs.iter().filter(|pair| pair.is_reversed()).count();
    let mut tiles = Vec::new();
    if judged > 0 {
        let text = format!(
            "predicted cells of all kinds with an error beyond {DEVIATIONS} chance deviations and \
             {SESSIONS_PCT} %; unexplained: {unexplained}"
        );
        tiles.push(Tile { number: format!("{} of {judged}", unlike.len()), text });
    }
    if !pairs.is_empty() {
        let text = "pairs of methods that the paper tells apart beyond chance and we have in another order";
        tiles
            .push(Tile { number: format!("{reversed} of {}", pairs.len()), text: text.to_owned() });
    }
    tiles
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
    use crate::page::tests::{report, row, with_chance};

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
        assert!(judged(&reports).is_empty(), "nothing is asked of other datasets");
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

    #[test]
    fn what_is_asked_has_a_tile_and_so_have_chance_and_order() {
        let mut one = report("table1", "Table 1: times");
        let predicted = |method, ours, paper| {
            with_chance(row("humaneval", method, ours, Some(paper), Role::Prediction), 1.0)
        };
        one.rows = vec![predicted("hsl", 106.0, 100.0), predicted("pipesd", 107.0, 90.0)];
        let tiles = tiles(&Compared::of(&[&one]), &[&one]);
        let numbers: Vec<&str> = tiles.iter().map(|tile| tile.number.as_str()).collect();
        // (6 + 18.9) / 2; 18.9 is beyond 2.2 and 5, 6 within 2 and 5; HSL was above PipeSD.
        assert_eq!(numbers[..3], ["12.4 %", "1 of 2", "1 of 1"]);
        assert!(
            tiles[0].text.ends_with("Table 1, HumanEval (2 predictions); asked for: 4 %, missed"),
            "{}",
            tiles[0].text
        );
        assert!(tiles[1].text.ends_with("unexplained: 1"), "{}", tiles[1].text);
    }
}
