//! The same weights give the same logits in llama.cpp as in `transformers` (reference.py).

use pipesd_core::ids::TokenId;
use pipesd_hw::backend::llama::{Arithmetic, LlamaTarget, Options};
use pipesd_hw::backend::{Logits, TargetModel};
use pipesd_hw::gguf::Precision;
use pipesd_hw::gguf::llama::Hyperparameters;
use serde::Deserialize;

use crate::support::{SESSION, SIZES, ids, model, options, plain};

#[derive(Deserialize)]
struct Golden {
    tokens: Vec<u32>,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    tied: bool,
    rope_base: f32,
    /// The first ids' logits after each token.
    logits: Vec<Vec<f32>>,
    /// The most probable id after each token.
    top: Vec<u32>,
}

fn golden() -> Golden {
    serde_json::from_str(include_str!("golden.json")).expect("golden.json")
}

fn loaded(case: &Case, precision: Precision, options: &Options) -> LlamaTarget {
    let sizes = Hyperparameters { rope_base: case.rope_base, ..SIZES };
    let path = model(&format!("golden-{}-{precision:?}", case.tied), &sizes, case.tied, precision);
    let target = LlamaTarget::load(&path, options).expect("it loads");
    std::fs::remove_file(path).expect("it is there");
    target
}

/// The largest difference to the golden logits, and whether all tops agree.
fn difference(case: &Case, tokens: &[TokenId], target: &mut LlamaTarget) -> (f32, bool) {
    target.prefill(SESSION, &tokens[..1], &plain()).expect("a prompt");
    let (mut apart, mut tops) = (0.0_f32, true);
    for (index, (golden, top)) in case.logits.iter().zip(&case.top).enumerate() {
        // By blocks: the whole text again from its first token, each time one token longer.
        let row = target.logits(SESSION, 0, &tokens[1..=index]).expect("logits");
        apart = row.iter().zip(golden).map(|(a, b)| (a - b).abs()).fold(apart, f32::max);
        let best = (0..).zip(&row).max_by(|(_, a), (_, b)| a.total_cmp(b)).expect("logits");
        tops &= best.0 == *top;
    }
    (apart, tops)
}

#[test]
fn logits_are_those_of_transformers() {
    let Golden { tokens, cases } = golden();
    let tokens = ids(&tokens);
    assert_eq!(cases.len(), 2);
    for case in &cases {
        assert_eq!(case.logits.len(), tokens.len());
        for arithmetic in [Arithmetic::Exact, Arithmetic::OneByOne] {
            let mut target = loaded(case, Precision::F32, &options(1, arithmetic));
            let (apart, tops) = difference(case, &tokens, &mut target);
            println!("tied {}: {arithmetic:?} {apart:e}", case.tied);
            assert!(apart < 1e-4 && tops, "{arithmetic:?}: {apart:e}");
        }
    }
}

#[test]
fn half_precision_is_near_and_not_the_same() {
    // Weights of 11 bits; llama.cpp rounds what it multiplies them with to as many. Measured: 1.0e-2, of
    // logits of up to 4.
    let Golden { tokens, cases } = golden();
    let mut target = loaded(&cases[0], Precision::F16, &options(1, Arithmetic::Exact));
    let (apart, _) = difference(&cases[0], &ids(&tokens), &mut target);
    println!("half precision: {apart:e}");
    assert!((1e-5..3e-2).contains(&apart), "{apart:e}");
}
