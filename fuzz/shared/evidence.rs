//! What comes with a draft, and the distribution that is shown later: whatever the bytes are, the
//! target decides within its vocabulary.
//!
//! | bytes | |
//! |---|---|
//! | 1 | verification, drafting, payload and temperature, chosen by its bits |
//! | 1 | drafts |
//! | 1 | bytes of a distribution for each draft but the last, whose is the rest |
//! | rest | for each draft its id (1 byte) and, unless its probability alone goes up, its distribution |

use pipesd_core::blob::Blob;
use pipesd_core::ids::TokenId;
use pipesd_core::payload::Payload;
use pipesd_core::verification::{Drafting, Evidence, Sampling, Temperature, Terms, Verification};

/// Logits of a small vocabulary, some of them as a broken model's.
pub(crate) const LOGITS: [f32; 6] = [0.5, -1.0, 2.0, f32::NEG_INFINITY, f32::NAN, 1.5];

/// What was usable.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Done {
    /// Drafts that were accepted.
    pub(crate) accepted: usize,
    /// Distributions that a replacement was drawn with.
    pub(crate) replaced: usize,
}

/// Judges drafts by `input`. Panics if a rule does, or decides on an id without a logit.
pub(crate) fn judge(input: &[u8]) -> Done {
    let [how, count, length, rest @ ..] = input else { return Done::default() };
    let sampling = sampling(*how);
    let (drafts, evidence) = proposals(rest, usize::from(count % 8), usize::from(*length), *how);
    let decision = sampling.decide(u32::from(*count), &drafts, &evidence, |_| &LOGITS);
    assert!(decision.tokens.len() <= drafts.len() + 1, "{decision:?}");
    let agree = drafts.iter().zip(&decision.tokens).take_while(|(draft, token)| draft == token);
    let mut done = Done { accepted: agree.count(), replaced: 0 };
    for token in &decision.tokens {
        assert!((token.0 as usize) < LOGITS.len(), "{decision:?}");
    }
    for evidence in &evidence {
        let Evidence::Distribution(blob) = evidence else { continue };
        if let Ok(token) = sampling.replace(u32::from(*length), &LOGITS, blob) {
            assert!((token.0 as usize) < LOGITS.len(), "{token:?}");
            done.replaced += 1;
        }
    }
    done
}

fn sampling(how: u8) -> Sampling {
    let verification = if how & 1 == 0 { Verification::Rejection } else { Verification::Match };
    let drafting = [Drafting::Sampled, Drafting::Coupled][usize::from(how >> 1 & 1)];
    let payload = [Payload::Full, Payload::TopK(2), Payload::Lazy, Payload::Ids];
    let temperature = [1.0, 0.0, 0.3, Temperature::MAX][usize::from(how >> 4 & 3)];
    Sampling {
        terms: Terms { verification, drafting, payload: payload[usize::from(how >> 2 & 3)] },
        temperature: Temperature::new(temperature).expect("in range"),
        seed: u64::from(how),
    }
}

fn proposals(
    mut rest: &[u8],
    count: usize,
    length: usize,
    how: u8,
) -> (Vec<TokenId>, Vec<Evidence>) {
    let (mut drafts, mut evidence) = (Vec::new(), Vec::new());
    for index in 0..count {
        let Some((&id, after)) = rest.split_first() else { break };
        drafts.push(TokenId(u32::from(id)));
        let whole = index + 1 == count;
        let end = if whole { after.len() } else { length.min(after.len()) };
        let (bytes, after) = after.split_at(end);
        rest = after;
        // Bit 6: what the lazy payload sends.
        evidence.push(match bytes.first_chunk() {
            Some(bytes) if how & 64 != 0 => Evidence::Probability(f64::from_be_bytes(*bytes)),
            _ => Evidence::Distribution(Blob::new(bytes)),
        });
    }
    (drafts, evidence)
}
