//! A model of the llama architecture as a GGUF file, from weights by their Hugging Face names.
//!
//! Two things differ between the two worlds besides the names. llama.cpp rotates neighbouring numbers
//! of a query or key, Hugging Face numbers that are half a head apart: the rows of both projections
//! change places. And what is tied is not stored twice: without `lm_head.weight` there is no
//! `output.weight`, and llama.cpp takes the embeddings.

use std::collections::BTreeMap;
use std::io::Write;

use super::tokenizer::Tokenizer;
use super::{GgufError, Precision, Tensor, Value, Writer};

/// The sizes of a model.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Hyperparameters {
    /// Rows of the embedding table (`vocab_size`).
    pub vocabulary: u32,
    /// Numbers that stand for a token (`hidden_size`).
    pub embed: u32,
    /// Layers (`num_hidden_layers`).
    pub layers: u32,
    /// Query heads (`num_attention_heads`), each of `embed / heads` numbers.
    pub heads: u32,
    /// Key and value heads (`num_key_value_heads`).
    pub kv_heads: u32,
    /// Numbers inside the feed-forward network (`intermediate_size`).
    pub ffn: u32,
    /// Tokens that the model was made for (`max_position_embeddings`).
    pub context: u32,
    /// The base of the rotary embedding (`rope_theta`).
    pub rope_base: f32,
    /// Added under the root of a norm (`rms_norm_eps`).
    pub rms_epsilon: f32,
}

impl Hyperparameters {
    fn check(&self) -> Result<(), GgufError> {
        let Self { vocabulary, embed, layers, heads, kv_heads, ffn, context, .. } = *self;
        let sizes = [vocabulary, embed, layers, heads, kv_heads, ffn, context];
        let problem = if sizes.contains(&0) {
            format!("a size is 0: {self:?}")
        } else if !embed.is_multiple_of(heads) || !(embed / heads).is_multiple_of(2) {
            format!(
                "{heads} heads do not share {embed} numbers: each must get an even number of them"
            )
        } else if !heads.is_multiple_of(kv_heads) {
            format!("{kv_heads} key heads do not serve {heads} query heads equally")
        } else if !(self.rope_base > 1.0 && self.rope_base.is_finite()) {
            format!("a rotary base of {} is not over 1", self.rope_base)
        } else if !(self.rms_epsilon > 0.0 && self.rms_epsilon < 1.0) {
            format!("an RMS epsilon of {} is not between 0 and 1", self.rms_epsilon)
        } else {
            return Ok(());
        };
        Err(GgufError::Refused(problem))
    }
}

/// Weights as PyTorch holds them: row by row, the last dimension contiguous.
#[derive(Clone, Debug, PartialEq)]
pub struct Weight {
    /// Output dimension first.
    pub shape: Vec<usize>,
    /// Its numbers.
    pub data: Vec<f32>,
}

/// Writes a model: `weights` by their Hugging Face names (`model.embed_tokens.weight`,
/// `model.layers.0.self_attn.q_proj.weight`, …, `lm_head.weight` unless tied). Matrices get
/// `precision`, norms stay in single precision, as llama.cpp wants them.
///
/// # Errors
/// If a weight is missing, of another shape, not finite or unknown, if the tokenizer has more tokens
/// than the model, or if `out` cannot be written. The error names it.
pub fn write(
    out: &mut impl Write,
    name: &str,
    sizes: &Hyperparameters,
    weights: &BTreeMap<String, Weight>,
    tokenizer: &Tokenizer,
    precision: Precision,
) -> Result<(), GgufError> {
    sizes.check()?;
    let plan = plan(sizes, weights.contains_key(OUTPUT));
    if let Some(unknown) = weights.keys().find(|name| !plan.iter().any(|p| p.source == **name)) {
        let problem = format!("tensor {unknown}: the llama architecture has no such weights");
        return Err(GgufError::Refused(problem));
    }
    let mut writer = Writer::new("llama");
    metadata(&mut writer, name, sizes, precision);
    tokenizer.metadata(&mut writer, sizes.vocabulary)?;
    for planned in &plan {
        let Planned { source, shape, .. } = planned;
        let refused = |problem: String| GgufError::Refused(format!("tensor {source}: {problem}"));
        let weight = weights.get(source).ok_or_else(|| refused("missing".into()))?;
        if weight.shape != *shape {
            return Err(refused(format!("a shape of {:?} instead of {shape:?}", weight.shape)));
        }
        if weight.data.len() != shape.iter().product::<usize>() {
            let numbers = weight.data.len();
            return Err(refused(format!("{numbers} numbers do not fill {shape:?}")));
        }
        let data = match planned.rotated {
            None => weight.data.clone(),
            Some(heads) => neighbours(&weight.data, heads as usize, sizes.embed as usize),
        };
        let precision = if shape.len() == 1 { Precision::F32 } else { precision };
        let name = planned.name.clone();
        writer.tensor(Tensor { name, shape: shape.clone(), data, precision })?;
    }
    writer.write(out)
}

