//! The tuner beside scikit-optimize and random search: median simple regret after 16 evaluations.
//!
//! ```text
//! cargo run --release --example tuner_regret                    against the stored rival's results
//! cargo run --release --example tuner_regret -- --python BIN    runs the rival anew, and stores them
//! cargo run --release --example tuner_regret -- --request       what the rival is asked, as JSON
//! cargo run --release --example tuner_regret -- --first-seed N  other seeds, without the rival
//! ```
//! `BIN` is a Python with `scikit-optimize`; see `benches/skopt_rival.py`. A **simple regret** is the
//! noise-free function at the recommended point less its least value over the box. Noise is additive and
//! Gaussian; its standard deviation is a share of the function's range over the box. Evaluation i of
//! a seed has the same noise for every method, and both Bayesian tuners get the same five starts.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::process::{Command, ExitCode, Stdio};

use pipesd_core::seed::Seed;
use pipesd_core::tuner::{Bounds, Tuner, TunerConfig, TunerError};
use serde::{Deserialize, Serialize};

const SEEDS: u64 = 100;
const EVALUATIONS: u32 = 16;
/// As many as [`TunerConfig::bayes`] begins with.
const STARTS: u32 = 5;

/// A test function with a known minimum, and its noise.
struct Problem {
    name: &'static str,
    sides: [[f64; 2]; 2],
    least: f64,
    noise_sd: f64,
    value: fn(&[f64]) -> f64,
}

/// Branin and Hoo; three equal minima. Sine and cosine from libm: the same bits on every machine.
fn branin(x: &[f64]) -> f64 {
    let pi = std::f64::consts::PI;
    let bend = x[1] - 5.1 / (4.0 * pi * pi) * x[0] * x[0] + 5.0 / pi * x[0] - 6.0;
    bend * bend + 10.0 * (1.0 - 1.0 / (8.0 * pi)) * libm::cos(x[0]) + 10.0
}

/// Six-hump camel; two equal minima.
fn camel(x: &[f64]) -> f64 {
    let (u, v) = (x[0] * x[0], x[1] * x[1]);
    (4.0 - 2.1 * u + u * u / 3.0) * u + x[0] * x[1] + (4.0 * v - 4.0) * v
}

/// A bowl off the centre; its range over the unit box is 0.98.
fn bowl(x: &[f64]) -> f64 {
    (x[0] - 0.7) * (x[0] - 0.7) + (x[1] - 0.3) * (x[1] - 0.3)
}

const UNIT: [[f64; 2]; 2] = [[0.0, 1.0]; 2];
const PROBLEMS: [Problem; 4] = [
    Problem { name: "bowl", sides: UNIT, least: 0.0, noise_sd: 0.0, value: bowl },
    Problem {
        name: "bowl, 3 % noise",
        sides: UNIT,
        least: 0.0,
        noise_sd: 0.03 * 0.98,
        value: bowl,
    },
    Problem {
        name: "branin",
        sides: [[-5.0, 10.0], [0.0, 15.0]],
        least: 0.397_887_357_729_738,
        noise_sd: 0.0,
        value: branin,
    },
    Problem {
        name: "six-hump camel",
        sides: [[-3.0, 3.0], [-2.0, 2.0]],
        least: -1.031_628_453_489_877,
        noise_sd: 0.0,
        value: camel,
    },
];

/// Standard normal noise of evaluation `i` of a seed (Box and Muller).
fn noise(seed: Seed, i: u32) -> f64 {
    let mut stream = seed.stream("benchmark.noise", 0);
    let mut draws = stream.at(u64::from(i));
    let radius = (-2.0 * libm::log(draws.uniform())).sqrt();
    radius * libm::cos(2.0 * std::f64::consts::PI * draws.uniform())
}

/// What the rival is asked.
#[derive(Serialize)]
struct Request {
    problem: &'static str,
    sides: [[f64; 2]; 2],
    seed: u64,
    starts: Vec<Vec<f64>>,
    random_start: Vec<f64>,
    noise: Vec<f64>,
}

fn first_points(config: TunerConfig, problem: &Problem, seed: Seed, n: u32) -> Vec<Vec<f64>> {
    let bounds = Bounds::new(problem.sides.to_vec()).expect("a box");
    let mut tuner = Tuner::new(config, bounds, seed).expect("a valid mode");
    (0..n)
        .map(|_| {
            let candidate = tuner.ask().expect("starts need no model");
            tuner.tell(&candidate, 0.0).expect("the outstanding candidate");
            candidate.point.coordinates().to_vec()
        })
        .collect()
}

