//! Where we differ: the predicted cells that neither chance nor the authors' sessions account for, each
//! with its explanation if it has one, and the methods that we have in another order than the paper.
//! All of it is computed from the rows.

use maud::{Markup, html};
use pipesd_plots::names;

use super::headline::place_name;
use super::{joined, prose, section, table, words};
use crate::items::chance::{DEVIATIONS, SESSIONS_PCT};
use crate::items::{Explained, Report, Role, Row, Table, overall};

pub(super) fn markup(reports: &[&Report]) -> Markup {
    let judged = reports.iter().flat_map(|report| &report.rows);
    let judged =
        judged.filter(|row| row.role == Role::Prediction && row.verdict().is_some()).count();
    let unlike = overall::unlike(reports);
    let pairs = overall::pairs(reports);
    let told_apart: usize = pairs.iter().map(|(_, pairs)| pairs.len()).sum();
    let reversed: Vec<String> = pairs
        .iter()
        .flat_map(|(report, pairs)| {
            let reversed = pairs.iter().filter(|pair| pair.is_reversed());
            reversed.map(|pair| format!("{}: {}", report_name(report), pair.words(true)))
        })
        .collect();
    html! {
        @if judged > 0 {
            h3 #differences { "Where we differ" }
            p {
                (joined(&format!(
                    "Of {judged} predicted cells {} have an error larger than {DEVIATIONS} chance deviations \
                     and {SESSIONS_PCT} % together.", unlike.len()
                )))
            }
            @for (explained, cells) in groups(&unlike) { (group(explained, &cells)) }
            p {
                (joined(&format!(
                    "Of {told_apart} pairs of methods that the paper has farther apart at one place than \
                     {DEVIATIONS} chance deviations, {} stand in another order here{}", reversed.len(),
                    if reversed.is_empty() { "." } else { ":" }
                )))
            }
            @if !reversed.is_empty() {
                ul.notes { @for pair in &reversed { li { (words::text(pair)) } } }
            }
        }
    }
}

type Cells<'a> = Vec<(&'a Report, &'a Row)>;

/// The cells by explanation: first those without one, then in the order of the items.
fn groups<'a>(unlike: &[(&'a Report, &'a Row)]) -> Vec<(Option<&'a Explained>, Cells<'a>)> {
    let mut groups: Vec<(Option<&Explained>, Cells<'_>)> = vec![(None, Vec::new())];
    for &(report, row) in unlike {
        let explained = row.explained.as_ref();
        match groups.iter_mut().find(|(known, _)| *known == explained) {
            Some((_, cells)) => cells.push((report, row)),
            None => groups.push((explained, vec![(report, row)])),
        }
    }
    groups.retain(|(_, cells)| !cells.is_empty());
    groups
}

fn group(explained: Option<&Explained>, cells: &Cells<'_>) -> Markup {
    let count = if cells.len() == 1 { "1 cell".into() } else { format!("{} cells", cells.len()) };
    let mut lines =
        Table::new("Predicted cells beyond chance and sessions", &["cell", "figure", "ours"], 2);
    lines.rows.extend(cells.iter().map(|(report, row)| {
        vec![place_name(report, row), names::metric(&row.metric), row.text()]
    }));
    let name = if explained.is_some() { count } else { format!("{count}, unexplained") };
    html! {
        @if let Some(Explained { why, evidence }) = explained {
            p.explained {
                (prose(&section::sentence(why))) " " span.quiet { "Evidence: " (prose(&section::sentence(evidence))) }
            }
        }
        (section::folded(&name, &table::markup(&lines, "Where we differ")))
    }
}

fn report_name(report: &Report) -> &str {
    super::headline::short_title(report)
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
        assert!(at("Of 3 predicted cells 2 have an error") < at("1 cell, unexplained"));
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
