//! The break-even map: over round-trip time and uplink rate, which deployment wins, and by how much.

use anyhow::{Context as _, Result};
use pipesd_core::seed::Seed;
use pipesd_sim::bound::{EmptyNavs, clairvoyant};
use pipesd_sim::reference;
use pipesd_sim::world::{Setup, run as simulate};
use serde::{Deserialize, Serialize};

use super::comparison::{DISTANCE, above};
use super::{Context, Report, Role, Row, Table};
use crate::input::{Choice, Configuration, command, seed_range};
use crate::runner::map_kept;
use crate::statistics::Statistic;

/// A plan's body.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Plan {
    profile: String,
    scenario: String,
    round_trip_ms: Vec<f64>,
    uplink_mbps: Vec<f64>,
    /// What `serial` may choose from \[tokens\].
    draft_lengths: Vec<u32>,
    /// What `pipesd` may choose from.
    sequence_thresholds: Vec<f64>,
    variants: Vec<Variant>,
}

/// What is sent, and how many edges share the target's GPU.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Variant {
    name: String,
    payload: String,
    /// Edges that share the target's GPU.
    #[serde(default = "one")]
    users: u32,
    /// Whether it serves them in one pass instead of one by one.
    #[serde(default)]
    batched: bool,
    /// Uplink rates of this map, if not the plan's: with few bytes the rate hardly matters.
    #[serde(default)]
    uplink_mbps: Option<Vec<f64>>,
    /// Whether decoding in the cloud alone may be chosen.
    #[serde(default = "yes")]
    cloud_only: bool,
}

const fn one() -> u32 {
    1
}

const fn yes() -> bool {
    true
}

/// A point of the map.
#[derive(Clone, Copy, Debug)]
struct Point<'a> {
    variant: &'a Variant,
    round_trip_ms: f64,
    uplink_mbps: f64,
}

/// Seeds on which a deployment's setting is chosen: none that judges it is as large.
const CHOICE_SEEDS: u64 = 1 << 41;
/// Runs of such a choice with one user. Where users share, each run decodes as many prompts at once.
const CHOICE_RUNS: u32 = 4;

pub(super) fn run(plan: &Plan, context: &Context<'_>) -> Result<Report> {
    let mut points = Vec::new();
    for variant in &plan.variants {
        for &uplink_mbps in variant.uplink_mbps.as_ref().unwrap_or(&plan.uplink_mbps) {
            for &round_trip_ms in &plan.round_trip_ms {
                points.push(Point { variant, round_trip_ms, uplink_mbps });
            }
        }
    }
    let rivals = Rivals::load(plan, context)?;
    let judged = map_kept(&points, "points", context, |point| rivals.at(*point))?;
    let mut report = Report::new(context);
    for variant in &plan.variants {
        report.tables.push(map(plan, variant, &points, &judged, &Shown::WINNER));
    }
    for variant in plan.variants.iter().filter(|variant| !variant.cloud_only && variant.users == 1)
    {
        report.tables.push(map(plan, variant, &points, &judged, &Shown::DISTANCE));
    }
    for judged in judged {
        report.rows.extend(lead(&judged));
        report.rows.extend(judged.rivals.into_iter().map(|rival| rival.row));
        report.rows.extend(judged.bound);
        report.rows.extend(judged.distances);
    }
    Ok(report)
}

/// All deployments at a point.
#[derive(Serialize, Deserialize)]
struct Judged {
    rivals: Vec<Rival>,
    /// The clairvoyant bound, with one user, and each split's distance to it.
    bound: Option<Row>,
    distances: Vec<Row>,
}

/// A deployment at a point.
#[derive(Serialize, Deserialize)]
struct Rival {
    row: Row,
    /// Time per token of each seed \[ms\].
    times: Vec<f64>,
}

/// Seeds on which the bound is computed, at most: the first ones.
const BOUND_SEEDS: usize = 4;

/// The deployments, read once.
struct Rivals<'a> {
    plan: &'a Plan,
    context: &'a Context<'a>,
    serial: Configuration,
    pipesd: Configuration,
}

impl<'a> Rivals<'a> {
    fn load(plan: &'a Plan, context: &'a Context<'a>) -> Result<Self> {
        let load = |method: &str| {
            Configuration::load(&Choice {
                profile: plan.profile.clone(),
                scenario: plan.scenario.clone(),
                method: method.to_owned(),
                sets: Vec::new(),
            })
        };
        let (serial, pipesd) = (load("vanilla")?, load("pipesd")?);
        Ok(Self { plan, context, serial, pipesd })
    }