fn requests() -> Vec<Request> {
    let mut requests = Vec::new();
    for problem in &PROBLEMS {
        for seed in 0..SEEDS {
            let bayes = TunerConfig::bayes(EVALUATIONS);
            requests.push(Request {
                problem: problem.name,
                sides: problem.sides,
                seed,
                starts: first_points(bayes, problem, Seed(seed), STARTS),
                random_start: first_points(TunerConfig::paper(), problem, Seed(seed), 1).remove(0),
                noise: (0..EVALUATIONS).map(|i| problem.noise_sd * noise(Seed(seed), i)).collect(),
            });
        }
    }
    requests
}

/// The rival's answer to one request.
#[derive(Deserialize)]
struct Answer {
    problem: String,
    variant: String,
    value: f64,
}

/// What the rival prints.
#[derive(Deserialize)]
struct Answers {
    versions: BTreeMap<String, String>,
    answers: Vec<Answer>,
}

/// What is kept of it: regrets by problem and variant, one for each seed.
#[derive(Serialize, Deserialize)]
struct Rival {
    versions: BTreeMap<String, String>,
    /// Of the requests: stored results that answer other questions are refused.
    fingerprint: String,
    regrets: BTreeMap<String, BTreeMap<String, Vec<f64>>>,
}

/// The rival's variants, and their names for people.
const VARIANTS: [(&str, &str); 4] = [
    ("default", "scikit-optimize, default"),
    ("minimum", "scikit-optimize, default, expected_minimum"),
    ("ei", "scikit-optimize, EI"),
    ("paper", "scikit-optimize, EI, xi 0.1, 1 random start"),
];

const STORED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/skopt_rival.json");
const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/skopt_rival.py");

fn fingerprint(requests: &str) -> String {
    let step = |h: u64, b: u8| (h ^ u64::from(b)).wrapping_mul(0x100_0000_01b3);
    format!("{:016x}", requests.bytes().fold(0xcbf2_9ce4_8422_2325, step))
}

/// What the rival has answered, as regrets.
fn keep(answers: Answers, requests: &str) -> Result<Rival, String> {
    let mut regrets: BTreeMap<String, BTreeMap<String, Vec<f64>>> = BTreeMap::new();
    for Answer { problem, variant, value } in answers.answers {
        let known = PROBLEMS.iter().find(|known| known.name == problem);
        let known = known.ok_or_else(|| format!("the rival answers on {problem}, unasked"))?;
        regrets.entry(problem).or_default().entry(variant).or_default().push(value - known.least);
    }
    Ok(Rival { versions: answers.versions, fingerprint: fingerprint(requests), regrets })
}

/// Runs the rival and stores what it found.
fn run_rival(python: &str, requests: &str) -> Result<Rival, String> {
    let mut command = Command::new(python);
    command.arg(SCRIPT).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.spawn().map_err(|error| format!("{python}: {error}"))?;
    let mut stdin = child.stdin.take().ok_or("a piped stdin is there")?;
    stdin.write_all(requests.as_bytes()).map_err(|error| error.to_string())?;
    drop(stdin);
    let output = child.wait_with_output().map_err(|error| error.to_string())?;
    if !output.status.success() {
        return Err(format!("{python} {SCRIPT}: {}", output.status));
    }
    let answers = serde_json::from_slice(&output.stdout).map_err(|error| error.to_string())?;
    let rival = keep(answers, requests)?;
    check_complete(&rival)?;
    let text = serde_json::to_string(&rival).map_err(|error| error.to_string())?;
    fs::write(STORED, text + "\n").map_err(|error| format!("{STORED}: {error}"))?;
    Ok(rival)
}

/// What the rival found when it was last run.
fn stored_rival(requests: &str) -> Result<Rival, String> {
    let text = fs::read_to_string(STORED).map_err(|error| format!("{STORED}: {error}"))?;
    let rival: Rival = serde_json::from_str(&text).map_err(|error| error.to_string())?;
    if rival.fingerprint != fingerprint(requests) {
        return Err(format!("{STORED} answers other requests: run again with --python"));
    }
    check_complete(&rival).map_err(|problem| format!("{STORED}: {problem}"))?;
    Ok(rival)
}

