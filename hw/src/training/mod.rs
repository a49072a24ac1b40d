//! Makes the pair of models that ships with the project: a corpus, a tokenizer, two decoders trained on
//! it, and their files (`pipesd models train`).
//!
//! | file | what |
//! |---|---|
//! | [`corpus`] | tasks with answers that can be checked, from a seed |
//! | `tokenizer` | byte-level BPE, learned from the corpus |
//! | `data`, `trainer` | windows of the corpus, and the training of one decoder on them |
//! | `evaluate` | exact match, acceptance, confidence |
//! | `export` | Hugging Face folders and GGUF files |
//! | `pair` | all of it, from a seed to a folder |
//!
//! All but the corpus needs libtorch (feature `torch`).

pub mod corpus;
#[cfg(feature = "torch")]
mod data;
#[cfg(feature = "torch")]
pub mod evaluate;
#[cfg(feature = "torch")]
pub mod export;
#[cfg(feature = "torch")]
pub mod pair;
#[cfg(feature = "torch")]
pub mod tokenizer;
#[cfg(feature = "torch")]
pub mod trainer;

#[cfg(feature = "torch")]
mod error;

#[cfg(feature = "torch")]
pub use self::error::TrainingError;
