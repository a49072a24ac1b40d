//! Live against simulated: how far what the simulator says of a run is from the run.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use super::ensure_not_interrupted;
use super::models::End;
use super::recording::{self, Measured};
use super::scene::Scene;
use crate::cli::{Backend, LiveRun, Testbed};
use crate::input::{Choice, bad_input};
use crate::output::{self, Rows};
use crate::progress::Progress;

/// What to compare.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Plan {
    profile: String,
    methods: Vec<String>,
    tokens: u64,
    repeats: u32,
    seeds: u32,
    reference: Reference,
    environments: Vec<Environment>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Reference {
    environment: String,
    method: String,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Environment {
    name: String,
    scenario: String,
    #[serde(default)]
    set: Vec<String>,
    /// Whether its errors count.
    #[serde(default = "yes")]
    bar: bool,
}

const fn yes() -> bool {
    true
}

/// A method in an environment, live and simulated; times in ms per token.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Cell {
    environment: String,
    method: String,
    bar: bool,
    live: Vec<f64>,
    factual: f64,
    counterfactual: Option<f64>,
}

impl Cell {
    fn mean(&self) -> f64 {
        self.live.iter().sum::<f64>() / self.live.len() as f64
    }

    /// Between the slowest and the fastest live run \[%\].
    fn live_spread(&self) -> f64 {
        let low = self.live.iter().copied().fold(f64::INFINITY, f64::min);
        let high = self.live.iter().copied().fold(0.0, f64::max);
        (high / low - 1.0) * 100.0
    }

    /// Of a simulated time \[%\].
    fn error(&self, simulated: f64) -> f64 {
        (simulated / self.mean() - 1.0) * 100.0
    }

    fn factual_error(&self) -> f64 {
        self.error(self.factual)
    }

    fn counterfactual_error(&self) -> Option<f64> {
        self.counterfactual.map(|simulated| self.error(simulated))
    }
}

/// Runs the plan and prints the table.
pub(crate) fn run(options: &Testbed) -> Result<()> {
    let plan = match options.run.models.backend {
        Backend::Emulated => include_str!("../../plans/fidelity.toml"),
        Backend::Models => include_str!("../../plans/fidelity-models.toml"),
    };
    let plan: Plan = toml::from_str(plan).context("the shipped plan is valid")?;
    let plan = Plan { tokens: options.run.tokens.unwrap_or(plan.tokens), ..plan };
    let folder = options.out.clone().unwrap_or_else(|| PathBuf::from("results/fidelity"));
    let cells = measure(&plan, &folder, options)?;
    let document = output::json(&cells);
    output::write_file(&folder.join("cells.json"), &document)?;
    if options.run.json { output::print(&document) } else { output::print(&table(&plan, &cells)) }
}

/// One live run of a cell, by its place in the plan.
struct Run<'a> {
    environment: &'a Environment,
    method: &'a str,
    repeat: u32,
    scene: Scene,
    folder: PathBuf,
}

/// The scene of a run: the plan's texts, or the models of a pair.
fn scene(plan: &Plan, environment: &Environment, method: &str, run: &LiveRun) -> Result<Scene> {
    let choice = Choice {
        profile: plan.profile.clone(),
        scenario: environment.scenario.clone(),
        method: method.to_owned(),
        sets: environment.set.clone(),
    };
    Scene::load(&choice, &run.models, run.seed, plan.tokens, End::Edge)
}

fn measure(plan: &Plan, folder: &Path, options: &Testbed) -> Result<Vec<Cell>> {
    let mut runs = Vec::new();
    for environment in &plan.environments {
        for method in &plan.methods {
            for repeat in 0..plan.repeats {
                let scene = scene(plan, environment, method, &options.run)?;
                let name = format!("{}-{method}-{repeat}", slug(&environment.name));
                runs.push(Run { environment, method, repeat, scene, folder: folder.join(name) });
            }
        }
    }
    decode(&runs)?;
    let Reference { environment, method } = &plan.reference;
    let reference = runs
        .iter()
        .find(|run| run.environment.name == *environment && run.method == method)
        .ok_or_else(|| bad_input!("no run of {method} in {environment} to predict from"))?;
    let reference_model = recording::measured(&reference.folder, &reference.scene)?;
    runs.chunk_by(|a, b| a.environment.name == b.environment.name && a.method == b.method)
        .map(|repeats| {
            ensure_not_interrupted()?;
            cell(plan, repeats, &reference_model, reference)
        })
        .collect()
}

