//! Files of a trained decoder: a Hugging Face folder for libtorch, a GGUF file for llama.cpp.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::Path;

use tch::{Device, Kind, Tensor};

use super::TrainingError;
use super::tokenizer::END;
use crate::backend::torch::Decoder;
use crate::gguf::Precision;
use crate::gguf::llama::{Hyperparameters, Weight, write};
use crate::gguf::tokenizer::Tokenizer;

/// Writes `config.json`, `model.safetensors` (in `kind`) and `tokenizer.json`.
///
/// # Errors
/// If a file cannot be written.
pub fn folder(
    decoder: &Decoder,
    tokenizer_json: &str,
    kind: Kind,
    folder: &Path,
) -> Result<(), TrainingError> {
    std::fs::create_dir_all(folder).map_err(|error| TrainingError::file(folder, error))?;
    let put = |name: &str, text: &str| {
        let path = folder.join(name);
        std::fs::write(&path, text).map_err(|error| TrainingError::file(&path, error))
    };
    let mut config = decoder.config().to_json();
    let stored = if kind == Kind::Half { "float16" } else { "float32" };
    config["torch_dtype"] = stored.into();
    put("config.json", &format!("{config:#}\n"))?;
    put("tokenizer.json", tokenizer_json)?;
    let parameters: Vec<(String, Tensor)> = decoder
        .named_parameters()
        .into_iter()
        .map(|(name, tensor)| (name, tensor.detach().to_kind(kind)))
        .collect();
    Ok(Tensor::write_safetensors(&parameters, folder.join("model.safetensors"))?)
}

/// Writes a GGUF file.
///
/// # Errors
/// If it cannot be written.
pub fn gguf(
    decoder: &Decoder,
    tokenizer_json: &str,
    name: &str,
    precision: Precision,
    path: &Path,
) -> Result<(), TrainingError> {
    let wrong = |error: &dyn core::fmt::Display| TrainingError::file(path, error);
    let tokenizer = Tokenizer::from_json(tokenizer_json, END, None).map_err(|e| wrong(&e))?;
    let config = decoder.config();
    let size = |number: i64| u32::try_from(number).expect("sizes are checked when they are read");
    let sizes = Hyperparameters {
        vocabulary: size(config.vocab_size),
        embed: size(config.hidden_size),
        layers: size(config.num_hidden_layers),
        heads: size(config.num_attention_heads),
        kv_heads: size(config.num_key_value_heads),
        ffn: size(config.intermediate_size),
        context: size(config.max_position_embeddings),
        rope_base: config.rope_theta as f32,
        rms_epsilon: config.rms_norm_eps as f32,
    };
    let mut weights = BTreeMap::new();
    for (name, tensor) in decoder.named_parameters() {
        let shape = tensor.size().iter().map(|&length| length as usize).collect();
        let flat = tensor.detach().to_kind(Kind::Float).to_device(Device::Cpu).view(-1);
        weights.insert(name, Weight { shape, data: Vec::try_from(flat)? });
    }
    let file = File::create(path).map_err(|error| wrong(&error))?;
    let mut out = BufWriter::new(file);
    write(&mut out, name, &sizes, &weights, &tokenizer, precision).map_err(|e| wrong(&e))?;
    out.flush().map_err(|error| wrong(&error))
}
