//! `pipesd chaos`: many runs by chance in virtual time, with everything that can go wrong, and whether the
//! text is right all the same.
//!
//! Each run is its seed's ([`draw`]). What is checked is what every run checks (the numbered invariants, the
//! committed text against the target's own), and that every text came to its end, or that its edge, which
//! waits for a short time only, has said why not. A saboteur must be caught by the same runs.

mod draw;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::{Context, Result};
use pipesd_core::account::Violation;
use pipesd_core::event::Outcome;
use pipesd_core::seed::Seed;
use pipesd_sim::profile::Profile;
use pipesd_sim::world::{Canary, Outages, RunError, RunResult, Setup};
use rayon::prelude::*;
use serde::Serialize;

use self::draw::Drawn;
use crate::cli::Chaos;
use crate::input::{Choice, Configuration, bad_input};
use crate::output;
use crate::progress::Progress;

/// What came of all runs.
#[derive(Debug, Default, Serialize)]
struct Report {
    seed: u64,
    runs: u64,
    /// Runs in which every text came to its end.
    complete: u64,
    /// Runs in which an edge gave up, and said why.
    given_up: u64,
    /// Runs in which an edge had to do without the cloud, and how often in the complete ones.
    with_outages: u64,
    outages: Outages,
    output_tokens: u64,
    edges: u64,
}

/// What came of one.
enum Ended {
    Complete(Box<RunResult>),
    GivenUp,
}

pub(crate) fn run(options: &Chaos) -> Result<()> {
    let profile = profile()?;
    let seeds: Vec<u64> = seeds(options)?.collect();
    match &options.canary {
        None => sound(options, &profile, &seeds),
        Some(name) => sabotaged(canary(name)?, &profile, &seeds, options.json),
    }
}

fn seeds(options: &Chaos) -> Result<std::ops::Range<u64>> {
    let (first, runs) = (options.seed, u64::from(options.runs));
    let end = first.checked_add(runs);
    let end = end.ok_or_else(|| bad_input!("--seed {first}: too large for {runs} runs"))?;
    Ok(first..end)
}

/// Texts are drawn by the process of the shipped profile.
fn profile() -> Result<Profile> {
    let [profile, scenario, method] = ["humaneval", "s1-laptop", "pipesd"].map(str::to_owned);
    let choice = Choice { profile, scenario, method, sets: Vec::new() };
    Ok(Configuration::load(&choice)?.setup(1, false)?.profile.as_ref().clone())
}

fn canary(name: &str) -> Result<Canary> {
    let value = serde_json::Value::String(name.replace('-', "_"));
    let names = Canary::ALL.map(self::name).join(", ");
    Ok(serde_json::from_value(value)
        .map_err(|_| bad_input!("--canary {name}: no such saboteur; there are {names}"))?)
}

fn name(canary: Canary) -> String {
    let name = serde_json::to_value(canary).expect("a name");
    name.as_str().expect("a word").replace('_', "-")
}

