//! Whether a text decoded with draft tokens has the distribution of the target's own.

use serde::{Deserialize, Serialize};

use super::{Drafting, Terms, Verification};
use crate::payload::Payload;

/// What the text's distribution is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Exactness {
    /// The target's own.
    Exact,
    /// Another one, close to it where the models agree. At temperature 0 it is the target's all the
    /// same.
    Approximate,
}

impl Terms {
    /// Whether the text has the target's own distribution, at any temperature.
    ///
    /// It does not where the p/q rule is told that an argmax draft was drawn from a distribution of
    /// more than one id, as in the paper's code.
    #[must_use]
    pub const fn exactness(&self) -> Exactness {
        match (self.verification, self.drafting, self.payload) {
            // The most probable id alone is what an argmax draft is drawn from.
            (Verification::Rejection, Drafting::Argmax, Payload::TopK(0 | 1)) => Exactness::Exact,
            (
                Verification::Rejection,
                Drafting::Argmax,
                Payload::Full | Payload::Lazy | Payload::TopK(_),
            ) => Exactness::Approximate,
            (Verification::Match, _, _)
            | (Verification::Rejection, Drafting::Sampled | Drafting::Coupled, _)
            | (Verification::Rejection, Drafting::Argmax, Payload::Ids) => Exactness::Exact,
        }
    }

