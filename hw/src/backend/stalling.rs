//! A target that stands still when a plan of faults says so.

use std::time::Instant;

use pipesd_core::blob::Blob;
use pipesd_core::contract::VerifyBlock;
use pipesd_core::fault::FaultPlan;
use pipesd_core::ids::{RoundId, SessionId, TokenId};
use pipesd_core::verification::{Decision, Sampling};

use super::{ModelError, TargetModel};
use crate::driver::clock::wait_until;
use crate::net::Beginning;

/// A target model whose calls take as much longer as the plan stalls them.
pub struct Stalling<M> {
    model: M,
    plan: FaultPlan,
    since: Beginning,
}

impl<M> Stalling<M> {
    /// `model` under `plan`, whose times are counted from `since`.
    pub const fn new(model: M, plan: FaultPlan, since: Beginning) -> Self {
        Self { model, plan, since }
    }

    /// Ends a call that began at `start`.
    fn finish(&self, start: Instant) {
        let end = self.plan.stalled_end(self.since.until(start), start.elapsed());
        wait_until(self.since.at(end));
    }
}

impl<M: TargetModel> TargetModel for Stalling<M> {
    fn prefill(
        &mut self,
        session: SessionId,
        prompt: &[TokenId],
        sampling: &Sampling,
    ) -> Result<(), ModelError> {
        let start = Instant::now();
        let done = self.model.prefill(session, prompt, sampling);
        self.finish(start);
        done
    }

    fn verify(&mut self, blocks: &[VerifyBlock]) -> Vec<Result<Decision, ModelError>> {
        let start = Instant::now();
        let decisions = self.model.verify(blocks);
        self.finish(start);
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
