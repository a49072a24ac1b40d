//! What can go wrong while a pair is made.

use core::fmt::Display;
use std::path::Path;

use crate::backend::ModelError;
use crate::backend::torch::LoadError;

/// Why a training has failed.
#[derive(Debug, thiserror::Error)]
pub enum TrainingError {
    /// A file cannot be read or written, or holds something else.
    #[error("{file}: {problem}")]
    File {
        /// Which.
        file: String,
        /// Why.
        problem: String,
    },
    /// The tokenizers library has failed.
    #[error("tokenizer: {0}")]
    Tokenizer(String),
    /// The loss is not a number any more.
    #[error("the loss of step {step} is not a number: the learning rate is too high")]
    Diverged {
        /// When.
        step: u32,
    },
    /// A model cannot be loaded again.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// A model cannot be evaluated.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// libtorch has failed.
    #[error("libtorch: {0}")]
    Torch(#[from] tch::TchError),
}

impl TrainingError {
    pub(super) fn file(file: &Path, problem: impl Display) -> Self {
        Self::File { file: file.display().to_string(), problem: problem.to_string() }
    }

    pub(super) fn tokenizer(error: impl Display) -> Self {
        Self::Tokenizer(error.to_string())
    }

    pub(super) fn no_end(token: &str) -> Self {
        Self::Tokenizer(format!("it has no token `{token}`"))
    }
}
