//! What of a pair is on this machine, and what is wrong with it.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::entry::{Engine, ModelSpec, Pair};
use super::open::read_table;
use super::prompts::read_prompts;
use super::token_bytes::token_bytes;
use super::tokenizer::stops;

/// A part of a pair.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Piece {
    /// What it is for.
    pub what: String,
    /// Where it should be.
    pub path: PathBuf,
    /// What is there.
    pub found: Found,
    /// Where it is to be had, if it is a model.
    pub published: Option<String>,
    /// Under what terms.
    pub licence: Option<String>,
}

/// What is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// What should be; a few words about it.
    Present(String),
    /// Nothing.
    Missing,
    /// Something else, and what is wrong with it.
    Wrong(String),
}

impl Pair {
    /// Looks at each part: whether it is there, and is what it should be as far as can be seen without
    /// loading a model. Where both models are there and can be read, the last part is what their ids mean.
    #[must_use]
    pub fn check(&self) -> Vec<Piece> {
        let mut pieces = vec![self.model("draft", &self.spec.draft)];
        pieces.push(self.model("target", &self.spec.target));
        pieces.push(self.piece("tokenizer", &self.spec.tokenizer, |path| {
            let size = self.spec.vocabulary;
            let bytes = token_bytes(path, size).map_err(|error| error.problem)?;
            stops(self, path, &bytes).map_err(|error| error.problem)?;
            Ok(format!("ids 0 to {}, and the stop tokens", size - 1))
        }));
        for path in &self.spec.prompts {
            pieces.push(self.piece("prompts", path, |_| {
                let spec = super::PairSpec { prompts: vec![path.clone()], ..self.spec.clone() };
                let one = Self { spec, ..self.clone() };
                let prompts = read_prompts(&one, None).map_err(|error| error.to_string())?;
                Ok(format!("{} prompts", prompts.len()))
            }));
        }
        let both = pieces[..2].iter().all(|piece| matches!(piece.found, Found::Present(_)));
        if both && [&self.spec.draft, &self.spec.target].iter().all(|m| m.engine.is_built()) {
            pieces.push(self.piece("vocabulary", &self.spec.draft.path, |_| self.same_ids()));
        }
        pieces
    }

    /// Whether the two models mean the same by an id, by each one's own files.
    fn same_ids(&self) -> Result<String, String> {
        let draft = self.draft_bytes().map_err(|error| error.to_string())?;
        let target = self.target_bytes().map_err(|error| error.to_string())?;
        match draft.difference(&target) {
            Some(difference) => Err(difference.to_string()),
            None => Ok("the target means the same by each id".to_owned()),
        }
    }

    fn model(&self, what: &str, spec: &ModelSpec) -> Piece {
        let piece = self.piece(what, &spec.path, |path| match spec.engine {
            Engine::Llama => gguf(path),
            Engine::Torch => folder(path),
            Engine::Table => read_table(path).map(|_| "a table of a seed".to_owned()),
        });
        let (published, licence) = (spec.published.clone(), spec.licence.clone());
        Piece { published, licence, ..piece }
    }

    fn piece(
        &self,
        what: &str,
        path: &Path,
        look: impl FnOnce(&Path) -> Result<String, String>,
    ) -> Piece {
        let path = self.path(path);
        let found = if path.exists() {
            look(&path).map_or_else(Found::Wrong, Found::Present)
        } else {
            Found::Missing
        };
        Piece { what: what.to_owned(), path, found, published: None, licence: None }
    }
}

/// A size as people read it.
fn size(bytes: u64) -> String {
    match bytes {
        0..1_000_000 => format!("{:.1} kB", bytes as f64 / 1e3),
        1_000_000..1_000_000_000 => format!("{:.1} MB", bytes as f64 / 1e6),
        _ => format!("{:.2} GB", bytes as f64 / 1e9),
    }
}

fn unreadable(path: &Path, error: &std::io::Error) -> String {
    format!("{}: cannot be read: {error}", path.display())
}

/// The first bytes of a GGUF file.
const GGUF_MAGIC: &[u8; 4] = b"GGUF";

fn gguf(path: &Path) -> Result<String, String> {
    let mut magic = [0; 4];
    let mut file = File::open(path).map_err(|error| unreadable(path, &error))?;
    file.read_exact(&mut magic).map_err(|_| "it is not a GGUF file: it is too short".to_owned())?;
    if &magic != GGUF_MAGIC {
        return Err("it is not a GGUF file: those begin with the letters GGUF".into());
    }
    let length = file.metadata().map_err(|error| unreadable(path, &error))?.len();
    Ok(format!("GGUF, {}", size(length)))
}

/// A Hugging Face folder: its configuration, and all files that its weights are in.
fn folder(path: &Path) -> Result<String, String> {
    let config = json(&path.join("config.json"))?;
    let model = config["model_type"].as_str().ok_or("its config.json names no `model_type`")?;
    let index = path.join("model.safetensors.index.json");
    let files: Vec<String> = if index.exists() {
        let map = json(&index)?;
        let map = map["weight_map"]
            .as_object()
            .ok_or_else(|| format!("{}: it has no `weight_map`", index.display()))?;
        let mut files: Vec<String> =
            map.values().filter_map(Value::as_str).map(str::to_owned).collect();
        files.sort_unstable();
        files.dedup();
        files
    } else {
        vec!["model.safetensors".to_owned()]
    };
    let mut length = 0;
    let mut missing = Vec::new();
    for file in &files {
        match std::fs::metadata(path.join(file)) {
            Ok(metadata) => length += metadata.len(),
            Err(_) => missing.push(file.as_str()),
        }
    }
    if !missing.is_empty() {
        return Err(format!("its weights are not all there: {} missing", missing.join(", ")));
    }
    Ok(format!("{model}, {} in {} file(s)", size(length), files.len()))
}

fn json(path: &Path) -> Result<Value, String> {
    let text = std::fs::read_to_string(path).map_err(|error| unreadable(path, &error))?;
    serde_json::from_str(&text).map_err(|error| format!("{}: {error}", path.display()))
}
