//! What of `pipesd trace` is about live runs: record one, check that it replays, look at it.

use std::path::Path;

use anyhow::Result;
use serde_json::json;

use crate::cli::{TraceInspect, TraceRecord};
use crate::commands::timeline;
use crate::input::Choice;
use crate::live::pair::{CLOUD_LOG, EDGE_LOG};
use crate::live::report::summary;
use crate::live::scene::Scene;
use crate::live::{pair, recording};
use crate::output;

/// Decodes live with both ends on this machine and keeps all of it.
pub(crate) fn record(options: &TraceRecord) -> Result<()> {
    let choice = Choice::from(&options.configuration);
    let scene = Scene::load(&choice, options.seed, options.tokens)?;
    recording::begin(&options.out)?;
    let paired = pair::run(&scene, Some(&options.out), true, None)?;
    let summary = summary(&paired.decoded.report, Some(&paired.served))?;
    recording::complete(&options.out, &scene)?;
    recording::note(&options.out, &scene, &summary)?;
    let folder = options.out.display();
    output::print(&format!(
        "{folder}: {} tokens, {:.1} ms each; simulate it with: pipesd simulate --profile \
         {folder}/profile.toml\n",
        summary.output_tokens, summary.tpt_ms
    ))
}

/// Whether the logs replay.
pub(crate) fn check(folder: &Path) -> Result<()> {
    for name in [EDGE_LOG, CLOUD_LOG] {
        let (inputs, outputs) = recording::check(folder, name)?;
        output::print(&format!(
            "{name}: {inputs} inputs give the recorded {outputs} outputs, bit for bit, by the core's \
             loop and by the simulator's\n"
        ))?;
    }
    Ok(())
}

/// Both ends' events on one clock: counts, a timeline, a Perfetto trace.
pub(crate) fn inspect(options: &TraceInspect) -> Result<()> {
    let joint = recording::joint(&options.file)?;
    timeline::write(&options.drawing, &joint.events)?;
    let offsets: Vec<String> = joint.offsets.iter().map(|offset| format!("{offset:?}")).collect();
    let (edge, cloud) =
        (recording::log(&options.file, EDGE_LOG)?, recording::log(&options.file, CLOUD_LOG)?);
    let lines = [&edge, &cloud].map(|log| log.lines.len());
    let document = json!({
        "events": joint.events.len(),
        "edge_lines": lines[0],
        "cloud_lines": lines[1],
        "clocks": offsets,
        "version": edge.header.version,
    });
    output::print_json(&document)
}
