//! The same closed forms on ordinary drawn texts, reached by public keys alone: within sampling noise.

use anyhow::Result;
use pipesd_core::seed::Seed;
use pipesd_sim::closed_form::{tokens_per_round, tokens_variance};
use pipesd_sim::world::run as simulate;
use serde_json::json;

use super::split::{Bench, Split};
use super::{FORMULA, Outcome, Part, Place, SIMULATED};
use crate::input::seed_range;
use crate::items::{Context, Row, Table};
use crate::runner::map_kept;
use crate::statistics::Statistic;

/// A split on drawn texts.
struct Cell {
    acceptance: f64,
    split: Split,
}

/// Standard errors within which every cell has to be: of nine, one in 1800 sets of seeds has one beyond.
const BEYOND: f64 = 4.0;

pub(super) fn run(all: &super::Plan, bench: &Bench, context: &Context<'_>) -> Result<Part> {
    let mut cells = Vec::new();
    for &length in &all.cost.lengths {
        let split = all.cost.split(length, all.cost.drawn_delay_ms);
        cells.push(Cell { acceptance: all.cost.acceptance, split });
    }
    // The four acceptances of the other theory, over a round trip of 100 ms.
    for &acceptance in &all.break_even.acceptances {
        cells.push(Cell { acceptance, split: all.break_even.split(50.0, 100.0) });
    }
    let size = context.size;
    let seeds: Vec<u64> = seed_range(context.seed, size.seeds)?.collect();
    let mut tasks = Vec::new();
    for cell in &cells {
        tasks.extend(seeds.iter().map(|&seed| (cell, seed)));
    }
    let runs: Vec<(f64, u64)> = map_kept(&tasks, "drawn", context, |(cell, seed)| {
        let (setup, _) = bench.drawn(&cell.split, cell.acceptance, size.tokens, size.seeds)?;
        let run = simulate(&setup, Seed(*seed))?;
        Ok((run.summary.tpt_ms, run.counts.iter().map(|counts| counts.navs_answered).sum()))
    })?;
    let header = ["α", "k", "delay (ms)", "simulated [95 %]", "formula", "standard errors apart"];
    let caption = format!(
        "Cost a token (ms) on drawn texts, {} runs of {} tokens each, by public keys alone",
        size.seeds, size.tokens
    );
    let mut table = Table::new(caption, &header, 0);
    let mut part = Part::default();
    let (mut worst, mut listed): (f64, Vec<_>) = (0.0, Vec::new());
    for (cell, runs) in cells.iter().zip(runs.chunks(seeds.len())) {
        let judged = judge(cell, runs);
        worst = worst.max(judged.apart.abs());
        table.rows.push(judged.line(cell));
        listed.push(json!({ "acceptance": cell.acceptance, "length": cell.split.length,
            "delay_ms": cell.split.delay_ms, "simulated_ms": judged.ours.mean,
            "formula_ms": judged.formula_ms, "standard_error_ms": judged.error_ms,
            "standard_errors_apart": judged.apart }));
        let (_, command) = bench.drawn(&cell.split, cell.acceptance, size.tokens, size.seeds)?;
        part.rows.extend(judged.rows(cell, command));
    }
    part.tables.push(table);
    part.outcomes.push(Outcome {
        key: "drawn",
        asked: format!("{} costs within {BEYOND} standard errors of the formula", cells.len()),
        found: format!("within {worst:.1} standard errors at most"),
        met: Some(worst <= BEYOND),
        values: json!({ "cells": listed, "max_standard_errors": worst }),
    });
    Ok(part)
}

/// Drawn runs of a cell, held against the formula.
struct Judged {
    ours: Statistic,
    formula_ms: f64,
    /// Of the mean, by the law's own variance: that of a few runs is itself a draw.
    error_ms: f64,
    apart: f64,
}

fn judge(cell: &Cell, runs: &[(f64, u64)]) -> Judged {
    let Cell { acceptance, split } = cell;
    let tokens = tokens_per_round(*acceptance, split.length);
    let formula_ms = split.round().ms() / tokens;
    let rounds: u64 = runs.iter().map(|(_, rounds)| rounds).sum();
    let variance = tokens_variance(*acceptance, split.length) / rounds as f64;
    let error_ms = formula_ms * libm::sqrt(variance) / tokens;
    let times: Vec<f64> = runs.iter().map(|(time, _)| *time).collect();
    let ours = Statistic::of(&times);
    Judged { ours, formula_ms, error_ms, apart: (ours.mean - formula_ms) / error_ms }
}

impl Judged {
    fn line(&self, cell: &Cell) -> Vec<String> {
        let Self { ours, formula_ms, apart, .. } = self;
        let interval =
            ours.ci95.map(|[low, high]| format!(" [{low:.2}, {high:.2}]")).unwrap_or_default();
        vec![
            cell.acceptance.to_string(),
            cell.split.length.to_string(),
            cell.split.delay_ms.to_string(),
            format!("{:.2}{interval}", ours.mean),
            format!("{formula_ms:.2}"),
            format!("{apart:+.1}"),
        ]
    }

    fn rows(&self, cell: &Cell, command: String) -> [Row; 2] {
        let variant = format!("drawn, α = {}", cell.acceptance);
        let [x, y] = [Some(f64::from(cell.split.length)), Some(cell.split.delay_ms)];
        let place = Place { source: "drawn texts", variant: &variant, x, y };
        let simulated = place.row(SIMULATED, "drawn_cost_ms", self.ours.mean);
        let simulated = Row { ours: self.ours, command, ..simulated };
        [simulated, place.row(FORMULA, "drawn_cost_ms", self.formula_ms)]
    }
}
