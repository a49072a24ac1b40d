//! The cells of Table 1 for those who run them elsewhere than in the simulator.

use super::comparison::{Cell, Metric, Place};
use super::{Item, Kind};

/// A cell.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct LiveCell {
    pub(crate) profile: String,
    pub(crate) scenario: String,
    pub(crate) method: String,
    /// Values of `--set`.
    pub(crate) set: Vec<String>,
    /// Published time per token \[ms\].
    pub(crate) paper: Option<f64>,
}

/// All cells of Table 1, row by row.
///
/// # Panics
/// If there is no such item: it is shipped.
pub(crate) fn table1_cells() -> Vec<LiveCell> {
    let table1 = Item::shipped().into_iter().find(|item| item.head.item == "table1");
    let Some(Item { kind: Kind::Comparison(plan), .. }) = table1 else {
        panic!("Table 1 is a comparison")
    };
    let metric: Metric = plan.metrics[0];
    let places: Vec<Place> = plan.places();
    let cells = places.iter().flat_map(|place| plan.cells(place));
    cells
        .map(|cell: Cell| LiveCell {
            set: plan.sets(&cell),
            paper: plan.published(&cell, metric),
            profile: cell.place.profile,
            scenario: cell.place.scenario,
            method: cell.method,
        })
        .collect()
}
