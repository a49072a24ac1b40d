//! The figures of an item, drawn from its rows as they are kept.

use std::path::Path;

use anyhow::{Context as _, Result};
use pipesd_plots::figures::figures_of;
use pipesd_plots::results;

use super::Figure;
use crate::items::Report;

/// The item's figures; none where it has none.
///
/// # Errors
/// If its rows lack what a figure is about, or the drawing library fails.
pub(crate) fn figures(report: &Report) -> Result<Vec<Figure>> {
    let rows = results::parse(&report.csv()?, Path::new("rows.csv"))?;
    figures_of(&report.item)
        .map(|figure| {
            let file = figure.file;
            let chart = (figure.draw)(&rows).with_context(|| format!("{}: {file}", report.item))?;
            let svg = chart.to_svg().with_context(|| format!("{}: {file}", report.item))?;
            let narrow = chart.narrow().map(|chart| chart.to_svg()).transpose();
            let narrow = narrow.with_context(|| format!("{}: {file}", report.item))?;
            Ok(Figure { file: file.to_owned(), caption: figure.caption.to_owned(), svg, narrow })
        })
        .collect()
}
