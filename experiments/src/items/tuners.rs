//! Table 3: what searches for thresholds end with, at equal budgets.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result};
use pipesd_core::seed::Seed;
use serde::Deserialize;

use super::comparison::{DISTANCE, Lines, TITLES, above, lines_caption, without_method};
use super::{Context, Report, Role, Row, Table};
use crate::cli::Strategy;
use crate::input::{Choice, Configuration};
use crate::runner::map_kept;
use crate::search::{
    Budget, VALIDATION_SEEDS, VALIDATION_TOKENS, search, search_seeds, threshold_keys, validate,
};
use crate::statistics::Statistic;

/// A plan's body.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Plan {
    profiles: Vec<String>,
    scenario: String,
    method: String,
    evaluations: u32,
    /// A second budget for the first profile: output tokens of each candidate.
    more_tokens: u64,
    /// By profile and strategy \[ms\], at the first budget.
    published: BTreeMap<String, BTreeMap<String, f64>>,
}

const STRATEGIES: [Strategy; 5] = Strategy::ALL;

pub(super) fn run(plan: &Plan, context: &Context<'_>) -> Result<Report> {
    let mut report = Report::new(context);
    let mut header = vec!["dataset", "tokens a candidate", "without tuning"];
    header.extend(STRATEGIES.map(Strategy::word));
    let mut table = Table::new("Time per token (ms) with the thresholds found", &header, 1);
    let mut header = vec!["dataset"];
    header.extend(TITLES);
    let judging: Vec<Seed> = VALIDATION_SEEDS.map(Seed).collect();
    let mut references = Table::new(lines_caption(judging.len(), false, false), &header, 1);
    for profile in &plan.profiles {
        let choice = Choice {
            profile: profile.clone(),
            scenario: plan.scenario.clone(),
            method: plan.method.clone(),
            sets: Vec::new(),
        };
        let configuration = Configuration::load(&choice)?;
        let untuned = validate(&configuration)?;
        // On the prompts that judge what was found.
        let setup = without_method(&configuration.setup(VALIDATION_TOKENS, false)?);
        let stage = format!("{profile}, references");
        let lines = map_kept(&[setup], &stage, context, |setup| Lines::of(setup, &judging))?;
        let lines = lines.first().context("one place has one set of lines")?;
        references.rows.push([vec![profile.clone()], lines.cells()].concat());
        let more = (*profile == plan.profiles[0]).then_some(plan.more_tokens);
        for tokens in std::iter::once(context.size.tokens).chain(more) {
            let budget = Budget { evaluations: plan.evaluations, tokens };
            let stage = format!("{profile}, {tokens} tokens");
            let found = searches(&configuration, budget, &stage, context)?;
            let variant = Some(format!("{tokens} tokens"));
            let published =
                (tokens == context.head.size.tokens).then(|| plan.published.get(profile)).flatten();
            let mut line = vec![profile.clone(), tokens.to_string(), format!("{untuned:.0}")];
            for (strategy, values) in STRATEGIES.iter().zip(&found) {
                let paper = published.and_then(|values| values.get(strategy.word())).copied();
                let (name, ours) = (strategy.word(), Statistic::of(values));
                let row = Row {
                    variant: variant.clone(),
                    paper,
                    role: paper.map_or(Role::Ours, |_| Role::Prediction),
                    command: command(plan, profile, *strategy, tokens, context),
                    ..Row::ours(profile, &plan.scenario, name, "tpt_ms", ours)
                };
                line.push(cell(&row));
                let command = row.command.clone();
                report.rows.push(row);
                let Some(bound) = lines.bound_ms() else { continue };
                let times = values.iter().map(|&tpt_ms| {
                    let what = format!("what a {name} search found");
                    above(tpt_ms, bound, &what)
                });
                let distance = Statistic::of(&times.collect::<Result<Vec<f64>>>()?);
                let distance = Row::ours(profile, &plan.scenario, name, DISTANCE, distance);
                report.rows.push(Row { variant: variant.clone(), command, ..distance });
            }
            table.rows.push(line);
            for (name, metric, value) in lines.named() {
                let line = Row::ours(profile, &plan.scenario, name, metric, value);
                let role = Role::Reference;
                report.rows.push(Row { variant: variant.clone(), role, ..line });
            }
        }
    }
    report.tables.push(table);
    report.tables.push(references);
    Ok(report)
}

/// What the searches of each strategy end with \[ms\], one for each seed.
fn searches(
    configuration: &Configuration,
    budget: Budget,
    stage: &str,
    context: &Context<'_>,
) -> Result<Vec<Vec<f64>>> {
    let keys = threshold_keys(configuration)?;
    let seeds = search_seeds(context.seed, context.size.seeds)?;
    let tasks: Vec<(Strategy, u64)> =
        STRATEGIES.iter().flat_map(|&s| seeds.clone().map(move |seed| (s, seed))).collect();
    let found = map_kept(&tasks, stage, context, |&(strategy, seed)| {
        search(configuration, &keys, strategy, budget, seed)
            .map(|found| found.tpt_ms)
            .with_context(|| format!("the {} search with seed {seed}", strategy.word()))
    })?;
    Ok(found.chunks(context.size.seeds as usize).map(<[f64]>::to_vec).collect())
}

/// Mean, interval, and the paper's value with our error.
fn cell(row: &Row) -> String {
    let mut text = format!("{:.0}", row.ours.mean);
    if let Some([low, high]) = row.ours.ci95 {
        text.push_str(&format!(" [{low:.0}, {high:.0}]"));
    }
    if let (Some(paper), Some(error)) = (row.paper, row.error_pct()) {
        text.push_str(&format!(" ({paper:.0}) {error:+.1} %"));
    }
    text
}

fn command(
    plan: &Plan,
    profile: &str,
    strategy: Strategy,
    tokens: u64,
    context: &Context<'_>,
) -> String {
    format!(
        "pipesd tune --profile {profile} --scenario {} --method {} --strategy {} --evaluations {} --tokens \
         {tokens} --seed {} --searches {}",
        plan.scenario,
        plan.method,
        strategy.word(),
        plan.evaluations,
        context.seed,
        context.size.seeds,
    )
}
