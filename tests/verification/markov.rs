//! Two language models that look at one token back, decoded in rounds as edge and cloud do.

use pipesd_core::ids::TokenId;
use pipesd_core::payload::Payload;
use pipesd_core::verification::{
    Claim, Decision, Drafting, Evidence, Sampling, Temperature, Terms, Verification,
};
use statrs::distribution::{ChiSquared, ContinuousCDF};

/// Ids of the vocabulary.
pub(crate) const VOCABULARY: usize = 6;
/// The temperature of all texts, unless said otherwise.
pub(crate) const TEMPERATURE: f64 = 0.8;
/// Tokens of a text whose distribution is tested.
pub(crate) const TOKENS: usize = 100_000;

const NEVER: f32 = f32::NEG_INFINITY;

/// The target's logits after each token.
pub(crate) const TARGET: [[f32; VOCABULARY]; VOCABULARY] = [
    [0.3, 1.2, -0.4, 0.0, 0.8, -1.0],
    [1.5, -0.2, 0.4, 0.4, NEVER, 0.1],
    [-0.6, 0.0, 0.9, 1.1, 0.2, -0.3],
    [0.0, 0.7, 0.7, -0.5, 0.6, 1.0],
    [2.0, 0.1, -0.2, 0.5, -0.8, 0.3],
    [0.4, 0.4, 0.4, 0.4, 0.4, 0.4],
];

/// The draft's: close to the target's in some rows, far in others.
pub(crate) const DRAFT: [[f32; VOCABULARY]; VOCABULARY] = [
    [0.1, 1.4, -0.2, 0.3, 0.6, -1.2],
    [1.1, -0.5, 0.9, 0.1, 0.0, NEVER],
    [0.8, 0.8, 0.0, 0.2, -0.7, 0.5],
    [0.0, 0.7, 0.7, -0.5, 0.6, 1.0],
    [-0.3, 1.6, 0.4, 0.1, 0.9, -1.0],
    [1.0, -0.6, 0.2, 0.9, -0.1, 0.5],
];

/// The distribution that logits stand for, by its definition.
pub(crate) fn softmax(logits: &[f32], temperature: f64) -> Vec<f64> {
    let weights: Vec<f64> =
        logits.iter().map(|&logit| libm::exp(f64::from(logit) / temperature)).collect();
    let total: f64 = weights.iter().sum();
    weights.iter().map(|weight| weight / total).collect()
}

pub(crate) fn sampling(
    verification: Verification,
    drafting: Drafting,
    payload: Payload,
    seed: u64,
) -> Sampling {
    let temperature = Temperature::new(TEMPERATURE).expect("in range");
    Sampling { terms: Terms { verification, drafting, payload }, temperature, seed }
}

/// A round, as a judge sees it.
pub(crate) struct Round<'a> {
    pub(crate) start: u32,
    /// The token before the round.
    pub(crate) last: usize,
    pub(crate) drafts: &'a [TokenId],
    pub(crate) evidence: &'a [Evidence],
    /// What the draft model claimed of each draft.
    pub(crate) claims: &'a [Option<Claim>],
}

impl Round<'_> {
    /// The token before the draft numbered `index`.
    pub(crate) fn before(&self, index: usize) -> usize {
        index.checked_sub(1).map_or(self.last, |index| self.drafts[index].0 as usize)
    }
}

/// Judges by the rules, and draws the replacement of a draft whose distribution was withheld.
pub(crate) fn by_the_rules(sampling: Sampling, round: &Round<'_>) -> Decision {
    let logits = |index| &TARGET[round.before(index)][..];
    let mut decision = sampling.decide(round.start, round.drafts, round.evidence, logits);
    if decision.withheld {
        let index = decision.tokens.len();
        let claim = round.claims[index].as_ref().expect("a payload that withholds");
        let position = round.start + index as u32;
        let token = sampling.replace(position, logits(index), &claim.distribution);
        decision.tokens.push(token.expect("an honest edge"));
        decision.withheld = false;
    }
    decision
}

/// A decoded text, and what was accepted on the way.
pub(crate) struct Text {
    pub(crate) tokens: Vec<usize>,
    /// By the token before: (drafts tested, accepted).
    pub(crate) tested: [(u32, u32); VOCABULARY],
}

/// Decodes `tokens` tokens in rounds of 1 to 4 drafts. The edge proposes by `edge`, `judge` decides.
pub(crate) fn decode(
    edge: Sampling,
    tokens: usize,
    mut judge: impl FnMut(&Round<'_>) -> Decision,
) -> Text {
    let mut text = Text { tokens: Vec::new(), tested: [(0, 0); VOCABULARY] };
    for length in (1..=4).cycle() {
        if text.tokens.len() >= tokens {
            break;
        }
        let start = text.tokens.len() as u32;
        let last = text.tokens.last().copied().unwrap_or(0);
        let (mut drafts, mut claims, mut evidence) = (Vec::new(), Vec::new(), Vec::new());
        for position in start..start + length {
            let before = drafts.last().map_or(last, |draft: &TokenId| draft.0 as usize);
            let (proposal, claim) = edge.propose(position, &DRAFT[before]);
            evidence.extend(claim.as_ref().and_then(|c: &Claim| c.evidence(edge.terms.payload)));
            drafts.push(proposal.token);
            claims.push(claim);
        }
        let round = Round { start, last, drafts: &drafts, evidence: &evidence, claims: &claims };
        let decision = judge(&round);
        assert!(!decision.withheld, "the judge has drawn the replacement");
        for (index, &token) in decision.tokens.iter().enumerate() {
            text.tokens.push(token.0 as usize);
            let Some(&draft) = drafts.get(index) else { break };
            let (tested, accepted) = &mut text.tested[round.before(index)];
            *tested += 1;
            if token != draft {
                break;
            }
            *accepted += 1;
        }
    }
    text.tokens.truncate(tokens);
    text
}

/// Pearson's statistic of each token given the one before it against the target's distribution, its
/// degrees of freedom, and the probability of a larger one.
pub(crate) fn chi_square(text: &[usize]) -> (f64, f64, f64) {
    let mut counts = [[0_u32; VOCABULARY]; VOCABULARY];
    text.windows(2).for_each(|pair| counts[pair[0]][pair[1]] += 1);
    let (mut statistic, mut freedom) = (0.0, 0.0);
    for (row, counts) in TARGET.iter().zip(counts) {
        let total = f64::from(counts.iter().sum::<u32>());
        freedom -= 1.0;
        for (probability, count) in softmax(row, TEMPERATURE).into_iter().zip(counts) {
            let expected = probability * total;
            if probability == 0.0 {
                // An impossible token fits nothing.
                statistic += if count > 0 { f64::INFINITY } else { 0.0 };
                continue;
            }
            assert!(expected > 20.0, "enough for the limit to hold");
            freedom += 1.0;
            statistic += (f64::from(count) - expected) * (f64::from(count) - expected) / expected;
        }
    }
    let law = ChiSquared::new(freedom).expect("positive");
    let p_value = if statistic.is_finite() { law.sf(statistic) } else { 0.0 };
    (statistic, freedom, p_value)
}
