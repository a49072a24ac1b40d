//! A recording: a folder with the run logs of both ends, the texts that were decoded, and a profile made
//! of what was measured.
//!
//! | file | what |
//! |---|---|
//! | `edge.jsonl`, `cloud.jsonl` | the run logs (design: a run is its inputs) |
//! | `trace.json` | the texts, as the simulator and the emulated backend read them, without times |
//! | `profile.toml` | the profile: measured times of draft steps and NAVs |
//! | `run.json` | what was run, and its summary |

use std::ops::Range;
use std::path::Path;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use anyhow::{Context, Result};
use pipesd_core::cloud::Cloud;
use pipesd_core::contract::{Input, Output};
use pipesd_core::edge::Edge;
use pipesd_core::ids::TokenId;
use pipesd_core::seed::Seed;
use pipesd_core::summary::Summary;
use pipesd_core::time::{Instant, nanos};
use pipesd_core::trace::{Trace, TraceText};
use pipesd_core::verification::Sampling;
use pipesd_hw::driver::{Observer, Text};
use pipesd_hw::record::samples::PrefillSample;
use pipesd_hw::record::texts::{Departure, ROLLOUT_STEPS_MIN, departures, record_texts};
use pipesd_hw::record::{Config, Joint, Line, RunLog, align, replay, samples};
use pipesd_sim::measured::{self, Measurements, Sample};
use pipesd_sim::profile::{Profile, ProfileSpec, Sourced, Status};
use pipesd_sim::world::{self, Setup};
use serde::{Deserialize, Serialize};

use super::edge_only::{self, EdgeOnly};
use super::ensure_not_interrupted;
use super::models::PairModels;
use super::pair::{self, CLOUD_LOG, EDGE_LOG, Paired};
use super::scene::Scene;
use crate::input::{bad_input, load_trace};
use crate::output;
use crate::program::fingerprint;
use crate::progress::Progress;

const TRACE: &str = "trace.json";
const PROFILE: &str = "profile.toml";
const RUN: &str = "run.json";

/// What was run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Run {
    version: String,
    /// A digest of the program that ran it.
    #[serde(default)]
    program: String,
    profile: String,
    scenario: String,
    method: String,
    set: Vec<String>,
    /// The options about models, if a pair decoded.
    #[serde(default)]
    models: Vec<String>,
    seed: u64,
    tokens: u64,
    summary: Option<Summary>,
}

impl Run {
    fn of(scene: &Scene, program: &str, summary: Option<Summary>) -> Self {
        let choice = scene.choice.clone();
        Self {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            program: program.to_owned(),
            profile: choice.profile,
            scenario: choice.scenario,
            method: choice.method,
            set: choice.sets,
            models: scene.pair().map(|pair| pair.choice.words()).unwrap_or_default(),
            seed: scene.seed,
            tokens: scene.tokens,
            summary,
        }
    }

    fn read(folder: &Path) -> Result<Self> {
        let path = folder.join(RUN);
        let text = std::fs::read_to_string(&path)
            .map_err(|error| bad_input!("{}: cannot be read: {error}", path.display()))?;
        let run = serde_json::from_str(&text);
        run.map_err(|error| bad_input!("{}: {error}", path.display()).into())
    }
}

/// This program's digest, taken once.
pub(crate) fn program() -> Result<&'static str> {
    static PROGRAM: OnceLock<String> = OnceLock::new();
    if let Some(known) = PROGRAM.get() {
        return Ok(known);
    }
    let digest = fingerprint()?;
    Ok(PROGRAM.get_or_init(|| digest))
}

/// Before a run is recorded into a folder: what was there is whole no longer.
fn begin(folder: &Path) -> Result<()> {
    let path = folder.join(RUN);
    match std::fs::remove_file(&path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("{}: cannot be removed", path.display()))
        }
        _ => Ok(()),
    }
}

/// The figures of the scene's run that the folder holds; if it does not, whole, the scene is decoded live,
/// with both ends on this machine, and recorded there.
pub(crate) fn ensure(folder: &Path, scene: &Scene) -> Result<Summary> {
    if is_complete(folder, scene, program()?) {
        return noted(folder);
    }
    record(folder, scene, ROLLOUT_STEPS_MIN, true, None)?.summary()
}

/// Decodes the scene live, with both ends on this machine, and keeps all of it in the folder: logs, texts
/// and profile, so that `--profile FOLDER` reads it. Rollouts of a pair's texts have `rollout` steps.
pub(crate) fn record(
    folder: &Path,
    scene: &Scene,
    rollout: u32,
    emulate: bool,
    observer: Option<Observer>,
) -> Result<Paired> {
    begin(folder)?;
    let paired = pair::run(scene, Some(folder), emulate, observer)?;
    let summary = paired.summary()?;
    complete(folder, scene, &paired.decoded.report.texts, rollout)?;
    // When all else is written.
    let run = Run::of(scene, program()?, Some(summary));
    output::write_file(&folder.join(RUN), &output::json(&run))?;
    Ok(paired)
}

