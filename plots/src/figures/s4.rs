//! S4 over time: what bandwidth does to times, thresholds and the plan.

use super::rows::{lines, of_metric, places, values};
use super::{FigureError, FigureOf, names};
use crate::chart::{Axis, Chart, Form, Panel, Series, Width};
use crate::results::Row;

pub(super) const FIGURE: FigureOf = FigureOf {
    item: "s4",
    file: "s4.svg",
    caption: "S4 over time. From top to bottom: the uplink's rate; time per token; the thresholds \
              that the online tuner has in force; the scheduling window.",
    draw,
};

/// A panel: what it measures, its metrics, how they are drawn, whether from zero.
type Strip = (&'static str, &'static [&'static str], Form, bool);

const STRIPS: [Strip; 4] = [
    ("uplink (Mbit/s)", &["uplink_mbps"], Form::Steps, true),
    ("time per token (ms)", &["tpt_ms"], Form::Line, true),
    ("thresholds", &["sequence_threshold", "token_threshold"], Form::Steps, false),
    ("window (tokens)", &["window_tokens"], Form::Steps, true),
];

fn draw(rows: &[Row]) -> Result<Chart, FigureError> {
    of_metric(rows, "tpt_ms")?;
    let mut panels = Vec::new();
    for (measure, metrics, form, from_zero) in STRIPS {
        let mut series = Vec::new();
        for metric in metrics {
            if let Ok(of_metric) = of_metric(rows, metric) {
                series
                    .extend(lines(&of_metric, form)?.into_iter().map(|line| styled(line, metric)));
            }
        }
        if !series.is_empty() {
            let y = Axis::linear(measure, values(&series), from_zero);
            let x = Axis::linear("", [], true);
            panels.push(Panel { series, ..Panel::new(String::new(), x, y) });
        }
    }
    let all: Vec<f64> = panels.iter().flat_map(|panel| places(&panel.series)).collect();
    let last = panels.len() - 1;
    for (index, panel) in panels.iter_mut().enumerate() {
        let x = Axis::exact("time (s)", all.clone());
        panel.x = if index == last { x } else { x.unlabelled() };
    }
    Ok(Chart { width: Width::Page, columns: 1, plot_height: 190, panels, notes: vec![] })
}

/// What is no method's has a look, and if needed a name, of its own.
fn styled(mut line: Series, metric: &str) -> Series {
    match metric {
        "uplink_mbps" => {
            "fitted".clone_into(&mut line.style);
            line.label = String::new();
        }
        "sequence_threshold" | "token_threshold" => {
            metric.clone_into(&mut line.style);
            line.label = names::metric(metric);
        }
        _ => {}
    }
    line
}
