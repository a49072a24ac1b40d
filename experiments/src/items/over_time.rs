//! S4 over time: what each method makes of a link that changes, second by second: every 20 s, as the
//! paper's text has it.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use anyhow::{Context as _, Result};
use pipesd_core::event::{Event, TuningEvent};
use pipesd_core::seed::Seed;
use pipesd_core::time::{Duration, Instant};
use pipesd_core::trigger::Thresholds;
use pipesd_core::upload::dp::{self, UploadCosts};
use pipesd_sim::bound::{EmptyNavs, achieve, clairvoyant, clairvoyant_from, decoding_starts};
use pipesd_sim::reference;
use pipesd_sim::world::{Recording, Setup, run as run_one};
use serde::{Deserialize, Serialize};

use super::comparison::{DISTANCE, above, without_method};
use super::{Context, Report, Role, Row, Table};
use crate::input::{Choice, Configuration, seed_range};
use crate::runner::map_kept;
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

/// What is read off one run, bin by bin.
#[derive(Serialize, Deserialize)]
struct Followed {
    /// Time spent decoding \[ms\].
    decoding_ms: Vec<f64>,
    /// Output tokens.
    tokens: Vec<u32>,
    /// What changes in steps, by metric, as each bin leaves it; None: it is not known yet.
    steps: BTreeMap<String, Vec<Option<f64>>>,
    /// Time per token in multiples of the bound from the run's own starts.
    distance: f64,
}

pub(super) fn run(plan: &Plan, context: &Context<'_>) -> Result<Report> {
    let tokens = context.size.tokens;
    let seeds: Vec<u64> = seed_range(context.seed, context.size.seeds)?.collect();
    let mut tasks = Vec::new();
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
        tasks.extend(seeds.iter().map(|&seed| (setup.clone(), Seed(seed), false)));
    }
    let plain = without_method(&tasks.first().context("a plan has lines")?.0);
    tasks.extend(seeds.iter().map(|&seed| (plain.clone(), Seed(seed), true)));
    let followed = map_kept(&tasks, "runs", context, |(setup, seed, bound)| {
        let run = if *bound {
            achieve(setup, *seed, &clairvoyant(setup, *seed, EmptyNavs::Forbidden)?)?
        } else {
            run_one(setup, *seed)?
        };
        let recording = run.recording.as_ref().expect("recorded");
        let starts = decoding_starts(&recording.events);
        let least = clairvoyant_from(setup, *seed, EmptyNavs::Forbidden, &starts)?.tpt_ms;
        let distance = above(run.summary.tpt_ms, least, &format!("seed {}", seed.0))?;
        Ok(Followed { distance, ..follow(plan, recording) })
    })?;
    let mut by_line: Vec<&[Followed]> = followed.chunks(seeds.len()).collect();
    let mut report = Report::new(context);
    let rates = rates(plan, &plain);
    for (bin, &rate) in rates.iter().enumerate() {
        let value = Statistic { mean: rate, sd: None, ci95: None };
        report.rows.push(row(plan, "link", "uplink_mbps", bin, value));
    }
    for (line, runs) in plan.lines.iter().zip(&by_line) {
        report.rows.extend(line_rows(plan, line, runs));
    }
    report.tables.push(table(plan, &rates, &by_line));
    let bound = by_line.pop().context("the bound is followed too")?;
    report.rows.extend(reference_rows(plan, &plain, &seeds, bound));
    for (line, runs) in plan.lines.iter().zip(&by_line) {
        let distances: Vec<f64> = runs.iter().map(|run| run.distance).collect();
        let distances = Statistic::of(&distances);
        let Plan { profile, scenario, .. } = plan;
        report.rows.push(Row::ours(profile, scenario, &line.name, DISTANCE, distances));
    }
    Ok(report)
}

