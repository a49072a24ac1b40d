//! S4 over time: what each method makes of a link that changes, second by second.

use std::collections::BTreeMap;

use anyhow::Result;
use pipesd_core::event::Event;
use pipesd_core::seed::Seed;
use pipesd_core::time::{Duration, Instant, from_millis};
use pipesd_core::upload::dp::{self, UploadCosts};
use pipesd_sim::world::{Recording, Setup};
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
    /// Width of a point on the time axis \[s\].
    bin_s: u32,
    /// Length of the time axis \[s\].
    length_s: u32,
    lines: Vec<Line>,
}

/// What is followed.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    name: String,
    method: String,
    set: Vec<String>,
}

/// A figure over time, bin by bin; None where a run has none.
type Series = Vec<Option<f64>>;

pub(super) fn run(plan: &Plan, context: &Context<'_>) -> Result<Report> {
    let tokens = context.size.tokens;
    let mut tasks = Vec::new();
    let mut commands = Vec::new();
    for line in &plan.lines {
        let choice = Choice {
            profile: plan.profile.clone(),
            scenario: plan.scenario.clone(),
            method: line.method.clone(),
            sets: line.set.clone(),
        };
        let mut setup = Configuration::load(&choice)?.setup(tokens, true)?;
        // All runs meet the same rates at the same times, or a mean over them would show none.
        setup.uplink = setup.uplink.at_phase(0.0);
        setup.downlink = setup.downlink.at_phase(0.0);
        tasks.extend(seed_range(context.seed, context.size.seeds)?.map(|s| (setup.clone(), s)));
        commands.push(command(&choice, context.seed, context.size.seeds, tokens));
    }
    let followed = map_all(&tasks, &context.head.item, context.jobs, |(setup, seed)| {
        let run = pipesd_sim::world::run(setup, Seed(*seed))?;
        Ok(follow(plan, run.recording.as_ref().expect("recorded")))
    })?;
    let mut report = Report::new(context);
    report.rows = rate_rows(plan, &tasks[0].0);
    let runs = followed.chunks(context.size.seeds as usize);
    for ((line, runs), command) in plan.lines.iter().zip(runs).zip(&commands) {
        report.rows.extend(line_rows(plan, line, runs, command));
    }
    report.tables.push(table(plan, &report.rows));
    Ok(report)
}

/// What is read off one run, by metric.
fn follow(plan: &Plan, recording: &Recording) -> BTreeMap<&'static str, Series> {
    let bins = (plan.length_s / plan.bin_s) as usize;
    let width = Duration::from_secs(u64::from(plan.bin_s));
    let bin_of = |at: Instant| ((at - Instant::ZERO).as_nanos() / width.as_nanos()) as usize;
    let mut tokens = vec![0_u32; bins];
    let mut decoding_ms = vec![0.0; bins];
    let mut steps: BTreeMap<&'static str, Series> = BTreeMap::new();
    let mut since: Option<Instant> = None;
    for stamped in &recording.events {
        let (at, bin) = (stamped.at, bin_of(stamped.at));
        match stamped.event {
            Event::DecodingStarted { .. } => since = Some(at),
            Event::SessionEnded { .. } => {
                if let Some(start) = since.take() {
                    spread(&mut decoding_ms, width, start, at);
                }
            }
            Event::Committed { .. } if bin < bins => tokens[bin] += 1,
            Event::Planned { window, startup, per_token, draft } if bin < bins => {
                let costs = UploadCosts { startup, per_token, draft };
                let batches = dp::plan(&costs, window).map_or(0, |plan| plan.batches.len());
                for (metric, value) in
                    [("window_tokens", window as usize), ("plan_batches", batches)]
                {
                    steps.entry(metric).or_insert_with(|| vec![None; bins])[bin] =
                        Some(value as f64);
                }
            }
            _ => {}
        }
    }
    steps.values_mut().for_each(hold);
    // Few tokens make no mean: a bin in which a prompt was prefilled, or the last one.
    let rate = |(&tokens, &ms): (&u32, &f64)| {
        (f64::from(tokens) * 4.0 >= f64::from(plan.bin_s)).then(|| ms / f64::from(tokens))
    };
    steps.insert("tpt_ms", tokens.iter().zip(&decoding_ms).map(rate).collect());
    steps
}

