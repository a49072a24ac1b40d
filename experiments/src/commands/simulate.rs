//! `pipesd simulate`: one configuration over some seeds, its summary, and its timeline.

use anyhow::Result;
use pipesd_core::edge::TuningCounts;
use pipesd_core::event::Stamped;
use pipesd_core::seed::Seed;
use pipesd_core::summary::Summary;
use pipesd_core::time::from_millis;
use pipesd_plots::perfetto::trace_json;
use pipesd_plots::timeline::{NothingToShow, Timeline, Window};
use pipesd_sim::world::{RunResult, Setup};
use serde_json::{Map, Value, json};

use crate::cli::Simulate;
use crate::figures::{ENERGY, FIGURES};
use crate::input::{Choice, Configuration, bad_input, command, seed_range};
use crate::output;
use crate::runner::{Task, run_all};

pub(crate) fn run(options: &Simulate) -> Result<()> {
    let choice = Choice::from(&options.configuration);
    let configuration = Configuration::load(&choice)?;
    let setup = configuration.setup(options.tokens, false)?;
    let seeds = seed_range(options.seed, options.seeds)?;
    if options.timeline.is_some() {
        check_window(options)?;
    }
    let tasks: Vec<Task<'_>> = seeds
        .map(|seed| Task {
            setup: &setup,
            seed: Seed(seed),
            command: command(&choice, seed, 1, options.tokens),
        })
        .collect();
    let results = run_all(&tasks, "simulate", options.jobs)?;
    let summaries: Vec<Summary> = results.iter().map(|result| result.summary).collect();
    let outputs = [&options.timeline, &options.perfetto, &options.events];
    if outputs.into_iter().any(Option::is_some) {
        let recorded = Setup { record: true, ..setup.clone() };
        let task = Task { setup: &recorded, ..tasks[0].clone() };
        write_recording(options, &run_all(&[task], "recording", Some(1))?[0])?;
    }
    let rerun = command(&choice, options.seed, options.seeds, options.tokens);
    let mut document = document(options, &configuration, &summaries, &rerun);
    let tuning = tuning(&results);
    if !tuning.is_empty() {
        document["tuning"] = tuning.iter().map(|(key, _, value)| (*key, json!(value))).collect();
    }
    if let Some(folder) = &options.out {
        output::write_file(&folder.join("summary.json"), &output::json(&document))?;
    }
    if options.json {
        output::print_json(&document)
    } else {
        print_table(&configuration, &summaries, &tuning, &rerun)
    }
}

/// The run as one JSON document: what was run, and the summary's fields.
fn document(
    options: &Simulate,
    configuration: &Configuration,
    summaries: &[Summary],
    rerun: &str,
) -> Value {
    let mut document = json!({
        "command": rerun,
        "version": env!("CARGO_PKG_VERSION"),
        "profile": configuration.profile.spec.name,
        "scenario": configuration.scenario.spec.name,
        "method": configuration.method.name,
        "set": options.configuration.sets,
        "seed": options.seed,
        "seeds": options.seeds,
        "settings": configuration.method.spec,
    });
    if let Value::Object(document) = &mut document {
        document.extend(figures(summaries));
    }
    document
}

/// The summary's fields: times with their spread over seeds, all else as the mean over seeds.
fn figures(summaries: &[Summary]) -> Map<String, Value> {
    let mut fields = Map::new();
    let mut energy = Map::new();
    for figure in FIGURES {
        let statistic = figure.over(summaries);
        let mean = statistic.map(|statistic| statistic.mean);
        if let Some(scope) = figure.name.strip_prefix(ENERGY) {
            let joules = mean.map_or_else(|| json!("not measured"), |mean| json!(mean));
            energy.insert(scope.to_owned(), joules);
        } else if figure.name.ends_with("_ms") {
            fields.insert(figure.name.to_owned(), json!(statistic));
        } else {
            fields.insert(figure.name.to_owned(), json!(mean));
        }
    }
    fields.insert(ENERGY.trim_end_matches('_').to_owned(), Value::Object(energy));
    fields
}

