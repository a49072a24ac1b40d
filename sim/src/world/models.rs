//! The simulated models: they know the truth about the texts and answer in token ids.

use std::collections::BTreeMap;
use std::sync::Arc;

use pipesd_core::contract::{DraftStep, Proposal, VerifyBlock};
use pipesd_core::ids::{SessionId, TokenId};
use pipesd_core::message::Request;
use pipesd_core::seed::Seed;
use pipesd_core::time::{Duration, nanos};
use pipesd_core::trace::{TextTiming, TraceText};

use super::times::{Place, Times};
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
    times: Times,
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
    /// Time of the draft step that proposes it, on the reference device.
    pub(crate) steps: Vec<Duration>,
    /// Of a pass that begins there: the server's overhead, and the GPU's base \[ms\].
    pub(crate) passes: Vec<(Duration, f64)>,
    /// Prefill by the draft and by the target.
    pub(crate) prefill: [Duration; 2],
}

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
        let times = Times::new(&self.profile, self.seed, session, index);
        self.open.insert(session, Open { text, diverged: None, times });
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
        let (proposal, place) = match open.diverged {
            None => (open.text.on_path(position).draft, Place::OnPath(position)),
            Some(mismatch) => {
                let offset = position - mismatch;
                let proposal = open.text.off_path(mismatch, offset)?;
                (proposal, Place::OffPath { mismatch, offset })
            }
        };
        Some((proposal, open.times.step(&self.profile, place, step.kind)?))
    }

    /// How long the prompt of `tokens` takes, by the draft and by the target.
    pub(super) fn prefill(&self, session: SessionId, tokens: usize) -> [Duration; 2] {
        let open = self.open.get(&session).expect("sessions are open while they are prefilled");
        open.times.prefill(&self.profile, tokens)
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
            let step = open.times.own_step(&self.profile, Place::OnPath(position));
            steps.push(step.expect("each position has a step"));
            passes.push(open.times.pass(&self.profile, position));
            if stop_ids.contains(&target) {
                break;
            }
        }
        let prompt_tokens = self.prompt_tokens(index);
        let prefill = open.times.prefill(&self.profile, prompt_tokens as usize);
        let request = super::request(session, prompt_tokens, (budget, stop_ids), self.seed);
        Truth { session, request, matches, steps, passes, prefill }
    }

    /// All that can happen to the request numbered `index`, begun as `session`, with rollouts to the
    /// budget's end and of `rollout_steps_min` at least.
    pub(super) fn record(
        &mut self,
        session: SessionId,
        index: usize,
        rollout_steps_min: u32,
    ) -> TraceText {
        self.begin(session, index);
        let (budget, stop_ids) = self.limits(index);
        let Open { mut text, mut times, .. } = self.open.remove(&session).expect("just begun");
        let prompt_tokens = self.prompt_tokens(index);
        let [draft_prefill, verify_prefill] = times.prefill(&self.profile, prompt_tokens as usize);
        let mut recorded = TraceText {
            prompt_tokens,
            stop_ids: stop_ids.iter().map(|id| id.0).collect(),
            ..<_>::default()
        };
        let mut timing = TextTiming {
            draft_prefill_ns: nanos(draft_prefill),
            verify_prefill_ns: nanos(verify_prefill),
            ..<_>::default()
        };
        let mut step =
            |place| nanos(times.own_step(&self.profile, place).expect("drawn, not recorded"));
        for position in 0..budget {
            let OnPath { target, draft } = text.on_path(position);
            recorded.positions.push((draft.token.0, target.0, draft.confidence));
            timing.steps_ns.push(step(Place::OnPath(position)));
            if draft.token == target {
                continue;
            }
            let (mut rollout, mut steps_ns) = (Vec::new(), Vec::new());
            for offset in 1..=rollout_steps_min.max(budget - 1 - position) {
                let proposal = text.off_path(position, offset).expect("drawn, not recorded");
                rollout.push((proposal.token.0, proposal.confidence));
                steps_ns.push(step(Place::OffPath { mismatch: position, offset }));
            }
            recorded.rollouts.insert(position, rollout);
            timing.rollout_steps_ns.insert(position, steps_ns);
        }
        for position in 0..budget {
            let (overhead, base_ms) = times.pass(&self.profile, position);
            timing.overheads_ns.push(nanos(overhead));
            timing.bases_ms.push(base_ms.max(0.0));
        }
        TraceText { timing: Some(timing), ..recorded }
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
        let (overhead, base_ms) = open.times.pass(&self.profile, start);
        let gpu = self.profile.verification.pass(base_ms, tokens);
        (gpu + overhead, gpu)
    }

    pub(super) fn prompt_tokens(&self, index: usize) -> u32 {
        match &self.profile.text {
            TextModel::Process(_) => self.profile.prompt_tokens,
            TextModel::Trace(trace) => trace.text(index).prompt_tokens,
        }
    }

    /// Budget and stop ids of the request numbered `index`.
    pub(super) fn limits(&self, index: usize) -> (u32, Vec<TokenId>) {
        match &self.profile.text {
            TextModel::Process(_) => (self.profile.output_tokens, vec![TokenId(0)]),
            TextModel::Trace(trace) => {
                let text = trace.text(index);
                (text.budget(), text.stop_ids())
            }
        }
    }
}