/// Adds a stretch of time to the bins that it lies in \[ms\].
fn spread(bins: &mut [f64], width: Duration, start: Instant, end: Instant) {
    let width_ms = width.as_secs_f64() * 1e3;
    let (start, end) = (start.as_millis_f64(), end.as_millis_f64());
    for (index, bin) in bins.iter_mut().enumerate() {
        let (low, high) = (index as f64 * width_ms, (index + 1) as f64 * width_ms);
        *bin += (end.min(high) - start.max(low)).max(0.0);
    }
}

/// What changes in steps holds until the next.
fn hold(series: &mut Series) {
    let mut last = None;
    for value in series {
        last = value.or(last);
        *value = last;
    }
}

/// The uplink's rate, mean over each bin's ends.
fn rate_rows(plan: &Plan, setup: &Setup) -> Vec<Row> {
    bins(plan)
        .map(|(middle, start)| {
            let rate = setup.uplink.rate().at(Instant::ZERO + from_millis(start * 1e3));
            let value = Statistic { mean: rate as f64 / 1e6, sd: None, ci95: None };
            row(plan, "link", "uplink_mbps", middle, value, "")
        })
        .collect()
}

/// Middle and start of each bin \[s\].
fn bins(plan: &Plan) -> impl Iterator<Item = (f64, f64)> {
    let width = f64::from(plan.bin_s);
    (0..plan.length_s / plan.bin_s).map(move |bin| {
        let start = f64::from(bin) * width;
        (start + width / 2.0, start)
    })
}

fn line_rows(
    plan: &Plan,
    line: &Line,
    runs: &[BTreeMap<&'static str, Series>],
    command: &str,
) -> Vec<Row> {
    let mut rows = Vec::new();
    let metrics: std::collections::BTreeSet<&'static str> =
        runs.iter().flat_map(|run| run.keys().copied()).collect();
    for metric in metrics {
        for (bin, (middle, _)) in bins(plan).enumerate() {
            let values: Vec<f64> =
                runs.iter().filter_map(|run| *run.get(metric)?.get(bin)?).collect();
            // A mean over the runs that happened to be there would be of something else.
            if values.len() == runs.len() {
                let value = Statistic::of(&values);
                rows.push(row(plan, &line.name, metric, middle, value, command));
            }
        }
    }
    rows
}

fn row(plan: &Plan, name: &str, metric: &str, x: f64, ours: Statistic, command: &str) -> Row {
    Row {
        dataset: plan.profile.clone(),
        scenario: plan.scenario.clone(),
        variant: None,
        x: Some(x),
        y: None,
        method: name.to_owned(),
        metric: metric.to_owned(),
        ours,
        paper: None,
        role: Role::Ours,
        command: command.to_owned(),
    }
}

/// Means over the stretches of one rate.
fn table(plan: &Plan, rows: &[Row]) -> Table {
    let mut header = vec!["from (s)", "uplink (Mbit/s)"];
    header.extend(plan.lines.iter().map(|line| line.name.as_str()));
    let mut table = Table::new("Time per token (ms) while a rate holds", &header, 0);
    let rates: Vec<&Row> = rows.iter().filter(|row| row.metric == "uplink_mbps").collect();
    for stretch in rates.chunk_by(|a, b| a.ours.mean == b.ours.mean) {
        let within = |row: &Row| stretch.iter().any(|rate| rate.x == row.x);
        let start = stretch[0].x.unwrap_or_default() - f64::from(plan.bin_s) / 2.0;
        let mut line = vec![format!("{start:.0}"), format!("{:.0}", stretch[0].ours.mean)];
        for name in plan.lines.iter().map(|line| &line.name) {
            let times: Vec<f64> = rows
                .iter()
                .filter(|row| row.metric == "tpt_ms" && row.method == *name && within(row))
                .map(|row| row.ours.mean)
                .collect();
            line.push(match times.len() {
                0 => "-".to_owned(),
                count => format!("{:.0}", times.iter().sum::<f64>() / count as f64),
            });
        }
        table.rows.push(line);
    }
    table
}