/// The bound as it is reached, bin by bin, and what no link moves.
fn reference_rows(plan: &Plan, setup: &Setup, seeds: &[u64], bound: &[Followed]) -> Vec<Row> {
    let cloud: Vec<f64> =
        seeds.iter().map(|&seed| reference::cloud_only(setup, Seed(seed)).tpt_ms).collect();
    let edge = reference::edge_only(setup).map(|edge| Statistic {
        mean: edge.tpt_ms,
        sd: None,
        ci95: None,
    });
    let mut rows = Vec::new();
    for bin in 0..bins(plan) {
        let lines = [
            ("bound", pooled(bound, bin..bin + 1)),
            ("cloud_only", Some(Statistic::of(&cloud))),
            ("edge_only", edge),
        ];
        for (name, value) in lines {
            let value = value.map(|value| row(plan, name, "tpt_ms", bin, value));
            rows.extend(value.map(|row| Row { role: Role::Reference, ..row }));
        }
    }
    rows
}

fn bins(plan: &Plan) -> usize {
    (plan.length_s / plan.bin_s) as usize
}

fn follow(plan: &Plan, recording: &Recording) -> Followed {
    let bins = bins(plan);
    let width = Duration::from_secs(u64::from(plan.bin_s));
    let (decoding_ms, tokens) = (vec![0.0; bins], vec![0; bins]);
    let mut followed = Followed { decoding_ms, tokens, steps: BTreeMap::new(), distance: 1.0 };
    let mut since: Option<Instant> = None;
    for stamped in &recording.events {
        let at = stamped.at;
        let bin = ((at - Instant::ZERO).as_nanos() / width.as_nanos()) as usize;
        let mut step = |metric: &str, value: f64| {
            let steps = followed.steps.entry(metric.to_owned());
            steps.or_insert_with(|| vec![None; bins])[bin] = Some(value);
        };
        match stamped.event {
            Event::DecodingStarted { .. } => since = Some(at),
            Event::SessionEnded { .. } => {
                if let Some(start) = since.take() {
                    spread(&mut followed.decoding_ms, width, start, at);
                }
            }
            _ if bin >= bins => {}
            Event::Committed { .. } => followed.tokens[bin] += 1,
            Event::Planned { window, startup, per_token, draft } => {
                let costs = UploadCosts { startup, per_token, draft };
                let batches = dp::plan(&costs, window).map_or(0, |plan| plan.batches.len());
                step("window_tokens", f64::from(window));
                step("plan_batches", batches as f64);
            }
            Event::Tuning(
                TuningEvent::CandidateBegun { thresholds, .. }
                | TuningEvent::TurnBegun { thresholds, .. }
                | TuningEvent::ThresholdsSettled { thresholds, .. },
            ) => {
                let Thresholds { sequence_threshold, token_threshold } = thresholds;
                for (metric, threshold) in [
                    ("sequence_threshold", sequence_threshold),
                    ("token_threshold", token_threshold),
                ] {
                    threshold.into_iter().for_each(|threshold| step(metric, threshold.value()));
                }
            }
            _ => {}
        }
    }
    followed.steps.values_mut().for_each(hold);
    followed
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
fn hold(series: &mut Vec<Option<f64>>) {
    let mut last = None;
    for value in series {
        last = value.or(last);
        *value = last;
    }
}

/// The uplink's rate at the start of each bin \[Mbit/s\].
fn rates(plan: &Plan, setup: &Setup) -> Vec<f64> {
    let start = |bin: usize| Duration::from_secs(u64::from(plan.bin_s) * bin as u64);
    let rate = |bin| setup.uplink.rate().at(Instant::ZERO + start(bin)) as f64 / 1e6;
    (0..bins(plan)).map(rate).collect()
}

fn line_rows(plan: &Plan, line: &Line, runs: &[Followed]) -> Vec<Row> {
    let mut rows = Vec::new();
    for bin in 0..bins(plan) {
        if let Some(value) = pooled(runs, bin..bin + 1) {
            rows.push(row(plan, &line.name, "tpt_ms", bin, value));
        }
    }
    let metrics: BTreeSet<&String> = runs.iter().flat_map(|run| run.steps.keys()).collect();
    for metric in metrics {
        for bin in 0..bins(plan) {
            let values: Vec<f64> =
                runs.iter().filter_map(|run| run.steps.get(metric)?[bin]).collect();
            // A mean over the runs that happen to be there would be of something else.
            if values.len() == runs.len() {
                rows.push(row(plan, &line.name, metric, bin, Statistic::of(&values)));
            }
        }
    }
    rows
}

/// Decoding time over tokens in some bins, all runs together: a run may have hardly a token in a bin,
/// and no ratio of its own. The interval is the jackknife's, leaving out a run at a time.
fn pooled(runs: &[Followed], bins: Range<usize>) -> Option<Statistic> {
    let of = |run: &Followed| {
        let tokens: u32 = run.tokens[bins.clone()].iter().sum();
        (run.decoding_ms[bins.clone()].iter().sum::<f64>(), f64::from(tokens))
    };
    let shares: Vec<(f64, f64)> = runs.iter().map(of).collect();
    let ms: f64 = shares.iter().map(|share| share.0).sum();
    let tokens: f64 = shares.iter().map(|share| share.1).sum();
    if tokens == 0.0 {
        return None;
    }
    let count = runs.len() as f64;
    let pseudo: Vec<f64> = shares
        .iter()
        .map(|share| (ms - share.0) / (tokens - share.1))
        .filter(|without| without.is_finite())
        .map(|without| count * ms / tokens - (count - 1.0) * without)
        .collect();
    let mean = ms / tokens;
    if pseudo.len() < runs.len() {
        return Some(Statistic { mean, sd: None, ci95: None });
    }
    let Statistic { mean: centre, sd, ci95 } = Statistic::of(&pseudo);
    // Centred on the ratio itself.
    Some(Statistic { mean, sd, ci95: ci95.map(|ends| ends.map(|end| end - centre + mean)) })
}

fn row(plan: &Plan, name: &str, metric: &str, bin: usize, ours: Statistic) -> Row {
    Row {
        x: Some((bin as f64 + 0.5) * f64::from(plan.bin_s)),
        ..Row::ours(&plan.profile, &plan.scenario, name, metric, ours)
    }
}

/// Means over the stretches of one rate, and over all of them.
fn table(plan: &Plan, rates: &[f64], by_line: &[&[Followed]]) -> Table {
    let mut header = vec!["from (s)", "uplink (Mbit/s)"];
    header.extend(plan.lines.iter().map(|line| line.name.as_str()));
    header.push("bound");
    let caption = "Time per token (ms) while a rate holds [95 %]; bound: the clairvoyant bound's own \
                   schedule, which is ahead of the others and so meets the rates with other tokens";
    let mut table = Table::new(caption, &header, 0);
    let cells = |bins: Range<usize>| -> Vec<String> {
        let cell = |runs: &&[Followed]| match pooled(runs, bins.clone()) {
            Some(Statistic { mean, ci95: Some([low, high]), .. }) => {
                format!("{mean:.0} [{low:.0}, {high:.0}]")
            }
            Some(value) => format!("{:.0}", value.mean),
            None => "-".to_owned(),
        };
        by_line.iter().map(cell).collect()
    };
    let mut start = 0;
    for stretch in rates.chunk_by(|a, b| a == b) {
        let from = start * plan.bin_s as usize;
        let mut line = vec![from.to_string(), format!("{:.0}", stretch[0])];
        line.extend(cells(start..start + stretch.len()));
        table.rows.push(line);
        start += stretch.len();
    }
    let mut line = vec!["all".to_owned(), String::new()];
    line.extend(cells(0..start));
    table.rows.push(line);
    let mut line = vec!["distance to the bound".to_owned(), String::new()];
    line.extend(by_line.iter().map(|runs| {
        let distances: Vec<f64> = runs.iter().map(|run| run.distance).collect();
        match Statistic::of(&distances) {
            Statistic { mean, ci95: Some([low, high]), .. } => {
                format!("{mean:.2} [{low:.2}, {high:.2}]")
            }
            Statistic { mean, .. } => format!("{mean:.2}"),
        }
    }));
    table.rows.push(line);
    table
}
