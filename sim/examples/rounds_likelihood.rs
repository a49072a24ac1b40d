//! The likelihood of recorded serial rounds under a profile's process, over its acceptance curve: what the
//! curve is fitted by (docs: README, "Where the numbers come from").
//!
//! ```text
//! cargo run --release -p pipesd-sim --example rounds_likelihood -- PROFILE.toml ROUNDS.csv \
//!     [threshold=0.7] [intercepts=1.0,1.2] [slopes=0.2,0.6,1.1] [particles=4000]
//! ```
//!
//! `ROUNDS.csv` has columns `draft_len` and `accepted`, and `task_id` if it holds several prompts, in the
//! order of decoding; `run`, if there is one, is matched by `run=NAME`.

use std::process::ExitCode;

use pipesd_core::device::Device;
use pipesd_core::seed::Seed;
use pipesd_sim::profile::{ProfileSpec, TextModel};
use pipesd_sim::text::Process;
use pipesd_sim::text::likelihood::{Round, rounds_log_likelihood};

struct Options {
    threshold: Option<f64>,
    intercepts: Option<Vec<f64>>,
    slopes: Option<Vec<f64>>,
    particles: u32,
    run: Option<String>,
}

fn numbers(text: &str) -> Result<Vec<f64>, String> {
    text.split(',').map(|n| n.parse().map_err(|_| format!("{n}: expected a number"))).collect()
}

fn options(arguments: &[String]) -> Result<Options, String> {
    let (threshold, intercepts, slopes, run) = (None, None, None, None);
    let mut options = Options { threshold, intercepts, slopes, particles: 4000, run };
    for argument in arguments {
        let (key, value) =
            argument.split_once('=').ok_or_else(|| format!("{argument}: expected KEY=VALUE"))?;
        match key {
            "threshold" => options.threshold = numbers(value)?.first().copied(),
            "intercepts" => options.intercepts = Some(numbers(value)?),
            "slopes" => options.slopes = Some(numbers(value)?),
            "particles" => {
                let count = value.parse().map_err(|_| format!("{value}: expected a number"))?;
                options.particles = count;
            }
            "run" => options.run = Some(value.to_owned()),
            _ => return Err(format!("{key}: threshold, intercepts, slopes, particles or run")),
        }
    }
    Ok(options)
}

/// The rounds of each prompt.
fn read(content: &str, run: Option<&str>) -> Result<Vec<Vec<Round>>, String> {
    let mut lines = content.lines();
    let header: Vec<&str> = lines.next().unwrap_or_default().split(',').collect();
    let column = |name: &str| header.iter().position(|column| *column == name);
    let [drafted, accepted] = ["draft_len", "accepted"]
        .map(|name| column(name).ok_or_else(|| format!("line 1: no column `{name}`")));
    let (drafted, accepted) = (drafted?, accepted?);
    let mut prompts: Vec<(String, Vec<Round>)> = Vec::new();
    for (number, line) in (2..).zip(lines) {
        let cells: Vec<&str> = line.split(',').collect();
        let cell = |index: usize| cells.get(index).copied().unwrap_or_default();
        if run.is_some_and(|run| column("run").map(cell) != Some(run)) {
            continue;
        }
        let count = |index| {
            let text = cell(index);
            text.parse().map_err(|_| format!("line {number}: `{text}` is no count"))
        };
        let round = Round { drafted: count(drafted)?, accepted: count(accepted)? };
        if round.drafted == 0 || round.accepted > round.drafted {
            return Err(format!("line {number}: a round of {round:?}"));
        }
        let prompt = column("task_id").map_or("", cell);
        match prompts.last_mut() {
            Some((last, rounds)) if last == prompt => rounds.push(round),
            _ => prompts.push((prompt.to_owned(), vec![round])),
        }
    }
    if prompts.is_empty() {
        return Err("no rounds".to_owned());
    }
    Ok(prompts.into_iter().map(|(_, rounds)| rounds).collect())
}

fn table(arguments: &[String]) -> Result<String, String> {
    let [profile, rounds, rest @ ..] = arguments else {
        return Err("expected PROFILE.toml ROUNDS.csv [KEY=VALUE ...]".to_owned());
    };
    let options = options(rest)?;
    let content =
        |path: &String| std::fs::read_to_string(path).map_err(|error| format!("{path}: {error}"));
    let spec: ProfileSpec =
        toml::from_str(&content(profile)?).map_err(|error| format!("{profile}: {error}"))?;
    let resolved =
        spec.resolve(Device::REFERENCE, None).map_err(|problem| format!("{profile}: {problem}"))?;
    let TextModel::Process(process) = resolved.text else {
        return Err(format!("{profile}: its texts are recorded"));
    };
    let prompts = read(&content(rounds)?, options.run.as_deref());
    let prompts = prompts.map_err(|problem| format!("{rounds}: {problem}"))?;
    let mut text = "intercept  slope  log-likelihood\n".to_owned();
    let slopes = options.slopes.unwrap_or(vec![process.acceptance_slope]);
    let intercepts = options.intercepts.unwrap_or(vec![process.acceptance_intercept]);
    for &slope in &slopes {
        for &intercept in &intercepts {
            let at = Process {
                acceptance_intercept: intercept,
                acceptance_slope: slope,
                ..process.clone()
            };
            let found =
                rounds_log_likelihood(&at, &prompts, options.threshold, options.particles, Seed(1));
            text.push_str(&format!("{intercept:9.2}  {slope:5.2}  {found:14.2}\n"));
        }
    }
    Ok(text)
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match table(&arguments) {
        Ok(text) => {
            print!("{text}");
            ExitCode::SUCCESS
        }
        Err(problem) => {
            eprintln!("error: {problem}");
            ExitCode::from(2)
        }
    }
}
