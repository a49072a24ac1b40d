//! App. F: upload policies over link settings.

use super::rows::{
    cloud_only_beyond, distinct_numbers, lines, of_metric, places, share_values, values,
    with_references,
};
use super::{FigureError, FigureOf, names};
use crate::chart::{
    Axis, Band, Chart, Form, Legend, Panel, Point, Scale, Series, Tick, Width, look, number,
};
use crate::results::Row;

pub(super) const FIGURE: FigureOf = FigureOf {
    item: "appendix-f",
    file: "appendix-f.svg",
    caption: "Time per token of PipeSD with each upload policy over uplink rates and start-up \
              costs, HumanEval in S1; both axes are logarithmic, so that equal distances are equal \
              ratios. Mean and 95 % interval over seeds. PipeSD uploads by its DP plan; below, the \
              other policies' mean times over PipeSD's, without intervals, for the runs share their \
              seeds; above 1 PipeSD is faster. Shaded: the range of such ratios that the paper gives \
              for its own settings, 1.02 to 2.06; it does not give the settings. Of the references \
              the bound is shown; the cloud alone lies below the axis.",
    draw,
};

/// Ticks of ratios.
const TICKS: [f64; 9] = [0.5, 0.7, 0.8, 0.9, 1., 1.2, 1.5, 2., 3.];
/// How many times better than the others the paper's DP is, from its least to its greatest.
const PAPER: (f64, f64) = (1.02, 2.06);

fn draw(all: &[Row]) -> Result<Chart, FigureError> {
    const METRIC: &str = "tpt_ms";
    let rows = with_references(of_metric(all, METRIC)?, &["bound"]);
    let measure = names::metric(METRIC);
    let startups = distinct_numbers(rows.iter().filter_map(|row| row.y));
    let parts: Vec<(String, Vec<&Row>)> = if startups.is_empty() {
        vec![(String::new(), rows)]
    } else {
        let at = |startup: f64| rows.iter().copied().filter(move |row| row.y == Some(startup));
        let part =
            |startup: &f64| (format!("start-up {} ms", number(*startup)), at(*startup).collect());
        startups.iter().map(part).collect()
    };
    let mut panels = Vec::new();
    for (title, rows) in parts {
        let series = lines(&rows, Form::Line)?;
        let x = Axis::swept("uplink (Mbit/s)", Scale::Log2, places(&series));
        let y = Axis::log(&measure, values(&series));
        let beyond = cloud_only_beyond(all, METRIC);
        panels.push(Panel { series, beyond, ..Panel::new(title, x, y) });
    }
    share_values(&mut panels, Axis::log);
    for panel in panels.iter_mut().skip(1) {
        panel.y = panel.y.clone().unlabelled();
    }
    let columns = panels.len();
    let below = ratios(&panels);
    if !below.is_empty() {
        for panel in &mut panels {
            panel.x = panel.x.clone().unlabelled();
        }
    }
    panels.extend(below);
    let (width, legend) = (Width::Page, Legend::Above);
    Ok(Chart { width, columns, plot_height: 330, panels, notes: vec![], legend })
}

/// A panel below each: the other policies' times over PipeSD's at the same rate, without intervals, for
/// the runs share their seeds and intervals of means say nothing of their ratio.
fn ratios(panels: &[Panel]) -> Vec<Panel> {
    let ours = |panel: &Panel, x: f64| {
        let series = panel.series.iter().find(|series| series.method == "pipesd")?;
        series.points.iter().find(|point| point.x == x).map(|point| point.y)
    };
    let mut below: Vec<Panel> = Vec::new();
    for panel in panels {
        let policy = |series: &&Series| !look::REFERENCES.contains(&series.method.as_str());
        let others = panel.series.iter().filter(|series| series.method != "pipesd").filter(policy);
        let others = others.filter(|series| series.form == Form::Line);
        let series: Vec<_> = others
            .map(|series| {
                let points = series.points.iter().filter_map(|point| {
                    let y = point.y / ours(panel, point.x)?;
                    Some(Point { x: point.x, y, interval: None })
                });
                Series { points: points.collect(), ..series.clone() }
            })
            .filter(|series| !series.points.is_empty())
            .collect();
        let y = Axis::linear("time, as a multiple of PipeSD's", [], false);
        let (low, high) = PAPER;
        let label = format!("the paper's range, {low} to {high}");
        let band = Some(Band { label, low, high });
        below.push(Panel { series, band, ..Panel::new(String::new(), panel.x.clone(), y) });
    }
    if below.iter().any(|panel| panel.series.is_empty()) {
        return Vec::new();
    }
    share_values(&mut below, |title, values| {
        let mut axis = Axis::log(title, values.into_iter().chain([1., PAPER.1]));
        axis.ticks = TICKS.map(|at| Tick { at, label: format!("{at:.1}") }).to_vec();
        axis.ticks.retain(|tick| (axis.low..=axis.high).contains(&tick.at));
        axis
    });
    for panel in &mut below {
        let one = Point { x: panel.x.low, y: 1., interval: None };
        let mut line = Series::new("pipesd", "", Form::Level(f64::INFINITY), vec![one]);
        "fitted".clone_into(&mut line.style);
        panel.series.insert(0, line);
    }
    for panel in below.iter_mut().skip(1) {
        panel.y = panel.y.clone().unlabelled();
    }
    below
}
