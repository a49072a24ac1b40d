//! The shape of a decoder: what is read of a Hugging Face `config.json`, checked.

use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::error::{LoadError, read};

/// The families that are known. They differ in the biases of the attention projections.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Architecture {
    /// Llama, Llama 2 and 3, TinyLlama, DeepSeek-Coder.
    LlamaForCausalLM,
    /// Qwen2 and Qwen2.5: biases at the query, key and value projections.
    Qwen2ForCausalLM,
}

/// How positions are stretched beyond the length that a model was trained on.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum RopeScaling {
    /// Not at all.
    None,
    /// All positions divided by a factor (DeepSeek-Coder: 4).
    Linear {
        /// The factor.
        factor: f64,
    },
    /// Low frequencies divided by a factor, high ones left, those between interpolated (Llama 3.1).
    Llama3 {
        /// The factor.
        factor: f64,
        /// Wavelengths above `original / low` are low frequencies.
        low: f64,
        /// Wavelengths below `original / high` are high frequencies.
        high: f64,
        /// Positions that the model was first trained on.
        original: f64,
    },
}

/// The shape of a decoder.
#[derive(Clone, Debug, PartialEq)]
pub struct DecoderConfig {
    /// The family.
    pub architecture: Architecture,
    /// Ids, a padded tail included.
    pub vocab_size: i64,
    /// Width of the residual stream.
    pub hidden_size: i64,
    /// Width within an MLP.
    pub intermediate_size: i64,
    /// Layers.
    pub num_hidden_layers: i64,
    /// Query heads.
    pub num_attention_heads: i64,
    /// Key and value heads; divides the query heads.
    pub num_key_value_heads: i64,
    /// Width of a head; even.
    pub head_dim: i64,
    /// Added to the mean square before its root.
    pub rms_norm_eps: f64,
    /// Base of the rotary frequencies.
    pub rope_theta: f64,
    /// Stretching of positions.
    pub rope_scaling: RopeScaling,
    /// Whether the output projection is the embedding.
    pub tie_word_embeddings: bool,
    /// Positions that the model can tell apart.
    pub max_position_embeddings: i64,
    /// Biases at the query, key and value projections.
    pub attention_bias: bool,
    /// A bias at the attention's output projection.
    pub output_bias: bool,
}

impl DecoderConfig {
    /// Reads `config.json`.
    ///
    /// # Errors
    /// Names the file and what is unknown or impossible in it.
    pub fn load(file: &Path) -> Result<Self, LoadError> {
        let raw: Value = serde_json::from_slice(&read(file)?)
            .map_err(|error| LoadError::content(file, error.to_string()))?;
        Self::parse(&raw).map_err(|problem| LoadError::content(file, problem))
    }

    /// Makes sense of a `config.json`.
    ///
    /// # Errors
    /// What is missing, unknown or impossible.
    pub fn parse(raw: &Value) -> Result<Self, String> {
        let architecture = architecture(raw)?;
        let qwen = architecture == Architecture::Qwen2ForCausalLM;
        let heads = count(raw, "num_attention_heads")?;
        let hidden_size = count(raw, "hidden_size")?;
        refuse_unknown_parts(raw)?;
        let config = Self {
            architecture,
            vocab_size: count(raw, "vocab_size")?,
            hidden_size,
            intermediate_size: count(raw, "intermediate_size")?,
            num_hidden_layers: count(raw, "num_hidden_layers")?,
            num_attention_heads: heads,
            num_key_value_heads: optional(raw, "num_key_value_heads", count)?.unwrap_or(heads),
            head_dim: optional(raw, "head_dim", count)?.unwrap_or(hidden_size / heads.max(1)),
            rms_norm_eps: optional(raw, "rms_norm_eps", positive)?.unwrap_or(1e-6),
            rope_theta: rope_theta(raw)?,
            rope_scaling: rope_scaling(raw)?,
            tie_word_embeddings: optional(raw, "tie_word_embeddings", flag)?.unwrap_or(false),
            max_position_embeddings: optional(raw, "max_position_embeddings", count)?
                .unwrap_or(2048),
            attention_bias: qwen || optional(raw, "attention_bias", flag)?.unwrap_or(false),
            output_bias: !qwen && optional(raw, "attention_bias", flag)?.unwrap_or(false),
        };
        config.check()?;
        Ok(config)
    }