    /// Whether token ids of argmax drafts, and of the target beside them, say all that these terms
    /// decide by. Other drafts are other ids, and the p/q rule asks for distributions.
    #[must_use]
    pub const fn decided_by_ids(&self) -> bool {
        matches!((self.verification, self.drafting), (Verification::Match, Drafting::Argmax))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::encoding::Encoded;
    use super::super::rules::{Known, residual};
    use super::super::tempered::Tempered;
    use super::super::{Evidence, Sampling, Temperature};
    use super::*;
    use crate::ids::TokenId;

    const VOCABULARY: usize = 4;
    /// A text of two tokens is joined by the block it begins with and the one after.
    const TEXT_TOKENS: u32 = 2;

    type Law = [f64; VOCABULARY];
    type Row = [f32; VOCABULARY];

    /// Two language models that look at one token back; the last row is that of an empty text.
    #[derive(Clone, Debug)]
    struct Models {
        target: [Row; VOCABULARY + 1],
        draft: [Row; VOCABULARY + 1],
    }

    fn law(logits: &Row) -> Law {
        Tempered::new(logits, 1.0).probabilities().try_into().expect("one for each id")
    }

    /// Probability of each draft, and what the target then does: (accepts, replacement's law).
    fn outcomes(terms: Terms, target: &Row, draft: &Row) -> Vec<(f64, f64, Law)> {
        let temperature = Temperature::new(1.0).expect("in range");
        let (proposal, claim) = Sampling { terms, temperature, seed: 0 }.propose(0, draft);
        let shown = claim.as_ref().map(|claim| {
            Encoded::read(terms.payload, &claim.distribution).expect("what is written is read")
        });
        let p = law(target);
        let of_draft = |id: u32| match (terms.drafting, &shown) {
            (Drafting::Argmax, _) => f64::from(u8::from(TokenId(id) == proposal.token)),
            // By the Gumbel-max trick, whosever noise it is.
            (Drafting::Sampled | Drafting::Coupled, Some(shown)) => shown.probability(id),
            (Drafting::Sampled | Drafting::Coupled, None) => law(draft)[id as usize],
        };
        let outcome = |id: u32| {
            let evidence = match (terms.payload, &claim, &shown) {
                (Payload::Lazy, _, Some(shown)) => {
                    Some(Evidence::Probability(shown.probability(id)))
                }
                (payload, Some(claim), _) => claim.evidence(payload),
                (_, None, _) => None,
            };
            let known = Known::of(terms.payload, evidence.as_ref(), TokenId(id));
            let accepts = known.acceptance(p[id as usize]);
            // What is withheld comes with the distribution.
            let weights = known.residual(&p, TokenId(id)).unwrap_or_else(|| {
                residual(&p, shown.expect("the lazy payload withholds what it has"))
            });
            let total: f64 = weights.iter().sum();
            let replacement =
                if total > 0.0 { core::array::from_fn(|x| weights[x] / total) } else { p };
            (of_draft(id), accepts, replacement)
        };
        (0..VOCABULARY as u32).map(outcome).collect()
    }

    /// A text under way: its last token, how likely it is, and drafts left in its block.
    #[derive(Clone, Copy)]
    struct Branch {
        last: usize,
        probability: f64,
        left: u32,
    }

    /// Adds up the probabilities of all texts that `branch` ends in; `text` numbers it so far.
    fn walk(
        (terms, models, block): (Terms, &Models, u32),
        branch: Branch,
        (text, tokens): (usize, u32),
        texts: &mut [f64],
    ) {
        let Branch { last, probability, left } = branch;
        if tokens == TEXT_TOKENS {
            texts[text] += probability;
            return;
        }
        let mut commit = |id: usize, share: f64, left: u32| {
            let branch = Branch { last: id, probability: probability * share, left };
            let text = (text * VOCABULARY + id, tokens + 1);
            walk((terms, models, block), branch, text, texts);
        };
        let own = law(&models.target[last]);
        if left == 0 || terms.verification == Verification::Match {
            // The target's own token: at the block's end, or wherever it is matched.
            (0..VOCABULARY).for_each(|id| commit(id, own[id], block));
            return;
        }
        let outcomes = outcomes(terms, &models.target[last], &models.draft[last]);
        for (id, (drafted, accepts, replacement)) in outcomes.into_iter().enumerate() {
            commit(id, drafted * accepts, left - 1);
            for (other, share) in replacement.into_iter().enumerate() {
                commit(other, drafted * (1.0 - accepts) * share, block);
            }
        }
    }

    /// Total variation between the texts decoded in blocks of `block` drafts and the target's own.
    fn distance(terms: Terms, models: &Models, block: u32) -> f64 {
        let mut texts = [0.0; VOCABULARY * VOCABULARY];
        let start = Branch { last: VOCABULARY, probability: 1.0, left: block };
        walk((terms, models, block), start, (0, 0), &mut texts);
        let first = law(&models.target[VOCABULARY]);
        let own = (0..texts.len()).map(|text| {
            let (a, b) = (text / VOCABULARY, text % VOCABULARY);
            first[a] * law(&models.target[a])[b]
        });
        texts.iter().zip(own).map(|(text, own)| (text - own).abs()).sum::<f64>() / 2.0
    }

    fn all_terms() -> Vec<Terms> {
        let mut all = Vec::new();
        for verification in [Verification::Match, Verification::Rejection] {
            for drafting in [Drafting::Argmax, Drafting::Sampled, Drafting::Coupled] {
                let top = [1, 2, 4, 9].map(Payload::TopK);
                for payload in [Payload::Full, Payload::Lazy, Payload::Ids].into_iter().chain(top) {
                    all.push(Terms { verification, drafting, payload });
                }
            }
        }
        all
    }

    fn models() -> impl Strategy<Value = Models> {
        let rows = || prop::array::uniform5(prop::array::uniform4(-1.0_f32..1.0));
        (rows(), rows()).prop_map(|(target, draft)| Models { target, draft })
    }

    proptest! {
        /// Every text of two tokens, over every draft, acceptance and replacement.
        #[test]
        fn enumeration_decides_every_label(models in models(), block in 1_u32..4) {
            for terms in all_terms() {
                let distance = distance(terms, &models, block);
                match terms.exactness() {
                    Exactness::Exact => prop_assert!(distance < 1e-12, "{terms:?}: {distance}"),
                    Exactness::Approximate => prop_assert!(distance > 1e-3, "{terms:?}: {distance}"),
                }
            }
        }
    }

    #[test]
    fn models_that_agree_leave_even_a_sampled_draft_as_it_is() {
        let rows = [[0.1, 0.9, -0.3, 0.0]; VOCABULARY + 1];
        let models = Models { target: rows, draft: rows };
        for terms in all_terms() {
            if terms.exactness() == Exactness::Exact {
                assert!(distance(terms, &models, 2) < 1e-12, "{terms:?}");
            }
        }
    }
}
