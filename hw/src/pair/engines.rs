//! The engines that this program was built with, behind one face. What a model's engine is, its entry says.

use std::path::Path;

use super::PairError;
use super::entry::{Engine, ModelSpec};
use super::open::{Draft, Target};
use super::token_bytes::token_bytes;
use super::vocabulary::TokenBytes;
use crate::backend::ModelError;

/// What a session of a model may come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Bounds {
    /// Tokens of a session; None: as many as the model was made for.
    pub(super) context: Option<u32>,
    /// Ids that the pair uses: logits end there.
    pub(super) vocabulary: u32,
    /// Logits do not depend, to the last bit, on how many tokens are evaluated together: libtorch evaluates
    /// this many rows each time, llama.cpp one token.
    pub(super) fixed_block: Option<u32>,
}

/// Sessions that a target of llama.cpp holds at a time: the cache is shared out among them beforehand.
pub(super) const LLAMA_TARGET_SESSIONS: u32 = 8;

#[cfg(not(all(feature = "llama", feature = "torch")))]
fn absent(engine: Engine) -> ModelError {
    ModelError::Refused(format!("this program has no engine `{}`", engine.name()))
}

#[cfg(feature = "llama")]
mod llama {
    use super::{Bounds, ModelError, ModelSpec, PairError, Path, TokenBytes};
    use crate::backend::llama::{Arithmetic, LlamaDraft, LlamaTarget, Options, trained_context};

    fn options(
        path: &Path,
        spec: &ModelSpec,
        bounds: Bounds,
        sessions: u32,
    ) -> Result<Options, ModelError> {
        let context = match bounds.context {
            Some(context) => context,
            None => trained_context(path)?,
        };
        Ok(Options {
            threads: spec.threads,
            context,
            sessions,
            arithmetic: if bounds.fixed_block.is_some() {
                Arithmetic::OneByOne
            } else {
                Arithmetic::Exact
            },
            gpu_layers: 0,
            vocabulary: Some(bounds.vocabulary),
        })
    }

    /// An edge decodes one request after another; of the one before a step may still be under way.
    pub(super) fn draft(
        path: &Path,
        spec: &ModelSpec,
        bounds: Bounds,
    ) -> Result<LlamaDraft, ModelError> {
        LlamaDraft::load(path, &options(path, spec, bounds, 2)?)
    }

    pub(super) fn target(
        path: &Path,
        spec: &ModelSpec,
        bounds: Bounds,
    ) -> Result<LlamaTarget, ModelError> {
        LlamaTarget::load(path, &options(path, spec, bounds, super::LLAMA_TARGET_SESSIONS)?)
    }

    pub(super) fn bytes(path: &Path, size: u32) -> Result<TokenBytes, PairError> {
        let vocabulary =
            crate::backend::llama::vocabulary(path).map_err(|error| PairError::new(path, error))?;
        let found = vocabulary.tokens.len();
        if found < size as usize {
            let problem = format!("{found} tokens; the pair's entry says that {size} are used");
            return Err(PairError::new(path, problem));
        }
        Ok(TokenBytes::new(vocabulary.tokens.into_iter().take(size as usize)))
    }
}

#[cfg(feature = "torch")]
mod torch {
    use super::{Bounds, ModelError, ModelSpec, Path};
    use crate::backend::torch::{Decoder, Options, TorchDraft, TorchTarget};
    use crate::pair::entry::{Dtype, Place};

    fn load(
        path: &Path,
        spec: &ModelSpec,
        bounds: Bounds,
    ) -> Result<(Decoder, Options), ModelError> {
        let refused = |problem: String| ModelError::Refused(problem);
        let device = match spec.device {
            Place::Cpu => tch::Device::Cpu,
            Place::Cuda if tch::Cuda::is_available() => tch::Device::Cuda(0),
            Place::Cuda => {
                return Err(refused(
                    "device = \"cuda\": this libtorch finds no GPU (`pipesd doctor`); \
                     device = \"cpu\" does without"
                        .into(),
                ));
            }
        };
        let kind = match spec.dtype {
            Dtype::AsStored => None,
            Dtype::F32 => Some(tch::Kind::Float),
            Dtype::Bf16 => Some(tch::Kind::BFloat16),
            Dtype::F16 => Some(tch::Kind::Half),
        };
        let decoder =
            Decoder::load(path, kind, device).map_err(|error| refused(error.to_string()))?;
        let longest = u32::try_from(decoder.config().max_position_embeddings).unwrap_or(u32::MAX);
        let options = Options {
            threads: i32::try_from(spec.threads).unwrap_or(i32::MAX),
            fixed_block: bounds.fixed_block,
            context: bounds.context.unwrap_or(longest),
            vocabulary: Some(bounds.vocabulary),
        };
        Ok((decoder, options))
    }

    pub(super) fn draft(
        path: &Path,
        spec: &ModelSpec,
        bounds: Bounds,
    ) -> Result<TorchDraft, ModelError> {
        let (decoder, options) = load(path, spec, bounds)?;
        TorchDraft::new(decoder, options)
    }

    pub(super) fn target(
        path: &Path,
        spec: &ModelSpec,
        bounds: Bounds,
    ) -> Result<TorchTarget, ModelError> {
        let (decoder, options) = load(path, spec, bounds)?;
        TorchTarget::new(decoder, options)
    }
}

pub(super) fn llama_bytes(path: &Path, size: u32) -> Result<TokenBytes, PairError> {
    #[cfg(feature = "llama")]
    return llama::bytes(path, size);
    #[cfg(not(feature = "llama"))]
    {
        let _ = size;
        Err(PairError::new(path, absent(Engine::Llama)))
    }
}

pub(super) fn torch_bytes(folder: &Path, size: u32) -> Result<TokenBytes, PairError> {
    token_bytes(&folder.join("tokenizer.json"), size)
}

/// A draft of an engine other than the tables.
pub(super) fn draft(
    path: &Path,
    spec: &ModelSpec,
    bounds: Bounds,
) -> Result<Box<dyn Draft>, ModelError> {
    match spec.engine {
        #[cfg(feature = "llama")]
        Engine::Llama => Ok(Box::new(llama::draft(path, spec, bounds)?)),
        #[cfg(feature = "torch")]
        Engine::Torch => Ok(Box::new(torch::draft(path, spec, bounds)?)),
        #[cfg(not(all(feature = "llama", feature = "torch")))]
        other => {
            let _ = (path, bounds);
            Err(absent(other))
        }
        #[cfg(all(feature = "llama", feature = "torch"))]
        Engine::Table => unreachable!("tables are opened where they are made"),
    }
}

/// A target of an engine other than the tables.
pub(super) fn target(
    path: &Path,
    spec: &ModelSpec,
    bounds: Bounds,
) -> Result<Box<dyn Target>, ModelError> {
    match spec.engine {
        #[cfg(feature = "llama")]
        Engine::Llama => Ok(Box::new(llama::target(path, spec, bounds)?)),
        #[cfg(feature = "torch")]
        Engine::Torch => Ok(Box::new(torch::target(path, spec, bounds)?)),
        #[cfg(not(all(feature = "llama", feature = "torch")))]
        other => {
            let _ = (path, bounds);
            Err(absent(other))
        }
        #[cfg(all(feature = "llama", feature = "torch"))]
        Engine::Table => unreachable!("tables are opened where they are made"),
    }
}