    /// Time per token of each deployment at a point, run by run.
    fn at(&self, point: Point<'_>) -> Result<Judged> {
        let Variant { payload, users, batched, cloud_only, .. } = point.variant;
        let mut environment = vec![
            format!("propagation_ms={}", point.round_trip_ms / 2.0),
            format!("uplink_mbps={}", point.uplink_mbps),
            format!("payload={payload}"),
        ];
        if *users > 1 {
            environment.push(format!("edges={users}"));
        }
        if *batched {
            environment.push(format!("verify_batch={users}"));
        }
        let plain = self.serial.with(&environment)?.setup(self.context.size.tokens, false)?;
        let mut judged = Vec::new();
        if *cloud_only {
            let times =
                self.seeds(*users)?.map(|seed| reference::cloud_only(&plain, Seed(seed)).tpt_ms);
            judged.push(self.rival(point, "cloud_only", times.collect(), String::new()));
        }
        if let Some(edge) = reference::edge_only(&plain) {
            let times = self.seeds(*users)?.map(|_| edge.tpt_ms).collect();
            judged.push(self.rival(point, "edge_only", times, String::new()));
        }
        let lengths = self.plan.draft_lengths.iter().map(|n| format!("draft_length={n}"));
        let thresholds =
            self.plan.sequence_thresholds.iter().map(|r| format!("sequence_threshold={r}"));
        let (serial, pipesd) = (&self.serial, &self.pipesd);
        judged.push(self.best(point, "serial", serial, &environment, lengths.collect())?);
        judged.push(self.best(point, "pipesd", pipesd, &environment, thresholds.collect())?);
        let (bound, distances) = self.bound(point, &plain, &judged)?;
        Ok(Judged { rivals: judged, bound, distances })
    }

    /// The bound, and how far the splits are from it, run by run; none where users share the target.
    fn bound(
        &self,
        point: Point<'_>,
        plain: &Setup,
        judged: &[Rival],
    ) -> Result<(Option<Row>, Vec<Row>)> {
        if point.variant.users > 1 {
            return Ok((None, Vec::new()));
        }
        let seeds = self.seeds(1)?.take(BOUND_SEEDS);
        let bounds =
            seeds.map(|seed| Ok(clairvoyant(plain, Seed(seed), EmptyNavs::Forbidden)?.tpt_ms));
        let bounds = bounds.collect::<Result<Vec<f64>>>()?;
        let of = |name: &str, metric: &str, values: &[f64]| {
            let row = self.row(point, name, values, String::new());
            Row { metric: metric.to_owned(), ..row }
        };
        let mut distances = Vec::new();
        for Rival { row, times } in judged {
            if !SPLITS.contains(&row.method.as_str()) {
                continue;
            }
            let ratios =
                times.iter().zip(&bounds).map(|(time, bound)| above(*time, *bound, &row.command));
            let ratios = ratios.collect::<Result<Vec<f64>>>()?;
            let command = row.command.clone();
            distances.push(Row { command, ..of(&row.method, DISTANCE, &ratios) });
        }
        // Not among the times of those that can be chosen.
        let bound = Row { role: Role::Reference, ..of("bound", "tpt_bound_ms", &bounds) };
        Ok((Some(bound), distances))
    }

    /// Seeds that judge a point: fewer where each run decodes for many users.
    fn seeds(&self, users: u32) -> Result<std::ops::Range<u64>> {
        let seeds = self.context.size.seeds;
        let seeds = if users > 1 { (seeds / 4).max(2) } else { seeds };
        Ok(seed_range(self.context.seed, seeds)?)
    }

    /// A method at the setting that is fastest on other prompts in the same environment.
    fn best(
        &self,
        point: Point<'_>,
        name: &str,
        base: &Configuration,
        environment: &[String],
        settings: Vec<String>,
    ) -> Result<Rival> {
        let tokens = self.context.size.tokens;
        let users = point.variant.users;
        let runs = u64::from((CHOICE_RUNS / users).max(1));
        let mut best: Option<(f64, String)> = None;
        for setting in settings {
            let sets = [environment, std::slice::from_ref(&setting)].concat();
            let setup = base.with(&sets)?.setup(tokens, false)?;
            let tpt_ms = mean_tpt(&setup, CHOICE_SEEDS..CHOICE_SEEDS + runs)?;
            if best.as_ref().is_none_or(|(least, _)| tpt_ms < *least) {
                best = Some((tpt_ms, setting));
            }
        }
        let (_, setting) = best.context("nothing to choose from")?;
        let sets = [environment, &[setting]].concat();
        let setup = base.with(&sets)?.setup(tokens, false)?;
        let seeds = self.seeds(users)?;
        let count = (seeds.end - seeds.start) as u32;
        let times: Result<Vec<f64>> = seeds.map(|seed| tpt(&setup, seed)).collect();
        let choice = Choice {
            profile: self.plan.profile.clone(),
            scenario: self.plan.scenario.clone(),
            method: base.method.name.clone(),
            sets,
        };
        let command = command(&choice, self.context.seed, count, tokens);
        Ok(self.rival(point, name, times?, command))
    }

