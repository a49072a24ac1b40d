//! `pipesd simulate`: one configuration over some seeds, its summary, and its timeline.

use anyhow::Result;
use pipesd_core::event::Stamped;
use pipesd_core::seed::Seed;
use pipesd_core::summary::Summary;
use pipesd_core::time::from_millis;
use pipesd_plots::timeline::{NothingToShow, Timeline, Window};
use pipesd_sim::world::RunResult;
use serde_json::{Map, Value, json};

use crate::cli::Simulate;
use crate::figures::{ENERGY, FIGURES, Figure};
use crate::input::{Choice, Configuration, bad_input};
use crate::output;
use crate::runner::{Task, run_all};
use crate::statistics::Statistic;

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
    let results = run_all(&tasks, options.jobs)?;
    let summaries: Vec<Summary> = results.iter().map(|result| result.summary).collect();
    if options.timeline.is_some() || options.events.is_some() {
        let recorded = configuration.setup(options.tokens, true)?;
        let task = Task { setup: &recorded, ..tasks[0].clone() };
        write_recording(options, &run_all(&[task], Some(1))?[0])?;
    }
    let rerun = command(&choice, options.seed, options.seeds, options.tokens);
    let document = document(options, &configuration, &summaries, &rerun);
    if let Some(folder) = &options.out {
        output::write_file(&folder.join("summary.json"), &output::json(&document))?;
    }
    if options.json {
        output::print_json(&document)
    } else {
        print_table(&configuration, &summaries, &rerun)
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

/// Seeds SEED, SEED+1, ...
pub(crate) fn seed_range(first: u64, count: u32) -> Result<std::ops::Range<u64>> {
    let end = first.checked_add(u64::from(count));
    let end = end.ok_or_else(|| bad_input!("--seed {first}: too large for {count} seeds"))?;
    Ok(first..end)
}

/// The command that runs one configuration, without what is default.
pub(crate) fn command(choice: &Choice, seed: u64, seeds: u32, tokens: u64) -> String {
    let Choice { profile, scenario, method, sets } = choice;
    let mut words = String::from("pipesd simulate");
    let named = [("profile", profile), ("scenario", scenario), ("method", method)];
    for (flag, value) in named.into_iter().chain(sets.iter().map(|set| ("set", set))) {
        words.push_str(&format!(" --{flag} {}", quoted(value)));
    }
    for (flag, value, default) in
        [("seed", seed, 1), ("seeds", u64::from(seeds), 8), ("tokens", tokens, 1000)]
    {
        if value != default {
            words.push_str(&format!(" --{flag} {value}"));
        }
    }
    words
}

/// A word as a shell reads it back.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "=_-./+,:".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

/// A figure over the runs; None if some run has no value.
fn over(figure: &Figure, summaries: &[Summary]) -> Option<Statistic> {
    let values: Option<Vec<f64>> = summaries.iter().map(figure.of).collect();
    values.as_deref().map(Statistic::of)
}

/// The summary's fields: times with their spread over seeds, all else as the mean over seeds.
fn figures(summaries: &[Summary]) -> Map<String, Value> {
    let mut fields = Map::new();
    let mut energy = Map::new();
    for figure in FIGURES {
        let statistic = over(figure, summaries);
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

fn print_table(configuration: &Configuration, summaries: &[Summary], rerun: &str) -> Result<()> {
    let mut table = output::Rows::new(&["figure", "mean", "sd", "95 % interval"], 1);
    for figure in FIGURES {
        let digits = figure.digits;
        let (mean, [sd, interval]) = match over(figure, summaries) {
            None if figure.name.starts_with(ENERGY) => ("not measured".to_owned(), <_>::default()),
            None => ("-".to_owned(), <_>::default()),
            Some(statistic) => (format!("{:.digits$}", statistic.mean), statistic.spread(digits)),
        };
        table.push([figure.title.to_owned(), mean, sd, interval]);
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
    Ok(timeline.to_svg()?)
}
