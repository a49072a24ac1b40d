//! An entry of a pairs file.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;

/// A pair as its entry says it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "Written")]
pub struct PairSpec {
    /// One line for people.
    pub description: String,
    /// The edge's model.
    pub draft: ModelSpec,
    /// The cloud's model.
    pub target: ModelSpec,
    /// tokenizer.json, as the entry's other paths.
    pub tokenizer: PathBuf,
    /// What a prompt is put into, at `{prompt}`.
    pub template: String,
    /// What ends a text; not empty.
    pub stop: Vec<Stop>,
    /// Prompt files; not empty.
    pub prompts: Vec<PathBuf>,
    /// Budget of a request \[tokens\].
    pub max_new_tokens: u32,
    /// Ids from 0 that both models use.
    pub vocabulary: u32,
}

/// What stands for the prompt in a template.
const PLACEHOLDER: &str = "{prompt}";

/// A model and how it is run.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "WrittenModel")]
pub struct ModelSpec {
    /// What runs it.
    pub engine: Engine,
    /// A GGUF file, or a Hugging Face folder.
    pub path: PathBuf,
    /// CPU threads.
    pub threads: u32,
    /// Of weights and activations; a GGUF has its own.
    pub dtype: Dtype,
    /// Where it runs.
    pub device: Place,
    /// Where it is to be had.
    pub published: Option<String>,
    /// Under what terms.
    pub licence: Option<String>,
}

/// What runs a model.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Engine {
    /// llama.cpp, from a GGUF file.
    Llama,
    /// libtorch, from a Hugging Face folder.
    Torch,
    /// A tiny random model in a file of three lines, [`crate::backend::table`]: for tests of all that is
    /// around models.
    Table,
}

impl Engine {
    /// Its name in entries, and that of its feature.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Llama => "llama",
            Self::Torch => "torch",
            Self::Table => "table",
        }
    }
}

/// The number format of weights and activations.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Dtype {
    /// The file's own.
    #[serde(skip)]
    AsStored,
    /// IEEE single.
    F32,
    /// Brain float.
    Bf16,
    /// IEEE half.
    F16,
}

/// Where a model runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Place {
    /// The processor.
    #[default]
    Cpu,
    /// The first NVIDIA GPU.
    Cuda,
}

/// What ends a text.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(untagged, expecting = "a stop is a token (text) or an id (number)")]
pub enum Stop {
    /// An id.
    Id(u32),
    /// A token.
    Token(String),
}

/// An entry before its keys are held against each other.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    description: String,
    draft: ModelSpec,
    target: ModelSpec,
    tokenizer: Option<PathBuf>,
    template: String,
    stop: Vec<Stop>,
    prompts: Vec<PathBuf>,
    max_new_tokens: u32,
    vocabulary: u32,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenModel {
    engine: Engine,
    path: PathBuf,
    threads: u32,
    dtype: Option<Dtype>,
    device: Option<Place>,
    published: Option<String>,
    licence: Option<String>,
}

/// Budgets and vocabularies beyond these are slips: no model has them.
const NEW_TOKENS_MAX: u32 = 1 << 20;
const VOCABULARY_MAX: u32 = 1 << 22;
const THREADS_MAX: u32 = 256;
/// As many as a request may have on the wire.
const STOPS_MAX: usize = 64;

fn within(key: &str, value: u32, max: u32) -> Result<(), String> {
    if (1..=max).contains(&value) {
        Ok(())
    } else {
        Err(format!("`{key}` is {value}, it must be 1 to {max}"))
    }
}

impl TryFrom<WrittenModel> for ModelSpec {
    type Error = String;

    fn try_from(written: WrittenModel) -> Result<Self, String> {
        let WrittenModel { engine, path, threads, dtype, device, published, licence } = written;
        within("threads", threads, THREADS_MAX)?;
        let dtype = match (engine, dtype, device) {
            (Engine::Llama | Engine::Table, None, None) => Dtype::AsStored,
            (Engine::Llama | Engine::Table, ..) => {
                return Err(
                    "`dtype` and `device` are for engine torch: a GGUF file has its number \
                            format, and llama.cpp runs on the processor here"
                        .into(),
                );
            }
            (Engine::Torch, Some(dtype), _) => dtype,
            (Engine::Torch, None, _) => {
                return Err("engine torch needs a `dtype`: f32, bf16 or f16".into());
            }
        };
        let device = device.unwrap_or_default();
        Ok(Self { engine, path, threads, dtype, device, published, licence })
    }
}

impl TryFrom<Written> for PairSpec {
    type Error = String;

