//! Parameters from `.safetensors`: one file, or shards that an index lists.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use safetensors::{Dtype, SafeTensors};
use serde_json::Value;
use tch::{Device, Kind, Tensor};

use super::config::DecoderConfig;
use super::error::{LoadError, read};

const WHOLE: &str = "model.safetensors";
const INDEX: &str = "model.safetensors.index.json";

/// What checkpoints hold besides: tables that are made anew here, and a head that is the embedding.
fn is_spare(name: &str, config: &DecoderConfig) -> bool {
    name.ends_with("rotary_emb.inv_freq")
        || (config.tie_word_embeddings && name == "lm_head.weight")
}

/// All parameters that `config` asks for, as `kind` (None: as the first is stored) on `device`. A tensor
/// that it does not ask for is an error: the model would be another.
pub(super) fn load(
    folder: &Path,
    config: &DecoderConfig,
    kind: Option<Kind>,
    device: Device,
) -> Result<BTreeMap<String, Tensor>, LoadError> {
    let mut by_file: BTreeMap<PathBuf, Vec<(String, Vec<i64>)>> = BTreeMap::new();
    let place = Place::of(folder)?;
    let shapes = config.shapes();
    let known: BTreeSet<String> = shapes.iter().map(|(name, _)| name.clone()).collect();
    for (name, shape) in shapes {
        by_file.entry(place.file(&name)?).or_default().push((name, shape));
    }
    let (mut parameters, mut kind) = (BTreeMap::new(), kind);
    for (file, wanted) in by_file {
        let bytes = read(&file)?;
        let tensors = SafeTensors::deserialize(&bytes)
            .map_err(|error| LoadError::content(&file, format!("no safetensors: {error}")))?;
        for (name, shape) in wanted {
            let tensor = tensor(&file, &tensors, &name, &shape)?;
            let kind = *kind.get_or_insert(tensor.kind());
            parameters.insert(name, tensor.to_kind(kind).to_device(device));
        }
        let unknown = |name: &&str| !known.contains(*name) && !is_spare(name, config);
        if let Some(name) = tensors.names().into_iter().find(unknown) {
            let problem =
                format!("tensor `{name}` has no place in the model that config.json says");
            return Err(LoadError::content(&file, problem));
        }
    }
    Ok(parameters)
}

fn tensor(
    file: &Path,
    tensors: &SafeTensors<'_>,
    name: &str,
    shape: &[i64],
) -> Result<Tensor, LoadError> {
    let view = tensors.tensor(name).map_err(|_| {
        LoadError::content(
            file,
            format!("tensor `{name}` is missing; its shape would be {shape:?}"),
        )
    })?;
    let found: Vec<i64> = view.shape().iter().map(|&length| length as i64).collect();
    if found != shape {
        let problem = format!("tensor `{name}` has shape {found:?}; config.json wants {shape:?}");
        return Err(LoadError::content(file, problem));
    }
    let kind = match view.dtype() {
        Dtype::F32 => Kind::Float,
        Dtype::F16 => Kind::Half,
        Dtype::BF16 => Kind::BFloat16,
        other => {
            let problem = format!("tensor `{name}` is of type {other:?}; known are F32, F16, BF16");
            return Err(LoadError::content(file, problem));
        }
    };
    Ok(Tensor::f_from_data_size(view.data(), shape, kind)?)
}

/// Where a folder's parameters are.
enum Place {
    Whole(PathBuf),
    Shards { index: PathBuf, folder: PathBuf, files: BTreeMap<String, String> },
}

impl Place {
    fn of(folder: &Path) -> Result<Self, LoadError> {
        let (whole, index) = (folder.join(WHOLE), folder.join(INDEX));
        if whole.exists() {
            return Ok(Self::Whole(whole));
        }
        if !index.exists() {
            let problem = format!("holds neither {WHOLE} nor {INDEX}");
            return Err(LoadError::content(folder, problem));
        }
        let content: Value = serde_json::from_slice(&read(&index)?)
            .map_err(|error| LoadError::content(&index, error.to_string()))?;
        let map = content["weight_map"].clone();
        let files = serde_json::from_value(map)
            .map_err(|error| LoadError::content(&index, format!("weight_map: {error}")))?;
        Ok(Self::Shards { index, folder: folder.to_owned(), files })
    }

    fn file(&self, name: &str) -> Result<PathBuf, LoadError> {
        match self {
            Self::Whole(file) => Ok(file.clone()),
            Self::Shards { index, folder, files } => {
                let missing =
                    || LoadError::content(index, format!("tensor `{name}` is not listed"));
                let file = Path::new(files.get(name).ok_or_else(missing)?);
                // A name, not a way out of the folder.
                if file.file_name() != Some(file.as_os_str()) {
                    let problem = format!("`{}` is not the name of a file", file.display());
                    return Err(LoadError::content(index, problem));
                }
                Ok(folder.join(file))
            }
        }
    }
}
