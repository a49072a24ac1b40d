//! The rules by which draft tokens are proposed, judged and replaced.
//!
//! Two models' logits and the noise of (seed, position) decide everything: the same on any machine, in
//! any order, at either end.
//!
//! **Why rejection is exact.** Given the text before it, a draft d was drawn from q by one noise, is
//! accepted by another with min(1, p(d)/q(d)), and else replaced by a third from max(0, p - q),
//! normalised: the committed token has distribution p. At a position without a draft the target's own
//! token is committed, by the noise that a coupled draft there was, or would have been, drawn by; no
//! draft is ever judged at such a position, so that nothing correlates with it but guesses, which then
//! mostly come true.
//!
//! **What peers may send.** Where nothing usable is known of q, it is taken as a point mass at d: the
//! draft is accepted with p(d), else the token is drawn from p without d. That has distribution p
//! whatever d is and however it came about, so it serves the ids payload and malformed evidence alike.
//! An edge that shows a well-formed q that it did not draw from biases its own text, and no one else's.

use super::encoding::{Encoded, EvidenceError, pairs, whole};
use super::noise::{Noise, Purpose};
use super::tempered::Tempered;
use super::{Claim, Decision, Drafting, Evidence, Sampling, Temperature, Terms, Verification};
use crate::blob::Blob;
use crate::contract::Proposal;
use crate::ids::TokenId;
use crate::payload::Payload;

impl Sampling {
    /// Plain greedy decoding: the likeliest token is drafted, and has to be the target's likeliest.
    #[must_use]
    pub fn greedy() -> Self {
        let (verification, drafting) = (Verification::Match, Drafting::Argmax);
        let terms = Terms { verification, drafting, payload: Payload::Ids };
        Self { terms, temperature: Temperature::default(), seed: 0 }
    }

    /// Whether the committed text is what the target writes alone, whatever is drafted: what a trace of
    /// texts can hold.
    #[must_use]
    pub fn text_is_the_targets(&self) -> bool {
        self.terms.verification == Verification::Match
    }

    /// The same with a claim on each draft: whoever records wants the drafted id's probability, which goes
    /// with every payload but ids alone.
    #[must_use]
    pub fn claiming(&self) -> Self {
        let payload = match self.terms.payload {
            Payload::Ids => Payload::Lazy,
            other => other,
        };
        Self { terms: Terms { payload, ..self.terms }, ..*self }
    }

    /// The draft model's proposal at output position `position` from its logits (one for each id of
    /// the vocabulary), and what the payload carries besides it.
    ///
    /// A draft that is drawn is drawn from the distribution that goes on the wire: at the request's
    /// temperature and, under the top-k payload, of the k most probable ids alone.
    ///
    /// # Panics
    /// If there are no logits.
    #[must_use]
    pub fn propose(&self, position: u32, logits: &[f32]) -> (Proposal, Option<Claim>) {
        let draft = Tempered::new(logits, self.temperature.value());
        let confidence = Tempered::new(logits, 1.0).peak();
        let kept = match self.terms.payload {
            Payload::TopK(k) => Some(draft.most_probable(k)),
            Payload::Full | Payload::Lazy | Payload::Ids => None,
        };
        let draw = |purpose| {
            let noise = self.noise(purpose, position);
            let drawn = match &kept {
                Some(kept) => noise.draw(kept.iter().map(|(id, _)| *id), |id| draft.log_weight(id)),
                None => noise.draw(draft.ids(), |id| draft.log_weight(id)),
            };
            drawn.map_or(draft.top(), TokenId)
        };
        let token = match self.terms.drafting {
            Drafting::Argmax => draft.top(),
            Drafting::Sampled => draw(Purpose::Draft),
            Drafting::Coupled => draw(Purpose::Target),
        };
        let claim = match (self.terms.payload, kept) {
            (Payload::Ids, _) => None,
            (_, Some(kept)) => {
                let index = kept.binary_search_by_key(&token.0, |(id, _)| *id);
                let probability = index.map_or(0.0, |index| kept[index].1);
                Some(Claim { probability, distribution: pairs(&kept) })
            }
            (_, None) => {
                let probabilities = draft.probabilities();
                let probability = probabilities[token.0 as usize];
                Some(Claim { probability, distribution: whole(&probabilities) })
            }
        };
        (Proposal { token, confidence }, claim)
    }

    /// The target's own token at output position `position` from its logits: what *match* commits there,
    /// whatever was drafted.
    ///
    /// # Panics
    /// If there are no logits.
    #[must_use]
    pub fn target(&self, position: u32, logits: &[f32]) -> TokenId {
        let target = Tempered::new(logits, self.temperature.value());
        self.own_token(position, &target)
    }

