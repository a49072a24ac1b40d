//! The draft model's side.

use std::collections::BTreeMap;
use std::time::Instant;

use pipesd_core::blob::Blob;
use pipesd_core::contract::{DraftStep, Proposal};
use pipesd_core::ids::{SessionId, TokenId};
use pipesd_core::payload::Payload;
use pipesd_core::time::Duration;
use pipesd_core::verification::{Claim, Sampling};

use super::{Shared, claim, filler, number};
use crate::backend::{DraftModel, ModelError};

/// A draft model that plays recorded texts.
#[derive(Debug)]
pub struct EmulatedDraft {
    playback: Shared,
    open: BTreeMap<SessionId, Open>,
    /// The last payload's filler.
    filler: Option<(Payload, Option<Blob>)>,
    /// To the last step, by the device.
    added: Duration,
}

#[derive(Debug)]
struct Open {
    /// The text's.
    number: usize,
    /// First position at which the draft's context is not the target's text.
    diverged: Option<u32>,
    filler: Option<Blob>,
}

impl EmulatedDraft {
    /// A model without sessions.
    #[must_use]
    pub const fn new(playback: Shared) -> Self {
        Self { playback, open: BTreeMap::new(), filler: None, added: Duration::ZERO }
    }

    /// The proposal, and how long the step took when it was recorded, on the models' own device.
    fn propose(&mut self, step: &DraftStep) -> Result<(Proposal, Duration), ModelError> {
        let unknown = ModelError::UnknownSession(step.session);
        let open = self.open.get_mut(&step.session).ok_or(unknown)?;
        let text = self.playback.text(open.number);
        open.diverged = open.diverged.filter(|&diverged| diverged < step.keep);
        for (position, &token) in (step.keep..).zip(&step.feed) {
            let truth = text.on_path(position).map(|(_, target)| target);
            if open.diverged.is_none() && truth != Some(token) {
                open.diverged = Some(position);
            }
        }
        let position = step.position();
        let timing = text.timing.as_ref();
        let (proposal, took) = match open.diverged {
            None => (
                text.on_path(position).map(|(proposal, _)| proposal),
                timing.map(|timing| timing.step(position)),
            ),
            Some(mismatch) => (
                text.off_path(mismatch, position - mismatch),
                timing.map(|timing| timing.rollout_step(mismatch, position - mismatch)),
            ),
        };
        // A trace that is valid has a time for each step, or none at all.
        let took = took.unwrap_or(Some(self.playback.latencies.step));
        let Some((proposal, took)) = proposal.zip(took) else {
            self.playback.count_past_rollout();
            return Err(ModelError::PastRollout { position });
        };
        Ok((proposal, took))
    }
}

impl DraftModel for EmulatedDraft {
    fn prefill(
        &mut self,
        session: SessionId,
        prompt: &[TokenId],
        sampling: &Sampling,
    ) -> Result<(), ModelError> {
        let start = Instant::now();
        let no_text = || ModelError::Refused("the prompt does not say which text it is".into());
        let number = number(prompt).ok_or_else(no_text)?;
        let payload = sampling.terms.payload;
        if self.filler.as_ref().is_none_or(|(of, _)| *of != payload) {
            self.filler = Some((payload, filler(payload, self.playback.vocabulary)));
        }
        let filler = self.filler.as_ref().and_then(|(_, filler)| filler.clone());
        self.open.insert(session, Open { number, diverged: None, filler });
        let per_token = self.playback.latencies.draft_prefill_per_token;
        let took = match &self.playback.text(number).timing {
            Some(timing) => Duration::from_nanos(timing.draft_prefill_ns),
            None => per_token * prompt.len() as u32,
        };
        self.playback.finish(start, took);
        Ok(())
    }

    fn step(&mut self, step: &DraftStep) -> Result<(Proposal, Option<Claim>), ModelError> {
        let start = Instant::now();
        let (proposal, own) = self.propose(step)?;
        let took = self.playback.device.step(own, step.kind);
        self.added = (took - own).mul_f64(self.playback.pace);
        let filler = self.open.get(&step.session).and_then(|open| open.filler.as_ref());
        let claim = claim(filler, proposal.confidence);
        self.playback.finish(start, took);
        Ok((proposal, claim))
    }

    fn added_by_device(&self) -> Duration {
        self.added
    }

    fn close(&mut self, session: SessionId) {
        self.open.remove(&session);
    }
}
