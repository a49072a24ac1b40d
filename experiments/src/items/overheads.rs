//! Table 5: what tuner, DP and measuring cost. A run is recorded; what its edge computed is computed
//! again, against this machine's clock.
#![expect(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "wall-clock is what is measured; it goes to measured.json alone"
)]

use std::collections::BTreeMap;
use std::hint::black_box;
use std::time::Instant;

use anyhow::Result;
use pipesd_core::contract::{Output, Work};
use pipesd_core::event::Event;
use pipesd_core::message::UploadReport;
use pipesd_core::monitor::Monitor;
use pipesd_core::seed::Seed;
use pipesd_core::time::{Duration, as_millis};
use pipesd_core::tuner::Fit;
use pipesd_core::upload::dp::{self, UploadCosts};
use pipesd_sim::world::RunResult;
use serde::Deserialize;
use serde_json::json;

use super::recorded::{draft_steps, upload_reports};
use super::report::Measured;
use super::{Context, Report, Row, Table};
use crate::input::{Choice, Configuration, command, seed_range};
use crate::runner::{Task, run_all};
use crate::statistics::Statistic;

/// A plan's body.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Plan {
    profiles: Vec<String>,
    scenario: String,
    method: String,
    /// Values of `--set tuning=`.
    tuning: Vec<String>,
    /// By profile and part \[% of run time\].
    published: BTreeMap<String, BTreeMap<String, f64>>,
}

/// The parts, as results name them.
const PARTS: [&str; 3] = ["tuner", "dp", "measuring"];

pub(super) fn run(plan: &Plan, context: &Context<'_>) -> Result<Report> {
    let mut report = Report::new(context);
    let header = [
        "dataset",
        "tuning",
        "fits",
        "plans",
        "measurements",
        "probes (ms)",
        "probes (% of decoding)",
        "decoding (s)",
        "ms per token",
    ];
    let mut counts = Table::new("In one run, on average", &header, 2);
    let header = ["dataset", "tuning", "part", "µs each", "% of run time", "paper"];
    let mut times = Table::new("Wall-clock, measured on this machine", &header, 3);
    let mut values = Vec::new();
    for profile in &plan.profiles {
        for tuning in &plan.tuning {
            let choice = Choice {
                profile: profile.clone(),
                scenario: plan.scenario.clone(),
                method: plan.method.clone(),
                sets: vec![format!("tuning={tuning}")],
            };
            let runs = recorded(&choice, context)?;
            let asked: Vec<Asked> = runs.iter().map(Asked::of).collect();
            let again = command(&choice, context.seed, context.size.seeds, context.size.tokens);
            let mut line = vec![profile.clone(), tuning.clone()];
            for (metric, digits, of) in COUNTS {
                let of: Vec<f64> = asked.iter().map(of).collect();
                let ours = Statistic::of(&of);
                line.push(format!("{:.digits$}", ours.mean));
                report.rows.push(row(&choice, tuning, metric, ours, &again));
            }
            counts.rows.push(line);
            let decoding: f64 = asked.iter().map(|asked| asked.decoding_s).sum();
            for (part, (seconds, count)) in PARTS.iter().zip(time(&asked)) {
                let share = 100.0 * seconds / decoding;
                if count == 0 {
                    continue;
                }
                let each = 1e6 * seconds / f64::from(count);
                let paper = plan.published.get(profile).and_then(|parts| parts.get(*part));
                times.rows.push(vec![
                    profile.clone(),
                    tuning.clone(),
                    (*part).to_owned(),
                    format!("{each:.3}"),
                    format!("{share:.1e}"),
                    paper.map(ToString::to_string).unwrap_or_default(),
                ]);
                values.push(json!({
                    "dataset": profile, "tuning": tuning, "part": part, "count": count,
                    "seconds": seconds, "share_pct": share, "paper_pct": paper,
                }));
            }
        }
    }
    report.tables.push(counts);
    report.measured = Some(Measured { table: times, values: json!(values) });
    Ok(report)
}

