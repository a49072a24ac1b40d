//! What of `pipesd trace` is about live runs: record one, check that it replays, look at it.

use std::path::Path;

use anyhow::Result;
use pipesd_core::time::{Instant, as_millis, nanos};
use pipesd_hw::record::{Line, RunLog};
use serde::Serialize;
use serde_json::json;

use crate::cli::{TraceInspect, TraceRecord};
use crate::commands::timeline;
use crate::input::Choice;
use crate::live::models::End;
use crate::live::pair::{CLOUD_LOG, EDGE_LOG};
use crate::live::recording;
use crate::live::scene::Scene;
use crate::output;

/// Decodes live with both ends on this machine and keeps all of it.
pub(crate) fn record(options: &TraceRecord) -> Result<()> {
    let choice = Choice::from(&options.configuration);
    let TraceRecord { models, seed, tokens, .. } = options;
    let scene = Scene::load(&choice, models, *seed, *tokens, End::Edge)?;
    let paired = recording::record(&options.out, &scene, options.rollout, true, None)?;
    let summary = paired.summary()?;
    let folder = options.out.display();
    output::print(&format!(
        "{folder}: {} tokens, {:.1} ms each; simulate it with: pipesd simulate --profile \
         {folder}/profile.toml\n",
        summary.output_tokens, summary.tpt_ms
    ))
}

/// Whether the logs of a folder, or one log, replay.
pub(crate) fn check(path: &Path) -> Result<()> {
    let logs = match path.is_dir() {
        true => vec![path.join(EDGE_LOG), path.join(CLOUD_LOG)],
        false => vec![path.to_owned()],
    };
    for log in logs {
        let (inputs, outputs) = recording::check(&log)?;
        let name = log.file_name().unwrap_or(log.as_os_str()).display();
        output::print(&format!(
            "{name}: {inputs} inputs give the recorded {outputs} outputs, bit for bit, by the core's \
             loop and by the simulator's\n"
        ))?;
    }
    Ok(())
}

/// What is in a log.
#[derive(Clone, Debug, Serialize)]
struct Contents {
    endpoint: String,
    /// The program that wrote it.
    version: String,
    inputs: usize,
    outputs: usize,
    events: usize,
}

impl Contents {
    fn of(log: &RunLog) -> Self {
        let count = |of: fn(&Line) -> bool| log.lines.iter().filter(|line| of(line)).count();
        Self {
            endpoint: log.header.endpoint.to_string(),
            version: log.header.version.clone(),
            inputs: count(|line| matches!(line, Line::In(..))),
            outputs: count(|line| matches!(line, Line::Out(..))),
            events: log.events().count(),
        }
    }
}

/// How an edge's clock stands to the cloud's.
#[derive(Clone, Debug, Serialize)]
struct Clock {
    edge: String,
    /// The cloud's clock less the edge's.
    offset_ns: i64,
    /// Wrong by no more than this; zero on one machine.
    uncertainty_ns: u64,
}

/// Both ends' events on one clock: counts, a timeline, a Perfetto trace.
pub(crate) fn inspect(options: &TraceInspect) -> Result<()> {
    timeline::check(&options.drawing)?;
    let folder = &options.file;
    let joint = recording::joint(folder)?;
    timeline::write(&options.drawing, &joint.events)?;
    let logs = [EDGE_LOG, CLOUD_LOG].map(|name| recording::log(folder, name));
    let logs: Vec<Contents> =
        logs.into_iter().map(|log| Ok(Contents::of(&log?))).collect::<Result<_>>()?;
    let clocks: Vec<Clock> = joint
        .offsets
        .iter()
        .map(|offset| Clock {
            edge: offset.edge.to_string(),
            offset_ns: offset.ns,
            uncertainty_ns: nanos(offset.uncertainty),
        })
        .collect();
    let events = joint.events.len();
    // Time zero is the first event.
    let seconds = joint.events.last().map_or(0.0, |last| as_millis(last.at - Instant::ZERO) / 1e3);
    if options.json {
        let document = json!({
            "events": events,
            "duration_s": seconds,
            "logs": logs,
            "clocks": clocks,
        });
        return output::print_json(&document);
    }
    let mut table = output::Rows::new(&["log of", "version", "inputs", "outputs", "events"], 2);
    for Contents { endpoint, version, inputs, outputs, events } in logs {
        let counts = [inputs, outputs, events].map(|count| count.to_string());
        table.push([endpoint, version].into_iter().chain(counts));
    }
    let mut text = format!("{table}\n\n{events} events in {seconds:.1} s\n");
    for Clock { edge, offset_ns, uncertainty_ns } in clocks {
        let [offset, within] = [offset_ns as f64, uncertainty_ns as f64].map(|ns| ns / 1e6);
        text.push_str(&format!(
            "the cloud's clock less that of {edge}: {offset:.3} ms, to within {within:.3} ms\n"
        ));
    }
    output::print(&text)
}
