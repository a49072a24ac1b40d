//! Models behind the driver: what a draft and a target model must do, and the ones that there are.
//!
//! | file | what |
//! |---|---|
//! | [`emulated`] | plays recorded texts with their latencies, in real time |
//! | `llama` | llama.cpp: any GGUF file, as draft and as target (feature `llama`) |
//! | [`table`] | a tiny language model with real distributions, for exactness tests |
//! | `torch` | libtorch: Llama-family decoders (feature `torch`) |
//! | [`stalling`] | any target, made to stand still when a plan of faults says so |
//! | [`padded`] | a device emulator: any model, made to take as long as a slower device would |
//!
//! A model lives on a thread of its own, is called for one piece of work after another, and may block.
//! How a token is chosen and judged is the core's: a model hands its logits to the session's
//! [`Sampling`], and knows nothing of methods. What goes wrong is a [`ModelError`], which ends a
//! session; a panic ends the endpoint.

pub mod emulated;
#[cfg(feature = "llama")]
pub mod llama;
pub mod padded;
pub mod stalling;
pub mod table;
#[cfg(feature = "torch")]
pub mod torch;

use pipesd_core::blob::Blob;
use pipesd_core::contract::{DraftStep, Proposal, VerifyBlock};
use pipesd_core::ids::{RoundId, SessionId, TokenId};
use pipesd_core::message::Request;
use pipesd_core::time::Duration;
use pipesd_core::verification::{Claim, Decision, Sampling};

/// A small model at the edge.
pub trait DraftModel {
    /// Evaluates a prompt; `sampling` says how this session's tokens are proposed.
    ///
    /// # Errors
    /// If it cannot.
    fn prefill(
        &mut self,
        session: SessionId,
        prompt: &[TokenId],
        sampling: &Sampling,
    ) -> Result<(), ModelError>;

    /// Cuts the session's cache back to `keep` output tokens, evaluates `feed`, and proposes the token
    /// after it.
    ///
    /// # Errors
    /// If it cannot.
    fn step(&mut self, step: &DraftStep) -> Result<(Proposal, Option<Claim>), ModelError>;

    /// Of the time of the last [`Self::step`], what an emulated device has added to the model's own.
    fn added_by_device(&self) -> Duration {
        Duration::ZERO
    }

    /// Forgets a session; one that it does not know is no mistake.
    fn close(&mut self, session: SessionId);
}

/// A large model at the cloud.
pub trait TargetModel {
    /// Evaluates a prompt; `sampling` says how this session's tokens are judged.
    ///
    /// # Errors
    /// If it cannot.
    fn prefill(
        &mut self,
        session: SessionId,
        prompt: &[TokenId],
        sampling: &Sampling,
    ) -> Result<(), ModelError>;

    /// One forward pass over blocks of different sessions. Returns what is decided on each of them, in
    /// their order; what is wrong with one block does no harm to the others.
    fn verify(&mut self, blocks: &[VerifyBlock]) -> Vec<Result<Decision, ModelError>>;

    /// Draws the replacement of the rejected draft at output position `position`, whose distribution
    /// had been withheld. The session's last [`Self::verify`] was of this round.
    ///
    /// # Errors
    /// If it cannot, or if the distribution makes no sense.
    fn replace(
        &mut self,
        session: SessionId,
        round: RoundId,
        position: u32,
        distribution: &Blob,
    ) -> Result<TokenId, ModelError>;

    /// Forgets a session; one that it does not know is no mistake.
    fn close(&mut self, session: SessionId);
}

impl<M: DraftModel + ?Sized> DraftModel for Box<M> {
    fn prefill(
        &mut self,
        session: SessionId,
        prompt: &[TokenId],
        sampling: &Sampling,
    ) -> Result<(), ModelError> {
        (**self).prefill(session, prompt, sampling)
    }

    fn step(&mut self, step: &DraftStep) -> Result<(Proposal, Option<Claim>), ModelError> {
        (**self).step(step)
    }

    fn added_by_device(&self) -> Duration {
        (**self).added_by_device()
    }

    fn close(&mut self, session: SessionId) {
        (**self).close(session);
    }
}

impl<M: TargetModel + ?Sized> TargetModel for Box<M> {
    fn prefill(
        &mut self,
        session: SessionId,
        prompt: &[TokenId],
        sampling: &Sampling,
    ) -> Result<(), ModelError> {
        (**self).prefill(session, prompt, sampling)
    }

    fn verify(&mut self, blocks: &[VerifyBlock]) -> Vec<Result<Decision, ModelError>> {
        (**self).verify(blocks)
    }

    fn replace(
        &mut self,
        session: SessionId,
        round: RoundId,
        position: u32,
        distribution: &Blob,
    ) -> Result<TokenId, ModelError> {
        (**self).replace(session, round, position, distribution)
    }

    fn close(&mut self, session: SessionId) {
        (**self).close(session);
    }
}

/// A model that hands out its logits, for whoever records what it knows besides its answers: the
/// recorder of texts, and tests.
pub trait Logits {
    /// Cuts the session's cache back to `keep` output tokens, evaluates `feed`, and returns the logits
    /// of what follows, one for each id of the vocabulary: those that a draft step of the same `keep`
    /// and `feed` proposes from, or that a verification without drafts decides by. `feed` is empty only
    /// right after prefill.
    ///
    /// # Errors
    /// If it cannot.
    fn logits(
        &mut self,
        session: SessionId,
        keep: u32,
        feed: &[TokenId],
    ) -> Result<Vec<f32>, ModelError>;
}

/// What a model writes alone after the prompt that it was prefilled with, one token at a time, until the
/// budget is spent or the text ends. `seen` is shown the logits that each token is chosen by.
///
/// # Errors
/// As [`Logits::logits`].
pub fn write_alone<M: Logits + ?Sized>(
    model: &mut M,
    request: &Request,
    sampling: &Sampling,
    mut seen: impl FnMut(&[f32]),
) -> Result<Vec<TokenId>, ModelError> {
    let mut text: Vec<TokenId> = Vec::new();
    while text.len() < request.budget as usize {
        let (keep, feed) = pending(&text);
        let logits = model.logits(request.session, keep, feed)?;
        seen(&logits);
        let token = sampling.target(text.len() as u32, &logits);
        text.push(token);
        if request.stop_ids.contains(&token) {
            break;
        }
    }
    Ok(text)
}

/// Of a text whose last token is in no cache yet: how much is kept, and what is fed.
#[must_use]
pub const fn pending(text: &[TokenId]) -> (u32, &[TokenId]) {
    let (kept, feed) = text.split_at(text.len().saturating_sub(1));
    (kept.len() as u32, feed)
}

/// Why a model has no answer. All but [`Self::Broken`] is of one session.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ModelError {
    /// A recorded text was run past its end.
    #[error("the trace has no proposal for position {position}: its rollout is too short")]
    PastRollout {
        /// Where.
        position: u32,
    },
    /// The session was not prefilled, or has been closed.
    #[error("the model does not know {0}")]
    UnknownSession(SessionId),
    /// The session asks for what the model cannot do, or its inputs make no sense.
    #[error("{0}")]
    Refused(String),
    /// The model as a whole does not work any more.
    #[error("the model does not work: {0}")]
    Broken(String),
}
