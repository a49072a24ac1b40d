//! Pairs: which draft stands for which target, and how they are asked.
//!
//! | file | what |
//! |---|---|
//! | `entry` | an entry of a pairs file: models, template, stop tokens, prompts |
//! | `prompts` | prompt files |
//! | `token_bytes` | what each id means, in bytes: from tokenizer.json |
//! | `vocabulary` | its hash, and where two vocabularies differ |
//! | `tokenizer` | prompts to ids, ids to text as they come |
//! | `open` | from an entry to models at work |
//! | `check` | what of a pair is there, and what is wrong with it |
//!
//! An edge has the draft, tokenizer.json and the prompts; a cloud has the target. Whether the two speak
//! of the same ids is asked when they connect, of what each has itself: see [`TokenBytes`].

mod check;
mod engines;
mod entry;
mod open;
mod prompts;
mod token_bytes;
mod tokenizer;
mod vocabulary;

use std::fmt::Display;
use std::path::Path;

pub use self::check::{Found, Piece};
pub use self::entry::{Dtype, Engine, ModelSpec, Pair, PairSpec, Place, Stop, parse};
pub use self::open::{Draft, Target};
pub use self::prompts::{Prompt, read_prompts};
pub use self::token_bytes::token_bytes;
pub use self::tokenizer::{TextStream, Tokenizer};
pub use self::vocabulary::{BLOCK, Difference, TokenBytes};

/// What is wrong with a pair's file: an entry, a prompt, a tokenizer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{place}: {problem}")]
pub struct PairError {
    /// The file, with a line if it has any.
    pub place: String,
    /// What is wrong, and what would be right.
    pub problem: String,
}

impl PairError {
    fn new(path: &Path, problem: impl Display) -> Self {
        Self { place: path.display().to_string(), problem: problem.to_string() }
    }
}

/// A whole text file.
fn read(path: &Path) -> Result<String, PairError> {
    std::fs::read_to_string(path)
        .map_err(|error| PairError::new(path, format!("cannot be read: {error}")))
}
