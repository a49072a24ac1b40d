//! Lines to hold methods against: other deployments of the same models, and the clairvoyant bound.

use anyhow::{Result, bail};
use pipesd_core::seed::Seed;
use pipesd_sim::bound::{
    EmptyNavs, Moves, NotComputed, achieve, clairvoyant, clairvoyant_from, decoding_starts, least,
};
use pipesd_sim::link::Rate;
use pipesd_sim::reference::{cloud_only, edge_only, serial};
use pipesd_sim::world::{RunError, Setup, run};

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

/// Seeds on which the serial split's draft length is chosen: none that judges it is as large.
const CHOICE_SEEDS: u64 = 1 << 42;
/// Runs of such a choice with one edge; with more, each run has as many prompts at once.
const CHOICE_RUNS: u32 = 8;

/// A setup as far as the lines depend on it: of the method the payload alone.
fn without_method(setup: &Setup) -> Setup {
    Setup { edge: setup.edge.serial(1), ..setup.clone() }
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
    // Places often differ in what the lines do not depend on: each kind is computed once.
    let mut distinct: Vec<Setup> = Vec::new();
    let mut index_of = Vec::new();
    for setup in compared.iter().map(|place| without_method(&place.methods[0].setup)) {
        let known = distinct.iter().position(|other| *other == setup);
        index_of.push(known.unwrap_or(distinct.len()));
        if known.is_none() {
            distinct.push(setup);
        }
    }
    let lines = map_all(&distinct, "references", context.jobs, |setup| compute(setup, &seeds))?;
    let lines: Vec<&Lines> = index_of.iter().map(|&index| &lines[index]).collect();
    let distances = distances(compared, &lines, &seeds, context)?;
    push_rows(compared, &lines, &distances, report);
    report.tables.push(lines_table(plan, compared, &lines, seeds.len()));
    report.tables.extend(distance_table(plan, compared, &distances));
    report.notes.extend(findings(compared, &lines, &distances, seeds.len()));
    Ok(())
}

