//! When to ask for verification: the trigger axis of a method.
//!
//! A trigger sees each drafted token once, in order, together with the running product of its
//! round's confidences, and says whether the round is complete. State starts anew for each prompt.

mod adaptive;
mod thresholds;

use serde::{Deserialize, Serialize};

pub use self::adaptive::AdaptiveSequence;
pub use self::thresholds::Thresholds;
use crate::event::NavCause;
use crate::method::Threshold;

/// What a trigger may look at: the round so far, its newest token last.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct DraftObservation {
    /// Tokens drafted in the round, the newest included \[tokens\].
    pub drafted: u32,
    /// Confidence of the newest token.
    pub confidence: f64,
    /// Product of the confidences of the round's tokens, the newest included (paper §4: C*).
    pub product: f64,
}

/// What a trigger may learn from: a round and its verdict.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct VerdictObservation {
    /// Tokens drafted in the round \[tokens\].
    pub drafted: u32,
    /// Of these accepted \[tokens\].
    pub accepted: u32,
    /// Product of the confidences of the round's tokens.
    pub product: f64,
}

/// A trigger's parameters.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TriggerConfig {
    /// Fire after a fixed number of tokens (Vanilla).
    FixedLength {
        /// Tokens in a round \[tokens\], at least 1.
        draft_length: u32,
    },
    /// Fire when P(D_n) < threshold (HSL).
    TokenThreshold {
        /// The paper's R2.
        token_threshold: Threshold,
    },
    /// Fire when C < threshold.
    SequenceThreshold {
        /// The paper's R1.
        sequence_threshold: Threshold,
    },
    /// Fire when C < threshold, and adapt the threshold to each verdict (EdgeLLM).
    AdaptiveSequence {
        /// Where the threshold starts for each prompt.
        sequence_threshold: Threshold,
        /// Factor on full acceptance: 0.5 in the paper, 0.95 or 0.7 in the authors' code.
        decay: Threshold,
        /// Upper bound of the threshold: 1 in the paper, none in the authors' code.
        threshold_max: Option<f64>,
    },
    /// Fire when C ≤ R1 or P(D_n) ≤ R2 (PipeSD, paper §4).
    Dual {
        /// The paper's R1.
        sequence_threshold: Threshold,
        /// The paper's R2.
        token_threshold: Threshold,
    },
}

/// A trigger at work.
#[derive(Clone, Debug, PartialEq)]
pub enum Trigger {
    /// One whose rule never changes.
    Constant(TriggerConfig),
    /// EdgeLLM's.
    Adaptive(AdaptiveSequence),
}

impl Trigger {
    /// A trigger in the state in which each prompt finds it.
    #[must_use]
    pub const fn new(config: TriggerConfig) -> Self {
        match config {
            TriggerConfig::AdaptiveSequence { sequence_threshold, decay, threshold_max } => {
                Self::Adaptive(AdaptiveSequence::new(sequence_threshold, decay, threshold_max))
            }
            constant => Self::Constant(constant),
        }
    }

    /// Whether the round is complete with its newest token, and why.
    #[must_use]
    pub fn on_draft(&self, seen: &DraftObservation) -> Option<NavCause> {
        match self {
            Self::Adaptive(adaptive) => adaptive.on_draft(seen),
            Self::Constant(config) => constant_rule(*config, seen),
        }
    }

    /// Learns from a verdict.
    pub fn on_verdict(&mut self, seen: &VerdictObservation) {
        match self {
            Self::Adaptive(adaptive) => adaptive.on_verdict(seen),
            Self::Constant(_) => {}
        }
    }
}

fn constant_rule(config: TriggerConfig, seen: &DraftObservation) -> Option<NavCause> {
    match config {
        TriggerConfig::FixedLength { draft_length } => {
            (seen.drafted >= draft_length).then_some(NavCause::Length)
        }
        TriggerConfig::TokenThreshold { token_threshold } => {
            (seen.confidence < token_threshold.value()).then_some(NavCause::Token)
        }
        TriggerConfig::SequenceThreshold { sequence_threshold }
        | TriggerConfig::AdaptiveSequence { sequence_threshold, .. } => {
            (seen.product < sequence_threshold.value()).then_some(NavCause::Sequence)
        }
        TriggerConfig::Dual { sequence_threshold, token_threshold } => {
            // A single unsure token names itself as the cause, even where it drags the product down.
            if seen.confidence <= token_threshold.value() {
                Some(NavCause::Token)
            } else if seen.product <= sequence_threshold.value() {
                Some(NavCause::Sequence)
            } else {
                None
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn threshold(value: f64) -> Threshold {
        Threshold::new(value).expect("a test's threshold lies in (0, 1)")
    }

    /// Number of tokens after which the trigger fires on a sequence of confidences, and the cause.
    fn fires(config: TriggerConfig, confidences: &[f64]) -> Option<(u32, NavCause)> {
        let trigger = Trigger::new(config);
        let mut product = 1.0;
        (1..).zip(confidences).find_map(|(drafted, &confidence)| {
            product *= confidence;
            let seen = DraftObservation { drafted, confidence, product };
            trigger.on_draft(&seen).map(|cause| (drafted, cause))
        })
    }

    #[test]
    fn each_trigger_fires_where_its_rule_says() {
        let sure_then_not = [0.99, 0.99, 0.6, 0.99];
        let slowly_less_sure = [0.9, 0.9, 0.9, 0.9];
        let token = TriggerConfig::TokenThreshold { token_threshold: threshold(0.7) };
        let sequence = TriggerConfig::SequenceThreshold { sequence_threshold: threshold(0.75) };
        let dual = TriggerConfig::Dual {
            sequence_threshold: threshold(0.75),
            token_threshold: threshold(0.7),
        };
        let fixed = TriggerConfig::FixedLength { draft_length: 2 };
        assert_eq!(fires(fixed, &sure_then_not), Some((2, NavCause::Length)));
        assert_eq!(fires(token, &sure_then_not), Some((3, NavCause::Token)));
        assert_eq!(fires(token, &slowly_less_sure), None);
        assert_eq!(fires(sequence, &slowly_less_sure), Some((3, NavCause::Sequence)));
        assert_eq!(fires(dual, &sure_then_not), Some((3, NavCause::Token)));
        assert_eq!(fires(dual, &slowly_less_sure), Some((3, NavCause::Sequence)));
    }

    #[test]
    fn dual_includes_equality_and_the_single_thresholds_do_not() {
        // Paper §4: PipeSD compares with <=; §6: HSL and EdgeLLM with <.
        let at = |config| fires(config, &[0.5]).is_some();
        let half = threshold(0.5);
        assert!(!at(TriggerConfig::TokenThreshold { token_threshold: half }));
        assert!(!at(TriggerConfig::SequenceThreshold { sequence_threshold: half }));
        assert!(at(TriggerConfig::Dual {
            sequence_threshold: half,
            token_threshold: threshold(0.1)
        }));
        assert!(at(TriggerConfig::Dual {
            sequence_threshold: threshold(0.1),
            token_threshold: half
        }));
    }
}
