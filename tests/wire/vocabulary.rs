//! The exchange about vocabularies that differ: what comes back, and what is refused.

use pipesd_core::wire::{
    VOCABULARY_BLOCK, VOCABULARY_BYTES_MAX, VOCABULARY_MAX, VocabularyBlock, VocabularyDigest,
    WireError, decode_vocabulary_block, decode_vocabulary_digest, decode_vocabulary_wanted,
    encode_vocabulary_block, encode_vocabulary_digest, encode_vocabulary_wanted,
};
use proptest::collection::vec;
use proptest::prelude::*;

use crate::samples;

fn digest(digest: &VocabularyDigest) -> Vec<u8> {
    let mut body = Vec::new();
    encode_vocabulary_digest(digest, &mut body);
    body
}

fn block(block: &VocabularyBlock) -> Vec<u8> {
    let mut body = Vec::new();
    encode_vocabulary_block(block, &mut body);
    body
}

fn any_block() -> impl Strategy<Value = VocabularyBlock> {
    let tokens = vec(vec(any::<u8>(), 0..127), 0..40);
    (0..VOCABULARY_MAX / VOCABULARY_BLOCK, tokens)
        .prop_map(|(index, tokens)| VocabularyBlock { index, tokens })
}

proptest! {
    #[test]
    fn it_arrives_as_it_was_sent_whole_or_not_at_all(
        hashes in vec(any::<u64>(), 1..20),
        less in 0..VOCABULARY_BLOCK,
        sent in any_block(),
        more in any::<u8>(),
    ) {
        let size = hashes.len() as u32 * VOCABULARY_BLOCK - less;
        let digest_sent = VocabularyDigest { size, blocks: hashes };
        let mut body = digest(&digest_sent);
        prop_assert_eq!(decode_vocabulary_digest(&body), Ok(digest_sent));
        prop_assert!(decode_vocabulary_digest(&body[..body.len() - 1]).is_err());
        body.push(more);
        prop_assert!(decode_vocabulary_digest(&body).is_err());
        let mut body = block(&sent);
        for length in 0..body.len() {
            prop_assert!(decode_vocabulary_block(&body[..length]).is_err(), "{} bytes", length);
        }
        prop_assert_eq!(decode_vocabulary_block(&body), Ok(sent));
        body.push(more);
        prop_assert!(decode_vocabulary_block(&body).is_err());
    }

    #[test]
    fn it_has_one_encoding(
        sent in any_block(),
        at in any::<prop::sample::Index>(),
        byte in any::<u8>(),
    ) {
        let mut body = block(&sent);
        let at = at.index(body.len());
        body[at] = byte;
        if let Ok(other) = decode_vocabulary_block(&body) {
            prop_assert_eq!(block(&other), body);
        }
    }
}

#[test]
fn of_a_long_token_the_beginning_is_sent() {
    let long = VocabularyBlock { index: 0, tokens: vec![vec![b'x'; 500]] };
    let arrived = decode_vocabulary_block(&block(&long)).expect("it was sent");
    assert_eq!(arrived.tokens, [vec![b'x'; 127]]);
    assert_eq!(VocabularyBlock::cut(&long.tokens[0]), arrived.tokens[0]);
}

#[test]
fn the_largest_there_is_fits() {
    let blocks = vec![7; (VOCABULARY_MAX / VOCABULARY_BLOCK) as usize];
    let body = digest(&VocabularyDigest { size: VOCABULARY_MAX, blocks });
    assert_eq!(body.len() as u32, VOCABULARY_BYTES_MAX);
    assert!(decode_vocabulary_digest(&body).is_ok());
    let tokens = vec![vec![0; 127]; VOCABULARY_BLOCK as usize];
    assert!(block(&VocabularyBlock { index: 0, tokens }).len() as u32 <= VOCABULARY_BYTES_MAX);
}

#[test]
fn what_makes_no_sense_is_refused() {
    let why = |body: &[u8]| decode_vocabulary_digest(body).expect_err("refused").to_string();
    assert_eq!(why(&[0; 4]), "the size of the vocabulary is 0, it must be 1 to 4194304");
    assert!(why(&[0xff; 12]).starts_with("the size of the vocabulary is 4294967295, it must be"));
    // Hashes that the bytes cannot hold cost no memory.
    assert!(why(&[0, 0, 1, 0, 9]).starts_with("the body ends too early: 2048 more bytes"));
    let long = vec![0; VOCABULARY_BYTES_MAX as usize + 1];
    let (bytes, bytes_max) = (long.len() as u64, VOCABULARY_BYTES_MAX);
    let too_long = WireError::TooLong { bytes, bytes_max };
    assert_eq!(decode_vocabulary_digest(&long), Err(too_long));
    assert_eq!(decode_vocabulary_block(&long), Err(too_long));
    assert_eq!(decode_vocabulary_wanted(&long), Err(too_long));
    let mut wanted = Vec::new();
    encode_vocabulary_wanted(16_383, &mut wanted);
    assert_eq!(decode_vocabulary_wanted(&wanted), Ok(16_383));
    wanted[1] = 0x40;
    let error = decode_vocabulary_wanted(&wanted).expect_err("refused").to_string();
    assert_eq!(error, "the index of a block of ids is 16639, it must be 0 to 16383");
    assert!(decode_vocabulary_wanted(&wanted[..3]).is_err());
    let mut body = block(&samples::vocabulary_block());
    body[4] = 0x81;
    let error = decode_vocabulary_block(&body).expect_err("refused").to_string();
    assert!(error.starts_with("the number of tokens in a block is "), "{error}");
    body[4] = 0x03;
    body[5] = 0x80;
    assert!(decode_vocabulary_block(&body).is_err());
}
