//! Recorded texts: for each position the draft's and the target's token, for each mismatch how the
//! draft went on. Replays exactly any method under match verification (design: "What a trace
//! replays"); running past a rollout is an error, never a silent draw.

use std::collections::BTreeMap;
use std::sync::Arc;

use pipesd_core::contract::Proposal;
use pipesd_core::ids::TokenId;
use serde::{Deserialize, Serialize};

use super::OnPath;

/// A trace file: one entry for each prompt.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Trace {
    /// Always `pipesd-trace-1`.
    pub format: String,
    /// How and from what it was made.
    pub source: String,
    /// The recorded texts.
    pub texts: Vec<TraceText>,
}

/// One recorded text.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TraceText {
    /// Length of the prompt \[tokens\].
    pub prompt_tokens: u32,
    /// Ids that end the text.
    pub stop_ids: Vec<u32>,
    /// (draft id, target id, confidence) for each position.
    pub positions: Vec<(u32, u32, f64)>,
    /// For each mismatch, by position: (id, confidence) of what the draft proposes after it.
    pub rollouts: BTreeMap<u32, Rollout>,
}

/// (id, confidence) at offsets 1, 2, ... after a mismatch.
pub type Rollout = Vec<(u32, f64)>;

/// What is wrong with a trace.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TraceError {
    /// Another format, or another version of it.
    #[error("format is `{0}`, expected `pipesd-trace-1`")]
    Format(String),
    /// There is no text in it.
    #[error("the trace holds no text")]
    Empty,
    /// A text is inconsistent or cut short.
    #[error("text {text}, position {position}: {problem}")]
    Text {
        /// Index of the text.
        text: usize,
        /// Position in it.
        position: usize,
        /// What is wrong.
        problem: &'static str,
    },
}

impl Trace {
    /// The name and version of the format.
    pub const FORMAT: &'static str = "pipesd-trace-1";

    /// Checks what the file format cannot express.
    ///
    /// # Errors
    /// If a text is empty, a mismatch lacks its rollout, or a confidence is no probability.
    pub fn validate(&self) -> Result<(), TraceError> {
        if self.format != Self::FORMAT {
            return Err(TraceError::Format(self.format.clone()));
        }
        if self.texts.is_empty() {
            return Err(TraceError::Empty);
        }
        for (index, text) in self.texts.iter().enumerate() {
            let wrong = |position, problem| TraceError::Text { text: index, position, problem };
            if text.positions.is_empty() {
                return Err(wrong(0, "the text is empty"));
            }
            for (position, (draft, target, confidence)) in text.positions.iter().enumerate() {
                if !(0.0..=1.0).contains(confidence) {
                    return Err(wrong(position, "a confidence lies between 0 and 1"));
                }
                let rollout = text.rollouts.get(&(position as u32));
                if draft != target && rollout.is_none_or(Vec::is_empty) {
                    return Err(wrong(position, "the mismatch has no rollout: is the trace cut?"));
                }
                if rollout.is_some_and(|r| r.iter().any(|(_, c)| !(0.0..=1.0).contains(c))) {
                    return Err(wrong(position, "a confidence lies between 0 and 1"));
                }
            }
        }
        Ok(())
    }
}

/// One text of a trace at work.
#[derive(Clone, Debug)]
pub struct Recorded {
    trace: Arc<Trace>,
    index: usize,
}

impl Recorded {
    /// The text numbered `index`, counting round.
    #[must_use]
    pub fn new(trace: Arc<Trace>, index: usize) -> Self {
        let index = index % trace.texts.len();
        Self { trace, index }
    }

    fn text(&self) -> &TraceText {
        &self.trace.texts[self.index]
    }

    /// The target's token past the recorded end is never committed: the budget ends there.
    pub(super) fn on_path(&self, position: u32) -> OnPath {
        let past_end = (u32::MAX, u32::MAX, 0.0);
        let recorded = self.text().positions.get(position as usize);
        let (draft, target, confidence) = recorded.copied().unwrap_or(past_end);
        OnPath { target: TokenId(target), draft: Proposal { token: TokenId(draft), confidence } }
    }

    pub(super) fn off_path(&self, mismatch: u32, offset: u32) -> Option<Proposal> {
        let (token, confidence) =
            *self.text().rollouts.get(&mismatch)?.get(offset.checked_sub(1)? as usize)?;
        Some(Proposal { token: TokenId(token), confidence })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trace(positions: Vec<(u32, u32, f64)>, rollouts: &[(u32, Rollout)]) -> Trace {
        Trace {
            format: Trace::FORMAT.into(),
            source: "a test".into(),
            texts: vec![TraceText {
                prompt_tokens: 3,
                stop_ids: vec![0],
                positions,
                rollouts: rollouts.iter().cloned().collect(),
            }],
        }
    }

    #[test]
    fn a_cut_or_inconsistent_trace_is_refused() {
        assert_eq!(trace(vec![(5, 5, 0.9)], &[]).validate(), Ok(()));
        assert!(trace(vec![], &[]).validate().is_err());
        assert!(trace(vec![(5, 6, 0.9)], &[]).validate().is_err(), "no rollout");
        assert!(trace(vec![(5, 6, 0.9)], &[(0, vec![(1, 0.5)])]).validate().is_ok());
        assert!(trace(vec![(5, 5, f64::NAN)], &[]).validate().is_err());
        let other = Trace { format: "x".into(), ..trace(vec![(5, 5, 0.9)], &[]) };
        assert_eq!(other.validate(), Err(TraceError::Format("x".into())));
    }

    #[test]
    fn running_past_a_rollout_is_told() {
        let trace = trace(vec![(5, 6, 0.9)], &[(0, vec![(1, 0.5)])]);
        let text = Recorded::new(Arc::new(trace), 0);
        assert!(text.off_path(0, 1).is_some());
        assert!(text.off_path(0, 2).is_none());
    }
}
