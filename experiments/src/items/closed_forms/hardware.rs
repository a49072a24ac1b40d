//! A pair of devices: the cells of its serial rounds, predicted from inputs that were measured each for
//! itself. Inputs, and what was measured of the whole, are a file that anyone can write.

use std::collections::BTreeSet;
use std::ops::RangeInclusive;
use std::path::Path;
use std::sync::Arc;

use anyhow::Result;
use pipesd_core::trace::Trace;
use pipesd_sim::closed_form::{Round, tokens_of_prefixes};
use pipesd_sim::text::strata::{RoundTimes, first_rounds};
use serde::Deserialize;
use serde_json::json;

use super::split::{Bench, Split};
use super::{Outcome, Part, Place, largest, off_pct};
use crate::input::bad_input;
use crate::items::{Context, Table};
use crate::program;
use crate::runner::map_kept;

/// The shipped pair.
const SHIPPED: &str = include_str!("../../../plans/closed-forms-jetson.toml");

/// A pair of devices, and which file it is from.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Hardware {
    pub(super) spec: Spec,
    /// As it was typed; None: shipped.
    pub(crate) path: Option<String>,
    /// Of the file's name and content: results of others are other results.
    pub(crate) digest: u64,
}

/// Its file. Times \[ms\].
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Spec {
    name: String,
    source: String,
    /// Drafting takes it once a round ...
    draft_base_ms: f64,
    /// ... and this for each draft.
    draft_ms: f64,
    /// A pass of the target, and what each draft adds to it.
    verify_base_ms: f64,
    #[serde(default)]
    verify_ms: f64,
    /// What an exchange takes beyond twice the one-way delay.
    communication_ms: f64,
    /// P(L ≥ k) for k = 1, 2, ...
    prefix_acceptance: Vec<f64>,
    /// One-way delays.
    delays_ms: Vec<f64>,
    #[serde(default)]
    measured: Vec<Measured>,
    #[serde(default)]
    measured_best: Vec<MeasuredBest>,
}

#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Measured {
    draft_length: u32,
    delay_ms: f64,
    ms_per_token: f64,
}

#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct MeasuredBest {
    delay_ms: f64,
    draft_length: u32,
}

/// The ranges of the keys that the simulator is given.
const TIME_MS: RangeInclusive<f64> = 0.0..=1e6;
const DELAY_MS: RangeInclusive<f64> = 0.0..=60_000.0;
/// Draft lengths and delays at most: each pair of them is simulated.
const LENGTHS_MAX: usize = 64;
const DELAYS_MAX: usize = 64;

impl Hardware {
    pub(super) fn shipped() -> Self {
        let spec = Spec::parse(SHIPPED).expect("a shipped file is valid: a test reads it");
        Self { spec, path: None, digest: program::digest(SHIPPED.as_bytes()) }
    }

    /// Reads a file of the shipped one's form.
    pub(crate) fn load(path: &Path) -> Result<Self> {
        let label = path.display();
        let content = std::fs::read_to_string(path)
            .map_err(|error| bad_input!("{label}: cannot be read: {error}"))?;
        let spec = Spec::parse(&content).map_err(|problem| bad_input!("{label}: {problem}"))?;
        let digest = program::digest(format!("{label}\n{content}").as_bytes());
        Ok(Self { spec, path: Some(label.to_string()), digest })
    }
}

impl Spec {
    fn parse(content: &str) -> Result<Self, String> {
        // The parser's message shows line and column, and the choices for an unknown key.
        let spec: Self =
            toml::from_str(content).map_err(|error| error.to_string().trim_end().to_owned())?;
        spec.check()?;
        Ok(spec)
    }

