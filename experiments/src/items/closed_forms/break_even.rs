//! Below which round trip the split beats decoding in the cloud; and co-located speculation, which no
//! serial split beats.

use std::sync::Arc;

use anyhow::Result;
use pipesd_core::trace::Trace;
use pipesd_sim::closed_form::{break_even_ms, tokens_per_round};
use pipesd_sim::reference::cloud_only;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::split::{Bench, Split, crossing};
use super::{Outcome, Part, Place, largest, text, text_error_pct};
use crate::items::{Context, Row, Table};
use crate::runner::map_kept;

#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Plan {
    pub(super) source: String,
    pub(super) draft_length: u32,
    pub(super) draft_ms: f64,
    pub(super) acceptances: Vec<f64>,
    curve_decode_ms: f64,
    curve_round_trips_ms: Vec<f64>,
    near_round_trip_ms: f64,
    tolerance_ms: f64,
    published: Vec<Line>,
}

/// What is published for a decoding time: a round trip for each acceptance.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    decode_ms: f64,
    round_trip_ms: Vec<Published>,
}

#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(untagged)]
enum Published {
    Ms(f64),
    Never(Never),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Never {
    Never,
}

impl Published {
    const fn ms(self) -> Option<f64> {
        match self {
            Self::Ms(ms) => Some(ms),
            Self::Never(Never::Never) => None,
        }
    }
}

/// A decoding time with an acceptance.
struct Cell {
    decode_ms: f64,
    acceptance: f64,
    published_ms: Option<f64>,
    text: Arc<Trace>,
}

/// What was simulated of it.
#[derive(Clone, Copy, Serialize, Deserialize)]
struct Found {
    /// None: the split does not pay without any round trip either.
    break_even_ms: Option<f64>,
    cloud_ms: f64,
    /// The split's times per token over the least round trip, and over none.
    near_ms: f64,
    at_zero_ms: f64,
    colocated_ms: f64,
}

/// No break-even of any use lies beyond \[ms\].
const ROUND_TRIP_MAX_MS: f64 = 10_000.0;

impl Plan {
    /// The split over a round trip, with a pass that takes as long as decoding a token.
    pub(super) const fn split(&self, decode_ms: f64, round_trip_ms: f64) -> Split {
        Split {
            length: self.draft_length,
            draft_ms: self.draft_ms,
            verify_base_ms: decode_ms,
            verify_ms: 0.0,
            delay_ms: round_trip_ms / 2.0,
            startup_ms: 0.0,
            edges: 1,
        }
    }

    /// Both models on the server: its pass holds the drafting, too, and the edge only asks.
    pub(super) const fn colocated(&self, decode_ms: f64) -> Split {
        let verify_ms = self.draft_ms;
        Split { draft_ms: 0.0, verify_ms, ..self.split(decode_ms, 0.0) }
    }

    fn find(&self, cell: &Cell, bench: &Bench) -> Result<Found> {
        let Cell { decode_ms, text, .. } = cell;
        let split = |round_trip_ms| bench.tpt_ms(&self.split(*decode_ms, round_trip_ms), text);
        // A round trip is in the time to the first token alone: without one, none is left in the mean.
        let short = super::text(bench, 0.0, 100, self.draft_length);
        let cloud = bench.setup(&self.split(*decode_ms, 0.0), &short)?;
        let cloud_ms = cloud_only(&cloud, bench.seed()).tpt_ms;
        let break_even_ms =
            crossing(ROUND_TRIP_MAX_MS, |round_trip| Ok(split(round_trip)? - cloud_ms))?;
        Ok(Found {
            break_even_ms,
            cloud_ms,
            near_ms: split(self.near_round_trip_ms)?,
            at_zero_ms: split(0.0)?,
            colocated_ms: bench.tpt_ms(&self.colocated(*decode_ms), text)?,
        })
    }

