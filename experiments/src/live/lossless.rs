//! Losslessness on real models: whatever the method, the payload and the link, the text is what the target
//! writes alone, one token at a time.
//!
//! The last bits of a logit depend on how many tokens are evaluated together. So the target evaluates in
//! blocks of a fixed shape here (`--fixed-block`), alone and in a run alike: then a text that differs is a
//! mistake. Where two tokens are all the same closer than [`GAP_MIN`], a difference is counted and told.

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::{Context, Result};
use pipesd_core::ids::TokenId;
use pipesd_core::message::Request;
use pipesd_core::seed::Seed;
use pipesd_core::verification::Sampling;
use pipesd_hw::backend::write_alone;
use pipesd_hw::pair::Target;
use pipesd_hw::record::texts::lead;
use pipesd_hw::training::corpus::Check;
use pipesd_sim::world::run_real;
use serde::Serialize;

use super::models::{End, PairModels};
use super::recording::GAP_MIN;
use super::scene::Scene;
use super::{ensure_not_interrupted, pair, virtual_time};
use crate::cli::{Backend, PairChoice, Stage, Testbed};
use crate::input::{COMPARED, Choice, bad_input};
use crate::output::{self, Rows};
use crate::progress::Progress;

/// Prompts, unless told otherwise.
const PROMPTS: u32 = 200;
/// Prompts over emulated links: those take real time.
const PROMPTS_EMULATED: u32 = 5;
/// Rows of a pass, unless told otherwise: more than most rounds draft.
const BLOCK: u32 = 16;

/// Everything that keeps the text the target's own at temperature 0; the first four do at any.
const SETTINGS: [&[&str]; 7] = [
    &["payload=ids"],
    &["payload=full"],
    &["payload=lazy"],
    &["payload=top_k", "top_k=4"],
    &["payload=full", "verification=rejection"],
    &["payload=lazy", "verification=rejection"],
    &["payload=ids", "verification=rejection"],
];
const AT_ANY_TEMPERATURE: usize = 4;
/// Over QUIC each method has one.
const OF_METHODS: [&[&str]; 4] =
    [&["payload=ids"], &["payload=lazy"], &["payload=full"], &["payload=ids"]];
const SCENARIOS: [&str; 4] = ["s1-laptop", "s2-phone", "s3-iot", "s4-dynamic"];

/// What the target writes alone, and by how much each token was ahead of the next.
struct Alone {
    tokens: Vec<TokenId>,
    gaps: Vec<f64>,
}

/// One comparison.
#[derive(Serialize)]
struct Compared {
    stage: &'static str,
    scenario: String,
    method: String,
    set: Vec<String>,
    prompts: usize,
    tokens: usize,
    /// Texts that leave the target's at a tie.
    ties: usize,
}

#[derive(Serialize)]
struct Outcome {
    fixed_block: u32,
    runs: Vec<Compared>,
    /// Answers that are right, of those that can be checked.
    right: usize,
    checked: usize,
    /// The closest that two tokens were, where one was committed.
    smallest_gap: f64,
}

/// Runs what was chosen, and fails at the first text that differs.
pub(crate) fn run(options: &Testbed) -> Result<()> {
    let models = &options.run.models;
    if models.backend != Backend::Models {
        return Err(bad_input!("--lossless: it is of models: --backend models --pair NAME").into());
    }
    let block = models.fixed_block.unwrap_or(BLOCK);
    let prompts = models.requests.unwrap_or(PROMPTS);
    let models = PairChoice { fixed_block: Some(block), requests: Some(prompts), ..models.clone() };
    let mut program = Program { options, models, runs: Vec::new() };
    let scene = program.scene(SCENARIOS[0], COMPARED[0], SETTINGS[0], prompts)?;
    let pair = scene.pair().context("a scene of models has a pair")?;
    let (mut draft, mut target) = pair.both(0)?;
    let alone = alone(target.as_mut(), &scene)?;
    let (right, checked) = exact_match(pair, &alone)?;
    let wanted = |stage| options.stage.is_none_or(|only| only == stage);
    if wanted(Stage::Virtual) {
        program.in_virtual_time((draft.as_mut(), target.as_mut()), &alone, prompts)?;
    }
    drop((draft, target));
    if wanted(Stage::Quic) {
        for (method, set) in COMPARED.into_iter().zip(OF_METHODS) {
            program.live("quic", (SCENARIOS[0], method, set), prompts, &alone)?;
        }
    }
    if wanted(Stage::Emulated) {
        for scenario in SCENARIOS {
            for (method, set) in COMPARED.into_iter().zip(OF_METHODS) {
                let prompts = prompts.min(PROMPTS_EMULATED);
                program.live("emulated", (scenario, method, set), prompts, &alone)?;
            }
        }
    }
    let gaps = alone.iter().flat_map(|text| &text.gaps);
    let smallest_gap = gaps.copied().fold(f64::INFINITY, f64::min);
    let outcome = Outcome { fixed_block: block, runs: program.runs, right, checked, smallest_gap };
    if options.run.json { output::print_json(&outcome) } else { output::print(&table(&outcome)) }
}