    fn try_from(written: Written) -> Result<Self, String> {
        let Written { description, draft, target, template, stop, prompts, .. } = written;
        let Written { tokenizer, max_new_tokens, vocabulary, .. } = written;
        let tokenizer = match (tokenizer, target.engine) {
            (Some(path), _) => path,
            (None, Engine::Torch) => target.path.join("tokenizer.json"),
            (None, Engine::Llama | Engine::Table) => {
                return Err("the target is a file, not a folder: `tokenizer` must name a \
                            tokenizer.json"
                    .into());
            }
        };
        if template.matches(PLACEHOLDER).count() != 1 {
            return Err(format!("`template` must have {PLACEHOLDER} in it, once"));
        }
        within("stop", stop.len() as u32, STOPS_MAX as u32).map_err(|_| {
            format!("`stop` has {} entries, it must have 1 to {STOPS_MAX}", stop.len())
        })?;
        if prompts.is_empty() {
            return Err("`prompts` must name at least one file".into());
        }
        within("max_new_tokens", max_new_tokens, NEW_TOKENS_MAX)?;
        within("vocabulary", vocabulary, VOCABULARY_MAX)?;
        Ok(Self {
            description,
            draft,
            target,
            tokenizer,
            template,
            stop,
            prompts,
            max_new_tokens,
            vocabulary,
        })
    }
}

/// The entries of a pairs file.
///
/// # Errors
/// What is wrong, with its line.
pub fn parse(text: &str) -> Result<BTreeMap<String, PairSpec>, String> {
    toml::from_str(text).map_err(|error| error.to_string().trim_end().to_owned())
}

/// A pair by name, and the folder that its paths are relative to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pair {
    /// Its entry's name.
    pub name: String,
    /// Its entry.
    pub spec: PairSpec,
    /// The folder.
    pub root: PathBuf,
}

impl Pair {
    /// A path of the entry.
    #[must_use]
    pub fn path(&self, relative: &Path) -> PathBuf {
        self.root.join(relative)
    }

    /// The text that a prompt is sent as.
    #[must_use]
    pub fn fill(&self, prompt: &str) -> String {
        self.spec.template.replacen(PLACEHOLDER, prompt, 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ENTRY: &str = r#"
[tiny]
description = "for tests"
template = "Q: {prompt}\nA:"
stop = ["</s>", 7]
prompts = ["prompts.jsonl"]
max_new_tokens = 32
vocabulary = 300
[tiny.draft]
engine = "llama"
path = "draft.gguf"
threads = 1
[tiny.target]
engine = "torch"
path = "target"
dtype = "f32"
threads = 2
"#;

    #[test]
    fn the_shipped_entries_are_valid() {
        let pairs = parse(include_str!("../../../models/pairs.toml")).expect("valid");
        let names: Vec<&str> = pairs.keys().map(String::as_str).collect();
        assert_eq!(names, ["deepseek-coder", "small", "tinyllama-llama2"]);
        for (name, pair) in pairs {
            for model in [&pair.draft, &pair.target] {
                assert!(model.published.is_some() && model.licence.is_some(), "{name}");
            }
        }
    }

    #[test]
    fn an_entry_says_what_is_not_written() {
        let pair = parse(ENTRY).expect("valid").remove("tiny").expect("there");
        assert_eq!(pair.tokenizer, Path::new("target/tokenizer.json"));
        assert_eq!(pair.stop, [Stop::Token("</s>".into()), Stop::Id(7)]);
        assert_eq!((pair.draft.dtype, pair.target.device), (Dtype::AsStored, Place::Cpu));
        let pair = Pair { name: "tiny".into(), spec: pair, root: "models".into() };
        assert_eq!(pair.fill("{prompt} 1 + 1"), "Q: {prompt} 1 + 1\nA:");
        assert_eq!(pair.path(&pair.spec.draft.path), Path::new("models/draft.gguf"));
    }

    #[test]
    fn what_is_wrong_is_told_with_its_line() {
        for (from, to, line, told) in [
            ("threads = 2", "threads = 2\nfoo = 1", 18, "unknown field `foo`"),
            ("threads = 2", "", 13, "missing field `threads`"),
            ("threads = 2", "threads = 0", 13, "`threads` is 0, it must be 1 to 256"),
            ("dtype = \"f32\"", "dtype = \"f64\"", 16, "unknown variant `f64`"),
            ("dtype = \"f32\"", "", 13, "needs a `dtype`: f32, bf16 or f16"),
            ("threads = 1", "threads = 1\ndevice = \"cuda\"", 9, "are for engine torch"),
            ("\"Q: {prompt}\\nA:\"", "\"Q:\"", 2, "`template` must have {prompt} in it, once"),
            ("[\"</s>\", 7]", "[]", 2, "`stop` has 0 entries, it must have 1 to 64"),
            ("[\"</s>\", 7]", "[1.5]", 5, "a stop is a token (text) or an id (number)"),
            ("[\"prompts.jsonl\"]", "[]", 2, "`prompts` must name at least one file"),
            ("= 300", "= 0", 2, "`vocabulary` is 0, it must be 1 to"),
            (
                "engine = \"torch\"",
                "engine = \"onnx\"",
                14,
                "expected one of `llama`, `torch`, `table`",
            ),
            ("[tiny.target]", "[tiny.traget]", 13, "unknown field `traget`"),
        ] {
            assert_eq!(ENTRY.matches(from).count(), 1, "{from}");
            let error = parse(&ENTRY.replace(from, to)).expect_err(to);
            assert!(error.contains(told), "{to}: {error}");
            assert!(error.contains(&format!("line {line},")), "{to}: {error}");
        }
    }
}
