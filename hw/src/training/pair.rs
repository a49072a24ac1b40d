//! From a seed to a pair of models with all their files.

use std::path::Path;

use pipesd_core::ids::TokenId;
use pipesd_core::seed::Seed;
use serde::{Deserialize, Serialize};
use serde_json::json;
use tch::{Device, Kind};
use tokenizers::Tokenizer;

use super::corpus::{Family, held_out};
use super::evaluate::{Evaluation, Task, evaluate};
use super::trainer::{Course, GoOn, Recipe, Training};
use super::{TrainingError, export, tokenizer};
use crate::backend::torch::{
    Architecture, Decoder, DecoderConfig, Options, RopeScaling, TorchDraft,
};
use crate::gguf::Precision;

/// How large a pair is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Size {
    /// The pair that ships.
    Full,
    /// One that shows in seconds that all of it works.
    Smoke,
}

/// What is trained.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Plan {
    /// How large.
    pub size: Size,
    /// Of corpus and initial weights.
    pub seed: Seed,
    /// Threads of libtorch. Sums depend on it: the same number gives the same weights.
    pub threads: u32,
}

/// Ids of the vocabulary.
const VOCABULARY: usize = 1024;
/// Positions that the models are told of; they learn on windows of fewer, rotary embedding carries on.
const CONTEXT: i64 = 1024;
/// Held-out prompts of each family that are shipped.
const PROMPTS: usize = 120;
/// Tokens of an answer at most.
const BUDGET: u32 = 128;

impl Size {
    fn configs(self) -> [DecoderConfig; 2] {
        match self {
            Self::Full => [shape([96, 3, 3, 256]), shape([224, 5, 7, 608])],
            Self::Smoke => [shape([32, 1, 1, 64]), shape([32, 2, 1, 64])],
        }
    }

    fn recipes(self) -> [Recipe; 2] {
        let full = Recipe { steps: 1200, batch: 16, window: 256, rate: 3e-3, warm_up: 100 };
        match self {
            Self::Full => [full, Recipe { steps: 1600, rate: 2e-3, ..full }],
            Self::Smoke => [Recipe { steps: 30, batch: 2, window: 64, warm_up: 5, ..full }; 2],
        }
    }

    const fn prompts(self) -> usize {
        match self {
            Self::Full => PROMPTS,
            Self::Smoke => 2,
        }
    }
}

/// A Llama of this width, depth, heads and inner width.
fn shape([hidden_size, num_hidden_layers, heads, intermediate_size]: [i64; 4]) -> DecoderConfig {
    DecoderConfig {
        architecture: Architecture::LlamaForCausalLM,
        vocab_size: VOCABULARY as i64,
        hidden_size,
        intermediate_size,
        num_hidden_layers,
        num_attention_heads: heads,
        num_key_value_heads: heads,
        head_dim: hidden_size / heads,
        rms_norm_eps: 1e-5,
        rope_theta: 10_000.0,
        rope_scaling: RopeScaling::None,
        tie_word_embeddings: true,
        max_position_embeddings: CONTEXT,
        attention_bias: false,
        output_bias: false,
    }
}

/// A model's part of the record.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Trained {
    /// Parameters.
    pub parameters: i64,
    /// How it was trained.
    pub recipe: Recipe,
    /// How that went.
    pub course: Course,
}

/// How a pair came to be, and what it can do.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// Of this program.
    pub version: String,
    /// Of its source, as told.
    pub commit: Option<String>,
    /// How large.
    pub size: Size,
    /// Of corpus and initial weights.
    pub seed: Seed,
    /// Threads of libtorch.
    pub threads: u32,
    /// The draft.
    pub draft: Trained,
    /// The target.
    pub target: Trained,
    /// On the shipped prompts, of the weights as they are stored (f16), by family.
    pub evaluations: Vec<(Family, Evaluation)>,
}

