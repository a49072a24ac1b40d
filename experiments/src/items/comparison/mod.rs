//! Items that compare methods: each method at each place, our figures beside the paper's.

mod plan;
mod references;
mod tables;

use anyhow::{Context as _, Result};
use pipesd_core::seed::Seed;
use pipesd_core::summary::Summary;
use pipesd_sim::energy::Usage;
use pipesd_sim::world::{RunResult, Setup};
use serde::{Deserialize, Serialize};

pub(crate) use self::plan::{Cell, Metric, Place, Plan};
pub(crate) use self::references::{DISTANCE, Lines, TITLES, above, lines_caption, without_method};
use super::{Chance, Context, Report, Role, Row, order};
use crate::input::{Choice, Configuration, command, seed_range};
use crate::runner::{Task, map_kept};
use crate::statistics::Statistic;

/// Runs all configurations and puts ours beside the paper's.
pub(crate) fn run(plan: &Plan, context: &Context<'_>) -> Result<Report> {
    report(plan, context, &simulate(plan, context)?)
}

/// A place and its methods, with all their runs.
pub(crate) struct Compared {
    pub(crate) place: Place,
    pub(crate) methods: Vec<Simulated>,
}

/// A configuration with its runs.
pub(crate) struct Simulated {
    pub(crate) cell: Cell,
    pub(crate) choice: Choice,
    pub(crate) setup: Setup,
    /// One for each seed.
    pub(crate) runs: Vec<Run>,
}

/// What is read off a run.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Run {
    pub(crate) summary: Summary,
    pub(crate) usage: Usage,
}

/// Runs every configuration of the plan.
pub(crate) fn simulate(plan: &Plan, context: &Context<'_>) -> Result<Vec<Compared>> {
    let tokens = context.size.tokens;
    let seeds = seed_range(context.seed, context.size.seeds)?;
    let mut compared = Vec::new();
    for place in plan.places() {
        let mut methods = Vec::new();
        for cell in plan.cells(&place) {
            let choice = Choice {
                profile: place.profile.clone(),
                scenario: place.scenario.clone(),
                method: cell.method.clone(),
                sets: plan.sets(&cell),
            };
            let setup = Configuration::load(&choice)?.setup(tokens, false)?;
            methods.push(Simulated { cell, choice, setup, runs: Vec::new() });
        }
        compared.push(Compared { place, methods });
    }
    let configurations = compared.iter().flat_map(|compared| &compared.methods);
    let tasks: Vec<Task<'_>> = configurations
        .flat_map(|Simulated { choice, setup, .. }| {
            seeds.clone().map(move |seed| Task {
                setup,
                seed: Seed(seed),
                command: command(choice, seed, 1, tokens),
            })
        })
        .collect();
    let results = map_kept(&tasks, "runs", context, |task| {
        let RunResult { summary, usage, .. } = task.run()?;
        Ok(Run { summary, usage })
    })?;
    let mut results = results.into_iter();
    for simulated in compared.iter_mut().flat_map(|compared| &mut compared.methods) {
        simulated.runs = results.by_ref().take(context.size.seeds as usize).collect();
    }
    Ok(compared)
}

/// Rows and tables of what was run.
pub(crate) fn report(plan: &Plan, context: &Context<'_>, compared: &[Compared]) -> Result<Report> {
    let mut report = Report::new(context);
    report.prompts.clone_from(&plan.prompts);
    for Compared { place, methods } in compared {
        for simulated in methods {
            let summaries: Vec<Summary> = simulated.runs.iter().map(|run| run.summary).collect();
            for &metric in &plan.metrics {
                let ours = metric.0.over(&summaries);
                let ours = ours.with_context(|| format!("{} is not measured", metric.key()))?;
                let paper = plan.published(&simulated.cell, metric);
                let role = paper.map_or(Role::Ours, |_| plan.role(&simulated.cell, metric));
                let command = command(
                    &simulated.choice,
                    context.seed,
                    context.size.seeds,
                    context.size.tokens,
                );
                let method = &simulated.cell.method;
                let row = row(place, method, metric.key(), ours, paper, role, command);
                report.rows.push(judged(plan, simulated, metric, row));
            }
        }
    }
    let of_methods = report.rows.clone();
    report.tables.push(tables::comparison(plan, &of_methods));
    report.tables.extend(tables::relative(plan, &of_methods));
    report.tables.extend(tables::errors(plan, &of_methods));
    report.tables.extend(tables::basis(plan));
    report.figures = tables::figures(plan, &of_methods);
    references::add(plan, context, compared, &mut report)?;
    report.notes.extend(order::note(&of_methods));
    report.notes.extend(tables::range_note(plan, &of_methods));
    Ok(report)
}

/// A row with what chance does to it, and why it differs if chance does not account for that.
pub(crate) fn judged(plan: &Plan, simulated: &Simulated, metric: Metric, row: Row) -> Row {
    let row = with_chance(plan, simulated, row);
    let explained = if row.is_unlike() { plan.explained(&simulated.cell, metric) } else { None };
    Row { explained, ..row }
}

/// A row with what the prompts of its published value do to it by chance.
pub(crate) fn with_chance(plan: &Plan, simulated: &Simulated, row: Row) -> Row {
    let of_paper = plan.prompts.as_ref().filter(|_| row.paper.is_some());
    let chance = of_paper.and_then(|prompts| Chance::of(&simulated.setup, &row.ours, prompts));
    Row { chance, ..row }
}

/// A row at `place`.
pub(crate) fn row(
    place: &Place,
    method: &str,
    metric: &str,
    ours: Statistic,
    paper: Option<f64>,
    role: Role,
    command: String,
) -> Row {
    Row {
        variant: place.variant.clone(),
        x: place.x(),
        y: place.y(),
        paper,
        role,
        command,
        ..Row::ours(&place.profile, &place.scenario, method, metric, ours)
    }
}
