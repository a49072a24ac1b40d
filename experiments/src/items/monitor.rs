//! Fig. 6: what an edge measures of its link and its draft model, and what its monitor makes of it.

use std::collections::BTreeMap;

use anyhow::Result;
use pipesd_core::message::UploadReport;
use pipesd_core::monitor::{Estimates, Monitor};
use pipesd_core::seed::Seed;
use pipesd_core::time::{Duration, as_millis};
use pipesd_sim::link::LinkConfig;
use pipesd_sim::world::Recording;
use serde::Deserialize;

use super::recorded::{draft_steps, upload_reports};
use super::{Context, Report, Role, Row, Table};
use crate::input::{Choice, Configuration, command, seed_range};
use crate::runner::{Task, run_all};
use crate::statistics::Statistic;

/// A plan's body.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Plan {
    profile: String,
    scenario: String,
    method: String,
    set: Vec<String>,
    /// Positions that are shown as one point.
    positions: u32,
    /// The paper's mean draft time \[ms\].
    published_draft_ms: f64,
}

pub(super) fn run(plan: &Plan, context: &Context<'_>) -> Result<Report> {
    let choice = Choice {
        profile: plan.profile.clone(),
        scenario: plan.scenario.clone(),
        method: plan.method.clone(),
        sets: plan.set.clone(),
    };
    let tokens = context.size.tokens;
    let setup = Configuration::load(&choice)?.setup(tokens, true)?;
    let tasks: Vec<Task<'_>> = seed_range(context.seed, context.size.seeds)?
        .map(|seed| Task {
            setup: &setup,
            seed: Seed(seed),
            command: command(&choice, seed, 1, tokens),
        })
        .collect();
    let runs = run_all(&tasks, &context.head.item, context.jobs)?;
    let seen: Vec<Seen> =
        runs.iter().map(|run| Seen::of(run.recording.as_ref().expect("recorded"))).collect();
    let mut report = Report::new(context);
    let rows = Rows {
        plan,
        command: command(&choice, context.seed, context.size.seeds, tokens),
        rows: Vec::new(),
    };
    report.rows = rows.uploads(&seen).drafts(&seen).rows;
    report.tables.push(table(plan, &setup.uplink, &seen));
    Ok(report)
}

/// What one edge measured, and what its monitor believed in the end.
struct Seen {
    /// Tokens and duration \[ms\] of each upload.
    uploads: Vec<(u32, f64)>,
    /// Output position and duration \[ms\] of each draft step.
    steps: Vec<(u32, f64)>,
    estimates: Estimates,
}

impl Seen {
    /// Reads a recording as the edge lived it.
    fn of(recording: &Recording) -> Self {
        let mut monitor = Monitor::new(1);
        let (reports, steps) = (upload_reports(recording), draft_steps(recording));
        reports.iter().for_each(|(report, _)| monitor.on_upload(*report));
        steps.iter().for_each(|(_, took)| monitor.on_draft_step(*took));
        let of_upload = |(report, _): &(UploadReport, bool)| (report.tokens, ms(report.transfer));
        Self {
            uploads: reports.iter().map(of_upload).collect(),
            steps: steps.iter().map(|&(position, took)| (position, ms(took))).collect(),
            estimates: monitor.estimates(),
        }
    }

    fn fitted(&self) -> [f64; 3] {
        let Estimates { startup, per_token, draft } = self.estimates;
        [startup, per_token, draft].map(|value| value.map_or(0.0, ms))
    }
}

fn ms(duration: Duration) -> f64 {
    as_millis(duration)
}

/// Rows in the making.
struct Rows<'a> {
    plan: &'a Plan,
    command: String,
    rows: Vec<Row>,
}

impl Rows<'_> {
    fn push(&mut self, metric: &str, method: &str, x: f64, values: &[f64], paper: Option<f64>) {
        let Plan { profile, scenario, .. } = self.plan;
        self.rows.push(Row {
            x: Some(x),
            paper,
            // Flatness and spread of the profile's step are the paper's figure's.
            role: paper.map_or(Role::Ours, |_| Role::InSample),
            command: self.command.clone(),
            ..Row::ours(profile, scenario, method, metric, Statistic::of(values))
        });
    }

    /// Durations by size, and the monitors' lines over the same sizes.
    fn uploads(mut self, seen: &[Seen]) -> Self {
        let by_tokens = grouped(seen.iter().flat_map(|seen| seen.uploads.iter().copied()));
        for (&tokens, values) in &by_tokens {
            self.push("upload_ms", "measured", f64::from(tokens), values, None);
        }
        for &tokens in by_tokens.keys() {
            let line = |seen: &Seen| {
                let [startup, per_token, _] = seen.fitted();
                startup + per_token * f64::from(tokens)
            };
            let values: Vec<f64> = seen.iter().map(line).collect();
            self.push("upload_ms", "fitted", f64::from(tokens), &values, None);
        }
        self
    }

    /// Durations by position, some positions together, and the monitors' means.
    fn drafts(mut self, seen: &[Seen]) -> Self {
        let width = self.plan.positions;
        let steps = seen.iter().flat_map(|seen| seen.steps.iter());
        let by_place = grouped(steps.map(|&(position, took)| (position / width, took)));
        let fitted: Vec<f64> = seen.iter().map(|seen| seen.fitted()[2]).collect();
        let paper = Some(self.plan.published_draft_ms);
        let middle = |place: u32| f64::from(place * width) + f64::from(width) / 2.0;
        for (&place, values) in &by_place {
            self.push("draft_ms", "measured", middle(place), values, paper);
        }
        for &place in by_place.keys() {
            self.push("draft_ms", "fitted", middle(place), &fitted, paper);
        }
        self
    }
}

fn grouped(values: impl Iterator<Item = (u32, f64)>) -> BTreeMap<u32, Vec<f64>> {
    let mut groups: BTreeMap<u32, Vec<f64>> = BTreeMap::new();
    for (group, value) in values {
        groups.entry(group).or_default().push(value);
    }
    groups
}

/// The start-up of the link that was measured.
fn configured(uplink: &LinkConfig) -> String {
    match uplink {
        LinkConfig::Affine(link) => format!("{} (configured)", ms(link.startup)),
        LinkConfig::Packet(_) => String::new(),
    }
}

fn table(plan: &Plan, uplink: &LinkConfig, seen: &[Seen]) -> Table {
    let mut table = Table::new(
        "What the monitors believed in the end",
        &["estimate", "mean", "sd", "paper"],
        1,
    );
    let paper =
        [configured(uplink), String::new(), format!("{} (model alone)", plan.published_draft_ms)];
    let names = ["α: start-up (ms)", "β: upload of a token (ms)", "γ: draft step (ms)"];
    for (index, (name, paper)) in names.into_iter().zip(paper).enumerate() {
        let values: Vec<f64> = seen.iter().map(|seen| seen.fitted()[index]).collect();
        let statistic = Statistic::of(&values);
        let sd = statistic.sd.map(|sd| format!("{sd:.2}")).unwrap_or_default();
        table.rows.push(vec![name.to_owned(), format!("{:.2}", statistic.mean), sd, paper]);
    }
    table
}
