//! Whether the logits of a text depend on how it was cut into decodes.

use pipesd_core::ids::TokenId;
use pipesd_hw::backend::llama::{Arithmetic, LlamaTarget};
use pipesd_hw::backend::{Logits, TargetModel};

use crate::support::{Dice, SESSION, apart, options, plain, target};

/// The largest difference of logits after the same text, fed in blocks of 1 and of `size`.
fn by_size(target: &mut LlamaTarget, text: &[TokenId], size: usize) -> f32 {
    let mut row = |size: usize| {
        target.prefill(SESSION, &text[..1], &plain()).expect("a prompt");
        let mut keep = 0;
        let mut last = Vec::new();
        for block in text[1..].chunks(size) {
            last = target.logits(SESSION, keep, block).expect("logits");
            keep += block.len() as u32;
        }
        last
    };
    apart(&row(1), &row(size))
}

#[test]
fn blocks_change_the_last_digits_unless_tokens_are_decoded_one_by_one() {
    let text = Dice(3).tokens(65);
    for arithmetic in [Arithmetic::Fast, Arithmetic::Exact, Arithmetic::OneByOne] {
        let mut target = target(&format!("blocks-{arithmetic:?}"), &options(1, arithmetic));
        let sizes = [2, 3, 4, 8, 16, 64];
        let apart = sizes.map(|size| by_size(&mut target, &text, size));
        println!("{arithmetic:?}: blocks of {sizes:?} against single tokens: {apart:?}");
        let bound = match arithmetic {
            Arithmetic::Fast => 5e-2,
            Arithmetic::Exact => 1e-4,
            Arithmetic::OneByOne => 0.0,
        };
        assert!(apart.iter().all(|apart| *apart <= bound), "{arithmetic:?}: {apart:?}");
    }
}