    /// What is out of range, by key.
    fn check(&self) -> Result<(), String> {
        for (key, value) in [
            ("draft_base_ms", self.draft_base_ms),
            ("draft_ms", self.draft_ms),
            ("verify_base_ms", self.verify_base_ms),
            ("verify_ms", self.verify_ms),
        ] {
            within(key, value, &TIME_MS)?;
        }
        within("communication_ms", self.communication_ms, &DELAY_MS)?;
        self.check_prefixes()?;
        if !(1..=DELAYS_MAX).contains(&self.delays_ms.len()) {
            let count = self.delays_ms.len();
            return Err(format!("`delays_ms`: {count} delays: it must be 1 to {DELAYS_MAX}"));
        }
        distinct("delays_ms", self.delays_ms.iter().map(|delay| (0, *delay)))?;
        self.delays_ms.iter().try_for_each(|delay| within("delays_ms", *delay, &DELAY_MS))?;
        for Measured { draft_length, delay_ms, ms_per_token } in &self.measured {
            self.check_length("measured.draft_length", *draft_length)?;
            self.check_delay("measured.delay_ms", *delay_ms)?;
            if !(ms_per_token.is_finite() && *ms_per_token > 0.0) {
                return Err(format!("`measured.ms_per_token`: {ms_per_token}: it must be above 0"));
            }
        }
        distinct("measured", self.measured.iter().map(|m| (m.draft_length, m.delay_ms)))?;
        for MeasuredBest { delay_ms, draft_length } in &self.measured_best {
            self.check_length("measured_best.draft_length", *draft_length)?;
            self.check_delay("measured_best.delay_ms", *delay_ms)?;
        }
        distinct("measured_best", self.measured_best.iter().map(|best| (0, best.delay_ms)))
    }

    fn check_prefixes(&self) -> Result<(), String> {
        let prefixes = &self.prefix_acceptance;
        if !(1..=LENGTHS_MAX).contains(&prefixes.len()) {
            let count = prefixes.len();
            return Err(format!(
                "`prefix_acceptance`: {count} shares: it must be 1 to {LENGTHS_MAX}, one for each draft \
                 length"
            ));
        }
        let mut before = 1.0;
        for (k, prefix) in (1..).zip(prefixes) {
            // Not a number is in no range.
            if !(0.0..=before).contains(prefix) {
                return Err(format!(
                    "`prefix_acceptance`: P(L >= {k}) is {prefix}: it must be 0 to {before}, for who has {k} \
                     drafts accepted has the first {} accepted too",
                    k - 1
                ));
            }
            before = *prefix;
        }
        Ok(())
    }

    fn check_length(&self, key: &str, length: u32) -> Result<(), String> {
        let most = self.prefix_acceptance.len();
        if (1..=most).contains(&(length as usize)) {
            return Ok(());
        }
        Err(format!(
            "`{key}`: {length} is out of range: it must be 1 to {most}, as many as `prefix_acceptance` has \
             shares"
        ))
    }

    fn check_delay(&self, key: &str, delay_ms: f64) -> Result<(), String> {
        if self.delays_ms.contains(&delay_ms) {
            return Ok(());
        }
        let known: Vec<String> = self.delays_ms.iter().map(f64::to_string).collect();
        Err(format!("`{key}`: {delay_ms} is none of `delays_ms`: {}", known.join(", ")))
    }

    const fn times(&self) -> RoundTimes {
        let Self { draft_base_ms, draft_ms, verify_base_ms, verify_ms, .. } = *self;
        RoundTimes { draft_base_ms, draft_ms, verify_base_ms, verify_ms }
    }

    /// The split; its trace has the draft's times, and those of the pass but for what a draft adds.
    const fn split(&self, length: u32, delay_ms: f64) -> Split {
        Split {
            length,
            draft_ms: self.draft_ms,
            verify_base_ms: self.verify_base_ms,
            verify_ms: self.verify_ms,
            delay_ms,
            startup_ms: self.communication_ms,
            edges: 1,
        }
    }

    fn formula(&self, length: u32, delay_ms: f64) -> f64 {
        let round = self.split(length, delay_ms).round();
        let round = Round { draft_base_ms: self.draft_base_ms, ..round };
        round.ms() / tokens_of_prefixes(&self.prefix_acceptance[..length as usize])
    }

    fn measured_at(&self, length: u32, delay_ms: f64) -> Option<f64> {
        let here = |m: &&Measured| m.draft_length == length && m.delay_ms == delay_ms;
        self.measured.iter().find(here).map(|measured| measured.ms_per_token)
    }

    fn best_at(&self, delay_ms: f64) -> Option<u32> {
        let best = self.measured_best.iter().find(|best| best.delay_ms == delay_ms);
        best.map(|best| best.draft_length)
    }

    fn lengths(&self) -> RangeInclusive<u32> {
        1..=self.prefix_acceptance.len() as u32
    }
}

