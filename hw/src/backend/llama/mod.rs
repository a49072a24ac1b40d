//! llama.cpp behind the driver: any model in a GGUF file, as draft and as target.
//!
//! | file | what |
//! |---|---|
//! | [`engine`] | sessions as sequences of one context; one decode for what several of them need |
//! | [`load`] | from a file to a context; options |
//! | [`mod@vocabulary`] | what the ids of a file mean |
//!
//! llama.cpp ends the process where its callers break its rules. So everything that comes from a peer is
//! checked here before it: ids, positions, lengths, the number of sessions.
//!
//! ## Equal logits
//! The logits of a text depend, in their last digits, on how it was cut into decodes: llama.cpp takes other
//! kernels for a block than for one token, and those sum in another order (measured by
//! `hw/tests/llama/blocks.rs`). Which of two near-equal tokens wins can so depend on where rounds begin.
//! [`Arithmetic::OneByOne`] decodes token by token: there logits depend on the text alone.

pub mod engine;
pub mod load;
pub mod vocabulary;

use std::path::Path;

use pipesd_core::blob::Blob;
use pipesd_core::contract::{DraftStep, Proposal, VerifyBlock};
use pipesd_core::ids::{RoundId, SessionId, TokenId};
use pipesd_core::verification::{Claim, Decision, Sampling};

use self::engine::{Ask, Engine};
pub use self::load::{Arithmetic, Options};
pub use self::vocabulary::{Vocabulary, vocabulary};
use super::{DraftModel, Logits, ModelError, TargetModel};

/// What this llama.cpp was built with and the devices that it sees, in words.
///
/// # Errors
/// If it cannot be initialised.
pub fn about() -> Result<String, ModelError> {
    let backend = load::backend()?;
    let devices = llama_cpp_2::list_llama_ggml_backend_devices();
    let names: Vec<String> = devices
        .into_iter()
        .map(|device| format!("{} ({})", device.name, device.description))
        .collect();
    let offload = if backend.supports_gpu_offload() { "can" } else { "cannot" };
    Ok(format!("{OPENMP}; {offload} offload layers to a GPU; devices: {}", names.join(", ")))
}

/// Tokens that the model of a file was made for.
///
/// # Errors
/// If the file cannot be loaded.
pub fn trained_context(path: &Path) -> Result<u32, ModelError> {
    Ok(load::model(path, 0, true)?.n_ctx_train())
}

/// Not looked up, llama.cpp does not tell: the workspace's dependency has the feature `openmp`, without
/// which threads would stand in each other's way.
const OPENMP: &str = "built with the feature openmp";

/// A GGUF model as draft.
#[derive(Debug)]
pub struct LlamaDraft(Engine);

impl LlamaDraft {
    /// Loads a GGUF file.
    ///
    /// # Errors
    /// If it cannot be loaded, or the options do not fit it; the error names the file.
    pub fn load(path: &Path, options: &Options) -> Result<Self, ModelError> {
        Ok(Self(load::load(path, options)?))
    }

    /// Ids that it proposes from: those of the file, or fewer if the options say so.
    #[must_use]
    pub const fn vocabulary(&self) -> u32 {
        self.0.vocabulary()
    }
}

impl DraftModel for LlamaDraft {
    fn prefill(
        &mut self,
        session: SessionId,
        prompt: &[TokenId],
        sampling: &Sampling,
    ) -> Result<(), ModelError> {
        self.0.prefill(session, prompt, sampling)
    }

    fn step(&mut self, step: &DraftStep) -> Result<(Proposal, Option<Claim>), ModelError> {
        let DraftStep { session, keep, feed, .. } = step;
        let logits = self.0.logits(*session, *keep, feed)?;
        Ok(self.0.sampling(*session)?.propose(step.position(), &logits))
    }

    fn close(&mut self, session: SessionId) {
        self.0.close(session);
    }
}

impl Logits for LlamaDraft {
    fn logits(
        &mut self,
        session: SessionId,
        keep: u32,
        feed: &[TokenId],
    ) -> Result<Vec<f32>, ModelError> {
        self.0.logits(session, keep, feed)
    }
}

/// A GGUF model as target.
#[derive(Debug)]
pub struct LlamaTarget(Engine);

impl LlamaTarget {
    /// Loads a GGUF file.
    ///
    /// # Errors
    /// As [`LlamaDraft::load`].
    pub fn load(path: &Path, options: &Options) -> Result<Self, ModelError> {
        Ok(Self(load::load(path, options)?))
    }

    /// Ids that it decides over: those of the file, or fewer if the options say so.
    #[must_use]
    pub const fn vocabulary(&self) -> u32 {
        self.0.vocabulary()
    }

    /// Calls of llama.cpp's decode so far: what is verified together costs one, as far as it fits.
    #[must_use]
    pub const fn decodes(&self) -> u64 {
        self.0.decodes()
    }

    fn decide(
        &mut self,
        block: &VerifyBlock,
        rows: Result<Vec<Vec<f32>>, ModelError>,
    ) -> Result<Decision, ModelError> {
        let VerifyBlock { session, keep, feed, drafts, evidence, .. } = block;
        let mut rows = rows?;
        let start = keep + feed.len() as u32;
        let sampling = self.0.sampling(*session)?;
        let decision = sampling.decide(start, drafts, evidence, |index| &rows[index]);
        if decision.withheld {
            // The replacement is drawn from the very logits that rejected.
            let index = decision.tokens.len();
            self.0.withhold(*session, start + index as u32, rows.swap_remove(index));
        }
        Ok(decision)
    }
}

impl TargetModel for LlamaTarget {
    fn prefill(
        &mut self,
        session: SessionId,
        prompt: &[TokenId],
        sampling: &Sampling,
    ) -> Result<(), ModelError> {
        self.0.prefill(session, prompt, sampling)
    }

    fn verify(&mut self, blocks: &[VerifyBlock]) -> Vec<Result<Decision, ModelError>> {
        let ask = |block: &VerifyBlock| Ask {
            session: block.session,
            keep: block.keep,
            feed: block.feed.clone(),
            drafts: block.drafts.clone(),
        };
        let asks: Vec<Ask> = blocks.iter().map(ask).collect();
        let rows = self.0.evaluate(&asks);
        blocks.iter().zip(rows).map(|(block, rows)| self.decide(block, rows)).collect()
    }

    fn replace(
        &mut self,
        session: SessionId,
        _round: RoundId,
        position: u32,
        distribution: &Blob,
    ) -> Result<TokenId, ModelError> {
        let sampling = self.0.sampling(session)?;
        let logits = self.0.withheld(session, position)?;
        let replaced = sampling.replace(position, logits, distribution);
        replaced.map_err(|error| ModelError::Refused(error.to_string()))
    }

    fn close(&mut self, session: SessionId) {
        self.0.close(session);
    }
}

impl Logits for LlamaTarget {
    fn logits(
        &mut self,
        session: SessionId,
        keep: u32,
        feed: &[TokenId],
    ) -> Result<Vec<f32>, ModelError> {
        self.0.logits(session, keep, feed)
    }
}