struct Program<'a> {
    options: &'a Testbed,
    models: PairChoice,
    runs: Vec<Compared>,
}

impl Program<'_> {
    fn scene(&self, scenario: &str, method: &str, set: &[&str], prompts: u32) -> Result<Scene> {
        let configuration = &self.options.configuration;
        let sets = configuration.sets.iter().cloned();
        let choice = Choice {
            profile: configuration.profile.clone(),
            scenario: scenario.to_owned(),
            method: method.to_owned(),
            sets: sets.chain(set.iter().map(|&set| set.to_owned())).collect(),
        };
        let models = PairChoice { requests: Some(prompts), ..self.models.clone() };
        Scene::load(&choice, &models, self.options.run.seed, self.options.run.tokens(), End::Edge)
    }

    /// Behind the simulator's links; its sixth law is that the text is the target's.
    fn in_virtual_time(
        &mut self,
        (draft, target): (&mut dyn pipesd_hw::pair::Draft, &mut dyn Target),
        alone: &[Alone],
        prompts: u32,
    ) -> Result<()> {
        let settings =
            if self.models.temperature == 0.0 { SETTINGS.len() } else { AT_ANY_TEMPERATURE };
        let all = COMPARED.len() * settings;
        let progress = Progress::new("virtual time", 0, all as u64);
        let texts: Vec<Vec<TokenId>> = alone.iter().map(|text| text.tokens.clone()).collect();
        for method in COMPARED {
            for set in &SETTINGS[..settings] {
                ensure_not_interrupted()?;
                let scene = self.scene(SCENARIOS[0], method, set, prompts)?;
                let requests = scene.requests();
                let mut models = virtual_time::Pair {
                    draft: &mut *draft,
                    target: &mut *target,
                    requests: &requests,
                    texts: Some(&texts),
                    open: BTreeMap::new(),
                };
                let run = run_real(&scene.setup, Seed(scene.seed), &mut models);
                models.close_all();
                run.with_context(|| format!("{method}, {}", set.join(", ")))?;
                self.note("virtual time", (SCENARIOS[0], method, set), &texts, 0);
                progress.set(self.runs.len() as u64, || format!("{} of {all}", self.runs.len()));
            }
        }
        progress.finish();
        Ok(())
    }

    /// Over QUIC, in two processes.
    fn live(
        &mut self,
        stage: &'static str,
        (scenario, method, set): (&str, &str, &[&str]),
        prompts: u32,
        alone: &[Alone],
    ) -> Result<()> {
        ensure_not_interrupted()?;
        eprintln!("{stage}: {method} in {scenario}, {prompts} prompts");
        let scene = self.scene(scenario, method, set, prompts)?;
        let paired = pair::run(&scene, None, stage == "emulated", None)?;
        let mut ties = 0;
        let mut texts = Vec::new();
        for (number, (text, alone)) in paired.decoded.report.texts.iter().zip(alone).enumerate() {
            ties += usize::from(is_tie(&text.tokens, alone).with_context(|| {
                format!("{stage}, {scenario}, {method}, {}: prompt {number}", set.join(", "))
            })?);
            texts.push(text.tokens.clone());
        }
        anyhow::ensure!(texts.len() == prompts as usize, "{} texts of {prompts}", texts.len());
        self.note(stage, (scenario, method, set), &texts, ties);
        Ok(())
    }

    fn note(
        &mut self,
        stage: &'static str,
        (scenario, method, set): (&str, &str, &[&str]),
        texts: &[Vec<TokenId>],
        ties: usize,
    ) {
        self.runs.push(Compared {
            stage,
            scenario: scenario.to_owned(),
            method: method.to_owned(),
            set: set.iter().map(|&set| set.to_owned()).collect(),
            prompts: texts.len(),
            tokens: texts.iter().map(Vec::len).sum(),
            ties,
        });
    }
}

