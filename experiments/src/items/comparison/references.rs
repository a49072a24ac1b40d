//! Lines to hold methods against: other deployments of the same models, and the clairvoyant bound.

use anyhow::{Result, bail};
use pipesd_core::seed::Seed;
use pipesd_sim::bound::{
    EmptyNavs, Moves, NotComputed, achieve, clairvoyant_from, decoding_starts, least, unshared,
};
use pipesd_sim::link::Rate;
use pipesd_sim::reference::{cloud_only, edge_only, serial};
use pipesd_sim::world::{RunError, Setup, run};
use serde::{Deserialize, Serialize};

use super::{Compared, Plan, Simulated, row};
use crate::input::seed_range;
use crate::items::{Context, Report, Role, Table};
use crate::runner::map_kept;
use crate::statistics::Statistic;

/// The lines of one place.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Lines {
    cloud_only: Statistic,
    /// None: not measured.
    edge_only: Option<f64>,
    serial: Statistic,
    /// The best draft length \[tokens\].
    serial_length: u32,
    /// None: not computed for such a link.
    bound: Option<Bounds>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Bounds {
    /// Every NAV carries a draft.
    plain: Statistic,
    /// The same, run by run.
    of_seeds: Vec<f64>,
    /// NAVs may be empty.
    empty_navs: Statistic,
    /// Nothing is uploaded before its round is complete.
    late_uploads: Statistic,
    /// Nothing is drafted ahead of a verdict.
    no_guesses: Statistic,
    /// How far the bound's own schedule stays behind in the simulator \[%\], with its sign, the farthest
    /// of all runs; None: edges share a cloud, and no schedule attains what each could do alone.
    gap_pct: Option<f64>,
}

/// The metric of a time per token in multiples of the bound of the same run.
pub(crate) const DISTANCE: &str = "distance_to_bound";

/// No run may fall below a bound by more than rounding: one that does has found a mistake.
const BELOW_MAX: f64 = 1e-12;

/// What a run takes in multiples of a bound; an error if it is faster.
pub(crate) fn above(tpt_ms: f64, bound_ms: f64, what: &str) -> Result<f64> {
    let ratio = tpt_ms / bound_ms;
    // Written so that no number is no bound either.
    if ratio >= 1.0 - BELOW_MAX {
        return Ok(ratio);
    }
    bail!("{what}: {tpt_ms} ms per token is below its clairvoyant bound, {bound_ms} ms")
}

/// Seeds on which the serial split's draft length is chosen: none that judges it is as large.
const CHOICE_SEEDS: u64 = 1 << 42;
/// Runs of such a choice with one edge; with more, each run has as many prompts at once.
const CHOICE_RUNS: u32 = 8;

/// A setup as far as the lines depend on it: of the method the payload alone.
pub(crate) fn without_method(setup: &Setup) -> Setup {
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
    let lines = map_kept(&distinct, "references", context, |setup| Lines::of(setup, &seeds))?;
    let lines: Vec<&Lines> = index_of.iter().map(|&index| &lines[index]).collect();
    let distances = distances(compared, &lines, &seeds, context)?;
    push_rows(compared, &lines, &distances, report);
    report.tables.push(lines_table(plan, compared, &lines, seeds.len()));
    report.tables.extend(distance_table(plan, compared, &distances));
    report.notes.extend(findings(compared, &lines, &distances, seeds.len()));
    Ok(())
}

impl Lines {
    /// The lines of a setup, over these seeds.
    pub(crate) fn of(setup: &Setup, seeds: &[Seed]) -> Result<Self> {
        let over = |values: Vec<f64>| Statistic::of(&values);
        let cloud = seeds.iter().map(|&seed| cloud_only(setup, seed).tpt_ms).collect();
        let runs = u64::from((CHOICE_RUNS / setup.edges).max(1));
        let choice: Vec<Seed> = (CHOICE_SEEDS..CHOICE_SEEDS + runs).map(Seed).collect();
        let draft_length = serial(setup, &choice)?.draft_length;
        let split = Setup { edge: setup.edge.serial(draft_length), ..setup.clone() };
        let serial: Result<Vec<f64>, RunError> =
            seeds.iter().map(|&seed| Ok(run(&split, seed)?.summary.tpt_ms)).collect();
        Ok(Self {
            cloud_only: over(cloud),
            edge_only: edge_only(setup).map(|reference| reference.tpt_ms),
            serial: over(serial?),
            serial_length: draft_length,
            bound: bounds(setup, seeds)?,
        })
    }

