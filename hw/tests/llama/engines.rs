//! The same weights give the same logits in both engines, token by token and after rollbacks.

use std::collections::BTreeMap;

use pipesd_core::ids::TokenId;
use pipesd_hw::backend::llama::Arithmetic;
use pipesd_hw::backend::torch::{Decoder, DecoderConfig, Options, TorchTarget};
use pipesd_hw::backend::{Logits, TargetModel};
use serde_json::json;
use tch::{Device, Tensor};

use crate::support::{Dice, SESSION, SIZES, apart, options, plain, target, weights};

fn decoder() -> Decoder {
    let config = DecoderConfig::parse(&json!({
        "architectures": ["LlamaForCausalLM"],
        "vocab_size": SIZES.vocabulary,
        "hidden_size": SIZES.embed,
        "intermediate_size": SIZES.ffn,
        "num_hidden_layers": SIZES.layers,
        "num_attention_heads": SIZES.heads,
        "num_key_value_heads": SIZES.kv_heads,
        "max_position_embeddings": SIZES.context,
        "rope_theta": SIZES.rope_base,
        "rms_norm_eps": 1e-5,
        "tie_word_embeddings": true,
    }));
    let tensor = |(name, weight): (String, pipesd_hw::gguf::llama::Weight)| {
        let shape: Vec<i64> = weight.shape.iter().map(|&length| length as i64).collect();
        (name, Tensor::from_slice(&weight.data).view(shape.as_slice()))
    };
    let parameters: BTreeMap<String, Tensor> =
        weights(&SIZES, true).into_iter().map(tensor).collect();
    Decoder::from_parameters(&config.expect("a config"), parameters, Device::Cpu)
}

#[test]
fn llama_cpp_and_libtorch_agree() {
    let mut dice = Dice(17);
    let mut llama = target("engines", &options(1, Arithmetic::Exact));
    let torch = Options { threads: 1, fixed_block: None, context: 96, vocabulary: None };
    let mut torch = TorchTarget::new(decoder(), torch).expect("a target");
    let prompt = dice.tokens(5);
    llama.prefill(SESSION, &prompt, &plain()).expect("a prompt");
    torch.prefill(SESSION, &prompt, &plain()).expect("a prompt");
    let (mut have, mut furthest, mut largest) = (0, 0.0_f32, 0.0_f32);
    for _ in 0..60 {
        let keep = dice.below(have + 1).min(80) as u32;
        let count = dice.below(7);
        let feed: Vec<TokenId> = dice.tokens(count);
        let one = llama.logits(SESSION, keep, &feed).expect("logits");
        let other = torch.logits(SESSION, keep, &feed).expect("logits");
        furthest = furthest.max(apart(&one, &other));
        largest = one.iter().fold(largest, |largest, logit| largest.max(logit.abs()));
        have = keep as usize + feed.len();
    }
    println!("llama.cpp against libtorch: {furthest:e}, of logits up to {largest}");
    assert!(furthest < 1e-4 && largest > 1.0, "{furthest:e}, {largest}");
}
