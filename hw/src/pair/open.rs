//! From an entry to models at work, each by its engine.

use std::path::Path;

use pipesd_core::ids::{SessionId, TokenId};
use pipesd_core::seed::Seed;
use pipesd_core::verification::Sampling;
use serde::Deserialize;

use super::engines::{self, Bounds};
use super::entry::{Engine, ModelSpec, Pair};
use super::token_bytes::token_bytes;
use super::vocabulary::TokenBytes;
use super::{PairError, read};
use crate::backend::table::{Table, TableDraft, TableTarget, VOCABULARY_MAX};
use crate::backend::{DraftModel, Logits, ModelError, TargetModel};

/// A draft that can be recorded, too.
pub trait Draft: DraftModel + Logits {}
impl<M: DraftModel + Logits> Draft for M {}

/// A target that can be recorded, too.
pub trait Target: TargetModel + Logits {}
impl<M: TargetModel + Logits> Target for M {}

/// Evaluates something once: a model's first calls start threads, touch the weights and choose kernels
/// (65 ms against 9 with the shipped target), which no session is to pay for, and no recording to take for
/// what a prefill costs.
fn warmed<M: Logits + ?Sized>(
    mut model: Box<M>,
    prefill: impl FnOnce(&mut M, &[TokenId], &Sampling) -> Result<(), ModelError>,
    close: impl FnOnce(&mut M),
) -> Result<Box<M>, ModelError> {
    prefill(&mut model, &[TokenId(0); WARM_TOKENS], &Sampling::greedy())?;
    model.logits(WARM, 0, &[TokenId(0)])?;
    close(&mut model);
    Ok(model)
}

/// A session that nobody else has.
const WARM: SessionId = SessionId(u64::MAX);
/// Fewer than any context has.
const WARM_TOKENS: usize = 32;

impl Engine {
    /// Whether this program has it.
    #[must_use]
    pub const fn is_built(self) -> bool {
        match self {
            Self::Llama => cfg!(feature = "llama"),
            Self::Torch => cfg!(feature = "torch"),
            Self::Table => true,
        }
    }
}

impl Pair {
    /// What the draft's ids mean, of its own file: the ids that both models use.
    ///
    /// # Errors
    /// If it cannot be read, has fewer ids, or its engine was not built in.
    pub fn draft_bytes(&self) -> Result<TokenBytes, PairError> {
        self.bytes(&self.spec.draft)
    }

    /// The same of the target.
    ///
    /// # Errors
    /// As above.
    pub fn target_bytes(&self) -> Result<TokenBytes, PairError> {
        self.bytes(&self.spec.target)
    }

    fn bytes(&self, model: &ModelSpec) -> Result<TokenBytes, PairError> {
        let path = self.path(&model.path);
        let size = self.spec.vocabulary;
        match model.engine {
            Engine::Torch => engines::torch_bytes(&path, size),
            Engine::Llama => engines::llama_bytes(&path, size),
            Engine::Table => token_bytes(&self.path(&self.spec.tokenizer), size),
        }
    }

    /// Sessions that the target holds at a time; None: as many as memory has room for.
    #[must_use]
    pub const fn target_sessions(&self) -> Option<u32> {
        match self.spec.target.engine {
            Engine::Llama => Some(engines::LLAMA_TARGET_SESSIONS),
            Engine::Torch | Engine::Table => None,
        }
    }

    /// Loads the draft. A session has up to `context` tokens, prompt, output and rollouts together. Its
    /// logits are those of the pair's vocabulary: a padded tail is cut off, so that no id of it is proposed.
    ///
    /// # Errors
    /// If it cannot be loaded.
    pub fn open_draft(&self, context: u32) -> Result<Box<dyn Draft>, ModelError> {
        let spec = &self.spec.draft;
        let bounds =
            Bounds { context: Some(context), vocabulary: self.spec.vocabulary, fixed_block: None };
        let model: Box<dyn Draft> = match spec.engine {
            Engine::Llama | Engine::Torch => engines::draft(&self.path(&spec.path), spec, bounds)?,
            Engine::Table => Box::new(TableDraft::new(self.table(spec)?)),
        };
        warmed(
            model,
            |model, prompt, how| model.prefill(WARM, prompt, how),
            |model| model.close(WARM),
        )
    }

    /// Loads the target. A session has up to `context` tokens; None: as many as the model was made for. Its
    /// logits are those of the pair's vocabulary. `fixed_block`: they do not depend, to the last bit, on how
    /// many tokens are evaluated together.
    ///
    /// # Errors
    /// If it cannot be loaded.
    pub fn open_target(
        &self,
        context: Option<u32>,
        fixed_block: Option<u32>,
    ) -> Result<Box<dyn Target>, ModelError> {
        let spec = &self.spec.target;
        let bounds = Bounds { context, vocabulary: self.spec.vocabulary, fixed_block };
        let model: Box<dyn Target> = match spec.engine {
            Engine::Llama | Engine::Torch => engines::target(&self.path(&spec.path), spec, bounds)?,
            Engine::Table => Box::new(TableTarget::new(self.table(spec)?)),
        };
        warmed(
            model,
            |model, prompt, how| model.prefill(WARM, prompt, how),
            |model| model.close(WARM),
        )
    }

    /// A table as its file says, over the pair's vocabulary.
    fn table(&self, spec: &ModelSpec) -> Result<Table, ModelError> {
        let path = self.path(&spec.path);
        let refused =
            |problem: String| ModelError::Refused(PairError::new(&path, problem).to_string());
        let TableFile { seed, spread, apart } = read_table(&path).map_err(refused)?;
        let size = self.spec.vocabulary;
        if !(2..=VOCABULARY_MAX).contains(&size) {
            return Err(refused(format!("a table is over 2 to {VOCABULARY_MAX} ids, not {size}")));
        }
        let target = Table::target(size, spread, Seed(seed));
        Ok(if apart == 0.0 { target } else { target.draft(apart, Seed(seed)) })
    }
}

/// A table model, as its file says it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TableFile {
    /// Of a pair the same.
    seed: u64,
    /// Logits are uniform in ± this.
    spread: f32,
    /// A draft's are moved by up to ± this.
    #[serde(default)]
    apart: f32,
}

pub(super) fn read_table(path: &Path) -> Result<TableFile, String> {
    let text = read(path).map_err(|error| error.problem)?;
    toml::from_str(&text).map_err(|error| error.to_string().trim_end().to_owned())
}
