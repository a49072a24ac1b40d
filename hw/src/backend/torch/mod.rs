//! libtorch: decoders of the Llama family from Hugging Face folders.
//!
//! | file | what |
//! |---|---|
//! | [`config`] | a decoder's shape, from `config.json` |
//! | `weights` | its parameters, from `.safetensors` |
//! | `rope` | rotary position embedding |
//! | [`decoder`] | the decoder, for training and for decoding |
//! | `cache` | what a session's past tokens have left: keys and values |
//! | [`sessions`] | the decoder as draft and as target, with a cache for each session |

mod cache;
pub mod config;
pub mod decoder;
mod error;
mod rope;
pub mod sessions;
#[cfg(test)]
mod tests;
mod weights;

pub use self::config::{Architecture, DecoderConfig, RopeScaling};
pub use self::decoder::Decoder;
pub use self::error::LoadError;
pub use self::sessions::{Options, TorchDraft, TorchTarget};