const OUTPUT: &str = "lm_head.weight";

fn metadata(writer: &mut Writer, name: &str, sizes: &Hyperparameters, precision: Precision) {
    writer.set("general.name", Value::String(name.into()));
    // llama.cpp's number of "mostly this type".
    let kind = if precision == Precision::F16 { 1 } else { 0 };
    writer.set("general.file_type", Value::U32(kind));
    for (key, value) in [
        ("vocab_size", sizes.vocabulary),
        ("context_length", sizes.context),
        ("embedding_length", sizes.embed),
        ("block_count", sizes.layers),
        ("feed_forward_length", sizes.ffn),
        ("attention.head_count", sizes.heads),
        ("attention.head_count_kv", sizes.kv_heads),
        ("rope.dimension_count", sizes.embed / sizes.heads),
    ] {
        writer.set(&format!("llama.{key}"), Value::U32(value));
    }
    writer.set("llama.rope.freq_base", Value::F32(sizes.rope_base));
    writer.set("llama.attention.layer_norm_rms_epsilon", Value::F32(sizes.rms_epsilon));
}

/// Where a tensor comes from.
struct Planned {
    /// Hugging Face's name.
    source: String,
    /// llama.cpp's name.
    name: String,
    shape: Vec<usize>,
    /// Of a query or key projection: its heads.
    rotated: Option<u32>,
}

/// Every tensor of the file, in its order.
fn plan(sizes: &Hyperparameters, has_output: bool) -> Vec<Planned> {
    let of = |size: u32| size as usize;
    let (vocabulary, embed, ffn) = (of(sizes.vocabulary), of(sizes.embed), of(sizes.ffn));
    let keys = embed / of(sizes.heads) * of(sizes.kv_heads);
    let (queries, kv) = (Some(sizes.heads), Some(sizes.kv_heads));
    let planned = |source: String, name: String, shape: &[usize], rotated| Planned {
        source: format!("{source}.weight"),
        name: format!("{name}.weight"),
        shape: shape.to_vec(),
        rotated,
    };
    let outside = |source: &str, name: &str, shape: &[usize]| {
        planned(source.into(), name.into(), shape, None)
    };
    let mut plan = vec![
        outside("model.embed_tokens", "token_embd", &[vocabulary, embed]),
        outside("model.norm", "output_norm", &[embed]),
    ];
    if has_output {
        plan.push(outside("lm_head", "output", &[vocabulary, embed]));
    }
    for layer in 0..sizes.layers {
        for (source, name, shape, rotated) in [
            ("input_layernorm", "attn_norm", &[embed][..], None),
            ("self_attn.q_proj", "attn_q", &[embed, embed], queries),
            ("self_attn.k_proj", "attn_k", &[keys, embed], kv),
            ("self_attn.v_proj", "attn_v", &[keys, embed], None),
            ("self_attn.o_proj", "attn_output", &[embed, embed], None),
            ("post_attention_layernorm", "ffn_norm", &[embed], None),
            ("mlp.gate_proj", "ffn_gate", &[ffn, embed], None),
            ("mlp.up_proj", "ffn_up", &[ffn, embed], None),
            ("mlp.down_proj", "ffn_down", &[embed, ffn], None),
        ] {
            let source = format!("model.layers.{layer}.{source}");
            plan.push(planned(source, format!("blk.{layer}.{name}"), shape, rotated));
        }
    }
    plan
}