/// Every variant must have answered on every problem for every seed; one that is left out of a problem is
/// told where its line would be, but those that we are held against may not be.
fn check_complete(rival: &Rival) -> Result<(), String> {
    for problem in &PROBLEMS {
        for (variant, what) in VARIANTS {
            let regrets = rival.regrets.get(problem.name).and_then(|by| by.get(variant));
            let found = regrets.map_or(0, Vec::len);
            let left_out = found == 0 && !["default", "minimum"].contains(&variant);
            if found as u64 != SEEDS && !left_out {
                let name = problem.name;
                return Err(format!(
                    "{what} has {found} of {SEEDS} answers on {name}: run again with --python"
                ));
            }
        }
    }
    Ok(())
}

/// Simple regret of one search.
fn regret(config: TunerConfig, problem: &Problem, seed: u64) -> Result<f64, TunerError> {
    let mut tuner = Tuner::new(config, Bounds::new(problem.sides.to_vec())?, Seed(seed))?;
    while !tuner.is_done() {
        let candidate = tuner.ask()?;
        let noise = problem.noise_sd * noise(Seed(seed), candidate.number);
        tuner.tell(&candidate, (problem.value)(candidate.point.coordinates()) + noise)?;
    }
    Ok((problem.value)(tuner.recommend()?.coordinates()) - problem.least)
}

/// Regrets of all seeds, in their order.
fn regrets(config: TunerConfig, problem: &Problem, first: u64) -> Result<Vec<f64>, TunerError> {
    (first..first + SEEDS).map(|seed| regret(config, problem, seed)).collect()
}

/// The value that a share of `values` is at most, between order statistics.
fn quantile(values: &[f64], share: f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let at = share * (sorted.len() - 1) as f64;
    let below = at as usize;
    let above = (below + 1).min(sorted.len() - 1);
    sorted[below] + (at - below as f64) * (sorted[above] - sorted[below])
}

fn row(method: &str, regrets: &[f64], reference: Option<f64>) {
    let [low, median, high] = [0.1, 0.5, 0.9].map(|share| quantile(regrets, share));
    let ratio =
        reference.map_or(String::new(), |reference| format!("  {:.2e}", median / reference));
    println!("  {method:<44}{median:>10.2e}  [{low:.1e}, {high:.1e}]{ratio}");
}

fn print(rival: Option<&Rival>, first: u64) -> Result<(), TunerError> {
    println!("Simple regret after {EVALUATIONS} evaluations over {SEEDS} seeds from {first} on:");
    println!(
        "median, [10 %, 90 %] of the seeds, and the median over scikit-optimize's default one"
    );
    for problem in &PROBLEMS {
        println!("{}", problem.name);
        let theirs = rival.and_then(|rival| rival.regrets.get(problem.name));
        let default = theirs.and_then(|theirs| theirs.get("default")).map(|all| quantile(all, 0.5));
        let ours = [
            ("pipesd, bayes", TunerConfig::bayes(EVALUATIONS)),
            ("pipesd, paper", TunerConfig::paper()),
            ("grid, 4 x 4 cell centres", TunerConfig::grid(4, 2)),
            ("grid, 4 x 4 from end to end", TunerConfig::grid_with_ends(4, 2)),
            ("random", TunerConfig::random(EVALUATIONS)),
        ];
        for (name, config) in ours {
            row(name, &regrets(config, problem, first)?, default);
        }
        for (variant, what) in VARIANTS {
            match theirs.and_then(|theirs| theirs.get(variant)) {
                Some(regrets) => row(what, regrets, default),
                None if rival.is_some() => println!("  {what:<44}{:>10}", "not run"),
                None => {}
            }
        }
    }
    Ok(())
}

fn run(arguments: &[&str]) -> Result<(), String> {
    let text = || serde_json::to_string(&requests()).map_err(|error| error.to_string());
    let (rival, first) = match arguments {
        [] => (Some(stored_rival(&text()?)?), 0),
        ["--python", python] => (Some(run_rival(python, &text()?)?), 0),
        ["--first-seed", first] => (None, first.parse().map_err(|_| format!("no seed: {first}"))?),
        ["--request"] => {
            println!("{}", text()?);
            return Ok(());
        }
        _ => return Err("arguments: --python BIN, --request or --first-seed N".into()),
    };
    if let Some(rival) = &rival {
        let versions: Vec<String> =
            rival.versions.iter().map(|(name, version)| format!("{name} {version}")).collect();
        println!("Rival: {}", versions.join(", "));
    }
    print(rival.as_ref(), first).map_err(|error| error.to_string())
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match run(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("Error: {error}");
            ExitCode::FAILURE
        }
    }
}
