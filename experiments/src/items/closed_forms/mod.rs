//! Two published theories of the serial split, and a pair of measured devices: the formula, the number
//! that its authors print, and what the simulator makes of the same assumptions, side by side.
//!
//! Nothing here computes a time per token: the runs are those of edges, links and cloud, as for every
//! other item. What the closed forms are is in [`pipesd_sim::closed_form`], and how texts get exact shares
//! in [`pipesd_sim::text::strata`].

mod break_even;
mod capacity;
mod cost;
mod drawn;
mod hardware;
mod split;

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::{Context as _, Result};
use pipesd_core::trace::Trace;
use pipesd_sim::closed_form;
use pipesd_sim::text::strata;
use serde::Deserialize;
use serde_json::{Value, json};

pub(crate) use self::hardware::Hardware;
use self::split::{Bench, trace_of};
use super::{Context, Report, Role, Row, Table};
use crate::input::Choice;
use crate::statistics::Statistic;

/// A plan's body.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Plan {
    profile: String,
    scenario: String,
    method: String,
    break_even: break_even::Plan,
    capacity: capacity::Plan,
    cost: cost::Plan,
    /// What the page says of each check, by its key.
    meaning: BTreeMap<String, Meaning>,
    /// Not in the plan's file: a pair of devices has its own, and another may take its place.
    #[serde(skip, default = "Hardware::shipped")]
    pub(crate) hardware: Hardware,
}

/// What a check is worth.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Meaning {
    /// What is checked.
    check: String,
    /// It proves ...
    proves: String,
    /// It does not prove ...
    not: String,
}

/// What came out of a check.
struct Outcome {
    /// Its key in the plan's `meaning`.
    key: &'static str,
    asked: String,
    found: String,
    /// None: nothing was asked, the numbers are shown.
    met: Option<bool>,
    /// Its numbers for machines.
    values: Value,
}

/// What a part of the item adds to the report.
#[derive(Default)]
struct Part {
    outcomes: Vec<Outcome>,
    tables: Vec<Table>,
    rows: Vec<Row>,
}

pub(super) fn run(plan: &Plan, context: &Context<'_>) -> Result<Report> {
    let choice = Choice {
        profile: plan.profile.clone(),
        scenario: plan.scenario.clone(),
        method: plan.method.clone(),
        sets: Vec::new(),
    };
    let bench = Bench::new(choice, context.seed)?;
    let parts = [
        break_even::run(plan, &bench, context)?,
        capacity::run(plan, &bench, context)?,
        cost::run(&plan.cost, &bench, context)?,
        hardware::run(&plan.hardware, &bench, context)?,
        drawn::run(plan, &bench, context)?,
    ];
    let mut report = Report::new(context);
    if let Some(path) = &plan.hardware.path {
        report.command.push_str(&format!(" --hardware {}", crate::input::quoted(path)));
    }
    let mut outcomes = Vec::new();
    let mut tables = Vec::new();
    for part in parts {
        outcomes.extend(part.outcomes);
        tables.extend(part.tables);
        report.rows.extend(part.rows);
    }
    report.tables.push(checks(plan, &outcomes)?);
    report.tables.extend(tables);
    for outcome in outcomes {
        let Meaning { check, proves, not } = plan.meaning_of(outcome.key)?;
        report.notes.push(format!("“{check}” proves {proves}. It does not prove {not}."));
        let Outcome { key, asked, found, met, values } = outcome;
        let value = json!({ "asked": asked, "found": found, "met": met, "values": values });
        report.figures.insert(key.to_owned(), value);
    }
    Ok(report)
}

impl Plan {
    fn meaning_of(&self, key: &str) -> Result<&Meaning> {
        self.meaning.get(key).with_context(|| format!("the plan has no `meaning.{key}`"))
    }
}

/// All checks: what was asked, what was found.
fn checks(plan: &Plan, outcomes: &[Outcome]) -> Result<Table> {
    let header = ["check", "asked", "found", "met"];
    let mut table = Table::new("Checks", &header, header.len());
    for Outcome { key, asked, found, met, .. } in outcomes {
        let met = match met {
            Some(true) => "yes",
            Some(false) => "NO",
            None => "shown",
        };
        let check = plan.meaning_of(key)?.check.clone();
        table.rows.push(vec![check, asked.clone(), found.clone(), met.to_owned()]);
    }
    Ok(table)
}

/// A text of the law for rounds of up to `length_max` drafts.
fn text(bench: &Bench, acceptance: f64, tokens: u64, length_max: u32) -> Arc<Trace> {
    // As long as a trace may be, less what its budget has beyond its end.
    let tokens = tokens.min(TEXT_TOKENS_MAX) as u32;
    trace_of(strata::independent(acceptance, tokens, length_max, bench.seed()))
}

/// Longer texts bring nothing, as errors fall with the length and not with its root.
const TEXT_TOKENS_MAX: u64 = 500_000;

/// How far a text is from its law: tokens of a round of `length` drafts \[%\].
fn text_error_pct(trace: &Trace, acceptance: f64, length: u32) -> f64 {
    let own = strata::tokens_per_round(trace.text(0), length);
    off_pct(own, closed_form::tokens_per_round(acceptance, length))
}

/// `found` against what it should be \[%\].
fn off_pct(found: f64, expected: f64) -> f64 {
    100.0 * (found / expected - 1.0)
}

/// The largest of some errors by size; 0 of none.
fn largest(errors: impl IntoIterator<Item = f64>) -> f64 {
    errors.into_iter().fold(0.0, |most: f64, error| most.max(error.abs()))
}

/// Where rows stand: source, variant, x, y.
#[derive(Clone, Copy)]
struct Place<'a> {
    source: &'a str,
    variant: &'a str,
    x: Option<f64>,
    y: Option<f64>,
}

impl Place<'_> {
    /// A row of a number without noise.
    fn row(&self, method: &str, metric: &str, value: f64) -> Row {
        let single = Statistic { mean: value, sd: None, ci95: None };
        let row = Row::ours(self.source, "closed form", method, metric, single);
        let role = if method == SIMULATED { Role::Ours } else { Role::Reference };
        let variant = Some(self.variant.to_owned()).filter(|variant| !variant.is_empty());
        Row { variant, x: self.x, y: self.y, role, ..row }
    }

    /// Simulated, by the formula, and as published, as far as each is there.
    fn rows(
        &self,
        metric: &str,
        simulated: Option<f64>,
        formula: Option<f64>,
        published: Option<f64>,
    ) -> Vec<Row> {
        let all = [(SIMULATED, simulated), (FORMULA, formula), (PUBLISHED, published)];
        let given = all.into_iter().filter_map(|(method, value)| Some((method, value?)));
        given.map(|(method, value)| self.row(method, metric, value)).collect()
    }
}

/// The methods of the item's rows.
const SIMULATED: &str = "simulated";
const FORMULA: &str = "formula";
const PUBLISHED: &str = "published";

/// `5.92 (5.92) +0.0 %`: found, what it is held against, and the error.
fn beside(found: f64, published: f64, digits: usize) -> String {
    let error = off_pct(found, published);
    // No minus before a zero.
    let error = if error.abs() < 0.05 { 0.0 } else { error };
    format!("{found:.digits$} ({published:.digits$}) {error:+.1} %")
}
