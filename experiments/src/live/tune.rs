//! `pipesd tune --live`: thresholds found by live runs, one candidate after another, in real time.
//!
//! All candidates decode the same prompts. With `--against-grid` the search is held against the best of a
//! live grid, and against what the simulator recommends from one recording; these, and the thresholds as
//! configured, are then decoded some times more. What was decoded is kept in the folder: the same command
//! goes on where it was interrupted.

use std::path::PathBuf;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use super::models::End;
use super::recording;
use super::scene::Scene;
use super::{ensure_not_interrupted, kept, pair};
use crate::cli::{Strategy, Tune};
use crate::input::{Choice, bad_input};
use crate::output::{self, Rows};
use crate::progress::Progress;
use crate::search::search_by;

/// Runs of each recommendation, over which its time is the mean.
const RUNS: u32 = 3;
/// Candidates of the search in the simulator.
const SIMULATED_EVALUATIONS: u32 = 64;
/// Draws of measured times, over which a simulated candidate's time is the mean.
const SEEDS: u64 = 10;

/// A live run that is done.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Done {
    /// A digest of the program that ran it: what another one measured is not mixed in.
    program: String,
    /// All that was run.
    choice: Choice,
    models: Vec<String>,
    seed: u64,
    tokens: u64,
    /// Which run of the same it was.
    run: u32,
    tpt_ms: f64,
}

/// Thresholds that someone recommends.
#[derive(Clone, Debug, Serialize)]
struct Recommendation {
    by: &'static str,
    thresholds: Vec<f64>,
    /// Candidates that were tried for it.
    evaluations: u32,
    /// Of runs that no search has seen \[ms\].
    runs_ms: Vec<f64>,
    tpt_ms: f64,
}

/// What is printed.
#[derive(Debug, Serialize)]
struct Outcome<'a> {
    choice: &'a Choice,
    seed: u64,
    tokens: u64,
    keys: &'a [&'static str],
    recommendations: Vec<Recommendation>,
}

struct Bench<'a> {
    options: &'a Tune,
    choice: Choice,
    keys: &'a [&'static str],
    folder: PathBuf,
    program: &'static str,
    done: Vec<Done>,
    progress: Progress,
    count: u64,
}