    /// Names, metrics and values of the lines that there are.
    pub(crate) fn named(&self) -> Vec<(&'static str, &'static str, Statistic)> {
        let bound = self.bound.as_ref();
        let edge = |tpt_ms| Statistic { mean: tpt_ms, sd: None, ci95: None };
        let lines = [
            ("cloud_only", "tpt_ms", Some(self.cloud_only)),
            ("edge_only", "tpt_ms", self.edge_only.map(edge)),
            ("serial", "tpt_ms", Some(self.serial)),
            ("bound", "tpt_ms", bound.map(|bound| bound.plain)),
            ("bound_empty_navs", "tpt_ms", bound.map(|bound| bound.empty_navs)),
            ("bound", "tpt_late_uploads_ms", bound.map(|bound| bound.late_uploads)),
            ("bound", "tpt_no_guesses_ms", bound.map(|bound| bound.no_guesses)),
        ];
        lines.into_iter().filter_map(|(name, metric, value)| Some((name, metric, value?))).collect()
    }

    /// Their cells, under [`TITLES`].
    pub(crate) fn cells(&self) -> Vec<String> {
        let edge_only = self.edge_only.map_or("not measured".to_owned(), |ms| format!("{ms:.0}"));
        let serial = format!("{:.0} ({})", self.serial.mean, self.serial_length);
        let mut cells = vec![format!("{:.1}", self.cloud_only.mean), edge_only, serial];
        cells.extend(match &self.bound {
            None => ["-"; 5].map(str::to_owned),
            Some(Bounds { plain, empty_navs, late_uploads, no_guesses, gap_pct, .. }) => {
                let [plain, late, alone, empty] = [plain, late_uploads, no_guesses, empty_navs]
                    .map(|bound| format!("{:.1}", bound.mean));
                let gap = gap_pct.map_or("not run".to_owned(), |gap| format!("{gap:+.2} %"));
                [plain, late, alone, empty, gap]
            }
        });
        cells
    }

    /// The clairvoyant bound, if there is one \[ms\].
    pub(crate) fn bound_ms(&self) -> Option<f64> {
        self.bound.as_ref().map(|bound| bound.plain.mean)
    }
}

/// Headings of [`Lines::cells`].
pub(crate) const TITLES: [&str; 8] = [
    "cloud only",
    "edge only",
    "serial (draft length)",
    "bound",
    "late uploads",
    "no guesses",
    "empty NAVs",
    "schedule's gap",
];

fn bounds(setup: &Setup, seeds: &[Seed]) -> Result<Option<Bounds>> {
    let plain = Moves { empty_navs: false, guesses: true, early_uploads: true };
    let kinds = [
        plain,
        Moves { empty_navs: true, ..plain },
        Moves { early_uploads: false, ..plain },
        Moves { guesses: false, ..plain },
    ];
    let mut values: [Vec<f64>; 4] = Default::default();
    let mut gap_pct: Option<f64> = None;
    for &seed in seeds {
        for (moves, values) in kinds.iter().zip(&mut values) {
            if setup.edges > 1 {
                match unshared(setup, seed, *moves) {
                    Ok(bound) => values.push(bound),
                    Err(NotComputed::PacketLink | NotComputed::Edges(_)) => return Ok(None),
                    Err(error @ NotComputed::Starts { .. }) => bail!(error),
                }
                continue;
            }
            let bound = match least(setup, seed, *moves, None) {
                Ok(bound) => bound,
                Err(NotComputed::PacketLink) => return Ok(None),
                Err(error) => bail!(error),
            };
            let achieved = achieve(setup, seed, &bound)?.summary.tpt_ms;
            let gap = 100.0 * (above(achieved, bound.tpt_ms, "the bound's own schedule")? - 1.0);
            gap_pct =
                Some(gap_pct.map_or(gap, |most| if gap.abs() > most.abs() { gap } else { most }));
            values.push(bound.tpt_ms);
        }
    }
    let [plain, empty_navs, late_uploads, no_guesses] =
        values.each_ref().map(|values| Statistic::of(values));
    let [of_seeds, ..] = values;
    Ok(Some(Bounds { plain, of_seeds, empty_navs, late_uploads, no_guesses, gap_pct }))
}

/// Time per token in multiples of the bound of the same run: one for each place and method.
type Distances = Vec<Option<Vec<Statistic>>>;