fn compute(setup: &Setup, seeds: &[Seed]) -> Result<Lines> {
    let over = |values: Vec<f64>| Statistic::of(&values);
    let cloud = seeds.iter().map(|&seed| cloud_only(setup, seed).tpt_ms).collect();
    let runs = u64::from((CHOICE_RUNS / setup.edges).max(1));
    let choice: Vec<Seed> = (CHOICE_SEEDS..CHOICE_SEEDS + runs).map(Seed).collect();
    let draft_length = serial(setup, &choice)?.draft_length;
    let split = Setup { edge: setup.edge.serial(draft_length), ..setup.clone() };
    let serial: Result<Vec<f64>, RunError> =
        seeds.iter().map(|&seed| Ok(run(&split, seed)?.summary.tpt_ms)).collect();
    Ok(Lines {
        cloud_only: over(cloud),
        edge_only: edge_only(setup).map(|reference| reference.tpt_ms),
        serial: over(serial?),
        serial_length: draft_length,
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

/// Time per token in multiples of the bound of the same run: one for each place and method.
type Distances = Vec<Option<Vec<Statistic>>>;

fn push_rows(compared: &[Compared], lines: &[&Lines], distances: &Distances, report: &mut Report) {
    for ((Compared { place, methods }, lines), distances) in
        compared.iter().zip(lines).zip(distances)
    {
        let bound = lines.bound.as_ref();
        let edge = |tpt_ms| Statistic { mean: tpt_ms, sd: None, ci95: None };
        for (name, metric, value) in [
            ("cloud_only", "tpt_ms", Some(lines.cloud_only)),
            ("edge_only", "tpt_ms", lines.edge_only.map(edge)),
            ("serial", "tpt_ms", Some(lines.serial)),
            ("bound", "tpt_ms", bound.map(|bound| bound.plain)),
            ("bound_empty_navs", "tpt_ms", bound.map(|bound| bound.empty_navs)),
            ("bound", "tpt_late_uploads_ms", bound.map(|bound| bound.late_uploads)),
            ("bound", "tpt_no_guesses_ms", bound.map(|bound| bound.no_guesses)),
        ] {
            let Some(value) = value else { continue };
            let role = Role::Reference;
            report.rows.push(row(place, name, metric, value, None, role, String::new()));
        }
        for (simulated, distance) in methods.iter().zip(distances.iter().flatten()) {
            let name = &simulated.cell.method;
            let metric = "distance_to_bound";
            report.rows.push(row(place, name, metric, *distance, None, Role::Ours, String::new()));
        }
    }
}

/// On a link whose rate changes, a method that took longer has met other rates than the bound, which
/// begins each request as early as it can: there each run is held against the bound from that run's
/// own starts.
fn distances(
    compared: &[Compared],
    lines: &[&Lines],
    seeds: &[Seed],
    context: &Context<'_>,
) -> Result<Distances> {
    let mut tasks = Vec::new();
    for (Compared { methods, .. }, _) in
        compared.iter().zip(lines).filter(|(_, lines)| lines.bound.is_some())
    {
        let runs = |simulated| seeds.iter().enumerate().map(move |(i, seed)| (simulated, i, *seed));
        tasks.extend(methods.iter().flat_map(runs));
    }
    let bounds_of = |(simulated, index, seed): &(&Simulated, usize, Seed)| {
        let tpt_ms = simulated.runs[*index].summary.tpt_ms;
        let setup = &simulated.setup;
        let moves = EmptyNavs::Forbidden;
        let bound = if matches!(setup.uplink.rate(), Rate::Trace { .. }) {
            let recorded = run(&Setup { record: true, ..setup.clone() }, *seed)?;
            let starts = decoding_starts(&recorded.recording.expect("recorded").events);
            clairvoyant_from(setup, *seed, moves, &starts)?
        } else {
            clairvoyant(setup, *seed, moves)?
        };
        Ok(tpt_ms / bound.tpt_ms)
    };
    let mut ratios = map_all(&tasks, "distances", context.jobs, bounds_of)?.into_iter();
    let distances = compared.iter().zip(lines).map(|(Compared { methods, .. }, lines)| {
        lines.bound.as_ref().map(|_| {
            let mut of_method =
                || Statistic::of(&ratios.by_ref().take(seeds.len()).collect::<Vec<f64>>());
            methods.iter().map(|_| of_method()).collect()
        })
    });
    Ok(distances.collect())
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

/// The distances, with their intervals over runs.
fn distance_table(plan: &Plan, compared: &[Compared], distances: &Distances) -> Option<Table> {
    let mut header = plan.place_titles();
    let words = header.len();
    header.extend(plan.methods.iter().map(String::as_str));
    let caption =
        "Distance to the bound: time per token in multiples of that of the same run [95 %]";
    let mut table = Table::new(caption, &header, words);
    for (Compared { place, .. }, distances) in compared.iter().zip(distances) {
        let Some(distances) = distances else { continue };
        let mut line = place.words();
        line.extend(distances.iter().map(|Statistic { mean, ci95, .. }| match ci95 {
            Some([low, high]) => format!("{mean:.2} [{low:.2}, {high:.2}]"),
            None => format!("{mean:.2}"),
        }));
        table.rows.push(line);
    }
    (!table.rows.is_empty()).then_some(table)
}

/// What the lines say of PipeSD, and of what it does.
fn findings(
    compared: &[Compared],
    lines: &[&Lines],
    distances: &Distances,
    seeds: usize,
) -> Vec<String> {
    let (mut places, mut beaten) = (0, 0);
    let mut ratios = Vec::new();
    let (mut early, mut ahead): (f64, f64) = (0.0, 0.0);
    for ((Compared { methods, .. }, lines), distances) in compared.iter().zip(lines).zip(distances)
    {
        if let Some(Bounds { plain, late_uploads, no_guesses, .. }) = &lines.bound {
            let worth = |without: &Statistic| 100.0 * (without.mean / plain.mean - 1.0);
            early = early.max(worth(late_uploads));
            ahead = ahead.max(worth(no_guesses));
        }
        let index = methods.iter().position(|simulated| simulated.cell.method == "pipesd");
        let Some(index) = index else { continue };
        let of_seeds = methods[index].runs[..seeds].iter().map(|run| run.summary.tpt_ms);
        places += 1;
        beaten += u32::from(lines.serial.mean < of_seeds.sum::<f64>() / seeds as f64);
        ratios.extend(distances.as_ref().map(|distances| distances[index].mean));
    }
    // Where places differ in PipeSD's own settings, as pairs of thresholds do, they are not places.
    let differ = lines.windows(2).all(|pair| !std::ptr::eq(pair[0], pair[1]));
    let mut findings = Vec::new();
    if places > 0 && differ {
        findings.push(format!(
            "The serial split, at the fixed draft length that is best on other prompts, is faster than \
             PipeSD with its thresholds as given at {beaten} of {places} places."
        ));
    }
    let nearest = ratios.iter().copied().reduce(f64::min);
    if let Some((nearest, farthest)) = nearest.zip(ratios.iter().copied().reduce(f64::max)) {
        findings.push(format!(
            "PipeSD takes {nearest:.2} to {farthest:.2} times the clairvoyant bound. To one who knows the \
             future and cuts rounds accordingly, uploading before a round is complete is worth at most \
             {early:.1} %, drafting ahead of a verdict up to {ahead:.0} %; with PipeSD's longer rounds \
             early upload is worth more (App. F)."
        ));
    }
    findings
}
