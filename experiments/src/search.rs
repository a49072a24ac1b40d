//! Searches for a method's thresholds in the simulator. Candidates share random numbers: all of one
//! search are judged on the same prompts.

use std::ops::Range;

use anyhow::Result;
use pipesd_core::edge::THRESHOLD_MARGIN;
use pipesd_core::seed::Seed;
use pipesd_core::tuner::{Bounds, Tuner, TunerConfig};
use pipesd_sim::world::run as simulate;

use crate::cli::Strategy;
use crate::input::{Configuration, bad_input, seed_range};

/// What a search may spend.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Budget {
    /// Candidates.
    pub(crate) evaluations: u32,
    /// Output tokens of each candidate's run.
    pub(crate) tokens: u64,
}

/// What one search ended with.
pub(crate) struct Found {
    pub(crate) thresholds: Vec<f64>,
    /// Candidates that were judged: a grid has no more points than fit into the budget.
    pub(crate) evaluations: u32,
    /// Mean TPT of the recommended thresholds on prompts that the search has not seen \[ms\].
    pub(crate) tpt_ms: f64,
}

/// The thresholds that the method's trigger has.
pub(crate) fn threshold_keys(configuration: &Configuration) -> Result<Vec<&'static str>> {
    let spec = &configuration.method.spec;
    let given = [
        ("sequence_threshold", spec.sequence_threshold.is_some()),
        ("token_threshold", spec.token_threshold.is_some()),
    ];
    let keys: Vec<_> = given.into_iter().filter_map(|(key, given)| given.then_some(key)).collect();
    if keys.is_empty() {
        let label = &configuration.method.label;
        return Err(bad_input!("{label}: its trigger has no threshold to tune").into());
    }
    Ok(keys)
}

/// One search, and how good its recommendation is.
pub(crate) fn search(
    configuration: &Configuration,
    keys: &[&str],
    strategy: Strategy,
    Budget { evaluations, tokens }: Budget,
    seed: u64,
) -> Result<Found> {
    let judged = shortened(configuration, tokens)?;
    let judge = |thresholds: &[f64]| {
        let setup = with_thresholds(&judged, keys, thresholds)?.setup(tokens, false)?;
        Ok(simulate(&setup, Seed(seed))?.summary.tpt_ms)
    };
    let (thresholds, evaluations) = search_by(judge, keys.len(), strategy, evaluations, seed)?;
    let tpt_ms = validate(&with_thresholds(configuration, keys, &thresholds)?)?;
    Ok(Found { thresholds, evaluations, tpt_ms })
}

/// The search itself, whoever judges candidates (by time per token): the thresholds that it recommends,
/// and how many it has tried.
pub(crate) fn search_by(
    mut judge: impl FnMut(&[f64]) -> Result<f64>,
    keys: usize,
    strategy: Strategy,
    evaluations: u32,
    seed: u64,
) -> Result<(Vec<f64>, u32)> {
    let dimensions = keys as u32;
    // As many points in each direction as the budget holds.
    let per_dimension = match dimensions {
        1 => evaluations,
        _ => evaluations.isqrt(),
    };
    let config = match strategy {
        Strategy::Bayes => TunerConfig::bayes(evaluations),
        Strategy::Paper => TunerConfig { evaluations, ..TunerConfig::paper() },
        Strategy::Grid => TunerConfig::grid(per_dimension, dimensions),
        Strategy::GridEnds => TunerConfig::grid_with_ends(per_dimension, dimensions),
        Strategy::Random => TunerConfig::random(evaluations),
    };
    let bounds = Bounds::new(vec![[THRESHOLD_MARGIN, 1.0 - THRESHOLD_MARGIN]; keys])?;
    let mut tuner = Tuner::new(config, bounds, Seed(seed))?;
    while !tuner.is_done() {
        let candidate = tuner.ask()?;
        let value = judge(candidate.point.coordinates())?;
        tuner.tell(&candidate, value)?;
    }
    Ok((tuner.recommend()?.coordinates().to_vec(), config.evaluations))
}

/// A run is of whole prompts: where a candidate gets less than one, its prompt's budget is cut.
fn shortened(configuration: &Configuration, tokens: u64) -> Result<Configuration> {
    let spec = &configuration.profile.spec;
    if configuration.profile.trace.is_some() || tokens >= u64::from(spec.output_tokens.value) {
        return Ok(configuration.clone());
    }
    configuration.with(&[format!("output_tokens={tokens}")])
}

fn with_thresholds(
    configuration: &Configuration,
    keys: &[&str],
    thresholds: &[f64],
) -> Result<Configuration> {
    let sets: Vec<String> =
        keys.iter().zip(thresholds).map(|(key, value)| format!("{key}={value}")).collect();
    configuration.with(&sets)
}

/// Seeds SEED, SEED+1, ... of searches: none may be judged on prompts that it has seen.
pub(crate) fn search_seeds(first: u64, count: u32) -> Result<Range<u64>> {
    let seeds = seed_range(first, count)?;
    if seeds.start < VALIDATION_SEEDS.end && VALIDATION_SEEDS.start < seeds.end {
        let (from, to) = (VALIDATION_SEEDS.start, VALIDATION_SEEDS.end - 1);
        return Err(bad_input!(
            "--seed {first}: {count} search(es) from there on have seeds of {from} to {to}, on which \
             recommendations are judged"
        )
        .into());
    }
    Ok(seeds)
}

/// Seeds of the prompts that judge a recommendation.
pub(crate) const VALIDATION_SEEDS: Range<u64> = 1 << 40..(1 << 40) + 20;
/// Output tokens of each of these runs.
pub(crate) const VALIDATION_TOKENS: u64 = 1000;

/// Mean TPT \[ms\] on prompts that no search has seen.
pub(crate) fn validate(configuration: &Configuration) -> Result<f64> {
    let setup = configuration.setup(VALIDATION_TOKENS, false)?;
    let mut sum = 0.0;
    for seed in VALIDATION_SEEDS {
        sum += simulate(&setup, Seed(seed))?.summary.tpt_ms;
    }
    Ok(sum / (VALIDATION_SEEDS.end - VALIDATION_SEEDS.start) as f64)
}
