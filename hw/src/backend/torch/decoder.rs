//! The decoder itself: one definition, used with a tape for training and with a cache for decoding.
//!
//! Whoever runs it says how queries meet keys and values (`Decoder::hidden`): a batch of whole texts
//! attends within itself, a cached session to what it has kept. All else is by token, so that tokens of
//! several sessions go through the projections together, whatever their lengths.

use std::collections::BTreeMap;
use std::path::Path;

use tch::{Device, Kind, Tensor};

use super::config::DecoderConfig;
use super::error::LoadError;
use super::rope::Rope;
use super::weights;

/// Standard deviation of a random weight, as `transformers` initialises.
const INITIAL_SD: f64 = 0.02;

/// A Llama-family decoder with its parameters.
#[derive(Debug)]
pub struct Decoder {
    config: DecoderConfig,
    embedding: Tensor,
    layers: Vec<Layer>,
    norm: Tensor,
    /// The embedding, where the two are tied.
    head: Tensor,
    rope: Rope,
}

#[derive(Debug)]
struct Layer {
    input_norm: Tensor,
    query: Linear,
    key: Linear,
    value: Linear,
    output: Linear,
    post_norm: Tensor,
    gate: Linear,
    up: Linear,
    down: Linear,
}

#[derive(Debug)]
struct Linear {
    weight: Tensor,
    bias: Option<Tensor>,
}

impl Linear {
    fn apply(&self, input: &Tensor) -> Tensor {
        input.linear(&self.weight, self.bias.as_ref())
    }
}

/// Queries, keys and values of one layer, positions turned in: `[..., heads, head_dim]`, keys and
/// values with their own count of heads.
#[derive(Debug)]
pub(super) struct Heads {
    pub(super) layer: usize,
    pub(super) query: Tensor,
    pub(super) key: Tensor,
    pub(super) value: Tensor,
}

impl Heads {
    /// Those of `rows` tokens from `at` on, where they are `[tokens, heads, head_dim]`.
    pub(super) fn rows(&self, at: i64, rows: i64) -> Self {
        let [query, key, value] =
            [&self.query, &self.key, &self.value].map(|heads| heads.narrow(0, at, rows));
        Self { layer: self.layer, query, key, value }
    }
}

impl Decoder {
    /// Random parameters from a seed: normal with standard deviation .02, those that write to the
    /// residual stream smaller with depth (Radford et al. 2019). It seeds libtorch's global generator.
    #[must_use]
    pub fn random(config: &DecoderConfig, seed: i64, kind: Kind, device: Device) -> Self {
        tch::manual_seed(seed);
        let depth = (2.0 * config.num_hidden_layers as f64).sqrt();
        let parameters = config.shapes().into_iter().map(|(name, shape)| {
            let options = (Kind::Float, device);
            let tensor = if name.contains("norm") {
                Tensor::ones(&shape, options)
            } else if name.ends_with("bias") {
                Tensor::zeros(&shape, options)
            } else {
                let residual = name.contains("o_proj") || name.contains("down_proj");
                let sd = if residual { INITIAL_SD / depth } else { INITIAL_SD };
                Tensor::randn(&shape, options) * sd
            };
            (name, tensor.to_kind(kind))
        });
        let parameters = parameters.collect();
        Self::from_parameters(config, parameters, device)
    }

    /// Reads a Hugging Face folder: `config.json` and one or several `.safetensors`. `kind` None: held in
    /// what the embedding is stored in.
    ///
    /// # Errors
    /// Names the file, and what in it is missing, unknown or misshapen.
    pub fn load(folder: &Path, kind: Option<Kind>, device: Device) -> Result<Self, LoadError> {
        let config = DecoderConfig::load(&folder.join("config.json"))?;
        let parameters = weights::load(folder, &config, kind, device)?;
        Ok(Self::from_parameters(&config, parameters, device))
    }

    /// Of parameters by their Hugging Face names.
    ///
    /// # Panics
    /// If one is missing.
    #[must_use]
    pub fn from_parameters(
        config: &DecoderConfig,
        mut parameters: BTreeMap<String, Tensor>,
        device: Device,
    ) -> Self {
        let mut take = |name: &str| parameters.remove(name);
        let must =
            |found: Option<Tensor>| found.expect("the caller has all of the config's shapes");
        let embedding = must(take("model.embed_tokens.weight"));
        let layers = (0..config.num_hidden_layers).map(|layer| {
            let name = |part: &str| format!("model.layers.{layer}.{part}");
            let mut linear = |part: &str| Linear {
                weight: must(take(&name(&format!("{part}.weight")))),
                bias: take(&name(&format!("{part}.bias"))),
            };
            Layer {
                query: linear("self_attn.q_proj"),
                key: linear("self_attn.k_proj"),
                value: linear("self_attn.v_proj"),
                output: linear("self_attn.o_proj"),
                gate: linear("mlp.gate_proj"),
                up: linear("mlp.up_proj"),
                down: linear("mlp.down_proj"),
                input_norm: must(take(&name("input_layernorm.weight"))),
                post_norm: must(take(&name("post_attention_layernorm.weight"))),
            }
        });
        let layers = layers.collect();
        let head = if config.tie_word_embeddings {
            embedding.shallow_clone()
        } else {
            must(take("lm_head.weight"))
        };
        let norm = must(take("model.norm.weight"));
        let rope = Rope::new(config, device);
        Self { config: config.clone(), embedding, layers, norm, head, rope }
    }

    /// The shape.
    #[must_use]
    pub const fn config(&self) -> &DecoderConfig {
        &self.config
    }

    /// Where the parameters are.
    #[must_use]
    pub fn device(&self) -> Device {
        self.embedding.device()
    }

