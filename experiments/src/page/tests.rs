//! The page as a whole: its order, its determinism, nothing from outside.

use serde_json::{Map, json};

use super::*;
use crate::items::{Chance, Measured, Role, Row, Table};
use crate::statistics::Statistic;

pub(super) fn report(item: &str, title: &str) -> Report {
    Report {
        format: 2,
        item: item.to_owned(),
        title: title.to_owned(),
        version: "1.2.3".to_owned(),
        command: format!("pipesd reproduce {item}"),
        seed: 3,
        seeds: 5,
        tokens: 130,
        prompts: None,
        unpublished: None,
        notes: Vec::new(),
        figures: Map::new(),
        tables: Vec::new(),
        rows: Vec::new(),
        measured: None,
    }
}

pub(super) fn row(dataset: &str, method: &str, ours: f64, paper: Option<f64>, role: Role) -> Row {
    Row {
        dataset: dataset.to_owned(),
        scenario: "s1".to_owned(),
        variant: None,
        x: None,
        y: None,
        method: method.to_owned(),
        metric: "tpt_ms".to_owned(),
        ours: Statistic::of(&[ours]),
        paper,
        role,
        chance: None,
        explained: None,
        command: String::new(),
    }
}

/// The row with a chance deviation of `sd` over ten prompts.
pub(super) fn with_chance(row: Row, sd: f64) -> Row {
    Row { chance: Some(Chance { prompts: 10, sd }), ..row }
}

fn table(caption: &str, cell: &str) -> Table {
    let mut table = Table::new(caption, &["scenario", "pipesd"], 1);
    table.rows.push(vec!["s1".to_owned(), cell.to_owned()]);
    table
}

/// A report with everything in it, and text that HTML would take for its own.
fn full() -> Report {
    let mut report = report("table1", "Table 1: time <per> token");
    report.unpublished = Some("the pairs & the grid".to_owned());
    report.notes.push("A note on `--set loss=0.1` & \"more\"".to_owned());
    report.tables.push(table("Means", "136 (129)  +5.1 % c"));
    report.rows.push(row("humaneval", "pipesd", 136.0, Some(129.4), Role::Calibration));
    report.measured = Some(Measured { table: table("Time", "4.2"), values: json!({}) });
    report
}

fn figure(file: &str) -> Figure {
    let svg = "<svg width=\"84mm\" viewBox=\"0 0 840 400\"><defs><clipPath id=\"c\"/></defs>\
               <rect clip-path=\"url(#c)\" fill=\"#FFFFFF\"/></svg>";
    let (file, svg) = (file.to_owned(), svg.to_owned());
    Figure { file, caption: "What it shows".to_owned(), narrow: Some(svg.clone()), svg }
}

fn origin(command: &str) -> Origin {
    Origin { command: command.to_owned(), seed: 3, program: "0123456789abcdef".to_owned() }
}

fn shown() -> String {
    let report = full();
    let figures = vec![figure("a.svg"), figure("b.svg")];
    let origin = origin("pipesd reproduce table1");
    page(&origin, false, &[Section { report: &report, figures }]).expect("a page")
}

#[test]
fn the_page_has_its_parts_in_order() {
    let text = shown();
    let mut at = 0;
    for part in [
        "<h1>PipeSD, reproduced</h1>",
        "id=\"findings\"",
        "id=\"reading\"",
        "id=\"lines\"",
        "<section class=\"item\" id=\"table1\"",
        "Table 1: time &lt;per&gt; token</h2>",
        "What the paper leaves out: </strong>the pairs &amp; the grid.",
        "id=\"table1-1-title\"",
        "id=\"table1-1-narrow-title\"",
        "id=\"table1-2-title\"",
        "<b>136</b>",
        "A note on <code><span>--set</span> <span>loss=0.1</span></code> &amp; &quot;more&quot;",
        "Wall-clock of this machine.",
        "<span>reproduce</span> <span>table1</span></code>",
        "3 to 7",
        "id=\"appendix\"",
        "What the paper leaves out",
        "Making this page again",
        "<dt>Seed</dt><dd>3, the first",
        "program <code><span>0123456789abcdef</span></code>",
    ] {
        let found = text[at..].find(part);
        at += found.unwrap_or_else(|| panic!("`{part}` is missing after {at}"));
    }
}

#[test]
fn ids_are_unique_and_links_lead_somewhere() {
    let text = shown();
    let values = |mark: &str| -> Vec<String> {
        text.split(mark)
            .skip(1)
            .filter_map(|rest| rest.split('"').next())
            .map(str::to_owned)
            .collect()
    };
    let ids = values(" id=\"");
    for (index, id) in ids.iter().enumerate() {
        assert!(!ids[..index].contains(id), "two elements with the id {id}");
    }
    let links = values("href=\"#");
    assert!(links.len() > 4);
    for link in links.iter().chain(&values("labelledby=\"")) {
        assert!(ids.contains(link), "#{link} leads nowhere");
    }
}

#[test]
fn the_same_reports_give_the_same_bytes() {
    assert_eq!(shown(), shown());
}

#[test]
fn nothing_comes_from_outside() {
    let text = shown();
    for mark in
        ["<script", "<iframe", "<object", "<link rel=\"stylesheet", "@import", "src=\"", "url(http"]
    {
        assert!(!text.contains(mark), "{mark}");
    }
}

#[test]
fn a_smoke_run_says_so() {
    let report = full();
    let section = || Section { report: &report, figures: Vec::new() };
    assert!(page(&origin("x"), true, &[section()]).expect("a page").contains("A smoke run."));
    assert!(!page(&origin("x"), false, &[section()]).expect("a page").contains("A smoke run."));
}

/// What is white or black in a drawing because the page is so must not stay so on a dark page.
#[test]
fn the_style_sheet_knows_the_page_s_colours() {
    for (_, colour) in pipesd_plots::THEME {
        assert!(STYLE.contains(&format!("[fill=\"{colour}\"]")), "{colour} as a fill");
        assert!(STYLE.contains(&format!("[stroke=\"{colour}\"]")), "{colour} as a stroke");
    }
}
