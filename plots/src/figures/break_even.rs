//! The break-even map: which way of decoding is the fastest, over round-trip times and uplink rates.

use std::collections::BTreeMap;

use super::rows::{distinct, distinct_numbers, of_metric, with};
use super::{FigureError, FigureOf, names};
use crate::chart::{Axis, Cell, Chart, Legend, Panel, Width, number};
use crate::results::Row;

pub(super) const FIGURE: FigureOf = FigureOf {
    item: "break-even",
    file: "break-even.svg",
    caption: "Which way of decoding takes the least time per token, and how many times less than the \
              next best (number, and depth of colour), HumanEval in S1. Thick borders part winners. \
              Where the runs do not tell the two best apart there is a tie (~) and no winner.",
    draw,
};

const METRIC: &str = "tpt_ms";
/// By how much the fastest is faster than the next, with the interval of the differences of runs.
const LEAD: &str = "tpt_lead_ms";
/// Panels in a row.
const COLUMNS: usize = 3;

fn draw(rows: &[Row]) -> Result<Chart, FigureError> {
    let leads = of_metric(rows, LEAD).unwrap_or_default();
    let rows = of_metric(rows, METRIC)?;
    let variants = distinct(rows.iter().copied(), |row| &row.variant);
    let mut panels = Vec::new();
    for (index, variant) in variants.iter().enumerate() {
        let leads = with(&leads, |row| &row.variant, variant);
        let cells = cells(&with(&rows, |row| &row.variant, variant), &leads)?;
        let xs = distinct_numbers(cells.iter().map(|cell| cell.x));
        let ys = distinct_numbers(cells.iter().map(|cell| cell.y));
        // Cells of equal size have room for a number each.
        let place =
            |values: &[f64], value| values.iter().take_while(|other| **other < value).count();
        let cells = cells.into_iter().map(|cell| Cell {
            x: place(&xs, cell.x) as f64,
            y: place(&ys, cell.y) as f64,
            ..cell
        });
        let cells = cells.collect();
        let x = Axis::groups("round trip (ms)", xs.iter().map(|x| number(*x)));
        let y = Axis::groups("uplink (Mbit/s)", ys.iter().map(|y| number(*y)));
        // What the panel to the left shows is not shown again.
        let left = panels.last().filter(|_| index % COLUMNS > 0);
        let same = left.is_some_and(|panel: &Panel| panel.y.ticks == y.ticks);
        let y = if same { y.unlabelled() } else { y };
        panels.push(Panel { cells, ..Panel::new(names::payload(variant), x, y) });
    }
    let columns = panels.len().min(COLUMNS);
    let rows = panels.iter().map(|panel| panel.y.ticks.len()).max().unwrap_or_default();
    let mut notes =
        vec!["number: how many times faster".to_owned(), "than the next best".to_owned()];
    let is_tie = |cell: &Cell| cell.winner == "tie";
    if leads.is_empty() && panels.iter().flat_map(|panel| &panel.cells).any(is_tie) {
        notes.push("tie: each mean lies within".to_owned());
        notes.push("the other's interval".to_owned());
    }
    let (width, legend) = (Width::Page, Legend::InGap);
    Ok(Chart { width, columns, plot_height: 42 * rows as i32, panels, notes, legend })
}

/// The winner of each place, with how many times it is better than the next; or that there is none.
fn cells(rows: &[&Row], leads: &[&Row]) -> Result<Vec<Cell>, FigureError> {
    // Keyed by the order in which places appear: numbers have no order of their own.
    let mut places: Vec<(f64, f64)> = Vec::new();
    let mut at: BTreeMap<usize, Vec<(f64, &Row)>> = BTreeMap::new();
    for &row in rows {
        let place = row.x.zip(row.y).ok_or_else(|| FigureError::no_x(&row.method, METRIC))?;
        let Some(mean) = row.mean else { continue };
        let index = places.iter().position(|other| *other == place).unwrap_or(places.len());
        if index == places.len() {
            places.push(place);
        }
        at.entry(index).or_default().push((mean, row));
    }
    let cell = |(index, mut entries): (usize, Vec<(f64, &Row)>)| {
        entries.sort_by(|one, other| one.0.total_cmp(&other.0));
        let place = places[index];
        let (best, first) = entries[0];
        let lead = leads.iter().find(|row| row.x.zip(row.y) == Some(place));
        match entries.get(1) {
            Some((_, second)) if tied(first, second, lead.copied()) => tie(place, first, second),
            next => won(place, &first.method, next.map_or(1., |(next, _)| next / best)),
        }
    };
    Ok(at.into_iter().map(cell).collect())
}

/// Whether the runs do not tell the two best apart. They share their seeds, so that the interval of
/// their differences says it; where rows lack it, each mean has to lie within the other's interval.
fn tied(first: &Row, second: &Row, lead: Option<&Row>) -> bool {
    if let Some((low, _)) = lead.and_then(Row::interval) {
        return low <= 0.;
    }
    let wide = |row: &Row| row.interval().filter(|(low, high)| low < high);
    let holds = |row: &Row, other: &Row| {
        let mean = other.mean.unwrap_or(f64::INFINITY);
        wide(row).is_none_or(|(low, high)| (low..=high).contains(&mean))
    };
    (wide(first).is_some() || wide(second).is_some())
        && holds(first, second)
        && holds(second, first)
}

fn letter(method: &str) -> String {
    names::method(method).chars().take(1).flat_map(char::to_uppercase).collect()
}

fn won((x, y): (f64, f64), winner: &str, value: f64) -> Cell {
    let digits = usize::from(value < 9.95);
    let letter = letter(winner);
    Cell {
        x,
        y,
        winner: winner.to_owned(),
        winner_label: format!("{letter}: {}", names::method(winner)),
        value,
        labels: [letter, format!("{value:.digits$}")],
        marked: false,
    }
}

fn tie((x, y): (f64, f64), first: &Row, second: &Row) -> Cell {
    Cell {
        x,
        y,
        winner: "tie".to_owned(),
        winner_label: "~: a tie".to_owned(),
        value: f64::INFINITY,
        labels: [letter(&first.method), format!("~{}", letter(&second.method))],
        marked: false,
    }
}
