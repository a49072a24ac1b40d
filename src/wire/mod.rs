//! Messages as bytes: a compact, versioned encoding of all that the two ends say to each other.
//! Sans-IO; docs/wire-format.md gives it byte by byte.
//!
//! One message is one frame: the length of its body (`u32`, little-endian; the transport's part) and
//! the body. A body says what it is in its first byte, spends 2 to 4 bytes on a token id, and about
//! 18 on the rest of an upload.
//!
//! **Distrust.** Bytes come from strangers. Every length, count and id is checked against [`Limits`]
//! and against the bytes that are there before anything is made of it; decoding never panics, and
//! allocates at most [`MEMORY_FACTOR`] bytes for each byte of the body. The encoding is canonical:
//! what decodes is the one encoding of what it decodes to (a probe's is, given its padding).
//!
//! Deliberately absent: sockets, streams, the frame's length prefix, and the contents of a
//! distribution, which the rules of `verification` encode and check.

mod decode;
mod encode;
mod error;
mod hello;
mod layout;
mod reader;
mod vocabulary;
mod writer;

use serde::{Deserialize, Serialize};

pub use self::decode::decode;
pub use self::encode::encode;
pub use self::error::WireError;
pub use self::hello::{
    ClientHello, HELLO_BYTES_MAX, Refusal, ServerHello, Vocabulary, decode_client_hello,
    decode_server_hello, encode_client_hello, encode_server_hello,
};
pub use self::vocabulary::{
    VOCABULARY_BLOCK, VOCABULARY_BYTES_MAX, VOCABULARY_MAX, VocabularyBlock, VocabularyDigest,
    decode_vocabulary_block, decode_vocabulary_digest, decode_vocabulary_wanted,
    encode_vocabulary_block, encode_vocabulary_digest, encode_vocabulary_wanted,
};
use crate::message::Request;

/// The version of the protocol that is spoken here. Any change of bytes that an older end could not
/// decode, or would understand otherwise, raises it: docs/wire-format.md says which do.
pub const VERSION: u16 = 2;

/// Bytes of memory that decoding allocates for each byte of a body, at most.
pub const MEMORY_FACTOR: usize = 32;

/// Bounds on what is decoded. What a peer sends beyond them is an error, whatever it means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Body of a frame \[bytes\].
    pub frame_bytes_max: u32,
    /// Prompt of a request \[tokens\].
    pub prompt_tokens_max: u32,
    /// Budget of a request \[tokens\].
    pub budget_max: u32,
    /// Stop ids of a request.
    pub stop_ids_max: u32,
    /// Largest token id: the vocabulary's size less one, where it is known.
    pub token_id_max: u32,
    /// One distribution \[bytes\].
    pub distribution_bytes_max: u32,
    /// Measurements in a verdict.
    pub reports_max: u32,
}

impl Default for Limits {
    /// Room for what honest ends say. A whole draft distribution over 32 256 ids has 290 309 bytes: a
    /// frame carries 115 of them.
    fn default() -> Self {
        Self {
            frame_bytes_max: 32 << 20,
            prompt_tokens_max: 1 << 17,
            budget_max: 1 << 20,
            stop_ids_max: 64,
            token_id_max: u32::MAX,
            distribution_bytes_max: 16 << 20,
            reports_max: 128,
        }
    }
}

impl Limits {
    /// The same limits for a vocabulary of `size` ids: no other id passes. A size of 0 means that it
    /// is not known.
    #[must_use]
    pub const fn with_vocabulary(self, size: u32) -> Self {
        match size.checked_sub(1) {
            Some(token_id_max) => Self { token_id_max, ..self },
            None => self,
        }
    }

    /// Whether a peer with these limits will take the request: to be asked where a user's request
    /// comes in, since a peer that gets what it does not take ends the connection.
    ///
    /// # Errors
    /// What is beyond them.
    pub fn check_request(&self, request: &Request) -> Result<(), WireError> {
        let count = |ids: &[crate::ids::TokenId]| ids.len() as u64;
        layout::PROMPT.check(count(&request.prompt), 1, self.prompt_tokens_max)?;
        layout::STOP_IDS.check(count(&request.stop_ids), 0, self.stop_ids_max)?;
        layout::BUDGET.check(request.budget.into(), 1, self.budget_max)?;
        layout::TEXT.check(count(&request.text), 0, request.budget - 1)?;
        let ids = request.prompt.iter().chain(&request.stop_ids).chain(&request.text);
        for id in ids {
            layout::TOKEN_ID.check(id.0.into(), 0, self.token_id_max)?;
        }
        Ok(())
    }
}
