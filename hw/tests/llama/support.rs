//! Tiny random models, written as GGUF files, whose weights are those of reference.py.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::BufWriter;
use std::path::{Path, PathBuf};

use pipesd_core::ids::{RoundId, SessionId, TokenId};
use pipesd_core::payload::Payload;
use pipesd_core::verification::{Drafting, Sampling, Temperature, Terms, Verification};
use pipesd_hw::backend::llama::{Arithmetic, LlamaDraft, LlamaTarget, Options};
use pipesd_hw::gguf::Precision;
use pipesd_hw::gguf::llama::{Hyperparameters, Weight, write};
use pipesd_hw::gguf::tokenizer::Tokenizer;

/// Of reference.py's models.
pub(crate) const SIZES: Hyperparameters = Hyperparameters {
    vocabulary: 320,
    embed: 32,
    layers: 2,
    heads: 4,
    kv_heads: 2,
    ffn: 64,
    context: 256,
    rope_base: 1e4,
    rms_epsilon: 1e-5,
};

/// reference.py's hash: numbers in [-0.5, 0.5).
fn hashed(name: &str, count: usize) -> Vec<f32> {
    let key = u64::from(crc32(name.as_bytes())) << 32;
    let number = |index: u64| {
        let mut x = index.wrapping_add(key).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        x ^= x >> 29;
        x = x.wrapping_mul(0xBF58_476D_1CE4_E5B9);
        x ^= x >> 32;
        (x >> 40) as f32 / (1 << 24) as f32 - 0.5
    };
    (0..count as u64).map(number).collect()
}

/// As in zlib.
fn crc32(bytes: &[u8]) -> u32 {
    let step = |crc: u32, _| (crc >> 1) ^ (0xEDB8_8320 & (crc & 1).wrapping_neg());
    !bytes.iter().fold(!0, |crc, byte| (0..8).fold(crc ^ u32::from(*byte), step))
}

/// The weights of reference.py by their Hugging Face names.
pub(crate) fn weights(sizes: &Hyperparameters, tied: bool) -> BTreeMap<String, Weight> {
    let of = |size: u32| size as usize;
    let (vocabulary, embed, ffn) = (of(sizes.vocabulary), of(sizes.embed), of(sizes.ffn));
    let keys = embed / of(sizes.heads) * of(sizes.kv_heads);
    let mut shapes = vec![
        ("model.embed_tokens".to_owned(), vec![vocabulary, embed]),
        ("model.norm".to_owned(), vec![embed]),
    ];
    if !tied {
        shapes.push(("lm_head".into(), vec![vocabulary, embed]));
    }
    for layer in 0..sizes.layers {
        for (name, shape) in [
            ("input_layernorm", vec![embed]),
            ("self_attn.q_proj", vec![embed, embed]),
            ("self_attn.k_proj", vec![keys, embed]),
            ("self_attn.v_proj", vec![keys, embed]),
            ("self_attn.o_proj", vec![embed, embed]),
            ("post_attention_layernorm", vec![embed]),
            ("mlp.gate_proj", vec![ffn, embed]),
            ("mlp.up_proj", vec![ffn, embed]),
            ("mlp.down_proj", vec![embed, ffn]),
        ] {
            shapes.push((format!("model.layers.{layer}.{name}"), shape));
        }
    }
    let weight = |(name, shape): (String, Vec<usize>)| {
        let name = format!("{name}.weight");
        let mut data = hashed(&name, shape.iter().product());
        if name.contains("norm") {
            data.iter_mut().for_each(|value| *value += 1.0);
        }
        (name, Weight { shape, data })
    };
    shapes.into_iter().map(weight).collect()
}

/// A file for this test alone.
pub(crate) fn place(name: &str) -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{}-{name}", std::process::id()))
}

/// Writes a model for the test `name`.
pub(crate) fn model(
    name: &str,
    sizes: &Hyperparameters,
    tied: bool,
    precision: Precision,
) -> PathBuf {
    let path = place(&format!("{name}.gguf"));
    let mut file = BufWriter::new(File::create(&path).expect("a file"));
    let tokenizer = Tokenizer::bytes_only();
    write(&mut file, name, sizes, &weights(sizes, tied), &tokenizer, precision).expect("a model");
    path
}

/// A small model whose file is gone once it is loaded.
pub(crate) fn target(name: &str, options: &Options) -> LlamaTarget {
    let path = model(name, &SIZES, true, Precision::F32);
    let target = LlamaTarget::load(&path, options).expect("it loads");
    std::fs::remove_file(path).expect("it is there");
    target
}

/// The same as a draft.
pub(crate) fn draft(name: &str, options: &Options) -> LlamaDraft {
    let path = model(name, &SIZES, true, Precision::F32);
    let draft = LlamaDraft::load(&path, options).expect("it loads");
    std::fs::remove_file(path).expect("it is there");
    draft
}

pub(crate) fn options(sessions: u32, arithmetic: Arithmetic) -> Options {
    Options { context: 96, sessions, arithmetic, ..Options::default() }
}

pub(crate) fn sampling(
    drafting: Drafting,
    verification: Verification,
    payload: Payload,
) -> Sampling {
    let terms = Terms { verification, drafting, payload };
    Sampling { terms, temperature: Temperature::new(0.7).expect("fine"), seed: 5 }
}

/// Match, ids only.
pub(crate) fn plain() -> Sampling {
    sampling(Drafting::Coupled, Verification::Match, Payload::Ids)
}

pub(crate) fn ids(tokens: &[u32]) -> Vec<TokenId> {
    tokens.iter().copied().map(TokenId).collect()
}

pub(crate) const SESSION: SessionId = SessionId(0);
pub(crate) const ROUND: RoundId = RoundId(0);

/// Numbers for tests, each below what is asked.
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    pub(crate) fn below(&mut self, limit: usize) -> usize {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % limit
    }

    pub(crate) fn tokens(&mut self, count: usize) -> Vec<TokenId> {
        (0..count).map(|_| TokenId(self.below(SIZES.vocabulary as usize) as u32)).collect()
    }
}

/// The largest difference between two rows.
pub(crate) fn apart(one: &[f32], other: &[f32]) -> f32 {
    assert_eq!(one.len(), other.len());
    one.iter().zip(other).map(|(one, other)| (one - other).abs()).fold(0.0, f32::max)
}