    fn rival(&self, point: Point<'_>, name: &str, times: Vec<f64>, command: String) -> Rival {
        Rival { row: self.row(point, name, &times, command), times }
    }

    fn row(&self, point: Point<'_>, name: &str, times: &[f64], command: String) -> Row {
        let Plan { profile, scenario, .. } = self.plan;
        Row {
            variant: Some(point.variant.name.clone()),
            x: Some(point.round_trip_ms),
            y: Some(point.uplink_mbps),
            command,
            ..Row::ours(profile, scenario, name, "tpt_ms", Statistic::of(times))
        }
    }
}

fn tpt(setup: &Setup, seed: u64) -> Result<f64> {
    Ok(simulate(setup, Seed(seed))?.summary.tpt_ms)
}

fn mean_tpt(setup: &Setup, seeds: std::ops::Range<u64>) -> Result<f64> {
    let count = (seeds.end - seeds.start) as f64;
    let times: Result<Vec<f64>> = seeds.map(|seed| tpt(setup, seed)).collect();
    Ok(times?.iter().sum::<f64>() / count)
}

/// The deployments that draft on the edge and verify in the cloud.
const SPLITS: [&str; 2] = ["serial", "pipesd"];

/// What a map shows of a point.
struct Shown {
    what: &'static str,
    cell: fn(&Judged) -> String,
}

impl Shown {
    const WINNER: Self = Self {
        what: "the fastest deployment by round-trip time, and how many times as fast as the next one; `~`: \
               the runs do not tell the two apart",
        cell: winner,
    };
    const DISTANCE: Self = Self {
        what: "the faster of serial and pipesd by round-trip time, in multiples of the clairvoyant bound of \
               the same runs",
        cell: distance,
    };
}

/// One cell for each point of a variant.
fn map(
    plan: &Plan,
    variant: &Variant,
    points: &[Point<'_>],
    judged: &[Judged],
    shown: &Shown,
) -> Table {
    let caption = format!("{}: {}", variant.name, shown.what);
    let titles: Vec<String> =
        plan.round_trip_ms.iter().map(|round_trip| format!("{round_trip} ms")).collect();
    let mut header = vec!["uplink (Mbit/s)"];
    header.extend(titles.iter().map(String::as_str));
    let mut table = Table::new(caption, &header, 1);
    let of_variant = points.iter().zip(judged).filter(|(point, _)| point.variant == variant);
    let cells: Vec<(&Point<'_>, String)> =
        of_variant.map(|(point, judged)| (point, (shown.cell)(judged))).collect();
    for line in cells.chunk_by(|(a, _), (b, _)| a.uplink_mbps == b.uplink_mbps) {
        let mut words = vec![line[0].0.uplink_mbps.to_string()];
        words.extend(line.iter().map(|(_, words)| words.clone()));
        table.rows.push(words);
    }
    table
}

/// The fastest, the next one, and by how much it is slower, seed by seed \[ms\].
fn podium(judged: &Judged) -> Option<(&Rival, &Rival, Statistic)> {
    let mut order: Vec<&Rival> = judged.rivals.iter().collect();
    order.sort_by(|a, b| a.row.ours.mean.total_cmp(&b.row.ours.mean));
    let [first, second, ..] = order[..] else { return None };
    let differences: Vec<f64> =
        first.times.iter().zip(&second.times).map(|(first, second)| second - first).collect();
    Some((first, second, Statistic::of(&differences)))
}

/// The winner's lead, so that a figure knows where the runs do not tell the two apart.
fn lead(judged: &Judged) -> Option<Row> {
    let (first, _, ours) = podium(judged)?;
    Some(Row { metric: "tpt_lead_ms".to_owned(), ours, ..first.row.clone() })
}

/// `pipesd 1.3x`, or `pipesd ~ serial` where the interval of their differences, seed by seed, holds 0.
fn winner(judged: &Judged) -> String {
    let Some((first, second, lead)) = podium(judged) else { return String::new() };
    if lead.ci95.is_some_and(|[low, _]| low <= 0.0) {
        return format!("{} ~ {}", first.row.method, second.row.method);
    }
    format!("{} {:.1}x", first.row.method, second.row.ours.mean / first.row.ours.mean)
}

/// `pipesd 1.31`.
fn distance(judged: &Judged) -> String {
    let nearest = judged.distances.iter().min_by(|a, b| a.ours.mean.total_cmp(&b.ours.mean));
    nearest.map_or("-".to_owned(), |row| format!("{} {:.2}", row.method, row.ours.mean))
}
