//! `pipesd tune`: finds a method's thresholds in the simulator. Candidates share random numbers: all of
//! one search are judged on the same prompts.

use anyhow::{Context, Result};
use pipesd_core::edge::THRESHOLD_MARGIN as MARGIN;
use pipesd_core::seed::Seed;
use pipesd_core::tuner::{Bounds, Tuner, TunerConfig};
use pipesd_sim::world::run as simulate;
use rayon::prelude::*;
use serde_json::{Value, json};

use crate::cli::{Strategy, Tune};
use crate::input::{Choice, Configuration, bad_input, seed_range};
use crate::output;
use crate::runner::{pool, progress_bar};
use crate::statistics::Statistic;

/// What one search ended with.
struct Found {
    thresholds: Vec<f64>,
    /// Mean TPT of the recommended thresholds on prompts that the search has not seen \[ms\].
    tpt_ms: f64,
}

pub(crate) fn run(options: &Tune) -> Result<()> {
    let choice = Choice::from(&options.configuration);
    let configuration = Configuration::load(&choice)?;
    if configuration.setup(options.tokens, false)?.edge.tuning.is_some() {
        let problem = "contradicts `pipesd tune`, whose candidates it would move";
        return Err(bad_input!("--set tuning: {problem}").into());
    }
    let keys = threshold_keys(&configuration)?;
    let seeds = seed_range(options.seed, options.searches)?;
    let strategies: &[Strategy] = if options.compare {
        &[Strategy::Bayes, Strategy::Paper, Strategy::Grid, Strategy::Random]
    } else {
        std::slice::from_ref(&options.strategy)
    };
    let tasks: Vec<(Strategy, u64)> =
        strategies.iter().flat_map(|&s| seeds.clone().map(move |seed| (s, seed))).collect();
    let progress = progress_bar(tasks.len() as u64);
    let found: Result<Vec<Found>> = pool(options.jobs)?.install(|| {
        let searches = tasks.par_iter().map(|&(strategy, seed)| {
            let found = search(options, &configuration, &keys, strategy, seed);
            progress.inc(1);
            found.with_context(|| format!("the {} search with seed {seed}", strategy.word()))
        });
        searches.collect()
    });
    progress.finish_and_clear();
    let found = found?;
    let shipped = validate(&configuration)?;
    let by_strategy: Vec<(Strategy, &[Found])> =
        strategies.iter().copied().zip(found.chunks(options.searches as usize)).collect();
    if options.json {
        output::print_json(&document(options, &keys, shipped, &by_strategy))
    } else {
        print_table(options, &keys, shipped, &by_strategy)
    }
}

/// The thresholds that the method's trigger has.
fn threshold_keys(configuration: &Configuration) -> Result<Vec<&'static str>> {
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

fn search(
    options: &Tune,
    configuration: &Configuration,
    keys: &[&str],
    strategy: Strategy,
    seed: u64,
) -> Result<Found> {
    let evaluations = options.evaluations;
    let dimensions = keys.len() as u32;
    // As many points in each direction as the budget holds.
    let per_dimension = match dimensions {
        1 => evaluations,
        _ => evaluations.isqrt(),
    };
    let config = match strategy {
        Strategy::Bayes => TunerConfig::bayes(evaluations),
        Strategy::Paper => TunerConfig { evaluations, ..TunerConfig::paper() },
        Strategy::Grid => TunerConfig::grid(per_dimension, dimensions),
        Strategy::Random => TunerConfig::random(evaluations),
    };
    let bounds = Bounds::new(vec![[MARGIN, 1.0 - MARGIN]; keys.len()])?;
    let mut tuner = Tuner::new(config, bounds, Seed(seed))?;
    while !tuner.is_done() {
        let candidate = tuner.ask()?;
        let candidate_configuration =
            with_thresholds(configuration, keys, candidate.point.coordinates())?;
        let setup = candidate_configuration.setup(options.tokens, false)?;
        let value = simulate(&setup, Seed(seed))?.summary.tpt_ms;
        tuner.tell(&candidate, value)?;
    }
    let thresholds = tuner.recommend()?.coordinates().to_vec();
    let tpt_ms = validate(&with_thresholds(configuration, keys, &thresholds)?)?;
    Ok(Found { thresholds, tpt_ms })
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

/// Seeds of the prompts that judge a recommendation: no search draws from them, as its seeds are small.
const VALIDATION_SEEDS: std::ops::Range<u64> = 1 << 40..(1 << 40) + 20;
/// Output tokens of each of these runs.
const VALIDATION_TOKENS: u64 = 1000;

fn validate(configuration: &Configuration) -> Result<f64> {
    let setup = configuration.setup(VALIDATION_TOKENS, false)?;
    let mut sum = 0.0;
    for seed in VALIDATION_SEEDS {
        sum += simulate(&setup, Seed(seed))?.summary.tpt_ms;
    }
    Ok(sum / (VALIDATION_SEEDS.end - VALIDATION_SEEDS.start) as f64)
}

fn tpt(found: &[Found]) -> Statistic {
    Statistic::of(&found.iter().map(|found| found.tpt_ms).collect::<Vec<_>>())
}

fn document(
    options: &Tune,
    keys: &[&str],
    shipped: f64,
    by_strategy: &[(Strategy, &[Found])],
) -> Value {
    let strategies: Vec<Value> = by_strategy
        .iter()
        .map(|(strategy, found)| {
            let searches: Vec<Value> = found
                .iter()
                .zip(options.seed..)
                .map(|(found, seed)| {
                    let mut search = json!({ "seed": seed, "tpt_ms": found.tpt_ms });
                    for (key, value) in keys.iter().zip(&found.thresholds) {
                        search[*key] = json!(value);
                    }
                    search
                })
                .collect();
            json!({ "strategy": strategy.word(), "tpt_ms": tpt(found), "searches": searches })
        })
        .collect();
    json!({
        "version": env!("CARGO_PKG_VERSION"),
        "profile": options.configuration.profile,
        "scenario": options.configuration.scenario,
        "method": options.configuration.method,
        "set": options.configuration.sets,
        "evaluations": options.evaluations,
        "tokens": options.tokens,
        "as_shipped_tpt_ms": shipped,
        "strategies": strategies,
    })
}

fn print_table(
    options: &Tune,
    keys: &[&str],
    shipped: f64,
    by_strategy: &[(Strategy, &[Found])],
) -> Result<()> {
    let mut header = vec!["strategy"];
    if options.searches == 1 {
        header.extend(keys);
    }
    header.extend(["time per token (ms)", "sd", "95 % interval"]);
    let mut table = output::Rows::new(&header, 1);
    for (strategy, found) in by_strategy {
        let statistic = tpt(found);
        let mut row = vec![strategy.word().to_owned()];
        if let [one] = found {
            row.extend(one.thresholds.iter().map(|value| format!("{value:.3}")));
        }
        row.push(format!("{:.1}", statistic.mean));
        row.extend(statistic.spread(1));
        table.push(row);
    }
    output::print(&format!(
        "{} on {} in {}: {} evaluations of {} tokens, {} search(es)\n{table}\n\nwithout tuning: \
         {shipped:.1} ms; each recommendation is judged by {} runs of {VALIDATION_TOKENS} tokens \
         on other prompts\n",
        options.configuration.method,
        options.configuration.profile,
        options.configuration.scenario,
        options.evaluations,
        options.tokens,
        options.searches,
        VALIDATION_SEEDS.end - VALIDATION_SEEDS.start,
    ))
}
