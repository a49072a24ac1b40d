//! The judging of one candidate: which time and which tokens are its own.

use super::Setting;
use crate::time::{Duration, as_millis};
use crate::trigger::Thresholds;
use crate::tuner::Candidate;

/// The time from one round's resolution to the next, within a session; the first one of a session
/// runs from the start of decoding.
#[derive(Clone, Copy, Debug)]
pub(super) struct Interval {
    pub(super) took: Duration,
    /// Output tokens that its end brought: accepted and extra ones \[tokens\].
    pub(super) tokens: u32,
    /// Under which setting the round was begun that ended it.
    pub(super) setting: Setting,
    /// Whether the round resolved before it was begun under the same setting, or there was none.
    pub(super) pure: bool,
}

/// A candidate that is being tried.
///
/// An interval is the candidate's own if the rounds at both its ends were begun under it (or it is
/// the first of its session). So nothing is credited that another setting has paid for or left
/// behind: tokens drafted ahead before the candidate came into force, a stale step or upload, a
/// proactive round that was dropped. What the candidate's own speculation wastes lies between two
/// rounds of its own, and counts. The first interval under a candidate, which is half another
/// setting's, counts only for giving it up.
#[derive(Clone, Debug)]
pub(super) struct Trial {
    pub(super) candidate: Candidate,
    pub(super) thresholds: Thresholds,
    /// Number of the setting that tries it.
    setting: u32,
    own: Sum,
    /// With the intervals that only end in a round of the candidate.
    all: Sum,
}

/// Time and tokens of some intervals.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Sum {
    took: Duration,
    tokens: u32,
}

impl Sum {
    pub(super) fn add(&mut self, interval: &Interval) {
        self.took += interval.took;
        self.tokens += interval.tokens;
    }

    /// Time per output token \[ms\].
    pub(super) fn per_token(self) -> f64 {
        as_millis(self.took) / f64::from(self.tokens)
    }
}

/// The value of a candidate.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Judgement {
    /// \[ms per output token\].
    pub(super) value: f64,
    pub(super) tokens: u32,
    pub(super) hopeless: bool,
}

impl Trial {
    pub(super) fn new(candidate: Candidate, thresholds: Thresholds, setting: u32) -> Self {
        Self { candidate, thresholds, setting, own: Sum::default(), all: Sum::default() }
    }

    pub(super) fn credit(&mut self, interval: &Interval) {
        if interval.setting.number == self.setting {
            self.all.add(interval);
            if interval.pure {
                self.own.add(interval);
            }
        }
    }

    /// The candidate's value, once it has `tokens` output tokens or has taken more than `patience`
    /// milliseconds in all; None: it is never given up.
    pub(super) fn judgement(&self, tokens: u32, patience: Option<f64>) -> Option<Judgement> {
        let hopeless = self.own.tokens < tokens;
        if hopeless && !patience.is_some_and(|patience| as_millis(self.all.took) > patience) {
            return None;
        }
        // Given up in its first interval it has no other one.
        let seen = if self.own.tokens > 0 { self.own } else { self.all };
        Some(Judgement { value: seen.per_token(), tokens: seen.tokens, hopeless })
    }
}
