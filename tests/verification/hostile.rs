//! Whatever a peer or a broken model says: a decision within the vocabulary, or an error, never a panic.

use pipesd_core::blob::Blob;
use pipesd_core::ids::TokenId;
use pipesd_core::payload::Payload;
use pipesd_core::verification::{
    Drafting, Evidence, EvidenceError, Sampling, Temperature, Terms, Verification,
};
use proptest::prelude::*;

fn payloads() -> impl Strategy<Value = Payload> {
    let top = prop::sample::select(vec![0, 1, 3, u32::MAX]).prop_map(Payload::TopK);
    prop_oneof![Just(Payload::Full), Just(Payload::Lazy), top, Just(Payload::Ids)]
}

fn samplings() -> impl Strategy<Value = Sampling> {
    let verifications = prop::sample::select(vec![Verification::Match, Verification::Rejection]);
    let draftings =
        prop::sample::select(vec![Drafting::Argmax, Drafting::Sampled, Drafting::Coupled]);
    let temperatures = prop::sample::select(vec![0.0, 1e-300, 0.5, 1.0, 100.0]);
    (verifications, draftings, payloads(), temperatures, any::<u64>()).prop_map(
        |(verification, drafting, payload, temperature, seed)| {
            let temperature = Temperature::new(temperature).expect("in range");
            Sampling { terms: Terms { verification, drafting, payload }, temperature, seed }
        },
    )
}

fn logits() -> impl Strategy<Value = Vec<f32>> {
    let special = [f32::NEG_INFINITY, f32::INFINITY, f32::NAN, f32::MAX, f32::MIN, 0.0, -0.0];
    let logit = prop_oneof![
        4 => -10.0_f32..10.0,
        1 => prop::sample::select(special.to_vec()),
        1 => Just(f32::NEG_INFINITY),
    ];
    prop::collection::vec(logit, 1..20)
}

/// Distributions that are nearly right, and bytes that are nothing.
fn blobs() -> impl Strategy<Value = Blob> {
    let number = prop_oneof![
        6 => 0.0_f64..1.0,
        1 => prop::sample::select(vec![f64::NAN, f64::INFINITY, -1.0, 0.0, 1.0, 5e-324]),
    ];
    let whole = (prop::collection::vec(number, 0..24), any::<bool>()).prop_map(|(mut all, fix)| {
        let total: f64 = all.iter().sum();
        if fix {
            all.iter_mut().for_each(|number| *number /= total);
        }
        let mut bytes = vec![0xdd];
        bytes.extend((all.len() as u32).to_be_bytes());
        for number in all {
            bytes.push(0xcb);
            bytes.extend(number.to_be_bytes());
        }
        Blob::new(bytes)
    });
    let pairs = prop::collection::vec((0_u32..30, 0.0_f64..1.0), 1..4).prop_map(|pairs| {
        let total: f64 = pairs.iter().map(|(_, share)| share).sum();
        let mut bytes = Vec::new();
        for (id, share) in pairs {
            bytes.extend(id.to_be_bytes());
            bytes.push(0xcb);
            bytes.extend((share / total).to_be_bytes());
        }
        Blob::new(bytes)
    });
    let noise = prop::collection::vec(any::<u8>(), 0..60).prop_map(Blob::new);
    prop_oneof![whole, pairs, noise]
}

fn evidence() -> impl Strategy<Value = Evidence> {
    prop_oneof![
        blobs().prop_map(Evidence::Distribution),
        any::<f64>().prop_map(Evidence::Probability),
        (0.0_f64..1.0).prop_map(Evidence::Probability),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn any_evidence_leads_to_a_decision_within_the_vocabulary(
        sampling in samplings(),
        logits in logits(),
        start in prop::sample::select(vec![0, 17, u32::MAX]),
        drafts in prop::collection::vec(prop_oneof![0_u32..24, any::<u32>()], 0..5),
        evidence in prop::collection::vec(evidence(), 0..6),
        distribution in blobs(),
    ) {
        let drafts: Vec<TokenId> = drafts.into_iter().map(TokenId).collect();
        let decision = sampling.decide(start, &drafts, &evidence, |_| &logits);
        let vocabulary = logits.len() as u32;
        prop_assert!(decision.tokens.iter().all(|token| token.0 < vocabulary));
        prop_assert!(decision.tokens.len() <= drafts.len() + 1);
        // All but the last are accepted drafts; a withheld one comes after them.
        let accepted = decision.tokens.len() - usize::from(!decision.withheld);
        prop_assert_eq!(&decision.tokens[..accepted], &drafts[..accepted]);
        prop_assert!(!decision.withheld || sampling.terms.payload == Payload::Lazy);
        if let Ok(token) = sampling.replace(start, &logits, &distribution) {
            prop_assert!(token.0 < vocabulary);
        }
    }

    #[test]
    fn any_logits_lead_to_a_proposal_that_the_target_can_read(
        sampling in samplings(),
        logits in logits(),
        position: u32,
    ) {
        let (proposal, claim) = sampling.propose(position, &logits);
        prop_assert!((proposal.token.0 as usize) < logits.len());
        prop_assert!(0.0 < proposal.confidence && proposal.confidence <= 1.0);
        prop_assert_eq!(claim.is_none(), sampling.terms.payload == Payload::Ids);
        if let Some(claim) = claim {
            prop_assert!(0.0 < claim.probability && claim.probability <= 1.0);
            let shown = sampling.replace(position, &logits, &claim.distribution);
            prop_assert_eq!(shown.is_ok(), !matches!(sampling.terms.payload, Payload::TopK(_)));
        }
    }
}

#[test]
fn a_withheld_distribution_that_is_none_is_an_error_that_says_why() {
    let terms = Terms {
        verification: Verification::Rejection,
        drafting: Drafting::Sampled,
        payload: Payload::Lazy,
    };
    let sampling = Sampling { terms, temperature: Temperature::default(), seed: 0 };
    let error = sampling.replace(0, &[0.0, 1.0], &Blob::new([])).expect_err("nothing is shown");
    assert_eq!(error, EvidenceError::Malformed(0));
    assert!(error.to_string().contains("byte 0"), "{error}");
}
