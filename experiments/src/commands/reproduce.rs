//! `pipesd reproduce`: the tables and figures of the paper beside ours, kept in a folder of results.
//!
//! Each item is kept when it is done, so that the same command after an interruption goes on with the
//! next one.

use std::io::IsTerminal;
use std::path::Path;

use anyhow::Result;

use crate::cli::Reproduce;
use crate::input::bad_input;
use crate::items::{Context, Item, Report, Size, overall};
use crate::keep::{Keeper, write_report};
use crate::output;
use crate::page::{self, Section};

pub(crate) fn run(options: &Reproduce) -> Result<()> {
    let items = chosen(&options.items)?;
    for item in &items {
        // Before the work, so that a folder that cannot be written costs none.
        output::make_folder(&options.out.join(&item.head.item))?;
    }
    let keeper = Keeper::new()?;
    let mut reports = Vec::new();
    for item in &items {
        let report = obtain(item, options, &keeper)?;
        if !options.json {
            output::print(&report.text())?;
        }
        reports.push(report);
    }
    write_page(options, &keeper, &reports)?;
    if options.json {
        // One document: an item's own, or a list of them.
        return match &reports[..] {
            [report] => output::print_json(&report.json()),
            reports => output::print_json(&reports.iter().map(Report::json).collect::<Vec<_>>()),
        };
    }
    match overall::text(&reports) {
        Some(text) => output::print(&text),
        None => Ok(()),
    }
}

/// Writes the figures of what was made, and one page of that and of all items that are kept from before.
fn write_page(options: &Reproduce, keeper: &Keeper, made: &[Report]) -> Result<()> {
    let mut reports = Vec::new();
    for item in Item::shipped() {
        let name = &item.head.item;
        let fresh = made.iter().find(|report| report.item == *name).cloned();
        let kept = || {
            let fingerprint = keeper.fingerprint(options.seed, size(&item, options));
            Keeper::find(&options.out.join(name), &fingerprint)
        };
        reports.extend(fresh.or_else(kept));
    }
    let mut sections = Vec::new();
    for report in &reports {
        let figures = page::figures(report)?;
        for figure in &figures {
            output::write_file(&options.out.join(&report.item).join(&figure.file), &figure.svg)?;
        }
        sections.push(Section { report, figures });
    }
    let page = page::write(options, &sections)?;
    if std::io::stderr().is_terminal() {
        eprintln!("the report: {}", page.display());
    }
    Ok(())
}

/// How much of an item is run.
fn size(item: &Item, options: &Reproduce) -> Size {
    let Size { seeds, tokens } = if options.smoke { item.head.smoke } else { item.head.size };
    Size { seeds: options.seeds.unwrap_or(seeds), tokens: options.tokens.unwrap_or(tokens) }
}

fn chosen(items: &[String]) -> Result<Vec<Item>> {
    let shipped = Item::shipped();
    let known: Vec<&str> = shipped.iter().map(|item| item.head.item.as_str()).collect();
    if let Some(unknown) = items.iter().find(|item| !known.contains(&item.as_str())) {
        let known = known.join(", ");
        return Err(bad_input!("reproduce {unknown}: no such item; the items are {known}").into());
    }
    let wanted = |item: &Item| items.is_empty() || items.contains(&item.head.item);
    Ok(shipped.into_iter().filter(wanted).collect())
}

/// The item's report: from before if the same program made it with the same options, or now.
fn obtain(item: &Item, options: &Reproduce, keeper: &Keeper) -> Result<Report> {
    let head = &item.head;
    let size = size(item, options);
    let context = Context { head, seed: options.seed, size, jobs: options.jobs };
    let folder = options.out.join(&head.item);
    let fingerprint = keeper.fingerprint(options.seed, size);
    if !options.fresh
        && let Some(report) = Keeper::find(&folder, &fingerprint)
    {
        eprintln!("{}: kept from before in {}", head.item, folder.display());
        return Ok(report);
    }
    let report = item.run(&context)?;
    if let Some(measured) = &report.measured {
        // Not the same twice: it has no place on stdout.
        eprintln!("{}", measured.table.text());
    }
    keep(&folder, &report, &fingerprint)?;
    Ok(report)
}

fn keep(folder: &Path, report: &Report, fingerprint: &str) -> Result<()> {
    write_report(folder, report)?;
    Keeper::complete(folder, fingerprint)
}
