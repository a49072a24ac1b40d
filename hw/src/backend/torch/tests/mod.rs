//! The decoder against `transformers` (`reference.py`), and its sessions against themselves.
//!
//! | file | what |
//! |---|---|
//! | `golden.json` | logits of `transformers` for the `configs/`, by weights of [`weight`]'s formula |
//! | `reference` | whole texts, step by step, blocks, rollbacks, several sessions: all give those logits |
//! | `exact` | passes of a fixed shape: equal to the last bit, whatever else is evaluated |
//! | `folders` | what is read from disk, and what is refused with which words |

mod exact;
mod folders;
mod reference;

use std::collections::BTreeMap;

use pipesd_core::contract::VerifyBlock;
use pipesd_core::ids::{RoundId, SessionId, TokenId};
use serde::Deserialize;
use serde_json::Value;
use tch::{Device, Tensor};

use super::{Decoder, DecoderConfig, Options};

/// What `transformers` says of one config.
#[derive(Debug, Deserialize)]
struct Golden {
    /// Positions whose logits are kept.
    rows: Vec<usize>,
    /// Of the vocabulary, these ids.
    ids: Vec<usize>,
    /// By row, by id.
    logits: Vec<Vec<f32>>,
    /// The id with the largest logit, by row.
    largest: Vec<usize>,
    /// The mean of all logits, by row.
    mean: Vec<f64>,
}

#[derive(Debug, Deserialize)]
struct Spec {
    /// Length of the text.
    time: u32,
    config: Value,
}

/// One config with what is known of it.
#[derive(Debug)]
struct Case {
    config: DecoderConfig,
    text: Vec<TokenId>,
    golden: Golden,
}

fn case(name: &str) -> Case {
    let spec = match name {
        "deepseek-coder-1.3b-instruct" => include_str!("configs/deepseek-coder-1.3b-instruct.json"),
        "deepseek-coder-6.7b-instruct" => include_str!("configs/deepseek-coder-6.7b-instruct.json"),
        "llama" => include_str!("configs/llama.json"),
        "llama-2-7b" => include_str!("configs/llama-2-7b.json"),
        "llama-linear" => include_str!("configs/llama-linear.json"),
        "llama-llama3" => include_str!("configs/llama-llama3.json"),
        "llama-long" => include_str!("configs/llama-long.json"),
        "qwen2" => include_str!("configs/qwen2.json"),
        "tinyllama-1.1b-chat" => include_str!("configs/tinyllama-1.1b-chat.json"),
        _ => panic!("no config is named {name}"),
    };
    let spec: Spec = serde_json::from_str(spec).expect("a spec");
    let config = DecoderConfig::parse(&spec.config).expect("a config");
    let all: BTreeMap<String, Value> =
        serde_json::from_str(include_str!("golden.json")).expect("golden.json");
    let golden = serde_json::from_value(all[name].clone()).expect("a golden case");
    let id = |index| TokenId((u64::from(mixed(index, 7)) % config.vocab_size as u64) as u32);
    let text = (0..spec.time).map(id).collect();
    Case { config, text, golden }
}

/// 32 random bits of an index: `reference.py` has the same.
fn mixed(index: u32, salt: u32) -> u32 {
    let mut x = index.wrapping_mul(2_654_435_761).wrapping_add(salt);
    for _ in 0..2 {
        x ^= x >> 16;
        x = x.wrapping_mul(0x045D_9F3B);
    }
    x ^ (x >> 16)
}

fn weight(name: &str, shape: &[i64]) -> Tensor {
    let salt = name
        .bytes()
        .fold(0x811C_9DC5_u32, |salt, byte| (salt ^ u32::from(byte)).wrapping_mul(0x0100_0193));
    let (scale, offset) = match shape {
        [_] => (0.25, if name.ends_with("norm.weight") { 1.0 } else { 0.0 }),
        [_, inputs] => (2.0_f64.powf(-(*inputs as f64).sqrt().log2().round_ties_even()), 0.0),
        _ => unreachable!("weights are vectors and matrices"),
    };
    let number = |index| {
        let number = (mixed(index, salt) >> 8) as f32 / (1 << 23) as f32 - 1.0;
        number * scale as f32 + offset
    };
    let count: i64 = shape.iter().product();
    let numbers: Vec<f32> = (0..count as u32).map(number).collect();
    Tensor::from_slice(&numbers).view(shape)
}

fn decoder(config: &DecoderConfig) -> Decoder {
    let parameters = config.shapes().into_iter().map(|(name, shape)| {
        let tensor = weight(&name, &shape);
        (name, tensor)
    });
    Decoder::from_parameters(config, parameters.collect(), Device::Cpu)
}

const OPTIONS: Options = Options { threads: 1, fixed_block: None, context: 4096, vocabulary: None };

fn block(session: SessionId, keep: u32, feed: &[TokenId], drafts: &[TokenId]) -> VerifyBlock {
    let (feed, drafts) = (feed.to_vec(), drafts.to_vec());
    VerifyBlock { session, round: RoundId(0), keep, feed, drafts, evidence: Vec::new() }
}

impl Golden {
    /// How far logits `[vocabulary]` at a position are from the golden ones; nothing where none are kept.
    fn apart(&self, position: usize, logits: &[f32]) -> f64 {
        let Some(row) = self.rows.iter().position(|&row| row == position) else { return 0.0 };
        let kept = self.ids.iter().zip(&self.logits[row]);
        let apart = kept.map(|(&id, &golden)| f64::from((logits[id] - golden).abs()));
        let mean = logits.iter().copied().map(f64::from).sum::<f64>() / logits.len() as f64;
        let (largest, _) = (0..)
            .zip(logits)
            .reduce(|best, next| if next.1 > best.1 { next } else { best })
            .expect("a logit");
        assert_eq!(largest, self.largest[row], "position {position}");
        apart.fold((mean - self.mean[row]).abs(), f64::max)
    }
}
