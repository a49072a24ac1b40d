//! Recorded texts: for each position the draft's and the target's token, for each mismatch how the
//! draft went on; if known, what else the draft knew there and how long the models took.
//!
//! Plain data, read by the models that play it (the simulator's, the live testbed's emulated ones)
//! and never by edge or cloud. It replays exactly any method under match verification. The file
//! format is described field by field in `docs/trace-format.md`.

mod check;
mod stored;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

pub use self::check::{DURATION_NS_MAX, PROMPT_TOKENS_MAX, TraceError};
use self::stored::Stored;
use crate::contract::Proposal;
use crate::ids::TokenId;
use crate::time::Duration;

/// A trace file: one entry for each prompt.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Stored")]
pub struct Trace {
    /// Always `pipesd-trace-2`; a file of the version before is read, and is of this one then.
    pub format: String,
    /// How and from what it was made.
    pub source: String,
    /// What the timings of its texts have in common; absent: no text has timings.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timing: Option<TraceTiming>,
    /// The recorded texts.
    pub texts: Vec<TraceText>,
}

impl Trace {
    /// The name and version of the format.
    pub const FORMAT: &'static str = "pipesd-trace-2";

    /// The text numbered `number`, counting round.
    ///
    /// # Panics
    /// If there is none; [`Self::validate`] refuses such a trace.
    #[must_use]
    pub fn text(&self, number: usize) -> &TraceText {
        &self.texts[number % self.texts.len()]
    }
}

/// One recorded text.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TraceText {
    /// Length of the prompt \[tokens\].
    pub prompt_tokens: u32,
    /// Ids that end the text.
    pub stop_ids: Vec<u32>,
    /// Tokens that the request may have, where that is more than there are positions: then the last target
    /// id ends the text, and a draft that does not know it goes on, along a rollout.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub budget: Option<u32>,
    /// (draft id, target id, confidence) for each position.
    pub positions: Vec<(u32, u32, f64)>,
    /// For each mismatch, by position: (id, confidence) of what the draft proposes after it.
    pub rollouts: BTreeMap<u32, Rollout>,
    /// What else the models knew, for triggers that need more than a confidence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub features: Option<Features>,
    /// How long the models took; absent: as the profile says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timing: Option<TextTiming>,
}

/// (id, confidence) at offsets 1, 2, ... after a mismatch.
pub type Rollout = Vec<(u32, f64)>;

impl TraceText {
    /// What the draft proposes at `position`, its context being the target's text, and the target's
    /// own token there. None: past the end.
    #[must_use]
    pub fn on_path(&self, position: u32) -> Option<(Proposal, TokenId)> {
        let &(draft, target, confidence) = self.positions.get(position as usize)?;
        Some((Proposal { token: TokenId(draft), confidence }, TokenId(target)))
    }

    /// What the draft proposes `offset` ≥ 1 positions after its mistake at `mismatch`, having
    /// followed its own proposals since. None: the rollout does not go that far.
    #[must_use]
    pub fn off_path(&self, mismatch: u32, offset: u32) -> Option<Proposal> {
        let &(token, confidence) = at_offset(&self.rollouts, mismatch, offset)?;
        Some(Proposal { token: TokenId(token), confidence })
    }

    /// Tokens that the request may have.
    #[must_use]
    pub fn budget(&self) -> u32 {
        self.budget.unwrap_or(self.positions.len() as u32)
    }

    /// The ids that end the text.
    #[must_use]
    pub fn stop_ids(&self) -> Vec<TokenId> {
        self.stop_ids.iter().map(|&id| TokenId(id)).collect()
    }
}

/// What a draft model knows of its own proposal, one entry for each step.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DraftFeatures {
    /// Probability of the drafted id in the distribution that it was chosen from, in \[0, 1\].
    pub probability: Vec<f64>,
    /// Entropy of the draft's distribution at temperature 1 \[nats\].
    pub entropy: Vec<f64>,
    /// Largest less second largest probability at temperature 1, in \[0, 1\].
    pub margin: Vec<f64>,
}

/// What the models knew at each position besides ids and confidences.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Features {
    /// The draft at each position, its context being the target's text.
    pub draft: DraftFeatures,
    /// Rank of the target's id in the draft's distribution; 0: the draft's own first choice.
    pub target_rank: Vec<u32>,
    /// The target's largest less its second largest logit: how far it is from another text.
    pub target_gap: Vec<f64>,
    /// The draft after each mismatch, step by step of the rollout.
    pub rollouts: BTreeMap<u32, DraftFeatures>,
}

/// What the timings of all texts have in common.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TraceTiming {
    /// Added to a verification by each verified token \[ms\].
    pub verify_per_token_ms: f64,
}

/// How long the models took on one text, by position, whatever the order of calls. Draft steps are the
/// models' own: what an emulated device makes of one depends on what the step is for, which a trace
/// does not know.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TextTiming {
    /// The draft's prefill \[ns\].
    pub draft_prefill_ns: u64,
    /// The target's prefill \[ns\].
    pub verify_prefill_ns: u64,
    /// The draft step that proposes each position \[ns\].
    pub steps_ns: Vec<u64>,
    /// The draft steps after each mismatch, by step of the rollout \[ns\].
    pub rollout_steps_ns: BTreeMap<u32, Vec<u64>>,
    /// Of a verification whose first draft is at each position: server time besides the GPU's \[ns\].
    pub overheads_ns: Vec<u64>,
    /// The same: GPU time without what its tokens add \[ms\].
    pub bases_ms: Vec<f64>,
}

impl TextTiming {
    /// The draft step that proposes `position`, its context being the target's text. None: past the
    /// end.
    #[must_use]
    pub fn step(&self, position: u32) -> Option<Duration> {
        self.steps_ns.get(position as usize).copied().map(Duration::from_nanos)
    }

    /// The draft step `offset` ≥ 1 positions after the mistake at `mismatch`. None: the rollout does
    /// not go that far.
    #[must_use]
    pub fn rollout_step(&self, mismatch: u32, offset: u32) -> Option<Duration> {
        at_offset(&self.rollout_steps_ns, mismatch, offset).copied().map(Duration::from_nanos)
    }

    /// The server's overhead and the GPU's base \[ms\] of a verification whose first draft is at
    /// `start`; past the end, where none can begin whose answer matters, those of the last position.
    ///
    /// # Panics
    /// If the text is empty; [`Trace::validate`] refuses such a trace.
    #[must_use]
    pub fn pass(&self, start: u32) -> (Duration, f64) {
        let at = (start as usize).min(self.overheads_ns.len() - 1);
        (Duration::from_nanos(self.overheads_ns[at]), self.bases_ms[at])
    }
}

/// The entry at `offset`, counted from 1, after `mismatch`.
fn at_offset<T>(rollouts: &BTreeMap<u32, Vec<T>>, mismatch: u32, offset: u32) -> Option<&T> {
    rollouts.get(&mismatch)?.get(offset.checked_sub(1)? as usize)
}