    /// What the target decides on a block of drafts from output position `start` on. `logits(i)` are
    /// its logits at the i-th drafted position, `logits(drafts.len())` those after the last; they are
    /// asked for in order, as far as the decision goes.
    ///
    /// Drafts and evidence come from a peer. None makes it panic or choose an id without a logit;
    /// evidence that is missing, of another kind or malformed is as good as none (see the module).
    ///
    /// # Panics
    /// If there are no logits.
    pub fn decide<'a>(
        &self,
        start: u32,
        drafts: &[TokenId],
        evidence: &[Evidence],
        mut logits: impl FnMut(usize) -> &'a [f32],
    ) -> Decision {
        let mut tokens = Vec::with_capacity(drafts.len() + 1);
        for (index, &draft) in drafts.iter().enumerate() {
            let position = start.saturating_add(index as u32);
            let target = Tempered::new(logits(index), self.temperature.value());
            let token = match self.terms.verification {
                Verification::Match => Some(self.own_token(position, &target)),
                Verification::Rejection => {
                    let known = Known::of(self.terms.payload, evidence.get(index), draft);
                    self.judge(position, draft, &known, &target.probabilities())
                }
            };
            let Some(token) = token else { return Decision { tokens, withheld: true } };
            tokens.push(token);
            if token != draft {
                return Decision::of(tokens);
            }
        }
        let position = start.saturating_add(drafts.len() as u32);
        tokens.push(self.target(position, logits(drafts.len())));
        Decision::of(tokens)
    }

    /// The replacement of a draft that was rejected at output position `position` while its distribution
    /// was withheld, from the target's logits there and that distribution: the token that the full
    /// payload would have brought.
    ///
    /// # Errors
    /// If the distribution cannot be used: the peer has broken the terms, and without it no token can
    /// keep the text the target's own.
    ///
    /// # Panics
    /// If there are no logits.
    pub fn replace(
        &self,
        position: u32,
        logits: &[f32],
        distribution: &Blob,
    ) -> Result<TokenId, EvidenceError> {
        let shown = Encoded::read(Payload::Full, distribution)?;
        let p = Tempered::new(logits, self.temperature.value()).probabilities();
        Ok(self.replacement(position, &residual(&p, shown), &p))
    }

    fn noise(&self, purpose: Purpose, position: u32) -> Noise {
        Noise { seed: self.seed, purpose, position }
    }

    fn own_token(&self, position: u32, target: &Tempered<'_>) -> TokenId {
        if self.temperature.value() == 0.0 {
            return target.top();
        }
        let noise = self.noise(Purpose::Target, position);
        noise.draw(target.ids(), |id| target.log_weight(id)).map_or(target.top(), TokenId)
    }

    /// The token that the p/q rule commits, `draft` if it is accepted; None: it is rejected, and its
    /// distribution withheld.
    fn judge(
        &self,
        position: u32,
        draft: TokenId,
        known: &Known<'_>,
        p: &[f64],
    ) -> Option<TokenId> {
        let probability = p.get(draft.0 as usize).copied().unwrap_or(0.0);
        if self.noise(Purpose::Acceptance, position).uniform() < known.acceptance(probability) {
            return Some(draft);
        }
        let weights = known.residual(p, draft)?;
        Some(self.replacement(position, &weights, p))
    }

    /// Draws from `weights`; from p if they are all zero: then p and q are equal up to rounding, or a
    /// peer has lied.
    fn replacement(&self, position: u32, weights: &[f64], p: &[f64]) -> TokenId {
        let uniform = self.noise(Purpose::Replacement, position).uniform();
        let drawn = draw(weights, uniform).or_else(|| draw(p, uniform));
        TokenId(drawn.expect("probabilities are not all zero"))
    }
}

/// What the target knows of the distribution q that a draft was drawn from.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Known<'a> {
    /// All of it, and q(d).
    Distribution(Encoded<'a>, f64),
    /// q(d) alone.
    Probability(f64),
    /// Nothing: it is taken as a point mass at d.
    Nothing,
}

impl<'a> Known<'a> {
    /// Reads what came with `draft`. What is malformed, or denies that d could be drawn, is worth
    /// nothing.
    pub(super) fn of(payload: Payload, evidence: Option<&'a Evidence>, draft: TokenId) -> Self {
        match (payload, evidence) {
            (Payload::Full | Payload::TopK(_), Some(Evidence::Distribution(blob))) => {
                match Encoded::read(payload, blob) {
                    Ok(shown) => match shown.probability(draft.0) {
                        q if q > 0.0 => Self::Distribution(shown, q),
                        _ => Self::Nothing,
                    },
                    Err(_) => Self::Nothing,
                }
            }
            // At 1 there is nothing to withhold: q is the point mass.
            (Payload::Lazy, Some(&Evidence::Probability(q))) if 0.0 < q && q < 1.0 => {
                Self::Probability(q)
            }
            _ => Self::Nothing,
        }
    }

    /// The probability of accepting d, whose probability in the target's distribution is `p`.
    pub(super) fn acceptance(&self, p: f64) -> f64 {
        match self {
            Self::Distribution(_, q) | Self::Probability(q) => (p / q).min(1.0),
            Self::Nothing => p,
        }
    }

    /// What d's replacement is drawn from, unnormalised; None: it is withheld.
    pub(super) fn residual(&self, p: &[f64], draft: TokenId) -> Option<Vec<f64>> {
        match self {
            Self::Distribution(shown, _) => Some(residual(p, *shown)),
            Self::Probability(_) => None,
            Self::Nothing => {
                let mut weights = p.to_vec();
                if let Some(weight) = weights.get_mut(draft.0 as usize) {
                    *weight = 0.0;
                }
                Some(weights)
            }
        }
    }
}

/// max(0, p - q) for each id of the target's vocabulary.
pub(super) fn residual(p: &[f64], q: Encoded<'_>) -> Vec<f64> {
    let mut weights = p.to_vec();
    for (id, q) in q.entries() {
        if let Some(weight) = weights.get_mut(id as usize) {
            *weight = (*weight - q).max(0.0);
        }
    }
    weights
}

/// The id whose share of the weights' sum covers `uniform`; None if every weight is zero.
fn draw(weights: &[f64], uniform: f64) -> Option<u32> {
    let mut left = uniform * weights.iter().sum::<f64>();
    let mut last = None;
    for (id, &weight) in (0..).zip(weights) {
        if weight > 0.0 {
            last = Some(id);
            left -= weight;
            if left < 0.0 {
                break;
            }
        }
    }
    // Rounding may leave a little after the last weight, to which it belongs.
    last
}
