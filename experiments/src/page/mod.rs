//! The report: one HTML file with every item's figures, tables and notes. It needs nothing but itself:
//! no network, no script, no font of its own.
//!
//! The same reports and figures give the same bytes: no dates, and wall-clock measurements only where an
//! item brings them.

mod appendix;
mod ask;
mod cell;
mod differences;
mod drawing;
mod findings;
mod headline;
mod provenance;
mod reading;
mod result;
mod section;
mod strip;
mod svg;
mod table;
mod words;

use std::path::{Path, PathBuf};

use anyhow::Result;
use maud::{DOCTYPE, Markup, PreEscaped, html};

use crate::items::Report;
use crate::output;

pub(crate) use self::drawing::figures;

/// The name of the page in the folder of results.
const FILE: &str = "report.html";

/// Nothing is loaded from anywhere, whatever a title or a note may hold.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; img-src data:";

const STYLE: &str = include_str!("style.css");

/// A figure to be shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Figure {
    /// Its file in the item's folder; names it within the page.
    pub(crate) file: String,
    /// What it shows, for people.
    pub(crate) caption: String,
    /// The drawing.
    pub(crate) svg: String,
    /// The same for a phone, if it is too wide for one.
    pub(crate) narrow: Option<String>,
}

/// An item with its figures.
#[derive(Clone, Debug)]
pub(crate) struct Section<'a> {
    pub(crate) report: &'a Report,
    pub(crate) figures: Vec<Figure>,
}

/// Writes the page into the folder of results; gives its path.
///
/// # Errors
/// If a figure is not an SVG, or the file cannot be written.
pub(crate) fn write(
    folder: &Path,
    origin: &Origin,
    smoke: bool,
    sections: &[Section<'_>],
) -> Result<PathBuf> {
    let path = folder.join(FILE);
    output::write_file(&path, &page(origin, smoke, sections)?)?;
    Ok(path)
}

/// What a page is made of again.
#[derive(Clone, Debug)]
pub(crate) struct Origin {
    pub(crate) command: String,
    pub(crate) seed: u64,
    /// Tells programs of one version apart.
    pub(crate) program: String,
}

/// The page as text.
fn page(origin: &Origin, smoke: bool, sections: &[Section<'_>]) -> Result<String> {
    let reports: Vec<&Report> = sections.iter().map(|section| section.report).collect();
    let shown = |(index, section)| section::markup(section, &reports[..index]);
    let items = sections.iter().enumerate().map(shown).collect::<Result<Vec<Markup>>>()?;
    let body = html! {
        a.skip href="#main" { "Skip to the results" }
        header.top {
            p.kicker { "pipesd " (env!("CARGO_PKG_VERSION")) }
            h1 { "PipeSD, reproduced" }
            p.lead { (LEAD) }
            @if smoke {
                p.warning role="note" {
                    strong { "A smoke run. " }
                    "So few runs show that everything works; the numbers on this page say nothing."
                }
            }
        }
        main #main tabindex="-1" {
            (headline::markup(&reports)?)
            (contents(&reports))
            (reading::markup())
            @for item in &items { (item) }
            (appendix::markup(origin, &reports))
        }
    };
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta http-equiv="Content-Security-Policy" content=(POLICY);
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                meta name="description" content=(LEAD);
                title { "PipeSD, reproduced" }
                link rel="icon" href="data:,";
                style { (PreEscaped(STYLE)) }
            }
            body { (body) }
        }
    };
    Ok(page.into_string() + "\n")
}

const LEAD: &str = "In cloud-edge speculative decoding a small draft model on a device proposes tokens and a \
    large target model in the cloud verifies them; PipeSD (ICML 2026, arXiv 2605.13319) hides the upload and \
    the wait behind further drafting. Here its tables and figures are made again by a discrete-event \
    simulation calibrated on published measurements, and set beside the published values.";

/// The list of sections.
fn contents(reports: &[&Report]) -> Markup {
    html! {
        nav.contents aria-labelledby="contents" {
            h2 #contents { "Contents" }
            ol {
                li { a href="#findings" { "Findings" } }
                li { a href="#reading" { "How to read this page" } }
                @for report in reports {
                    li { a href={ "#" (report.item) } { (report.title) } }
                }
                li { a href="#appendix" { "Appendix: where the numbers come from" } }
            }
        }
    }
}

/// Text with `code` between backticks.
fn prose(text: &str) -> Markup {
    html! {
        @for (index, part) in text.split('`').enumerate() {
            @if index % 2 == 1 { (code(part)) } @else { (part) }
        }
    }
}

/// A sentence whose numbers stay with their units.
fn joined(text: &str) -> String {
    [" %", " ms", " Mbit/s"]
        .iter()
        .fold(text.to_owned(), |text, unit| text.replace(unit, &unit.replace(' ', "\u{a0}")))
}

/// Text for where no mark-up can be.
fn plain(text: &str) -> String {
    text.replace('`', "")
}

/// A command or a key; lines break between its words, not at a hyphen.
fn code(text: &str) -> Markup {
    html! {
        code {
            @for (index, word) in text.split(' ').enumerate() {
                @if index > 0 { " " }
                span { (word) }
            }
        }
    }
}

/// A key with places where a narrow column may break it.
fn breakable(name: &str) -> Markup {
    html! {
        @for (index, part) in name.split('_').enumerate() {
            @if index > 0 { "_" wbr; }
            (part)
        }
    }
}

#[cfg(test)]
mod tests;
