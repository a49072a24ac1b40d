//! Fig. 5: time per token and energy over uplink rates.

use super::rows::{lines, of_metric, swept_panel, values};
use super::{FigureError, FigureOf, names};
use crate::chart::{Axis, Chart, Form, Width};
use crate::results::Row;

pub(super) const FIGURE: FigureOf = FigureOf {
    item: "fig5",
    file: "fig5.svg",
    caption: "Time per token and energy of the cloud's GPU over uplink rates, HumanEval in S1: mean \
              and 95 % interval over seeds. Times are on a logarithmic axis. Diamonds: the paper's Fig. 5.",
    draw,
};

fn draw(rows: &[Row]) -> Result<Chart, FigureError> {
    let axis = "uplink (Mbit/s)";
    let panel = |metric: &str| {
        let series = lines(&of_metric(rows, metric)?, Form::Line)?;
        Ok(swept_panel(String::new(), (axis, &names::metric(metric)), series))
    };
    let mut times = panel("tpt_ms")?;
    // Halving the time is as far at 80 Mbit/s as at 10.
    times.y = Axis::log(&times.y.title, values(&times.series));
    let mut panels = vec![times];
    // Energy may not be measured.
    let energy = "energy_j_per_100_tokens_cloud_active";
    if of_metric(rows, energy).is_ok() {
        panels.push(panel(energy)?);
    }
    Ok(Chart { width: Width::Column, columns: 1, plot_height: 340, panels, notes: vec![] })
}
