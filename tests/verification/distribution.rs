//! The text has the target's distribution, by a test that catches rules that are a little wrong.

use pipesd_core::blob::Blob;
use pipesd_core::ids::TokenId;
use pipesd_core::payload::Payload;
use pipesd_core::verification::{Decision, Drafting, Evidence, Exactness, Sampling, Verification};

use crate::markov::{
    DRAFT, Round, TARGET, TEMPERATURE, TOKENS, VOCABULARY, by_the_rules, chi_square, decode,
    sampling, softmax,
};

const DRAFTINGS: [Drafting; 3] = [Drafting::Argmax, Drafting::Sampled, Drafting::Coupled];

/// The probability of a worse fit than that of a text judged by `judge`.
fn p_value(sampling: Sampling, judge: impl FnMut(&Round<'_>) -> Decision) -> f64 {
    let text = decode(sampling, TOKENS, judge);
    let (statistic, freedom, p_value) = chi_square(&text.tokens);
    println!("{:?}: chi-square {statistic:.1} at {freedom}, p = {p_value:.3}", sampling.terms);
    p_value
}

#[test]
fn every_exact_rule_gives_the_targets_distribution() {
    let mut seed = 100;
    for verification in [Verification::Match, Verification::Rejection] {
        for drafting in DRAFTINGS {
            for payload in [Payload::Full, Payload::Lazy, Payload::TopK(3), Payload::Ids] {
                if verification == Verification::Match && payload != Payload::Ids {
                    continue; // The same text: see below.
                }
                seed += 1;
                let sampling = sampling(verification, drafting, payload, seed);
                let p_value = p_value(sampling, |round| by_the_rules(sampling, round));
                match sampling.terms.exactness() {
                    Exactness::Exact => assert!(p_value > 1e-3, "{sampling:?}: {p_value}"),
                    Exactness::Approximate => assert!(p_value < 1e-9, "{sampling:?}: {p_value}"),
                }
            }
        }
    }
}

/// The token with the largest share of `weights` that is left after `uniform` of them.
fn pick(weights: &[f64], uniform: f64) -> TokenId {
    let mut left = uniform * weights.iter().sum::<f64>();
    let index = weights.iter().position(|weight| {
        left -= weight;
        left < 0.0
    });
    TokenId(index.expect("a uniform number below 1") as u32)
}

/// The rules, but a rejected draft's replacement is drawn from weights of p(x) and q(x).
fn replacing(sampling: Sampling, weight: fn(f64, f64) -> f64) -> f64 {
    let mut stream = pipesd_core::seed::Seed(9).stream("broken rule", 0);
    p_value(sampling, |round| {
        let mut decision = by_the_rules(sampling, round);
        let last = decision.tokens.len() - 1;
        if round.drafts.get(last).is_some_and(|draft| *draft != decision.tokens[last]) {
            let before = round.before(last);
            let p = softmax(&TARGET[before], TEMPERATURE);
            let q = softmax(&DRAFT[before], TEMPERATURE);
            let weights: Vec<f64> = p.iter().zip(&q).map(|(p, q)| weight(*p, *q)).collect();
            let uniform = stream.at(u64::from(round.start) + last as u64).uniform();
            decision.tokens[last] = pick(&weights, uniform);
        }
        decision
    })
}

#[test]
fn broken_rules_are_caught() {
    let sampling = sampling(Verification::Rejection, Drafting::Sampled, Payload::Full, 7);
    let right = replacing(sampling, |p, q| (p - q).max(0.0));
    assert!(right > 1e-3, "the harness itself breaks nothing: {right}");
    let without_max = replacing(sampling, |p, q| (p - q).abs());
    assert!(without_max < 1e-9, "{without_max}");
    let from_p = replacing(sampling, |p, _| p);
    assert!(from_p < 1e-9, "{from_p}");
}

#[test]
fn a_biased_q_and_a_draft_from_another_distribution_are_caught() {
    let sampling = sampling(Verification::Rejection, Drafting::Sampled, Payload::Lazy, 8);
    let biased = p_value(sampling, |round| {
        let evidence: Vec<Evidence> = round.evidence.iter().map(halve).collect();
        by_the_rules(sampling, &Round { evidence: &evidence, ..*round })
    });
    assert!(biased < 1e-9, "{biased}");
    // Drawn at another temperature than q is shown at.
    let mut edge = sampling;
    edge.temperature = pipesd_core::verification::Temperature::new(0.7).expect("in range");
    let text = decode(edge, TOKENS, |round| {
        let shown: Vec<_> = (0..round.drafts.len())
            .map(|index| sampling.propose(0, &DRAFT[round.before(index)]).1)
            .collect();
        let q = |index: usize| softmax(&DRAFT[round.before(index)], TEMPERATURE);
        let evidence: Vec<Evidence> = (0..round.drafts.len())
            .map(|index| Evidence::Probability(q(index)[round.drafts[index].0 as usize]))
            .collect();
        by_the_rules(sampling, &Round { evidence: &evidence, claims: &shown, ..*round })
    });
    let (.., other) = chi_square(&text.tokens);
    assert!(other < 1e-9, "{other}");
}

fn halve(evidence: &Evidence) -> Evidence {
    match evidence {
        Evidence::Probability(q) => Evidence::Probability(0.5 * q),
        Evidence::Distribution(blob) => Evidence::Distribution(blob.clone()),
    }
}

/// Evidence that is missing, of the wrong kind or malformed: the text stays the target's own.
#[test]
fn evidence_that_says_nothing_leaves_the_text_the_targets_own() {
    let empty = Evidence::Distribution(Blob::new([]));
    let zeros = Evidence::Distribution(Blob::new([0; 5 + 9 * VOCABULARY]));
    let wrong = [f64::NAN, f64::INFINITY, -0.5, 0.0, 7.0].map(Evidence::Probability);
    let cases = wrong.into_iter().chain([empty, zeros]).map(Some).chain([None]);
    for (seed, evidence) in (0..).zip(cases) {
        for payload in [Payload::Full, Payload::Lazy] {
            let sampling = sampling(Verification::Rejection, Drafting::Sampled, payload, seed);
            let p_value = p_value(sampling, |round| {
                let evidence: Vec<Evidence> =
                    evidence.iter().cycle().take(round.drafts.len()).cloned().collect();
                by_the_rules(sampling, &Round { evidence: &evidence, ..*round })
            });
            assert!(p_value > 1e-3, "{evidence:?}, {payload:?}: {p_value}");
        }
    }
}

#[test]
fn under_match_no_drafting_and_no_payload_changes_the_text() {
    let text = |drafting, payload, edge_seed| {
        let cloud = sampling(Verification::Match, drafting, payload, 3);
        let edge = Sampling { seed: edge_seed, ..cloud };
        decode(edge, 2000, |round| by_the_rules(cloud, round)).tokens
    };
    let own = text(Drafting::Argmax, Payload::Ids, 3);
    for drafting in DRAFTINGS {
        for payload in [Payload::Full, Payload::Lazy, Payload::TopK(2), Payload::Ids] {
            assert_eq!(text(drafting, payload, 3), own);
            assert_eq!(text(drafting, payload, 4), own, "another seed at the edge");
        }
    }
}

#[test]
fn lazy_and_full_rejection_commit_the_same_text() {
    for drafting in DRAFTINGS {
        let text = |payload| {
            let sampling = sampling(Verification::Rejection, drafting, payload, 5);
            decode(sampling, 2000, |round| by_the_rules(sampling, round)).tokens
        };
        assert_eq!(text(Payload::Full), text(Payload::Lazy));
    }
}

#[test]
fn at_temperature_zero_every_rule_commits_the_argmax() {
    for verification in [Verification::Match, Verification::Rejection] {
        for drafting in DRAFTINGS {
            for payload in [Payload::Full, Payload::Lazy, Payload::TopK(2), Payload::Ids] {
                let mut sampling = sampling(verification, drafting, payload, 6);
                sampling.temperature = <_>::default();
                let text = decode(sampling, 200, |round| by_the_rules(sampling, round)).tokens;
                for pair in text.windows(2) {
                    let row = TARGET[pair[0]];
                    let highest = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
                    let first = row.iter().position(|logit| *logit == highest);
                    assert_eq!(Some(pair[1]), first, "ties go to the lowest id");
                }
            }
        }
    }
}