    fn check(&self) -> Result<(), String> {
        let (heads, shared, width) =
            (self.num_attention_heads, self.num_key_value_heads, self.head_dim);
        if heads % shared != 0 {
            return Err(format!("{heads} query heads cannot share {shared} key and value heads"));
        }
        if width % 2 != 0 || width == 0 {
            return Err(format!("head_dim is {width}; rotary embedding needs an even one"));
        }
        if let RopeScaling::Llama3 { low, high, .. } = self.rope_scaling
            && low >= high
        {
            return Err(format!("low_freq_factor {low} is not below high_freq_factor {high}"));
        }
        Ok(())
    }

    /// As a `config.json` that [`Self::parse`] and `transformers` read.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let (model_type, architecture) = match self.architecture {
            Architecture::LlamaForCausalLM => ("llama", "LlamaForCausalLM"),
            Architecture::Qwen2ForCausalLM => ("qwen2", "Qwen2ForCausalLM"),
        };
        let scaling = match self.rope_scaling {
            RopeScaling::None => Value::Null,
            RopeScaling::Linear { factor } => json!({ "type": "linear", "factor": factor }),
            RopeScaling::Llama3 { factor, low, high, original } => json!({
                "rope_type": "llama3",
                "factor": factor,
                "low_freq_factor": low,
                "high_freq_factor": high,
                "original_max_position_embeddings": original as i64,
            }),
        };
        json!({
            "architectures": [architecture],
            "model_type": model_type,
            "vocab_size": self.vocab_size,
            "hidden_size": self.hidden_size,
            "intermediate_size": self.intermediate_size,
            "num_hidden_layers": self.num_hidden_layers,
            "num_attention_heads": self.num_attention_heads,
            "num_key_value_heads": self.num_key_value_heads,
            "head_dim": self.head_dim,
            "hidden_act": "silu",
            "rms_norm_eps": self.rms_norm_eps,
            "rope_theta": self.rope_theta,
            "rope_scaling": scaling,
            "tie_word_embeddings": self.tie_word_embeddings,
            "max_position_embeddings": self.max_position_embeddings,
            "attention_bias": self.attention_bias && self.output_bias,
        })
    }

    /// Names and shapes of all parameters, as Hugging Face names them.
    #[must_use]
    pub fn shapes(&self) -> Vec<(String, Vec<i64>)> {
        let (hidden, inner) = (self.hidden_size, self.intermediate_size);
        let queries = self.num_attention_heads * self.head_dim;
        let shared = self.num_key_value_heads * self.head_dim;
        let mut shapes = vec![("model.embed_tokens.weight".into(), vec![self.vocab_size, hidden])];
        for layer in 0..self.num_hidden_layers {
            let mut add = |name: &str, shape: &[i64]| {
                shapes.push((format!("model.layers.{layer}.{name}"), shape.to_vec()));
            };
            add("input_layernorm.weight", &[hidden]);
            for (name, rows) in [("q", queries), ("k", shared), ("v", shared)] {
                add(&format!("self_attn.{name}_proj.weight"), &[rows, hidden]);
                if self.attention_bias {
                    add(&format!("self_attn.{name}_proj.bias"), &[rows]);
                }
            }
            add("self_attn.o_proj.weight", &[hidden, queries]);
            if self.output_bias {
                add("self_attn.o_proj.bias", &[hidden]);
            }
            add("post_attention_layernorm.weight", &[hidden]);
            add("mlp.gate_proj.weight", &[inner, hidden]);
            add("mlp.up_proj.weight", &[inner, hidden]);
            add("mlp.down_proj.weight", &[hidden, inner]);
        }
        shapes.push(("model.norm.weight".into(), vec![hidden]));
        if !self.tie_word_embeddings {
            shapes.push(("lm_head.weight".into(), vec![self.vocab_size, hidden]));
        }
        shapes
    }

    /// How many parameters there are.
    #[must_use]
    pub fn parameters(&self) -> i64 {
        self.shapes().iter().map(|(_, shape)| shape.iter().product::<i64>()).sum()
    }
}