    fn formula(&self, cell: &Cell) -> Option<f64> {
        break_even_ms(cell.acceptance, self.draft_length, self.draft_ms, cell.decode_ms)
    }
}

pub(super) fn run(all: &super::Plan, bench: &Bench, context: &Context<'_>) -> Result<Part> {
    let plan = &all.break_even;
    let tokens = context.size.tokens;
    let texts: Vec<Arc<Trace>> = plan
        .acceptances
        .iter()
        .map(|&acceptance| text(bench, acceptance, tokens, plan.draft_length))
        .collect();
    let mut cells = Vec::new();
    for line in &plan.published {
        let published = line.round_trip_ms.iter().map(|published| published.ms());
        for ((&acceptance, text), published_ms) in
            plan.acceptances.iter().zip(&texts).zip(published)
        {
            let (decode_ms, text) = (line.decode_ms, Arc::clone(text));
            cells.push(Cell { decode_ms, acceptance, published_ms, text });
        }
    }
    let found = map_kept(&cells, "break-even", context, |cell| plan.find(cell, bench))?;
    let mut part = Part::default();
    part.outcomes.push(pays(plan, &cells, &found));
    part.outcomes.push(colocated(&cells, &found));
    part.tables.push(table(plan, &cells, &found));
    for (cell, found) in cells.iter().zip(&found) {
        let [x, y] = [Some(cell.decode_ms), Some(cell.acceptance)];
        let place = Place { source: &plan.source, variant: "", x, y };
        let formula = plan.formula(cell);
        part.rows.extend(place.rows(
            "break_even_rtt_ms",
            found.break_even_ms,
            formula,
            cell.published_ms,
        ));
        let round = plan.split(cell.decode_ms, 0.0).round();
        let at_zero = round.ms() / tokens_per_round(cell.acceptance, plan.draft_length);
        part.rows.extend(place.rows(
            "split_ms_at_rtt_0",
            Some(found.at_zero_ms),
            Some(at_zero),
            None,
        ));
    }
    part.rows.extend(curves(plan, &texts, bench, context)?);
    Ok(part)
}

/// The break-even of each cell against the published one.
fn pays(plan: &Plan, cells: &[Cell], found: &[Found]) -> Outcome {
    let (mut errors, mut never, mut wrong) = (Vec::new(), 0, 0);
    let mut listed = Vec::new();
    for (cell, found) in cells.iter().zip(found) {
        let Cell { decode_ms, acceptance, published_ms, .. } = *cell;
        let simulated_ms = found.break_even_ms;
        let error_ms = match (simulated_ms, published_ms) {
            (Some(simulated), Some(published)) => Some(simulated - published),
            _ => None,
        };
        match error_ms {
            Some(error) => errors.push(error),
            None if simulated_ms == published_ms => never += 1,
            None => wrong += 1,
        }
        listed.push(json!({
            "decode_ms": decode_ms, "acceptance": acceptance, "simulated_ms": simulated_ms,
            "formula_ms": plan.formula(cell), "published_ms": published_ms, "error_ms": error_ms,
            "cloud_only_ms": found.cloud_ms, "split_ms_at_rtt_0": found.at_zero_ms,
            "text_error_pct": text_error_pct(&cell.text, acceptance, plan.draft_length),
        }));
    }
    let formula = cells.iter().zip(found);
    let formula =
        formula.filter_map(|(cell, found)| Some(found.break_even_ms? - plan.formula(cell)?));
    let (worst, formula) = (largest(errors.iter().copied()), largest(formula));
    let published = cells.iter().filter(|cell| cell.published_ms.is_some()).count();
    Outcome {
        key: "break_even",
        asked: format!(
            "{published} published round trips within {} ms, “never” in {}",
            plan.tolerance_ms,
            cells.len() - published
        ),
        found: format!(
            "{} within {worst:.2} ms of the published, {formula:.3} ms of the formula; “never” in {never}",
            errors.len()
        ),
        met: Some(worst <= plan.tolerance_ms && wrong == 0 && errors.len() == published),
        values: json!({ "cells": listed, "max_error_ms": worst,
            "max_error_to_formula_ms": formula, "never": never, "wrong": wrong }),
    }
}

fn colocated(cells: &[Cell], found: &[Found]) -> Outcome {
    let slower = found.iter().filter(|found| found.colocated_ms >= found.near_ms).count();
    let apart = found.iter().map(|found| super::off_pct(found.at_zero_ms, found.colocated_ms));
    let apart = largest(apart);
    Outcome {
        key: "colocated",
        asked: "faster than the split over any round trip".to_owned(),
        found: format!(
            "faster in {} of {} cells over the shortest round trip; over none {apart:.4} % apart at most",
            cells.len() - slower,
            cells.len()
        ),
        met: Some(slower == 0 && apart < COLOCATED_PCT),
        values: json!({ "slower": slower, "apart_at_rtt_0_pct": apart }),
    }
}

/// Without a round trip both are the same rounds, to the tick of the clock \[%\].
const COLOCATED_PCT: f64 = 1e-3;

fn table(plan: &Plan, cells: &[Cell], found: &[Found]) -> Table {
    let caption = format!(
        "Round trip (ms) below which the split beats decoding in the cloud, by the time of a decoding pass \
         and the acceptance α; K = {}, {} ms a draft: simulated (published) error",
        plan.draft_length, plan.draft_ms
    );
    let titles: Vec<String> =
        plan.acceptances.iter().map(|acceptance| format!("α = {acceptance}")).collect();
    let mut header = vec!["decoding pass (ms)"];
    header.extend(titles.iter().map(String::as_str));
    let mut table = Table::new(caption, &header, 1);
    let columns = plan.acceptances.len();
    for (cells, found) in cells.chunks(columns).zip(found.chunks(columns)) {
        let mut line = vec![cells[0].decode_ms.to_string()];
        line.extend(cells.iter().zip(found).map(|(cell, found)| {
            match (found.break_even_ms, cell.published_ms) {
                (Some(simulated), Some(published)) => super::beside(simulated, published, 1),
                (simulated, published) => {
                    let word =
                        |ms: Option<f64>| ms.map_or("never".to_owned(), |ms| format!("{ms:.1}"));
                    format!("{} ({})", word(simulated), word(published))
                }
            }
        }));
        table.rows.push(line);
    }
    table
}

/// Time per token over the round trip, for the figure.
fn curves(
    plan: &Plan,
    texts: &[Arc<Trace>],
    bench: &Bench,
    context: &Context<'_>,
) -> Result<Vec<Row>> {
    let mut tasks = Vec::new();
    for (&acceptance, text) in plan.acceptances.iter().zip(texts) {
        for &round_trip_ms in &plan.curve_round_trips_ms {
            tasks.push((acceptance, text, plan.split(plan.curve_decode_ms, round_trip_ms)));
        }
    }
    let times = map_kept(&tasks, "curves", context, |(_, text, split)| bench.tpt_ms(split, text))?;
    let variant = format!("a decoding pass takes {} ms", plan.curve_decode_ms);
    let mut rows = Vec::new();
    for ((acceptance, _, split), time) in tasks.iter().zip(times) {
        let [x, y] = [Some(2.0 * split.delay_ms), Some(*acceptance)];
        let place = Place { source: &plan.source, variant: &variant, x, y };
        let formula = split.round().ms() / tokens_per_round(*acceptance, split.length);
        rows.extend(place.rows("split_ms", Some(time), Some(formula), None));
    }
    let [x, y] = [plan.curve_round_trips_ms.first().copied(), None];
    let place = Place { source: &plan.source, variant: &variant, x, y };
    rows.push(place.row(super::FORMULA, "cloud_only_ms", plan.curve_decode_ms));
    Ok(rows)
}
