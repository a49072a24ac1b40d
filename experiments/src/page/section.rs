//! The section of one item.

use anyhow::Result;
use maud::{Markup, html};

use super::headline::short_title;
use super::{Figure, Section, code, joined, plain, prose, result, svg, table, words};
use crate::items::{Report, Table};

/// Tables that stand behind an item's main ones, by what their captions begin with, and what they are
/// called where they are folded.
const BEHIND: [(&str, &str); 5] = [
    ("Errors against the paper", "errors"),
    ("What the cells stand on", "what the cells stand on"),
    (REFERENCES, "reference lines"),
    ("Distance to the bound", "distances to the bound"),
    ("Scopes of energy", "scopes of energy"),
];
const REFERENCES: &str = "Reference lines";
/// A table that is the item's result: it stands before the figures and is never folded.
const CHECKS: &str = "Checks";
/// More main tables than this are folded, too: a figure shows them.
const MANY: usize = 2;

/// The section of an item; `earlier` are the reports whose sections stand before it.
pub(super) fn markup(section: &Section<'_>, earlier: &[&Report]) -> Result<Markup> {
    let Section { report, figures } = section;
    let item = &report.item;
    let drawn = figures
        .iter()
        .enumerate()
        .map(|(index, figure)| figure_markup(figure, &format!("{item}-{}", index + 1)))
        .collect::<Result<Vec<Markup>>>()?;
    let heading = format!("{item}-heading");
    let behind = |table: &&Table| BEHIND.iter().any(|(start, _)| table.caption.starts_with(start));
    let (folded, main): (Vec<&Table>, Vec<&Table>) = report.tables.iter().partition(behind);
    let (checks, main): (Vec<&Table>, Vec<&Table>) =
        main.into_iter().partition(|table| table.caption == CHECKS);
    let in_figure = main.len() > MANY && !figures.is_empty();
    Ok(html! {
        section.item #(item) aria-labelledby=(heading) {
            h2 #(heading) { (report.title) }
            @let sentences = result::sentences(report);
            @if !sentences.is_empty() {
                p.result { @for sentence in &sentences { (joined(sentence)) " " } }
            }
            @if let Some(why) = &report.unpublished {
                p.aside { strong { "What the paper leaves out: " } (prose(&ended(why))) }
            }
            (tables(&checks, report))
            @for figure in &drawn { (figure) }
            @if in_figure {
                (self::folded("The figure’s numbers", &tables(&main, report)))
            } @else {
                (tables(&main, report))
            }
            @if report.rows.iter().any(|row| row.paper.is_some()) {
                p.key {
                    "Cells: ours (the paper’s) error"
                    @if let Some(prompts) = &report.prompts {
                        " ± what " (prompts.count) " prompts, the paper’s number, do by chance"
                    }
                    "; signs, marks and tints are those of "
                    a href="#reading" { "how to read this page" } "."
                }
            }
            @if !report.notes.is_empty() {
                ul.notes {
                    @for note in &report.notes { li { (prose(&words::text_outside_code(note))) } }
                }
            }
            @if let Some(measured) = &report.measured {
                div.wallclock {
                    p {
                        strong { "Wall-clock of this machine. " }
                        "Measured while the page was made: another machine or day gives other values."
                    }
                    (table::markup(&measured.table, &report.title))
                }
            }
            @if !folded.is_empty() {
                (self::folded(&names_of(&folded), &behind_markup(&folded, report, earlier)))
            }
            (made_by(report))
        }
    })
}

fn tables(tables: &[&Table], report: &Report) -> Markup {
    html! { @for table in tables { (table::markup(table, &report.title)) } }
}

/// What a reader opens to see more.
pub(super) fn folded(name: &str, content: &Markup) -> Markup {
    html! {
        details.more {
            summary { (name) }
            (content)
        }
    }
}

/// `Errors, reference lines`: what folded tables are.
fn names_of(tables: &[&Table]) -> String {
    let named = BEHIND
        .iter()
        .filter(|(start, _)| tables.iter().any(|table| table.caption.starts_with(start)));
    let names: Vec<&str> = named.map(|(_, name)| *name).collect();
    capital(&names.join(", "))
}

