//! The simulated models: they know the truth about the texts and answer in token ids.

use std::collections::BTreeMap;
use std::sync::Arc;

use pipesd_core::contract::{DraftStep, Proposal, VerifyBlock};
use pipesd_core::ids::{SessionId, TokenId};
use pipesd_core::message::Request;
use pipesd_core::seed::{Seed, Stream};
use pipesd_core::time::Duration;

use crate::profile::{Profile, TextModel};
use crate::text::{OnPath, ProcessText, Recorded, Text};

/// The texts of the sessions that are open, and the latencies that belong to their positions.
#[derive(Debug)]
pub(super) struct Texts {
    profile: Arc<Profile>,
    seed: Seed,
    open: BTreeMap<SessionId, Open>,
}

#[derive(Debug)]
struct Open {
    text: Text,
    /// First position at which the draft's context is not the target's text.
    diverged: Option<u32>,
    draft_prompt_effect: f64,
    draft_draws: Stream,
    verify_draws: Stream,
}

/// What one who knows the future knows of a request: by position, as long as the text goes.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Truth {
    /// The session that decodes it.
    pub(crate) session: SessionId,
    /// What the edge asks for.
    pub(crate) request: Request,
    /// Whether the draft proposes the target's token, its context being the target's text.
    pub(crate) matches: Vec<bool>,
    /// Time of the draft step that proposes it.
    pub(crate) steps: Vec<Duration>,
    /// Of a pass that begins there: the server's overhead, and the GPU's base \[ms\].
    pub(crate) passes: Vec<(Duration, f64)>,
}

/// Keys of draws off the path: far beyond any position.
const OFF_PATH_KEYS: u64 = 1 << 32;

impl Texts {
    pub(super) const fn new(profile: Arc<Profile>, seed: Seed) -> Self {
        Self { profile, seed, open: BTreeMap::new() }
    }

    pub(super) fn begin(&mut self, session: SessionId, index: usize) {
        let text = match &self.profile.text {
            TextModel::Process(process) => {
                Text::Process(Box::new(ProcessText::new(process.clone(), self.seed, session)))
            }
            TextModel::Trace(trace) => Text::Recorded(Recorded::new(Arc::clone(trace), index)),
        };
        let u = self.seed.stream("draft prompt", session.0).at(0).uniform();
        let open = Open {
            text,
            diverged: None,
            draft_prompt_effect: crate::normal::quantile(u),
            draft_draws: self.seed.stream("draft latency", session.0),
            verify_draws: self.seed.stream("verification latency", session.0),
        };
        self.open.insert(session, open);
    }

    pub(super) fn end(&mut self, session: SessionId) {
        self.open.remove(&session);
    }

    /// The token that every method must commit at `position`.
    pub(super) fn truth(&mut self, session: SessionId, position: u32) -> Option<TokenId> {
        Some(self.open.get_mut(&session)?.text.on_path(position).target)
    }

    /// The draft model's answer and how long it takes. None: a recording was run past its end.
    pub(super) fn draft(&mut self, step: &DraftStep) -> Option<(Proposal, Duration)> {
        let open = self.open.get_mut(&step.session).expect("drafting sessions are open");
        open.diverged = open.diverged.filter(|&diverged| diverged < step.keep);
        for (position, &token) in (step.keep..).zip(&step.feed) {
            if open.diverged.is_none() && open.text.on_path(position).target != token {
                open.diverged = Some(position);
            }
        }
        let position = step.position();
        let (proposal, key) = match open.diverged {
            None => (open.text.on_path(position).draft, u64::from(position)),
            Some(mismatch) => {
                let offset = position - mismatch;
                let key = OFF_PATH_KEYS * (1 + u64::from(mismatch)) + u64::from(offset);
                (open.text.off_path(mismatch, offset)?, key)
            }
        };
        let u = open.draft_draws.at(key).uniform();
        Some((proposal, self.profile.draft.step(u, open.draft_prompt_effect)))
    }

    /// The draws that belong to a pass over a block that begins at `start`: overhead, and the
    /// quantile of the GPU's base.
    fn pass_draws(profile: &Profile, open: &mut Open, start: u32) -> (Duration, f64) {
        let mut draws = open.verify_draws.at(u64::from(start));
        (profile.overhead.at(draws.uniform()), draws.uniform())
    }

    /// The whole truth about the request numbered `index`, begun as `session`.
    pub(super) fn whole(&mut self, session: SessionId, index: usize) -> Truth {
        self.begin(session, index);
        let (budget, stop_ids) = self.limits(index);
        let mut open = self.open.remove(&session).expect("just begun");
        let (mut matches, mut steps, mut passes) = (Vec::new(), Vec::new(), Vec::new());
        for position in 0..budget {
            let OnPath { target, draft } = open.text.on_path(position);
            matches.push(draft.token == target);
            let u = open.draft_draws.at(u64::from(position)).uniform();
            steps.push(self.profile.draft.step(u, open.draft_prompt_effect));
            let (overhead, u) = Self::pass_draws(&self.profile, &mut open, position);
            passes.push((overhead, self.profile.verification.base.millis_at(u)));
            if stop_ids.contains(&target) {
                break;
            }
        }
        let request =
            super::request(session, self.prompt_tokens(index), (budget, stop_ids), self.seed);
        Truth { session, request, matches, steps, passes }
    }

    /// The target's own tokens for a block: one for each draft and one more. Past a mismatch they
    /// are of no consequence.
    pub(super) fn verify(&mut self, block: &VerifyBlock) -> Vec<TokenId> {
        let open = self.open.get_mut(&block.session).expect("verified sessions are open");
        let start = block.keep + block.feed.len() as u32;
        (start..=start + block.drafts.len() as u32)
            .map(|position| {
                let OnPath { target, .. } = open.text.on_path(position);
                target
            })
            .collect()
    }

    /// How long a forward pass takes, server overhead included, and the part of it on the GPU.
    pub(super) fn verify_time(&mut self, blocks: &[VerifyBlock]) -> (Duration, Duration) {
        let tokens: u64 = blocks.iter().map(|block| block.drafts.len() as u64).sum();
        let first = blocks.first().expect("a pass has a block");
        let open = self.open.get_mut(&first.session).expect("verified sessions are open");
        let start = first.keep + first.feed.len() as u32;
        let (overhead, u) = Self::pass_draws(&self.profile, open, start);
        let gpu = self.profile.verification.gpu(tokens, u);
        (gpu + overhead, gpu)
    }

    pub(super) fn prompt_tokens(&self, index: usize) -> u32 {
        match &self.profile.text {
            TextModel::Process(_) => self.profile.prompt_tokens,
            TextModel::Trace(trace) => trace.texts[index % trace.texts.len()].prompt_tokens,
        }
    }

    /// Budget and stop ids of the request numbered `index`.
    pub(super) fn limits(&self, index: usize) -> (u32, Vec<TokenId>) {
        match &self.profile.text {
            TextModel::Process(_) => (self.profile.output_tokens, vec![TokenId(0)]),
            TextModel::Trace(trace) => {
                let text = &trace.texts[index % trace.texts.len()];
                let stop_ids = text.stop_ids.iter().map(|&id| TokenId(id)).collect();
                (text.positions.len() as u32, stop_ids)
            }
        }
    }
}
