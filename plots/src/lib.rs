//! Figures of `pipesd`. They are drawn from what a run has told (events, result files) and never
//! from a simulator, so that a live run is drawn by the same code.
//!
//! Each figure has two steps: a pure one that decides what is shown where, which tests check, and one
//! that turns this into SVG. The same data give the same bytes.
//!
//! - [`timeline`]: the pipeline of one run: drafting, uplink, NAV and downlink over time.

mod canvas;
mod style;

pub mod timeline;

/// A figure could not be written.
#[derive(Debug, thiserror::Error)]
#[error("drawing the figure: {0}")]
pub struct DrawingError(String);
