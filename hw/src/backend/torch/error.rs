//! What can be wrong with a model on disk, in the words of whoever has to put it right.

use std::path::{Path, PathBuf};

/// Why a model was not loaded.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// A file is missing or cannot be read.
    #[error("{file}: {error}")]
    File {
        /// Which.
        file: PathBuf,
        /// Why.
        error: std::io::Error,
    },
    /// A file holds something else than it should.
    #[error("{file}: {problem}")]
    Content {
        /// Which.
        file: PathBuf,
        /// What is wrong, and what would be right.
        problem: String,
    },
    /// libtorch has refused.
    #[error("libtorch: {0}")]
    Torch(#[from] tch::TchError),
}

impl LoadError {
    pub(super) fn content(file: &Path, problem: impl Into<String>) -> Self {
        Self::Content { file: file.to_owned(), problem: problem.into() }
    }
}

/// Reads a file whole.
pub(super) fn read(file: &Path) -> Result<Vec<u8>, LoadError> {
    std::fs::read(file).map_err(|error| LoadError::File { file: file.to_owned(), error })
}
