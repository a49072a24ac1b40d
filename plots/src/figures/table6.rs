//! Table 6: PipeSD with parts taken away.

use super::rows::{is_reference, letter, letters_note, lying, of_metric, with_references};
use super::{FigureError, FigureOf, names};
use crate::chart::{Axis, Chart, Legend, Note, Panel, Width};
use crate::results::Row;

pub(super) const FIGURE: FigureOf = FigureOf {
    item: "table6",
    file: "table6.svg",
    caption: "PipeSD with parts taken away, HumanEval in S1: mean and 95 % interval over seeds. \
              Diamonds and numbers in brackets: the paper's Table 6. Upright lines: decoding \
              in the cloud alone, drafting and verifying in turns (serial split), and the bound.",
    draw,
};

fn draw(rows: &[Row]) -> Result<Chart, FigureError> {
    let rows = with_references(of_metric(rows, "tpt_ms")?, &["bound", "serial", "cloud_only"]);
    let style = |method: &str| match method {
        "vanilla" => "vanilla",
        "pipesd" => "pipesd",
        _ => "other",
    };
    let mut panels = [lying_panel(String::new(), &rows, style)];
    share_axis(&mut panels);
    let plot_height = 20 + 46 * panels[0].y.ticks.len() as i32;
    let panels = panels.to_vec();
    let legend = Legend::Above;
    Ok(Chart {
        width: Width::Column,
        columns: 1,
        plot_height,
        panels,
        notes: letters_note(&rows),
        legend,
    })
}

/// A lying bar for each row of a method, from top to bottom; beside it ours, and theirs in brackets.
pub(super) fn lying_panel(
    title: String,
    rows: &[&Row],
    style: impl Fn(&str) -> &'static str,
) -> Panel {
    let series = lying(rows, style);
    let bars = || rows.iter().filter(|row| !is_reference(row));
    let names = bars().map(|row| names::method(&row.method));
    let texts = bars().map(|row| match (row.mean, row.paper) {
        (Some(ours), Some(paper)) => {
            format!("{ours:.0} ({paper:.0}) {}", letter(row)).trim_end().to_owned()
        }
        (Some(ours), None) => format!("{ours:.0}"),
        (None, Some(paper)) => format!("({paper:.0})"),
        (None, None) => String::new(),
    });
    let note = |(index, text)| Note { at: index as f64, text };
    let notes = texts.enumerate().map(note);
    let y = Axis::groups("", names).reversed();
    let x = Axis::linear(&names::metric("tpt_ms"), [], true);
    Panel { series, notes: notes.collect(), ..Panel::new(title, x, y) }
}

/// Gives panels of lying bars one axis, which the last one names.
pub(super) fn share_axis(panels: &mut [Panel]) {
    let all = panels.iter().flat_map(|panel| &panel.series);
    let all: Vec<f64> = all.flat_map(|series| series.values(true)).collect();
    for panel in panels {
        panel.x = Axis::linear(&panel.x.title, all.clone(), true);
    }
}
