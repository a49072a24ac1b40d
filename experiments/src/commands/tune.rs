//! `pipesd tune`: finds a method's thresholds in the simulator. Candidates share random numbers: all of
//! one search are judged on the same prompts.

use anyhow::{Context, Result};
use serde_json::{Value, json};

use crate::cli::{Strategy, Tune};
use crate::commands::live;
use crate::input::{Choice, Configuration, bad_input, quoted};
use crate::output;
use crate::runner::map_all;
use crate::search::{
    Budget, Found, VALIDATION_SEEDS, VALIDATION_TOKENS, search, search_seeds, threshold_keys,
    validate,
};
use crate::statistics::Statistic;

pub(crate) fn run(options: &Tune) -> Result<()> {
    let choice = Choice::from(&options.configuration);
    let configuration = Configuration::load(&choice)?;
    if configuration.setup(options.tokens, false)?.edge.tuning.is_some() {
        let problem = "contradicts `pipesd tune`, whose candidates it would move";
        return Err(bad_input!("--set tuning: {problem}").into());
    }
    let keys = free_keys(&choice, &configuration)?;
    if options.live {
        let spec = &configuration.method.spec;
        let configured = keys.iter().filter_map(|key| match *key {
            "sequence_threshold" => spec.sequence_threshold.map(f64::from),
            _ => spec.token_threshold.map(f64::from),
        });
        return live::tune(options, &keys, configured.collect());
    }
    if let Some(flag) = options.models.given() {
        return Err(bad_input!("{flag}: it is of live runs: add --live").into());
    }
    let budget = Budget { evaluations: options.evaluations, tokens: options.tokens };
    let seeds = search_seeds(options.seed, options.searches)?;
    let strategies: &[Strategy] =
        if options.compare { &Strategy::ALL } else { std::slice::from_ref(&options.strategy) };
    let tasks: Vec<(Strategy, u64)> =
        strategies.iter().flat_map(|&s| seeds.clone().map(move |seed| (s, seed))).collect();
    let found = map_all(&tasks, "tune", options.jobs, |&(strategy, seed)| {
        search(&configuration, &keys, strategy, budget, seed).with_context(|| {
            let again = command(options, Some(strategy), seed, 1);
            format!("the {} search with seed {seed} failed: {again}", strategy.word())
        })
    })?;
    let shipped = validate(&configuration)?;
    let by_strategy: Vec<(Strategy, &[Found])> =
        strategies.iter().copied().zip(found.chunks(options.searches as usize)).collect();
    if options.json {
        output::print_json(&document(options, &keys, shipped, &by_strategy))
    } else {
        print_table(options, &keys, shipped, &by_strategy)
    }
}

/// The thresholds to be found: those of the trigger that `--set` does not fix.
fn free_keys(choice: &Choice, configuration: &Configuration) -> Result<Vec<&'static str>> {
    let fixed = |key: &str| choice.sets.iter().any(|set| set.split('=').next() == Some(key));
    let (fixed, free): (Vec<_>, Vec<_>) =
        threshold_keys(configuration)?.into_iter().partition(|key| fixed(key));
    if free.is_empty() {
        let fixed = fixed.join(", ");
        return Err(bad_input!("--set fixes {fixed}: there is no threshold left to tune").into());
    }
    Ok(free)
}

/// The command that searches again; without a strategy: in every way.
fn command(options: &Tune, strategy: Option<Strategy>, seed: u64, searches: u32) -> String {
    let mut words = String::from("pipesd tune");
    let chosen = &options.configuration;
    let named = [
        ("profile", chosen.profile.as_str()),
        ("scenario", &chosen.scenario),
        ("method", &chosen.method),
    ];
    let sets = chosen.sets.iter().map(|set| ("set", set.as_str()));
    for (flag, value) in named.into_iter().chain(sets) {
        words.push_str(&format!(" --{flag} {}", quoted(value)));
    }
    words.push_str(&match strategy {
        Some(strategy) => format!(" --strategy {}", strategy.word()),
        None => " --compare".to_owned(),
    });
    let Tune { evaluations, tokens, .. } = options;
    words.push_str(&format!(
        " --evaluations {evaluations} --tokens {tokens} --seed {seed} --searches {searches}"
    ));
    words
}

/// The command that gives the same again.
fn again(options: &Tune) -> String {
    let strategy = (!options.compare).then_some(options.strategy);
    command(options, strategy, options.seed, options.searches)
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
            json!({
                "strategy": strategy.word(),
                "evaluations": found[0].evaluations,
                "tpt_ms": tpt(found),
                "searches": searches,
            })
        })
        .collect();
    json!({
        "command": again(options),
        "version": env!("CARGO_PKG_VERSION"),
        "profile": options.configuration.profile,
        "scenario": options.configuration.scenario,
        "method": options.configuration.method,
        "set": options.configuration.sets,
        "evaluations": options.evaluations,
        "tokens": options.tokens,
        "validation": {
            "seed": VALIDATION_SEEDS.start,
            "seeds": VALIDATION_SEEDS.end - VALIDATION_SEEDS.start,
            "tokens": VALIDATION_TOKENS,
        },
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
    let mut header = vec!["strategy", "evaluations"];
    if options.searches == 1 {
        header.extend(keys);
    }
    header.extend(["time per token (ms)", "sd", "95 % interval"]);
    let mut table = output::Rows::new(&header, 1);
    for (strategy, found) in by_strategy {
        let statistic = tpt(found);
        let mut row = vec![strategy.word().to_owned(), found[0].evaluations.to_string()];
        if let [one] = found {
            row.extend(one.thresholds.iter().map(|value| format!("{value:.3}")));
        }
        row.push(format!("{:.1}", statistic.mean));
        row.extend(statistic.spread(1));
        table.push(row);
    }
    output::print(&format!(
        "{} on {} in {}: at most {} evaluations of {} tokens, {} search(es)\n{table}\n\nwithout tuning: \
         {shipped:.1} ms; each recommendation is judged by {} runs of {VALIDATION_TOKENS} tokens \
         on other prompts\nagain: {}\n",
        options.configuration.method,
        options.configuration.profile,
        options.configuration.scenario,
        options.evaluations,
        options.tokens,
        options.searches,
        VALIDATION_SEEDS.end - VALIDATION_SEEDS.start,
        again(options),
    ))
}
