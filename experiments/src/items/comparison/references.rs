//! Lines to hold methods against: other deployments of the same models, and the clairvoyant bound.

use anyhow::{Result, bail};
use pipesd_core::payload::Payload;
use pipesd_core::seed::Seed;
use pipesd_sim::bound::{Moves, NotComputed, achieve, least};
use pipesd_sim::link::LinkConfig;
use pipesd_sim::profile::Profile;
use pipesd_sim::reference::{cloud_only, edge_only, serial};
use pipesd_sim::world::Setup;

use super::{Compared, Plan, Simulated, row};
use crate::input::seed_range;
use crate::items::{Context, Report, Role, Table};
use crate::runner::map_all;
use crate::statistics::Statistic;

/// The lines of one place.
#[derive(Clone, Debug)]
struct Lines {
    cloud_only: Statistic,
    /// None: not measured.
    edge_only: Option<f64>,
    serial: Statistic,
    /// The best draft length \[tokens\].
    serial_length: u32,
    /// None: not computed for such a link or several edges.
    bound: Option<Bounds>,
}

#[derive(Clone, Debug)]
struct Bounds {
    /// Every NAV carries a draft.
    plain: Statistic,
    /// NAVs may be empty.
    empty_navs: Statistic,
    /// Nothing is uploaded before its round is complete.
    late_uploads: Statistic,
    /// Nothing is drafted ahead of a verdict.
    no_guesses: Statistic,
    /// How far the bound's own schedule stays behind in the simulator \[%\], at most.
    gap_pct: f64,
}

/// What the lines depend on: of methods the payload alone.
#[derive(Clone, PartialEq)]
struct Key<'a> {
    uplink: &'a LinkConfig,
    downlink: &'a LinkConfig,
    profile: &'a Profile,
    edges: u32,
    payload: Payload,
}

impl<'a> Key<'a> {
    fn of(setup: &'a Setup) -> Self {
        Self {
            uplink: &setup.uplink,
            downlink: &setup.downlink,
            profile: &setup.profile,
            edges: setup.edges,
            payload: setup.edge.method.payload,
        }
    }
}

/// Adds the lines of every place to the report: rows, their table, and each method's distance to the
/// bound.
pub(super) fn add(
    plan: &Plan,
    context: &Context<'_>,
    compared: &[Compared],
    report: &mut Report,
) -> Result<()> {
    let count = context.size.seeds.min(plan.reference_seeds);
    let seeds: Vec<Seed> = seed_range(context.seed, count)?.map(Seed).collect();
    let setups: Vec<&Setup> = compared.iter().map(|place| &place.methods[0].setup).collect();
    // Places often differ in what the lines do not depend on: each kind is computed once.
    let mut distinct: Vec<&Setup> = Vec::new();
    let mut index_of = Vec::new();
    for setup in setups {
        let known = distinct.iter().position(|other| Key::of(other) == Key::of(setup));
        index_of.push(known.unwrap_or(distinct.len()));
        if known.is_none() {
            distinct.push(setup);
        }
    }
    let lines = map_all(&distinct, "references", context.jobs, |setup| compute(setup, &seeds))?;
    let lines: Vec<&Lines> = index_of.iter().map(|&index| &lines[index]).collect();
    push_rows(compared, &lines, report);
    report.tables.push(lines_table(plan, compared, &lines, seeds.len()));
    report.tables.extend(distances(plan, compared, &lines, seeds.len()));
    report.notes.extend(findings(compared, &lines, seeds.len()));
    Ok(())
}

fn compute(setup: &Setup, seeds: &[Seed]) -> Result<Lines> {
    let over = |values: Vec<f64>| Statistic::of(&values);
    let cloud = seeds.iter().map(|&seed| cloud_only(setup, seed).tpt_ms).collect();
    let serial = serial(setup, seeds)?;
    Ok(Lines {
        cloud_only: over(cloud),
        edge_only: edge_only(setup).map(|reference| reference.tpt_ms),
        serial: over(serial.runs.iter().map(|summary| summary.tpt_ms).collect()),
        serial_length: serial.draft_length,
        bound: bounds(setup, seeds)?,
    })
}

fn bounds(setup: &Setup, seeds: &[Seed]) -> Result<Option<Bounds>> {
    let plain = Moves { empty_navs: false, guesses: true, early_uploads: true };
    let kinds = [
        plain,
        Moves { empty_navs: true, ..plain },
        Moves { early_uploads: false, ..plain },
        Moves { guesses: false, ..plain },
    ];
    let mut values: [Vec<f64>; 4] = Default::default();
    let mut gap_pct: f64 = 0.0;
    for &seed in seeds {
        for (moves, values) in kinds.iter().zip(&mut values) {
            let bound = match least(setup, seed, *moves, None) {
                Ok(bound) => bound,
                Err(NotComputed::PacketLink | NotComputed::Edges(_)) => return Ok(None),
                Err(error @ NotComputed::Starts { .. }) => bail!(error),
            };
            let achieved = achieve(setup, seed, &bound)?.summary.tpt_ms;
            gap_pct = gap_pct.max(100.0 * (achieved / bound.tpt_ms - 1.0));
            values.push(bound.tpt_ms);
        }
    }
    let [plain, empty_navs, late_uploads, no_guesses] =
        values.each_ref().map(|values| Statistic::of(values));
    Ok(Some(Bounds { plain, empty_navs, late_uploads, no_guesses, gap_pct }))
}

