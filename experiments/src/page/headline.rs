//! The findings in short: how far predictions are off, whether the same methods win, and how to read the
//! tables that follow. All of it is computed from the reports.

use anyhow::Result;
use maud::{Markup, html};

use super::{Figure, section, strip, table};
use crate::items::{Report, Role, Row, Table, overall};

/// The figure that the findings are about.
const METRIC: &str = "tpt_ms";

/// A picture of what is simulated: one run of PipeSD.
const PIPELINE: &str = include_str!("../../../docs/timeline.svg");

pub(super) fn markup(reports: &[&Report]) -> Result<Markup> {
    let owned: Vec<Report> = reports.iter().map(|&report| report.clone()).collect();
    let overall = overall::table(&owned);
    let compared = Compared::of(reports);
    let errors = errors(&compared);
    let pipeline = Figure {
        file: "timeline.svg".to_owned(),
        caption: PIPELINE_CAPTION.to_owned(),
        svg: PIPELINE.to_owned(),
    };
    Ok(html! {
        section.item #findings aria-labelledby="findings-heading" {
            h2 #findings-heading { "Findings" }
            @let tiles = tiles(&compared, overall.as_ref(), reports);
            @if tiles.is_empty() {
                p { "The paper has no times per token for what was made here: see the tables." }
            } @else {
                ul.tiles {
                    @for tile in &tiles {
                        li { strong { (tile.number) } span { (tile.text) } }
                    }
                }
            }
            (strip::markup(&compared.cells))
            @if !errors.rows.is_empty() { (table::markup(&errors, "Findings")) }
            @if let Some(overall) = &overall { (table::markup(overall, "Findings")) }
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
            let rows = report.rows.iter().filter(|row| row.metric == METRIC);
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

fn tiles(compared: &Compared<'_>, overall: Option<&Table>, reports: &[&Report]) -> Vec<Tile> {
    let mut tiles = Vec::new();
    let predicted: Vec<_> =
        compared.cells.iter().filter(|(_, row, _)| row.role == Role::Prediction).collect();
    if let Some([_, error, cells]) = overall
        .and_then(|table| table.rows.iter().find(|row| row[0] == overall::TOGETHER))
        .map(Vec::as_slice)
    {
        let text = format!(
            "mean absolute error of the {cells} predicted times per token on HumanEval \
             (Tables 1, 6, 7 and Fig. 5)"
        );
        tiles.push(Tile { number: error.clone(), text });
    } else if !predicted.is_empty() {
        let error =
            predicted.iter().map(|(_, _, error)| error.abs()).sum::<f64>() / predicted.len() as f64;
        let text = format!("mean absolute error of {} predicted times per token", predicted.len());
        tiles.push(Tile { number: format!("{error:.1} %"), text });
    }
    if let Some((report, row, error)) =
        predicted.iter().max_by(|a, b| a.2.abs().total_cmp(&b.2.abs()))
    {
        let text = format!("the prediction that is furthest off: {}", place_name(report, row));
        tiles.push(Tile { number: signed(*error), text });
    }
    let places = compared.places();
    if !places.is_empty() {
        let same =
            places.iter().filter(|place| winner(place, ours) == winner(place, paper)).count();
        let number = format!("{same} of {}", places.len());
        let text = "rows of published times whose fastest entry is the paper’s".to_owned();
        tiles.push(Tile { number, text });
    }
    tiles.extend(lead(compared, reports));
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
fn lead(compared: &Compared<'_>, reports: &[&Report]) -> Option<Tile> {
    reports.iter().find(|report| report.item == "table1")?;
    let places = compared.places();
    let of = |time: fn(&Row) -> f64| {
        let (mut low, mut high) = (f64::INFINITY, 0.0_f64);
        for place in places.iter().filter(|place| place[0].0.item == "table1") {
            let (_, own) = place.iter().find(|(_, row)| row.method == "pipesd")?;
            let rivals = place.iter().filter(|(_, row)| row.method != "pipesd");
            let best = rivals.map(|(_, row)| time(row)).fold(f64::INFINITY, f64::min);
            (low, high) = (low.min(best / time(own)), high.max(best / time(own)));
        }
        low.is_finite().then(|| format!("{low:.2}–{high:.2}"))
    };
    let text = format!(
        "times faster than the fastest rival is PipeSD in Table 1; in the paper {}",
        of(paper)?
    );
    Some(Tile { number: of(ours)?, text })
}

fn signed(error: f64) -> String {
    format!("{error:+.1} %").replace('-', "\u{2212}")
}

/// `Table 1, gsm8k, s4-dynamic, edgellm`.
pub(super) fn place_name(report: &Report, row: &Row) -> String {
    let mut words = vec![short_title(report).to_owned(), row.dataset.clone(), row.scenario.clone()];
    words.extend(row.variant.clone());
    words.extend([row.x, row.y].into_iter().flatten().map(|value| value.to_string()));
    words.push(row.method.clone());
    words.join(", ")
}

/// `Table 1` of `Table 1: time per token (ms)`.
pub(super) fn short_title(report: &Report) -> &str {
    report.title.split(':').next().unwrap_or_default()
}

/// Errors of the times per token by role and dataset over all items.
fn errors(compared: &Compared<'_>) -> Table {
    let header = ["role", "dataset", "cells", "mean |error|", "bias", "within 10 %", "largest"];
    let mut table = Table::new("Times per token against the paper, over all items", &header, 2);
    let roles = [Role::Prediction, Role::InSample, Role::Calibration];
    for role in roles {
        let mut datasets: Vec<&str> = Vec::new();
        for (_, row, _) in compared.cells.iter().filter(|(_, row, _)| row.role == role) {
            if !datasets.contains(&row.dataset.as_str()) {
                datasets.push(&row.dataset);
            }
        }
        for dataset in datasets {
            let of_group = |row: &Row| row.role == role && row.dataset == dataset;
            let list: Vec<f64> = compared
                .cells
                .iter()
                .filter(|(_, row, _)| of_group(row))
                .map(|cell| cell.2)
                .collect();
            let mean =
                |of: fn(f64) -> f64| list.iter().map(|&e| of(e)).sum::<f64>() / list.len() as f64;
            let largest = list.iter().copied().max_by(|a, b| a.abs().total_cmp(&b.abs()));
            table.rows.push(vec![
                role.key().replace('_', " "),
                dataset.to_owned(),
                list.len().to_string(),
                format!("{:.1} %", mean(f64::abs)),
                signed(mean(|error| error)),
                list.iter().filter(|error| error.abs() <= 10.0).count().to_string(),
                largest.map(signed).unwrap_or_default(),
            ]);
        }
    }
    table
}

/// What cells, marks and tints mean.
pub(super) fn reading() -> Markup {
    html! {
        section.item #reading aria-labelledby="reading-heading" {
            h2 #reading-heading { "How to read the tables" }
            p {
                "A cell with a published value is " b { "ours" } " (the paper’s) and our error. \
                 Ours is a mean over runs with different seeds. The marks:"
            }
            dl.marks {
                div { dt { "no mark" } dd { "prediction: nothing of the published value was used" } }
                div { dt { "i" } dd { "in sample: rounds of the same runs went into the profile" } }
                div { dt { "c" } dd { "calibration: the published value itself was fitted" } }
            }
            p { "The tint says which way a cell is off, and how far; none within 5 %:" }
            ul.tints {
                li.low-3 { "below −20 %" } li.low-2 { "−20 to −10" } li.low-1 { "−10 to −5" }
                li.high-1 { "+5 to +10" } li.high-2 { "+10 to +20" } li.high-3 { "above +20 %" }
            }
            p {
                "Times count decoding alone: time per token is decoding time over output tokens, prefill and \
                 start-up are left out. What no source gives is " i { "not measured" } ", never zero."
            }
        }
    }
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
            tiles(&compared, None, &reports).into_iter().map(|tile| tile.number).collect();
        // (10 + 25 + 55 + 20) / 4; the largest; h agrees and g does not; 110/100 and 90/120.
        assert_eq!(numbers, ["27.5 %", "\u{2212}55.0 %", "1 of 2", "0.75–1.10"]);
        let errors = errors(&compared);
        let lines: Vec<String> = errors.rows.iter().map(|line| line.join(" ")).collect();
        assert_eq!(
            lines,
            [
                "prediction h 2 17.5 % +17.5 % 1 +25.0 %",
                "prediction g 2 37.5 % \u{2212}17.5 % 0 \u{2212}55.0 %",
                "calibration h 1 5.3 % +5.3 % 1 +5.3 %",
            ]
        );
    }
}
