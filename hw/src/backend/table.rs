//! A tiny language model with real distributions: the logits of the next token are a row of a table,
//! chosen by the last two tokens. Draft and target have tables of their own, the draft's near the
//! target's, so that some drafts are accepted and some are not.
//!
//! For exactness tests over the real driver and transport: proposals and decisions are made by the
//! core's rules from these logits, and what the target would write alone is known in full.

use std::collections::BTreeMap;

use pipesd_core::blob::Blob;
use pipesd_core::contract::{DraftStep, Proposal, VerifyBlock};
use pipesd_core::ids::{RoundId, SessionId, TokenId};
use pipesd_core::message::Request;
use pipesd_core::seed::Seed;
use pipesd_core::verification::{Claim, Decision, Sampling};

use super::{DraftModel, Logits, ModelError, TargetModel};

/// Logits by the last two tokens.
#[derive(Clone, Debug, PartialEq)]
pub struct Table {
    vocabulary: u32,
    logits: Vec<f32>,
}

/// Entries of a table's vocabulary at most: a table has their cube.
pub const VOCABULARY_MAX: u32 = 128;

impl Table {
    /// A target's table: logits are uniform in ±`spread`.
    ///
    /// # Panics
    /// If the vocabulary has fewer than 2 or more than [`VOCABULARY_MAX`] entries.
    #[must_use]
    pub fn target(vocabulary: u32, spread: f32, seed: Seed) -> Self {
        assert!((2..=VOCABULARY_MAX).contains(&vocabulary), "a vocabulary of 2 to 128");
        let mut stream = seed.stream("table", 0);
        let entries = u64::from(vocabulary).pow(3);
        let logit = |key| spread * (2.0 * stream.at(key).uniform() as f32 - 1.0);
        Self { vocabulary, logits: (0..entries).map(logit).collect() }
    }

    /// A draft's table: this one's logits, each moved by up to ±`apart`.
    #[must_use]
    pub fn draft(&self, apart: f32, seed: Seed) -> Self {
        let mut stream = seed.stream("draft table", 0);
        let moved = (0..)
            .zip(&self.logits)
            .map(|(key, logit)| logit + apart * (2.0 * stream.at(key).uniform() as f32 - 1.0));
        Self { vocabulary: self.vocabulary, logits: moved.collect() }
    }

    /// Entries of the vocabulary.
    #[must_use]
    pub const fn vocabulary(&self) -> u32 {
        self.vocabulary
    }

    /// The logits of what follows `text`. Before its beginning stands token 0.
    #[must_use]
    pub fn logits(&self, text: &[TokenId]) -> &[f32] {
        let back = |n: usize| text.len().checked_sub(n).map_or(0, |at| text[at].0 as usize);
        let size = self.vocabulary as usize;
        let row = back(2) * size + back(1);
        &self.logits[row * size..(row + 1) * size]
    }

    /// What the target writes alone for `request`: the text of every method under exact *match*
    /// verification.
    #[must_use]
    pub fn alone(&self, request: &Request, sampling: &Sampling) -> Vec<TokenId> {
        let mut text = request.prompt.clone();
        for position in 0..request.budget {
            let token = sampling.target(position, self.logits(&text));
            text.push(token);
            if request.stop_ids.contains(&token) {
                break;
            }
        }
        text.split_off(request.prompt.len())
    }

    fn check(&self, tokens: &[TokenId]) -> Result<(), ModelError> {
        match tokens.iter().find(|token| token.0 >= self.vocabulary) {
            None => Ok(()),
            Some(token) => {
                let size = self.vocabulary;
                Err(ModelError::Refused(format!("{token} is beyond a vocabulary of {size}")))
            }
        }
    }
}

/// What a model holds of its sessions: their text stands for its cache.
#[derive(Debug)]
struct Cache {
    table: Table,
    open: BTreeMap<SessionId, Open>,
}

#[derive(Debug)]
struct Open {
    sampling: Sampling,
    /// Length of the prompt.
    prompt: usize,
    /// Prompt and output, as far as evaluated.
    text: Vec<TokenId>,
}

impl Cache {
    fn prefill(
        &mut self,
        session: SessionId,
        prompt: &[TokenId],
        sampling: &Sampling,
    ) -> Result<(), ModelError> {
        self.table.check(prompt)?;
        let (sampling, text) = (*sampling, prompt.to_vec());
        self.open.insert(session, Open { sampling, prompt: prompt.len(), text });
        Ok(())
    }