/// Whether the text leaves the target's own at a tie. Anywhere else it may not.
fn is_tie(text: &[TokenId], alone: &Alone) -> Result<bool> {
    let Some(position) =
        text.iter().zip(&alone.tokens).position(|(ours, own)| ours != own).or_else(|| {
            (text.len() != alone.tokens.len()).then(|| text.len().min(alone.tokens.len()))
        })
    else {
        return Ok(false);
    };
    let gap = alone.gaps.get(position).copied().unwrap_or(f64::INFINITY);
    anyhow::ensure!(
        gap < GAP_MIN,
        "position {position}: the text is not the target's own, whose two likeliest tokens are {gap} apart"
    );
    Ok(true)
}

/// The target without a draft, token by token.
fn alone(target: &mut dyn Target, scene: &Scene) -> Result<Vec<Alone>> {
    let requests = scene.requests();
    let terms = scene.setup.edge.terms();
    let progress = Progress::new("the target alone", 0, requests.len() as u64);
    let mut texts = Vec::new();
    for request in &requests {
        ensure_not_interrupted()?;
        let Request { session, temperature, seed, .. } = *request;
        let sampling = Sampling { terms, temperature, seed };
        target.prefill(session, &request.prompt, &sampling)?;
        let mut gaps = Vec::new();
        let tokens = write_alone(target, request, &sampling, |logits| gaps.push(lead(logits)))?;
        target.close(session);
        texts.push(Alone { tokens, gaps });
        progress.set(texts.len() as u64, || format!("{} of {}", texts.len(), requests.len()));
    }
    progress.finish();
    Ok(texts)
}

/// Of the texts whose prompts say how an answer is checked: how many are right, and how many there are.
fn exact_match(pair: &Arc<PairModels>, alone: &[Alone]) -> Result<(usize, usize)> {
    let (mut right, mut checked) = (0, 0);
    for (number, text) in alone.iter().enumerate() {
        let prompt = pair.prompt(number);
        let Ok(check) = serde_json::from_value::<Check>(prompt.check.clone()) else { continue };
        let stop = pair.tokenizer().stop();
        let mut stream = pair.tokenizer().stream();
        let mut answer = String::new();
        for token in text.tokens.iter().filter(|token| !stop.contains(token)) {
            answer.push_str(&stream.push(*token));
        }
        answer.push_str(&stream.finish());
        checked += 1;
        right += usize::from(check.passes(&prompt.prompt, &answer));
    }
    Ok((right, checked))
}

fn table(outcome: &Outcome) -> String {
    let header = ["stage", "scenario", "method", "settings", "prompts", "tokens", "at a tie"];
    let mut rows = Rows::new(&header, 4);
    for run in &outcome.runs {
        let set = run.set.join(" ");
        let [prompts, tokens, ties] = [run.prompts, run.tokens, run.ties].map(|n| n.to_string());
        let words = [run.stage, &run.scenario, &run.method, &set, &prompts, &tokens, &ties];
        rows.push(words.map(str::to_owned));
    }
    let Outcome { right, checked, smallest_gap, fixed_block, .. } = outcome;
    format!(
        "{rows}\nEach text is what the target writes alone (blocks of {fixed_block}), but for those that \
         leave it at a tie.\nAnswers right: {right} of {checked}. Smallest gap between the target's two \
         likeliest tokens: {smallest_gap:.2e}.\n"
    )
}
