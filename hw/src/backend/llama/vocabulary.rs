//! What the ids of a GGUF file mean.

use std::path::Path;

use llama_cpp_2::token::LlamaToken;
use llama_cpp_2::token_type::LlamaTokenAttr;
use pipesd_core::ids::TokenId;

use super::{ModelError, load};

/// The vocabulary of a GGUF file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Vocabulary {
    /// What each id stands for, in bytes, whichever way the file writes it: byte-level BPE's stand-ins
    /// and SentencePiece's `▁` and `<0x0A>` are undone; special and added tokens are their names.
    pub tokens: Vec<Vec<u8>>,
    /// The end of a text.
    pub eos: Option<TokenId>,
    /// The end of a turn, of models that talk.
    pub eot: Option<TokenId>,
}

/// Reads the vocabulary of a GGUF file, without its weights.
///
/// # Errors
/// If it cannot be read; the error names the file.
pub fn vocabulary(path: &Path) -> Result<Vocabulary, ModelError> {
    let model = load::model(path, 0, true)?;
    let vocabulary = model.vocab();
    let bytes = |token: LlamaToken| {
        let kinds = vocabulary.attr(token);
        if kinds.contains(LlamaTokenAttr::Unused) {
            // Which llama.cpp writes as nothing.
            return vocabulary.text(token).map_or(Vec::new(), |text| text.to_bytes().to_vec());
        }
        vocabulary.token_to_piece(token, true, None)
    };
    let id = |LlamaToken(id)| u32::try_from(id).ok().map(TokenId);
    Ok(Vocabulary {
        tokens: vocabulary.tokens().map(bytes).collect(),
        eos: id(vocabulary.eos()),
        eot: id(vocabulary.eot()),
    })
}