/// What the online tuners of all runs did (key, name for people, value); nothing if there were none.
fn tuning(results: &[RunResult]) -> Vec<(&'static str, &'static str, f64)> {
    let tuned: Vec<&TuningCounts> =
        results.iter().flat_map(|r| r.tuning.iter().flatten()).collect();
    if tuned.is_empty() {
        return Vec::new();
    }
    let sum = |of: fn(&TuningCounts) -> f64| tuned.iter().map(|counts| of(counts)).sum::<f64>();
    let edges = tuned.len() as f64;
    let output = sum(|counts| counts.output as f64);
    let restarts = sum(|counts| f64::from(counts.searches.saturating_sub(1)));
    vec![
        ("searches", "searches for thresholds", sum(|c| f64::from(c.searches)) / edges),
        ("restarts_per_1000_tokens", "of these again, per 1000 tokens", restarts / output * 1e3),
        ("fits", "fits", sum(|c| f64::from(c.fits)) / edges),
        ("failed_fits", "failed fits", sum(|c| f64::from(c.failures)) / edges),
        ("candidates", "candidates judged", sum(|c| f64::from(c.candidates)) / edges),
        ("hopeless_candidates", "of these given up", sum(|c| f64::from(c.hopeless)) / edges),
        ("explored_share", "share of tokens exploring", sum(|c| c.explored as f64) / output),
    ]
}

fn print_table(
    configuration: &Configuration,
    summaries: &[Summary],
    tuning: &[(&str, &str, f64)],
    rerun: &str,
) -> Result<()> {
    let mut table = output::Rows::new(&["figure", "mean", "sd", "95 % interval"], 1);
    for figure in FIGURES {
        let digits = figure.digits;
        let (mean, [sd, interval]) = match figure.over(summaries) {
            None if figure.name.starts_with(ENERGY) => ("not measured".to_owned(), <_>::default()),
            None => ("-".to_owned(), <_>::default()),
            Some(statistic) => (format!("{:.digits$}", statistic.mean), statistic.spread(digits)),
        };
        table.push([figure.title.to_owned(), mean, sd, interval]);
    }
    for (_, title, value) in tuning {
        table.push([(*title).to_owned(), format!("{value:.3}"), String::new(), String::new()]);
    }
    let runs = match summaries.len() {
        1 => "one run".to_owned(),
        runs => format!("{runs} runs"),
    };
    let head = format!(
        "{} on {} in {}, {runs}",
        configuration.method.name,
        configuration.profile.spec.name,
        configuration.scenario.spec.name,
    );
    output::print(&format!("{head}\n{table}\n\nagain: {rerun}\n"))
}

/// The timeline's window must be one that can be drawn.
fn check_window(options: &Simulate) -> Result<()> {
    let (from, length) = (options.timeline_from, options.timeline_length);
    if !(0.0..=1e6).contains(&from) {
        return Err(bad_input!("--timeline-from {from}: must be 0 to 1000000 s").into());
    }
    if !(0.01..=60.0).contains(&length) {
        return Err(bad_input!("--timeline-length {length}: must be 0.01 to 60 s").into());
    }
    Ok(())
}

fn write_recording(options: &Simulate, result: &RunResult) -> Result<()> {
    let recording = result.recording.as_ref().expect("this run was recorded");
    if let Some(path) = &options.events {
        let lines: Vec<String> = recording
            .events
            .iter()
            .map(|event| serde_json::to_string(event).expect("events are plain data"))
            .collect();
        output::write_file(path, &(lines.join("\n") + "\n"))?;
        eprintln!("wrote {} events to {}", lines.len(), path.display());
    }
    if let Some(path) = &options.perfetto {
        output::write_file(path, &trace_json(&recording.events))?;
        eprintln!("wrote {}", path.display());
    }
    if let Some(path) = &options.timeline {
        let svg = timeline(options, &recording.events)?;
        output::write_file(path, &svg)?;
        eprintln!("wrote {}", path.display());
    }
    Ok(())
}

fn timeline(options: &Simulate, events: &[Stamped]) -> Result<String> {
    let window = Window {
        from: from_millis(options.timeline_from * 1e3),
        length: from_millis(options.timeline_length * 1e3),
    };
    let timeline = Timeline::from_events(events, window).map_err(|nothing| match nothing {
        NothingToShow::Empty { .. } => {
            anyhow::Error::new(bad_input!("--timeline-from {}: {nothing}", options.timeline_from))
        }
        NothingToShow::NoDecoding => nothing.into(),
    })?;
    let narrow = options.timeline_narrow;
    Ok(if narrow { timeline.to_narrow_svg()? } else { timeline.to_svg()? })
}