/// Makes the recordings that are not there yet, one after another, in real time.
fn decode(runs: &[Run<'_>]) -> Result<()> {
    let program = recording::program()?;
    let (mut left, mut kept, mut all) = (Vec::new(), 0, 0);
    for run in runs {
        let ms = run.scene.expected_ms()?;
        all += ms;
        if recording::is_complete(&run.folder, &run.scene, program) {
            kept += ms;
        } else {
            left.push((run, ms));
        }
    }
    let progress = Progress::new("live", kept, all);
    let (mut passed, mut count) = (kept, runs.len() - left.len());
    for (run, ms) in left {
        let next = format!("{}, {}", run.environment.name, run.method);
        progress.set(passed, || format!("{count} of {} runs, next {next}", runs.len()));
        ensure_not_interrupted()?;
        recording::ensure(&run.folder, &run.scene).context(next)?;
        passed += ms;
        count += 1;
    }
    progress.finish();
    Ok(())
}

fn cell(
    plan: &Plan,
    repeats: &[Run<'_>],
    reference_model: &Measured,
    reference: &Run<'_>,
) -> Result<Cell> {
    let first = &repeats[0];
    debug_assert_eq!(first.repeat, 0, "runs of a cell stand together");
    let live: Vec<f64> = repeats
        .iter()
        .map(|run| Ok(recording::noted(&run.folder)?.tpt_ms))
        .collect::<Result<_>>()?;
    let seeds = 1000..1000 + u64::from(plan.seeds);
    let mut factual = 0.0;
    for run in repeats {
        let model = recording::measured(&run.folder, &run.scene)?;
        factual += model.simulated_tpt_ms(&run.scene, seeds.clone())? / repeats.len() as f64;
    }
    let is_reference = std::ptr::eq(first, reference);
    let counterfactual = (!is_reference)
        .then(|| reference_model.simulated_tpt_ms(&first.scene, seeds))
        .transpose()?;
    Ok(Cell {
        environment: first.environment.name.clone(),
        method: first.method.to_owned(),
        bar: first.environment.bar,
        live,
        factual,
        counterfactual,
    })
}

/// Sizes of the errors of cells that count \[%\], each kind's mean and worst.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Errors {
    /// Cells that count.
    counted: usize,
    factual: (f64, f64),
    counterfactual: (f64, f64),
    /// Cells whose factual error is within 2 %, or the difference between live runs.
    within: usize,
}

impl Errors {
    fn of(cells: &[Cell]) -> Self {
        let counted: Vec<&Cell> = cells.iter().filter(|cell| cell.bar).collect();
        let factual: Vec<f64> = counted.iter().map(|cell| cell.factual_error()).collect();
        let counterfactual: Vec<f64> =
            counted.iter().filter_map(|cell| cell.counterfactual_error()).collect();
        let sizes = |errors: &[f64]| {
            let sum: f64 = errors.iter().map(|error| error.abs()).sum();
            let worst = errors.iter().map(|error| error.abs()).fold(0.0, f64::max);
            (sum / errors.len().max(1) as f64, worst)
        };
        let within = counted
            .iter()
            .filter(|cell| cell.factual_error().abs() <= cell.live_spread().max(2.0))
            .count();
        Self {
            counted: counted.len(),
            factual: sizes(&factual),
            counterfactual: sizes(&counterfactual),
            within,
        }
    }
}

fn slug(name: &str) -> String {
    let letters = name.chars().filter(|c| c.is_ascii_alphanumeric() || *c == ' ');
    letters.map(|c| if c == ' ' { '-' } else { c.to_ascii_lowercase() }).collect()
}

fn table(plan: &Plan, cells: &[Cell]) -> String {
    let header = [
        "environment",
        "method",
        "live (ms per token)",
        "live against live",
        "factual",
        "error",
        "counterfactual",
        "error",
    ];
    let mut rows = Rows::new(&header, 2);
    for cell in cells {
        let live: Vec<String> = cell.live.iter().map(|ms| format!("{ms:.1}")).collect();
        let (simulated, error) = match cell.counterfactual.zip(cell.counterfactual_error()) {
            Some((ms, error)) => (format!("{ms:.1}"), format!("{error:+.1} %")),
            None => ("recorded".to_owned(), String::new()),
        };
        rows.push([
            cell.environment.clone(),
            cell.method.clone(),
            live.join(", "),
            format!("{:.1} %", cell.live_spread()),
            format!("{:.1}", cell.factual),
            format!("{:+.1} %", cell.factual_error()),
            simulated,
            error,
        ]);
    }
    let Errors { counted, factual, counterfactual, within } = Errors::of(cells);
    let Reference { environment, method } = &plan.reference;
    format!(
        "Live against simulated, {} tokens a run\n{rows}\n\n\
         factual (each run from its own recording): mean |error| {:.1} %, worst {:.1} %; within 2 % \
         or the difference between live runs: {within} of {} cells\n\
         counterfactual (all from one recording: {method} in {environment}): mean |error| {:.1} %, \
         worst {:.1} %\n",
        plan.tokens, factual.0, factual.1, counted, counterfactual.0, counterfactual.1,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cell(live: [f64; 2], factual: f64, counterfactual: Option<f64>, bar: bool) -> Cell {
        let (environment, method) = ("S1".to_owned(), "vanilla".to_owned());
        Cell { environment, method, bar, live: live.to_vec(), factual, counterfactual }
    }

    fn close(a: (f64, f64), b: (f64, f64)) -> bool {
        (a.0 - b.0).abs() < 1e-9 && (a.1 - b.1).abs() < 1e-9
    }

    #[test]
    fn an_error_is_the_simulators_of_the_mean_of_live_runs() {
        let cell = cell([190.0, 210.0], 220.0, Some(150.0), true);
        assert!((cell.factual_error() - 10.0).abs() < 1e-9);
        assert!((cell.counterfactual_error().expect("predicted") + 25.0).abs() < 1e-9);
        assert!((cell.live_spread() - 2000.0 / 190.0).abs() < 1e-9);
    }

    #[test]
    fn means_are_of_sizes_and_of_cells_that_count() {
        let errors = Errors::of(&[
            // The one that is predicted from.
            cell([100.0, 100.0], 101.0, None, true),
            cell([100.0, 100.0], 97.0, Some(92.0), true),
            // Off by more than 2 %, and less than its runs are apart.
            cell([98.0, 102.0], 104.0, Some(104.0), true),
            cell([100.0, 100.0], 150.0, Some(10.0), false),
        ]);
        assert_eq!((errors.counted, errors.within), (3, 2));
        assert!(close(errors.factual, (8.0 / 3.0, 4.0)), "{errors:?}");
        assert!(close(errors.counterfactual, (6.0, 8.0)), "{errors:?}");
    }
}
