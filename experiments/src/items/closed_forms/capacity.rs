//! A target that many edges share: how many tokens a second it gives when the edges draft, and when it
//! drafts for them.

use anyhow::{Context as _, Result};
use pipesd_sim::closed_form::{capacity_gain, tokens_per_round};
use serde::Deserialize;
use serde_json::json;

use super::split::{Bench, Split};
use super::{Outcome, Part, Place, largest, off_pct, text};
use crate::items::{Context, Table};
use crate::runner::map_kept;

#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Plan {
    acceptance: f64,
    verify_ms: f64,
    round_trip_ms: f64,
    edges: Vec<u32>,
    split_tokens_per_s: f64,
    colocated_tokens_per_s: f64,
    tolerance_pct: f64,
}

/// Where the drafting is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Drafting {
    OnEdges,
    OnServer,
}

impl Drafting {
    const BOTH: [Self; 2] = [Self::OnEdges, Self::OnServer];

    const fn name(self) -> &'static str {
        match self {
            Self::OnEdges => "split",
            Self::OnServer => "co-located",
        }
    }
}

/// Edges share the tokens that one edge has elsewhere: there are many of them.
const SHARE: u64 = 5;

/// Throughput by the formula: as many edges as there are go round, until the target never rests.
fn formula(split: &Split, acceptance: f64) -> f64 {
    let round = split.round();
    let pass_ms = round.verify_base_ms + f64::from(round.length) * round.verify_ms;
    let rounds_per_ms = (f64::from(split.edges) / round.ms()).min(1.0 / pass_ms);
    1e3 * tokens_per_round(acceptance, split.length) * rounds_per_ms
}

pub(super) fn run(all: &super::Plan, bench: &Bench, context: &Context<'_>) -> Result<Part> {
    let plan = &all.capacity;
    let Plan { acceptance, verify_ms, round_trip_ms, .. } = *plan;
    let of = |drafting, edges| match drafting {
        Drafting::OnEdges => Split { edges, ..all.break_even.split(verify_ms, round_trip_ms) },
        Drafting::OnServer => Split { edges, ..all.break_even.colocated(verify_ms) },
    };
    let tokens = (context.size.tokens / SHARE).max(1);
    let text = text(bench, acceptance, tokens, all.break_even.draft_length);
    let mut tasks = Vec::new();
    for drafting in Drafting::BOTH {
        tasks.extend(plan.edges.iter().map(|&edges| (drafting, of(drafting, edges))));
    }
    let found = map_kept(&tasks, "capacity", context, |(_, split)| {
        // Every edge decodes all the time: together they give a token for each of their shares of it.
        Ok(1e3 * f64::from(split.edges) / bench.tpt_ms(split, &text)?)
    })?;
    let mut part = Part::default();
    let most = |wanted: Drafting| {
        let here = tasks.iter().zip(&found).filter(|((drafting, _), _)| *drafting == wanted);
        here.map(|((_, split), tokens)| (split, *tokens)).next_back()
    };
    let saturated = |drafting| most(drafting).context("a plan has numbers of edges");
    let (split, colocated) = (saturated(Drafting::OnEdges)?, saturated(Drafting::OnServer)?);
    let errors = tasks
        .iter()
        .zip(&found)
        .map(|((_, split), tokens)| off_pct(*tokens, formula(split, acceptance)));
    part.outcomes.push(outcome(all, [split.1, colocated.1], largest(errors)));
    for ((drafting, split), tokens) in tasks.iter().zip(&found) {
        let [x, y] = [Some(f64::from(split.edges)), None];
        let place = Place { source: &all.break_even.source, variant: drafting.name(), x, y };
        let published = match drafting {
            Drafting::OnEdges => plan.split_tokens_per_s,
            Drafting::OnServer => plan.colocated_tokens_per_s,
        };
        let published = Some(published).filter(|_| Some(&split.edges) == plan.edges.last());
        let formula = Some(formula(split, acceptance));
        part.rows.extend(place.rows("tokens_per_s", Some(*tokens), formula, published));
    }
    part.tables.push(table(plan, &tasks, &found));
    Ok(part)
}

fn outcome(all: &super::Plan, [split, colocated]: [f64; 2], formula_pct: f64) -> Outcome {
    let Plan { verify_ms, split_tokens_per_s, colocated_tokens_per_s, tolerance_pct, .. } =
        all.capacity;
    let gain = capacity_gain(all.break_even.draft_length, all.break_even.draft_ms, verify_ms);
    let errors = [
        off_pct(split, split_tokens_per_s),
        off_pct(colocated, colocated_tokens_per_s),
        off_pct(split / colocated, gain),
    ];
    let worst = largest(errors);
    Outcome {
        key: "capacity",
        asked: format!(
            "{split_tokens_per_s} tokens/s split, {colocated_tokens_per_s} co-located, {gain} times as many \
             users, within {tolerance_pct} %"
        ),
        found: format!(
            "{split:.2}, {colocated:.2}, {:.3} times ({worst:.2} % at most); any number of edges within \
             {formula_pct:.2} % of the formula",
            split / colocated
        ),
        met: Some(worst <= tolerance_pct),
        values: json!({ "split_tokens_per_s": split, "colocated_tokens_per_s": colocated,
            "gain": split / colocated, "formula_gain": gain, "max_error_pct": worst,
            "max_error_to_formula_pct": formula_pct }),
    }
}

fn table(plan: &Plan, tasks: &[(Drafting, Split)], found: &[f64]) -> Table {
    let titles: Vec<String> = plan
        .edges
        .iter()
        .map(|edges| if *edges == 1 { "1 edge".to_owned() } else { edges.to_string() })
        .collect();
    let mut header = vec!["drafting"];
    header.extend(titles.iter().map(String::as_str));
    let caption = format!(
        "Tokens per second of one target by the number of edges: simulated (formula) error; α = {}, a pass \
         of {} ms, round trip {} ms",
        plan.acceptance, plan.verify_ms, plan.round_trip_ms
    );
    let mut table = Table::new(caption, &header, 1);
    let columns = plan.edges.len();
    for (tasks, found) in tasks.chunks(columns).zip(found.chunks(columns)) {
        let mut line = vec![tasks[0].0.name().to_owned()];
        line.extend(tasks.iter().zip(found).map(|((_, split), tokens)| {
            super::beside(*tokens, formula(split, plan.acceptance), 1)
        }));
        table.rows.push(line);
    }
    table
}