    /// Cuts a session's text to `keep` output tokens and appends `feed`. Returns the output position
    /// after it.
    fn evaluate(
        &mut self,
        session: SessionId,
        keep: u32,
        feed: &[TokenId],
    ) -> Result<(&Table, &mut Open, u32), ModelError> {
        self.table.check(feed)?;
        let open = self.open.get_mut(&session).ok_or(ModelError::UnknownSession(session))?;
        let kept = open.prompt + keep as usize;
        if kept > open.text.len() {
            let have = open.text.len() - open.prompt;
            let problem = format!("{keep} output tokens are to be kept, {have} are evaluated");
            return Err(ModelError::Refused(problem));
        }
        open.text.truncate(kept);
        open.text.extend(feed);
        let position = (open.text.len() - open.prompt) as u32;
        Ok((&self.table, open, position))
    }

    fn logits(
        &mut self,
        session: SessionId,
        keep: u32,
        feed: &[TokenId],
    ) -> Result<Vec<f32>, ModelError> {
        let (table, open, _) = self.evaluate(session, keep, feed)?;
        Ok(table.logits(&open.text).to_vec())
    }
}

/// The draft model.
#[derive(Debug)]
pub struct TableDraft(Cache);

impl TableDraft {
    /// A model without sessions.
    #[must_use]
    pub const fn new(table: Table) -> Self {
        Self(Cache { table, open: BTreeMap::new() })
    }
}

impl Logits for TableDraft {
    fn logits(
        &mut self,
        session: SessionId,
        keep: u32,
        feed: &[TokenId],
    ) -> Result<Vec<f32>, ModelError> {
        self.0.logits(session, keep, feed)
    }
}

impl Logits for TableTarget {
    fn logits(
        &mut self,
        session: SessionId,
        keep: u32,
        feed: &[TokenId],
    ) -> Result<Vec<f32>, ModelError> {
        self.0.logits(session, keep, feed)
    }
}

impl DraftModel for TableDraft {
    fn prefill(
        &mut self,
        session: SessionId,
        prompt: &[TokenId],
        sampling: &Sampling,
    ) -> Result<(), ModelError> {
        self.0.prefill(session, prompt, sampling)
    }

    fn step(&mut self, step: &DraftStep) -> Result<(Proposal, Option<Claim>), ModelError> {
        let (table, open, position) = self.0.evaluate(step.session, step.keep, &step.feed)?;
        Ok(open.sampling.propose(position, table.logits(&open.text)))
    }

    fn close(&mut self, session: SessionId) {
        self.0.open.remove(&session);
    }
}

/// The target model.
#[derive(Debug)]
pub struct TableTarget(Cache);

impl TableTarget {
    /// A model without sessions.
    #[must_use]
    pub const fn new(table: Table) -> Self {
        Self(Cache { table, open: BTreeMap::new() })
    }

    fn decide(&mut self, block: &VerifyBlock) -> Result<Decision, ModelError> {
        let VerifyBlock { session, keep, feed, drafts, evidence, .. } = block;
        self.0.table.check(drafts)?;
        let (table, open, start) = self.0.evaluate(*session, *keep, feed)?;
        let before = open.text.len();
        open.text.extend(drafts);
        let logits = |index: usize| table.logits(&open.text[..before + index]);
        Ok(open.sampling.decide(start, drafts, evidence, logits))
    }
}

impl TargetModel for TableTarget {
    fn prefill(
        &mut self,
        session: SessionId,
        prompt: &[TokenId],
        sampling: &Sampling,
    ) -> Result<(), ModelError> {
        self.0.prefill(session, prompt, sampling)
    }

    fn verify(&mut self, blocks: &[VerifyBlock]) -> Vec<Result<Decision, ModelError>> {
        blocks.iter().map(|block| self.decide(block)).collect()
    }

    fn replace(
        &mut self,
        session: SessionId,
        _round: RoundId,
        position: u32,
        distribution: &Blob,
    ) -> Result<TokenId, ModelError> {
        // The block that was verified last is still in the cache.
        let (table, open, _) = self.0.evaluate(session, position, &[])?;
        let logits = table.logits(&open.text);
        let replaced = open.sampling.replace(position, logits, distribution);
        replaced.map_err(|error| ModelError::Refused(error.to_string()))
    }

    fn close(&mut self, session: SessionId) {
        self.0.open.remove(&session);
    }
}
