//! `pipesd reproduce`: tables of the paper beside ours.

mod report;

use anyhow::{Context, Result};
use pipesd_core::seed::Seed;
use pipesd_core::summary::Summary;
use pipesd_sim::world::Setup;

use self::report::{Compared, Report};
use crate::cli::Reproduce;
use crate::input::{Choice, Configuration, bad_input, command, seed_range};
use crate::output;
use crate::plan::{Cell, Plan};
use crate::runner::{Task, run_all};

pub(crate) fn run(options: &Reproduce) -> Result<()> {
    let plans = chosen(&options.items)?;
    for plan in &plans {
        // Before the work, so that a folder that cannot be written costs none.
        output::make_folder(&options.out.join(&plan.item))?;
    }
    let mut documents = Vec::new();
    for plan in &plans {
        let report = compare(plan, options)?;
        let document = report.json();
        if !options.json {
            output::print(&report.text())?;
        }
        let folder = options.out.join(&plan.item);
        output::write_file(&folder.join("rows.csv"), &report.csv())?;
        output::write_file(&folder.join("summary.json"), &output::json(&document))?;
        documents.push(document);
    }
    // One document: an item's own, or a list of them.
    match (options.json, &documents[..]) {
        (false, _) => Ok(()),
        (true, [document]) => output::print_json(document),
        (true, documents) => output::print_json(&documents),
    }
}

fn chosen(items: &[String]) -> Result<Vec<Plan>> {
    let shipped = Plan::shipped();
    let known: Vec<&str> = shipped.iter().map(|plan| plan.item.as_str()).collect();
    if let Some(unknown) = items.iter().find(|item| !known.contains(&item.as_str())) {
        let known = known.join(", ");
        return Err(bad_input!("reproduce {unknown}: no such item; the items are {known}").into());
    }
    Ok(shipped.into_iter().filter(|plan| items.is_empty() || items.contains(&plan.item)).collect())
}

/// A configuration of the plan with what is needed to run it.
struct Prepared {
    cell: Cell,
    choice: Choice,
    setup: Setup,
}

fn compare(plan: &Plan, options: &Reproduce) -> Result<Report> {
    let seeds = options.seeds.unwrap_or(plan.seeds);
    let tokens = options.tokens.unwrap_or(plan.tokens);
    let range = seed_range(options.seed, seeds)?;
    let mut prepared = Vec::new();
    for cell in plan.cells() {
        let choice = Choice {
            profile: cell.profile.clone(),
            scenario: cell.scenario.clone(),
            method: cell.method.clone(),
            sets: plan.sets(&cell),
        };
        let setup = Configuration::load(&choice)?.setup(tokens, false)?;
        prepared.push(Prepared { cell, choice, setup });
    }
    let tasks: Vec<Task<'_>> = prepared
        .iter()
        .flat_map(|Prepared { choice, setup, .. }| {
            range.clone().map(move |seed| Task {
                setup,
                seed: Seed(seed),
                command: command(choice, seed, 1, tokens),
            })
        })
        .collect();
    let results = run_all(&tasks, options.jobs)?;
    let mut compared = Vec::new();
    for (Prepared { cell, choice, .. }, runs) in
        prepared.into_iter().zip(results.chunks(seeds as usize))
    {
        let summaries: Vec<Summary> = runs.iter().map(|run| run.summary).collect();
        let figures: Result<Vec<_>> = plan
            .metrics
            .iter()
            .map(|metric| {
                let ours = metric.0.over(&summaries);
                let ours = ours.with_context(|| format!("{} is not measured", metric.key()))?;
                Ok((*metric, ours, plan.published(&cell, *metric)))
            })
            .collect();
        let figures = figures?;
        let role = plan.role(&cell);
        let command = command(&choice, options.seed, seeds, tokens);
        compared.push(Compared { cell, role, figures, command });
    }
    Ok(Report::new(plan, options.seed, seeds, tokens, compared))
}
