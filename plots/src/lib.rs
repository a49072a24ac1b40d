//! Figures of `pipesd`. They are drawn from what a run has told (events, result files) and never
//! from a simulator, so that a live run is drawn by the same code.
//!
//! Each figure has two steps: a pure one that decides what is shown where, which tests check, and one
//! that turns this into SVG. The same data give the same bytes.
//!
//! - [`timeline`]: the pipeline of one run: drafting, uplink, NAV and downlink over time.
//! - [`results`]: result files, read by the names of their columns.
//! - [`chart`]: axes, series and heat maps in data coordinates, and their drawing.
//! - [`figures`]: the figures of `reproduce`, each a [`chart::Chart`] made of rows.
//! - [`names`]: what keys of rows are called where people read them.
//! - [`perfetto`]: all of a run for the Perfetto UI.

mod canvas;
mod style;

pub mod chart;
pub mod figures;
pub mod names;
pub mod perfetto;
pub mod results;
pub mod timeline;

pub use style::THEME;

/// A figure could not be written.
#[derive(Debug, thiserror::Error)]
#[error("drawing the figure: {0}")]
pub struct DrawingError(String);
