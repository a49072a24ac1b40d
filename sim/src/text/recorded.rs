//! A recorded text at work: it replays exactly any method under match verification (design: "What a
//! trace replays"). Running past a rollout is an error, never a silent draw.

use std::sync::Arc;

use pipesd_core::contract::Proposal;
use pipesd_core::ids::TokenId;
use pipesd_core::trace::{Trace, TraceText};

use super::OnPath;

/// One text of a trace at work.
#[derive(Clone, Debug)]
pub struct Recorded {
    trace: Arc<Trace>,
    number: usize,
}

impl Recorded {
    /// The text numbered `number`, counting round.
    #[must_use]
    pub const fn new(trace: Arc<Trace>, number: usize) -> Self {
        Self { trace, number }
    }

    fn text(&self) -> &TraceText {
        self.trace.text(self.number)
    }

    /// The target's token past the recorded end is never committed: the budget, or the text, ends there.
    pub(super) fn on_path(&self, position: u32) -> OnPath {
        let nothing = TokenId(u32::MAX);
        let past_end = (Proposal { token: nothing, confidence: 0.0 }, nothing);
        let (draft, target) = self.text().on_path(position).unwrap_or(past_end);
        OnPath { target, draft }
    }

    pub(super) fn off_path(&self, mismatch: u32, offset: u32) -> Option<Proposal> {
        self.text().off_path(mismatch, offset)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn running_past_a_rollout_is_told() {
        let text = TraceText {
            prompt_tokens: 3,
            stop_ids: vec![0],
            positions: vec![(5, 6, 0.9)],
            rollouts: [(0, vec![(1, 0.5)])].into(),
            ..<_>::default()
        };
        let (format, source) = (Trace::FORMAT.into(), "a test".into());
        let trace = Trace { format, source, timing: None, texts: vec![text] };
        let text = Recorded::new(Arc::new(trace), 0);
        assert!(text.off_path(0, 1).is_some());
        assert!(text.off_path(0, 2).is_none());
    }
}
