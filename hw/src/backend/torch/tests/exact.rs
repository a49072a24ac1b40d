//! Passes of a fixed shape: logits are equal to the last bit, whatever is evaluated together.

use pipesd_core::ids::{SessionId, TokenId};
use pipesd_core::verification::Sampling;

use super::{OPTIONS, case, decoder};
use crate::backend::torch::Options;
use crate::backend::torch::sessions::Sessions;

const ONE: SessionId = SessionId(1);

/// Logits after each token of a text but the prompt's first, evaluated in pieces of the given lengths.
fn rows(options: Options, lengths: &[usize]) -> Vec<f32> {
    let case = case("llama-llama3");
    let mut sessions = Sessions::new(decoder(&case.config), options).expect("sessions");
    sessions.prefill(ONE, &case.text[..3], &Sampling::greedy()).expect("a prompt");
    let mut rows = Vec::new();
    let mut at = 3;
    for length in lengths.iter().cycle() {
        let end = (at + length).min(case.text.len());
        let drafts = &case.text[at..end];
        let part = sessions.plan(ONE, at as u32 - 3, &[], drafts).expect("a plan");
        let mut found = sessions.evaluate(&[&part]).expect("rows").concat();
        // The first is of the token before, which was told already.
        rows.append(&mut found.split_off(case.config.vocab_size as usize));
        // Something else in between, that is rolled back.
        let part = sessions.plan(ONE, end as u32 - 3, &[TokenId(5); 2], &[]).expect("a plan");
        sessions.evaluate(&[&part]).expect("rows");
        at = end;
        if at == case.text.len() {
            return rows;
        }
    }
    unreachable!("lengths are given");
}

#[test]
fn a_fixed_block_gives_the_same_bits_however_a_text_is_cut() {
    let fixed = Options { fixed_block: Some(8), context: 128, ..OPTIONS };
    let reference = rows(fixed, &[1]);
    for lengths in [&[2_usize][..], &[7], &[8], &[31], &[1, 4, 13]] {
        let same = rows(fixed, lengths);
        assert_eq!(reference.len(), same.len());
        let differing = reference.iter().zip(&same).filter(|(a, b)| a.to_bits() != b.to_bits());
        assert_eq!(differing.count(), 0, "in pieces of {lengths:?}");
    }
    // It is the same model as in passes of any shape.
    let free = rows(OPTIONS, &[1]);
    let apart = reference.iter().zip(&free).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    assert!(apart < 1e-5, "{apart:e}");
}
