//! libtorch: decoders of the Llama family from Hugging Face folders.
//!
//! | file | what |
//! |---|---|
//! | [`config`] | a decoder's shape, from `config.json` |
//! | `weights` | its parameters, from `.safetensors` |
//! | `rope` | rotary position embedding |
//! | [`decoder`] | the decoder, for training and for decoding |

pub mod config;
pub mod decoder;
mod error;
mod rope;
mod weights;

pub use self::config::{Architecture, DecoderConfig, RopeScaling};
pub use self::decoder::Decoder;
pub use self::error::LoadError;
