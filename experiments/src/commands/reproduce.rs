//! `pipesd reproduce`: the tables and figures of the paper beside ours, kept in a folder of results.
//!
//! Each item is kept when it is done, and each task of the item under way, so that the same command
//! after an interruption goes on where it was.

use std::io::IsTerminal;
use std::path::{Path, PathBuf};

use anyhow::Result;
use indicatif::{HumanDuration, ProgressBar};

use crate::cli::Reproduce;
use crate::input::bad_input;
use crate::items::{Context, Hardware, Item, Report, Size, overall};
use crate::keep::{Checkpoint, Keeper, report_files};
use crate::output;
use crate::page::{self, Origin, Section};
use crate::program;

pub(crate) fn run(options: &Reproduce) -> Result<()> {
    let mut items = chosen(&options.items)?;
    let hardware = options.hardware.as_deref().map(Hardware::load).transpose()?;
    if let Some(hardware) = &hardware {
        let taken = items.iter_mut().filter_map(|item| item.take_hardware(hardware).then_some(()));
        if taken.count() == 0 {
            return Err(
                bad_input!("--hardware: it is of the item closed-forms: reproduce it").into()
            );
        }
    }
    let out = folder(options);
    // Before the work, so that a folder that cannot be written costs none.
    output::make_folder(&out)?;
    if options.out.is_none() && out != Path::new(DEFAULT) {
        eprintln!("not the plans' own size and seed: into {}", out.display());
    }
    let keeper = Keeper::new()?;
    let mut course = Course::of(&items, options, &out, &keeper);
    let mut reports = Vec::new();
    for item in &items {
        let report = obtain(item, options, &out, &keeper, &mut course)?;
        if !options.json {
            output::print(&report.text())?;
        }
        reports.push(report);
    }
    write_page(options, &out, &keeper)?;
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

/// Where results go unless `--out` says otherwise.
const DEFAULT: &str = "results";

/// `results` is for the plans' own sizes and seed; others have a folder of their own in it, lest a few
/// quick runs take the place of many.
fn folder(options: &Reproduce) -> PathBuf {
    if let Some(out) = &options.out {
        return out.clone();
    }
    let named = [
        (options.seed != 1).then(|| format!("seed-{}", options.seed)),
        options.seeds.map(|seeds| format!("seeds-{seeds}")),
        options.tokens.map(|tokens| format!("tokens-{tokens}")),
    ];
    let smoke = options.smoke.then(|| "smoke".to_owned());
    let stem = options.hardware.as_ref().and_then(|path| path.file_stem());
    let hardware = stem.map(|stem| format!("hardware-{}", stem.to_string_lossy()));
    let named = named.into_iter().flatten().chain(hardware);
    let words: Vec<String> = smoke.into_iter().chain(named).collect();
    if words.is_empty() { DEFAULT.into() } else { Path::new(DEFAULT).join(words.join("-")) }
}

/// Writes one page of all complete items of this program in the folder, each at its own size.
fn write_page(options: &Reproduce, out: &Path, keeper: &Keeper) -> Result<()> {
    let mut reports = Vec::new();
    for item in Item::shipped() {
        let folder = out.join(&item.head.item);
        match keeper.find(&folder) {
            Some(kept) => reports.push(kept.report),
            None if folder.exists() => {
                let name = &item.head.item;
                eprintln!("{name}: not in the report: unfinished, changed, or another program's");
            }
            None => {}
        }
    }
    let figures = reports.iter().map(page::figures).collect::<Result<Vec<_>>>()?;
    let section = |(report, figures)| Section { report, figures };
    let sections: Vec<Section<'_>> = reports.iter().zip(figures).map(section).collect();
    let smoke = options.smoke;
    let command = page_command(&reports, smoke);
    let origin = Origin { command, seed: options.seed, program: program::fingerprint()? };
    let page = page::write(out, &origin, smoke, &sections)?;
    if std::io::stderr().is_terminal() {
        eprintln!("the report: {}", page.display());
    }
    Ok(())
}

/// What makes the page again: one command if all items were made alike, else each item's own. The
/// folder and the number of jobs are left out: they change nothing.
fn page_command(reports: &[Report], smoke: bool) -> String {
    let flags = |report: &Report| {
        let own = format!("pipesd reproduce {}", report.item);
        report.command.strip_prefix(&own).unwrap_or_default().to_owned()
    };
    // Sizes of smoke runs differ from item to item, and so do their flags.
    let mut kinds: Vec<String> = reports.iter().map(flags).collect();
    kinds.dedup();
    if kinds.len() > 1 && !smoke {
        let commands: Vec<&str> = reports.iter().map(|report| report.command.as_str()).collect();
        return commands.join("; ");
    }
    let mut words = vec!["pipesd reproduce".to_owned()];
    if reports.len() < Item::shipped().len() {
        words.extend(reports.iter().map(|report| report.item.clone()));
    }
    if smoke {
        words.push("--smoke".to_owned());
        let seed = reports.first().map_or(1, |report| report.seed);
        words.extend((seed != 1).then(|| format!("--seed {seed}")));
    } else {
        words.extend(kinds.first().map(|flags| flags.trim().to_owned()));
    }
    words.retain(|word| !word.is_empty());
    words.join(" ")
}

/// What an item's results must have been made with to be used again.
fn fingerprint(item: &Item, options: &Reproduce, keeper: &Keeper) -> String {
    let own = keeper.fingerprint(options.seed, size(item, options));
    match item.hardware().filter(|hardware| hardware.path.is_some()) {
        Some(hardware) => format!("{own} hardware {:016x}", hardware.digest),
        None => own,
    }
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

/// How far all items together have come.
struct Course {
    /// Never drawn: it has the clock.
    clock: ProgressBar,
    items: usize,
    number: usize,
    /// What was made, and what is to be made, in seconds of the machine that the plans' costs are of.
    made: f64,
    left: f64,
}

impl Course {
    fn of(items: &[Item], options: &Reproduce, out: &Path, keeper: &Keeper) -> Self {
        let to_make = items.iter().filter(|item| {
            let fingerprint = fingerprint(item, options, keeper);
            let kept = || keeper.find(&out.join(&item.head.item));
            options.fresh || kept().is_none_or(|kept| kept.fingerprint != fingerprint)
        });
        let left = to_make.map(|item| cost(item, options)).sum();
        Self { clock: ProgressBar::hidden(), items: items.len(), number: 0, made: 0.0, left }
    }

    /// `[3/13] table3`.
    fn label(&mut self, item: &str) -> String {
        self.number += 1;
        format!("[{}/{}] {item}", self.number, self.items)
    }

    /// How long all of it will take, as far as it can be told by what was made.
    fn time_left(&self) -> Option<String> {
        let known = self.made > 0.0 && self.left > 0.0;
        let left = known.then(|| self.clock.elapsed().mul_f64(self.left / self.made))?;
        Some(format!("{} left in all", HumanDuration(left)))
    }

    fn advance(&mut self, cost: f64) {
        self.made += cost;
        self.left = (self.left - cost).max(0.0);
    }
}

/// What an item costs at the size asked for.
fn cost(item: &Item, options: &Reproduce) -> f64 {
    let volume = |Size { seeds, tokens }: Size| f64::from(seeds) * tokens as f64;
    item.head.cost_s * volume(size(item, options)) / volume(item.head.size)
}

/// The item's report: from before if the same program made it with the same options, or now.
fn obtain(
    item: &Item,
    options: &Reproduce,
    out: &Path,
    keeper: &Keeper,
    course: &mut Course,
) -> Result<Report> {
    let head = &item.head;
    let size = size(item, options);
    let folder = out.join(&head.item);
    let fingerprint = fingerprint(item, options, keeper);
    let label = course.label(&head.item);
    let kept = keeper.find(&folder);
    match kept {
        Some(kept) if kept.fingerprint == fingerprint && !options.fresh => {
            eprintln!("{label}: kept from before in {}", folder.display());
            return Ok(kept.report);
        }
        Some(kept) if kept.fingerprint != fingerprint => {
            let Report { seeds, tokens, .. } = kept.report;
            eprintln!("{label}: replaces {seeds} runs of {tokens} tokens in {}", folder.display());
        }
        _ => {}
    }
    let checkpoint = Checkpoint::open(&folder, &fingerprint)?;
    if checkpoint.len() > 0 {
        eprintln!("{label}: goes on after {} tasks", checkpoint.len());
    }
    let (seed, jobs) = (options.seed, options.jobs);
    let shown = course.time_left().map_or(label.clone(), |left| format!("{label} ({left})"));
    let context = Context { head, seed, size, jobs, label: &shown, checkpoint: &checkpoint };
    let started = course.clock.elapsed();
    let report = item.run(&context)?;
    if let Some(measured) = &report.measured {
        // Not the same twice: it has no place on stdout.
        eprintln!("{}", measured.table.text());
    }
    let mut files = report_files(&report)?;
    let figures = page::figures(&report)?;
    files.extend(figures.into_iter().map(|figure| (figure.file, figure.svg)));
    Keeper::keep(&folder, &files, &fingerprint)?;
    course.advance(cost(item, options));
    let took = (course.clock.elapsed() - started).as_secs_f64();
    let left = course.time_left().map(|left| format!(", about {left}")).unwrap_or_default();
    eprintln!("{label}: done in {took:.1} s{left}");
    Ok(report)
}
