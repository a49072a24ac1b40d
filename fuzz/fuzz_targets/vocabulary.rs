//! The exchange about vocabularies that differ: none panics, and what decodes is encoded back to the same
//! bytes.

#![no_main]

use libfuzzer_sys::fuzz_target;
use pipesd_core::wire::{
    decode_vocabulary_block, decode_vocabulary_digest, decode_vocabulary_wanted,
    encode_vocabulary_block, encode_vocabulary_digest, encode_vocabulary_wanted,
};

fuzz_target!(|body: &[u8]| {
    let mut again = Vec::new();
    if let Ok(digest) = decode_vocabulary_digest(body) {
        encode_vocabulary_digest(&digest, &mut again);
        assert_eq!(body, again);
    }
    again.clear();
    if let Ok(index) = decode_vocabulary_wanted(body) {
        encode_vocabulary_wanted(index, &mut again);
        assert_eq!(body, again);
    }
    again.clear();
    if let Ok(block) = decode_vocabulary_block(body) {
        encode_vocabulary_block(&block, &mut again);
        assert_eq!(body, again);
    }
});