/// Trains a pair into `folder`: `draft.gguf`, `draft/`, `target/`, a prompt file of each family, and
/// `training.json`. What was trained before an interruption is kept in `folder/checkpoints`. None: told to
/// stop.
///
/// # Errors
/// If a file cannot be written, a checkpoint is of another training, or the loss is lost.
pub fn train(
    plan: Plan,
    commit: Option<String>,
    folder: &Path,
    go_on: &mut GoOn<'_>,
) -> Result<Option<Record>, TrainingError> {
    let Plan { size, seed, threads } = plan;
    tch::set_num_threads(i32::try_from(threads).unwrap_or(i32::MAX));
    let checkpoints = folder.join("checkpoints");
    std::fs::create_dir_all(&checkpoints)
        .map_err(|error| TrainingError::file(&checkpoints, error))?;
    let tokenizer = tokenizer::train(seed, VOCABULARY)?;
    let json = tokenizer.to_string(true).map_err(TrainingError::tokenizer)?;
    let mut trained = Vec::new();
    let mut learned = 0;
    for ((name, config), recipe) in
        ["draft", "target"].into_iter().zip(size.configs()).zip(size.recipes())
    {
        let training = Training::begin(name, &config, recipe, seed, &checkpoints)?;
        let Some((decoder, course)) = training.run(&tokenizer, seed, go_on)? else {
            return Ok(None);
        };
        learned = learned.max(course.documents);
        export::folder(&decoder, &json, Kind::Half, &folder.join(name))?;
        trained.push(Trained { parameters: config.parameters(), recipe, course });
    }
    let draft = Decoder::load(&folder.join("draft"), Some(Kind::Float), Device::Cpu)?;
    export::gguf(&draft, &json, "pipesd small draft", Precision::F16, &folder.join("draft.gguf"))?;
    let tasks = write_prompts(size, seed, learned, folder)?;
    let evaluations = measure(folder, &tokenizer, &tasks, threads)?;
    let [draft, target] = trained.try_into().expect("two models were trained");
    let version = env!("CARGO_PKG_VERSION").to_owned();
    let record = Record { version, commit, size, seed, threads, draft, target, evaluations };
    let path = folder.join("training.json");
    let text = serde_json::to_string_pretty(&record).map_err(|e| TrainingError::file(&path, e))?;
    std::fs::write(&path, text + "\n").map_err(|error| TrainingError::file(&path, error))?;
    Ok(Some(record))
}

/// Tasks of each family that are held out from the first `learned` documents, written as prompt files.
fn write_prompts(
    size: Size,
    seed: Seed,
    learned: u64,
    folder: &Path,
) -> Result<Vec<(Family, Vec<Task>)>, TrainingError> {
    let mut all = Vec::new();
    for family in Family::ALL {
        let mut lines = String::new();
        let mut tasks = Vec::new();
        let held = held_out(seed, family, learned, size.prompts());
        for (index, document) in held.into_iter().enumerate() {
            let line = json!({
                "id": format!("{}/{index}", family.name()),
                "family": family.name(),
                "prompt": document.prompt,
                "check": document.check,
            });
            lines.push_str(&format!("{line}\n"));
            tasks.push(Task { prompt: document.prompt, check: document.check });
        }
        let path = folder.join(format!("{}.jsonl", family.name()));
        std::fs::write(&path, lines).map_err(|error| TrainingError::file(&path, error))?;
        all.push((family, tasks));
    }
    Ok(all)
}

/// Evaluates the models as they are stored.
fn measure(
    folder: &Path,
    tokenizer: &Tokenizer,
    tasks: &[(Family, Vec<Task>)],
    threads: u32,
) -> Result<Vec<(Family, Evaluation)>, TrainingError> {
    let end = tokenizer
        .token_to_id(tokenizer::END)
        .ok_or_else(|| TrainingError::no_end(tokenizer::END))?;
    let open = |name: &str| -> Result<TorchDraft, TrainingError> {
        let decoder = Decoder::load(&folder.join(name), Some(Kind::Float), Device::Cpu)?;
        let threads = i32::try_from(threads).unwrap_or(i32::MAX);
        let context = CONTEXT as u32;
        let options = Options { threads, fixed_block: None, context, vocabulary: None };
        Ok(TorchDraft::new(decoder, options)?)
    };
    let (mut draft, mut target) = (open("draft")?, open("target")?);
    let mut evaluations = Vec::new();
    for (family, tasks) in tasks {
        let models: [&mut dyn super::evaluate::Model; 2] = [&mut draft, &mut target];
        let evaluation = evaluate(models, tokenizer, tasks, TokenId(end), BUDGET)?;
        evaluations.push((*family, evaluation));
    }
    Ok(evaluations)
}
