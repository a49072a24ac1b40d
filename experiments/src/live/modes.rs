//! All methods and all ways to deploy the same two models, side by side: `pipesd testbed --modes`.
//!
//! | row | how it is known |
//! |---|---|
//! | the methods | decoded live |
//! | serial | decoded live, at the draft length that the simulator finds best |
//! | cloud-only | the simulator's, of the passes that were measured, on the configured link |
//! | edge-only | both models decode in this process, the device's slowness as below |
//!
//! An emulated device slows drafting down. The target would be slower there, too: edge-only decoding is
//! taken to be slower by the factor that drafting is, as the profiles have it.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use pipesd_core::device::DraftKind;
use pipesd_core::seed::Seed;
use pipesd_core::summary::Summary;
use pipesd_sim::reference;
use serde::Serialize;

use super::models::End;
use super::recording::{self, Measured};
use super::scene::Scene;
use super::{edge_only, ensure_not_interrupted};
use crate::cli::{Backend, Testbed};
use crate::figures;
use crate::input::{COMPARED, Choice, bad_input};
use crate::output::{self, Rows};

/// Draws of measured times, over which simulated values are means.
const SEEDS: u64 = 20;
/// Figures of the table.
const COLUMNS: [&str; 8] = [
    "tpt_ms",
    "ttft_ms",
    "acceptance_rate",
    "draft_length_mean",
    "accepted_length_mean",
    "nav_frequency",
    "rollback_rate",
    "uplink_bytes_per_token",
];

/// One way.
#[derive(Clone, Debug, Serialize)]
struct Way {
    name: String,
    how: &'static str,
    draft_length: Option<u32>,
    tpt_ms: f64,
    ttft_ms: Option<f64>,
    acceptance_rate: Option<f64>,
    /// Of a live run.
    summary: Option<Summary>,
}

impl Way {
    fn live(name: &str, draft_length: Option<u32>, summary: Summary) -> Self {
        Self {
            name: name.to_owned(),
            how: "live",
            draft_length,
            tpt_ms: summary.tpt_ms,
            ttft_ms: Some(summary.ttft_ms),
            acceptance_rate: Some(summary.acceptance_rate),
            summary: Some(summary),
        }
    }

    fn cell(&self, column: &str) -> String {
        let figure = figures::named(column).expect("columns are figures");
        let known = match column {
            "tpt_ms" => Some(self.tpt_ms),
            "ttft_ms" => self.ttft_ms,
            "acceptance_rate" => self.acceptance_rate,
            _ => None,
        };
        let value = self.summary.as_ref().and_then(figure.of).or(known);
        value.map_or_else(|| "-".to_owned(), |value| format!("{value:.0$}", figure.digits))
    }
}

/// Decodes what is not in the folder yet, and prints the table.
pub(crate) fn run(options: &Testbed) -> Result<()> {
    if options.run.models.backend != Backend::Models {
        return Err(bad_input!("--modes: it is of models: --backend models --pair NAME").into());
    }
    let folder = options.out.clone().unwrap_or_else(|| PathBuf::from("results/modes"));
    let mut ways = Vec::new();
    for method in COMPARED {
        let scene = scene(options, method)?;
        let summary = decoded(&scene, &folder.join(method), method)?;
        ways.push(Way::live(method, None, summary));
    }
    let scene = scene(options, COMPARED[0])?;
    let measured = recording::measured(&folder.join(COMPARED[0]), &scene)?;
    ways.push(serial(&scene, &measured, &folder)?);
    ways.push(cloud_only(&scene, &measured)?);
    ways.push(on_the_edge(&scene, &measured)?);
    output::write_file(&folder.join("modes.json"), &output::json(&ways))?;
    if options.run.json { output::print_json(&ways) } else { output::print(&table(&scene, &ways)) }
}

fn scene(options: &Testbed, method: &str) -> Result<Scene> {
    let choice = Choice { method: method.to_owned(), ..Choice::from(&options.configuration) };
    let run = &options.run;
    Scene::load(&choice, &run.models, run.seed, run.tokens(), End::Edge)
}

/// The run's figures; it is decoded and recorded unless it is there.
fn decoded(scene: &Scene, folder: &Path, name: &str) -> Result<Summary> {
    ensure_not_interrupted()?;
    eprintln!("modes: {name}, live");
    recording::ensure(folder, scene).with_context(|| name.to_owned())
}

fn serial(scene: &Scene, measured: &Measured, folder: &Path) -> Result<Way> {
    let seeds: Vec<Seed> = (0..SEEDS).map(Seed).collect();
    let length = reference::serial(&measured.setup(scene)?, &seeds)?.draft_length;
    let mut scene = scene.clone();
    scene.setup.edge = scene.setup.edge.serial(length);
    let name = format!("serial-{length}");
    let summary = decoded(&scene, &folder.join(&name), &name)?;
    Ok(Way::live("serial", Some(length), summary))
}

fn cloud_only(scene: &Scene, measured: &Measured) -> Result<Way> {
    let setup = measured.setup(scene)?;
    let runs: Vec<_> = (0..SEEDS).map(|seed| reference::cloud_only(&setup, Seed(seed))).collect();
    let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
    let first: Option<Vec<f64>> = runs.iter().map(|run| run.ttft_ms).collect();
    Ok(Way {
        name: "cloud-only".to_owned(),
        how: "simulated from measured passes",
        draft_length: None,
        tpt_ms: mean(&runs.iter().map(|run| run.tpt_ms).collect::<Vec<_>>()),
        ttft_ms: first.map(|first| mean(&first)),
        acceptance_rate: None,
        summary: None,
    })
}

fn on_the_edge(scene: &Scene, measured: &Measured) -> Result<Way> {
    let pair = scene.pair().context("a scene of models has a pair")?;
    let (mut draft, mut target) = pair.both(0)?;
    let found = edge_only::measure(draft.as_mut(), target.as_mut(), &scene.requests())?;
    let profile = measured.on_device_of(scene)?;
    // A real device is as slow at every step as an emulated one is at a main one.
    let step_ms = profile.draft.mean_ms(DraftKind::Main);
    Ok(Way {
        name: "edge-only".to_owned(),
        how: "measured, as slow as the device",
        draft_length: Some(found.draft_length),
        tpt_ms: found.on_device(step_ms),
        ttft_ms: None,
        acceptance_rate: Some(found.acceptance_rate),
        summary: None,
    })
}

fn table(scene: &Scene, ways: &[Way]) -> String {
    let title = |column: &&str| figures::named(column).expect("columns are figures").title;
    let titles: Vec<&str> = COLUMNS.iter().map(title).collect();
    let header = [&["deployment", "known how"], titles.as_slice()].concat();
    let mut rows = Rows::new(&header, 2);
    for way in ways {
        let name = match way.draft_length {
            Some(length) => format!("{} ({length} drafts a round)", way.name),
            None => way.name.clone(),
        };
        let cells = COLUMNS.iter().map(|column| way.cell(column));
        rows.push([name, way.how.to_owned()].into_iter().chain(cells));
    }
    let name = scene.pair().map_or("", |pair| pair.pair.name.as_str());
    format!("Pair {name} in {}\n{rows}\n", scene.choice.scenario)
}
