//! All errors of the times per token at a glance: a row for each item, a dot for each cell.

use maud::{Markup, html};

use super::headline::{place_name, short_title};
use crate::items::chance::{DEVIATIONS, SESSIONS_PCT};
use crate::items::{Report, Role, Row};

type Cell<'a> = (&'a Report, &'a Row, f64);

/// The strip; empty without cells.
pub(super) fn markup(cells: &[Cell<'_>]) -> Markup {
    if cells.is_empty() {
        return html! {};
    }
    let limit = limit(cells);
    let mut items: Vec<(&str, Vec<&Cell<'_>>)> = Vec::new();
    for cell in cells {
        let item = cell.0.item.as_str();
        match items.last_mut() {
            Some((last, list)) if *last == item => list.push(cell),
            _ => items.push((item, vec![cell])),
        }
    }
    html! {
        figure.strip {
            div.plot aria-hidden="true" {
                div.axis {
                    span.label {}
                    span.lane {
                        @for tick in ticks(limit) {
                            span.tick style=(left(tick, limit)) { (sign(tick)) }
                        }
                    }
                }
                @for (_, cells) in &items {
                    @let levels = cells.len().min(LEVELS);
                    div.line {
                        span.label { (short_title(cells[0].0)) }
                        span.lane style={ "height:" (format!("{:.2}rem", height(levels))) } {
                            span.sessions style=(range(-SESSIONS_PCT, SESSIONS_PCT, limit)) {}
                            @for tick in ticks(limit) {
                                span.rule.zero[tick == 0.0] style=(left(tick, limit)) {}
                            }
                            @for (index, (_, row, error)) in cells.iter().enumerate() {
                                @if let Some(far) = row.chance_pct().map(|chance| DEVIATIONS * chance) {
                                    @let across = range(error - far, error + far, limit);
                                    span.chance style={ (across) ";" (top(index, levels)) } {}
                                }
                            }
                            @for (index, (report, row, error)) in cells.iter().enumerate() {
                                span.dot.(class(row.role))
                                    style={ (left(*error, limit)) ";" (top(index, levels)) }
                                    title={ (place_name(report, row)) ": " (told(row, *error)) } {}
                            }
                        }
                    }
                }
            }
            figcaption {
                "Errors of the times per token in percent of the paper’s, a dot for each cell; left of zero \
                 we are faster than the paper. The line through a dot reaches " (DEVIATIONS) " chance \
                 deviations to either side: where it meets zero, the paper’s few prompts account for the \
                 error. In the shaded band, ±" (SESSIONS_PCT) " %, the authors’ own sessions differ. An \
                 item’s cells take turns on up to four levels, one for each method where it has four. "
                span.legend {
                    span { span.dot.prediction {} " predicted" }
                    span { span.dot.sample {} " in sample" }
                    span { span.dot.fitted {} " calibrated" }
                    @if cells.iter().any(|(_, row, _)| row.role == Role::NotCounted) {
                        span { span.dot.apart {} " not counted" }
                    }
                }
            }
        }
    }
}

/// The dots of an item stand on so many levels at most, by turns: lines through them stay apart, and where
/// an item has four methods each has its level.
const LEVELS: usize = 4;

/// The height of so many levels \[rem\].
fn height(levels: usize) -> f64 {
    0.8 + 0.9 * levels as f64
}

fn top(index: usize, levels: usize) -> String {
    format!("top:{:.1}%", 100.0 * ((index % levels) as f64 + 0.7) / (levels as f64 + 0.4))
}

/// Where the axis ends on both sides \[%\]: the next ten beyond the largest error.
fn limit(cells: &[Cell<'_>]) -> f64 {
    let largest = cells.iter().map(|cell| cell.2.abs()).fold(0.0, f64::max);
    10.0 * (largest / 10.0).ceil().max(1.0)
}

/// Five ticks, the same on both sides of zero.
fn ticks(limit: f64) -> [f64; 5] {
    [-1.0, -0.5, 0.0, 0.5, 1.0].map(|share| share * limit)
}

fn sign(tick: f64) -> String {
    if tick == 0.0 { "0".to_owned() } else { format!("{tick:+} %").replace('-', "\u{2212}") }
}

fn left(error: f64, limit: f64) -> String {
    format!("left:{:.2}%", 50.0 * (1.0 + error / limit))
}

/// `+5.1 ±2.4 %`.
fn told(row: &Row, error: f64) -> String {
    let chance = row.chance_pct().map(|chance| format!(" ±{chance:.1}")).unwrap_or_default();
    format!("{error:+.1}{chance} %")
}

/// From one value to another, as far as the lane reaches.
fn range(from: f64, to: f64, limit: f64) -> String {
    let [from, to] = [from, to].map(|value| 50.0 * (1.0 + value.clamp(-limit, limit) / limit));
    format!("left:{from:.2}%;width:{:.2}%", to - from)
}

const fn class(role: Role) -> &'static str {
    match role {
        Role::Calibration => "fitted",
        Role::InSample => "sample",
        Role::NotCounted => "apart",
        Role::Prediction | Role::Reference | Role::Ours => "prediction",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::page::tests::{report, row, with_chance};

    #[test]
    fn each_cell_is_a_dot_where_its_error_is() {
        let one = report("table1", "Table 1: times");
        let (slow, fast) = (
            row("h", "hsl", 150.0, Some(100.0), Role::Prediction),
            row("h", "pipesd", 80.0, Some(100.0), Role::InSample),
        );
        let cells = [(&one, &slow, 50.0), (&one, &fast, -20.0)];
        let text = markup(&cells).into_string();
        assert!(
            text.contains("class=\"dot prediction\" style=\"left:100.00%;top:29.2%\""),
            "{text}"
        );
        assert!(text.contains("class=\"dot sample\" style=\"left:30.00%;top:70.8%\""), "{text}");
        assert!(markup(&[]).into_string().is_empty());
    }

    #[test]
    fn a_line_reaches_two_chance_deviations_from_its_dot() {
        let one = report("table1", "Table 1: times");
        let cell = with_chance(row("h", "hsl", 110.0, Some(100.0), Role::Prediction), 2.0);
        let text = markup(&[(&one, &cell, 10.0)]).into_string();
        // From 6 to 14 %, cut off at the lane's end, 10 %.
        assert!(
            text.contains("class=\"chance\" style=\"left:80.00%;width:20.00%;top:50.0%\""),
            "{text}"
        );
        assert!(text.contains("class=\"sessions\" style=\"left:25.00%;width:50.00%\""), "{text}");
        assert!(text.contains("+10.0 ±2.0 %"), "{text}");
    }

    #[test]
    fn the_axis_holds_every_error() {
        let one = report("table1", "Table 1: times");
        let cell = row("h", "hsl", 1.0, Some(1.0), Role::Prediction);
        for (error, end) in [(0.0, 10.0), (10.0, 10.0), (-10.1, 20.0), (61.7, 70.0)] {
            assert_eq!(limit(&[(&one, &cell, error)]), end, "{error}");
        }
    }
}
