//! EdgeLLM's adaptive sequence threshold (paper §6).

use crate::event::NavCause;
use crate::method::Threshold;
use crate::trigger::{DraftObservation, VerdictObservation};

/// A sequence threshold that falls after full acceptance (longer drafts) and rises after a rejection.
#[derive(Clone, Debug, PartialEq)]
pub struct AdaptiveSequence {
    threshold: f64,
    decay: f64,
    threshold_max: f64,
}

/// The threshold never falls below this, so that it can recover: a product of confidences that small
/// would take a draft far beyond any budget.
const THRESHOLD_MIN: f64 = 1e-12;

impl AdaptiveSequence {
    /// Starts at `initial`; each full acceptance multiplies the threshold by `decay`; a rejection
    /// raises it, at most to `threshold_max` (without one it may pass 1, and then every draft ends
    /// after one token until enough of them are accepted).
    #[must_use]
    pub const fn new(initial: Threshold, decay: Threshold, threshold_max: Option<f64>) -> Self {
        let threshold_max = match threshold_max {
            Some(max) => max,
            None => f64::MAX,
        };
        Self { threshold: initial.value(), decay: decay.value(), threshold_max }
    }

    /// The threshold now, above 0.
    #[must_use]
    pub const fn threshold(&self) -> f64 {
        self.threshold
    }

    pub(super) fn on_draft(&self, seen: &DraftObservation) -> Option<NavCause> {
        (seen.product < self.threshold).then_some(NavCause::Sequence)
    }

    /// All accepted: R1 ← decay·R1; else R1 ← R1 / C^((N - N_correct)/N), with N the round's own
    /// draft length (read as the moving window, the rule locks R1 at 1).
    pub(super) fn on_verdict(&mut self, seen: &VerdictObservation) {
        if seen.drafted == seen.accepted {
            self.threshold = (self.threshold * self.decay).max(THRESHOLD_MIN);
        } else {
            let wrong = f64::from(seen.drafted - seen.accepted) / f64::from(seen.drafted);
            // C may underflow to 0 on a long draft: then the quotient is infinite, and the bound holds.
            self.threshold =
                (self.threshold / libm::pow(seen.product, wrong)).min(self.threshold_max);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(drafted: u32, accepted: u32, product: f64) -> VerdictObservation {
        VerdictObservation { drafted, accepted, product }
    }

    #[test]
    fn the_threshold_falls_on_success_rises_on_failure_and_stays_in_range() {
        let threshold = |value| Threshold::new(value).expect("in (0, 1)");
        let mut adaptive = AdaptiveSequence::new(threshold(0.8), threshold(0.5), Some(1.0));
        adaptive.on_verdict(&verdict(4, 4, 0.7));
        assert_eq!(adaptive.threshold(), 0.4);
        adaptive.on_verdict(&verdict(4, 2, 0.25));
        assert_eq!(adaptive.threshold(), 0.8);
        adaptive.on_verdict(&verdict(4, 0, 0.25));
        assert_eq!(adaptive.threshold(), 1.0);
        adaptive.on_verdict(&verdict(4, 0, 0.0));
        assert_eq!(adaptive.threshold(), 1.0);
        for _ in 0..10_000 {
            adaptive.on_verdict(&verdict(1, 1, 0.5));
        }
        assert!(adaptive.threshold() > 0.0);
        let mut unclipped = AdaptiveSequence::new(threshold(0.8), threshold(0.5), None);
        unclipped.on_verdict(&verdict(4, 0, 0.25));
        assert_eq!(unclipped.threshold(), 3.2);
    }
}
