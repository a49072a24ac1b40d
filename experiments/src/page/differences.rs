//! Where we differ: the predicted cells that neither chance nor the authors' sessions account for, each
//! with its explanation if it has one, and the methods that we have in another order than the paper.
//! All of it is computed from the rows.

use maud::{Markup, html};
use pipesd_plots::names;

use super::ask::{Quantity, and};
use super::headline::{place_name, short_title};
use super::{joined, prose, section, table, words};
use crate::items::chance::{DEVIATIONS, SESSIONS_PCT};
use crate::items::{Explained, Report, Role, Row, Table, overall};

pub(super) fn markup(reports: &[&Report]) -> Markup {
    let kinds: Vec<String> =
        Quantity::ALL.iter().filter_map(|kind| counted(reports, *kind)).collect();
    let groups = overall::unlike_by_explanation(reports);
    let pairs = overall::pairs(reports);
    let told_apart: usize = pairs.iter().map(|(_, pairs)| pairs.len()).sum();
    let reversed: Vec<String> = pairs
        .iter()
        .flat_map(|(report, pairs)| {
            let reversed = pairs.iter().filter(|pair| pair.is_reversed());
            reversed.map(|pair| format!("{}: {}", short_title(report), pair.words(true)))
        })
        .collect();
    html! {
        @if !kinds.is_empty() {
            h3 #differences { "Where we differ" }
            p {
                (joined(&format!(
                    "Predicted cells with an error larger than {DEVIATIONS} chance deviations and \
                     {SESSIONS_PCT} % together: {}.", and(&kinds)
                )))
            }
            @for (explained, cells) in &groups { (group(*explained, cells)) }
            p {
                (joined(&format!(
                    "Of {told_apart} pairs of methods that the paper has farther apart at one place than \
                     {DEVIATIONS} chance deviations, {} stand in another order here{}", reversed.len(),
                    if reversed.is_empty() { "." } else { ":" }
                )))
            }
            @if !reversed.is_empty() {
                @let list = html! { ul.notes { @for pair in &reversed { li { (words::text(pair)) } } } };
                @let name = format!("{} pairs", reversed.len());
                @if reversed.len() > LONG { (section::folded(&name, &list)) } @else { (list) }
            }
        }
    }
}

/// A longer list of reversals is folded.
const LONG: usize = 5;

/// `2 of 6 lengths and rates`; None where none is predicted beside a chance deviation.
fn counted(reports: &[&Report], kind: Quantity) -> Option<String> {
    let rows = reports.iter().flat_map(|report| &report.rows);
    let judged = rows.filter(|row| row.role == Role::Prediction && row.verdict().is_some());
    let judged: Vec<&Row> = judged.filter(|row| Quantity::of(row) == kind).collect();
    let unlike = judged.iter().filter(|row| row.is_unlike()).count();
    (!judged.is_empty()).then(|| format!("{unlike} of {} {}", judged.len(), kind.name()))
}

fn group(explained: Option<&Explained>, cells: &[(&Report, &Row)]) -> Markup {
    let count = if cells.len() == 1 { "1 cell".into() } else { format!("{} cells", cells.len()) };
    let name = if explained.is_some() { count } else { format!("{count}, unexplained") };
    let caption =
        if explained.is_some() { "Predicted cells beyond chance and sessions" } else { &name };
    let mut lines = Table::new(caption, &["cell", "figure", "ours"], 2);
    lines.rows.extend(cells.iter().map(|(report, row)| {
        vec![place_name(report, row), names::metric(&row.metric), row.text()]
    }));
    let shown = table::markup(&lines, "Where we differ");
    html! {
        @if let Some(Explained { why, evidence }) = explained {
            p.explained {
                (prose(&section::sentence(why))) " "
                span.quiet { "Evidence: " (prose(&section::sentence(evidence))) }
            }
        }
        // A tall table is folded as it is.
        @if explained.is_some() && lines.rows.len() <= table::TALL {
            (section::folded(&name, &shown))
        } @else {
            (shown)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::page::tests::{report, row, with_chance};

    #[test]
    fn each_cell_stands_under_its_explanation_and_those_without_one_come_first() {
        let mut one = report("table1", "Table 1: times");
        let cell = |method, ours, paper| {
            with_chance(row("humaneval", method, ours, Some(paper), Role::Prediction), 1.0)
        };
        one.rows = vec![
            Row {
                explained: Some(Explained {
                    why: "their set-up changed".to_owned(),
                    evidence: "its `rounds` take 150 ms".to_owned(),
                }),
                ..cell("vanilla", 150.0, 200.0)
            },
            cell("hsl", 120.0, 100.0),
            // Within two deviations and 5 %.
            cell("pipesd", 116.0, 110.0),
        ];
        let text = markup(&[&one]).into_string();
        let at =
            |part: &str| text.find(part).unwrap_or_else(|| panic!("`{part}` is not in {text}"));
        assert!(at("2 of 3 times per token") < at("1 cell, unexplained"));
        assert!(at("1 cell, unexplained") < at("<b>120</b>"), "{text}");
        assert!(at("<b>120</b>") < at("Their set-up changed."), "{text}");
        assert!(at("Evidence: ") < at("<b>150</b>") && !text.contains("<b>116</b>"), "{text}");
        // 200 > 110 > 100 in the paper; here HSL is above PipeSD.
        assert!(
            text.contains("Of 3 pairs of methods") && text.contains("PipeSD above HSL"),
            "{text}"
        );
    }

    #[test]
    fn without_chance_nothing_is_said() {
        let mut one = report("table1", "Table 1: times");
        one.rows = vec![row("humaneval", "hsl", 120.0, Some(100.0), Role::Prediction)];
        assert!(markup(&[&one]).into_string().is_empty());
    }
}