fn push_rows(compared: &[Compared], lines: &[&Lines], report: &mut Report) {
    for (Compared { place, .. }, lines) in compared.iter().zip(lines) {
        let bound = lines.bound.as_ref();
        let edge = |tpt_ms| Statistic { mean: tpt_ms, sd: None, ci95: None };
        for (name, value) in [
            ("cloud_only", Some(lines.cloud_only)),
            ("edge_only", lines.edge_only.map(edge)),
            ("serial", Some(lines.serial)),
            ("bound", bound.map(|bound| bound.plain)),
            ("bound_empty_navs", bound.map(|bound| bound.empty_navs)),
        ] {
            let Some(value) = value else { continue };
            let role = Role::Reference;
            let name = name.to_owned();
            report.rows.push(row(place, name, "tpt_ms", value, None, role, String::new()));
        }
    }
}

fn lines_table(plan: &Plan, compared: &[Compared], lines: &[&Lines], seeds: usize) -> Table {
    let mut header = plan.place_titles();
    let words = header.len();
    header.extend([
        "cloud only",
        "edge only",
        "serial (draft length)",
        "bound",
        "late uploads",
        "no guesses",
        "empty NAVs",
        "schedule's gap",
    ]);
    let caption = format!(
        "Reference lines: time per token (ms) over {seeds} runs. Bound: the least that any choice of \
         trigger, upload and depth could reach knowing the future; also if it uploaded nothing before a \
         round is complete, if it drafted nothing ahead of a verdict, and if NAVs could carry no draft"
    );
    let mut table = Table::new(caption, &header, words);
    let mut before: Option<&Lines> = None;
    for (Compared { place, .. }, lines) in compared.iter().zip(lines) {
        // Neighbours with the same lines are one line.
        if before.is_some_and(|before| std::ptr::eq(before, *lines)) {
            continue;
        }
        before = Some(lines);
        let mut line = place.words();
        line.push(format!("{:.1}", lines.cloud_only.mean));
        line.push(lines.edge_only.map_or("not measured".to_owned(), |ms| format!("{ms:.0}")));
        line.push(format!("{:.0} ({})", lines.serial.mean, lines.serial_length));
        line.extend(match &lines.bound {
            None => ["-"; 5].map(str::to_owned),
            Some(Bounds { plain, empty_navs, late_uploads, no_guesses, gap_pct }) => {
                let [plain, late, alone, empty] = [plain, late_uploads, no_guesses, empty_navs]
                    .map(|bound| format!("{:.1}", bound.mean));
                [plain, late, alone, empty, format!("{gap_pct:.2} %")]
            }
        });
        table.rows.push(line);
    }
    table
}

/// Time per token of each method in multiples of the bound, on the same runs.
fn distances(plan: &Plan, compared: &[Compared], lines: &[&Lines], seeds: usize) -> Option<Table> {
    let mut header = plan.place_titles();
    let words = header.len();
    header.extend(plan.methods.iter().map(String::as_str));
    let caption = "Distance to the bound: time per token in multiples of it, on the same runs";
    let mut table = Table::new(caption, &header, words);
    for (Compared { place, methods }, lines) in compared.iter().zip(lines) {
        let Some(bound) = &lines.bound else { continue };
        let mut line = place.words();
        for simulated in methods {
            let runs = &simulated.runs[..seeds];
            let mean = runs.iter().map(|run| run.summary.tpt_ms).sum::<f64>() / seeds as f64;
            line.push(format!("{:.2}x", mean / bound.plain.mean));
        }
        table.rows.push(line);
    }
    (!table.rows.is_empty()).then_some(table)
}

/// What the lines say of PipeSD, and of what it does.
fn findings(compared: &[Compared], lines: &[&Lines], seeds: usize) -> Vec<String> {
    let (mut places, mut beaten) = (0, 0);
    let mut distances = Vec::new();
    let (mut early, mut ahead): (f64, f64) = (0.0, 0.0);
    for (Compared { methods, .. }, lines) in compared.iter().zip(lines) {
        if let Some(Bounds { plain, late_uploads, no_guesses, .. }) = &lines.bound {
            let worth = |without: &Statistic| 100.0 * (without.mean / plain.mean - 1.0);
            early = early.max(worth(late_uploads));
            ahead = ahead.max(worth(no_guesses));
        }
        let pipesd = methods.iter().find(|simulated| simulated.cell.method == "pipesd");
        let Some(Simulated { runs, .. }) = pipesd else { continue };
        let of_seeds = runs[..seeds].iter().map(|run| run.summary.tpt_ms);
        let tpt_ms = of_seeds.sum::<f64>() / seeds as f64;
        places += 1;
        beaten += u32::from(lines.serial.mean < tpt_ms);
        distances.extend(lines.bound.as_ref().map(|bound| tpt_ms / bound.plain.mean));
    }
    let mut findings = Vec::new();
    if places > 0 {
        findings.push(format!(
            "The serial split at its best fixed draft length is faster than PipeSD with its thresholds \
             here at {beaten} of {places} places."
        ));
    }
    let nearest = distances.iter().copied().reduce(f64::min);
    if let Some((nearest, farthest)) = nearest.zip(distances.iter().copied().reduce(f64::max)) {
        findings.push(format!(
            "PipeSD takes {nearest:.2} to {farthest:.2} times the clairvoyant bound. To one who knows the \
             future, uploading before a round is complete is worth at most {early:.1} %, drafting ahead of \
             a verdict up to {ahead:.0} %."
        ));
    }
    findings
}
