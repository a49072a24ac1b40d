//! The break-even map: over round-trip time and uplink rate, which deployment wins, and by how much.

use anyhow::{Context as _, Result};
use pipesd_core::seed::Seed;
use pipesd_sim::reference;
use pipesd_sim::world::{Setup, run as simulate};
use serde::Deserialize;

use super::{Context, Report, Role, Row, Table};
use crate::input::{Choice, Configuration, command, seed_range};
use crate::runner::map_all;
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
const CHOICE_SEEDS: std::ops::Range<u64> = 1 << 41..(1 << 41) + 2;

pub(super) fn run(plan: &Plan, context: &Context<'_>) -> Result<Report> {
    let mut points = Vec::new();
    for variant in &plan.variants {
        for &uplink_mbps in &plan.uplink_mbps {
            for &round_trip_ms in &plan.round_trip_ms {
                points.push(Point { variant, round_trip_ms, uplink_mbps });
            }
        }
    }
    let rivals = Rivals::load(plan, context)?;
    let rows = map_all(&points, &context.head.item, context.jobs, |point| rivals.at(*point))?;
    let mut report = Report::new(context);
    for variant in &plan.variants {
        report.tables.push(map(plan, variant, &points, &rows));
    }
    report.rows = rows.into_iter().flatten().collect();
    Ok(report)
}

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

    /// Time per token of each deployment at a point.
    fn at(&self, point: Point<'_>) -> Result<Vec<Row>> {
        let environment = vec![
            format!("propagation_ms={}", point.round_trip_ms / 2.0),
            format!("uplink_mbps={}", point.uplink_mbps),
            format!("payload={}", point.variant.payload),
        ];
        let plain = self.serial.with(&environment)?.setup(self.context.size.tokens, false)?;
        let mut rows = Vec::new();
        if point.variant.cloud_only {
            let cloud: Vec<f64> = seed_range(self.context.seed, self.context.size.seeds)?
                .map(|seed| cloud_only(&plain, seed, point.variant))
                .collect();
            rows.push(self.row(point, "cloud_only", &cloud, String::new()));
        }
        if let Some(edge) = reference::edge_only(&plain) {
            rows.push(self.row(point, "edge_only", &[edge.tpt_ms], String::new()));
        }
        let lengths = self.plan.draft_lengths.iter().map(|n| format!("draft_length={n}"));
        let thresholds =
            self.plan.sequence_thresholds.iter().map(|r| format!("sequence_threshold={r}"));
        let (serial, pipesd) = (&self.serial, &self.pipesd);
        rows.push(self.best(point, "serial", serial, &environment, lengths.collect())?);
        rows.push(self.best(point, "pipesd", pipesd, &environment, thresholds.collect())?);
        Ok(rows)
    }

    /// A method at the setting that is fastest on other prompts.
    fn best(
        &self,
        point: Point<'_>,
        name: &str,
        base: &Configuration,
        environment: &[String],
        settings: Vec<String>,
    ) -> Result<Row> {
        let tokens = self.context.size.tokens;
        let mut best: Option<(f64, String)> = None;
        for setting in settings {
            let sets = [environment, std::slice::from_ref(&setting)].concat();
            let tpt_ms = mean_tpt(&base.with(&sets)?.setup(tokens, false)?, CHOICE_SEEDS)?;
            if best.as_ref().is_none_or(|(least, _)| tpt_ms < *least) {
                best = Some((tpt_ms, setting));
            }
        }
        let (_, setting) = best.context("nothing to choose from")?;
        let mut sets = [environment, &[setting]].concat();
        if point.variant.users > 1 {
            sets.push(format!("edges={}", point.variant.users));
        }
        if point.variant.batched {
            sets.push(format!("verify_batch={}", point.variant.users));
        }
        let setup = base.with(&sets)?.setup(tokens, false)?;
        let (seed, seeds) = (self.context.seed, self.context.size.seeds);
        let times: Result<Vec<f64>> =
            seed_range(seed, seeds)?.map(|seed| tpt(&setup, seed)).collect();
        let choice = Choice {
            profile: self.plan.profile.clone(),
            scenario: self.plan.scenario.clone(),
            method: base.method.name.clone(),
            sets,
        };
        Ok(self.row(point, name, &times?, command(&choice, seed, seeds, tokens)))
    }

    fn row(&self, point: Point<'_>, name: &str, times: &[f64], command: String) -> Row {
        Row {
            dataset: self.plan.profile.clone(),
            scenario: self.plan.scenario.clone(),
            variant: Some(point.variant.name.clone()),
            x: Some(point.round_trip_ms),
            y: Some(point.uplink_mbps),
            method: name.to_owned(),
            metric: "tpt_ms".to_owned(),
            ours: Statistic::of(times),
            paper: None,
            role: Role::Ours,
            command,
        }
    }
}

/// Time per token of decoding in the cloud alone \[ms\]. One by one, a user waits for all others' steps;
/// in a batch each step is a pass over all users' tokens.
fn cloud_only(setup: &Setup, seed: u64, variant: &Variant) -> f64 {
    let alone = reference::cloud_only(setup, Seed(seed)).tpt_ms;
    let users = f64::from(variant.users);
    if variant.batched {
        alone + (users - 1.0) * setup.profile.verification.per_token_ms
    } else {
        alone * users
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

/// Who wins at each point, and how many times as fast as the next one.
fn map(plan: &Plan, variant: &Variant, points: &[Point<'_>], rows: &[Vec<Row>]) -> Table {
    let caption = format!(
        "{}: the fastest deployment by round-trip time, and how many times as fast as the next one",
        variant.name
    );
    let titles: Vec<String> =
        plan.round_trip_ms.iter().map(|round_trip| format!("{round_trip} ms")).collect();
    let mut header = vec!["uplink (Mbit/s)"];
    header.extend(titles.iter().map(String::as_str));
    let mut table = Table::new(caption, &header, 1);
    let of_variant = points.iter().zip(rows).filter(|(point, _)| point.variant == variant);
    let cells: Vec<(&Point<'_>, String)> =
        of_variant.map(|(point, rows)| (point, winner(rows))).collect();
    for line in cells.chunk_by(|(a, _), (b, _)| a.uplink_mbps == b.uplink_mbps) {
        let mut words = vec![line[0].0.uplink_mbps.to_string()];
        words.extend(line.iter().map(|(_, words)| words.clone()));
        table.rows.push(words);
    }
    table
}

fn winner(rows: &[Row]) -> String {
    let mut order: Vec<&Row> = rows.iter().collect();
    order.sort_by(|a, b| a.ours.mean.total_cmp(&b.ours.mean));
    match order[..] {
        [first, second, ..] => {
            format!("{} {:.1}x", first.method, second.ours.mean / first.ours.mean)
        }
        _ => String::new(),
    }
}
