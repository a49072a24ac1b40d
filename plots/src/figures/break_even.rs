//! The break-even map: which way of decoding is the fastest, over round-trip times and uplink rates.

use std::collections::BTreeMap;

use super::rows::{distinct, of_metric, with};
use super::{FigureError, FigureOf, names, table4};
use crate::chart::{Axis, Cell, Chart, Legend, Panel, Width, number};
use crate::results::Row;

pub(super) const FIGURE: FigureOf = FigureOf {
    item: "break-even",
    file: "break-even.svg",
    caption: "Which way of decoding takes the least time per token, and how many times less than the \
              next best (number, and depth of colour), HumanEval in S1. Thick borders part winners.",
    draw,
};

/// Panels in a row.
const COLUMNS: usize = 3;

fn draw(rows: &[Row]) -> Result<Chart, FigureError> {
    let rows = of_metric(rows, "tpt_ms")?;
    let variants = distinct(rows.iter().copied(), |row| &row.variant);
    let mut panels = Vec::new();
    for (index, variant) in variants.iter().enumerate() {
        let cells = cells(&with(&rows, |row| &row.variant, variant))?;
        let xs = table4::distinct(cells.iter().map(|cell| cell.x));
        let ys = table4::distinct(cells.iter().map(|cell| cell.y));
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
        let y = if index % COLUMNS == 0 { y } else { y.unlabelled() };
        panels.push(Panel { cells, ..Panel::new(names::payload(variant), x, y) });
    }
    let columns = panels.len().min(COLUMNS);
    let rows = panels.iter().map(|panel| panel.y.ticks.len()).max().unwrap_or_default();
    let notes = vec!["number: how many times faster".to_owned(), "than the next best".to_owned()];
    let (width, legend) = (Width::Page, Legend::InGap);
    Ok(Chart { width, columns, plot_height: 42 * rows as i32, panels, notes, legend })
}

/// The winner of each place, with how many times it is better than the next.
fn cells(rows: &[&Row]) -> Result<Vec<Cell>, FigureError> {
    // Keyed by the order in which places appear: numbers have no order of their own.
    let mut places: Vec<(f64, f64)> = Vec::new();
    let mut at: BTreeMap<usize, Vec<(f64, &str)>> = BTreeMap::new();
    for row in rows {
        let place = row.x.zip(row.y).ok_or_else(|| FigureError::no_x(&row.method, "tpt_ms"))?;
        let Some(mean) = row.mean else { continue };
        let index = places.iter().position(|other| *other == place).unwrap_or(places.len());
        if index == places.len() {
            places.push(place);
        }
        at.entry(index).or_default().push((mean, &row.method));
    }
    let cell = |(index, mut entries): (usize, Vec<(f64, &str)>)| {
        entries.sort_by(|one, other| one.0.total_cmp(&other.0));
        let (best, winner) = entries[0];
        let value = entries.get(1).map_or(1., |(next, _)| next / best);
        let name = names::method(winner);
        let letter: String = name.chars().take(1).flat_map(char::to_uppercase).collect();
        let digits = usize::from(value < 9.95);
        Cell {
            x: places[index].0,
            y: places[index].1,
            winner: winner.to_owned(),
            winner_label: format!("{letter}: {name}"),
            value,
            labels: [letter, format!("{value:.digits$}")],
            marked: false,
        }
    };
    Ok(at.into_iter().map(cell).collect())
}
