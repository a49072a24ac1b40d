//! How often drafts are accepted, by how they are chosen.

use pipesd_core::payload::Payload;
use pipesd_core::verification::{Drafting, Sampling, Verification};

use crate::markov::{
    DRAFT, TARGET, TEMPERATURE, TOKENS, VOCABULARY, by_the_rules, decode, sampling, softmax,
};

/// After one token: the share of drafts accepted, four standard errors of it, and both distributions.
struct Row {
    accepted: f64,
    error: f64,
    p: Vec<f64>,
    q: Vec<f64>,
}

impl Row {
    fn total_variation(&self) -> f64 {
        self.p.iter().zip(&self.q).map(|(p, q)| (p - q).abs()).sum::<f64>() / 2.0
    }

    fn is(&self, expected: f64) {
        assert!((self.accepted - expected).abs() < self.error, "{} {expected}", self.accepted);
    }
}

fn rows(verification: Verification, drafting: Drafting, payload: Payload, edge: u64) -> Vec<Row> {
    let cloud = sampling(verification, drafting, payload, 21);
    let text = decode(Sampling { seed: edge, ..cloud }, TOKENS, |round| by_the_rules(cloud, round));
    let of_row = |row: usize| {
        let (tested, accepted) = text.tested[row];
        assert!(tested > 1000, "{tested} drafts tested after token {row}");
        Row {
            accepted: f64::from(accepted) / f64::from(tested),
            error: 4.0 * 0.5 / f64::from(tested).sqrt(),
            p: softmax(&TARGET[row], TEMPERATURE),
            q: softmax(&DRAFT[row], TEMPERATURE),
        }
    };
    (0..VOCABULARY).map(of_row).collect()
}

#[test]
fn an_argmax_draft_is_accepted_with_the_targets_probability_of_it() {
    let ids = Payload::Ids;
    for verification in [Verification::Match, Verification::Rejection] {
        for (row, logits) in rows(verification, Drafting::Argmax, ids, 21).iter().zip(DRAFT) {
            let highest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
            let draft = logits.iter().position(|logit| *logit == highest).expect("a logit");
            row.is(row.p[draft]);
        }
    }
}

#[test]
fn a_sampled_draft_meets_the_targets_token_by_chance() {
    for row in rows(Verification::Match, Drafting::Sampled, Payload::Ids, 21) {
        row.is(row.p.iter().zip(&row.q).map(|(p, q)| p * q).sum());
    }
}

/// Daliri, Musco, Suresh (2024), "Coupling without communication and drafter-invariant speculative
/// decoding": with shared Gumbel noise the tokens agree with probability at least (1 - D)/(1 + D); no
/// coupling reaches more than 1 - D.
#[test]
fn a_coupled_draft_is_accepted_within_the_published_bounds() {
    for row in rows(Verification::Match, Drafting::Coupled, Payload::Ids, 21) {
        let d = row.total_variation();
        assert!(row.accepted > (1.0 - d) / (1.0 + d) - row.error, "{} at {d}", row.accepted);
        assert!(row.accepted < 1.0 - d + row.error, "{} at {d}", row.accepted);
    }
}

#[test]
fn noise_of_another_seed_costs_a_coupled_draft_its_acceptance() {
    let accepted = |edge| {
        let rows = rows(Verification::Match, Drafting::Coupled, Payload::Ids, edge);
        rows.iter().map(|row| row.accepted).sum::<f64>() / rows.len() as f64
    };
    let (same, other) = (accepted(21), accepted(22));
    assert!(same > other + 0.3, "{same} {other}");
    for row in rows(Verification::Match, Drafting::Coupled, Payload::Ids, 22) {
        row.is(row.p.iter().zip(&row.q).map(|(p, q)| p * q).sum());
    }
}

#[test]
fn rejection_accepts_as_much_as_any_rule_can() {
    for drafting in [Drafting::Sampled, Drafting::Coupled] {
        for payload in [Payload::Full, Payload::Lazy] {
            for row in rows(Verification::Rejection, drafting, payload, 21) {
                row.is(1.0 - row.total_variation());
            }
        }
    }
}