/// The rows of a projection with the two halves of each head interleaved: what stood half a head apart
/// stands side by side.
fn neighbours(data: &[f32], heads: usize, columns: usize) -> Vec<f32> {
    let half = data.len() / columns / heads / 2;
    let mut out = Vec::with_capacity(data.len());
    for head in 0..heads {
        for pair in 0..half {
            for part in 0..2 {
                let row = (head * 2 + part) * half + pair;
                out.extend(&data[row * columns..(row + 1) * columns]);
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZES: Hyperparameters = Hyperparameters {
        vocabulary: 300,
        embed: 8,
        layers: 1,
        heads: 2,
        kv_heads: 1,
        ffn: 6,
        context: 16,
        rope_base: 1e4,
        rms_epsilon: 1e-5,
    };

    fn weights(sizes: &Hyperparameters, tied: bool) -> BTreeMap<String, Weight> {
        let weight = |planned: Planned| {
            let numbers = planned.shape.iter().product();
            (planned.source, Weight { shape: planned.shape, data: vec![0.5; numbers] })
        };
        plan(sizes, !tied).into_iter().map(weight).collect()
    }

    fn written(
        sizes: &Hyperparameters,
        weights: &BTreeMap<String, Weight>,
    ) -> Result<Vec<u8>, GgufError> {
        let mut file = Vec::new();
        let tokenizer = Tokenizer::bytes_only();
        write(&mut file, "test", sizes, weights, &tokenizer, Precision::F16)?;
        Ok(file)
    }

    #[test]
    fn rows_half_a_head_apart_become_neighbours() {
        // Two heads of four rows, one column.
        let rows = [0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0];
        assert_eq!(neighbours(&rows, 2, 1), [0.0, 2.0, 1.0, 3.0, 4.0, 6.0, 5.0, 7.0]);
    }

    #[test]
    fn what_is_tied_is_stored_once() {
        let has =
            |file: &[u8], name: &str| file.windows(name.len()).any(|at| at == name.as_bytes());
        for tied in [true, false] {
            let file = written(&SIZES, &weights(&SIZES, tied)).expect("a model");
            assert!(has(&file, "blk.0.attn_output.weight"));
            // The name with its length before it: `attn_output.weight` ends with it too.
            assert_eq!(has(&file, "\x0d\0\0\0\0\0\0\0output.weight"), !tied);
        }
    }

    #[test]
    fn a_weight_that_is_wrong_is_named() {
        const Q: &str = "model.layers.0.self_attn.q_proj.weight";
        type Change = fn(&mut BTreeMap<String, Weight>);
        let changes: [(Change, &str); 4] = [
            (|weights| drop(weights.remove(Q)), "missing"),
            (|weights| weights.get_mut(Q).expect("there").shape = vec![8, 7], "[8, 7]"),
            (|weights| weights.get_mut(Q).expect("there").data.truncate(9), "9 numbers"),
            (|weights| weights.get_mut(Q).expect("there").data[3] = f32::NAN, "NaN"),
        ];
        for (change, problem) in changes {
            let mut weights = weights(&SIZES, true);
            change(&mut weights);
            let error = written(&SIZES, &weights).expect_err("it is refused").to_string();
            let named = error.contains(Q) || error.contains("blk.0.attn_q.weight");
            assert!(named && error.contains(problem), "{error}");
        }
        let mut more = weights(&SIZES, true);
        let bias = Weight { shape: vec![8], data: vec![0.0; 8] };
        more.insert("model.layers.0.self_attn.q_proj.bias".into(), bias);
        let error = written(&SIZES, &more).expect_err("it is refused").to_string();
        assert!(error.contains("q_proj.bias"), "{error}");
    }

    #[test]
    fn sizes_that_do_not_fit_are_refused() {
        for sizes in [
            Hyperparameters { layers: 0, ..SIZES },
            Hyperparameters { heads: 3, ..SIZES },
            Hyperparameters { heads: 8, ..SIZES },
            Hyperparameters { heads: 4, kv_heads: 3, ..SIZES },
            Hyperparameters { rope_base: f32::NAN, ..SIZES },
            Hyperparameters { rms_epsilon: 0.0, ..SIZES },
            // Fewer rows than the tokenizer has tokens.
            Hyperparameters { vocabulary: 200, ..SIZES },
        ] {
            assert!(written(&sizes, &BTreeMap::new()).is_err(), "{sizes:?}");
        }
        let fewer = Hyperparameters { vocabulary: 200, ..SIZES };
        let error = written(&fewer, &weights(&fewer, true)).expect_err("it is refused").to_string();
        assert!(error.contains("200") && error.contains("257"), "{error}");
    }
}
