//! The target model's side.

use std::collections::BTreeMap;
use std::time::Instant;

use pipesd_core::blob::Blob;
use pipesd_core::contract::VerifyBlock;
use pipesd_core::ids::{RoundId, SessionId, TokenId};
use pipesd_core::time::{Duration, from_millis};
use pipesd_core::verification::{Decision, Sampling};

use super::{Shared, number};
use crate::backend::{ModelError, TargetModel};

/// A target model that plays recorded texts: it commits what they say, whatever was drafted.
#[derive(Debug)]
pub struct EmulatedTarget {
    playback: Shared,
    /// The number of each session's text.
    open: BTreeMap<SessionId, usize>,
}

impl EmulatedTarget {
    /// A model without sessions.
    #[must_use]
    pub const fn new(playback: Shared) -> Self {
        Self { playback, open: BTreeMap::new() }
    }

    /// The target's own tokens: one for each draft and one more, as far as the text goes.
    fn decide(&self, block: &VerifyBlock) -> Result<Decision, ModelError> {
        let unknown = ModelError::UnknownSession(block.session);
        let number = *self.open.get(&block.session).ok_or(unknown)?;
        let text = self.playback.text(number);
        let start = start(block);
        let tokens = (start..=start.saturating_add(block.drafts.len() as u32))
            .map_while(|position| text.on_path(position).map(|(_, target)| target));
        Ok(Decision::of(tokens.collect()))
    }

    /// How long a pass took when it was recorded: the first block says when it began.
    fn pass_time(&self, blocks: &[VerifyBlock]) -> Duration {
        let tokens: usize = blocks.iter().map(|block| block.drafts.len()).sum();
        let latencies = &self.playback.latencies;
        let drawn = latencies.verify + latencies.verify_per_token * tokens as u32;
        let Some(first) = blocks.first() else { return drawn };
        let Some(&number) = self.open.get(&first.session) else { return drawn };
        let common = self.playback.trace().timing;
        let Some((common, timing)) = common.zip(self.playback.text(number).timing.as_ref()) else {
            return drawn;
        };
        let (overhead, base_ms) = timing.pass(start(first));
        overhead + from_millis(base_ms + common.verify_per_token_ms * tokens as f64)
    }
}

/// Output position of the first draft.
fn start(block: &VerifyBlock) -> u32 {
    block.keep + block.feed.len() as u32
}

impl TargetModel for EmulatedTarget {
    fn prefill(
        &mut self,
        session: SessionId,
        prompt: &[TokenId],
        _sampling: &Sampling,
    ) -> Result<(), ModelError> {
        let begun = Instant::now();
        let no_text = || ModelError::Refused("the prompt does not say which text it is".into());
        let number = number(prompt).ok_or_else(no_text)?;
        // It takes a time for each token: a longer one would keep all others waiting.
        let text = self.playback.text(number);
        if prompt.len() != text.prompt_tokens.max(1) as usize {
            let problem = format!("a prompt of {} tokens for a text of another", prompt.len());
            return Err(ModelError::Refused(problem));
        }
        self.open.insert(session, number);
        let per_token = self.playback.latencies.verify_prefill_per_token;
        let took = match &self.playback.text(number).timing {
            Some(timing) => Duration::from_nanos(timing.verify_prefill_ns),
            None => per_token * prompt.len() as u32,
        };
        self.playback.finish(begun, took);
        Ok(())
    }

    fn verify(&mut self, blocks: &[VerifyBlock]) -> Vec<Result<Decision, ModelError>> {
        let begun = Instant::now();
        let decisions = blocks.iter().map(|block| self.decide(block)).collect();
        self.playback.finish(begun, self.pass_time(blocks));
        decisions
    }

    fn replace(
        &mut self,
        _session: SessionId,
        _round: RoundId,
        _position: u32,
        _distribution: &Blob,
    ) -> Result<TokenId, ModelError> {
        Err(ModelError::Refused("a recorded target withholds nothing".into()))
    }

    fn close(&mut self, session: SessionId) {
        self.open.remove(&session);
    }
}
