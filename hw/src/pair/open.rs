//! From an entry to models at work, each by its engine.

use super::PairError;
use super::entry::{Engine, ModelSpec, Pair};
use super::token_bytes::token_bytes;
use super::vocabulary::TokenBytes;
use crate::backend::{DraftModel, Logits, ModelError, TargetModel};

/// A draft that can be recorded, too.
pub trait Draft: DraftModel + Logits {}
impl<M: DraftModel + Logits> Draft for M {}

/// A target that can be recorded, too.
pub trait Target: TargetModel + Logits {}
impl<M: TargetModel + Logits> Target for M {}

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
            Engine::Torch => token_bytes(&path.join("tokenizer.json"), size),
            Engine::Llama => engines::gguf_bytes(&path, size),
        }
    }

    /// Loads the draft. A session has up to `context` tokens, prompt, output and rollouts together.
    ///
    /// # Errors
    /// If it cannot be loaded.
    pub fn open_draft(&self, context: u32) -> Result<Box<dyn Draft>, ModelError> {
        engines::draft(self, context)
    }

    /// Loads the target. A session has up to `context` tokens; None: as many as the model was made for.
    ///
    /// # Errors
    /// If it cannot be loaded.
    pub fn open_target(&self, context: Option<u32>) -> Result<Box<dyn Target>, ModelError> {
        engines::target(self, context)
    }
}

/// What each engine does for a pair, where it was built in.
mod engines {
    use std::path::Path;

    use super::{Draft, ModelError, Pair, PairError, Target, TokenBytes};

    fn missing(pair: &Pair) -> ModelError {
        ModelError::Refused(format!("pair `{}`: its engine was not built in", pair.name))
    }

    pub(super) fn gguf_bytes(path: &Path, _vocabulary: u32) -> Result<TokenBytes, PairError> {
        Err(PairError::new(path, "the engine `llama` was not built in"))
    }

    pub(super) fn draft(pair: &Pair, _context: u32) -> Result<Box<dyn Draft>, ModelError> {
        Err(missing(pair))
    }

    pub(super) fn target(
        pair: &Pair,
        _context: Option<u32>,
    ) -> Result<Box<dyn Target>, ModelError> {
        Err(missing(pair))
    }
}
