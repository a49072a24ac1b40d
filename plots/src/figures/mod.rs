//! The figures of `reproduce`, each made of the rows of one result file. To add one: a file here, and
//! a line in [`FIGURES`].

mod appendix_f;
mod appendix_i;
mod break_even;
mod closed_forms;
mod fig5;
mod fig6;
mod rows;
mod s4;
mod table1;
mod table2;
mod table3;
mod table4;
mod table6;
mod table7;
#[cfg(test)]
mod tests;

use crate::chart::Chart;
use crate::names;
use crate::results::Row;

/// A figure of an item.
#[derive(Clone, Copy, Debug)]
pub struct FigureOf {
    /// The item whose rows it shows.
    pub item: &'static str,
    /// The file that it is written to, without a folder.
    pub file: &'static str,
    /// What it shows, for people.
    pub caption: &'static str,
    /// Decides what is plotted where.
    ///
    /// # Errors
    /// If the rows lack what the figure is about.
    pub draw: fn(&[Row]) -> Result<Chart, FigureError>,
}

/// All figures, in the order in which a report shows them.
pub const FIGURES: &[FigureOf] = &[
    table1::FIGURE,
    table2::FIGURE,
    table3::FIGURE,
    table4::FIGURE,
    table6::FIGURE,
    table7::FIGURE,
    fig5::FIGURE,
    fig6::FIGURE,
    appendix_f::FIGURE,
    appendix_i::FIGURE,
    s4::FIGURE,
    break_even::FIGURE,
    closed_forms::FIGURE,
    table1::SMALL,
];

/// The figures of an item, in order.
pub fn figures_of(item: &str) -> impl Iterator<Item = &'static FigureOf> + use<'_> {
    FIGURES.iter().filter(move |figure| figure.item == item)
}

/// Rows of which a figure cannot be made: why.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct FigureError(String);

impl FigureError {
    fn no_rows(metric: &str) -> Self {
        Self(format!("there are no rows of the metric `{metric}`"))
    }

    fn no_x(method: &str, metric: &str) -> Self {
        Self(format!("a row of `{metric}` for `{method}` lacks what the figure is drawn over"))
    }

    fn twice(method: &str, metric: &str, x: f64) -> Self {
        Self(format!("two rows of `{metric}` for `{method}` have the same x = {x}"))
    }
}