fn sound(options: &Chaos, profile: &Profile, seeds: &[u64]) -> Result<()> {
    if options.log {
        anyhow::ensure!(seeds.len() == 1, bad_input!("--log: of one run: --runs 1"));
        return story(profile, seeds[0]);
    }
    let (progress, done) = (Progress::new("runs", 0, seeds.len() as u64), AtomicU64::new(0));
    let runs: Vec<Result<(Drawn, Ended)>> = seeds
        .par_iter()
        .map(|&seed| {
            let drawn = draw::run(profile, seed);
            let ended = ended(&drawn, seed).with_context(|| {
                format!("seed {seed}: run it again: pipesd chaos --seed {seed} --runs 1 --log")
            });
            let done = done.fetch_add(1, Ordering::Relaxed) + 1;
            progress.set(done, || format!("{done} of {}", seeds.len()));
            Ok((drawn, ended?))
        })
        .collect();
    progress.finish();
    let mut report = Report { seed: options.seed, ..Report::default() };
    let mut failures = Vec::new();
    for run in runs {
        report.runs += 1;
        match run {
            Err(error) => failures.push(error),
            Ok((drawn, ended)) => {
                report.edges += u64::from(drawn.setup.edges);
                match ended {
                    Ended::GivenUp => report.given_up += 1,
                    Ended::Complete(result) => {
                        let (all, one) = (&mut report.outages, result.outages);
                        report.with_outages += u64::from(one != Outages::default());
                        all.links_lost += one.links_lost;
                        all.denied += one.denied;
                        all.resumed += one.resumed;
                        all.alone += one.alone;
                        report.complete += 1;
                        report.output_tokens += result.summary.output_tokens;
                    }
                }
            }
        }
    }
    for error in failures.iter().take(10) {
        eprintln!("{error:#}");
    }
    anyhow::ensure!(failures.is_empty(), "{} of {} runs are wrong", failures.len(), report.runs);
    if options.json {
        return output::print_json(&report);
    }
    let Report { runs, complete, given_up, with_outages, outages, output_tokens, edges, .. } =
        report;
    let Outages { links_lost, denied, resumed, alone } = outages;
    output::print(&format!(
        "{runs} runs of {edges} edges: every text is right\n\
         {complete} complete ({output_tokens} tokens), {given_up} with a session given up, and why\n\
         {with_outages} of the complete ones with outages: {links_lost} links lost, sessions denied \
         {denied} times, taken up again {resumed} times, gone on alone {alone} times\n"
    ))
}

/// Runs one and judges it.
fn ended(drawn: &Drawn, seed: u64) -> Result<Ended> {
    let run = AssertUnwindSafe(|| pipesd_sim::world::run(&drawn.setup, Seed(seed)));
    // A broken invariant of the machines is a panic, which has said where on stderr.
    judged(drawn, catch_unwind(run).map_err(|_| anyhow::anyhow!("a machine panicked"))?)
}

fn judged(drawn: &Drawn, run: Result<RunResult, RunError>) -> Result<Ended> {
    let result = match run {
        Err(RunError::Violation(Violation::Ended {
            outcome: Outcome::Unreachable | Outcome::Denied,
            ..
        })) if drawn.impatient => return Ok(Ended::GivenUp),
        result => result?,
    };
    let expected = drawn.setup.tokens * u64::from(drawn.setup.edges);
    let (tokens, before) = (result.summary.output_tokens, result.tokens_before);
    anyhow::ensure!(
        tokens + before == expected,
        "{tokens} tokens were committed and {before} there before, {expected} asked for"
    );
    Ok(Ended::Complete(Box::new(result)))
}

/// The same runs with a saboteur: those in which nothing is sabotaged end as they do without.
fn sabotaged(canary: Canary, profile: &Profile, seeds: &[u64], json: bool) -> Result<()> {
    let caught = seeds.par_iter().filter(|&&seed| {
        let drawn = draw::run(profile, seed);
        let setup = Setup { canary: Some(canary), ..drawn.setup.clone() };
        match pipesd_sim::world::run(&setup, Seed(seed)) {
            Err(RunError::Violation(Violation::Law { law, .. } | Violation::Total { law, .. })) => {
                law == 6 || law == 7
            }
            _ => false,
        }
    });
    let (caught, runs) = (caught.count(), seeds.len());
    let name = name(canary);
    anyhow::ensure!(caught > 0, "{name} was caught in none of {runs} runs");
    if json {
        return output::print_json(&serde_json::json!({
            "canary": name, "runs": runs, "caught": caught
        }));
    }
    output::print(&format!("{name}: caught in {caught} of {runs} runs\n"))
}

/// All events of one run, as they happen.
fn story(profile: &Profile, seed: u64) -> Result<()> {
    let drawn = draw::run(profile, seed);
    for fault in &drawn.setup.faults.faults {
        eprintln!("{fault:?}");
    }
    let (run, events) = pipesd_sim::world::run_told(&drawn.setup, Seed(seed));
    let lines: String = events.iter().map(|event| format!("{event}\n")).collect();
    output::print(&lines)?;
    judged(&drawn, run).map(drop)
}
