//! `pipesd trace`: recorded texts, made from a profile, looked at, checked.

use std::path::Path;
use std::sync::Arc;

use anyhow::Result;
use pipesd_core::seed::Seed;
use pipesd_core::trace::{TextTiming, Trace, TraceText};
use pipesd_sim::export::{self, ExportError};
use pipesd_sim::profile::{Profile, ProfileSpec};
use serde::Serialize;

use super::live;
use crate::cli::{self, TraceCheck, TraceExport, TraceInspect};
use crate::input::{Choice, Configuration, bad_input, load_trace};
use crate::output;

pub(crate) fn run(options: &cli::Trace) -> Result<()> {
    match options {
        cli::Trace::Export(options) => export(options),
        cli::Trace::Record(options) => live::record(options),
        cli::Trace::Inspect(options) if options.file.is_dir() => live::inspect(options),
        cli::Trace::Inspect(options) => inspect(options),
        cli::Trace::Check(options) if is_live(&options.file) => live::check(&options.file),
        cli::Trace::Check(options) => check(options),
    }
}

/// Whether this is a recorded live run: a folder, or one end's log.
fn is_live(path: &Path) -> bool {
    path.is_dir() || path.extension().is_some_and(|extension| extension == "jsonl")
}

/// A folder's trace, and what its profile calls it.
const TRACE_FILE: &str = "trace.json";

fn export(options: &TraceExport) -> Result<()> {
    let TraceExport { profile, scenario, sets, seed, requests, rollout, out } = options;
    let choice = Choice {
        profile: profile.clone(),
        scenario: scenario.clone(),
        // Texts and times are the same under every method.
        method: "vanilla".to_owned(),
        sets: sets.clone(),
    };
    let configuration = Configuration::load(&choice)?;
    let profile: Arc<Profile> = configuration.setup(1, false)?.profile;
    let trace = export::trace(&profile, Seed(*seed), *requests, *rollout);
    let trace = trace.map_err(|error| match error {
        ExportError::Recorded(_) => bad_input!("--profile {}: {error}", options.profile),
        ExportError::Trace(_) => bad_input!("{error}"),
    })?;
    let text = serde_json::to_string(&trace).expect("a trace is plain data") + "\n";
    if out.extension().is_some_and(|extension| extension == "json") {
        output::write_file(out, &text)?;
        eprintln!("wrote {} texts to {}", trace.texts.len(), out.display());
        return Ok(());
    }
    let spec = ProfileSpec {
        text: None,
        trace: Some(TRACE_FILE.to_owned()),
        ..configuration.profile.spec
    };
    let spec = toml::to_string(&spec).expect("a profile is a table");
    output::write_file(&out.join(TRACE_FILE), &text)?;
    output::write_file(&out.join("profile.toml"), &spec)?;
    eprintln!("wrote {} texts and their profile to {}", trace.texts.len(), out.display());
    Ok(())
}

fn check(options: &TraceCheck) -> Result<()> {
    let trace = load_trace(&options.file)?;
    let (texts, tokens) = (trace.texts.len(), tokens(&trace));
    let file = options.file.display();
    output::print(&format!("{file}: a valid trace of {texts} texts, {tokens} tokens\n"))
}

fn tokens(trace: &Trace) -> usize {
    trace.texts.iter().map(|text| text.positions.len()).sum()
}

/// What is in a trace.
#[derive(Debug, PartialEq, Serialize)]
struct Contents {
    file: String,
    source: String,
    texts: usize,
    tokens: usize,
    prompt_tokens_mean: f64,
    mismatches: usize,
    /// Share of positions at which the draft proposes the target's token.
    acceptance: f64,
    /// On the path, at 5, 25, 50, 75 and 95 %.
    confidence_quantiles: [f64; 5],
    /// Shortest, mean, longest.
    rollout_steps: Option<Spread>,
    features: bool,
    timing: Option<Times>,
}

#[derive(Debug, PartialEq, Serialize)]
struct Spread {
    min: f64,
    mean: f64,
    max: f64,
}

/// Means of the times \[ms\].
#[derive(Debug, PartialEq, Serialize)]
struct Times {
    draft_step_ms: Option<Spread>,
    rollout_step_ms: Option<Spread>,
    verify_overhead_ms: Option<Spread>,
    verify_base_ms: Option<Spread>,
    draft_prefill_ms: Option<Spread>,
    verify_prefill_ms: Option<Spread>,
    verify_per_token_ms: f64,
}

const QUANTILES: [f64; 5] = [0.05, 0.25, 0.5, 0.75, 0.95];

