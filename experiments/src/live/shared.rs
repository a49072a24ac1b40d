//! Edges that share one live cloud, their NAVs verified one by one and in shared passes, beside what the
//! simulator says of them: `pipesd testbed --shared`.
//!
//! The cloud is a process of its own; the edges are in this one, each with its own link, emulated, and its
//! own draft model. The simulator is given the texts and times of one edge's recording, made alone before.

use std::path::PathBuf;

use anyhow::{Context, Result};
use pipesd_core::account::Counts;
use pipesd_core::seed::Seed;
use pipesd_core::sharing::jain_index;
use pipesd_core::time::{Duration, as_millis};
use pipesd_sim::world::{self, Setup};
use serde::{Deserialize, Serialize};
use tokio::task::LocalSet;

use super::edge::{self, Decoded, Options};
use super::models::End;
use super::recording::{self, Measured};
use super::scene::Scene;
use super::{ensure_not_interrupted, kept, pair};
use crate::cli::Testbed;
use crate::input::Choice;
use crate::output::{self, Rows};

/// Edges and NAVs of a pass at most.
const CELLS: [(u32, u32); 5] = [(1, 1), (4, 1), (4, 4), (16, 1), (16, 16)];
/// Draws of measured times, over which simulated values are means.
const SEEDS: u64 = 10;

/// What is known of a cell, of the live run or of simulated ones.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Figures {
    /// Mean over edges \[ms\].
    tpt_ms: f64,
    /// Output tokens of all edges in a second.
    tokens_per_s: f64,
    /// Of the edges' times per token.
    jain: f64,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Cell {
    edges: u32,
    verify_batch: u32,
    live: Figures,
    simulated: Figures,
}

/// Decodes what is not in the folder yet, and prints the table.
pub(crate) fn run(options: &Testbed) -> Result<()> {
    let folder = options.out.clone().unwrap_or_else(|| PathBuf::from("results/shared"));
    let alone = scene(options, 1)?;
    eprintln!("shared: one edge alone, to be recorded");
    recording::ensure(&folder.join("alone"), &alone)?;
    let measured = recording::measured(&folder.join("alone"), &alone)?;
    let file = folder.join("shared.json");
    let remedy = format!("delete {}", file.display());
    let mut cells: Vec<Cell> = kept(&file, &remedy)?;
    for (edges, verify_batch) in CELLS.into_iter().skip(cells.len()) {
        ensure_not_interrupted()?;
        eprintln!("shared: {edges} edges, passes of up to {verify_batch}, live");
        let scene = scene(options, verify_batch)?;
        let live = live(&scene, edges)?;
        let simulated = simulated(&measured, &scene, edges)?;
        cells.push(Cell { edges, verify_batch, live, simulated });
        output::write_file(&file, &output::json(&cells))?;
    }
    if options.run.json { output::print_json(&cells) } else { output::print(&table(&cells)) }
}

fn scene(options: &Testbed, verify_batch: u32) -> Result<Scene> {
    let mut choice = Choice::from(&options.configuration);
    if verify_batch > 1 {
        choice.sets.push(format!("verify_batch={verify_batch}"));
    }
    let run = &options.run;
    Scene::load(&choice, &run.models, run.seed, run.tokens(), End::Edge)
}

fn live(scene: &Scene, edges: u32) -> Result<Figures> {
    let (_cloud, ticket) = pair::serve(scene)?;
    let runtime = super::runtime()?;
    let together = LocalSet::new();
    let decoded = together.block_on(&runtime, async {
        let mut under_way = Vec::new();
        for number in 0..edges {
            let (mut scene, ticket) = (scene.clone(), ticket.clone());
            scene.become_edge(number);
            under_way.push(tokio::task::spawn_local(async move {
                let options = Options { emulate: true, log: None, journal: None, observer: None };
                edge::decode_async(&scene, &ticket, options).await
            }));
        }
        let mut decoded: Vec<Decoded> = Vec::new();
        for (number, edge) in under_way.into_iter().enumerate() {
            decoded.push(edge.await?.with_context(|| format!("edge {number}"))?);
        }
        anyhow::Ok(decoded)
    })?;
    let counts: Vec<Counts> = decoded.iter().map(|edge| edge.report.counts).collect();
    let longest = decoded.iter().map(|edge| edge.report.elapsed).max().unwrap_or_default();
    figures(&counts, longest)
}

fn simulated(measured: &Measured, scene: &Scene, edges: u32) -> Result<Figures> {
    let setup = Setup { edges, ..measured.setup(scene)? };
    let mut all = Figures { tpt_ms: 0.0, tokens_per_s: 0.0, jain: 0.0 };
    for seed in 0..SEEDS {
        let run = world::run(&setup, Seed(seed))?;
        let one = figures(&run.counts, run.usage.total)?;
        all.tpt_ms += one.tpt_ms / SEEDS as f64;
        all.tokens_per_s += one.tokens_per_s / SEEDS as f64;
        all.jain += one.jain / SEEDS as f64;
    }
    Ok(all)
}

/// Of a run of these edges that took so long.
fn figures(edges: &[Counts], took: Duration) -> Result<Figures> {
    let time = |counts: &Counts| as_millis(counts.decoding) / counts.output as f64;
    let times: Vec<f64> = edges.iter().map(time).collect();
    let tokens: u64 = edges.iter().map(|counts| counts.output).sum();
    let tpt_ms = times.iter().sum::<f64>() / times.len() as f64;
    let jain = jain_index(&times).context("every edge decodes")?;
    Ok(Figures { tpt_ms, tokens_per_s: tokens as f64 / took.as_secs_f64(), jain })
}

fn table(cells: &[Cell]) -> String {
    let header = [
        "edges",
        "NAVs a pass",
        "live, ms per token",
        "simulated",
        "off",
        "live, tokens/s",
        "simulated",
        "live, Jain",
        "simulated",
    ];
    let mut rows = Rows::new(&header, 0);
    for Cell { edges, verify_batch, live, simulated } in cells {
        let off = 100.0 * (simulated.tpt_ms / live.tpt_ms - 1.0);
        rows.push([
            edges.to_string(),
            format!("up to {verify_batch}"),
            format!("{:.1}", live.tpt_ms),
            format!("{:.1}", simulated.tpt_ms),
            format!("{off:+.1} %"),
            format!("{:.1}", live.tokens_per_s),
            format!("{:.1}", simulated.tokens_per_s),
            format!("{:.4}", live.jain),
            format!("{:.4}", simulated.jain),
        ]);
    }
    format!("{rows}\n")
}
