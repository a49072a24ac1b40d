//! The section of one item.

use anyhow::Result;
use maud::{Markup, html};

use super::{Figure, Section, code, prose, svg, table};
use crate::items::Report;

pub(super) fn markup(section: &Section<'_>) -> Result<Markup> {
    let Section { report, figures } = section;
    let item = &report.item;
    let figures = figures
        .iter()
        .enumerate()
        .map(|(index, figure)| figure_markup(figure, &format!("{item}-{}", index + 1)))
        .collect::<Result<Vec<Markup>>>()?;
    let heading = format!("{item}-heading");
    Ok(html! {
        section.item #(item) aria-labelledby=(heading) {
            h2 #(heading) { (report.title) }
            @if let Some(why) = &report.unpublished {
                p.aside { strong { "Not in the paper. " } (prose(&sentence(why))) }
            }
            @for figure in &figures { (figure) }
            @for table in &report.tables { (table::markup(table, &report.title)) }
            @if report.rows.iter().any(|row| row.paper.is_some()) {
                p.key {
                    "Cells: ours (the paper’s) error; marks and tints are those of "
                    a href="#reading" { "how to read the tables" } "."
                }
            }
            @if !report.notes.is_empty() {
                ul.notes { @for note in &report.notes { li { (prose(note)) } } }
            }
            @if let Some(measured) = &report.measured {
                div.measured {
                    p {
                        strong { "Wall-clock of this machine. " }
                        "Measured while the page was made: another machine or day gives other values."
                    }
                    (table::markup(&measured.table, &report.title))
                }
            }
            (made_by(report))
        }
    })
}

/// A figure with its caption, in a container that scrolls if it has to.
pub(super) fn figure_markup(figure: &Figure, prefix: &str) -> Result<Markup> {
    let drawing = svg::inline(figure, prefix)?;
    Ok(html! {
        figure {
            div.scroll.canvas style=[svg::natural_width(figure)] role="region"
                aria-label={ "Figure: " (figure.caption) } tabindex="0" {
                (drawing)
            }
            figcaption { (prose(&figure.caption)) }
        }
    })
}

/// What makes the item again.
fn made_by(report: &Report) -> Markup {
    let Report { seed, seeds, tokens, .. } = *report;
    let last = seed + u64::from(seeds.saturating_sub(1));
    html! {
        dl.made {
            div { dt { "Command" } dd { (code(&report.command)) } }
            div {
                dt { @if seeds == 1 { "Seed" } @else { "Seeds" } }
                dd { (seed) @if last > seed { " to " (last) } }
            }
            div { dt { "Tokens a run" } dd { (tokens) } }
            div { dt { "Version" } dd { (report.version) } }
        }
    }
}

/// With a capital at the front and a full stop at the end.
pub(super) fn sentence(text: &str) -> String {
    let mut letters = text.trim().chars();
    let first: String = letters.next().into_iter().flat_map(char::to_uppercase).collect();
    let stop = if text.trim_end().ends_with(['.', '!', '?']) { "" } else { "." };
    format!("{first}{}{stop}", letters.as_str())
}