fn within(key: &str, value: f64, range: &RangeInclusive<f64>) -> Result<(), String> {
    if range.contains(&value) {
        return Ok(());
    }
    let (low, high) = (range.start(), range.end());
    Err(format!("`{key}`: {value} is out of range: it must be {low} to {high} ms"))
}

fn distinct(key: &str, places: impl Iterator<Item = (u32, f64)>) -> Result<(), String> {
    let mut seen = BTreeSet::new();
    for (length, delay) in places {
        if !seen.insert((length, delay.to_bits())) {
            let of = if length > 0 { format!(" with {length} drafts") } else { String::new() };
            return Err(format!("`{key}`: the delay {delay} ms{of} is there twice"));
        }
    }
    Ok(())
}

/// Rounds of each cell, as many as the shipped pair's were measured over; and for how many tokens of the
/// item's size there is one at most.
const ROUNDS: u64 = 1000;
const TOKENS_A_ROUND: u64 = 10;

pub(super) fn run(hardware: &Hardware, bench: &Bench, context: &Context<'_>) -> Result<Part> {
    let spec = &hardware.spec;
    let rounds = (context.size.tokens / TOKENS_A_ROUND).clamp(1, ROUNDS) as u32;
    let mut tasks: Vec<(Split, Arc<Trace>)> = Vec::new();
    for length in spec.lengths() {
        let (prefixes, seed) = (&spec.prefix_acceptance, bench.seed());
        let trace = Arc::new(first_rounds(prefixes, length, rounds, spec.times(), seed));
        let delays = spec.delays_ms.iter();
        tasks.extend(delays.map(|delay| (spec.split(length, *delay), Arc::clone(&trace))));
    }
    let found = map_kept(&tasks, "hardware", context, |(split, trace)| bench.tpt_ms(split, trace))?;
    // A length's times at all delays.
    let times: Vec<&[f64]> = found.chunks(spec.delays_ms.len()).collect();
    let mut part = Part::default();
    part.outcomes.push(outcome(spec, &times));
    part.tables.push(table(spec, &times));
    for ((split, _), time) in tasks.iter().zip(&found) {
        let Split { length, delay_ms, .. } = *split;
        let [x, y] = [Some(delay_ms), Some(f64::from(length))];
        let place = Place { source: &spec.name, variant: "", x, y };
        let formula = Some(spec.formula(length, delay_ms));
        let measured = spec.measured_at(length, delay_ms);
        part.rows.extend(place.rows("hardware_ms", Some(*time), formula, measured));
    }
    for (index, &delay_ms) in spec.delays_ms.iter().enumerate() {
        let place = Place { source: &spec.name, variant: "", x: Some(delay_ms), y: None };
        let found = Some(f64::from(best(&times, index).0));
        let measured = spec.best_at(delay_ms).map(f64::from);
        part.rows.extend(place.rows("hardware_best_length", found, None, measured));
    }
    Ok(part)
}

/// The best length at a delay, and its time per token.
fn best(times: &[&[f64]], delay: usize) -> (u32, f64) {
    let at_delay = (1..).zip(times).map(|(length, times)| (length, times[delay]));
    at_delay.min_by(|a, b| a.1.total_cmp(&b.1)).expect("a pair has draft lengths")
}

