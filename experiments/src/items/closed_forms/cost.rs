//! UCB-SpecStop's cost a token by draft length and delay, its best lengths and critical delays.

use std::sync::Arc;

use anyhow::Result;
use pipesd_core::trace::Trace;
use pipesd_sim::closed_form::Costs;
use serde::Deserialize;
use serde_json::json;

use super::split::{Bench, Split, crossing};
use super::{Outcome, Part, Place, largest, off_pct, text, text_error_pct};
use crate::items::{Context, Table};
use crate::runner::map_kept;

#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Plan {
    source: String,
    pub(super) acceptance: f64,
    draft_ms: f64,
    verify_ms: f64,
    pub(super) lengths: Vec<u32>,
    length_max: u32,
    tolerance_pct: f64,
    tie_pct: f64,
    pub(super) drawn_delay_ms: f64,
    published: Vec<Line>,
    critical: Vec<Critical>,
}

/// What is published for a delay: a cost for each length, and the best of all lengths.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    delay_ms: f64,
    cost_ms: Vec<f64>,
    best_length: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Critical {
    acceptance: f64,
    delay_ms: f64,
}

/// How many times as long the texts of critical delays are: where two costs cross, errors of the text
/// count most.
const CRITICAL_TOKENS: u64 = 4;
/// No critical delay of any use lies beyond \[ms\].
const DELAY_MAX_MS: f64 = 1000.0;

impl Plan {
    /// A pass over k drafts takes k + 1 times the verification of one.
    pub(super) const fn split(&self, length: u32, delay_ms: f64) -> Split {
        Split {
            length,
            draft_ms: self.draft_ms,
            verify_base_ms: self.verify_ms,
            verify_ms: self.verify_ms,
            delay_ms,
            startup_ms: 0.0,
            edges: 1,
        }
    }

    const fn costs(&self) -> Costs {
        Costs { draft_ms: self.draft_ms, verify_ms: self.verify_ms }
    }

    fn formula(&self, length: u32, delay_ms: f64) -> f64 {
        self.costs().cost_ms(self.acceptance, length, delay_ms)
    }
}

pub(super) fn run(plan: &Plan, bench: &Bench, context: &Context<'_>) -> Result<Part> {
    let text = text(bench, plan.acceptance, context.size.tokens, plan.length_max);
    let lengths: Vec<u32> = (1..=plan.length_max).collect();
    let mut tasks = Vec::new();
    for line in &plan.published {
        tasks.extend(lengths.iter().map(|&length| plan.split(length, line.delay_ms)));
    }
    let costs = map_kept(&tasks, "costs", context, |split| bench.tpt_ms(split, &text))?;
    // A delay's costs of all lengths, the shortest first.
    let costs: Vec<&[f64]> = costs.chunks(lengths.len()).collect();
    let mut part = Part::default();
    part.outcomes.push(against_published(plan, &costs, &text));
    part.outcomes.push(best_lengths(plan, &costs));
    part.tables.push(table(plan, &costs));
    for (line, costs) in plan.published.iter().zip(&costs) {
        for (&length, &cost) in lengths.iter().zip(*costs) {
            let [x, y] = [Some(f64::from(length)), Some(line.delay_ms)];
            let place = Place { source: &plan.source, variant: "", x, y };
            let formula = plan.formula(length, line.delay_ms);
            let at = plan.lengths.iter().position(|other| *other == length);
            let published = at.and_then(|at| line.cost_ms.get(at).copied());
            part.rows.extend(place.rows("cost_ms", Some(cost), Some(formula), published));
        }
        let place = Place { source: &plan.source, variant: "", x: None, y: Some(line.delay_ms) };
        let rule = plan.costs().best_length(plan.acceptance, line.delay_ms);
        let [found, rule, published] =
            [best(costs), rule, line.best_length].map(|length| Some(f64::from(length)));
        part.rows.extend(place.rows("best_length", found, rule, published));
    }
    critical(plan, bench, context, &mut part)?;
    Ok(part)
}

/// The length with the least cost, the shortest of equal ones.
fn best(costs: &[f64]) -> u32 {
    let least = costs.iter().copied().fold(f64::INFINITY, f64::min);
    1 + costs.iter().take_while(|cost| **cost > least).count() as u32
}

fn against_published(plan: &Plan, costs: &[&[f64]], text: &Trace) -> Outcome {
    let (mut errors, mut cells) = (Vec::new(), Vec::new());
    for (line, costs) in plan.published.iter().zip(costs) {
        for (&length, &published) in plan.lengths.iter().zip(&line.cost_ms) {
            let cost = costs[length as usize - 1];
            let error = off_pct(cost, published);
            errors.push(error);
            cells.push(json!({ "delay_ms": line.delay_ms, "length": length, "simulated_ms": cost,
                "formula_ms": plan.formula(length, line.delay_ms), "published_ms": published,
                "error_pct": error }));
        }
    }
    let formula = plan.published.iter().zip(costs).flat_map(|(line, costs)| {
        (1..).zip(*costs).map(|(length, cost)| off_pct(*cost, plan.formula(length, line.delay_ms)))
    });
    let (worst, formula) = (largest(errors.iter().copied()), largest(formula));
    let of_text = (1..=plan.length_max).map(|k| text_error_pct(text, plan.acceptance, k));
    let of_text = largest(of_text);
    Outcome {
        key: "cost",
        asked: format!("{} published costs within {} %", errors.len(), plan.tolerance_pct),
        found: format!(
            "{} within {worst:.3} %; all lengths within {formula:.4} % of the formula, the text within \
             {of_text:.4} % of its law",
            errors.len()
        ),
        met: Some(worst <= plan.tolerance_pct),
        values: json!({ "cells": cells, "max_error_pct": worst, "max_error_to_formula_pct": formula,
            "text_error_pct": of_text }),
    }
}

