//! Published closed forms of speculative decoding across a network, to hold the simulator against.
//!
//! All of them are about the serial split: rounds of a fixed number of drafts, uploaded when the round
//! is complete, and an edge that idles until the verdict is there. Nothing is random but acceptance,
//! messages take no time but the propagation, and nothing starts up.
//!
//! | what | source |
//! |---|---|
//! | [`tokens_per_round`] | Leviathan et al. 2023 |
//! | [`break_even_ms`], [`capacity_gain`] | arXiv 2606.25091 |
//! | [`Costs`] | UCB-SpecStop, arXiv 2606.20591 |

/// E(α, K): mean output tokens of a round of `length` drafts, each of which is the target's own with
/// probability `acceptance`, independently: (1 - α^(K+1)) / (1 - α), also at α = 1.
#[must_use]
pub fn tokens_per_round(acceptance: f64, length: u32) -> f64 {
    (0..length).fold(1.0, |sum, _| 1.0 + acceptance * sum)
}

/// The variance of the tokens of such a round, for the sampling noise of drawn texts.
#[must_use]
pub fn tokens_variance(acceptance: f64, length: u32) -> f64 {
    // E X² = Σ (2k + 1) P(X > k) for X ≥ 0, and P(X > k) = α^k for k ≤ K.
    let mut power = 1.0;
    let mut square = 0.0;
    for k in 0..=length {
        square += f64::from(2 * k + 1) * power;
        power *= acceptance;
    }
    let mean = tokens_per_round(acceptance, length);
    square - mean * mean
}

/// Mean output tokens of a round for a measured curve: `prefixes[i]` is the probability that the first
/// i + 1 drafts of a round are all the target's own.
#[must_use]
pub fn tokens_of_prefixes(prefixes: &[f64]) -> f64 {
    1.0 + prefixes.iter().sum::<f64>()
}

/// Times of a serial round \[ms\].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Round {
    /// Drafts.
    pub length: u32,
    /// The draft model, once a round.
    pub draft_base_ms: f64,
    /// The draft model, each draft.
    pub draft_ms: f64,
    /// The target's pass, once a round.
    pub verify_base_ms: f64,
    /// The target's pass, each draft.
    pub verify_ms: f64,
    /// There and back.
    pub round_trip_ms: f64,
}

impl Round {
    /// From one verdict to the next.
    #[must_use]
    pub fn ms(&self) -> f64 {
        let of_drafts = f64::from(self.length) * (self.draft_ms + self.verify_ms);
        self.draft_base_ms + of_drafts + self.verify_base_ms + self.round_trip_ms
    }
}

/// The round trip below which the serial split beats decoding in the cloud, (E - 1) t_ar - K t_d, for a
/// verification pass that takes as long as a decoding pass \[ms\]. None: the split never pays.
#[must_use]
pub fn break_even_ms(acceptance: f64, length: u32, draft_ms: f64, decode_ms: f64) -> Option<f64> {
    let gained = (tokens_per_round(acceptance, length) - 1.0) * decode_ms;
    Some(gained - f64::from(length) * draft_ms).filter(|round_trip| *round_trip > 0.0)
}

/// How many times the users of co-located speculation a saturated target serves when the drafts come
/// from the edges: 1 + K t_d / t_v.
#[must_use]
pub fn capacity_gain(length: u32, draft_ms: f64, verify_ms: f64) -> f64 {
    1.0 + f64::from(length) * draft_ms / verify_ms
}

/// Times a token of UCB-SpecStop's cost: a pass over k drafts takes k + 1 times `verify_ms`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Costs {
    /// c_d: a draft \[ms\].
    pub draft_ms: f64,
    /// c_v: the target, each draft and once more \[ms\].
    pub verify_ms: f64,
}

/// No best length is looked for beyond it: as long as a round may be.
const LENGTH_MAX: u32 = 4096;

impl Costs {
    /// C(k, d): time per token with rounds of `length` drafts over a link of `delay_ms` one way \[ms\].
    #[must_use]
    pub fn cost_ms(&self, acceptance: f64, length: u32, delay_ms: f64) -> f64 {
        let drafts = f64::from(length) * (self.draft_ms + self.verify_ms);
        (drafts + 2.0 * delay_ms + self.verify_ms) / tokens_per_round(acceptance, length)
    }

    /// The best length by the published rule: the least k ≥ 1 with C(k, d) ≤ (c_d + c_v) / α^(k+1).
    #[must_use]
    pub fn best_length(&self, acceptance: f64, delay_ms: f64) -> u32 {
        let next_draft_ms = |length: u32| {
            (self.draft_ms + self.verify_ms) / libm::pow(acceptance, f64::from(length + 1))
        };
        let holds =
            |&length: &u32| self.cost_ms(acceptance, length, delay_ms) <= next_draft_ms(length);
        (1..LENGTH_MAX).find(holds).unwrap_or(LENGTH_MAX)
    }

    /// The one-way delay at which one draft and two cost the same \[ms\]; below zero: two cost less on
    /// any link.
    #[must_use]
    pub fn critical_delay_ms(&self, acceptance: f64) -> f64 {
        let both = self.draft_ms + self.verify_ms;
        let once = self.draft_ms + 2.0 * self.verify_ms;
        both * (1.0 + acceptance) / (2.0 * acceptance * acceptance) - once / 2.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_round_s_tokens_are_the_geometric_sum() {
        for (acceptance, length, tokens) in [(0.5, 5, 1.96875), (0.0, 7, 1.0), (1.0, 4, 5.0)] {
            assert!((tokens_per_round(acceptance, length) - tokens).abs() < 1e-12);
        }
        // One draft: two tokens with probability α, else one.
        assert!((tokens_variance(0.3, 1) - 0.21).abs() < 1e-12);
        assert!(tokens_variance(1.0, 4).abs() < 1e-12 && tokens_variance(0.0, 4).abs() < 1e-12);
        let powers: Vec<f64> = (1..=6).map(|k| libm::pow(0.7, f64::from(k))).collect();
        assert!((tokens_of_prefixes(&powers) - tokens_per_round(0.7, 6)).abs() < 1e-12);
    }

    #[test]
    fn the_rule_finds_the_least_cost() {
        let costs = Costs { draft_ms: 1.0, verify_ms: 0.5 };
        for acceptance in [0.3, 0.5, 0.7, 0.9] {
            for delay_ms in [0.0, 0.4, 1.7, 5.0, 30.0, 333.0] {
                let cost = |length| costs.cost_ms(acceptance, length, delay_ms);
                let best = costs.best_length(acceptance, delay_ms);
                let least = (1..200).map(cost).fold(f64::INFINITY, f64::min);
                assert!(cost(best) <= least * (1.0 + 1e-12), "α = {acceptance}, d = {delay_ms}");
            }
        }
    }

    #[test]
    fn at_the_critical_delay_one_draft_costs_what_two_do() {
        let costs = Costs { draft_ms: 1.0, verify_ms: 0.5 };
        for acceptance in [0.5, 0.7, 0.9] {
            let delay = costs.critical_delay_ms(acceptance);
            let [one, two] = [1, 2].map(|length| costs.cost_ms(acceptance, length, delay));
            assert!((one - two).abs() < 1e-12, "α = {acceptance}: {one} and {two}");
        }
    }
}