fn behind_markup(tables: &[&Table], report: &Report, earlier: &[&Report]) -> Markup {
    html! {
        @for table in tables {
            @if !table.caption.starts_with(REFERENCES) {
                (table::markup(table, &report.title))
            } @else if let Some(other) = earlier.iter().find(|other| has_lines(other, table)) {
                p {
                    "The reference lines are those of "
                    a href={ "#" (other.item) } { (short_title(other)) } "."
                }
            } @else {
                // What the lines are is said once, for all tables.
                @let caption = table.caption.split(". Bound").next().unwrap_or(&table.caption);
                (table::markup(&Table { caption: caption.to_owned(), ..(*table).clone() }, &report.title))
                p.key { "What the lines are: " a href="#lines" { "how to read this page" } "." }
            }
        }
    }
}

/// Whether a report has the same reference lines for all places of a table: dataset, scenario, numbers.
fn has_lines(report: &Report, table: &Table) -> bool {
    let own = report.tables.iter().find(|own| own.caption.starts_with(REFERENCES));
    let line = |table: &Table, row: &[String]| {
        [&row[..2.min(row.len())], &row[table.words.min(row.len())..]].concat()
    };
    own.is_some_and(|own| {
        let known: Vec<Vec<String>> = own.rows.iter().map(|row| line(own, row)).collect();
        table.rows.iter().all(|row| known.contains(&line(table, row)))
    })
}

/// A figure with its caption, in a container that scrolls if it has to; on a phone its narrow form, if it
/// has one.
pub(super) fn figure_markup(figure: &Figure, prefix: &str) -> Result<Markup> {
    let narrow = figure.narrow.as_ref().map(|svg| Figure { svg: svg.clone(), ..figure.clone() });
    let forms = match &narrow {
        None => vec![(figure, prefix.to_owned(), "")],
        Some(narrow) => vec![
            (figure, prefix.to_owned(), "wide"),
            (narrow, format!("{prefix}-narrow"), "narrow"),
        ],
    };
    let mut drawings = Vec::new();
    for (form, prefix, class) in &forms {
        drawings.push((svg::inline(form, prefix)?, svg::natural_width(form), *class));
    }
    Ok(html! {
        figure {
            @for (drawing, width, class) in &drawings {
                div.scroll.canvas.(class) style=[width] role="region"
                    aria-label={ "Figure: " (plain(&figure.caption)) } tabindex="0" {
                    (drawing)
                }
            }
            figcaption { (prose(&words::text_outside_code(&figure.caption))) }
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
    capital(&ended(text))
}

fn capital(text: &str) -> String {
    let mut letters = text.chars();
    let first: String = letters.next().into_iter().flat_map(char::to_uppercase).collect();
    format!("{first}{}", letters.as_str())
}

/// With a full stop at the end.
fn ended(text: &str) -> String {
    let text = text.trim();
    let stop = if text.ends_with(['.', '!', '?']) { "" } else { "." };
    format!("{text}{stop}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::page::tests::report;

    fn with(caption: &str, words: usize, rows: &[&[&str]]) -> Report {
        let mut one = report("table6", "Table 6: parts");
        let mut table = Table::new(caption, &["dataset", "scenario", "R1", "bound"], words);
        table.rows =
            rows.iter().map(|row| row.iter().map(|&cell| cell.to_owned()).collect()).collect();
        one.tables.push(table);
        one
    }

    #[test]
    fn reference_lines_that_stood_before_are_not_shown_again() {
        let caption = "Reference lines: time per token (ms) over 8 runs. Bound: the least";
        let first = with(caption, 2, &[&["h", "s1", "80.5"], &["h", "s2", "99.1"]]);
        let shown = |report: &Report| {
            let section = Section { report, figures: Vec::new() };
            markup(&section, &[&first]).expect("a section").into_string()
        };
        let same = shown(&with(caption, 3, &[&["h", "s1", "0.5", "80.5"]]));
        assert!(same.contains("The reference lines are those of"), "{same}");
        let other = shown(&with(caption, 3, &[&["h", "s1", "0.5", "80.6"]]));
        assert!(other.contains("80.6") && !other.contains("Bound: the least"), "{other}");
    }

    #[test]
    fn what_stands_behind_is_folded_and_the_main_table_is_not() {
        let main = with("Means over runs", 2, &[&["h", "s1", "80.5"], &["h", "s2", "99.1"]]);
        let behind =
            with("Errors against the paper", 2, &[&["h", "s1", "80.5"], &["h", "s2", "1"]]);
        for (report, folded) in [(&main, false), (&behind, true)] {
            let section = Section { report, figures: Vec::new() };
            let text = markup(&section, &[]).expect("a section").into_string();
            assert_eq!(text.contains("<details"), folded, "{text}");
            assert_eq!(text.contains("<summary>Errors</summary>"), folded);
        }
    }
}