fn outcome(spec: &Spec, times: &[&[f64]]) -> Outcome {
    let at = |m: &Measured| {
        let delay = spec.delays_ms.iter().position(|delay| *delay == m.delay_ms);
        times[m.draft_length as usize - 1][delay.expect("checked when it was read")]
    };
    let errors: Vec<f64> = spec.measured.iter().map(|m| off_pct(at(m), m.ms_per_token)).collect();
    let mean = |errors: &[f64]| errors.iter().sum::<f64>() / errors.len().max(1) as f64;
    let sizes: Vec<f64> = errors.iter().map(|error| error.abs()).collect();
    let formula = spec.lengths().zip(times).flat_map(|(length, times)| {
        let delays = spec.delays_ms.iter().zip(*times);
        delays.map(move |(delay, time)| off_pct(*time, spec.formula(length, *delay)))
    });
    let formula = largest(formula);
    let (mut equal, mut listed) = (0, Vec::new());
    for (index, &delay_ms) in spec.delays_ms.iter().enumerate() {
        let (length, least) = best(times, index);
        let measured = spec.best_at(delay_ms);
        equal += u32::from(measured == Some(length));
        let behind = measured.map(|length| off_pct(times[length as usize - 1][index], least));
        listed.push(json!({ "delay_ms": delay_ms, "simulated": length, "measured": measured,
            "measured_costs_more_pct": behind }));
    }
    let mut found = format!("all cells within {formula:.4} % of the formula");
    if !errors.is_empty() {
        found.push_str(&format!(
            "; {} measured cells off by {:.1} % in the mean (bias {:+.1} %), {:.1} % at most",
            errors.len(),
            mean(&sizes),
            mean(&errors),
            largest(errors.iter().copied())
        ));
    }
    if !spec.measured_best.is_empty() {
        let all = spec.measured_best.len();
        found.push_str(&format!("; best length as measured at {equal} of {all} delays"));
    }
    Outcome {
        key: "hardware",
        asked: "nothing: shown as it is".to_owned(),
        found,
        met: None,
        values: json!({ "name": spec.name, "source": spec.source, "cells": errors.len(),
            "mean_absolute_error_pct": mean(&sizes), "bias_pct": mean(&errors),
            "max_error_pct": largest(errors), "max_error_to_formula_pct": formula,
            "best_lengths": listed, "best_equal": equal }),
    }
}

/// Simulated times; where there is a measured one, it and the error.
fn table(spec: &Spec, times: &[&[f64]]) -> Table {
    let titles: Vec<String> = spec.delays_ms.iter().map(|delay| format!("{delay} ms")).collect();
    let mut header = vec!["drafts k"];
    header.extend(titles.iter().map(String::as_str));
    let caption = format!(
        "{}: time per token (ms) by draft length and one-way delay, simulated (measured) error; best k, in \
         brackets as measured. Inputs and measurements: {}",
        spec.name, spec.source
    );
    let mut table = Table::new(caption, &header, 1);
    for (length, times) in spec.lengths().zip(times) {
        let mut line = vec![length.to_string()];
        line.extend(spec.delays_ms.iter().zip(*times).map(|(delay, time)| {
            match spec.measured_at(length, *delay) {
                Some(measured) => super::beside(*time, measured, 1),
                None => format!("{time:.1}"),
            }
        }));
        table.rows.push(line);
    }
    let mut line = vec!["best k".to_owned()];
    line.extend(spec.delays_ms.iter().enumerate().map(|(index, delay)| {
        let measured = spec.best_at(*delay).map(|length| format!(" ({length})"));
        format!("{}{}", best(times, index).0, measured.unwrap_or_default())
    }));
    table.rows.push(line);
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shipped_pair_is_read_and_what_cannot_be_is_refused_by_key() {
        let spec = Hardware::shipped().spec;
        assert_eq!((spec.measured.len(), spec.measured_best.len()), (24, 8));
        for (from, to, words) in [
            ("draft_ms = 69.7", "draft_ms = -1", "`draft_ms`: -1 is out of range"),
            ("draft_ms = 69.7", "draft_ms = nan", "`draft_ms`: NaN is out of range"),
            ("draft_ms = 69.7", "", "missing field `draft_ms`"),
            ("verify_ms = 0", "verfy_ms = 0", "unknown field `verfy_ms`"),
            ("0.256, ", "0.356, ", "P(L >= 3) is 0.356: it must be 0 to 0.328"),
            ("delays_ms = [0, ", "delays_ms = [5, ", "`delays_ms`: the delay 5 ms is there twice"),
            ("delays_ms = [0, ", "delays_ms = [1e9, ", "`delays_ms`: 1000000000 is out of range"),
            ("draft_length = 10, delay_ms = 20", "draft_length = 11, delay_ms = 20", "1 to 10"),
            ("draft_length = 10, delay_ms = 20", "draft_length = 10, delay_ms = 21", "none of"),
            ("ms_per_token = 139.8", "ms_per_token = 0", "it must be above 0"),
        ] {
            let problem = Spec::parse(&SHIPPED.replacen(from, to, 1)).expect_err(words);
            assert!(problem.contains(words), "{from} -> {to}: {problem}");
        }
    }
}