fn architecture(raw: &Value) -> Result<Architecture, String> {
    let name = raw["architectures"][0].as_str().unwrap_or_default();
    match name {
        "LlamaForCausalLM" => Ok(Architecture::LlamaForCausalLM),
        "Qwen2ForCausalLM" => Ok(Architecture::Qwen2ForCausalLM),
        _ => Err(format!(
            "architecture `{name}` is unknown; known are LlamaForCausalLM and Qwen2ForCausalLM"
        )),
    }
}

/// What would make another model of the same numbers.
fn refuse_unknown_parts(raw: &Value) -> Result<(), String> {
    match raw["hidden_act"].as_str() {
        None | Some("silu") => {}
        Some(other) => return Err(format!("hidden_act is `{other}`; only silu is known")),
    }
    if raw["use_sliding_window"].as_bool() == Some(true) {
        return Err("use_sliding_window is set; only full attention is known".into());
    }
    if raw["mlp_bias"].as_bool() == Some(true) {
        return Err("mlp_bias is set; only an MLP without biases is known".into());
    }
    for key in ["quantization_config", "partial_rotary_factor"] {
        if !raw[key].is_null() {
            return Err(format!("{key} is set, which is not known here"));
        }
    }
    if raw["pretraining_tp"].as_i64().is_some_and(|ways| ways > 1) {
        return Err("pretraining_tp is above 1: its sums are in another order; set it to 1".into());
    }
    Ok(())
}

fn count(raw: &Value, key: &str) -> Result<i64, String> {
    match raw[key].as_i64() {
        Some(value @ 1..=1_000_000_000) => Ok(value),
        _ => Err(format!("{key} is {}; it should be a positive integer", raw[key])),
    }
}

fn positive(raw: &Value, key: &str) -> Result<f64, String> {
    match raw[key].as_f64() {
        Some(value) if value > 0.0 && value.is_finite() => Ok(value),
        _ => Err(format!("{key} is {}; it should be a positive number", raw[key])),
    }
}

fn flag(raw: &Value, key: &str) -> Result<bool, String> {
    raw[key].as_bool().ok_or_else(|| format!("{key} is {}; it should be true or false", raw[key]))
}

fn optional<T>(
    raw: &Value,
    key: &str,
    read: fn(&Value, &str) -> Result<T, String>,
) -> Result<Option<T>, String> {
    if raw[key].is_null() { Ok(None) } else { read(raw, key).map(Some) }
}

/// Newer files have all that is rotary in `rope_parameters`, older ones beside and in `rope_scaling`.
fn rope_theta(raw: &Value) -> Result<f64, String> {
    let newer = optional(&raw["rope_parameters"], "rope_theta", positive)?;
    Ok(newer.or(optional(raw, "rope_theta", positive)?).unwrap_or(10_000.0))
}

fn rope_scaling(raw: &Value) -> Result<RopeScaling, String> {
    let scaling = match [&raw["rope_parameters"], &raw["rope_scaling"]] {
        [Value::Null, Value::Null] => return Ok(RopeScaling::None),
        [scaling, Value::Null] | [Value::Null, scaling] => scaling,
        _ => return Err("rope_parameters and rope_scaling are both set; one is to be".into()),
    };
    let name = scaling["rope_type"].as_str().or(scaling["type"].as_str()).unwrap_or("default");
    match name {
        "default" => Ok(RopeScaling::None),
        "linear" => Ok(RopeScaling::Linear { factor: positive(scaling, "factor")? }),
        "llama3" => Ok(RopeScaling::Llama3 {
            factor: positive(scaling, "factor")?,
            low: positive(scaling, "low_freq_factor")?,
            high: positive(scaling, "high_freq_factor")?,
            original: positive(scaling, "original_max_position_embeddings")?,
        }),
        other => {
            Err(format!("rope scaling `{other}` is unknown; known are default, linear and llama3"))
        }
    }
}
