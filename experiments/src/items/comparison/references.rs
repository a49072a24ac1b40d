//! Lines to hold methods against: other deployments of the same models, and the clairvoyant bound.

use anyhow::{Result, bail};
use pipesd_core::payload::Payload;
use pipesd_core::seed::Seed;
use pipesd_sim::bound::{EmptyNavs, NotComputed, achieve, clairvoyant};
use pipesd_sim::link::LinkConfig;
use pipesd_sim::profile::Profile;
use pipesd_sim::reference::{cloud_only, edge_only, serial};
use pipesd_sim::world::Setup;

use super::{Compared, Plan, row};
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
    let (mut plain, mut empty_navs) = (Vec::new(), Vec::new());
    let mut gap_pct: f64 = 0.0;
    for &seed in seeds {
        for (navs, values) in
            [(EmptyNavs::Forbidden, &mut plain), (EmptyNavs::Allowed, &mut empty_navs)]
        {
            let bound = match clairvoyant(setup, seed, navs) {
                Ok(bound) => bound,
                Err(NotComputed::PacketLink | NotComputed::Edges(_)) => return Ok(None),
                Err(error @ NotComputed::Starts { .. }) => bail!(error),
            };
            let achieved = achieve(setup, seed, &bound)?.summary.tpt_ms;
            gap_pct = gap_pct.max(100.0 * (achieved / bound.tpt_ms - 1.0));
            values.push(bound.tpt_ms);
        }
    }
    let [plain, empty_navs] = [&plain, &empty_navs].map(|values| Statistic::of(values));
    Ok(Some(Bounds { plain, empty_navs, gap_pct }))
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
        "bound, empty NAVs",
        "schedule's gap",
    ]);
    let caption = format!(
        "Reference lines: time per token (ms) over {seeds} runs; bound: no schedule of one who knows the \
         future is faster"
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
            None => ["-"; 3].map(str::to_owned),
            Some(Bounds { plain, empty_navs, gap_pct }) => [
                format!("{:.1}", plain.mean),
                format!("{:.1}", empty_navs.mean),
                format!("{gap_pct:.2} %"),
            ],
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
