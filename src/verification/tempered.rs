//! A model's logits at a temperature: the distribution that they stand for.
//!
//! Defined for every `f32`: NaN counts as -∞, an id whose logit equals the largest has that one's
//! weight, infinite or not. So logits that are all -∞ stand for the uniform distribution, and one +∞
//! for certainty.

use crate::ids::TokenId;

/// Logits, one for each id of the vocabulary, at a temperature.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tempered<'a> {
    logits: &'a [f32],
    top: u32,
    highest: f32,
    temperature: f64,
}

impl<'a> Tempered<'a> {
    /// # Panics
    /// If there are no logits: a model has a vocabulary.
    pub(super) fn new(logits: &'a [f32], temperature: f64) -> Self {
        assert!(!logits.is_empty(), "a model has a logit for each id of its vocabulary");
        let (mut top, mut highest) = (0, f32::NEG_INFINITY);
        for (id, &logit) in (0..).zip(logits) {
            if logit > highest {
                (top, highest) = (id, logit);
            }
        }
        Self { logits, top, highest, temperature }
    }

    /// The most probable id; of several the lowest.
    pub(super) const fn top(&self) -> TokenId {
        TokenId(self.top)
    }

    /// Ids of the vocabulary.
    pub(super) fn ids(&self) -> core::ops::Range<u32> {
        0..self.logits.len() as u32
    }

    /// Logarithm of the id's probability, up to a constant: 0 for the most probable one.
    pub(super) fn log_weight(&self, id: u32) -> f64 {
        let logit = self.logits[id as usize];
        if id == self.top {
            0.0
        } else if self.temperature == 0.0 || logit.is_nan() && self.highest > f32::NEG_INFINITY {
            f64::NEG_INFINITY
        } else if logit == self.highest || logit.is_nan() {
            0.0
        } else {
            (f64::from(logit) - f64::from(self.highest)) / self.temperature
        }
    }

    fn weight(&self, id: u32) -> f64 {
        libm::exp(self.log_weight(id))
    }

    /// The probability of every id.
    pub(super) fn probabilities(&self) -> Vec<f64> {
        let mut weights: Vec<f64> = self.ids().map(|id| self.weight(id)).collect();
        let total: f64 = weights.iter().sum();
        weights.iter_mut().for_each(|weight| *weight /= total);
        weights
    }

    /// The largest probability.
    pub(super) fn peak(&self) -> f64 {
        1.0 / self.ids().map(|id| self.weight(id)).sum::<f64>()
    }

    /// The `k` most probable ids (all, if there are fewer), of equals the lowest, in ascending order,
    /// each with its share of their joint probability.
    pub(super) fn most_probable(&self, k: u32) -> Vec<(u32, f64)> {
        let k = (k.max(1) as usize).min(self.logits.len());
        let logit = |id: u32| {
            let logit = self.logits[id as usize];
            if logit.is_nan() { f32::NEG_INFINITY } else { logit }
        };
        let mut ids: Vec<u32> = self.ids().collect();
        if k < ids.len() {
            // Adding zero makes -0 and +0 the equals that they are.
            let rank = |id: u32| logit(id) + 0.0;
            ids.select_nth_unstable_by(k, |&a, &b| rank(b).total_cmp(&rank(a)).then(a.cmp(&b)));
            ids.truncate(k);
            ids.sort_unstable();
        }
        let mut kept: Vec<(u32, f64)> = ids.into_iter().map(|id| (id, self.weight(id))).collect();
        let total: f64 = kept.iter().map(|(_, weight)| weight).sum();
        kept.iter_mut().for_each(|(_, weight)| *weight /= total);
        kept
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NEVER: f32 = f32::NEG_INFINITY;

    #[test]
    fn every_logit_has_a_defined_probability() {
        let of = |logits: &[f32], temperature| Tempered::new(logits, temperature).probabilities();
        assert_eq!(of(&[NEVER, 1.0, NEVER], 1.0), [0.0, 1.0, 0.0]);
        assert_eq!(of(&[NEVER; 4], 1.0), [0.25; 4]);
        assert_eq!(of(&[f32::NAN; 2], 1.0), [0.5; 2]);
        assert_eq!(of(&[f32::NAN, 3.0], 1.0), [0.0, 1.0]);
        assert_eq!(of(&[f32::INFINITY, 3.0, f32::INFINITY], 0.7), [0.5, 0.0, 0.5]);
        assert_eq!(of(&[1.0, 2.0, 2.0], 0.0), [0.0, 1.0, 0.0]);
        assert_eq!(of(&[NEVER; 3], 0.0), [1.0, 0.0, 0.0]);
        assert_eq!(of(&[f32::MAX, -f32::MAX], 1e-300), [1.0, 0.0]);
        let halved = of(&[0.0, 2.0], 2.0);
        assert!((halved[1] / halved[0] - core::f64::consts::E).abs() < 1e-15);
    }

    #[test]
    fn ties_go_to_the_lowest_ids() {
        let logits = [0.0, -0.0, 5.0, 5.0, NEVER, 0.0];
        let tempered = Tempered::new(&logits, 1.0);
        assert_eq!(tempered.top(), TokenId(2));
        let ids = |k| tempered.most_probable(k).iter().map(|(id, _)| *id).collect::<Vec<_>>();
        assert_eq!(ids(0), [2]);
        assert_eq!(ids(2), [2, 3]);
        assert_eq!(ids(4), [0, 1, 2, 3]);
        assert_eq!(ids(9), [0, 1, 2, 3, 4, 5]);
        assert_eq!(tempered.most_probable(2), [(2, 0.5), (3, 0.5)]);
    }
}