fn best_lengths(plan: &Plan, costs: &[&[f64]]) -> Outcome {
    let (mut equal, mut tied, mut listed) = (0, 0, Vec::new());
    for (line, costs) in plan.published.iter().zip(costs) {
        let best = best(costs);
        let behind = costs.get(line.best_length as usize - 1);
        let behind = behind.map_or(f64::INFINITY, |cost| off_pct(*cost, costs[best as usize - 1]));
        equal += u32::from(best == line.best_length);
        tied += u32::from(best != line.best_length && behind <= plan.tie_pct);
        listed.push(json!({ "delay_ms": line.delay_ms, "simulated": best,
            "rule": plan.costs().best_length(plan.acceptance, line.delay_ms),
            "published": line.best_length, "published_costs_more_pct": behind }));
    }
    let all = plan.published.len() as u32;
    Outcome {
        key: "best_length",
        asked: format!("{all} published lengths equal, or tied within {} %", plan.tie_pct),
        found: format!("{equal} equal, {tied} tied"),
        met: Some(equal + tied == all),
        values: json!({ "delays": listed, "equal": equal, "tied": tied }),
    }
}

fn table(plan: &Plan, costs: &[&[f64]]) -> Table {
    let titles: Vec<String> = plan.lengths.iter().map(|length| format!("k = {length}")).collect();
    let mut header = vec!["one-way delay (ms)"];
    header.extend(titles.iter().map(String::as_str));
    header.push("best k");
    let caption = format!(
        "Cost a token (ms) by draft length k: simulated (published) error; α = {}, c_d = {} ms, c_v = {} \
         ms. Best of k = 1 to {}: simulated, in brackets published",
        plan.acceptance, plan.draft_ms, plan.verify_ms, plan.length_max
    );
    let mut table = Table::new(caption, &header, 1);
    for (line, costs) in plan.published.iter().zip(costs) {
        let mut cells = vec![line.delay_ms.to_string()];
        cells.extend(
            plan.lengths.iter().zip(&line.cost_ms).map(|(&length, &published)| {
                super::beside(costs[length as usize - 1], published, 2)
            }),
        );
        cells.push(format!("{} ({})", best(costs), line.best_length));
        table.rows.push(cells);
    }
    table
}

/// The delays at which one draft costs what two do.
fn critical(plan: &Plan, bench: &Bench, context: &Context<'_>, part: &mut Part) -> Result<()> {
    let found: Vec<f64> = map_kept(&plan.critical, "critical", context, |critical| {
        let tokens = CRITICAL_TOKENS.saturating_mul(context.size.tokens);
        let text: Arc<Trace> = text(bench, critical.acceptance, tokens, 2);
        let cost = |length, delay_ms| bench.tpt_ms(&plan.split(length, delay_ms), &text);
        let found = crossing(DELAY_MAX_MS, |delay| Ok(cost(1, delay)? - cost(2, delay)?))?;
        Ok(found.unwrap_or(0.0))
    })?;
    let mut listed = Vec::new();
    let titles: Vec<String> =
        plan.critical.iter().map(|critical| format!("α = {}", critical.acceptance)).collect();
    let mut header = vec!["one-way delay (ms)"];
    header.extend(titles.iter().map(String::as_str));
    let caption = "Critical delay, at which k = 1 and k = 2 tie: simulated (published) error";
    let mut table = Table::new(caption, &header, 1);
    let mut line = vec!["one draft costs what two do".to_owned()];
    for (critical, &found) in plan.critical.iter().zip(&found) {
        let formula = plan.costs().critical_delay_ms(critical.acceptance);
        line.push(super::beside(found, critical.delay_ms, 4));
        let y = Some(critical.acceptance);
        let place = Place { source: &plan.source, variant: "", x: None, y };
        part.rows.extend(place.rows(
            "critical_delay_ms",
            Some(found),
            Some(formula),
            Some(critical.delay_ms),
        ));
        listed.push(json!({ "acceptance": critical.acceptance, "simulated_ms": found,
            "formula_ms": formula, "published_ms": critical.delay_ms }));
    }
    table.rows.push(line);
    part.tables.push(table);
    let errors = plan.critical.iter().zip(&found).map(|(c, found)| off_pct(*found, c.delay_ms));
    let worst = largest(errors);
    part.outcomes.push(Outcome {
        key: "critical_delay",
        asked: format!("{} published delays within {} %", found.len(), plan.tolerance_pct),
        found: format!("{} within {worst:.3} %", found.len()),
        met: Some(worst <= plan.tolerance_pct),
        values: json!({ "delays": listed, "max_error_pct": worst }),
    });
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_equal_costs_the_shorter_length_is_the_best() {
        assert_eq!(best(&[3.0, 2.0, 2.0, 2.5]), 2);
        assert_eq!(best(&[1.0]), 1);
    }
}
