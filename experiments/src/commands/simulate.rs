//! `pipesd simulate`: one configuration over some seeds, its summary, and its timeline.

use anyhow::Result;
use pipesd_core::event::Stamped;
use pipesd_core::seed::Seed;
use pipesd_core::summary::Summary;
use pipesd_core::time::from_millis;
use pipesd_plots::timeline::{NothingToShow, Timeline, Window};
use pipesd_sim::world::RunResult;
use serde_json::{Value, json};

use crate::cli::Simulate;
use crate::input::{Choice, Configuration, bad_input};
use crate::output;
use crate::runner::{Task, run_all};
use crate::statistics::Statistic;

pub(crate) fn run(options: &Simulate) -> Result<()> {
    let choice = Choice {
        profile: options.profile.clone(),
        scenario: options.scenario.clone(),
        method: options.method.clone(),
        sets: options.sets.clone(),
    };
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
        "set": options.sets,
        "seed": options.seed,
        "seeds": options.seeds,
        "settings": configuration.method.spec,
    });
    if let (Value::Object(document), Value::Object(figures)) = (&mut document, figures(summaries)) {
        document.extend(figures);
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
    let mut words =
        format!("pipesd simulate --profile {profile} --scenario {scenario} --method {method}");
    for set in sets {
        words.push_str(&format!(" --set {set}"));
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

/// The summary's fields: times with their spread over seeds, all else as the mean over seeds.
fn figures(summaries: &[Summary]) -> Value {
    let over = |figure: fn(&Summary) -> f64| {
        Statistic::of(&summaries.iter().map(figure).collect::<Vec<_>>())
    };
    let mean = |figure: fn(&Summary) -> f64| over(figure).mean;
    let energy = |figure: fn(&Summary) -> Option<f64>| -> Value {
        let joules: Option<Vec<f64>> = summaries.iter().map(figure).collect();
        joules.map_or_else(|| json!("not measured"), |joules| json!(Statistic::of(&joules).mean))
    };
    json!({
        "tpt_ms": over(|s| s.tpt_ms),
        "tpt_accepted_ms": over(|s| s.tpt_accepted_ms),
        "ttft_ms": over(|s| s.ttft_ms),
        "output_tokens": mean(|s| s.output_tokens as f64),
        "draft_length_mean": mean(|s| s.draft_length_mean),
        "accepted_length_mean": mean(|s| s.accepted_length_mean),
        "acceptance_rate": mean(|s| s.acceptance_rate),
        "nav_frequency": mean(|s| s.nav_frequency),
        "rollback_rate": mean(|s| s.rollback_rate),
        "draft_steps_per_token": mean(|s| s.draft_steps_per_token),
        "discarded_tokens": mean(|s| s.discarded_tokens as f64),
        "reused_tokens": mean(|s| s.reused_tokens as f64),
        "uplink_bytes_per_token": mean(|s| s.uplink_bytes_per_token),
        "energy_j_per_100_tokens": {
            "cloud_active": energy(|s| s.energy_j_per_100_tokens.cloud_active),
            "cloud_whole": energy(|s| s.energy_j_per_100_tokens.cloud_whole),
            "end_to_end": energy(|s| s.energy_j_per_100_tokens.end_to_end),
        },
    })
}

fn print_table(configuration: &Configuration, summaries: &[Summary], rerun: &str) -> Result<()> {
    let over = |figure: fn(&Summary) -> f64| {
        Statistic::of(&summaries.iter().map(figure).collect::<Vec<_>>())
    };
    let mut table = output::Rows::new(&["figure", "mean", "sd", "95 % interval"], 1);
    let mut row = |name: &str, digits: usize, figure: fn(&Summary) -> f64| {
        let Statistic { mean, sd, ci95: [low, high] } = over(figure);
        let number = |x: f64| format!("{x:.digits$}");
        let interval = format!("{} to {}", number(low), number(high));
        table.push([name.to_owned(), number(mean), number(sd), interval]);
    };
    row("time per token (ms)", 1, |s| s.tpt_ms);
    row("time per accepted token (ms)", 1, |s| s.tpt_accepted_ms);
    row("time to first token (ms)", 0, |s| s.ttft_ms);
    row("output tokens", 0, |s| s.output_tokens as f64);
    row("draft length", 2, |s| s.draft_length_mean);
    row("accepted length", 2, |s| s.accepted_length_mean);
    row("acceptance rate", 3, |s| s.acceptance_rate);
    row("NAVs per output token", 3, |s| s.nav_frequency);
    row("rollback rate", 3, |s| s.rollback_rate);
    row("draft steps per output token", 3, |s| s.draft_steps_per_token);
    row("discarded draft tokens", 0, |s| s.discarded_tokens as f64);
    row("reused draft tokens", 0, |s| s.reused_tokens as f64);
    row("uplink bytes per token", 0, |s| s.uplink_bytes_per_token);
    for (name, figure) in [
        (
            "cloud GPU, active (J per 100 tokens)",
            (|e| e.cloud_active) as fn(&pipesd_core::summary::Energy) -> Option<f64>,
        ),
        ("cloud GPU, whole run (J per 100 tokens)", |e| e.cloud_whole),
        ("end to end (J per 100 tokens)", |e| e.end_to_end),
    ] {
        let joules: Option<Vec<f64>> =
            summaries.iter().map(|s| figure(&s.energy_j_per_100_tokens)).collect();
        let cells = match joules.as_deref().map(Statistic::of) {
            None => ["not measured".into(), String::new(), String::new()],
            Some(Statistic { mean, sd, ci95: [low, high] }) => {
                [format!("{mean:.1}"), format!("{sd:.1}"), format!("{low:.1} to {high:.1}")]
            }
        };
        let [mean, sd, interval] = cells;
        table.push([name.to_owned(), mean, sd, interval]);
    }
    let head = format!(
        "{} on {} in {}, {} run(s)",
        configuration.method.name,
        configuration.profile.spec.name,
        configuration.scenario.spec.name,
        summaries.len()
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
