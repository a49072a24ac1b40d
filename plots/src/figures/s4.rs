//! S4 over time: what bandwidth does to times, thresholds and the plan.

use super::rows::{lines, of_metric, places, values};
use super::{FigureError, FigureOf};
use crate::chart::{Axis, Chart, Form, Legend, Note, Panel, Series, Tick, Width, number, spans};
use crate::results::Row;

pub(super) const FIGURE: FigureOf = FigureOf {
    item: "s4",
    file: "s4.svg",
    caption: "S4 over time: the uplink's rate, whose changes the upright lines mark; time per token; \
              the thresholds in force with our tuner and with the paper's (R1 drawn through, R2 \
              dashed); the scheduling window and the batches of its plan. Lines and bands: mean and \
              95 % interval over seeds, cut off at zero.",
    draw,
};

/// A panel: what it measures, its metrics, of which method alone, how they are drawn, whether from
/// zero.
type Strip = (&'static str, &'static [&'static str], Option<&'static str>, Form);

const THRESHOLDS: &[&str] = &["sequence_threshold", "token_threshold"];

/// Row by row: times and plans on the left, thresholds beside them.
const STRIPS: [Strip; 6] = [
    ("uplink (Mbit/s)", &["uplink_mbps"], None, Form::Steps),
    ("thresholds, our tuner", THRESHOLDS, Some("pipesd_online"), Form::Steps),
    ("time per token (ms)", &["tpt_ms"], None, Form::Line),
    ("thresholds, the paper's tuner", THRESHOLDS, Some("pipesd_paper_tuner"), Form::Steps),
    ("window (tokens)", &["window_tokens"], None, Form::Steps),
    ("batches of a plan", &["plan_batches"], None, Form::Steps),
];
/// Panels in a row.
const COLUMNS: usize = 2;
/// More changes of the rate than this are not marked.
const MANY_CHANGES: usize = 30;

fn draw(rows: &[Row]) -> Result<Chart, FigureError> {
    of_metric(rows, "tpt_ms")?;
    let mut panels = Vec::new();
    for (measure, metrics, only, form) in STRIPS {
        let mut series = Vec::new();
        for metric in metrics {
            let mut of_metric = of_metric(rows, metric).unwrap_or_default();
            of_metric.retain(|row| only.is_none_or(|method| row.method == method));
            series.extend(lines(&of_metric, form)?.into_iter().map(|line| styled(line, metric)));
        }
        if !series.is_empty() {
            let y = Axis::linear(measure, values(&series), true);
            let x = Axis::linear("", [], true);
            let notes = if only.is_some() { named_at_their_ends(&series) } else { vec![] };
            panels.push(Panel { series, notes, ..Panel::new(String::new(), x, y) });
        }
    }
    let x = time(&panels);
    let count = panels.len();
    for (index, panel) in panels.iter_mut().enumerate() {
        let lowest = index + COLUMNS >= count;
        panel.x = if lowest { x.clone() } else { x.clone().unlabelled() };
    }
    let (width, legend) = (Width::Page, Legend::Above);
    Ok(Chart { width, columns: COLUMNS, plot_height: 220, panels, notes: vec![], legend })
}

/// The axis of time, from the first value's beginning to the last one's end, with a tick where the
/// rate changes.
fn time(panels: &[Panel]) -> Axis {
    let steps = panels.iter().flat_map(|panel| &panel.series);
    let steps = steps.filter(|series| series.form == Form::Steps);
    let ends = steps.flat_map(|series| {
        let xs: Vec<f64> = series.points.iter().map(|point| point.x).collect();
        spans(&xs).into_iter().flat_map(|(from, to)| [from, to])
    });
    let all = ends.chain(panels.iter().flat_map(|panel| places(&panel.series)));
    let mut axis = Axis::exact("time (s)", all);
    let rate = panels.iter().flat_map(|panel| &panel.series);
    let rate = rate.filter(|series| series.style == "fitted").flat_map(|series| &series.points);
    let rate: Vec<_> = rate.collect();
    let changes = rate.windows(2).filter(|pair| pair[0].y != pair[1].y);
    let changes: Vec<f64> = changes.map(|pair| f64::midpoint(pair[0].x, pair[1].x)).collect();
    if (1..=MANY_CHANGES).contains(&changes.len()) {
        let ticks = [axis.low].into_iter().chain(changes).chain([axis.high]);
        axis.ticks = ticks.map(|at| Tick { at, label: number(at) }).collect();
    }
    axis
}

/// The names of lines right of their last values.
fn named_at_their_ends(series: &[Series]) -> Vec<Note> {
    let note = |series: &Series| {
        let text = if series.style == "sequence_threshold" { "R1" } else { "R2" };
        series.points.last().map(|point| Note { at: point.y, text: text.to_owned() })
    };
    series.iter().filter_map(note).collect()
}

/// What is no method's has a look of its own and no place in the legend. No quantity of this figure
/// is negative, whatever an interval from a normal distribution says.
fn styled(mut line: Series, metric: &str) -> Series {
    for (low, high) in line.points.iter_mut().filter_map(|point| point.interval.as_mut()) {
        (*low, *high) = (low.max(0.), high.max(0.));
    }
    match metric {
        "uplink_mbps" => "fitted".clone_into(&mut line.style),
        "sequence_threshold" | "token_threshold" => metric.clone_into(&mut line.style),
        _ => return line,
    }
    line.label = String::new();
    line
}