fn push_rows(compared: &[Compared], lines: &[&Lines], distances: &Distances, report: &mut Report) {
    for ((Compared { place, methods }, lines), distances) in
        compared.iter().zip(lines).zip(distances)
    {
        for (name, metric, value) in lines.named() {
            let role = Role::Reference;
            report.rows.push(row(place, name, metric, value, None, role, String::new()));
        }
        for (simulated, distance) in methods.iter().zip(distances.iter().flatten()) {
            let name = &simulated.cell.method;
            let metric = DISTANCE;
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
    for (Compared { methods, .. }, lines) in compared.iter().zip(lines) {
        let Some(bounds) = &lines.bound else { continue };
        let runs = |simulated| {
            let of_seeds = seeds.iter().zip(&bounds.of_seeds).enumerate();
            of_seeds.map(move |(i, (seed, bound))| (simulated, i, *seed, *bound))
        };
        tasks.extend(methods.iter().flat_map(runs));
    }
    let ratio = |&(simulated, index, seed, bound): &(&Simulated, usize, Seed, f64)| {
        let tpt_ms = simulated.runs[index].summary.tpt_ms;
        let Simulated { setup, cell, .. } = simulated;
        let changes = matches!(setup.uplink.rate(), Rate::Trace { .. });
        let bound = if changes && setup.edges == 1 {
            let recorded = run(&Setup { record: true, ..setup.clone() }, seed)?;
            let starts = decoding_starts(&recorded.recording.expect("recorded").events);
            clairvoyant_from(setup, seed, EmptyNavs::Forbidden, &starts)?.tpt_ms
        } else {
            bound
        };
        above(tpt_ms, bound, &format!("{} with seed {}", cell.method, seed.0))
    };
    let mut ratios = map_kept(&tasks, "distances", context, ratio)?.into_iter();
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
    header.extend(TITLES);
    let any = |of: fn(&Setup) -> bool| compared.iter().any(|place| of(&place.methods[0].setup));
    let changing = any(|setup| matches!(setup.uplink.rate(), Rate::Trace { .. }));
    let caption = lines_caption(seeds, any(|setup| setup.edges > 1), changing);
    let mut table = Table::new(caption, &header, words);
    let mut before: Option<&Lines> = None;
    for (Compared { place, .. }, lines) in compared.iter().zip(lines) {
        // Neighbours with the same lines are one line.
        if before.is_some_and(|before| std::ptr::eq(before, *lines)) {
            continue;
        }
        before = Some(lines);
        let mut line = place.words();
        line.extend(lines.cells());
        table.rows.push(line);
    }
    table
}

/// What the table of lines says over itself.
pub(crate) fn lines_caption(seeds: usize, sharing: bool, changing: bool) -> String {
    let mut caption = format!(
        "Reference lines: time per token (ms) over {seeds} runs. Bound: the least that any choice of \
         trigger, upload and depth could reach knowing the future, uploads in the order of rounds; also if \
         it uploaded nothing before a round is complete, if it drafted nothing ahead of a verdict, and if \
         NAVs could carry no draft"
    );
    if sharing {
        caption.push_str(
            ". Of edges that share a cloud: what each could reach with the cloud for itself, a looser bound",
        );
    }
    if changing {
        caption.push_str(
            ". On a link that changes each request of the bound begins as early as it can; distances are to \
             the bound from each run's own beginnings",
        );
    }
    caption
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
        let faster = match (places, beaten) {
            (1, 0) => "not faster than PipeSD with its thresholds as given".to_owned(),
            (1, _) => "faster than PipeSD with its thresholds as given".to_owned(),
            _ => format!(
                "faster than PipeSD with its thresholds as given at {beaten} of {places} places"
            ),
        };
        findings.push(format!(
            "The serial split, at the fixed draft length that is best on other prompts, is {faster}."
        ));
    }
    let nearest = ratios.iter().copied().reduce(f64::min);
    if let Some((nearest, farthest)) = nearest.zip(ratios.iter().copied().reduce(f64::max)) {
        let (nearest, farthest) = (format!("{nearest:.2}"), format!("{farthest:.2}"));
        let times = if nearest == farthest { nearest } else { format!("{nearest} to {farthest}") };
        let early =
            if early < 0.05 { "nothing".to_owned() } else { format!("at most {early:.1} %") };
        findings.push(format!(
            "PipeSD takes {times} times the clairvoyant bound. To one who knows the future and cuts \
             rounds accordingly, uploading before a round is complete is worth {early}, drafting ahead \
             of a verdict up to {ahead:.0} %; with PipeSD's longer rounds early upload is worth more \
             (App. F)."
        ));
    }
    findings
}