/// What is counted, and its digits for people.
type Count = (&'static str, usize, fn(&Asked) -> f64);

const COUNTS: [Count; 7] = [
    ("fits", 1, |asked| asked.fits.len() as f64),
    ("plans", 1, |asked| asked.plans.len() as f64),
    ("measurements", 0, |asked| (asked.uploads.len() + asked.steps.len()) as f64),
    ("probes_ms", 0, |asked| asked.probes_ms),
    ("probes_pct", 1, |asked| 0.1 * asked.probes_ms / asked.decoding_s),
    ("decoding_s", 1, |asked| asked.decoding_s),
    ("tpt_ms", 1, |asked| asked.tpt_ms),
];

fn row(choice: &Choice, tuning: &str, metric: &str, ours: Statistic, command: &str) -> Row {
    let Choice { profile, scenario, method, .. } = choice;
    Row {
        variant: Some(format!("tuning={tuning}")),
        command: command.to_owned(),
        ..Row::ours(profile, scenario, method, metric, ours)
    }
}

fn recorded(choice: &Choice, context: &Context<'_>) -> Result<Vec<RunResult>> {
    let tokens = context.size.tokens;
    let setup = Configuration::load(choice)?.setup(tokens, true)?;
    let tasks: Vec<Task<'_>> = seed_range(context.seed, context.size.seeds)?
        .map(|seed| Task {
            setup: &setup,
            seed: Seed(seed),
            command: command(choice, seed, 1, tokens),
        })
        .collect();
    run_all(&tasks, &context.head.item, context.jobs)
}

/// All that one edge computed beside decoding.
struct Asked {
    fits: Vec<Fit>,
    plans: Vec<(UploadCosts, u32)>,
    uploads: Vec<UploadReport>,
    steps: Vec<Duration>,
    rounds: Vec<u32>,
    probes_ms: f64,
    decoding_s: f64,
    tpt_ms: f64,
}

impl Asked {
    fn of(run: &RunResult) -> Self {
        let recording = run.recording.as_ref().expect("recorded");
        let mut asked = Self {
            fits: Vec::new(),
            plans: Vec::new(),
            uploads: Vec::new(),
            steps: Vec::new(),
            rounds: Vec::new(),
            probes_ms: 0.0,
            tpt_ms: run.summary.tpt_ms,
            decoding_s: run.counts.iter().map(|counts| counts.decoding.as_secs_f64()).sum(),
        };
        for (_, _, output) in &recording.outputs {
            if let Output::Start { work: Work::Fit(fit), .. } = output {
                asked.fits.push((**fit).clone());
            }
        }
        for (report, probe) in upload_reports(recording) {
            asked.probes_ms += if probe { as_millis(report.transfer) } else { 0.0 };
            asked.uploads.push(report);
        }
        asked.steps.extend(draft_steps(recording).iter().map(|(_, took)| *took));
        for stamped in &recording.events {
            match stamped.event {
                Event::RoundResolved { drafted, .. } => asked.rounds.push(drafted),
                Event::Planned { window, startup, per_token, draft } => {
                    asked.plans.push((UploadCosts { startup, per_token, draft }, window));
                }
                _ => {}
            }
        }
        asked
    }
}

/// Times that cheap computations are repeated, to be long enough for a clock.
const REPEATS: u32 = 20;

/// Seconds and number of each of [`PARTS`], over all runs.
fn time(asked: &[Asked]) -> [(f64, u32); 3] {
    let clock = |repeats: u32, work: &mut dyn FnMut()| {
        let start = Instant::now();
        (0..repeats).for_each(|_| work());
        start.elapsed().as_secs_f64() / f64::from(repeats)
    };
    let count = |of: fn(&Asked) -> usize| asked.iter().map(of).sum::<usize>() as u32;
    let fits = clock(1, &mut || {
        for fit in asked.iter().flat_map(|asked| &asked.fits) {
            black_box(fit.run());
        }
    });
    let plans = clock(REPEATS, &mut || {
        for (costs, window) in asked.iter().flat_map(|asked| &asked.plans) {
            black_box(dp::plan(costs, *window)).expect("it was planned before");
        }
    });
    let measuring = clock(REPEATS, &mut || {
        for asked in asked {
            let mut monitor = Monitor::new(1);
            asked.uploads.iter().for_each(|report| monitor.on_upload(*report));
            asked.steps.iter().for_each(|step| monitor.on_draft_step(*step));
            asked.rounds.iter().for_each(|drafted| monitor.on_draft_length(*drafted));
            // As often as an edge asks: at each verdict.
            for _ in &asked.rounds {
                black_box(monitor.estimates());
            }
        }
    });
    [
        (fits, count(|asked| asked.fits.len())),
        (plans, count(|asked| asked.plans.len())),
        (measuring, count(|asked| asked.uploads.len() + asked.steps.len())),
    ]
}
