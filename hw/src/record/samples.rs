//! Measured times of model calls, read off a log: what the simulator gets in the place of a profile's
//! distributions.

use std::collections::BTreeMap;

use pipesd_core::contract::{DraftStep, Output, VerifyBlock, Work};
use pipesd_core::device::DraftKind;
use pipesd_core::ids::{SessionId, WorkId};
use pipesd_core::time::Duration;
use serde::{Deserialize, Serialize};

use super::{Line, RunLog};

/// All times of a log, in the order in which the calls ended.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Samples {
    /// Draft steps.
    pub draft: Vec<DraftSample>,
    /// Forward passes of the target.
    pub verify: Vec<VerifySample>,
    /// Prompts, of whichever model the log's endpoint runs.
    pub prefill: Vec<PrefillSample>,
}

/// One draft step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DraftSample {
    /// The session.
    pub session: SessionId,
    /// Output position that a token was proposed for.
    pub position: u32,
    /// Tokens in the cache before it, the prompt's included.
    pub context: u32,
    /// Tokens evaluated.
    pub fed: u32,
    /// What it was for.
    pub kind: DraftKind,
    /// How long it took the model itself.
    pub own: Duration,
    /// How long it took, on its device.
    pub took: Duration,
}

/// One forward pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct VerifySample {
    /// The first block's session.
    pub session: SessionId,
    /// Output position of its first draft.
    pub position: u32,
    /// Blocks.
    pub blocks: u32,
    /// Draft tokens in them.
    pub drafts: u32,
    /// Tokens evaluated, extra tokens of earlier rounds included.
    pub evaluated: u32,
    /// Tokens in the caches before it, prompts included.
    pub context: u32,
    /// How long it took.
    pub took: Duration,
}

/// One prompt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PrefillSample {
    /// The session.
    pub session: SessionId,
    /// Its length \[tokens\].
    pub tokens: u32,
    /// How long it took.
    pub took: Duration,
}

/// The times of all model calls of a log that ended.
#[must_use]
pub fn samples(log: &RunLog) -> Samples {
    let mut samples = Samples::default();
    let mut prompts: BTreeMap<SessionId, u32> = BTreeMap::new();
    let mut running: BTreeMap<WorkId, &Work> = BTreeMap::new();
    for line in &log.lines {
        match line {
            Line::Out(_, Output::Start { id, work }) => {
                if let Work::Prefill { session, prompt, .. } = work {
                    prompts.insert(*session, prompt.len() as u32);
                }
                running.insert(*id, work);
            }
            Line::Took { work, took, added } => {
                if let Some(work) = running.remove(work) {
                    samples.add(work, (*took, *added), &prompts);
                }
            }
            Line::In(..) | Line::Out(..) | Line::Session { .. } => {}
        }
    }
    samples
}

impl Samples {
    /// Adds a piece of work that took some time, part of which a device had added.
    fn add(
        &mut self,
        work: &Work,
        (took, added): (Duration, Duration),
        prompts: &BTreeMap<SessionId, u32>,
    ) {
        let prompt = |session: &SessionId| prompts.get(session).copied().unwrap_or_default();
        match work {
            Work::Prefill { session, prompt, .. } => {
                let tokens = prompt.len() as u32;
                self.prefill.push(PrefillSample { session: *session, tokens, took });
            }
            Work::Draft(step) => {
                let DraftStep { session, kind, keep, feed, .. } = step;
                self.draft.push(DraftSample {
                    session: *session,
                    position: step.position(),
                    context: prompt(session) + keep,
                    fed: feed.len() as u32,
                    kind: *kind,
                    own: took.saturating_sub(added),
                    took,
                });
            }
            Work::Verify(blocks) => {
                let Some(first) = blocks.first() else { return };
                let sum = |of: &dyn Fn(&VerifyBlock) -> u32| blocks.iter().map(of).sum::<u32>();
                let drafts = sum(&|block| block.drafts.len() as u32);
                self.verify.push(VerifySample {
                    session: first.session,
                    position: first.keep + first.feed.len() as u32,
                    blocks: blocks.len() as u32,
                    drafts,
                    evaluated: drafts + sum(&|block| block.feed.len() as u32),
                    context: sum(&|block| prompt(&block.session) + block.keep),
                    took,
                });
            }
            Work::Replace { .. } | Work::Fit(_) => {}
        }
    }
}