/// Whether the folder holds this very run, whole, as this `program` made it.
pub(crate) fn is_complete(folder: &Path, scene: &Scene, program: &str) -> bool {
    Run::read(folder).is_ok_and(|run| Run { summary: None, ..run } == Run::of(scene, program, None))
}

/// The recorded run's figures.
pub(crate) fn noted(folder: &Path) -> Result<Summary> {
    Run::read(folder)?.summary.context("the run has not been summed up")
}

/// The log of one end.
pub(crate) fn log(folder: &Path, name: &str) -> Result<RunLog> {
    RunLog::open(&folder.join(name)).map_err(|error| bad_input!("{error}").into())
}

/// The texts of a scene without the times that they are played in: a recording has its own. Those of a
/// pair are in its `folder`, once they are recorded.
fn texts(folder: &Path, scene: &Scene) -> Result<Trace> {
    let Some(playback) = scene.playback() else { return load_trace(&folder.join(TRACE)) };
    let trace = playback.trace();
    let untimed = |text: &TraceText| TraceText { timing: None, ..text.clone() };
    Ok(Trace { timing: None, texts: trace.texts.iter().map(untimed).collect(), ..trace.clone() })
}

/// Measured times of a run, on the reference device.
#[derive(Clone, Debug)]
pub(crate) struct Measured {
    spec: ProfileSpec,
    trace: Arc<Trace>,
}

impl Measured {
    /// What the simulator is given for another scene: its configured link, the measured times and texts. Of
    /// a pair each text that was decoded, once.
    pub(crate) fn setup(&self, scene: &Scene) -> Result<Setup> {
        let all = || self.trace.texts.iter().map(|text| text.positions.len() as u64).sum();
        let tokens = scene.pair().map_or(scene.setup.tokens, |_| all());
        Ok(Setup { profile: self.on_device_of(scene)?, tokens, ..scene.setup.clone() })
    }

    /// Mean time per token of another scene over draws of the measured times \[ms\].
    pub(crate) fn simulated_tpt_ms(&self, scene: &Scene, seeds: Range<u64>) -> Result<f64> {
        let (setup, count) = (self.setup(scene)?, seeds.end - seeds.start);
        let mut sum = 0.0;
        for seed in seeds {
            sum += world::run(&setup, Seed(seed))?.summary.tpt_ms;
        }
        Ok(sum / count as f64)
    }

    /// The profile on the device of another scene.
    pub(crate) fn on_device_of(&self, scene: &Scene) -> Result<Arc<Profile>> {
        let device = scene.setup.profile.draft.device;
        let profile = self.spec.resolve(device, Some(Arc::clone(&self.trace)));
        Ok(Arc::new(profile.map_err(|problem| bad_input!("the recording: {problem}"))?))
    }
}

/// Reads the times off both logs: of draft steps what they took the model itself.
pub(crate) fn measured(folder: &Path, scene: &Scene) -> Result<Measured> {
    let edge = samples(&log(folder, EDGE_LOG)?);
    let cloud = samples(&log(folder, CLOUD_LOG)?);
    let setup = &scene.setup;
    let (method, place) = (&scene.choice.method, &scene.choice.scenario);
    let sample = |tokens, context, took| Sample { tokens, context, ns: nanos(took) };
    let prefill = |s: &PrefillSample| sample(s.tokens, 0, s.took);
    let trace = Arc::new(texts(folder, scene)?);
    let (name, models) = match scene.pair() {
        Some(pair) => (pair.pair.name.clone(), format!(", pair {}", pair.pair.name)),
        None => (scene.configuration.profile.spec.name.clone(), String::new()),
    };
    let run = format!("a live run of {method} in {place}{models}");
    let measurements = Measurements {
        name,
        description: run.clone(),
        source: format!("{run}, seed {}", scene.seed),
        vocabulary: setup.profile.vocabulary,
        draft_steps: edge.draft.iter().map(|s| sample(s.fed, s.context, s.own)).collect(),
        draft_prefills: edge.prefill.iter().map(prefill).collect(),
        verifications: cloud.verify.iter().map(|s| sample(s.drafts, s.context, s.took)).collect(),
        verify_prefills: cloud.prefill.iter().map(prefill).collect(),
    };
    let spec = measured::profile(&measurements, &trace, TRACE)
        .map_err(|problem| bad_input!("{}: {problem}", folder.display()))?;
    Ok(Measured { spec, trace })
}

/// Writes the texts and the profile beside the logs. `committed` are the texts of the run.
fn complete(folder: &Path, scene: &Scene, committed: &[Text], rollout: u32) -> Result<()> {
    let (trace, edge_only) = match scene.pair() {
        None => (texts(folder, scene)?, None),
        Some(pair) => {
            let recorded = pair_texts(scene, pair, rollout)?;
            compare(&recorded.0, committed)?;
            recorded
        }
    };
    // A trace of a pair has features at every step: a line of its own for each number helps nobody.
    let text = serde_json::to_string(&trace).context("a trace is plain data")? + "\n";
    output::write_file(&folder.join(TRACE), &text)?;
    let Measured { mut spec, .. } = measured(folder, scene)?;
    spec.edge_only_ms = edge_only.map(|found| {
        let source = format!("both models in one process, {} drafts a round", found.draft_length);
        let value = found.on_device(spec.draft.step_ms.value.mean());
        Sourced { value, status: Status::Measured, source }
    });
    let spec = toml::to_string(&spec).context("a profile is plain data")?;
    output::write_file(&folder.join(PROFILE), &spec)
}