    /// What the parameters are held in.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.embedding.kind()
    }

    /// All parameters by their Hugging Face names, in the order of [`DecoderConfig::shapes`]; a tied head
    /// is not told twice. They share their memory with the decoder.
    #[must_use]
    pub fn named_parameters(&self) -> Vec<(String, Tensor)> {
        let mut named = BTreeMap::new();
        let mut add = |name: String, tensor: &Tensor| named.insert(name, tensor.shallow_clone());
        add("model.embed_tokens.weight".into(), &self.embedding);
        add("model.norm.weight".into(), &self.norm);
        add("lm_head.weight".into(), &self.head);
        for (number, layer) in self.layers.iter().enumerate() {
            let name = |part: &str| format!("model.layers.{number}.{part}");
            add(name("input_layernorm.weight"), &layer.input_norm);
            add(name("post_attention_layernorm.weight"), &layer.post_norm);
            for (part, linear) in [
                ("self_attn.q_proj", &layer.query),
                ("self_attn.k_proj", &layer.key),
                ("self_attn.v_proj", &layer.value),
                ("self_attn.o_proj", &layer.output),
                ("mlp.gate_proj", &layer.gate),
                ("mlp.up_proj", &layer.up),
                ("mlp.down_proj", &layer.down),
            ] {
                add(name(&format!("{part}.weight")), &linear.weight);
                if let Some(bias) = &linear.bias {
                    add(name(&format!("{part}.bias")), bias);
                }
            }
        }
        let shapes = self.config.shapes();
        shapes.into_iter().filter_map(|(name, _)| named.remove_entry(&name)).collect()
    }

    /// Writes the parameters to a `.safetensors` file, as they are held.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn save(&self, file: &Path) -> Result<(), LoadError> {
        Ok(Tensor::write_safetensors(&self.named_parameters(), file)?)
    }

    /// Logits `[batch, time, vocabulary]` of a batch of whole texts `[batch, time]` (ids), each token
    /// attending to those before it and to itself. A tape is kept where the parameters want one.
    pub fn forward(&self, ids: &Tensor) -> Tensor {
        let time = ids.size()[1];
        let device = self.device();
        let positions = Tensor::arange(time, (Kind::Int64, device)).expand_as(ids);
        let future = Tensor::ones([time, time], (Kind::Bool, device)).triu(1);
        let hidden = self.hidden(ids, &positions, &mut |heads: Heads| {
            let query = heads.query.transpose(1, 2);
            let [key, value] = [heads.key, heads.value].map(|shared| {
                let heads = self.config.num_attention_heads / self.config.num_key_value_heads;
                shared.transpose(1, 2).repeat_interleave_self_int(heads, 1, None)
            });
            attention(&query, &key, &value, &future).transpose(1, 2)
        });
        self.logits(&hidden)
    }

    /// The last hidden states `[..., hidden]` of tokens `[...]` at their `positions`. `attend` is given
    /// each layer's heads and returns what its queries have found: `[..., heads, head_dim]`.
    pub(super) fn hidden(
        &self,
        ids: &Tensor,
        positions: &Tensor,
        attend: &mut dyn FnMut(Heads) -> Tensor,
    ) -> Tensor {
        let DecoderConfig { num_attention_heads, num_key_value_heads, head_dim, .. } = self.config;
        let turns = self.rope.turns(positions, self.kind());
        let split = |tensor: Tensor, heads: i64| {
            let mut shape = ids.size();
            shape.extend([heads, head_dim]);
            tensor.view(shape.as_slice())
        };
        let mut stream = Tensor::embedding(&self.embedding, ids, -1, false, false);
        for (number, layer) in self.layers.iter().enumerate() {
            let normed = self.normed(&stream, &layer.input_norm);
            let found = attend(Heads {
                layer: number,
                query: turns.apply(&split(layer.query.apply(&normed), num_attention_heads)),
                key: turns.apply(&split(layer.key.apply(&normed), num_key_value_heads)),
                value: split(layer.value.apply(&normed), num_key_value_heads),
            });
            // New tensors, not sums in place: the tape still needs the old.
            stream = &stream + layer.output.apply(&found.flatten(-2, -1));
            let normed = self.normed(&stream, &layer.post_norm);
            let gated = layer.gate.apply(&normed).silu() * layer.up.apply(&normed);
            stream = &stream + layer.down.apply(&gated);
        }
        stream
    }

    /// Logits `[..., vocabulary]` (f32) of hidden states.
    pub(super) fn logits(&self, hidden: &Tensor) -> Tensor {
        let normed = self.normed(hidden, &self.norm);
        normed.linear(&self.head, None::<&Tensor>).to_kind(Kind::Float)
    }

    /// Root-mean-square norm, taken in f32.
    fn normed(&self, stream: &Tensor, weight: &Tensor) -> Tensor {
        let wide = stream.to_kind(Kind::Float);
        let square = (&wide * &wide).mean_dim(-1, true, Kind::Float);
        let normed = wide * (square + self.config.rms_norm_eps).rsqrt();
        weight * normed.to_kind(stream.kind())
    }
}

/// What queries `[..., queries, head_dim]` find in keys and values `[..., keys, head_dim]`, of which they
/// do not see those that are `hidden` (`[queries, keys]`, true: hidden). Weights are taken in f32.
pub(super) fn attention(query: &Tensor, key: &Tensor, value: &Tensor, hidden: &Tensor) -> Tensor {
    let width = *query.size().last().expect("heads have a width") as f64;
    let scores = query.matmul(&key.transpose(-2, -1)) / width.sqrt();
    let scores = scores.masked_fill(hidden, f64::NEG_INFINITY);
    scores.softmax(-1, Kind::Float).to_kind(value.kind()).matmul(value)
}
