//! Fig. 5: time per token and energy over uplink rates.

use super::rows::{
    cloud_only_beyond, lines, of_metric, side_by_side, swept_panel, values, with_references,
};
use super::{FigureError, FigureOf, names};
use crate::chart::{Axis, Chart, Form, Legend, Width};
use crate::results::Row;

pub(super) const FIGURE: FigureOf = FigureOf {
    item: "fig5",
    file: "fig5.svg",
    caption: "Time per token and energy of the cloud's GPU over uplink rates, HumanEval in S1: mean \
              and 95 % interval over seeds. Times are on a logarithmic axis. Marks at one rate stand \
              beside each other. Hollow: the paper's Fig. 5. Thin lines: references; the cloud alone \
              lies below the axis.",
    draw,
};

fn draw(rows: &[Row]) -> Result<Chart, FigureError> {
    let axis = "uplink (Mbit/s)";
    let panel = |metric: &str| {
        let kept = ["bound", "bound_empty_navs", "edge_only", "serial"];
        let series = lines(&with_references(of_metric(rows, metric)?, &kept), Form::Line)?;
        let mut panel = swept_panel(String::new(), (axis, &names::metric(metric)), series);
        side_by_side(&mut panel.series, 20);
        Ok(panel)
    };
    let mut times = panel("tpt_ms")?;
    // Halving the time is as far at 80 Mbit/s as at 10.
    times.y = Axis::log(&times.y.title, values(&times.series));
    times.beyond = cloud_only_beyond(rows, "tpt_ms");
    let mut panels = vec![times];
    // Energy may not be measured.
    let energy = "energy_j_per_100_tokens_cloud_active";
    if of_metric(rows, energy).is_ok() {
        panels.push(panel(energy)?);
    }
    let (width, legend) = (Width::Column, Legend::Above);
    Ok(Chart { width, columns: 1, plot_height: 400, panels, notes: vec![], legend })
}