/// Searches, and prints what was found.
pub(crate) fn run(options: &Tune, keys: &[&'static str], configured: Vec<f64>) -> Result<()> {
    if options.compare || options.searches != 1 {
        let problem = "one live search at a time: leave out --compare and --searches";
        return Err(bad_input!("--live: {problem}").into());
    }
    let folder = options.out.clone().unwrap_or_else(|| "results/tune-live".into());
    let grid = options.against_grid.map(|points| points.pow(keys.len() as u32));
    let finals = u64::from(RUNS) * if grid.is_some() { 4 } else { 2 };
    let all = u64::from(options.evaluations) + u64::from(grid.unwrap_or(0)) + finals;
    let mut bench = Bench {
        options,
        choice: Choice::from(&options.configuration),
        keys,
        program: recording::program()?,
        done: kept(&folder.join("runs.json"), "remove it")?,
        folder,
        progress: Progress::new("tune live", 0, all),
        count: 0,
    };
    let found = bench.search(options.strategy, options.evaluations)?;
    let mut wanted = vec![("as configured", (configured, 0)), ("live search", found)];
    if let Some(points) = grid {
        wanted.push(("best of the live grid", bench.search(Strategy::GridEnds, points)?));
        wanted.push(("simulator, from a recording", bench.simulated()?));
    }
    let mut recommendations = Vec::new();
    for (by, (thresholds, evaluations)) in wanted {
        // The searches have seen run 0.
        let runs = (1..=RUNS).map(|run| bench.live(&thresholds, run));
        let runs_ms = runs.collect::<Result<Vec<f64>>>()?;
        let tpt_ms = runs_ms.iter().sum::<f64>() / runs_ms.len() as f64;
        recommendations.push(Recommendation { by, thresholds, evaluations, runs_ms, tpt_ms });
    }
    bench.progress.finish();
    let (choice, seed, tokens) = (&bench.choice, options.seed, options.tokens);
    let outcome = Outcome { choice, seed, tokens, keys, recommendations };
    if options.json { output::print_json(&outcome) } else { output::print(&table(&outcome)) }
}

impl Bench<'_> {
    fn search(&mut self, strategy: Strategy, evaluations: u32) -> Result<(Vec<f64>, u32)> {
        let (keys, seed) = (self.keys.len(), self.options.seed);
        search_by(|thresholds| self.live(thresholds, 0), keys, strategy, evaluations, seed)
    }

    fn scene(&self, thresholds: &[f64]) -> Result<Scene> {
        let mut choice = self.choice.clone();
        let sets = self.keys.iter().zip(thresholds).map(|(key, value)| format!("{key}={value}"));
        choice.sets.extend(sets);
        let Tune { models, seed, tokens, .. } = self.options;
        Scene::load(&choice, models, *seed, *tokens, End::Edge)
    }

    /// Time per token of a live run \[ms\].
    fn live(&mut self, thresholds: &[f64], run: u32) -> Result<f64> {
        ensure_not_interrupted()?;
        let scene = self.scene(thresholds)?;
        let wanted = Done {
            program: self.program.to_owned(),
            choice: scene.choice.clone(),
            models: self.options.models.words(),
            seed: scene.seed,
            tokens: scene.tokens,
            run,
            tpt_ms: 0.0,
        };
        let known = self.done.iter().find(|done| wanted == Done { tpt_ms: 0.0, ..(*done).clone() });
        let tpt_ms = match known {
            Some(done) => done.tpt_ms,
            None => {
                let paired = pair::run(&scene, None, true, None)
                    .with_context(|| format!("{:?} = {thresholds:?}", self.keys))?;
                let tpt_ms = paired.summary()?.tpt_ms;
                self.done.push(Done { tpt_ms, ..wanted });
                let path = self.folder.join("runs.json");
                output::write_file(&path, &output::json(&self.done))?;
                tpt_ms
            }
        };
        self.count += 1;
        self.progress.set(self.count, || {
            let shown: Vec<String> = thresholds.iter().map(|value| format!("{value:.3}")).collect();
            format!("{} gives {tpt_ms:.1} ms per token", shown.join(", "))
        });
        Ok(tpt_ms)
    }

    /// What the simulator recommends, given one live run as configured.
    fn simulated(&mut self) -> Result<(Vec<f64>, u32)> {
        let folder = self.folder.join("recording");
        let Tune { models, seed, tokens, .. } = self.options;
        let scene = Scene::load(&self.choice, models, *seed, *tokens, End::Edge)?;
        recording::ensure(&folder, &scene)?;
        let measured = recording::measured(&folder, &scene)?;
        let judge =
            |thresholds: &[f64]| measured.simulated_tpt_ms(&self.scene(thresholds)?, 0..SEEDS);
        search_by(judge, self.keys.len(), Strategy::Bayes, SIMULATED_EVALUATIONS, *seed)
    }
}

fn table(outcome: &Outcome<'_>) -> String {
    let mut header = vec!["thresholds of", "tried"];
    header.extend(outcome.keys);
    header.extend(["live (ms per token)", "mean", "against the grid's"]);
    let grid = outcome.recommendations.iter().find(|one| one.by.contains("grid"));
    let mut rows = Rows::new(&header, 1);
    for one in &outcome.recommendations {
        let mut row = vec![one.by.to_owned(), one.evaluations.to_string()];
        row.extend(one.thresholds.iter().map(|value| format!("{value:.3}")));
        let runs: Vec<String> = one.runs_ms.iter().map(|ms| format!("{ms:.1}")).collect();
        row.extend([runs.join(", "), format!("{:.1}", one.tpt_ms)]);
        row.push(grid.map_or_else(String::new, |grid| {
            format!("{:+.1} %", (one.tpt_ms / grid.tpt_ms - 1.0) * 100.0)
        }));
        rows.push(row);
    }
    let Choice { scenario, method, .. } = outcome.choice;
    format!("{method} in {scenario}, decoded live\n{rows}\n")
}
