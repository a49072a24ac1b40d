//! A device emulator: any model, made to take as long as on a slower device, so that a fast machine
//! stands in for a slow one (design: "Live").

use pipesd_core::blob::Blob;
use pipesd_core::contract::{DraftStep, Proposal, VerifyBlock};
use pipesd_core::device::Device;
use pipesd_core::ids::{RoundId, SessionId, TokenId};
use pipesd_core::time::Duration;
use pipesd_core::verification::{Claim, Decision, Sampling};

use super::{DraftModel, ModelError, TargetModel};
use crate::driver::clock::wait_until;

/// A draft model on an emulated device.
#[derive(Clone, Copy, Debug)]
pub struct PaddedDraft<M> {
    model: M,
    least: Duration,
    device: Device,
    added: Duration,
}

impl<M> PaddedDraft<M> {
    /// A model that stands for one whose steps take `least` at least, on a `device`.
    pub const fn new(model: M, least: Duration, device: Device) -> Self {
        Self { model, least, device, added: Duration::ZERO }
    }
}

impl<M: DraftModel> DraftModel for PaddedDraft<M> {
    fn prefill(
        &mut self,
        session: SessionId,
        prompt: &[TokenId],
        sampling: &Sampling,
    ) -> Result<(), ModelError> {
        self.model.prefill(session, prompt, sampling)
    }

    fn step(&mut self, step: &DraftStep) -> Result<(Proposal, Option<Claim>), ModelError> {
        let start = std::time::Instant::now();
        let result = self.model.step(step);
        let own = start.elapsed().max(self.least);
        let whole = self.device.step(own, step.kind);
        self.added = whole - own;
        wait_until(start + whole);
        result
    }

    fn added_by_device(&self) -> Duration {
        self.added
    }

    fn close(&mut self, session: SessionId) {
        self.model.close(session);
    }
}

/// A target model on an emulated server: a pass takes at least `base` and `per_token` for each draft.
#[derive(Clone, Copy, Debug)]
pub struct PaddedTarget<M> {
    /// The model.
    pub model: M,
    /// Whatever its length.
    pub base: Duration,
    /// More for each draft token.
    pub per_token: Duration,
}

impl<M: TargetModel> TargetModel for PaddedTarget<M> {
    fn prefill(
        &mut self,
        session: SessionId,
        prompt: &[TokenId],
        sampling: &Sampling,
    ) -> Result<(), ModelError> {
        self.model.prefill(session, prompt, sampling)
    }

    fn verify(&mut self, blocks: &[VerifyBlock]) -> Vec<Result<Decision, ModelError>> {
        let start = std::time::Instant::now();
        let decisions = self.model.verify(blocks);
        let drafts: usize = blocks.iter().map(|block| block.drafts.len()).sum();
        // The core takes a few thousand drafts in a round.
        wait_until(start + self.base + self.per_token * drafts as u32);
        decisions
    }

    fn replace(
        &mut self,
        session: SessionId,
        round: RoundId,
        position: u32,
        distribution: &Blob,
    ) -> Result<TokenId, ModelError> {
        self.model.replace(session, round, position, distribution)
    }

    fn close(&mut self, session: SessionId) {
        self.model.close(session);
    }
}