fn contents(file: &Path, trace: &Trace) -> Contents {
    let positions = || trace.texts.iter().flat_map(|text| &text.positions);
    let tokens = tokens(trace);
    let mismatches = positions().filter(|(draft, target, _)| draft != target).count();
    let mut confidences: Vec<f64> = positions().map(|(_, _, confidence)| *confidence).collect();
    confidences.sort_by(f64::total_cmp);
    let quantile = |share: f64| confidences[(share * (tokens - 1) as f64).round() as usize];
    let rollouts = trace.texts.iter().flat_map(|text| text.rollouts.values());
    Contents {
        file: file.display().to_string(),
        source: trace.source.clone(),
        texts: trace.texts.len(),
        tokens,
        prompt_tokens_mean: trace.texts.iter().map(|t| f64::from(t.prompt_tokens)).sum::<f64>()
            / trace.texts.len() as f64,
        mismatches,
        acceptance: (tokens - mismatches) as f64 / tokens as f64,
        confidence_quantiles: QUANTILES.map(quantile),
        rollout_steps: spread(rollouts.map(|rollout| rollout.len() as f64)),
        features: trace.texts.iter().all(|text| text.features.is_some()),
        timing: times(trace),
    }
}

fn times(trace: &Trace) -> Option<Times> {
    let common = trace.timing?;
    let ms = |ns: &u64| *ns as f64 / 1e6;
    let timings = || trace.texts.iter().filter_map(|text: &TraceText| text.timing.as_ref());
    let each = |of: fn(&TextTiming) -> &u64| spread(timings().map(|timing| ms(of(timing))));
    let all = |of: fn(&TextTiming) -> &Vec<u64>| spread(timings().flat_map(of).map(ms));
    let rollouts = timings().flat_map(|timing| timing.rollout_steps_ns.values().flatten());
    Some(Times {
        draft_step_ms: all(|timing| &timing.steps_ns),
        rollout_step_ms: spread(rollouts.map(ms)),
        verify_overhead_ms: all(|timing| &timing.overheads_ns),
        verify_base_ms: spread(timings().flat_map(|timing| &timing.bases_ms).copied()),
        draft_prefill_ms: each(|timing| &timing.draft_prefill_ns),
        verify_prefill_ms: each(|timing| &timing.verify_prefill_ns),
        verify_per_token_ms: common.verify_per_token_ms,
    })
}

/// None: there are no values.
fn spread(values: impl Iterator<Item = f64>) -> Option<Spread> {
    let none = (0_u64, 0.0, f64::INFINITY, f64::NEG_INFINITY);
    let (count, sum, min, max) = values.fold(none, |(count, sum, min, max), value| {
        (count + 1, sum + value, value.min(min), value.max(max))
    });
    (count > 0).then(|| Spread { min, mean: sum / count as f64, max })
}

fn inspect(options: &TraceInspect) -> Result<()> {
    let contents = contents(&options.file, &load_trace(&options.file)?);
    if options.json { output::print_json(&contents) } else { print_table(&contents) }
}

fn print_table(contents: &Contents) -> Result<()> {
    let mut table = output::Rows::new(&["", "mean", "least", "most"], 1);
    let mut row = |name: &str, spread: &Option<Spread>, digits: usize| {
        let cells =
            spread.as_ref().map_or([String::new(), String::new(), String::new()], |spread| {
                [spread.mean, spread.min, spread.max].map(|value| format!("{value:.digits$}"))
            });
        table.push([name.to_owned()].into_iter().chain(cells));
    };
    row("rollout (steps)", &contents.rollout_steps, 1);
    if let Some(times) = &contents.timing {
        row("draft step (ms)", &times.draft_step_ms, 2);
        row("draft step of a rollout (ms)", &times.rollout_step_ms, 2);
        row("verification: overhead (ms)", &times.verify_overhead_ms, 2);
        row("verification: base (ms)", &times.verify_base_ms, 2);
        row("draft prefill (ms)", &times.draft_prefill_ms, 1);
        row("target prefill (ms)", &times.verify_prefill_ms, 1);
    }
    let Contents { file, source, texts, tokens, mismatches, acceptance, .. } = contents;
    let quantiles = QUANTILES.iter().zip(contents.confidence_quantiles);
    let quantiles: Vec<String> =
        quantiles.map(|(at, value)| format!("{value:.4} ({:.0} %)", at * 100.0)).collect();
    let times = contents.timing.as_ref().map_or_else(
        || "no times: they are the profile's".to_owned(),
        |times| {
            format!(
                "a verified token adds {} ms; draft steps are as long as they took the model itself",
                times.verify_per_token_ms
            )
        },
    );
    let features = if contents.features { "with features" } else { "no features" };
    output::print(&format!(
        "{file}: {source}\n\
         {texts} texts, {tokens} tokens after prompts of {:.1}; {mismatches} mismatches, acceptance \
         {acceptance:.4}\n\
         confidence: {}\n{features}; {times}\n\n{table}\n",
        contents.prompt_tokens_mean,
        quantiles.join(", "),
    ))
}