/// What is recorded of a pair besides a live run.
type Recorded = (Trace, Option<EdgeOnly>);

/// What the models of a pair say to the scene's prompts, by the recorder of texts, and what they take in
/// one place. Runs of one process that ask the same share it: under *match* it does not depend on how they
/// draft.
fn pair_texts(scene: &Scene, pair: &PairModels, rollout: u32) -> Result<Recorded> {
    static RECORDED: Mutex<Option<(String, Recorded)>> = Mutex::new(None);
    let terms = scene.setup.edge.terms();
    let key = format!("{:?} {} {:?} {rollout}", pair.choice.words(), scene.seed, terms);
    let mut recorded = RECORDED.lock().unwrap_or_else(PoisonError::into_inner);
    let requests = scene.requests();
    let key = format!("{key} {}", requests.len());
    if let Some((_, known)) = recorded.as_ref().filter(|(known, _)| *known == key) {
        return Ok(known.clone());
    }
    let (mut draft, mut target) = pair.both(rollout)?;
    let progress = Progress::new("texts", 0, requests.len() as u64);
    let source = format!(
        "recorded by pipesd {} from the pair {}, seed {}, temperature {}",
        env!("CARGO_PKG_VERSION"),
        pair.pair.name,
        scene.seed,
        pair.choice.temperature
    );
    let told = |number: usize| {
        progress.set(number as u64 + 1, || format!("{} of {}", number + 1, requests.len()));
        ensure_not_interrupted().is_ok()
    };
    let models = (draft.as_mut(), target.as_mut());
    let sampling = Sampling { terms, ..Sampling::greedy() };
    let trace = record_texts(models, &requests, &sampling, rollout, &source, told)?;
    progress.finish();
    let edge_only = edge_only::measure(draft.as_mut(), target.as_mut(), &requests)?;
    let found = (trace, Some(edge_only));
    *recorded = Some((key, found.clone()));
    Ok(found)
}

/// The target's choice between two ids whose logits are closer is a matter of rounding.
pub(crate) const GAP_MIN: f64 = 1e-4;

/// What was committed live is what was recorded: but where the target itself is in doubt.
fn compare(trace: &Trace, committed: &[Text]) -> Result<()> {
    let committed: Vec<Vec<TokenId>> = committed.iter().map(|text| text.tokens.clone()).collect();
    for Departure { text, position, gap } in departures(trace, &committed) {
        let doubtful = gap.filter(|gap| *gap < GAP_MIN);
        let Some(gap) = doubtful else {
            anyhow::bail!(
                "text {text}, position {position}: what was committed is not what the target writes \
                 alone, though it is sure there (a gap of {gap:?} between its first two logits)"
            );
        };
        eprintln!(
            "text {text}, position {position}: the target's first two logits are {gap:.1e} apart, and \
             the live run went the other way"
        );
    }
    Ok(())
}

/// Both ends' events on one clock.
pub(crate) fn joint(folder: &Path) -> Result<Joint> {
    let (edge, cloud) = (log(folder, EDGE_LOG)?, log(folder, CLOUD_LOG)?);
    align(&[edge], &cloud).map_err(|error| bad_input!("{}: {error}", folder.display()).into())
}

/// Replays a log through the core's loop as the driver does, and through the simulator's queue: both
/// must give what was recorded, bit for bit. Returns how many inputs and outputs that were.
pub(crate) fn check(path: &Path) -> Result<(usize, usize)> {
    let log = RunLog::open(path).map_err(|error| bad_input!("{error}"))?;
    replay(&log)?;
    let mut inputs: Vec<(Instant, Input)> = Vec::new();
    let mut outputs: Vec<(Instant, Output)> = Vec::new();
    for line in log.lines {
        match line {
            Line::In(at, input) => inputs.push((at, input)),
            Line::Out(at, output) => outputs.push((at, output)),
            Line::Took { .. } | Line::Session { .. } => {}
        }
    }
    let count = inputs.len();
    let simulated = match log.header.config {
        Config::Edge(config) => pipesd_sim::replay::outputs(&mut Edge::new(config), inputs),
        Config::Cloud(config) => pipesd_sim::replay::outputs(&mut Cloud::new(config), inputs),
    };
    let text = |outputs: &[(Instant, Output)]| serde_json::to_string(outputs);
    let same = simulated == outputs && text(&simulated)? == text(&outputs)?;
    anyhow::ensure!(same, "{}: the simulator's loop gives other outputs", path.display());
    Ok((count, outputs.len()))
}
