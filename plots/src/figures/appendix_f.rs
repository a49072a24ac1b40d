//! App. F: upload policies over link settings.

use super::rows::{lines, of_metric, places, share_values, values};
use super::{FigureError, FigureOf, names, table4};
use crate::chart::{Axis, Chart, Form, Panel, Scale, Width, number};
use crate::results::Row;

pub(super) const FIGURE: FigureOf = FigureOf {
    item: "appendix-f",
    file: "appendix-f.svg",
    caption: "Time per token of PipeSD with each upload policy over uplink rates and start-up \
              costs, HumanEval in S1; both axes are logarithmic, so that equal distances are equal \
              ratios. Mean and 95 % interval over seeds. PipeSD uploads by its DP plan. The paper \
              gives no cells.",
    draw,
};

fn draw(rows: &[Row]) -> Result<Chart, FigureError> {
    const METRIC: &str = "tpt_ms";
    let rows = of_metric(rows, METRIC)?;
    let measure = names::metric(METRIC);
    let startups = table4::distinct(rows.iter().filter_map(|row| row.y));
    let parts: Vec<(String, Vec<&Row>)> = if startups.is_empty() {
        vec![(String::new(), rows)]
    } else {
        let at = |startup: f64| rows.iter().copied().filter(move |row| row.y == Some(startup));
        let part = |startup: &f64| (format!("{} ms", number(*startup)), at(*startup).collect());
        startups.iter().map(part).collect()
    };
    let mut panels = Vec::new();
    for (title, rows) in parts {
        let series = lines(&rows, Form::Line)?;
        let x = Axis::swept("uplink (Mbit/s)", Scale::Log2, places(&series));
        let y = Axis::log(&measure, values(&series));
        panels.push(Panel { series, ..Panel::new(title, x, y) });
    }
    share_values(&mut panels, Axis::log);
    for panel in panels.iter_mut().skip(1) {
        panel.y = panel.y.clone().unlabelled();
    }
    let columns = panels.len();
    let notes = vec!["panels: start-up cost of an upload".to_owned()];
    Ok(Chart { width: Width::Column, columns, plot_height: 380, panels, notes })
}
